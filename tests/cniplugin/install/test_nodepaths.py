"""Paths as the node sees them: a DaemonSet whose hostPaths were patched writes the paths of the real directories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cniplugin.host.disk import Disk
from cniplugin.install.nodepaths import CONF_DIRS, PROFILES, node_path
from tests.paths import ROOT

from .scratchnode import BIN, CONF, Node

LINE = "36 35 98:0 {root} {point} rw,noatime master:1 - ext4 /dev/root rw\n"
K3S = "/var/lib/rancher/k3s/agent/etc/cni/net.d"


def _seen(tmp_path: Path, path: str, root: str, *, more: str = "") -> tuple[str, bool]:
    """Return the node's path, and whether there is a note, for a mount of `root` at a path below the scratch root."""
    table = tmp_path / "mountinfo"
    point = os.path.realpath(tmp_path) + path
    table.write_text(LINE.format(root="/", point="/") + LINE.format(root=root, point=point) + more)
    found = node_path(Disk(str(tmp_path), lambda _what: None), path, mountinfo=str(table))
    return found.path, bool(found.note)


@pytest.mark.parametrize(
    ("path", "root", "wanted"),
    [
        ("/etc/cni/net.d", "/etc/cni/net.d", ("/etc/cni/net.d", False)),
        ("/etc/cni/net.d", "/ostree/deploy/rhcos/deploy/0/etc/cni/net.d", ("/etc/cni/net.d", False)),
        ("/opt/cni/bin", "/var/opt/cni/bin", ("/opt/cni/bin", False)),
        ("/run/multus/cni/net.d", "/multus/cni/net.d", ("/run/multus/cni/net.d", False)),
        (K3S, K3S, (K3S, False)),
        (K3S, "/lib/rancher/k3s/agent/etc/cni/net.d", (K3S, False)),
        ("/etc/cni/net.d", K3S, (K3S, True)),
        ("/etc/cni/net.d", f"/@root{K3S}", (K3S, True)),
        ("/opt/cni/bin", "/var/lib/rancher/k3s/data/cni", ("/var/lib/rancher/k3s/data/cni", True)),
        (
            "/etc/cni/net.d",
            "/var/snap/microk8s/7180/args/cni-network",
            ("/var/snap/microk8s/current/args/cni-network", True),
        ),
        ("/etc/cni/net.d", "/etc/kubernetes/cni/net.d", ("/etc/kubernetes/cni/net.d", True)),
        ("/etc/cni/net.d", "/srv/vendor/cni", ("/etc/cni/net.d", True)),
    ],
)
def test_the_origin_of_a_mount(tmp_path: Path, path: str, root: str, wanted: tuple[str, bool]) -> None:
    assert _seen(tmp_path, path, root) == wanted


def test_every_profile_is_known_by_its_mounts(tmp_path: Path) -> None:
    for options in PROFILES.values():
        for name, usual in (("cni-conf-dir", "/etc/cni/net.d"), ("cni-bin-dir", "/opt/cni/bin")):
            path = options.get(name, usual)
            origin = path.replace("/current/", "/7180/")
            assert _seen(tmp_path, usual, origin) == (path, path != usual)
            assert _seen(tmp_path, path, origin) == (path, False)
    assert {"/etc/cni/net.d", K3S} <= set(CONF_DIRS)


def test_a_directory_below_a_mount_and_odd_names(tmp_path: Path) -> None:
    assert _seen(tmp_path, "/etc/a b/cni", "/etc/a\\040b/cni")[0] == "/etc/a b/cni"
    point = os.path.realpath(tmp_path)
    table = tmp_path / "mountinfo"
    table.write_text(LINE.format(root="/node", point=point))
    found = node_path(Disk(str(tmp_path), lambda _what: None), "/etc/cni/net.d", mountinfo=str(table))
    assert (found.path, found.note) == ("/etc/cni/net.d", "")


def test_on_the_node_itself_a_path_is_what_it_is() -> None:
    assert node_path(Disk("", lambda _what: None), "/etc/cni/net.d").path == "/etc/cni/net.d"
    assert node_path(Disk("/host", lambda _what: None), "/etc/x", mountinfo="/nonexistent").path == "/etc/x"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for mounts")
def test_a_daemon_set_with_patched_host_paths_writes_the_real_paths(tmp_path: Path) -> None:
    """The installer in a mount namespace: the directories of k3s are mounted at the usual paths."""
    node = Node(tmp_path)
    real = tmp_path / "node"
    for usual, of_k3s in ((CONF, K3S), (BIN, "/var/lib/rancher/k3s/data/cni")):
        (real / of_k3s.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (node.root / usual).rename(real / of_k3s.lstrip("/"))
        (node.root / usual).mkdir()
    words = [sys.executable, "-m", "cniplugin", "install", "--root", str(node.root), "--bundle", str(node.program)]
    words += ["--service-account", str(node.account), "--api-server", "https://10.96.0.1:443"]
    script = f"mount --bind {real}{K3S} {node.root}/{CONF} && mount --bind {real}/var/lib/rancher/k3s/data/cni"
    script += f' {node.root}/{BIN} && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"/etc/cni/net.d: this is {K3S} of the node, which the files name" in done.stdout
    plugin = json.loads((real / K3S.lstrip("/") / "00-nadmit.conflist").read_text())["plugins"][0]
    assert plugin["kubeconfig"] == f"{K3S}/nadmit.d/kubeconfig"
    assert plugin["binDir"] == "/var/lib/rancher/k3s/data/cni"
    # Mended: mounted where it belongs, and named.
    node.root = real
    assert node.run("install", "--profile", "k3s") == 0
    assert node.run("show", "--profile", "k3s") == 0
