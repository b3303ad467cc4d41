"""Near misses of keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.admission.plugins.spelling import edit_distance, near_miss

KEYS = ("vlan", "mtu", "isGateway", "ipMasq", "ipMasqBackend", "range_start", "id", "bridge")
WORDS = st.text(alphabet="abcdX", max_size=8)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("vlam", "vlan"),
        ("valn", "vlan"),
        ("vlanId", "vlan"),
        ("isgateway", "isGateway"),
        ("isGatewya", "isGateway"),
        ("isGatewxy", "isGateway"),
        ("ipMasquerade", "ipMasq"),
        ("ipMasqBackends", "ipMasqBackend"),
        ("rangeStart", "range_start"),
        ("mtuu", "mtu"),
        ("mut", "mtu"),
        ("ID", "id"),
        ("ie", None),
        ("identity", None),
        ("description", None),
        ("x" * 41, None),
        ("", None),
    ],
)
def test_near_miss(written: str, meant: str | None) -> None:
    assert near_miss(written, KEYS) == meant


@given(WORDS, WORDS)
def test_distance_is_symmetric_and_zero_for_the_same(one: str, other: str) -> None:
    distance = edit_distance(one, other)
    assert distance == edit_distance(other, one)
    assert (distance == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))
