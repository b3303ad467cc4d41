"""The image of the node plugin: an image layout with the bundles, which runs with the arguments of the manifests.

The tests unpack the image as a runtime would, and run its entry point as the process of a container with the mounts of
the DaemonSet.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from images.machines import BuildError
from images.node import CONFIG, build
from tests.fakes.certificates import make_keys
from tests.manifests.rendered import Object, pod_specs
from tests.paths import ROOT

from .archives import Archive, files_of
from .conftest import FOREIGN, HERE
from .test_oci import check_layout
from .test_sbom import check_document

pytestmark = pytest.mark.slow
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_image_has_a_bundle_for_each_architecture(
    node_image: Path, node_bundle: Path, foreign_bundle: Path
) -> None:
    archive = Archive(node_image / f"nadmit-node-{PROJECT['version']}.oci.tar")
    check_layout(archive)
    for machine, bundle in ((HERE, node_bundle), (FOREIGN, foreign_bundle)):
        (layer,) = archive.manifest(machine.oci)["layers"]
        assert archive.blob(layer) == bundle.read_bytes()
    (top,) = archive.top["manifests"]
    assert top["annotations"]["io.containerd.image.name"] == f"docker.io/library/{_container('node')['image']}"


def test_the_bills_of_materials_have_the_libraries_of_the_bundles(node_image: Path, foreign_bundle: Path) -> None:
    archive = Archive(node_image / f"nadmit-node-{PROJECT['version']}.oci.tar")
    for machine in (HERE, FOREIGN):
        text = (node_image / f"nadmit-node-{PROJECT['version']}-{machine.name}.spdx.json").read_text()
        assert archive.bill(machine.oci) == text
        (entry,) = (one for one in archive.images() if one["platform"]["architecture"] == machine.oci)
        found = check_document(json.loads(text), entry["digest"])
        for part in ("nadmit", "libc6", "libssl", "zlib1g"):  # of a static program they are those of the -dev packages
            assert any(name.startswith(part) for name in found), part
        assert any("python" in name for name in found), "the interpreter"
        with tarfile.open(fileobj=io.BytesIO(archive.layers(machine.oci)[0])) as tar:
            notices = [f"/{name}" for name in tar.getnames() if name.endswith(".txt")]
        assert {one["licenseComments"].partition(": ")[2] for one in found.values() if "licenseComments" in one} == {
            notice for notice in notices if not notice.endswith("/nadmit.txt") and "/common-licenses/" not in notice
        }


def test_the_archive_is_the_same_each_time(
    node_image: Path, node_bundle: Path, foreign_bundle: Path, tmp_path: Path
) -> None:
    build([node_bundle, foreign_bundle], tmp_path, f"nadmit-node:{PROJECT['version']}")
    assert files_of(tmp_path) == files_of(node_image)


def test_what_is_not_a_bundle_is_refused(node_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "one.tar.gz").write_bytes(b"text")
    with pytest.raises(BuildError, match=r"one\.tar\.gz: this is not a node bundle: make node-bundle"):
        build([tmp_path / "one.tar.gz"], tmp_path, "nadmit-node:1")
    with pytest.raises(BuildError, match=f"for the same architecture: {HERE.name}, {HERE.name}"):
        build([node_bundle, node_bundle], tmp_path, "nadmit-node:1")


@pytest.fixture
def image(node_bundle: Path, tmp_path: Path) -> Path:
    """The file system of the node image, with the directories of a node where the DaemonSet mounts them."""
    archive, _ = build([node_bundle], tmp_path / "dist", "nadmit-node:1")
    top = tmp_path / "image"
    Archive(archive).unpack(HERE.oci, top)
    for mount in _container("node")["volumeMounts"]:
        (top / mount["mountPath"].lstrip("/")).mkdir(parents=True)
    account = top / "var/run/secrets/kubernetes.io/serviceaccount"
    account.mkdir(parents=True)
    (account / "token").write_text("a-token\n")
    (account / "ca.crt").write_text(make_keys().ca)
    bridge = {"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge"}]}
    (top / "host/etc/cni/net.d/10-pods.conflist").write_text(json.dumps(bridge))
    return top


def _container(build: str) -> Object:
    (pod,) = pod_specs(build).values()
    (container,) = pod["containers"]
    return dict(container)


@contextmanager
def _running(image: Path, build: str, *, until: str) -> Iterator[None]:
    """Run a container's process in the image; wait for a line that it prints, and end it as the kubelet does."""
    command = ["chroot", str(image), *CONFIG["Entrypoint"], *_container(build)["args"]]
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    chroot_path = {**environ, "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        command, env=chroot_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            said: list[str] = []
            for line in process.stdout:
                said.append(line)
                if line.startswith(until):
                    break
            assert said, shlex.join(command)
            assert said[-1].startswith(until), said
            yield
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for chroot")
def test_the_node_image_installs_is_ready_and_uninstalls(image: Path) -> None:
    pristine = sorted(str(path) for path in (image / "host").rglob("*"))
    ready = ["chroot", str(image), *_container("node")["readinessProbe"]["exec"]["command"]]
    assert subprocess.run(ready, capture_output=True, check=False).returncode == 3, "not installed"
    with _running(image, "node", until="installed around"):
        done = subprocess.run(ready, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    assert (image / "host/etc/cni/net.d/00-nadmit.conflist").is_file()
    called = ["chroot", str(image / "host"), "/opt/cni/bin/nadmit"]
    version = subprocess.run(
        called,
        input="{}",
        env={"PATH": os.environ["PATH"], "CNI_COMMAND": "VERSION"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "supportedVersions" in version.stdout, "the runtime can run what was placed, with nothing of the image"
    with _running(image, "node-uninstall", until="uninstalled"):
        assert subprocess.run(ready, capture_output=True, check=False).returncode == 3
    assert sorted(str(path) for path in (image / "host").rglob("*")) == pristine
