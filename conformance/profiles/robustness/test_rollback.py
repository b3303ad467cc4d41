"""A failed ADD leaves nothing, and a plugin that is killed leaves nothing that the next calls do not free."""

from __future__ import annotations

import pytest

from conformance.clauses import PRACTICE, clause
from conformance.rig.node import ADD, DEFAULT, DEL, Case

NETWORKS = ("one", "two", "three")
EACH = (DEFAULT, *NETWORKS)
FAILS = {"error": {"code": 100, "msg": "told to fail"}}


@pytest.fixture
def pod(case: Case) -> Case:
    """Return a pod with three networks that is not attached yet."""
    for name in NETWORKS:
        case.define(name)
    case.pod(",".join(NETWORKS))
    return case


def attached_now(case: Case) -> list[str]:
    """Return the types whose last successful ADD has no DEL after it, by the calls that they got."""
    state: dict[str, bool] = {}
    for call in case.calls():
        if call.verb in {ADD, DEL}:
            state[call.type] = call.verb == ADD
    return [kind for kind, is_attached in state.items() if is_attached]


@clause("practice", "rollback", PRACTICE)
@pytest.mark.parametrize("failing", NETWORKS)
def test_a_failed_add_detaches(pod: Case, failing: str) -> None:
    """ADD itself detaches what it has attached when a network fails, without waiting for the DEL of the runtime."""
    pod.delegates.script(failing, ADD, FAILS)
    pod.add().fails()
    assert attached_now(pod) == []


@clause("practice", "rollback", PRACTICE)
@pytest.mark.parametrize("failing", EACH)
def test_a_failed_add_and_a_delete(pod: Case, failing: str) -> None:
    """After a failed ADD and the runtime's DEL, nothing is attached."""
    pod.delegates.script(failing, ADD, FAILS)
    pod.add().fails()
    pod.delete().succeeds()
    assert attached_now(pod) == []


@clause("practice", "rollback", PRACTICE)
@pytest.mark.parametrize("failing", NETWORKS)
def test_add_again_after_a_failure(pod: Case, failing: str) -> None:
    """After a failed ADD, its DEL and a repair, ADD works with the same container."""
    pod.delegates.script(failing, ADD, FAILS, {})
    pod.add().fails()
    pod.delete().succeeds()
    pod.add().succeeds()
    assert len(pod.network_status()) == 4


@clause("practice", "rollback", PRACTICE)
def test_the_rollback_fails_too(pod: Case) -> None:
    """A network that cannot be detached during the roll-back is detached by the runtime's DEL."""
    pod.delegates.script("two", ADD, FAILS)
    pod.delegates.script("one", DEL, FAILS, {})
    pod.add().fails()
    pod.delete().succeeds()
    assert len(pod.calls(DEL, "one")) >= 2


@clause("practice", "rollback", PRACTICE)
def test_a_chain_that_fails_in_the_middle(case: Case) -> None:
    """A list that fails at its second plugin has its first plugin detached as well."""
    case.define("lan", case.chain(*(case.config(kind) for kind in NETWORKS)))
    case.delegates.script("two", ADD, FAILS)
    case.pod("lan")
    case.add().fails()
    case.delete().succeeds()
    assert "one" in {call.type for call in case.calls(DEL)}


@clause("practice", "rollback", PRACTICE)
def test_a_missing_definition_attaches_nothing(pod: Case) -> None:
    """A definition that is missing is found before anything is attached, or all is taken back."""
    pod.pod("one,two,missing")
    pod.add().fails()
    pod.delete().succeeds()
    assert attached_now(pod) == []


@clause("practice", "rollback", PRACTICE)
def test_real_plugins_are_rolled_back(case: Case) -> None:
    """After a failed ADD and its DEL, no link and no address of real plugins is left."""
    ipam = {"type": "host-local", "dataDir": str(case.node.state / "ipam"), "subnet": "10.77.8.0/24"}
    case.define("lan", {"cniVersion": "1.0.0", "name": "lan", "type": "bridge", "bridge": "br-lan", "ipam": ipam})
    case.define("one")
    case.delegates.script("one", ADD, FAILS)
    case.pod("lan,one")
    case.add().fails()
    case.delete().succeeds()
    assert case.left() == []


@clause("practice", "crash", PRACTICE)
@pytest.mark.parametrize("step", EACH)
def test_killed_in_add(pod: Case, step: str) -> None:
    """A plugin that is killed while a delegate runs leaves nothing after the runtime's DEL."""
    pod.delegates.script(step, ADD, {"kill_caller": True})
    assert pod.call(ADD).code != 0
    pod.node.recover()
    pod.delete().succeeds()
    assert attached_now(pod) == []


@clause("practice", "crash", PRACTICE)
@pytest.mark.parametrize("step", EACH)
def test_killed_in_add_with_links(pod: Case, step: str) -> None:
    """After a kill, DEL is called for the delegate that ran at that moment."""
    pod.delegates.script(step, ADD, {"link": True, "kill_caller": True})
    assert pod.call(ADD).code != 0
    pod.node.recover()
    pod.delete()
    assert pod.calls(DEL, step)


@clause("practice", "crash", PRACTICE)
@pytest.mark.parametrize("step", EACH)
def test_killed_in_delete(pod: Case, step: str) -> None:
    """A plugin that is killed in DEL frees the rest in the next DEL."""
    pod.add().succeeds()
    pod.delegates.script(step, DEL, {"kill_caller": True}, {})
    pod.call(DEL, pod.configuration(prevResult=pod.last_result))
    pod.node.recover()
    pod.delete().succeeds()
    assert attached_now(pod) == []


@clause("practice", "crash", PRACTICE)
def test_add_again_after_a_kill(pod: Case) -> None:
    """After a kill and a DEL, ADD works with the same container."""
    pod.delegates.script("two", ADD, {"kill_caller": True}, {})
    assert pod.call(ADD).code != 0
    pod.node.recover()
    pod.delete().succeeds()
    pod.add().succeeds()
    assert len(pod.network_status()) == 4


@clause("practice", "crash", PRACTICE)
def test_check_after_a_kill_is_an_error_or_silent(pod: Case) -> None:
    """CHECK after a kill in ADD ends; it does not crash."""
    pod.delegates.script("two", ADD, {"kill_caller": True}, {})
    pod.call(ADD)
    pod.node.recover()
    assert pod.check(prevResult={"cniVersion": "1.0.0", "interfaces": [], "ips": []}).code in {0, 1}
