"""A container runtime's socket: a scripted HTTP/2 peer for one unary gRPC call after another (RFC 9113, RFC 7541)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 9
END_STREAM, END_HEADERS = 0x1, 0x4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WAIT_S = 10.0


def frame(kind: int, flags: int, payload: bytes, *, stream: int = 1) -> bytes:
    return struct.pack("!I", len(payload))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """Return a header without indexing and Huffman code; both texts are shorter than 127."""
    return b"\0" + b"".join(bytes((len(text),)) + text.encode() for text in (name, value))


def message(body: bytes, *, flag: int = 0) -> bytes:
    return struct.pack("!BI", flag, len(body)) + body


OPENING = frame(SETTINGS, 0, b"", stream=0)
HEAD = frame(HEADERS, END_HEADERS, b"\x88" + literal("content-type", "application/grpc"))
DONE = frame(HEADERS, END_HEADERS | END_STREAM, literal("grpc-status", "0"))


def answer(body: bytes, *, status: str = "0", text: str = "") -> bytes:
    """Return a whole answer of one message."""
    chunks = [body[at : at + 16_000] for at in range(0, len(body), 16_000)]
    frames = [frame(DATA, 0, chunk) for chunk in chunks]
    trailers = literal("grpc-status", status) + (literal("grpc-message", text) if text else b"")
    return b"".join((OPENING, HEAD, *frames, frame(HEADERS, END_HEADERS | END_STREAM, trailers)))


def field(number: int, value: bytes) -> bytes:
    """Return a field of protobuf with a string or a message."""
    size, length = len(value), b""
    while size > 127:
        length += bytes((size & 127 | 128,))
        size >>= 7
    return bytes((number << 3 | 2,)) + length + bytes((size,)) + value


def sandbox(container_id: str) -> bytes:
    """Return a PodSandbox as a runtime writes it: id, metadata, state NOTREADY, created_at, labels."""
    metadata = field(1, b"web") + field(2, b"3f0c") + field(3, b"shop") + b"\x20\x01"
    labels = field(5, field(1, b"app") + field(2, b"web" * 60))
    return field(1, container_id.encode()) + field(2, metadata) + b"\x18\x01" + b"\x20\x80\x80\xf4\x9e\xaf\x17" + labels


def sandboxes(*container_ids: str) -> bytes:
    """Return the answer to ListPodSandbox."""
    return answer(message(b"".join(field(1, sandbox(container_id)) for container_id in container_ids)))


class Runtime:
    """Listens at `path`, reads one request on each connection, sends the script, and reads until the client closes.

    `requests`: the bytes of each connection, all frames of the client included.
    """

    def __init__(self, path: Path, script: bytes, *, closes: bool = False) -> None:
        self.path = str(path)
        self.requests: list[bytes] = []
        self._script = script
        self._closes = closes
        self._listener = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT_S)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # the test has ended
                return
            connection.settimeout(WAIT_S)
            with connection:
                self.requests.append(self._talk(connection))

    def _talk(self, connection: socket.socket) -> bytes:
        received = b""
        while not _is_whole(received):
            received += connection.recv(65_536)
        try:
            connection.sendall(self._script)
            while not self._closes and (more := connection.recv(65_536)):
                received += more
        except (BrokenPipeError, ConnectionResetError):  # the client did not want the rest
            return received
        return received


def frames_of(data: bytes) -> Sequence[tuple[int, int, bytes]]:
    """Return kind, flags and payload of a client's frames, after its preface."""
    found, at = [], len(PREFACE)
    while at + 9 <= len(data):
        size = struct.unpack("!I", b"\0" + data[at : at + 3])[0]
        found.append((data[at + 3], data[at + 4], data[at + 9 : at + 9 + size]))
        at += 9 + size
    return found


def _is_whole(data: bytes) -> bool:
    """Say whether the request has ended. NB: no request of these tests is longer than a frame."""
    return any(kind == DATA and flags & END_STREAM for kind, flags, _ in frames_of(data))
