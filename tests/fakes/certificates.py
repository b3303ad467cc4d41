"""The keys of an in-process server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from certs import authority
from conformance.rig.certificates import Keys

__all__ = ["Keys", "make_keys"]


@cache
def make_keys(name: str = "127.0.0.1", *, age_days: int = 0) -> Keys:
    """Issue a certificate as it was issued some days ago."""
    now = datetime.now(UTC) - timedelta(days=age_days)
    ca_key, key = authority.make_key(), authority.make_key()
    ca = authority.issue_ca(ca_key, now=now)
    leaf = authority.issue_leaf(authority.Pair(ca, ca_key), key, [authority.parse_name(name)], now=now)
    texts = (authority.render_certificate(ca), authority.render_certificate(leaf), authority.render_key(key))
    return Keys(*(text.decode() for text in texts))
