"""caBundles: ours are added, retired ones removed, and the rest stays byte for byte."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.authority import Pair, issue_ca, issue_leaf, make_key, parse_name, render_certificate
from certs.cabundle import accepts, amend, certificates_in, contains, own_bundles, patch_for

from .memorycluster import FOREIGN, webhook
from .rotationworld import START

DAY = timedelta(days=1)


def make_ca() -> Pair:
    key = make_key()
    return Pair(issue_ca(key, now=START, lifetime=365 * DAY), key)


A, B, C = make_ca(), make_ca(), make_ca()
PEMS = [render_certificate(pair.certificate) for pair in (A, B, C)]
JUNK = [FOREIGN.encode(), b"", b"\n", b"# text", b"-----BEGIN CERTIFICATE-----\nnever ended\n", b"\xff\r\n"]
bundles = st.lists(st.sampled_from([*PEMS, *JUNK]), max_size=6).map(b"".join)
wanted = st.sampled_from([(A,), (A, B), (B, A)])


@given(bundle=bundles, pairs=wanted)
def test_amended(bundle: bytes, pairs: tuple[Pair, ...]) -> None:
    """Ours are in it, the retired one is not, a second time changes nothing, and the rest is unchanged."""
    ours = [pair.certificate for pair in pairs]
    made = amend(bundle, trusted=ours, retired=[C.certificate])
    assert contains(made, ours)
    assert not contains(made, [C.certificate])
    assert amend(made, trusted=ours, retired=[C.certificate]) == made
    if C.certificate not in certificates_in(bundle):
        assert made.endswith(bundle)


def test_a_bundle_is_never_empty() -> None:
    with pytest.raises(ValueError, match="trust every public one"):
        amend(PEMS[0], trusted=[], retired=[A.certificate])


@pytest.mark.parametrize(("days", "is_accepted"), [(-30, True), (0, True), (29, True), (31, False)])
def test_accepted(days: int, *, is_accepted: bool) -> None:
    """NB: a leaf from a replica whose clock is ahead is accepted."""
    leaf = issue_leaf(A, make_key(), [parse_name("a.svc")], now=START, lifetime=30 * DAY)
    now = START + days * DAY
    assert accepts(PEMS[1] + FOREIGN.encode() + PEMS[0], leaf, now) is is_accepted
    assert not accepts(PEMS[1], leaf, now)
    assert not accepts(b"", leaf, now)


def configuration(*webhooks: Any) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "7"}, "webhooks": list(webhooks)}


def test_a_patch_names_our_webhooks_only() -> None:
    value = configuration(
        webhook("a.nadmit.io"),
        webhook("b.example.org", PEMS[1]),
        webhook("c.nadmit.io", PEMS[0]),
        webhook("evilnadmit.io"),
    )
    operations = patch_for(value, trusted=[A.certificate], retired=[])
    assert operations == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "test", "path": "/webhooks/0/name", "value": "a.nadmit.io"},
        {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": base64.b64encode(PEMS[0]).decode()},
    ]
    assert own_bundles(value) == {"a.nadmit.io": b"", "c.nadmit.io": PEMS[0]}


@pytest.mark.parametrize(
    "value", [{"metadata": {}}, {"webhooks": None}, configuration(webhook("c.nadmit.io", PEMS[0]))]
)
def test_no_patch(value: dict[str, Any]) -> None:
    assert patch_for(value, trusted=[A.certificate], retired=[B.certificate]) == []


def test_a_bundle_that_is_not_base64_is_replaced() -> None:
    value = configuration(webhook("a.nadmit.io"))
    value["webhooks"][0]["clientConfig"]["caBundle"] = "%%"
    assert own_bundles(value) == {"a.nadmit.io": b""}
    assert len(patch_for(value, trusted=[A.certificate], retired=[])) == 3
