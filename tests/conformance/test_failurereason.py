"""The reason of a failure is one line that a reader of a report understands."""

from __future__ import annotations

import pytest

from conformance.failurereason import REASON_MAX, comparison, reason_of
from conformance.rig.outcome import Outcome
from conformance.rig.recorder import Call

REWRITTEN = "assert not '02:00'\n +  where '02:00' = <built-in method get of dict object at 0x7fd22a73e200>('mac')"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AssertionError(REWRITTEN), "this is not so: not '02:00'"),
        (AssertionError("one must get one CHECK; it got 0\nassert 0 == 1\n +  where 0 = len([])"),
         "one must get one CHECK; it got 0"),
        (AssertionError(), "an assertion does not hold"),
        (AssertionError("\n  text \n more"), "text"),
        (KeyError("default"), "there is no 'default'"),
        (ValueError("too many values\nto unpack"), "ValueError: too many values"),
    ],
)  # fmt: skip
def test_a_reason(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_long_reason_is_cut() -> None:
    assert reason_of(AssertionError("x" * 10_000)) == "x" * REASON_MAX + " ..."


def test_a_comparison() -> None:
    assert comparison(1, "==", 2) == "1 == 2"
    assert comparison({"b", "a", "c"}, "<=", set()) == "{'a', 'b', 'c'} <= set()"
    assert comparison(["a\nb"], "==", []) == "['a\\nb'] == []"
    assert len(comparison("x" * 1_000, "in", {"k": "y" * 1_000})) < 450


def test_a_call_of_a_delegate() -> None:
    call = Call("one", "ADD", {"CNI_IFNAME": "net1", "CNI_PATH": "/long"}, {"name": "n"}, 1.5)
    assert repr([call]) == "[ADD of one (net1)]"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome(1, '{"code": 7,\n "msg": "no\\n network"}', "", 0.1), "it failed with code 7: no network"),
        (Outcome(2, "{}", "gone", 0.1), "it failed with exit code 2, answer '{}', stderr 'gone'"),
        (Outcome(-9, "garbage", "", 0.1), "it failed with exit code -9, answer 'garbage', stderr ''"),
    ],
)
def test_a_call_that_must_succeed(outcome: Outcome, reason: str) -> None:
    with pytest.raises(AssertionError) as caught:
        outcome.succeeds()
    assert reason_of(caught.value) == f"the call must succeed, and {reason}"


@pytest.mark.parametrize(
    ("code", "reason"),
    [(0, "the call must fail, and it succeeded"), (-11, "the call must fail by itself, and signal 11 ended it")],
)
def test_a_call_that_must_fail(code: int, reason: str) -> None:
    with pytest.raises(AssertionError) as caught:
        Outcome(code, '{"cniVersion": "1.0.0"}', "", 0.1).fails()
    assert reason_of(caught.value) == reason


def test_an_error_that_is_not_json() -> None:
    """CNI only recommends the JSON of an error, so a failure without it is one all the same."""
    assert Outcome(1, "gone", "", 0.1).fails() == {}
    assert Outcome(1, '{"code": 7}', "", 0.1).fails() == {"code": 7}
