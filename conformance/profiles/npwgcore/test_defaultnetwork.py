"""The default network (NPWG 6), failures (7.2), one after the other (7.3), `runtimeConfig` of the runtime (7.5)."""

from __future__ import annotations

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.node import ADD, DEFAULT, DEL, Case

NPWG = "npwg-1.3"
OTHERS = ("one", "two", "three")


def select(case: Case, *names: str) -> None:
    """Define networks and select them."""
    for name in names:
        case.define(name)
    case.pod(",".join(names))


@clause(NPWG, "6", MUST)
def test_every_pod_has_the_default_network(case: Case) -> None:
    """A pod without a selection is attached to the default network."""
    case.add().succeeds()
    assert case.the_call(ADD, DEFAULT).ifname == "eth0"


@clause(NPWG, "6.2", MUST)
def test_the_default_network_comes_first(case: Case) -> None:
    """The default network is attached before those of the selection."""
    select(case, *OTHERS)
    case.add().succeeds()
    assert case.calls(ADD)[0].type == DEFAULT


@clause(NPWG, "6", MUST)
def test_the_runtime_gets_the_result_of_the_default_network(case: Case) -> None:
    """The answer of ADD has the address of the default network, which Kubernetes takes as the pod's."""
    link = {"name": "eth0", "mac": "02:00:00:00:07:07", "sandbox": case.container.path}
    answer = {"cniVersion": "1.0.0", "interfaces": [link], "ips": [{"address": "10.99.7.7/24", "interface": 0}]}
    case.delegates.script(DEFAULT, ADD, {"result": answer})
    select(case, "one")
    assert "10.99.7.7/24" in [one["address"] for one in case.add().succeeds()["ips"]]


@clause(NPWG, "6", PRACTICE)
def test_the_runtime_gets_no_other_address(case: Case) -> None:
    """The answer of ADD has no address of a selected network: those are not the pod's for Kubernetes."""
    select(case, "one")
    link = {"name": "net1", "mac": "02:00:00:00:07:08", "sandbox": case.container.path}
    answer = {"cniVersion": "1.0.0", "interfaces": [link], "ips": [{"address": "10.99.7.8/24", "interface": 0}]}
    case.delegates.script("one", ADD, {"result": answer})
    assert "10.99.7.8/24" not in [one["address"] for one in case.add().succeeds()["ips"]]


@clause(NPWG, "6", MUST)
def test_a_list_as_the_default_network(case: Case) -> None:
    """The default network can be a list of plugins."""
    case.default_network = case.chain(case.config(DEFAULT), case.config("second"), name="cluster")
    select(case, "one")
    case.add().succeeds()
    assert [call.type for call in case.calls(ADD)] == [DEFAULT, "second", "one"]
    assert case.the_call(ADD, "second").ifname == "eth0"


@clause(NPWG, "7.2", MUST)
def test_a_default_network_that_fails(case: Case) -> None:
    """A default network that cannot be attached fails the pod, and nothing else is tried."""
    select(case, "one")
    case.delegates.script(DEFAULT, ADD, {"error": {"code": 100, "msg": "told to fail"}})
    case.add().fails()
    assert case.calls(ADD, "one") == []


@clause(NPWG, "7.2", MUST)
@pytest.mark.parametrize("failing", OTHERS)
def test_a_network_that_fails(case: Case, failing: str) -> None:
    """A selected network that cannot be attached fails the pod, and those after it are not tried."""
    select(case, *OTHERS)
    case.delegates.script(failing, ADD, {"error": {"code": 100, "msg": "told to fail"}})
    case.add().fails()
    tried = {call.type for call in case.calls(ADD)}
    assert failing in tried
    assert tried.isdisjoint(OTHERS[OTHERS.index(failing) + 1 :])


@clause(NPWG, "7.2", MUST)
def test_all_that_was_attempted_is_detached(case: Case) -> None:
    """After a failed ADD and a DEL, every attachment that was attempted was detached."""
    select(case, *OTHERS)
    case.delegates.script("two", ADD, {"error": {"code": 100, "msg": "told to fail"}})
    case.add().fails()
    case.delete()
    detached = {call.type for call in case.calls(DEL)}
    assert {DEFAULT, "one", "two"} <= detached


@clause(NPWG, "7.2", MUST)
@pytest.mark.parametrize("failing", [DEFAULT, *OTHERS])
def test_a_detachment_that_fails_stops_no_other(case: Case, failing: str) -> None:
    """A network that cannot be detached does not keep the others from being detached."""
    select(case, *OTHERS)
    case.add().succeeds()
    case.delegates.script(failing, DEL, {"error": {"code": 100, "msg": "told to fail"}})
    case.delete()
    assert {call.type for call in case.calls(DEL)} == {DEFAULT, *OTHERS}


@clause(NPWG, "7.2", MUST)
@pytest.mark.parametrize("failing", [DEFAULT, "two"])
def test_a_detachment_that_fails_is_an_error(case: Case, failing: str) -> None:
    """DEL is an error if a network could not be detached."""
    select(case, *OTHERS)
    case.add().succeeds()
    case.delegates.script(failing, DEL, {"error": {"code": 100, "msg": "told to fail"}})
    case.delete().fails()


@clause(NPWG, "7.3", MUST)
def test_one_after_the_other(case: Case) -> None:
    """While one network is attached, no other is."""
    select(case, *OTHERS)
    with case.adding("one"):
        assert [call.type for call in case.calls(ADD)] == [DEFAULT, "one"]
    assert len(case.calls(ADD)) == 4


@clause(NPWG, "7.5", MUST)
def test_the_runtimes_options_go_to_the_default_network(case: Case) -> None:
    """`runtimeConfig` of the runtime goes to the default network, by its capabilities."""
    ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    case.default_network = case.config(DEFAULT, name=DEFAULT, capabilities=["portMappings"])
    case.add(runtimeConfig={"portMappings": ports}).succeeds()
    (found,) = case.the_call(ADD, DEFAULT).runtime_config["portMappings"]
    assert (found["hostPort"], found["containerPort"]) == (8080, 80)


@clause(NPWG, "7.5", MUST)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("portMappings", [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]),
        ("bandwidth", {"ingressRate": 2048, "ingressBurst": 1600}),
        ("ips", ["10.1.1.5/24"]),
        ("mac", "02:00:00:00:05:05"),
    ],
    ids=["portMappings", "bandwidth", "ips", "mac"],
)
def test_the_runtimes_options_go_to_no_other_network(case: Case, key: str, value: object) -> None:
    """`runtimeConfig` of the runtime goes to no selected network."""
    case.default_network = case.config(DEFAULT, name=DEFAULT, capabilities=[key])
    case.define("one", case.config("one", capabilities=[key]))
    case.pod("one")
    case.add(runtimeConfig={key: value}).succeeds()
    given = case.the_call(ADD, "one").runtime_config.get(key)
    assert not given, f"one got {key}: {given}"


@clause(NPWG, "7.5", PRACTICE)
@pytest.mark.parametrize(("key", "value"), [("IP", "10.1.1.5"), ("MAC", "02:00:00:00:05:05")], ids=["IP", "MAC"])
def test_an_address_of_the_runtime_goes_to_no_other_network(case: Case, key: str, value: str) -> None:
    """An address in the runtime's CNI_ARGS is for one interface: a second network with it would fail, or collide."""
    case.define("one")
    case.pod("one")
    args = f"{case.environ(ADD)['CNI_ARGS']};{key}={value}"
    case.call(ADD, None, CNI_ARGS=args).succeeds()
    assert case.the_call(ADD, DEFAULT).args.get(key) == value
    given = case.the_call(ADD, "one").args.get(key)
    assert given is None, f"one got {key}={given}"


@clause(NPWG, "6.1", SHOULD)
def test_a_default_network_without_its_plugin(case: Case) -> None:
    """A default network whose plugin is not installed yet fails the pod; once it is there, the next ADD works."""
    case.delegates.remove(DEFAULT)
    case.add().fails()
    case.delegates.install(DEFAULT)
    case.delete()
    case.add().succeeds()


@clause(NPWG, "7.2", PRACTICE)
def test_networks_are_detached_in_reverse_order(case: Case) -> None:
    """Networks are detached last first, the default network at the end."""
    select(case, *OTHERS)
    case.add().succeeds()
    case.delete().succeeds()
    assert [call.type for call in case.calls(DEL)] == [*reversed(OTHERS), DEFAULT]
