"""Findings about requests agree with Debian's host-local and static, and with the kernel.

They refuse a request with the quoted text if it has an error here, and accept it otherwise.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest

from cniplugin.cnierrors import CniError
from cniplugin.host.netlink import Namespace, interface_index
from cniplugin.host.routes import Routes
from cniplugin.netspec import annotation, cniconfig, jsontext
from cniplugin.netspec.netattachdef import build
from cniplugin.netspec.plan import plan
from tests.webhook.admission.plugins.checking import CHECKS
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.networksupport import read_support
from webhook.admission.plugins.selectionrequests import request_findings

CNI_BIN = Path("/usr/lib/cni")

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def plugins_there() -> None:
    """NB: IPAM plugins do not need root, but only root installs them."""
    if not (CNI_BIN / "host-local").exists():
        pytest.skip("needs Debian's containernetworking-plugins in /usr/lib/cni")


def network(version: str = "1.0.0", **ipam: Any) -> dict[str, Any]:
    return {"cniVersion": version, "name": "net", "type": "macvlan", "capabilities": {"ips": True}, "ipam": ipam}


def element_json(ips: list[str]) -> str:
    return json.dumps([{"name": "net", "ips": ips}])


def findings(conf: dict[str, Any], ips: list[str]) -> list[PluginFinding]:
    element = annotation.parse(element_json(ips), namespace="blue")[0]
    return [*request_findings(element, read_support(cniconfig.parse(jsontext.quote(conf), name="net"), CHECKS))]


def run_ipam(conf: dict[str, Any], ips: list[str], folder: Path) -> tuple[int, str]:
    """Run the IPAM plugin with the requests of the plan; return its exit code, and its error or its addresses."""
    definition = build(namespace="blue", name="net", config=jsontext.quote(conf))
    elements = annotation.parse(element_json(ips), namespace="blue")
    given = plan(elements, lambda *_: definition).attachments[0].runtime_config
    ipam = {**conf["ipam"], "dataDir": str(folder)} if conf["ipam"]["type"] == "host-local" else conf["ipam"]
    done = subprocess.run(
        [CNI_BIN / conf["ipam"]["type"]],
        input=json.dumps({**conf, "ipam": ipam, "runtimeConfig": given}),
        env={
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": os.urandom(8).hex(),
            "CNI_NETNS": "/proc/self/ns/net",
            "CNI_IFNAME": "net1",
            "CNI_PATH": str(CNI_BIN),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    answer = json.loads(done.stdout)
    return done.returncode, answer.get("msg") or " ".join(ip["address"] for ip in answer.get("ips", []))


HOST_LOCAL = [
    {"subnet": "10.1.0.0/24"},
    {"subnet": "10.1.0.0/30"},
    {"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5", "rangeEnd": "10.1.0.7"},
    {"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.0", "rangeEnd": "10.1.0.255", "gateway": "10.1.0.6"},
    {"subnet": "10.1.0.0/24", "gateway": "10.9.0.1"},
    {"SUBNET": "10.1.0.0/24", "rangestart": "10.1.0.5"},
    {"subnet": "fd00::/64"},
    {"subnet": "fd00::/125", "rangeStart": "fd00::3"},
    {"ranges": [[{"subnet": "10.1.0.0/25"}, {"subnet": "10.1.0.128/25"}], [{"subnet": "fd00::/64"}]]},
    {"subnet": "10.1.0.0/24", "ranges": [[{"subnet": "fd00::/112", "rangeEnd": "fd00::5"}]]},
]
SINGLE = [
    *("10.1.0.0", "10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6", "10.1.0.7", "10.1.0.8"),
    *("10.1.0.127", "10.1.0.128", "10.1.0.129", "10.1.0.254", "10.1.0.255", "10.1.1.0", "10.0.255.255", "10.9.0.1"),
    *("10.1.0.7/24", "10.1.0.7/32", "10.1.0.9/8", "::ffff:10.1.0.7", "::ffff:10.1.0.7/120", "::10.1.0.7"),
    *("fd00::", "fd00::1", "fd00::2", "fd00::3", "FD00::5", "fd00::6", "fd00::7", "fd00::ffff", "fd00:0::4/64"),
    *("fd00::ffff:ffff:ffff:ffff", "fd00:0:0:1::"),
]
SEVERAL = [["10.1.0.6", "fd00::4"], ["10.1.0.5", "10.1.0.6"], ["10.1.0.5", "10.1.0.5/24"], ["10.1.0.200", "10.1.0.7"]]


@pytest.mark.slow
@pytest.mark.parametrize("ipam", HOST_LOCAL, ids=json.dumps)
def test_host_local(tmp_path: Path, ipam: dict[str, Any]) -> None:
    """Each list of addresses has a store of its own, so that no address is reserved before.

    NB: host-local looks at several addresses in random order, so its error differs.
    """
    conf = network(type="host-local", **ipam)
    outcomes = set()
    for number, ips in enumerate([*([text] for text in SINGLE), *SEVERAL]):
        found = findings(conf, ips)
        code, output = run_ipam(conf, ips, tmp_path / str(number))
        assert (code != 0) == bool(found), (ips, output, found)
        if found:
            quoted = [finding.refusal for finding in found]
            assert "failed to allocate" in output
            assert len(ips) > 1 or quoted[0] in output, (ips, output, quoted)
        else:
            addresses = [str(ip_interface(text).ip) for text in output.split()]
            wanted = {str(getattr(ip_interface(text).ip, "ipv4_mapped", None) or ip_interface(text).ip) for text in ips}
            assert wanted <= set(addresses), (ips, output)
        outcomes.add(bool(found))
    assert outcomes == {True, False}


def test_host_local_gives_an_address_once(tmp_path: Path) -> None:
    """NAD613: the error of a pod's second attachment."""
    conf = network(type="host-local", subnet="10.1.0.0/24")
    assert run_ipam(conf, ["10.1.0.5"], tmp_path)[0] == 0
    code, output = run_ipam(conf, ["10.1.0.5/24"], tmp_path)
    assert code != 0
    assert "requested IP address 10.1.0.5 is not available in range set" in output


@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "1.0.0"])
@pytest.mark.parametrize(
    "ips",
    [
        *(["10.1.0.5"], ["fd00::5"], ["10.1.0.5/24"], ["10.1.0.0/24"], ["fd00::5/64"], ["::ffff:10.1.0.5/120"]),
        *(["10.1.0.5/24", "fd00::5/64"], ["10.1.0.5/24", "10.2.0.5/24"], ["10.1.0.5/24", "10.1.0.6"]),
    ],
    ids=" ".join,
)
def test_static(tmp_path: Path, version: str, ips: list[str]) -> None:
    conf = network(version, type="static", addresses=[{"address": "10.9.0.1/24"}])
    found = findings(conf, ips)
    code, output = run_ipam(conf, ips, tmp_path)
    assert (code != 0) == bool(found), (output, found)
    if found:
        assert any(finding.refusal.replace("{value}", str(finding.value)) in output for finding in found), output


@pytest.fixture
def link() -> Iterator[str]:
    """A namespace whose interface `net1` has an address of each family, as after an ADD."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make a network namespace")
    name = f"nadmit-pods-{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "add", "net1", "type", "veth", "peer", "name", "peer")
        ip("-n", name, "link", "set", "peer", "up")
        ip("-n", name, "link", "set", "net1", "up")
        ip("-n", name, "address", "add", "10.1.0.5/24", "dev", "net1")
        ip("-n", name, "address", "add", "fd00::5/64", "dev", "net1", "nodad")
        yield f"/run/netns/{name}"
    finally:
        ip("netns", "delete", name)


@pytest.mark.parametrize(
    ("gateway", "code"),
    [
        *(("10.1.0.1", None), ("10.1.0.254", None), ("fd00::1", None), ("fe80::1", None)),
        *(("10.2.0.1", "NAD606"), ("10.1.1.0", "NAD606"), ("169.254.1.1", "NAD606"), ("192.0.2.1", "NAD606")),
        *(("fd01::1", "NAD607"), ("2001:db8::1", "NAD607")),
    ],
)
def test_the_kernel_and_gateways(link: str, gateway: str, code: str | None) -> None:
    conf = network(type="static", addresses=[{"address": "10.1.0.5/24"}, {"address": "fd00::5/64"}])
    text = json.dumps([{"name": "net", "default-route": [gateway]}])
    element = annotation.parse(text, namespace="blue")[0]
    found = [*request_findings(element, read_support(cniconfig.parse(jsontext.quote(conf), name="net"), CHECKS))]
    assert [finding.code for finding in found] == ([code] if code else [])
    with Namespace(link), Routes() as routes:
        index = interface_index("net1")
        assert index is not None
        if code is None:
            routes.add_default(index, gateway)
            return
        with pytest.raises(CniError) as refused:
            routes.add_default(index, gateway)
    if code == "NAD606":
        assert found[0].refusal in refused.value.msg


def run_in(link: str, plugin: str, given: dict[str, Any], *, pod: str = "", **keys: str) -> tuple[int, str]:
    """Run a plugin in a namespace; without `pod`, it is chained, for the interface `net1` of the same namespace."""
    previous = {"cniVersion": "1.0.0", "interfaces": [{"name": "net1", "sandbox": link}], "ips": []}
    conf = {"cniVersion": "1.0.0", "name": "net", "type": plugin, "runtimeConfig": given, **keys}
    conf |= {} if pod else {"prevResult": previous}
    told = {"COMMAND": "ADD", "CONTAINERID": "x", "NETNS": pod or link, "IFNAME": "net1", "PATH": str(CNI_BIN)}
    done = subprocess.run(
        ["ip", "netns", "exec", Path(link).name, str(CNI_BIN / plugin)],
        input=json.dumps(conf),
        env={"PATH": os.environ["PATH"], **{f"CNI_{key}": value for key, value in told.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("mac", ["02:00:00:00:00:07", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"])
def test_tuning_and_macs(link: str, mac: str) -> None:
    conf = {"plugins": [{"type": "macvlan"}, {"type": "tuning", "capabilities": {"mac": True}}]}
    element = annotation.parse(json.dumps([{"name": "net", "mac": mac}]), namespace="blue")[0]
    found = [*request_findings(element, read_support(cniconfig.parse(jsontext.quote(conf), name="net"), CHECKS))]
    code, output = run_in(link, "tuning", {"mac": mac})
    assert (code != 0) == bool(found), output
    assert not found or found[0].refusal in output


@pytest.fixture
def pod_namespace() -> Iterator[str]:
    name = f"nadmit-macs-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.mark.parametrize("plugin", ["bridge", "macvlan"])
@pytest.mark.parametrize("mac", ["02:00:00:00:00:07", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"])
def test_main_plugins_and_macs(link: str, pod_namespace: str, plugin: str, mac: str) -> None:
    """The namespace with `net1` is the node here."""
    conf = {"cniVersion": "1.0.0", "type": plugin, "master": "net1", "capabilities": {"mac": True}}
    element = annotation.parse(json.dumps([{"name": "net", "mac": mac}]), namespace="blue")[0]
    found = [*request_findings(element, read_support(cniconfig.parse(jsontext.quote(conf), name="net"), CHECKS))]
    code, output = run_in(link, plugin, {"mac": mac}, pod=pod_namespace, bridge="br9", master="net1")
    assert (code != 0) == bool(found), output
    assert not found or found[0].refusal in output


@pytest.mark.parametrize(
    ("burst", "is_refused"), [(2_147_483_647, False), (34_359_738_359, False), (34_359_738_360, True), (2**62, True)]
)
def test_bandwidth_and_bursts(link: str, burst: int, *, is_refused: bool) -> None:
    """NB: the plugin checks the burst before it looks for the peer of the interface, which is missing here."""
    conf = {"plugins": [{"type": "bridge"}, {"type": "bandwidth", "capabilities": {"bandwidth": True}}]}
    asked = {"ingressRate": 1000, "ingressBurst": burst}
    element = annotation.parse(json.dumps([{"name": "net", "bandwidth": asked}]), namespace="blue")[0]
    found = [*request_findings(element, read_support(cniconfig.parse(jsontext.quote(conf), name="net"), CHECKS))]
    assert [finding.code for finding in found] == (["NAD615"] if is_refused else [])
    _, output = run_in(link, "bandwidth", {"bandwidth": asked})
    assert ("burst cannot be more than 4GB" in output) == is_refused, output
