"""An image archive is an image layout by the words of the OCI image specification, and the same each time."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from images.layers import Layer, digest, layer_of, packed_layer
from images.machines import MACHINES, BuildError, machine
from images.oci import Image, Label, full_reference, write_archive

from .archives import Archive

LABEL = Label("registry.example/net/one:1.2", 1_700_000_000, {"org.opencontainers.image.version": "1.2"})


def _tree(folder: Path) -> Path:
    tree = folder / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/run").write_text("#!/x\n")
    (tree / "bin/run").chmod(0o700)
    (tree / "bin/alias").symlink_to("run")
    (tree / "data").write_text("data")
    (tree / "data").chmod(0o660)
    (tree / "tmp").mkdir()
    (tree / "tmp").chmod(0o1777)
    return tree


def _images(layer: Layer) -> list[Image]:
    return [Image(one, (layer,), {"Entrypoint": ["/bin/run"]}) for one in MACHINES.values()]


def _describe(image: Image, digest: str) -> str:
    return f"{image.machine.name}: {digest}"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_archive(tmp_path / "one.tar", LABEL, _images(layer_of(_tree(tmp_path), "a tree")), _describe)
    return tmp_path / "one.tar"


def check_layout(archive: Archive) -> None:
    """Assert what image-layout.md, image-index.md, manifest.md and config.md demand."""
    assert archive.files["oci-layout"] == b'{\n "imageLayoutVersion": "1.0.0"\n}'
    reached = {"oci-layout", "index.json"}
    (top,) = archive.top["manifests"]
    assert archive.top["schemaVersion"] == archive.index()["schemaVersion"] == 2
    reached.add("blobs/" + top["digest"].replace(":", "/"))
    for entry in archive.index()["manifests"]:
        check = _check_bill if entry.get("artifactType") else _check_image
        reached |= {"blobs/" + one["digest"].replace(":", "/") for one in (entry, *check(archive, entry))}
    bills = [archive.document(one) for one in archive.index()["manifests"] if "artifactType" in one]
    assert [bill["subject"]["digest"] for bill in bills] == [one["digest"] for one in archive.images()]
    assert set(archive.files) == reached, "every blob is needed, and is there"


def _check_image(archive: Archive, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Check the manifest of an image; return what it refers to."""
    architecture = entry["platform"]["architecture"]
    assert entry["platform"] == {"architecture": architecture, "os": "linux"}
    manifest, config = archive.manifest(architecture), archive.config(architecture)
    assert manifest["schemaVersion"] == 2
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    assert (config["architecture"], config["os"]) == (architecture, "linux")
    plain = [digest(layer) for layer in archive.layers(architecture)]
    assert config["rootfs"] == {"type": "layers", "diff_ids": plain}
    assert [one.get("empty_layer", False) for one in config["history"]] == [False] * len(plain)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", config["created"])
    return [manifest["config"], *manifest["layers"]]


def _check_bill(archive: Archive, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Check the manifest of a bill of materials; return what it refers to."""
    manifest = archive.document(entry)
    assert manifest["schemaVersion"] == 2
    assert entry["artifactType"] == manifest["artifactType"] == "application/spdx+json"
    assert entry["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    assert archive.blob(manifest["config"]) == b"{}"
    archive.document(manifest["subject"])
    (layer,) = manifest["layers"]
    assert manifest["subject"]["digest"].partition(":")[2] in archive.blob(layer).decode()
    return [manifest["config"], layer]


def test_the_layout(archive: Path) -> None:
    check_layout(Archive(archive))


def test_the_index_has_both_architectures_and_the_name(archive: Path) -> None:
    found = Archive(archive)
    assert [one["platform"]["architecture"] for one in found.images()] == ["amd64", "arm64"]
    (top,) = found.top["manifests"]
    assert top["annotations"] == {
        "io.containerd.image.name": "registry.example/net/one:1.2",
        "org.opencontainers.image.ref.name": "1.2",
    }
    assert found.config("arm64")["config"] == {
        "Entrypoint": ["/bin/run"],
        "Labels": {"org.opencontainers.image.version": "1.2"},
    }
    assert found.manifest("arm64")["annotations"]["org.opencontainers.image.created"] == "2023-11-14T22:13:20Z"


def test_a_layer_has_no_traces_of_the_builder(archive: Path, tmp_path: Path) -> None:
    (layer,) = Archive(archive).layers("amd64")
    (tmp_path / "layer.tar").write_bytes(layer)
    with tarfile.open(tmp_path / "layer.tar") as tar:
        members = {one.name: (one.mode, one.uid, one.gid, one.mtime, one.uname, one.linkname) for one in tar}
    assert list(members) == sorted(members)
    assert members == {
        "bin": (0o755, 0, 0, 0, "", ""),
        "bin/alias": (0o777, 0, 0, 0, "", "run"),
        "bin/run": (0o755, 0, 0, 0, "", ""),
        "data": (0o644, 0, 0, 0, "", ""),
        "tmp": (0o1777, 0, 0, 0, "", ""),
    }


def test_the_same_files_give_the_same_archive(archive: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_archive(other / "one.tar", LABEL, _images(layer_of(_tree(other), "a tree")), _describe)
    assert (other / "one.tar").read_bytes() == archive.read_bytes()


def test_a_packed_layer_is_the_archive_itself(tmp_path: Path) -> None:
    layer = layer_of(_tree(tmp_path), "a tree")
    (tmp_path / "packed.tar.gz").write_bytes(layer.content)
    assert packed_layer(tmp_path / "packed.tar.gz", "a tree") == layer


@pytest.mark.parametrize(
    ("reference", "full"),
    [
        ("nadmit-node:0.1.0", "docker.io/library/nadmit-node:0.1.0"),
        ("net/nadmit-node:0.1.0", "docker.io/net/nadmit-node:0.1.0"),
        ("registry.example/nadmit-node:0.1.0", "registry.example/nadmit-node:0.1.0"),
        ("localhost/nadmit-node:a", "localhost/nadmit-node:a"),
        ("registry:5000/net/nadmit-node:a", "registry:5000/net/nadmit-node:a"),
    ],
)
def test_a_name_gets_the_registry_that_runtimes_put_before_it(reference: str, full: str) -> None:
    assert full_reference(reference) == full


@pytest.mark.parametrize("reference", ["", "nadmit-node", "Nadmit:1", "nadmit:", "registry:5000/nadmit", "a@sha256:00"])
def test_a_name_without_a_tag_is_refused(reference: str) -> None:
    with pytest.raises(BuildError, match="this is not a name with a tag"):
        full_reference(reference)


def test_architectures_have_two_names() -> None:
    assert machine("arm64") is machine("aarch64")
    assert machine("amd64") is machine("x86_64")
    with pytest.raises(BuildError, match="architecture 'riscv64' is not known; known: x86_64, aarch64"):
        machine("riscv64")
