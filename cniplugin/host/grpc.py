"""One unary gRPC call over a unix socket, with the standard library only.

    HTTP/2  RFC 9113: one connection, one stream, no priorities, no push
    HPACK   RFC 7541: requests use literals only; answers have no dynamic table, which SETTINGS forbids
    gRPC    "gRPC over HTTP/2": one message in each direction, no compression; the status is in the trailers

Each wait ends at the deadline. All sizes are bounded: a frame by the protocol's default, which this module does not
raise, the headers by HEADER_BYTES_MAX, the message by MESSAGE_BYTES_MAX, which is also the window of the peer.

NB: a message counts only with its trailers and status 0. A peer that ends early has perhaps sent a part.
"""

from __future__ import annotations

import time
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, socket
from struct import Struct

from cniplugin.netspec.errors import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""The limit of the kubelet for the answers of a runtime (kubernetes pkg/kubelet/cri/remote, maxMsgSize)."""
HEADER_BYTES_MAX = 64 * 1024
_TEXT_MAX = 300
"""Characters of the peer's own message that are quoted."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_BYTES_MAX = 16_384
_WINDOW_BYTES = 65_535
"""RFC 9113 §6.5.2: the defaults of SETTINGS_MAX_FRAME_SIZE and SETTINGS_INITIAL_WINDOW_SIZE."""

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 0x1, 0x4, 0x8, 0x20
ACK = 0x1
_STREAM = 1
_LAST_STREAM = 0x7FFF_FFFF
"""Also the mask of a stream's number: the highest bit is reserved."""
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE = 1, 2, 4

_SETTING = Struct("!HI")
_U32 = Struct("!I")
_MESSAGE = Struct("!BI")

_STATUS = {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}
"""`:status` in the static table (RFC 7541 appendix A). The other entries are headers that do not matter here."""
_STATIC_ENTRIES = 61

_CODE_LENGTHS = (
    "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBA"
    "BCBAABCCCCCKGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVVWWVTUOQVWWVWTQQVVXWWW"
    "PTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ"
)
"""The Huffman code of RFC 7541 appendix B, as the length of each symbol's code: A is 5 bits, Z is 30; the last is EOS.

The code is canonical: in the order of length, then symbol, each code is the one before plus 1.
"""
_EOS = 256


class GrpcError(Exception):
    """The call failed. `status`: the code of gRPC if the peer has refused the call, else None."""

    def __init__(self, text: str, *, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


def call(
    path: str, method: str, request: bytes, *, deadline: float, clock: Callable[[], float] = time.monotonic
) -> bytes:
    """Send one message to `method`, `/package.Service/Method`, at the socket `path`; return the answer's message.

    `deadline` is a moment of `clock`. Raises GrpcError, and OSError if there is no such socket.
    """
    sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        stream = _Stream(sock, deadline, clock)
        stream.open(path, method, request)
        return stream.receive()
    except TimeoutError:
        raise GrpcError("it does not answer in time") from None
    except (BrokenPipeError, ConnectionResetError):
        raise GrpcError("it has closed the connection before the end of its answer") from None
    finally:
        sock.close()


class _Stream:
    """The connection, its one stream, and the parts of the answer."""

    def __init__(self, sock: socket, deadline: float, clock: Callable[[], float]) -> None:
        self._sock = sock
        self._deadline = deadline
        self._clock = clock
        self._block = b""
        self._ends_with_block = False
        self._is_over = False
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def open(self, path: str, method: str, request: bytes) -> None:
        """Connect, and send the whole request. A request of one message fits into each peer's window."""
        self._wait()
        self._sock.connect(path)
        settings = ((_HEADER_TABLE_SIZE, 0), (_ENABLE_PUSH, 0), (_INITIAL_WINDOW_SIZE, MESSAGE_BYTES_MAX))
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": method,
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        frames = (
            _frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*setting) for setting in settings)),
            _frame(WINDOW_UPDATE, 0, 0, _U32.pack(MESSAGE_BYTES_MAX - _WINDOW_BYTES)),
            _frame(HEADERS, END_HEADERS, _STREAM, b"".join(map(_literal, headers.items()))),
            _frame(DATA, END_STREAM, _STREAM, _MESSAGE.pack(0, len(request)) + request),
        )
        self._send(_PREFACE + b"".join(frames))

    def receive(self) -> bytes:
        """Return the message of the answer."""
        while not self._is_over:
            size_and_kind, flags, stream = self._take(4), self._take(1)[0], self._take(4)
            size, kind = _U32.unpack(b"\0" + size_and_kind[:3])[0], size_and_kind[3]
            if size > _FRAME_BYTES_MAX:
                raise GrpcError(f"it does not speak HTTP/2: a frame of {size} bytes")
            if self._block and kind != CONTINUATION:
                raise GrpcError("it does not speak HTTP/2: its headers are interrupted")
            payload = self._take(size)
            if kind in _HANDLERS:
                _HANDLERS[kind](self, flags, _U32.unpack(stream)[0] & _LAST_STREAM, payload)
        return self._message()

    def _on_data(self, flags: int, _stream: int, payload: bytes) -> None:
        self._body += _unpadded(payload, flags)
        if len(self._body) > MESSAGE_BYTES_MAX:
            raise GrpcError(f"its answer has more than {MESSAGE_BYTES_MAX} bytes")
        self._is_over = bool(flags & END_STREAM)

    def _on_headers(self, flags: int, _stream: int, payload: bytes) -> None:
        block = _unpadded(payload, flags)
        self._ends_with_block = bool(flags & END_STREAM)
        self._on_continuation(flags, _stream, block[5:] if flags & PRIORITY else block)

    def _on_continuation(self, flags: int, _stream: int, payload: bytes) -> None:
        self._block += payload
        if len(self._block) > HEADER_BYTES_MAX:
            raise GrpcError(f"its headers have more than {HEADER_BYTES_MAX} bytes")
        if flags & END_HEADERS:
            self._headers |= decode_headers(self._block)
            self._block = b""
            self._is_over = self._ends_with_block

    def _on_reset(self, _flags: int, _stream: int, payload: bytes) -> None:
        raise GrpcError(f"it has ended the call with error {_number(payload)} of HTTP/2")

    def _on_settings(self, flags: int, _stream: int, _payload: bytes) -> None:
        if not flags & ACK:
            self._send(_frame(SETTINGS, ACK, 0, b""))

    def _on_push(self, _flags: int, _stream: int, _payload: bytes) -> None:
        raise GrpcError("it does not speak HTTP/2: it pushes, although that is off")

    def _on_ping(self, flags: int, _stream: int, payload: bytes) -> None:
        if not flags & ACK:
            self._send(_frame(PING, ACK, 0, payload))

    def _on_goaway(self, _flags: int, _stream: int, payload: bytes) -> None:
        """NB: a server that shuts down still answers the streams up to the one that it names."""
        last, code = _number(payload[:4]) & _LAST_STREAM, _number(payload[4:8])
        if code or last < _STREAM:
            raise GrpcError(f"it has closed the connection with error {code} of HTTP/2")

    def _message(self) -> bytes:
        """Return the message if the call succeeded (gRPC over HTTP/2, "Responses")."""
        if self._headers.get(":status", "200") != "200":
            raise GrpcError(f"it is not a gRPC server: HTTP status {show(self._headers[':status'])}")
        status = self._headers.get("grpc-status", "")
        if status != "0":
            text = self._headers.get("grpc-message", "")
            text = f"{show(text, longest=_TEXT_MAX)}, " if text else ""
            number = int(status) if status.isascii() and status.isdigit() and len(status) < 4 else None
            raise GrpcError(f"{text}gRPC status {show(status) if status else 'missing'}", status=number)
        if len(self._body) < _MESSAGE.size:
            raise GrpcError("its answer has no message")
        is_compressed, size = _MESSAGE.unpack_from(self._body)
        if is_compressed or size != len(self._body) - _MESSAGE.size:
            raise GrpcError("its answer is not one message without compression")
        return bytes(self._body[_MESSAGE.size :])

    def _take(self, size: int) -> bytes:
        chunks = []
        while size:
            self._wait()
            chunk = self._sock.recv(size)
            if not chunk:
                raise ConnectionResetError
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)

    def _send(self, data: bytes) -> None:
        self._wait()
        self._sock.sendall(data)

    def _wait(self) -> None:
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)


_HANDLERS: dict[int, Callable[[_Stream, int, int, bytes], None]] = {
    DATA: _Stream._on_data,  # noqa: SLF001  # a table of its own methods
    HEADERS: _Stream._on_headers,  # noqa: SLF001
    RST_STREAM: _Stream._on_reset,  # noqa: SLF001
    SETTINGS: _Stream._on_settings,  # noqa: SLF001
    PUSH_PROMISE: _Stream._on_push,  # noqa: SLF001
    PING: _Stream._on_ping,  # noqa: SLF001
    GOAWAY: _Stream._on_goaway,  # noqa: SLF001
    CONTINUATION: _Stream._on_continuation,  # noqa: SLF001
}
"""By the type of the frame; others are ignored (RFC 9113 §5.5)."""


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _U32.pack(len(payload))[1:] + bytes((kind, flags)) + _U32.pack(stream) + payload


def _unpadded(payload: bytes, flags: int) -> bytes:
    """Return a payload without the padding of RFC 9113 §6.1."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise GrpcError("it does not speak HTTP/2: a frame has more padding than bytes")
    return payload[1 : len(payload) - payload[0]]


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _literal(header: tuple[str, str]) -> bytes:
    """Return a header as a literal without indexing (RFC 7541 §6.2.2); name and value are short and ASCII."""
    return b"\0" + b"".join(bytes((len(text),)) + text.encode("ascii") for text in header)


# HPACK


def decode_headers(block: bytes) -> dict[str, str]:
    """Return the headers of a block (RFC 7541 §3); those of the static table other than `:status` are left out.

    Raises GrpcError for a block that is malformed, or uses the dynamic table.
    """
    reader, headers = _Block(block), {}
    while not reader.is_at_end:
        first = reader.peek()
        if first & 0x80:  # §6.1: an indexed header
            index = reader.integer(7)
            if index in _STATUS:
                headers[":status"] = _STATUS[index]
            _check_index(index)
        elif first & 0xE0 == 0x20:  # §6.3: the size of the dynamic table
            reader.integer(5)
        else:  # §6.2: a literal, with or without an index for its name
            index = reader.integer(6 if first & 0x40 else 4)
            name = reader.text() if index == 0 else ":status" if index in _STATUS else ""
            _check_index(index or 1)
            headers[name] = reader.text()
    headers.pop("", None)
    return headers


def _check_index(index: int) -> None:
    if not 1 <= index <= _STATIC_ENTRIES:
        raise GrpcError(f"it does not speak HTTP/2: its headers use entry {index} of a table that is off")


class _Block:
    """A header block, and how far it has been read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at >= len(self._data)

    def peek(self) -> int:
        if self.is_at_end:
            raise GrpcError("it does not speak HTTP/2: its headers are cut")
        return self._data[self._at]

    def integer(self, bits: int) -> int:
        """Read an integer with a prefix of `bits` (RFC 7541 §5.1). NB: bounded, as it may have any length."""
        limit = (1 << bits) - 1
        value = self.peek() & limit
        self._at += 1
        if value < limit:
            return value
        for shift in (0, 7, 14, 21):
            byte = self.peek()
            self._at += 1
            value += (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise GrpcError("it does not speak HTTP/2: a number in its headers is too long")

    def text(self) -> str:
        """Read a string (RFC 7541 §5.2)."""
        is_huffman = bool(self.peek() & 0x80)
        size = self.integer(7)
        data = self._data[self._at : self._at + size]
        if len(data) < size:
            raise GrpcError("it does not speak HTTP/2: its headers are cut")
        self._at += size
        return decode_huffman(data) if is_huffman else data.decode("latin-1")


def decode_huffman(data: bytes) -> str:
    """Return the text of a Huffman-coded string (RFC 7541 §5.2). Raises GrpcError if it has EOS or a wrong padding."""
    symbols = _symbols()
    text: list[str] = []
    code, length = 0, 0
    for byte in data:
        for shift in range(7, -1, -1):
            code, length = code << 1 | byte >> shift & 1, length + 1
            symbol = symbols.get((length, code))
            if symbol == _EOS or length > 30:
                raise GrpcError("it does not speak HTTP/2: a text in its headers is not Huffman-coded")
            if symbol is not None:
                text.append(chr(symbol))
                code, length = 0, 0
    if length > 7 or code != (1 << length) - 1:
        raise GrpcError("it does not speak HTTP/2: a text in its headers is not Huffman-coded")
    return "".join(text)


def _symbols() -> dict[tuple[int, int], int]:
    """Return the symbols by the length of their code and the code."""
    lengths = [ord(letter) - ord("A") + 5 for letter in _CODE_LENGTHS]
    symbols: dict[tuple[int, int], int] = {}
    code, before = 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths)):
        code <<= length - before
        symbols[length, code] = symbol
        code, before = code + 1, length
    return symbols
