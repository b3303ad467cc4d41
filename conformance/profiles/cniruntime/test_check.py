"""CHECK (CNI 2, 3): every plugin is asked, with the result of ADD."""

from __future__ import annotations

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.node import ADD, CHECK, DEFAULT, Case

CNI = "cni-1.1"


@clause(CNI, "2.CHECK", MUST)
def test_check_after_add(case: Case) -> None:
    """CHECK right after ADD succeeds, and has no answer."""
    case.add().succeeds()
    assert case.check().succeeds() == {}


@clause(CNI, "4.procedure", MUST)
def test_the_default_network_is_checked(case: Case) -> None:
    """The delegate of the default network gets CHECK."""
    case.add().succeeds()
    case.check().succeeds()
    assert len(case.calls(CHECK, DEFAULT)) == 1


@clause(CNI, "4.procedure", MUST)
def test_selected_networks_are_checked(case: Case) -> None:
    """Delegates of selected networks get CHECK as well."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    case.check().succeeds()
    assert case.the_call(CHECK, "one").ifname == case.the_call(ADD, "one").ifname


@clause(CNI, "3.checking", MUST)
def test_check_has_the_result_of_add(case: Case) -> None:
    """The previous result is the final result of ADD."""
    case.default_network = case.chain(case.config(DEFAULT), case.config("second"), name="cluster")
    case.delegates.script("second", ADD, {"merge": {"dns": {"nameservers": ["10.1.1.53"]}}})
    case.add().succeeds()
    case.check().succeeds()
    for kind in (DEFAULT, "second"):
        given = case.the_call(CHECK, kind).prev_result
        assert given is not None, f"{kind} must get a previous result"
        assert given["dns"]["nameservers"] == ["10.1.1.53"]


@clause(CNI, "3.checking", MUST)
def test_check_runs_in_the_order_of_add(case: Case) -> None:
    """The plugins of a list are checked in the order of ADD."""
    case.default_network = case.chain(*(case.config(kind) for kind in (DEFAULT, "second", "third")), name="cluster")
    case.add().succeeds()
    case.check().succeeds()
    assert [call.type for call in case.calls(CHECK)] == [DEFAULT, "second", "third"]


@clause(CNI, "3.checking", MUST)
def test_an_error_of_check_is_returned(case: Case) -> None:
    """A plugin that fails CHECK makes CHECK fail."""
    case.add().succeeds()
    case.delegates.script(DEFAULT, CHECK, {"error": {"code": 100, "msg": "the route is gone"}})
    outcome = case.check()
    outcome.fails()
    assert "the route is gone" in outcome.text()


@clause(CNI, "4.procedure", SHOULD)
def test_an_error_of_a_selected_network(case: Case) -> None:
    """A selected network that fails CHECK makes CHECK fail."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    case.delegates.script("one", CHECK, {"error": {"code": 100, "msg": "the route is gone"}})
    case.check().fails()


@clause(CNI, "3.checking", MUST)
def test_disable_check(case: Case) -> None:
    """A list with `disableCheck` is not checked."""
    case.default_network = case.chain(case.config(DEFAULT), name="cluster", disableCheck=True)
    case.add().succeeds()
    case.check().succeeds()
    assert case.calls(CHECK) == []


@clause(CNI, "3.checking", MUST)
def test_the_capability_arguments_of_add(case: Case) -> None:
    """CHECK has the capability arguments of ADD."""
    case.default_network = case.config(DEFAULT, name=DEFAULT, capabilities=["portMappings"])
    ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    case.add(runtimeConfig={"portMappings": ports}).succeeds()
    case.check(runtimeConfig={"portMappings": ports}).succeeds()
    added, checked = case.the_call(ADD, DEFAULT), case.the_call(CHECK, DEFAULT)
    assert checked.runtime_config == added.runtime_config


@clause(CNI, "2.CHECK", SHOULD)
@pytest.mark.parametrize("which", ["link", "address"])
def test_a_real_loss(case: Case, which: str) -> None:
    """CHECK of a real plugin fails if its link or its address is gone."""
    ipam = {"type": "host-local", "dataDir": str(case.node.state / "ipam"), "subnet": "10.77.3.0/24"}
    bridge = {"type": "bridge", "bridge": "br-conf", "ipam": ipam}
    case.default_network = {"cniVersion": "1.0.0", "name": "cluster", **bridge}
    case.add().succeeds()
    case.check().succeeds()
    words = ("link", "delete", "eth0") if which == "link" else ("address", "flush", "dev", "eth0")
    case.container.run(*words)
    case.check().fails()


@clause(CNI, "2.CHECK", PRACTICE)
def test_check_without_the_api_server(case: Case) -> None:
    """CHECK looks at the node; an API server that is away does not make it fail."""
    case.add().succeeds()
    case.api.fail("all", 500)
    case.check().succeeds()


@clause(CNI, "2.CHECK", PRACTICE)
def test_check_changes_nothing(case: Case) -> None:
    """CHECK calls no ADD and no DEL, and writes nothing to the API server."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    before, writes = len(case.calls()), len(case.api.writes())
    case.check().succeeds()
    assert {call.verb for call in case.calls()[before:]} <= {CHECK}
    assert len(case.api.writes()) == writes


@clause(CNI, "1.configuration", PRACTICE)
@pytest.mark.parametrize("flag", [False, "false"], ids=["false", "quoted"])
def test_check_is_not_disabled(case: Case, flag: object) -> None:
    """`disableCheck` with false leaves CHECK on, also in quotes, which libcni reads as the flag."""
    case.default_network = case.chain(case.config(DEFAULT), name="cluster", disableCheck=flag)
    case.add().succeeds()
    case.check().succeeds()
    assert len(case.calls(CHECK, DEFAULT)) == 1
