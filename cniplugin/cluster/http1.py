"""The part of HTTP/1.1 (RFC 9110, RFC 9112) that an API server speaks to a client without proxy and compression.

`http.client` would cost 13 ms more at start, for `email`; `socket` 2 ms more than `_socket`, the C module behind it.
Sizes are bounded; what is no HTTP is told to `refuse`.
"""

from __future__ import annotations

from _socket import IPPROTO_TCP, SOCK_CLOEXEC, SOCK_STREAM, TCP_NODELAY, getaddrinfo, socket

from cniplugin.netspec.errors import show
from cniplugin.netspec.rawjson import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, Protocol

    class Stream(Protocol):
        """What `Connection` asks of a socket, plain or TLS."""

        def settimeout(self, seconds: float, /) -> None: ...  # noqa: D102
        def sendall(self, data: bytes, /) -> None: ...  # noqa: D102
        def recv(self, size: int, /) -> bytes: ...  # noqa: D102
        def close(self) -> None: ...  # noqa: D102


RESPONSE_BYTES_MAX = 16 * 1024 * 1024
"""A pod has at most 1.5 MiB (etcd's request limit), and nothing larger is asked for."""
HEADER_BYTES_MAX = 64 * 1024
_OWS = " \t"
"""RFC 9110 §5.6.3. NB: a header is Latin-1 here, in which `str.strip` takes away U+0085 and U+00A0."""
SAID_MAX = 300
"""Characters of the server's own words: a refusal by RBAC has about 200, and an admission webhook's says what to do."""


class TcpSocket(socket):
    """NB: TLS needs a weak reference to its socket, which one of `_socket` itself does not give."""


def dial(host: str, port: int, *, timeout_s: float) -> TcpSocket:
    """Return a connected TCP socket, to the first address of a host that answers in time. Raises OSError."""
    failure: OSError | None = None
    # NB: a host in `str` would bring the IDNA codec, 1 ms; the kubeconfig's grammar allows ASCII only.
    for family, kind, protocol, _, address in getaddrinfo(host.encode("ascii"), port, 0, SOCK_STREAM):
        made = TcpSocket(family, kind | SOCK_CLOEXEC, protocol)
        try:
            made.settimeout(timeout_s)
            made.connect(address)
            made.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    raise failure or OSError(f"{host} has no address")


class Answer:
    """A response. Header names are lower case."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def is_last(self) -> bool:
        """Whether the server closes the connection behind it."""
        return self.headers.get("connection", "").lower() == "close"

    @property
    def retry_after_s(self) -> float:
        """Seconds that the server asks for, 0 without. NB: API servers send no dates here."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0

    def message(self) -> str:
        """Return what the server says about a failure (meta/v1 Status), quoted, or nothing."""
        try:
            said = loads(self.body)["message"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        return f": {show(said, longest=SAID_MAX)}" if isinstance(said, str) and said else ""


class Connection:
    """A socket and what was read of it too much. Raises OSError if it breaks; `refuse` is told what is no HTTP."""

    def __init__(
        self, sock: Stream, *, expiry: float, clock: Callable[[], float], refuse: Callable[[str], NoReturn]
    ) -> None:
        self.expiry = expiry
        self._sock = sock
        self._clock = clock
        self._refuse = refuse
        self._buffer = bytearray()

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def send(self, data: bytes) -> None:
        """Send everything."""
        self._wait_until_expiry()
        self._sock.sendall(data)

    def receive(self) -> Answer:
        """Return the next final response; 1xx are passed over (RFC 9110 §15.2)."""
        version, status, headers = self._receive_head()
        while 100 <= status < 200:
            version, status, headers = self._receive_head()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._receive_chunks()
        elif status in {204, 304}:
            body = b""
        elif "content-length" in headers:
            body = self._take(self._number(headers["content-length"], 10))
        else:
            body = self._take_all()
            headers["connection"] = "close"
        if version == "HTTP/1.0":
            headers["connection"] = "close"
        return Answer(status, headers, body)

    def _receive_head(self) -> tuple[str, int, dict[str, str]]:
        lines: list[str] = []
        size = 0
        while not lines or lines[-1]:
            lines.append(self._take_line())
            size += len(lines[-1]) + 2
            if size > HEADER_BYTES_MAX:
                self._refuse(f"the header of its answer has more than {HEADER_BYTES_MAX} bytes")
        version, _, rest = lines[0].partition(" ")
        status = rest.partition(" ")[0]
        if version not in {"HTTP/1.1", "HTTP/1.0"} or not (len(status) == 3 and status.isascii() and status.isdigit()):
            self._refuse(f"it does not speak HTTP: {show(lines[0])}")
        headers = {}
        for line in lines[1:-1]:
            key, _, value = line.partition(":")
            headers[key.lower()] = value.strip(_OWS)
        return version, int(status), headers

    def _receive_chunks(self) -> bytes:
        """Return a chunked body (RFC 9112 §7.1); its trailers are dropped."""
        body = bytearray()
        while size := self._number(self._take_line().partition(";")[0].strip(_OWS), 16, more=len(body)):
            body += self._take(size)
            if self._take_line():
                self._refuse("a chunk of its answer does not end where it should")
        while self._take_line():
            pass
        return bytes(body)

    def _number(self, text: str, base: int, *, more: int = 0) -> int:
        """Return a length of the body, which may not exceed RESPONSE_BYTES_MAX with `more`."""
        try:
            number = int(text, base) if len(text) <= 16 else -1
        except ValueError:
            number = -1
        if number < 0 or not text.isalnum():
            self._refuse(f"the length of its answer is no number: {show(text)}")
        if number + more > RESPONSE_BYTES_MAX:
            self._refuse(f"its answer has more than {RESPONSE_BYTES_MAX} bytes")
        return number

    def _take_line(self) -> str:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > HEADER_BYTES_MAX:
                self._refuse(f"it does not speak HTTP: {show(self._buffer[:60].decode('latin-1'))}")
            self._fill()
        line = self._buffer[:end].rstrip(b"\r").decode("latin-1")
        del self._buffer[: end + 1]
        return line

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _take_all(self) -> bytes:
        """Return what comes until the server ends the connection (RFC 9112 §6.3)."""
        is_open = True
        while is_open:
            if len(self._buffer) > RESPONSE_BYTES_MAX:
                self._refuse(f"its answer has more than {RESPONSE_BYTES_MAX} bytes")
            is_open = self._receive_more()
        return bytes(self._buffer)

    def _fill(self) -> None:
        if not self._receive_more():
            raise ConnectionResetError("the connection ended before the answer did")

    def _receive_more(self) -> bool:
        self._wait_until_expiry()
        data = self._sock.recv(65536)
        self._buffer += data
        return bool(data)

    def _wait_until_expiry(self) -> None:
        left = self.expiry - self._clock()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
