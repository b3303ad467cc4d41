"""A pair from memory: served, checked before it is taken, and in no file."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from certs.authority import Pair, issue_ca, issue_leaf, make_key, parse_name, render_certificate, render_key
from webhook.kube.connection import Connection
from webhook.secrettls import certificate_names, webhook_configurations
from webhook.serving.memorytls import MemoryTls
from webhook.serving.tls import CertificateError
from webhook.settings import ClusterSettings

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def make_pair(now: datetime = NOW) -> tuple[bytes, bytes]:
    ca_key, key = make_key(), make_key()
    ca = Pair(issue_ca(ca_key, now=now), ca_key)
    return render_certificate(issue_leaf(ca, key, [parse_name("localhost")], now=now, lifetime=DAY)), render_key(key)


def test_a_pair_is_taken_or_the_old_one_stays() -> None:
    ends: list[float] = []
    tls = MemoryTls("Secret n/tls", now=time.time, on_reload=ends.append)
    tls.take(*make_pair())
    context = tls._current
    assert ends == [tls.not_after]
    for certificate, key, text in (
        (*make_pair(NOW - 2 * DAY), "tls.crt of Secret n/tls: expired at "),
        (
            make_pair()[0],
            make_pair()[1],
            "tls.key of Secret n/tls: does not belong to the certificate in tls.crt of Secret",
        ),
        (b"x", b"x", "tls.crt of Secret n/tls: not a PEM certificate"),
    ):
        with pytest.raises(CertificateError, match=f"^{text}"):
            tls.take(certificate, key)
    assert tls._current is context
    assert ends == [tls.not_after]


def test_nothing_is_polled() -> None:
    tls = MemoryTls("Secret n/tls", now=time.time, on_reload=lambda _end: None)

    async def watch() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tls.watch(0.001), 0.02)

    asyncio.run(watch())
    assert tls.not_after == 0


def test_names() -> None:
    assert certificate_names(ClusterSettings(), "n", ["localhost"]) == (
        "nadmit-webhook",
        "nadmit-webhook.n",
        "nadmit-webhook.n.svc",
        "nadmit-webhook.n.svc.cluster.local",
        "localhost",
    )
    settings = ClusterSettings(webhook_url="https://[::1]:8443/x", webhook_configuration="c")
    assert certificate_names(settings, "n", ["::1"])[-1] == "::1"
    connection = Connection(None, environ={})
    names = webhook_configurations(connection, settings).names
    assert names == ("MutatingWebhookConfiguration/c", "ValidatingWebhookConfiguration/c")
    assert webhook_configurations(connection, ClusterSettings()).names == ()
