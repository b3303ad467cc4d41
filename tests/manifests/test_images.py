"""The Containerfile copies existing files and starts programs that accept the manifests' arguments; the node image runs.

The tests cannot fetch a base image, so they do not build the webhook's image. The node's image has no base: the tests
unpack it as the builder would, and run its entry point as the process of a container with the DaemonSet's mounts.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from requirements import image as requirements
from tests.paths import ROOT

from .rendered import Object, pod_specs

pytestmark = pytest.mark.slow
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


class Step(NamedTuple):
    """An instruction of a stage."""

    stage: str
    name: str
    text: str


def _steps() -> list[Step]:
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    found: list[Step] = []
    stage = ""
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if not line or line.startswith("#"):
            continue
        if name == "FROM":
            stage = rest.split()[2]
        found.append(Step(stage, name, rest))
    return found


def _of(stage: str, name: str) -> list[str]:
    return [step.text for step in _steps() if (step.stage, step.name) == (stage, name)]


def _is_sent(path: str) -> bool:
    """Say whether .dockerignore lets a path into the build; its last match decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and (fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/")):
            sent = line.startswith("!")
    return sent


def test_the_stages() -> None:
    bases = {step.text.split()[2]: step.text.split()[0] for step in _steps() if step.name == "FROM"}
    assert bases == {"build": "${BASE}", "webhook": "${BASE}", "node": "scratch"}
    assert [step.text for step in _steps() if step.name == "ARG" and not step.stage] == ["BASE"], "no default: no tag"


def _make_image(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", "image", "CONTAINER_BUILD=echo built", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("base", ["", "python:3.11-slim"])
def test_a_base_without_a_digest_is_refused(base: str) -> None:
    done = _make_image(*([f"BASE={base}"] if base else []))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "make: name the base by digest: make image BASE=python:3.11-slim@sha256:..." in done.stderr


def test_a_base_with_a_digest_is_built_on() -> None:
    base = f"python:3.11-slim@sha256:{'0' * 64}"
    done = _make_image(f"BASE={base}", "IMAGE=registry.example/nadmit-webhook:1")
    assert done.returncode == 0, done.stderr
    arguments = f"-f Containerfile --target webhook --build-arg BASE={base} -t registry.example/nadmit-webhook:1 ."
    assert done.stdout.splitlines()[-1] == f"built {arguments}"


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
    assert len(pinned) > 30
    for name, (_, hashes) in pinned.items():
        assert 1 <= len(hashes) <= 2, name
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes), name
    compiled = {"cryptography", "httptools", "msgspec", "pydantic-core", "pyyaml", "uvloop"}
    assert {name for name in compiled if len(pinned[name][1]) == 2} == compiled, "a wheel for each architecture"
    assert "://" not in (ROOT / "requirements/image.txt").read_text()


def test_the_image_installs_nothing_without_a_hash() -> None:
    installing = [part for text in _of("build", "RUN") for part in text.split("&&") if "pip install" in part]
    assert len(installing) == 2
    assert "--require-hashes" in installing[0]
    assert {"--no-index", "--no-deps", "--no-build-isolation"} <= set(installing[1].split())


def test_every_copied_path_exists() -> None:
    sources = [word for text in _of("build", "COPY") for word in text.split()[:-1]]
    assert {"webhook", "cniplugin", "certs", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        assert _is_sent(source), f"{source}: .dockerignore keeps it out"
    assert not _is_sent(".git/config")
    assert not _is_sent("tests/conftest.py")


def test_every_file_that_the_project_needs_is_copied() -> None:
    sources = {word for text in _of("build", "COPY") for word in text.split()[:-1]}
    packages = {pattern.removesuffix("*") for pattern in _packages()}
    assert packages | {PROJECT["readme"], *PROJECT["license-files"]} <= sources


def _packages() -> list[str]:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    return list(tool["setuptools"]["packages"]["find"]["include"])


def test_the_webhook_runs_as_the_user_of_the_deployment() -> None:
    (user,) = _of("webhook", "USER")
    context = pod_specs(".")["Deployment/nadmit-webhook"]["securityContext"]
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"


def test_the_webhook_starts_the_command_of_the_project() -> None:
    (entry,) = _of("webhook", "ENTRYPOINT")
    assert json.loads(entry) == ["nadmit"]
    assert "nadmit" in PROJECT["scripts"]
    assert "command" not in pod_specs(".")["Deployment/nadmit-webhook"]["containers"][0]


def test_the_bundle_is_of_this_version() -> None:
    (default,) = _of("node", "ARG")
    assert re.fullmatch(rf"BUNDLE=dist/nadmit-node-{re.escape(PROJECT['version'])}-x86_64\.tar\.gz", default)
    assert _is_sent(default.partition("=")[2])


@pytest.fixture
def image(node_bundle: Path, tmp_path: Path) -> Path:
    """The file system of the node image, with the directories of a node where the DaemonSet mounts them."""
    with tarfile.open(node_bundle) as tar:
        tar.extractall(tmp_path, filter="tar")
    for mount in _container("node")["volumeMounts"]:
        (tmp_path / mount["mountPath"].lstrip("/")).mkdir(parents=True)
    account = tmp_path / "var/run/secrets/kubernetes.io/serviceaccount"
    account.mkdir(parents=True)
    (account / "token").write_text("a-token\n")
    (account / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    bridge = {"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge"}]}
    (tmp_path / "host/etc/cni/net.d/10-pods.conflist").write_text(json.dumps(bridge))
    return tmp_path


def _container(build: str) -> Object:
    (pod,) = pod_specs(build).values()
    (container,) = pod["containers"]
    return dict(container)


def _entry_point() -> list[str]:
    (entry,) = _of("node", "ENTRYPOINT")
    return [str(word) for word in json.loads(entry)]


@contextmanager
def _running(image: Path, build: str, *, until: str) -> Iterator[None]:
    """Run a container's process in the image; wait for a line that it prints, and end it as the kubelet does."""
    command = ["chroot", str(image), *_entry_point(), *_container(build)["args"]]
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
