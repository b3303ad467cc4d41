"""The buffer that all connections share mixes nothing up."""

from __future__ import annotations

from contextlib import ExitStack
from hashlib import sha256
from typing import TYPE_CHECKING

from webhook.serving.readbuffer import BUFFER_BYTES

from .harness import Client, request, running

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


def digest(_path: str, body: bytes) -> bytes:
    return sha256(body).hexdigest().encode()


def test_each_connection_gets_its_own_bytes(pki: Path, context: ssl.SSLContext) -> None:
    """Bodies below, at and above the size of the buffer, sent in turns by several connections."""
    sizes = [1, 100, BUFFER_BYTES - 1, BUFFER_BYTES, 3 * BUFFER_BYTES + 7]
    bodies = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    with running(pki, review=digest) as server, ExitStack() as stack:
        clients = [stack.enter_context(Client(server.addresses.webhook, context)) for _ in bodies]
        for _ in range(3):
            halves = [(one[: len(one) // 2], one[len(one) // 2 :]) for one in map(request, bodies)]
            for part in (0, 1):
                for client, half in zip(clients, halves, strict=True):
                    client.send(half[part])
            answers = [client.read().body for client in clients]
            assert answers == [digest("", body) for body in bodies]
            bodies = [*bodies[1:], bodies[0]]
