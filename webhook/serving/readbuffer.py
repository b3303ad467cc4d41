"""One buffer into which TLS decrypts for all connections.

For a protocol without a buffer, uvloop asks TLS for 256 KiB at a time. Until the process has freed something as large,
the C library maps as many bytes, and unmaps them when the request is answered. That is three system calls and a page
fault for each request, 28 microseconds of 100.

The buffer may be shared: uvloop and asyncio ask for it, fill it and say so within one call, and the bytes are copied
before anything else happens.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .httpconnection import BoundedProtocol

BUFFER_BYTES = 64 * 1024
"""More than the kernel holds for a connection (`server.RECEIVE_BUFFER_BYTES`). What does not fit comes in the next turn
of the loop."""

_BUFFER = memoryview(bytearray(BUFFER_BYTES))


class BufferedConnection(asyncio.BufferedProtocol):
    """Hands a connection its bytes from the buffer, and all other events."""

    def __init__(self, connection: BoundedProtocol) -> None:
        self._connection = connection

    def get_buffer(self, _size_hint: int) -> memoryview:
        """Return the buffer."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Hand over the bytes."""
        self._connection.data_received(bytes(_BUFFER[:nbytes]))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Begin."""
        self._connection.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._connection.connection_lost(exc)

    def eof_received(self) -> None:
        """Note that the client sends nothing more."""
        self._connection.eof_received()

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self._connection.resume_writing()
