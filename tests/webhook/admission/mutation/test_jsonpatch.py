"""JSON Patch: the cases of the standards, and `apply` after `diff`."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.paths import VECTORS
from webhook.admission.mutation.jsonpatch import PatchError, apply, diff, equal, parse_pointer, render_pointer

CASES = json.loads((VECTORS / "json_patch_cases.json").read_text())["cases"]

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("a/~0", max_size=2)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("a~/0-", max_size=2), inner, max_size=4),
)


def test_there_are_cases_of_every_operation() -> None:
    assert {step["op"] for case in CASES for step in case["patch"]} == {"add", "remove", "replace"}
    assert len({case["id"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_case(case: dict[str, Any]) -> None:
    document = copy.deepcopy(case["doc"])
    assert equal(apply(case["patch"], document), case["expected"])
    assert document == case["doc"]
    assert equal(apply(diff(document, case["expected"]), document), case["expected"])


@pytest.mark.parametrize("path", ["/b/c", "/list/9", "/list/x", "/text/a"])
def test_a_patch_that_does_not_apply(path: str) -> None:
    with pytest.raises(PatchError, match="does not apply"):
        apply([{"op": "remove", "path": path}], {"a": 1, "list": [], "text": "t"})


@pytest.mark.slow
@given(DOCUMENTS, DOCUMENTS)
def test_a_difference_leads_from_one_document_to_the_other(before: Any, after: Any) -> None:
    untouched = copy.deepcopy(before)
    operations = diff(before, after)
    assert equal(apply(operations, before), after)
    assert before == untouched
    assert bool(operations) is not equal(before, after)


@given(DOCUMENTS)
def test_equal_documents_have_no_difference(document: Any) -> None:
    assert diff(document, copy.deepcopy(document)) == []


@pytest.mark.slow
@given(DOCUMENTS, DOCUMENTS)
def test_a_difference_is_minimal(before: Any, after: Any) -> None:
    """Without any one of its operations, a difference does not lead to the other document."""
    operations = diff(before, after)
    for left_out in range(len(operations)):
        rest = operations[:left_out] + operations[left_out + 1 :]
        try:
            assert not equal(apply(rest, before), after)
        except PatchError:
            continue


@given(st.lists(st.text()))
def test_a_pointer_is_read_as_it_was_written(tokens: list[str]) -> None:
    assert parse_pointer(render_pointer(tokens)) == tokens


def test_the_order_of_a_difference() -> None:
    before = {"gone": 1, "kept": {"x": 1}, "list": [1, 2, 3]}
    after = {"list": [1, 9], "kept": {"x": 1, "a/b": {}}, "new": None}
    assert diff(before, after) == [
        {"op": "remove", "path": "/gone"},
        {"op": "replace", "path": "/list/1", "value": 9},
        {"op": "remove", "path": "/list/2"},
        {"op": "add", "path": "/kept/a~1b", "value": {}},
        {"op": "add", "path": "/new", "value": None},
    ]
    assert diff([1], [1, 2, 3]) == [
        {"op": "add", "path": "/-", "value": 2},
        {"op": "add", "path": "/-", "value": 3},
    ]


def test_one_is_one_point_nought_and_not_true() -> None:
    assert diff({"a": 1}, {"a": 1.0}) == []
    assert diff({"a": 1}, {"a": True}) == [{"op": "replace", "path": "/a", "value": True}]
