"""Delegates that misbehave: garbage, nothing, signals, much output."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.clauses import PRACTICE, clause
from conformance.rig.node import ADD, DEFAULT, DEL, Case

BAD: dict[str, dict[str, Any]] = {
    "garbage": {"stdout": "not JSON"},
    "cut": {"stdout": '{"cniVersion": "1.0.0", "interf'},
    "list": {"stdout": "[]"},
    "silent-failure": {"stdout": "", "exit": 1},
    "failure-garbage": {"stdout": "panic: none", "exit": 2},
    "killed": {"signal": 9},
    "terminated": {"signal": 15},
}


@pytest.fixture
def pod(case: Case) -> Case:
    """Return a pod with one network that is not attached yet."""
    case.define("one")
    case.pod("one")
    return case


@clause("practice", "delegate", PRACTICE)
@pytest.mark.parametrize("action", [pytest.param(action, id=key) for key, action in BAD.items()])
def test_a_delegate_that_misbehaves(pod: Case, action: dict[str, Any]) -> None:
    """A delegate that misbehaves makes ADD fail."""
    pod.delegates.script("one", ADD, action)
    pod.add().fails()


@clause("practice", "delegate", PRACTICE)
@pytest.mark.parametrize("action", [pytest.param(action, id=key) for key, action in BAD.items()])
def test_a_default_network_that_misbehaves(pod: Case, action: dict[str, Any]) -> None:
    """A default network that misbehaves makes ADD fail, and the selection is not attached."""
    pod.delegates.script(DEFAULT, ADD, action)
    pod.add().fails()
    assert pod.calls(ADD, "one") == []


@clause("practice", "delegate", PRACTICE)
def test_the_error_of_a_delegate_is_readable(pod: Case) -> None:
    """The error has the text of the delegate and the network's name."""
    pod.delegates.script("one", ADD, {"error": {"code": 100, "msg": "no more addresses", "details": "range 1"}})
    outcome = pod.add()
    outcome.fails()
    assert "no more addresses" in outcome.text()
    assert "one" in outcome.text()


@clause("practice", "delegate", PRACTICE)
def test_much_on_stderr(pod: Case) -> None:
    """A delegate that writes a megabyte to stderr does not block ADD."""
    pod.delegates.script("one", ADD, {"stderr": "x" * 1_000_000})
    pod.add().succeeds()


@clause("practice", "delegate", PRACTICE)
def test_a_large_result(pod: Case) -> None:
    """A result with many routes passes through to DEL."""
    routes = [{"dst": f"10.{number // 250}.{number % 250}.0/24"} for number in range(3000)]
    pod.delegates.script("one", ADD, {"merge": {"routes": routes}})
    pod.add().succeeds()
    pod.delete().succeeds()
    given = pod.the_call(DEL, "one").prev_result
    assert given is not None
    assert len(given["routes"]) == 3000


@clause("practice", "delegate", PRACTICE)
def test_output_of_delete_is_ignored(pod: Case) -> None:
    """A delegate that prints something in DEL does not make DEL fail."""
    pod.add().succeeds()
    pod.delegates.script("one", DEL, {"stdout": "done\n"})
    pod.delete().succeeds()


@clause("practice", "delegate", PRACTICE)
def test_a_result_of_an_unknown_version(pod: Case) -> None:
    """A result of a version that nobody knows is an error, not a crash."""
    pod.delegates.script("one", ADD, {"merge": {"cniVersion": "9.9.9"}})
    assert pod.add().code in {0, 1}


@clause("practice", "delegate", PRACTICE)
def test_a_result_without_a_version(pod: Case) -> None:
    """A result without `cniVersion` does not crash the plugin."""
    pod.delegates.script("one", ADD, {"result": {"interfaces": [], "ips": []}})
    assert pod.add().code in {0, 1}


@clause("practice", "delegate", PRACTICE)
def test_a_plugin_that_delegates_to_itself(case: Case) -> None:
    """A network whose plugin is the meta plugin itself is refused; it does not run for ever."""
    kind = case.node.plugin.configuration["type"]
    case.delegates.install_program(kind, case.command())
    case.define("loop", case.configuration(type=kind))
    case.pod("loop")
    try:
        assert case.add().code == 1
    finally:
        case.delegates.remove(kind)  # ends a loop that goes on in a daemon, and lets DEL end
    assert len(case.calls(ADD, DEFAULT)) <= 2
