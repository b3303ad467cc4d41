"""The pages below docs/from-multus quote what the installer prints beside Multus, on the paths of each distribution."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from cniplugin.install.commandline import DONE
from tests.cniplugin.attach.test_confdir import network
from tests.paths import ROOT

from .scratchnode import BIN, CONF, Node

PAGES = ROOT / "docs/from-multus"


class Place(NamedTuple):
    """A page, the profile, and paths of the node: the default network's file, Multus' file, and the plugins."""

    page: str
    profile: str
    default: str
    multus: str
    plugins: str
    kind: str = "multus"


K3S, OPENSHIFT = "var/lib/rancher/k3s/agent/etc/cni/net.d", "etc/kubernetes/cni/net.d"
PLACES = (
    Place("README.md", "rke2", f"{CONF}/10-default.conflist", f"{CONF}/00-multus.conflist", BIN),
    Place("k3s-rke2.md", "k3s", f"{K3S}/10-flannel.conflist", f"{K3S}/00-multus.conflist", "var/lib/rancher/k3s/data/cni"),
    Place(
        "openshift.md",
        "openshift",
        "run/multus/cni/net.d/10-ovn-kubernetes.conf",
        f"{OPENSHIFT}/00-multus.conf",
        "var/lib/cni/bin",
        "multus-shim",
    ),
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.page)
def test_a_page_quotes_the_installation(node: Node, capsys: pytest.CaptureFixture[str], place: Place) -> None:
    (node.root / CONF / "10-bridge.conflist").unlink()
    for path in (place.default, place.multus, f"{place.plugins}/bridge"):
        (node.root / path).parent.mkdir(parents=True, exist_ok=True)
    (node.root / place.plugins / "bridge").write_bytes(b"\x7fELF")
    default = network("cbr0", "bridge")
    if not place.default.endswith("list"):
        default = {"cniVersion": "1.0.0", "name": "cbr0", "type": "bridge"}
    (node.root / place.default).write_text(json.dumps(default))
    multus = {"type": place.kind, "delegates": [default]}
    is_list = place.multus.endswith("list")
    whole = {"cniVersion": "1.0.0", "name": "multus-cni-network", **({"plugins": [multus]} if is_list else multus)}
    (node.root / place.multus).write_text(json.dumps(whole))
    assert node.run("install", "--profile", place.profile) == DONE
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].startswith("installed around ")
    quoted = [line.strip() for line in (PAGES / place.page).read_text().splitlines()]
    assert [line for line in printed if line not in quoted] == []


def test_the_mesh_page_quotes_the_warnings(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    istio = {"type": "istio-cni"}
    multus = {"type": "multus", "delegates": [network("cbr0", "bridge")]}
    whole = {"cniVersion": "1.0.0", "name": "multus-cni-network", "plugins": [multus, istio]}
    (node.root / CONF / "00-multus.conflist").write_text(json.dumps(whole))
    node.run("install")
    ours = f"{CONF}/00-0-nadmit.conflist"
    node.chain(istio, name=ours)
    node.run("show")
    node.run("uninstall")
    printed = capsys.readouterr().out.splitlines()
    page = (PAGES / "service-mesh.md").read_text()
    chosen = [line for line in printed if "istio-cni" in line]
    assert len(chosen) == 3
    assert [line for line in chosen if line not in page] == []


def test_the_common_page_quotes_what_a_multus_needs_after_an_uninstall(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    (node.root / CONF / "00-multus.conf").write_text(json.dumps({"name": "m", "type": "multus"}))
    node.run("install")
    shim = {"name": "m", "type": "multus-shim", "clusterNetwork": f"/{CONF}/00-0-nadmit.conflist"}
    (node.root / CONF / "00-multus.conf").write_text(json.dumps(shim))
    capsys.readouterr()
    assert node.run("uninstall") == DONE
    warning = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: "))
    assert warning in (PAGES / "README.md").read_text()
