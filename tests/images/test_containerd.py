"""What docs/install.md promises about a real containerd: after the import the kubelet finds the image that manifests name."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cniplugin.host.grpc import call
from tests.fakes.waiting import wait_until
from tests.manifests.rendered import pod_specs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("containerd", "ctr", "runc"))),
        reason="needs root and containerd: make packages",
    ),
]
IMAGE_STATUS = "/runtime.v1.ImageService/ImageStatus"
KUBELET = "k8s.io"
"""The namespace of containerd that the kubelet uses."""
CONFIG = """\
version = 2
root = "{directory}/root"
state = "{directory}/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{directory}/c.sock"
[ttrpc]
  address = "{directory}/t.sock"
"""


@dataclass
class Containerd:
    socket: str

    def ctr(self, *words: str) -> str:
        command = ["ctr", "--address", self.socket, "--namespace", KUBELET, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def has_for_kubelet(self, image: str) -> bool:
        """Ask as the kubelet does before it starts a container (CRI, ImageStatus)."""
        spec = b"\x0a" + bytes([len(image)]) + image.encode()
        return bool(
            call(self.socket, IMAGE_STATUS, b"\x0a" + bytes([len(spec)]) + spec, deadline=time.monotonic() + 20)
        )


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    directory = tmp_path_factory.mktemp("ctd")
    (directory / "config.toml").write_text(CONFIG.format(directory=directory))
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(["containerd", "--config", str(directory / "config.toml")], stdout=log, stderr=log)
        with process:
            try:
                wait_until((directory / "c.sock").exists, (directory / "log").read_text, within_s=30)
                yield Containerd(str(directory / "c.sock"))
            finally:
                process.terminate()


def image_of(name: str) -> str:
    (spec,) = pod_specs(name).values()
    (container,) = spec["containers"]
    assert container["imagePullPolicy"] == "IfNotPresent"  # else the kubelet asks a registry
    return str(container["image"])


def test_the_kubelet_finds_the_webhook_after_an_import(containerd: Containerd, webhook_image: Path) -> None:
    image = image_of("base")
    (archive,) = webhook_image.glob("*.oci.tar")
    assert not containerd.has_for_kubelet(image)
    containerd.ctr("images", "import", str(archive))
    assert f"docker.io/library/{image}" in containerd.ctr("images", "ls", "--quiet").splitlines()
    assert containerd.has_for_kubelet(image)
    assert containerd.ctr("run", "--rm", f"docker.io/library/{image}", "try", "nadmit", "--version") == (
        f"nadmit {image.rpartition(':')[2]}\n"
    )


def test_the_kubelet_finds_the_node_image_after_an_import(containerd: Containerd, node_image: Path) -> None:
    image = image_of("node")
    (archive,) = node_image.glob("*.oci.tar")
    containerd.ctr("images", "import", str(archive))
    assert containerd.has_for_kubelet(image)
