"""ADD and DEL (CNI 2, 3, 5): results, chains, the request configuration."""

from __future__ import annotations

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.node import ADD, DEFAULT, DEL, Case

CNI = "cni-1.1"
CHAIN = ("one", "two", "three")


def select_chain(case: Case, **keys: object) -> None:
    """Select network `lan`, a list of three plugins."""
    case.define("lan", case.chain(*(case.config(kind) for kind in CHAIN), **keys))
    case.pod("lan")


@clause(CNI, "5.add", MUST)
def test_the_keys_of_a_result(case: Case) -> None:
    """The result has `cniVersion`, and the interface and address of the default network."""
    answer = case.add().succeeds()
    assert answer["cniVersion"] == "1.0.0"
    assert "eth0" in [link["name"] for link in answer["interfaces"]]
    assert answer["ips"]


@clause(CNI, "5.add", MUST)
@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_the_version_of_a_result(case: Case, version: str) -> None:
    """The result has the version of the configuration."""
    case.default_network["cniVersion"] = version
    answer = case.add(cniVersion=version).succeeds()
    assert answer["cniVersion"] == version
    assert answer["ips"][0]["address"]


@clause(CNI, "5.add", SHOULD)
def test_the_version_1_1(case: Case) -> None:
    """A configuration of 1.1.0 has a result of 1.1.0, and keeps its new keys."""
    link = {"name": "eth0", "mac": "02:00:00:00:07:07", "mtu": 1400, "sandbox": case.container.path}
    case.default_network["cniVersion"] = "1.1.0"
    ips = [{"address": "10.1.1.5/24", "interface": 0}]
    case.delegates.script(DEFAULT, ADD, {"result": {"cniVersion": "1.1.0", "interfaces": [link], "ips": ips}})
    answer = case.add(cniVersion="1.1.0").succeeds()
    assert answer["cniVersion"] == "1.1.0"
    assert answer["interfaces"][0]["mtu"] == 1400


@clause(CNI, "5.add", MUST)
def test_a_result_is_converted(case: Case) -> None:
    """A delegate of an older version gives a result in the version of the configuration."""
    case.default_network["cniVersion"] = "0.3.1"
    answer = case.add(cniVersion="1.0.0").succeeds()
    assert answer["cniVersion"] == "1.0.0"
    assert "version" not in answer["ips"][0]


@clause(CNI, "5.add", PRACTICE)
@pytest.mark.parametrize(("of_delegate", "asked"), [("0.4.0", "1.0.0"), ("1.0.0", "0.4.0")], ids=["up", "down"])
def test_a_converted_address_keeps_its_interface(case: Case, of_delegate: str, asked: str) -> None:
    """An address of a converted result keeps its interface, also the first one, and has the version of its family."""
    case.default_network["cniVersion"] = of_delegate
    six = {"address": "2001:db8::5/64", "interface": 0, **({"version": "6"} if of_delegate == "0.4.0" else {})}
    case.delegates.script(DEFAULT, ADD, {"merge": {"ips": [six]}})
    (found,) = case.add(cniVersion=asked).succeeds()["ips"]
    assert (found.get("interface"), found.get("version")) == (0, "6" if asked == "0.4.0" else None)


@clause(CNI, "5.add", SHOULD)
def test_the_sandbox_of_a_result(case: Case) -> None:
    """The interface inside the container has CNI_NETNS as its sandbox."""
    (link,) = [one for one in case.add().succeeds()["interfaces"] if one["name"] == "eth0"]
    assert link["sandbox"] == case.container.path


@clause(CNI, "5.add", MUST)
def test_routes_and_dns_of_a_result(case: Case) -> None:
    """Routes and DNS of the default network are in the result."""
    routes, dns = [{"dst": "0.0.0.0/0", "gw": "10.90.0.1"}], {"nameservers": ["10.1.1.53"]}
    case.delegates.script(DEFAULT, ADD, {"merge": {"routes": routes, "dns": dns}})
    answer = case.add().succeeds()
    assert answer["routes"] == routes
    assert answer["dns"]["nameservers"] == ["10.1.1.53"]


@clause(CNI, "2.ADD", MUST)
def test_an_interface_that_exists(case: Case) -> None:
    """A link of the name that the runtime asks for is an error."""
    case.delegates.script(DEFAULT, ADD, {"link": True})
    case.container.run("link", "add", "eth0", "type", "bridge")
    case.add().fails()


@clause(CNI, "3.adding", MUST)
def test_a_chain_passes_results_on(case: Case) -> None:
    """The first plugin of a list gets no previous result, each other the result of the one before."""
    select_chain(case)
    case.delegates.script("one", ADD, {"merge": {"routes": [{"dst": "10.1.0.0/16"}]}})
    case.delegates.script("two", ADD, {"merge": {"dns": {"nameservers": ["10.1.1.53"]}}})
    case.add().succeeds()
    first, second, third = (case.the_call(ADD, kind).prev_result for kind in CHAIN)
    assert first is None
    assert second is not None and second["routes"] == [{"dst": "10.1.0.0/16"}]  # noqa: PT018 - one fact for mypy
    assert third is not None and third["dns"]["nameservers"] == ["10.1.1.53"]  # noqa: PT018


@clause(CNI, "3.adding", MUST)
def test_a_chain_stops_at_an_error(case: Case) -> None:
    """A plugin that fails ends the list."""
    select_chain(case)
    case.delegates.script("two", ADD, {"error": {"code": 100, "msg": "told to fail"}})
    case.add().fails()
    assert case.calls(ADD, "three") == []


@clause(CNI, "3.adding", MUST)
def test_a_plugin_that_is_missing(case: Case) -> None:
    """A type without an executable is an error."""
    case.define("lan", {"cniVersion": "1.0.0", "type": "not-installed"})
    case.pod("lan")
    case.add().fails()


@clause(CNI, "3.deleting", MUST)
def test_a_chain_is_deleted_in_reverse_order(case: Case) -> None:
    """DEL executes the plugins of a list last first."""
    select_chain(case)
    case.add().succeeds()
    case.delete().succeeds()
    assert [call.type for call in case.calls(DEL) if call.type != DEFAULT] == ["three", "two", "one"]


@clause(CNI, "3.deleting", MUST)
@clause(CNI, "2.DEL", MUST)
def test_delete_has_the_final_result(case: Case) -> None:
    """Each plugin of a list gets the final result of ADD as previous result of DEL."""
    select_chain(case)
    case.delegates.script("three", ADD, {"merge": {"dns": {"nameservers": ["10.1.1.53"]}}})
    case.add().succeeds()
    case.delete().succeeds()
    for kind in CHAIN:
        given = case.the_call(DEL, kind).prev_result
        assert given is not None, f"{kind} must get a previous result"
        assert given["dns"]["nameservers"] == ["10.1.1.53"]


@clause(CNI, "3.deleting", MUST)
def test_an_error_of_delete_is_returned(case: Case) -> None:
    """A plugin of the default network that fails DEL makes DEL fail."""
    case.add().succeeds()
    case.delegates.script(DEFAULT, DEL, {"error": {"code": 100, "msg": "told to fail"}})
    case.delete().fails()


@clause(CNI, "2.DEL", SHOULD)
def test_delete_without_a_previous_result(case: Case) -> None:
    """DEL works without `prevResult`, as after a failed ADD."""
    case.add().succeeds()
    case.delete(prevResult=None).succeeds()


@clause(CNI, "2.DEL", MUST)
def test_delete_without_a_namespace(case: Case) -> None:
    """CNI_NETNS is optional for DEL."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    case.call(DEL, case.configuration(prevResult=case.last_result), CNI_NETNS=None).succeeds()
    assert {call.type for call in case.calls(DEL)} == {DEFAULT, "one"}


@clause(CNI, "2.DEL", MUST)
def test_delete_twice(case: Case) -> None:
    """A second DEL succeeds."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    case.delete().succeeds()
    case.delete().succeeds()


@clause(CNI, "2.DEL", MUST)
def test_delete_of_what_was_never_added(case: Case) -> None:
    """DEL of a container that the plugin does not know succeeds, with an empty CNI_NETNS too, and leaves no file."""
    case.delete().succeeds()
    case.call(DEL, None, CNI_NETNS="").succeeds()
    assert case.left() == []


@clause(CNI, "2.DEL", MUST)
def test_delete_prints_no_result(case: Case) -> None:
    """DEL has no answer."""
    case.add().succeeds()
    assert case.delete().succeeds() == {}


@clause(CNI, "3.request", MUST)
def test_capabilities_are_not_passed_on(case: Case) -> None:
    """`capabilities` is not in the configuration that a plugin gets."""
    case.define("one", case.config("one", capabilities=["ips"]))
    case.pod([{"name": "one", "ips": ["10.1.1.5/24"]}])
    case.add().succeeds()
    assert "capabilities" not in case.the_call(ADD, "one").config


@clause(CNI, "3.request", MUST)
def test_version_and_name_are_put_in(case: Case) -> None:
    """Each plugin gets `cniVersion` and `name` of its list."""
    select_chain(case, name="storage")
    case.add().succeeds()
    for kind in CHAIN:
        config = case.the_call(ADD, kind).config
        assert (config["cniVersion"], config["name"], config["type"]) == ("1.0.0", "storage", kind)


@clause(CNI, "1.versions", MUST)
def test_the_highest_version_of_a_list(case: Case) -> None:
    """Of several versions of a list, its plugins get the highest one that both sides support."""
    versions = {"cniVersion": "0.4.0", "cniVersions": ["0.4.0", "1.0.0", "0.3.1"]}
    case.define("lan", {**case.chain(case.config("one")), **versions})
    case.pod("lan")
    case.add().succeeds()
    assert case.the_call(ADD, "one").config["cniVersion"] == "1.0.0"


@clause(CNI, "3.request", SHOULD)
def test_other_fields_are_unaltered(case: Case) -> None:
    """Other fields pass through unaltered, those of IPAM too."""
    ipam = {"type": "static", "addresses": [{"address": "10.1.1.5/24", "extra": [1, None, "a"]}]}
    case.define("one", case.config("one", ipam=ipam, dns={"domain": "example.com"}))
    case.pod("one")
    case.add().succeeds()
    config = case.the_call(ADD, "one").config
    assert (config["ipam"], config["dns"]) == (ipam, {"domain": "example.com"})


@clause(CNI, "3.request", MUST)
def test_the_first_add_has_no_previous_result(case: Case) -> None:
    """The first plugin of the default network gets no previous result."""
    case.add().succeeds()
    assert "prevResult" not in case.the_call(ADD, DEFAULT).config


@clause(CNI, "3.runtimeConfig", MUST)
def test_runtime_config_is_by_capability(case: Case) -> None:
    """A plugin gets the capability arguments of its own capabilities alone."""
    first = case.config(DEFAULT, capabilities=["portMappings"])
    second = case.config("second", capabilities=["bandwidth"])
    case.default_network = case.chain(first, second, name="cluster")
    given = {
        "portMappings": [{"hostPort": 8080, "containerPort": 80}],
        "bandwidth": {"ingressRate": 8, "ingressBurst": 8},
    }
    case.add(runtimeConfig=given).succeeds()
    assert set(case.the_call(ADD, DEFAULT).runtime_config) == {"portMappings"}
    assert set(case.the_call(ADD, "second").runtime_config) == {"bandwidth"}


@clause(CNI, "3.runtimeConfig", MUST)
def test_no_runtime_config_without_capabilities(case: Case) -> None:
    """A plugin without capabilities gets no capability arguments."""
    case.add(runtimeConfig={"portMappings": [{"hostPort": 8080, "containerPort": 80}]}).succeeds()
    assert case.the_call(ADD, DEFAULT).runtime_config == {}


@clause(CNI, "3.parameters", MUST)
def test_delegates_get_the_parameters(case: Case) -> None:
    """A delegate gets container, namespace, interface, CNI_ARGS and CNI_PATH."""
    case.add().succeeds()
    given = case.the_call(ADD, DEFAULT)
    assert given.environ["CNI_CONTAINERID"] == case.container_id
    assert given.environ["CNI_NETNS"] == case.container.path
    assert given.args["K8S_POD_NAME"] == "web-0"
    assert str(case.node.bin_dir) in given.environ["CNI_PATH"].split(":")


@clause(CNI, "4.protocol", MUST)
def test_secondary_networks_get_the_pod(case: Case) -> None:
    """A delegate of a selected network gets the pod's name and namespace in CNI_ARGS."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    args = case.the_call(ADD, "one").args
    assert (args["K8S_POD_NAMESPACE"], args["K8S_POD_NAME"]) == ("blue", "web-0")


@clause(CNI, "4.protocol", PRACTICE)
def test_real_plugins_take_the_names_of_the_pod(case: Case) -> None:
    """A real plugin refuses the names of the pod without IgnoreUnknown; it gets that also if the runtime gave none."""
    ipam = {"type": "static", "addresses": [{"address": "10.77.2.5/24"}]}
    case.define("lan", {"cniVersion": "1.0.0", "name": "lan", "type": "bridge", "bridge": "br-conf", "ipam": ipam})
    case.pod("lan")
    args = case.environ(ADD)["CNI_ARGS"].replace("IgnoreUnknown=1;", "")
    case.call(ADD, None, CNI_ARGS=args).succeeds()
    assert case.container.addresses("net1") == ["10.77.2.5/24"]


@clause(CNI, "4.procedure", SHOULD)
def test_a_delegate_that_fails_is_deleted(case: Case) -> None:
    """After a failed ADD of a delegate, the plugin executes its DEL before it returns."""
    case.define("one")
    case.pod("one")
    case.delegates.script("one", ADD, {"error": {"code": 100, "msg": "told to fail"}})
    case.add().fails()
    assert len(case.calls(DEL, "one")) >= 1


@clause(CNI, "3.lifecycle", MUST)
def test_add_delete_add(case: Case) -> None:
    """A container can be added again after a DEL."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    case.delete().succeeds()
    case.add().succeeds()
    assert len(case.calls(ADD, "one")) == 2


@clause(CNI, "2.overview", MUST)
def test_a_real_chain(case: Case) -> None:
    """A list of real plugins works: a bridge with an address, tuned."""
    ipam = {"type": "host-local", "dataDir": str(case.node.state / "ipam"), "subnet": "10.77.2.0/24"}
    bridge = {"type": "bridge", "bridge": "br-conf", "ipam": ipam}
    tuning = {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.forwarding": "0"}}
    case.default_network = case.chain(bridge, tuning, name="cluster")
    answer = case.add().succeeds()
    assert [one["address"] for one in answer["ips"]] == case.container.addresses("eth0")
    case.delete().succeeds()
    assert case.left() == []


@clause(CNI, "2.ADD", PRACTICE)
def test_the_result_is_the_same_object(case: Case) -> None:
    """The result has no null in place of a list, which runtimes have stumbled over."""
    answer = case.add().succeeds()
    assert all(value is not None for value in answer.values())
