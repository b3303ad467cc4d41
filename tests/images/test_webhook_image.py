"""The image of the webhook: an image layout that answers reviews, as the user and on the file system of the Deployment."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import signal
import ssl
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from images import debian, wheels
from images.machines import BuildError
from images.parts import folder_of
from images.webhook import CONFIG, MODULES_LEFT_OUT, USER, build
from requirements import image as requirements
from tests.manifests.rendered import pod_specs
from tests.paths import EXAMPLES, ROOT

from .archives import Archive, files_of
from .conftest import HERE, webhook_command
from .test_oci import check_layout
from .test_sbom import check_document

pytestmark = pytest.mark.slow
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = f"nadmit-webhook-{PROJECT['version']}"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for chroot")


@pytest.fixture(scope="module")
def archive(webhook_image: Path) -> Archive:
    return Archive(webhook_image / f"{NAME}.oci.tar")


@pytest.fixture(scope="module")
def rootfs(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file system of the image, with the directory where a runtime mounts /proc."""
    target = tmp_path_factory.mktemp("webhook") / "rootfs"
    archive.unpack(HERE.oci, target)
    (target / "proc").mkdir()
    return target


# The packages of the image


def _pinned() -> dict[str, tuple[str, list[str]]]:
    """Version and hashes of image.txt by canonical name."""
    text = (ROOT / "requirements/image.txt").read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, *hashes = line.split()
            name, _, version = name.partition("==")
            found[name] = (version, hashes)
    return found


def test_the_image_has_the_versions_of_the_constraints() -> None:
    known = requirements.versions()
    assert {name: version for name, (version, _) in _pinned().items()} == {
        name: known[name] for name in requirements.closure()
    }, "run make image-requirements"


def test_every_package_of_the_image_has_its_hashes() -> None:
    pinned = _pinned()
    assert len(pinned) > 15
    for name, (_, hashes) in pinned.items():
        assert 1 <= len(hashes) <= 2, name
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes), name
    compiled = {"cryptography", "httptools", "msgspec", "pydantic-core", "pyyaml", "uvloop"}
    assert {name for name in compiled if len(pinned[name][1]) == 2} == compiled, "a wheel for each architecture"
    assert "://" not in (ROOT / "requirements/image.txt").read_text()


def test_a_wheel_with_another_hash_is_refused(webhook_image: Path, tmp_path: Path) -> None:
    for wheel in folder_of("wheels", HERE).iterdir():
        (tmp_path / wheel.name).symlink_to(wheel)
    assert [wheel.name for wheel in wheels.read_wheels(tmp_path)] == sorted(_pinned())
    (changed,) = tmp_path.glob("h11-*.whl")
    text = changed.read_bytes()
    changed.unlink()
    with pytest.raises(BuildError, match=r"these wheels are missing: h11: make image-parts"):
        wheels.read_wheels(tmp_path)
    changed.write_bytes(text + b"\0")
    with pytest.raises(BuildError, match=r"h11-.*: its hash is not in image\.txt: make image-parts"):
        wheels.read_wheels(tmp_path)


def test_without_parts_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="these are not the needed packages: make image-parts"):
        build([HERE], tmp_path, "nadmit-webhook:1", tmp_path)
    assert list(tmp_path.iterdir()) == []


# The image


def test_the_layout(archive: Archive) -> None:
    check_layout(archive)
    (top,) = archive.top["manifests"]
    container = pod_specs(".")["Deployment/nadmit-webhook"]["containers"][0]
    assert top["annotations"]["io.containerd.image.name"] == f"docker.io/library/{container['image']}"
    found = archive.config(HERE.oci)["config"]
    assert {key: found[key] for key in CONFIG} == CONFIG


def test_the_image_fits_the_deployment(archive: Archive) -> None:
    pod = pod_specs(".")["Deployment/nadmit-webhook"]
    config = archive.config(HERE.oci)["config"]
    assert config["User"] == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    (container,) = pod["containers"]
    assert "command" not in container
    assert set(config["ExposedPorts"]) == {f"{port['containerPort']}/tcp" for port in container["ports"]}
    assert config["Entrypoint"] == ["nadmit"]
    assert "nadmit" in PROJECT["scripts"]


def test_the_image_is_small(archive: Archive) -> None:
    """Every node that runs a replica pulls it. With the official client of Kubernetes it had 256 MB."""
    assert sum(map(len, archive.layers(HERE.oci))) < 125_000_000


def test_the_archive_is_the_same_each_time(webhook_image: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1"}
    subprocess.run(webhook_command(tmp_path), env=environ, check=True, capture_output=True)
    assert files_of(tmp_path) == files_of(webhook_image)


def test_the_bill_of_materials_has_what_is_inside(webhook_image: Path, archive: Archive, rootfs: Path) -> None:
    (entry,) = archive.images()
    text = (webhook_image / f"{NAME}-{HERE.name}.spdx.json").read_text()
    assert archive.bill(HERE.oci) == text
    found = check_document(json.loads(text), entry["digest"])
    status = {path.name for path in (rootfs / "var/lib/dpkg/status.d").iterdir()}
    site_packages = rootfs / "opt/nadmit/lib/python3.11/site-packages"
    installed = {
        re.sub("[-_.]+", "-", path.name.partition("-")[0]).lower() for path in site_packages.glob("*.dist-info")
    }
    assert status == set(debian.PACKAGES)
    assert set(found) == status | installed
    for name, package in found.items():
        assert name == "nadmit" or len(package["checksums"][0]["checksumValue"]) == 64
        if name in status:
            assert (rootfs / package["licenseComments"].partition(": /")[2]).is_file()
    for name, (version, hashes) in _pinned().items():
        assert found[name]["versionInfo"] == version
        assert f"--hash=sha256:{found[name]['checksums'][0]['checksumValue']}" in hashes


def test_every_needed_library_is_there(rootfs: Path) -> None:
    there = {path.name for path in rootfs.rglob("*.so*")}
    for path in (*rootfs.rglob("*.so"), rootfs / "usr/bin/python3.11"):
        out = subprocess.run(["readelf", "--dynamic", path], capture_output=True, text=True, check=True).stdout
        assert set(re.findall(r"\(NEEDED\).*\[(.*)\]", out)) <= there, path
    assert not [path for name in MODULES_LEFT_OUT for path in rootfs.rglob(f"lib-dynload/{name}.*")]


def test_every_module_is_compiled(rootfs: Path) -> None:
    for place in ("usr/lib/python3.11/asyncio", "opt/nadmit/lib/python3.11/site-packages/webhook"):
        for source in (rootfs / place).rglob("*.py"):
            compiled = Path(importlib.util.cache_from_source(str(source)))
            assert compiled.read_bytes()[4:8] == b"\1\0\0\0", f"{compiled}: this is no unchecked pyc (PEP 552)"


def test_there_is_no_shell_and_nothing_is_set_uid(archive: Archive, rootfs: Path) -> None:
    assert sorted(path.name for path in (rootfs / "usr/bin").iterdir()) == ["python3.11"]
    tops = {path.name for path in rootfs.iterdir()} - {"proc"}
    assert tops == {"etc", "lib", "lib64", "opt", "tmp", "usr", "var"}
    for number, layer in enumerate(archive.layers(HERE.oci)):
        (rootfs.parent / str(number)).write_bytes(layer)
        with tarfile.open(rootfs.parent / str(number)) as tar:
            assert not [one.name for one in tar if one.mode & 0o6000 or one.uid or one.gid]


# The image runs

CONTAINER = """
set -e
root=$1 user=$2 cluster=$3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
cp -r "$cluster" "$root/tmp/cluster"
chmod 1777 "$root/tmp"
shift 3
exec env -i "PATH=$path" /usr/sbin/chroot --userspec="$user" "$root" "$@"
"""
"""A read-only root, a directory /tmp in memory, and the user of the image. The mounts end with the namespace."""


def _contained(rootfs: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return a command that runs the entry point as in a container, and its environment."""
    config = {name: value for name, _, value in (one.partition("=") for one in CONFIG["Env"])}
    words = ["unshare", "--mount", "sh", "-c", CONTAINER, "sh"]
    words += [str(rootfs), f"{USER}:{USER}", str(EXAMPLES / "cluster"), *CONFIG["Entrypoint"], *arguments]
    return words, {"PATH": os.environ["PATH"], "path": config["PATH"]}


@contextmanager
def _serving(rootfs: Path) -> Iterator[tuple[int, ssl.SSLContext]]:
    """Serve the example cluster; yield the port and a context that trusts the server's authority."""
    options = [
        "--manifests=/tmp/cluster",
        "--cert-dir=/tmp/certs",
        "--listen=127.0.0.1:0",
        "--probe-listen=127.0.0.1:0",
    ]
    command, environ = _contained(rootfs, "serve", *options, "--drain-seconds=0")
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        # The directory /tmp of the container, in its mount namespace.
        authority = Path(f"/proc/{process.pid}/root/tmp/certs/ca.crt").read_text()
        try:
            yield json.loads(line)["webhook"][1], ssl.create_default_context(cadata=authority)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.root
@needs_root
def test_the_default_command_is_the_help(rootfs: Path) -> None:
    command, environ = _contained(rootfs, *CONFIG["Cmd"])
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: nadmit serve [OPTIONS]")


@pytest.mark.root
@needs_root
def test_it_answers_a_review_over_https(rootfs: Path) -> None:
    review = json.loads((EXAMPLES / "recordings/create-pods-alice-pod.json").read_text())
    with _serving(rootfs) as (port, context):
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
        answers = []
        for path, networks in (("/mutate", "data-plane,data-plane"), ("/validate", "infra/secret")):
            review["request"]["object"]["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"] = networks
            connection.request("POST", path, json.dumps(review), {"Content-Type": "application/json"})
            answers.append(json.loads(connection.getresponse().read())["response"])
        connection.close()
    assert [(answer["allowed"], "patch" in answer) for answer in answers] == [(True, True), (False, False)]
    assert "infra/secret" in answers[1]["status"]["message"]
    assert not list((rootfs / "tmp").iterdir()), "nothing is written to the image"
