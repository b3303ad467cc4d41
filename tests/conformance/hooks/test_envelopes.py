"""Reviews of the suite have the shape of those that a real API server sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.hooks.envelopes import encode, review
from conformance.hooks.samples import ABSENT, definition, pod
from conformance.hooks.testcluster import single
from tests.paths import EXAMPLES

NET = definition(single("net"))
ON_DISK = definition(ABSENT)
POD = pod("bridge")
MADE: dict[str, Any] = {
    "create-pods-alice-pod": review(POD),
    "update-pods-pod-c": review(POD, operation="UPDATE", old=POD),
    "delete-pods-bothpod": review(None, operation="DELETE", old=POD),
    "create-network-attachment-definitions-data-plane": review(NET),
    "update-network-attachment-definitions-macvlan-conf": review(NET, operation="UPDATE", old=NET),
    "delete-network-attachment-definitions-on-disk": review(None, operation="DELETE", old=ON_DISK),
    "update-pods-status-bothpod": review(POD, operation="UPDATE", old=POD, subResource="status"),
}


def shape(value: Any, depth: int) -> Any:
    """Return keys and types down to a depth."""
    if isinstance(value, dict) and depth:
        return {key: shape(item, depth - 1) for key, item in value.items()}
    return type(value).__name__


@pytest.mark.parametrize("name", MADE)
def test_the_shape(name: str) -> None:
    recorded = json.loads((EXAMPLES / "recordings" / f"{name}.json").read_text())
    made = json.loads(encode(MADE[name]))
    assert shape(made, 2).keys() == shape(recorded, 2).keys()
    own, theirs = made["request"], recorded["request"]
    assert shape(own, 1) == shape(theirs, 1)
    for key in ("kind", "resource", "requestKind", "requestResource", "operation"):
        assert own[key] == theirs[key]
    for key in ("object", "oldObject"):
        if theirs[key] is not None:
            assert own[key].keys() <= theirs[key].keys(), "the suite sends nothing that an API server does not"


def test_a_lone_surrogate_stays_an_escape() -> None:
    assert encode({"a": "\ud800é"}) == b'{"a":"\\ud800\\u00e9"}'
    assert encode({"a": "é"}) == '{"a":"é"}'.encode()
