"""The status annotation (NPWG 5): an entry for each attachment, taken from the result of its delegate."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.clusterserver import NAMESPACE, STATUS_KEY
from conformance.rig.node import ADD, DEFAULT, Case

NPWG = "npwg-1.3"
KEYS = {"name", "interface", "ips", "mac", "default", "dns", "device-info", "default-route"}
"""The keys of a status map (NPWG 5.3.1 to 5.3.7)."""


def result(case: Case, *, version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    """Return a result with the pod's link `net1`, and the host's end of it."""
    host = {"name": "veth1", "mac": "02:00:00:00:99:01"}
    link = {"name": "net1", "mac": "02:00:00:00:01:01", "sandbox": case.container.path}
    one = {"address": "10.1.1.5/24", "interface": 1}
    return {"cniVersion": version, "interfaces": [host, link], "ips": [one], **keys}


def attach(case: Case, answer: dict[str, Any]) -> dict[str, Any]:
    """Attach network `one` with a result of its delegate, and return its entry."""
    case.define("one")
    case.delegates.script("one", ADD, {"result": answer})
    case.pod("one")
    case.add().succeeds()
    return entry_of_one(case)


def entry_of_one(case: Case) -> dict[str, Any]:
    """Return the only entry of network `one`."""
    found = [each for each in case.network_status() if each["name"].endswith("one")]
    assert len(found) == 1, f"network-status must have one entry of the network; it has {len(found)}"
    return found[0]


@clause(NPWG, "5", SHOULD)
def test_the_annotation_is_written(case: Case) -> None:
    """The result of the attachments is a JSON list of maps in the annotation of the pod."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    assert STATUS_KEY in case.api.pod()["metadata"]["annotations"]
    assert all(isinstance(entry, dict) for entry in case.network_status())


@clause(NPWG, "5", PRACTICE)
def test_other_annotations_stay(case: Case) -> None:
    """Writing the status changes no other annotation of the pod."""
    case.define("one")
    case.pod("one", annotations={"example.com/color": "blue"})
    before = case.api.pod()["metadata"]["annotations"]
    case.add().succeeds()
    after = case.api.pod()["metadata"]["annotations"]
    assert {key: text for key, text in after.items() if key != STATUS_KEY} == before


@clause(NPWG, "4.2", MUST)
@clause(NPWG, "5", MUST)
def test_an_entry_for_each_attachment(case: Case) -> None:
    """Each attachment has an entry."""
    case.define("one")
    case.define("two")
    case.pod("one,two")
    case.add().succeeds()
    assert len(case.network_status()) == 3


@clause(NPWG, "5.2", MUST)
@clause(NPWG, "5.3.5", MUST)
def test_the_default_network_has_an_entry(case: Case) -> None:
    """The default network has an entry, and it alone is `default`."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    (entry,) = [each for each in case.network_status() if each.get("default")]
    assert entry["default"] is True
    assert entry["interface"] == "eth0"


@clause(NPWG, "5.2", MUST)
def test_a_pod_without_a_selection_has_a_status(case: Case) -> None:
    """The entry of the default network is there without a selection."""
    case.add().succeeds()
    assert [entry.get("default") for entry in case.network_status()] == [True]


@clause(NPWG, "5.3.5", MUST)
def test_default_is_always_there(case: Case) -> None:
    """`default` is a required key: it is there for secondary networks too."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    assert entry_of_one(case)["default"] is False


@clause(NPWG, "5.3.1", MUST)
def test_the_name_of_an_entry(case: Case) -> None:
    """`name` is the name of the definition."""
    case.define("lan", case.config("one", name="another-name"))
    case.pod("lan")
    case.add().succeeds()
    assert any(entry["name"].rpartition("/")[2] == "lan" for entry in case.network_status())


@clause(NPWG, "5.3.1", SHOULD)
def test_the_namespace_of_an_entry(case: Case) -> None:
    """`name` has the namespace of the definition."""
    case.define("lan", namespace="green")
    case.pod("green/lan")
    case.add().succeeds()
    assert "green/lan" in [entry["name"] for entry in case.network_status()]


@clause(NPWG, "5.3.1", MUST)
def test_the_name_of_the_default_network(case: Case) -> None:
    """The entry of the default network has its name."""
    case.add().succeeds()
    (entry,) = case.network_status()
    assert entry["name"].rpartition("/")[2] == DEFAULT


@clause(NPWG, "5.3.2", SHOULD)
@clause(NPWG, "5.1.1", MUST)
def test_the_interface_of_an_entry(case: Case) -> None:
    """`interface` is the first interface of the result with a sandbox, not one of the host."""
    assert attach(case, result(case))["interface"] == "net1"


@clause(NPWG, "5.3.4", SHOULD)
def test_the_mac_of_an_entry(case: Case) -> None:
    """`mac` is that of the first interface with a sandbox."""
    assert attach(case, result(case))["mac"] == "02:00:00:00:01:01"


@clause(NPWG, "5.3.3", SHOULD)
def test_the_ips_of_an_entry(case: Case) -> None:
    """`ips` has the addresses of the interface, IPv4 and IPv6, with or without prefix lengths."""
    two = [{"address": "10.1.1.5/24", "interface": 1}, {"address": "2001:db8::5/64", "interface": 1}]
    found = attach(case, result(case, ips=two))["ips"]
    assert [text.partition("/")[0] for text in found] == ["10.1.1.5", "2001:db8::5"]


@clause(NPWG, "5.3.3", SHOULD)
def test_ips_of_the_host_are_left_out(case: Case) -> None:
    """An address of the host's end is not in `ips`."""
    two = [{"address": "10.1.1.1/24", "interface": 0}, {"address": "10.1.1.5/24", "interface": 1}]
    found = attach(case, result(case, ips=two))["ips"]
    assert [text.partition("/")[0] for text in found] == ["10.1.1.5"]


@clause(NPWG, "5.3.3", SHOULD)
def test_ips_without_interfaces(case: Case) -> None:
    """Without interfaces in the result, `ips` is the address that names no interface."""
    answer = {"cniVersion": "1.0.0", "ips": [{"address": "10.1.1.5/24"}]}
    entry = attach(case, answer)
    assert [text.partition("/")[0] for text in entry.get("ips", [])] == ["10.1.1.5"]


@clause(NPWG, "5.3.3", MUST)
def test_no_addresses(case: Case) -> None:
    """A result without addresses gives no `ips`."""
    assert not attach(case, result(case, ips=[])).get("ips")


@clause(NPWG, "5.3.6", MUST)
def test_dns(case: Case) -> None:
    """`dns` has what the result says about DNS."""
    dns = {"nameservers": ["10.1.1.53", "2001:db8::53"], "domain": "example.com", "search": ["a.example.com"]}
    found = attach(case, result(case, dns=dns))["dns"]
    assert {key: found.get(key) for key in dns} == dns


@clause(NPWG, "5.3.6", MUST)
def test_no_dns(case: Case) -> None:
    """A result without DNS gives no name servers."""
    assert not attach(case, result(case)).get("dns", {}).get("nameservers")


@clause(NPWG, "5.1.1", SHOULD)
def test_a_result_without_content(case: Case) -> None:
    """A result without interfaces and addresses still gives an entry."""
    assert attach(case, {"cniVersion": "1.0.0"})["name"].endswith("one")


@clause(NPWG, "5.1.1", MUST)
@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_results_of_other_versions(case: Case, version: str) -> None:
    """A result of another version gives interface, mac and address."""
    more = {"version": "4"} if version != "1.0.0" else {}
    answer = result(case, version=version, ips=[{"address": "10.1.1.5/24", "interface": 1, **more}])
    case.define("one", {**case.config("one"), "cniVersion": version})
    case.delegates.script("one", ADD, {"result": answer})
    case.pod("one")
    case.add().succeeds()
    entry = case.status_of("net1")
    assert entry["mac"] == "02:00:00:00:01:01"
    assert entry["ips"][0].startswith("10.1.1.5")


@clause(NPWG, "5.3.3", SHOULD)
def test_a_result_before_0_3(case: Case) -> None:
    """A result of 0.2.0 gives the addresses of `ip4` and `ip6`."""
    answer = {"cniVersion": "0.2.0", "ip4": {"ip": "10.1.1.5/24"}, "ip6": {"ip": "2001:db8::5/64"}}
    case.define("one", {**case.config("one"), "cniVersion": "0.2.0"})
    case.delegates.script("one", ADD, {"result": answer})
    case.pod("one")
    case.add().succeeds()
    assert sorted(text.partition("/")[0] for text in entry_of_one(case)["ips"]) == ["10.1.1.5", "2001:db8::5"]


@clause(NPWG, "5.1.1", MUST)
def test_the_status_is_of_the_last_plugin(case: Case) -> None:
    """The status of a list of plugins is the result of the last one."""
    case.define("lan", case.chain(case.config("one"), case.config("two")))
    case.delegates.script("two", ADD, {"result": result(case)})
    case.pod("lan")
    case.add().succeeds()
    assert case.status_of("net1")["mac"] == "02:00:00:00:01:01"


@clause(NPWG, "5.3", MUST)
def test_keys_of_the_status(case: Case) -> None:
    """Keys without a dot are those of the standard."""
    assert {key for key in attach(case, result(case)) if "." not in key} <= KEYS


@clause(NPWG, "5.3", MUST)
def test_keys_of_a_result_with_more(case: Case) -> None:
    """A result with an MTU and a gateway adds no key without a dot that the standard does not have."""
    link = {"name": "net1", "mac": "02:00:00:00:01:01", "mtu": 1400, "sandbox": case.container.path}
    routes, ips = [{"dst": "0.0.0.0/0", "gw": "10.1.1.1"}], [{"address": "10.1.1.5/24", "interface": 0}]
    answer = {"cniVersion": "1.1.0", "interfaces": [link], "ips": ips, "routes": routes}
    case.define("one", {**case.config("one"), "cniVersion": "1.1.0"})
    case.delegates.script("one", ADD, {"result": answer})
    case.pod("one")
    case.add().succeeds()
    assert {key for key in case.status_of("net1") if "." not in key} <= KEYS


@clause(NPWG, "5.1.1", MUST)
def test_a_result_with_two_interfaces(case: Case) -> None:
    """The status of an attachment is one entry, of the first interface with a sandbox."""
    links = [{"name": name, "mac": "", "sandbox": case.container.path} for name in ("net1", "net1b")]
    answer = {"cniVersion": "1.0.0", "interfaces": links, "ips": [{"address": "10.1.1.5/24", "interface": 0}]}
    assert attach(case, answer)["interface"] == "net1"


@clause(NPWG, "5", PRACTICE)
def test_the_status_is_written_to_the_right_pod(case: Case) -> None:
    """Nothing is written to other pods, and the pod is written through its own path."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    paths = {request.path for request in case.api.writes() if "/pods/" in request.path}
    assert paths
    assert all(path.startswith(f"/api/v1/namespaces/{NAMESPACE}/pods/web-0") for path in paths)


@clause(NPWG, "5.1.1", PRACTICE)
def test_a_real_plugin(case: Case) -> None:
    """The status of a real plugin is what the pod has."""
    ipam = {"type": "static", "addresses": [{"address": "10.77.1.5/24"}]}
    case.define("lan", {"cniVersion": "1.0.0", "type": "bridge", "bridge": "br-conf", "ipam": ipam})
    case.pod([{"name": "lan", "interface": "lan0"}])
    case.add().succeeds()
    entry = case.status_of("lan0")
    assert entry["mac"] == case.container.mac("lan0")
    assert [text.partition("/")[0] for text in entry["ips"]] == ["10.77.1.5"]
