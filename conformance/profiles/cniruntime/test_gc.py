"""GC and STATUS (CNI 2, 3): forwarded to the delegates, errors returned."""

from __future__ import annotations

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.node import DEFAULT, DEL, GC, STATUS, Case

CNI = "cni-1.1"
ATTACHMENTS = "cni.dev/valid-attachments"
FAILS = {"error": {"code": 50, "msg": "no daemon"}}


@pytest.fixture(autouse=True)
def of_1_1(case: Case) -> None:
    """Make the default network one of CNI 1.1, which has these operations."""
    case.default_network["cniVersion"] = "1.1.0"


def chain(case: Case) -> None:
    """Make the default network a list of three plugins."""
    plugins = (case.config(kind) for kind in (DEFAULT, "second", "third"))
    case.default_network = {**case.chain(*plugins, name="cluster"), "cniVersion": "1.1.0"}


@clause(CNI, "2.GC", MUST)
@clause(CNI, "4.procedure", MUST)
def test_gc_is_forwarded(case: Case) -> None:
    """The delegate of the default network gets GC."""
    case.add(cniVersion="1.1.0").succeeds()
    case.collect((case.container_id, "eth0")).succeeds()
    assert len(case.calls(GC, DEFAULT)) == 1


@clause(CNI, "3.gc", MUST)
def test_gc_has_the_valid_attachments(case: Case) -> None:
    """The delegate gets the attachments that are in use."""
    case.add(cniVersion="1.1.0").succeeds()
    case.collect((case.container_id, "eth0")).succeeds()
    given = case.the_call(GC, DEFAULT).config[ATTACHMENTS]
    assert {"containerID": case.container_id, "ifname": "eth0"} in given


@clause(CNI, "2.GC", MUST)
def test_gc_keeps_what_is_in_use(case: Case) -> None:
    """GC detaches nothing of a container that is in use."""
    case.define("one")
    case.pod("one")
    case.add(cniVersion="1.1.0").succeeds()
    case.collect((case.container_id, "eth0")).succeeds()
    assert case.calls(DEL) == []


@clause(CNI, "2.GC", PRACTICE)
def test_gc_keeps_selected_networks(case: Case) -> None:
    """GC to a delegate of a selected network lists the attachment that is in use.

    NB: the runtime knows `eth0` alone; the plugin knows the other interfaces of the container.
    """
    case.define("one", {**case.config("one"), "cniVersion": "1.1.0"})
    case.pod("one")
    case.add(cniVersion="1.1.0").succeeds()
    case.collect((case.container_id, "eth0")).succeeds()
    for call in case.calls(GC, "one"):
        assert {"containerID": case.container_id, "ifname": "net1"} in call.config[ATTACHMENTS]


@clause(CNI, "2.GC", SHOULD)
def test_gc_frees_selected_networks(case: Case) -> None:
    """Attachments to selected networks of a container that is gone are freed, by DEL or by GC of their delegate."""
    case.define("one", {**case.config("one"), "cniVersion": "1.1.0"})
    case.pod("one")
    case.add(cniVersion="1.1.0").succeeds()
    case.container.remove()
    case.collect().succeeds()
    freed = [call for call in case.calls(GC, "one") if call.config[ATTACHMENTS] == []]
    assert freed or case.calls(DEL, "one"), "one got neither GC without attachments nor DEL"


@clause(CNI, "2.GC", SHOULD)
def test_gc_frees_real_addresses(case: Case) -> None:
    """GC frees the address of a container that is gone."""
    ipam = {"type": "host-local", "dataDir": str(case.node.state / "ipam"), "ranges": [[{"subnet": "10.77.4.0/24"}]]}
    case.define("lan", {"cniVersion": "1.0.0", "name": "lan", "type": "bridge", "bridge": "br-conf", "ipam": ipam})
    case.pod("lan")
    case.add(cniVersion="1.1.0").succeeds()
    case.container.remove()
    case.collect().succeeds()
    assert [path.name for path in (case.node.state / "ipam" / "lan").glob("10.77.*")] == []


@clause(CNI, "1.configuration", MUST)
def test_disable_gc(case: Case) -> None:
    """A list with `disableGC` gets no GC."""
    kinds = (DEFAULT, "second")
    made = {**case.chain(*(case.config(kind) for kind in kinds), name="cluster", disableGC=True), "cniVersion": "1.1.0"}
    case.default_network = made
    case.collect().succeeds()
    assert case.calls(GC) == []


@clause(CNI, "3.gc", MUST)
def test_gc_asks_every_plugin(case: Case) -> None:
    """Each plugin of a list gets GC."""
    chain(case)
    case.collect().succeeds()
    assert {call.type for call in case.calls(GC)} == {DEFAULT, "second", "third"}


@clause(CNI, "3.gc", MUST)
def test_gc_continues_after_an_error(case: Case) -> None:
    """A plugin that fails GC stops no other, and makes GC fail."""
    chain(case)
    case.delegates.script(DEFAULT, GC, FAILS)
    case.collect().fails()
    assert {call.type for call in case.calls(GC)} == {DEFAULT, "second", "third"}


@clause(CNI, "3.gc", MUST)
def test_gc_returns_all_errors(case: Case) -> None:
    """The errors of all plugins are returned."""
    chain(case)
    case.delegates.script(DEFAULT, GC, {"error": {"code": 100, "msg": "first error"}})
    case.delegates.script("third", GC, {"error": {"code": 100, "msg": "third error"}})
    outcome = case.collect()
    outcome.fails()
    assert "first error" in outcome.text()
    assert "third error" in outcome.text()


@clause(CNI, "2.GC", MUST)
def test_gc_prints_nothing(case: Case) -> None:
    """GC has no answer on success."""
    assert case.collect().succeeds() == {}


@clause(CNI, "2.GC", PRACTICE)
def test_gc_without_the_api_server(case: Case) -> None:
    """GC works without the API server."""
    case.api.fail("all", 500)
    case.collect((case.container_id, "eth0")).succeeds()


@clause(CNI, "2.STATUS", MUST)
def test_status(case: Case) -> None:
    """STATUS of a plugin that is ready succeeds, and prints nothing."""
    assert case.status().succeeds() == {}


@clause(CNI, "2.STATUS", MUST)
def test_status_asks_the_default_network(case: Case) -> None:
    """The delegate of the default network gets STATUS."""
    case.status().succeeds()
    assert len(case.calls(STATUS, DEFAULT)) == 1


@clause(CNI, "2.STATUS", SHOULD)
def test_status_returns_the_error_of_a_delegate(case: Case) -> None:
    """A delegate that is not ready makes STATUS fail."""
    case.delegates.script(DEFAULT, STATUS, FAILS)
    outcome = case.status()
    outcome.fails()
    assert "no daemon" in outcome.text()


@clause(CNI, "2.STATUS", SHOULD)
@pytest.mark.parametrize("code", [50, 51])
def test_status_keeps_the_code(case: Case, code: int) -> None:
    """The codes 50 and 51 of a delegate reach the runtime."""
    case.delegates.script(DEFAULT, STATUS, {"error": {"code": code, "msg": "not ready"}})
    assert case.status().fails()["code"] == code


@clause(CNI, "2.STATUS", MUST)
def test_status_without_the_plugin_of_the_default_network(case: Case) -> None:
    """A default network whose plugin is not installed cannot serve ADD, so STATUS is an error."""
    case.delegates.remove(DEFAULT)
    case.status().fails()


@clause(CNI, "2.STATUS", MUST)
def test_add_after_a_failed_status(case: Case) -> None:
    """STATUS is informational: after an error of STATUS, ADD works."""
    case.delegates.script(DEFAULT, STATUS, FAILS)
    case.status()
    case.add(cniVersion="1.1.0").succeeds()


@clause(CNI, "2.STATUS", MUST)
def test_status_attaches_nothing(case: Case) -> None:
    """STATUS calls nothing but STATUS of delegates."""
    case.status().succeeds()
    assert {call.verb for call in case.calls()} <= {STATUS}


@clause(CNI, "2.STATUS", SHOULD)
def test_status_with_credentials_that_ended(case: Case) -> None:
    """A plugin that needs the API server for each pod is not ready while its credentials are refused."""
    case.api.fail("all", 401)
    case.status().fails()
