"""TCP, TLS and HTTP/1.1 to the API server. `kubeapi` imports this module at the first request.

HTTP is the part of RFC 9110 and RFC 9112 that an API server uses with a client without proxy and compression. All
sizes are bounded. `refuse` gets the reason why an answer is not HTTP, and raises.

Three standard modules are avoided for their import time. `http.client` would cost 13 ms for `email`; `socket` costs
2 ms more than its C module `_socket`. `ssl` costs 9 ms, more than the handshake, for enumerations, `re`, `base64` and
`socket`; its C module `_ssl` does all of the work, including the verification of chain and name, which is on by
default for a client. The calls have had this form since Python 3.7; the numbers are those of `ssl`.
"""

from __future__ import annotations

import os
from _socket import IPPROTO_TCP, SOCK_CLOEXEC, SOCK_STREAM, TCP_NODELAY, getaddrinfo, socket
from _ssl import (
    CERT_NONE,
    PROTOCOL_TLS_CLIENT,
    PROTO_TLSv1_2,
    SSLEOFError,
    SSLWantReadError,
    SSLWantWriteError,
    _SSLContext,
)

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError
from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec.errors import show
from cniplugin.netspec.rawjson import loads

from .kubeconfig import FILE_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, Protocol

    from .kubeconfig import ClusterConfig

    class Stream(Protocol):
        """The methods that `Connection` calls of a socket, plain or TLS."""

        def settimeout(self, seconds: float, /) -> None: ...  # noqa: D102
        def sendall(self, data: bytes, /) -> None: ...  # noqa: D102
        def recv(self, size: int, /) -> bytes: ...  # noqa: D102
        def close(self) -> None: ...  # noqa: D102


RESPONSE_BYTES_MAX = 16 * 1024 * 1024
"""A pod has at most 1.5 MiB (etcd's request limit), and the plugin asks for nothing larger."""
HEADER_BYTES_MAX = 64 * 1024
_OWS = " \t"
"""RFC 9110 §5.6.3. NB: headers are decoded as Latin-1, in which `str.strip` also removes U+0085 and U+00A0."""
MESSAGE_MAX = 300
"""Characters of the server's own message that are quoted. A refusal by RBAC has about 200."""


class TcpSocket(socket):
    """A socket that can be weakly referenced, which TLS needs and a plain `_socket.socket` does not allow."""


def dial(host: str, port: int, *, timeout_s: float) -> TcpSocket:
    """Return a TCP socket to the first address of the host that answers in time. Raises OSError."""
    failure: OSError | None = None
    # NB: a host as `str` would load the IDNA codec, 1 ms. The grammar of the kubeconfig allows ASCII only.
    for family, kind, protocol, _, address in getaddrinfo(host.encode("ascii"), port, 0, SOCK_STREAM):
        connected = TcpSocket(family, kind | SOCK_CLOEXEC, protocol)
        try:
            connected.settimeout(timeout_s)
            connected.connect(address)
            connected.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        except OSError as error:
            connected.close()
            failure = error
        else:
            return connected
    raise failure or OSError(f"{host} has no address")


class Answer:
    """A response. Header names are lower case."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def is_last(self) -> bool:
        """Whether the server closes the connection after this answer."""
        return self.headers.get("connection", "").lower() == "close"

    @property
    def retry_after_s(self) -> float:
        """The seconds of `Retry-After`, 0 if the header is absent. NB: API servers do not send dates here."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0

    def message(self) -> str:
        """Return the server's message about a failure (meta/v1 Status) in quotes, or ""."""
        try:
            message = loads(self.body)["message"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        return f": {show(message, longest=MESSAGE_MAX)}" if isinstance(message, str) and message else ""


class Connection:
    """A socket, and the bytes that were read beyond the last answer. Raises OSError if the socket breaks."""

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
        """Send all of `data`."""
        self._wait_until_expiry()
        self._sock.sendall(data)

    def receive(self) -> Answer:
        """Return the next final response; 1xx responses are skipped (RFC 9110 §15.2)."""
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
        """Return a chunked body (RFC 9112 §7.1), without its trailers."""
        body = bytearray()
        while size := self._number(self._take_line().partition(";")[0].strip(_OWS), 16, more=len(body)):
            body += self._take(size)
            if self._take_line():
                self._refuse("a chunk of its answer does not end where it should")
        while self._take_line():
            pass
        return bytes(body)

    def _number(self, text: str, base: int, *, more: int = 0) -> int:
        """Parse a length. The length plus `more` must not exceed RESPONSE_BYTES_MAX."""
        try:
            number = int(text, base) if len(text) <= 16 else -1
        except ValueError:
            number = -1
        if number < 0 or not text.isalnum():
            self._refuse(f"the length of its answer is not a number: {show(text)}")
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
        """Return everything until the server closes the connection (RFC 9112 §6.3)."""
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


class TlsSocket:
    """A connected socket with TLS. Raises OSError, TimeoutError after the timeout of the TCP socket.

    The constructor sends the first message of the handshake and does not wait for the server's. The first `sendall`
    or `recv` ends the handshake.
    """

    def __init__(self, context: Any, plain: TcpSocket, server_name: str) -> None:
        self._plain = plain
        self._tls = context._wrap_socket(plain, False, server_name)  # noqa: SLF001  # ssl calls it so
        self._is_open = False
        plain.settimeout(0.0)
        try:  # noqa: SIM105  # contextlib is not loaded otherwise
            self._tls.do_handshake()
        except (SSLWantReadError, SSLWantWriteError):
            pass  # the first message is under way

    def settimeout(self, seconds: float) -> None:
        """Set the timeout of each later call."""
        self._plain.settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        """Send all of `data`."""
        self._open()
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]

    def _open(self) -> None:
        """End the handshake; no byte of a request is sent before the server's certificate was verified."""
        if not self._is_open:
            self._tls.do_handshake()
            self._is_open = True

    def recv(self, size: int) -> bytes:
        """Return the next bytes, b"" at the end. NB: many servers end without the alert that TLS requires."""
        self._open()
        try:
            data: bytes = self._tls.read(size)
        except SSLEOFError:
            return b""
        return data

    def close(self) -> None:
        """Close the socket."""
        self._plain.close()


def tls_context(config: ClusterConfig) -> Any:
    """Return a context that trusts only the authority of the kubeconfig, or any certificate if it is insecure.

    `ssl.create_default_context` would first read all authorities of the system, 17 ms. Raises CniError 7 if a file or
    text is not a certificate.
    """
    context = _SSLContext(PROTOCOL_TLS_CLIENT)  # verifies, and checks the name
    context.minimum_version = PROTO_TLSv1_2
    try:
        if config.is_insecure:
            context.check_hostname = False
            context.verify_mode = CERT_NONE
        elif config.ca_data or config.ca_file:
            context.load_verify_locations(None, None, config.ca_data or _load_text(config.ca_file))
        else:
            context.set_default_verify_paths()
        if config.cert_data or config.cert_file:
            _load_client_certificate(context, config)
    except OSError as error:
        # NB: OpenSSL's message does not name the file.
        files = ", ".join(file for file in (config.ca_file, config.cert_file, config.key_file) if file)
        raise CniError(
            INVALID_NETWORK_CONFIG,
            f"API server {config.server}: the certificates of the kubeconfig cannot be used"
            f"{f' ({files})' if files else ''}: {error.strerror or error}",
        ) from error
    return context


def _load_text(path: str) -> str:
    """Return a PEM file; only comments can hold non-ASCII. OpenSSL itself would block on a named pipe."""
    return load_regular_file(path, bytes_max=FILE_BYTES_MAX).decode("ascii", "replace").replace("\ufffd", "?")


def _load_client_certificate(context: Any, config: ClusterConfig) -> None:
    """Load certificate and key. OpenSSL reads them from files only, so each text goes into a file in memory."""
    opened: list[int] = []

    def file_of(data: str) -> str:
        opened.append(os.memfd_create("nadmit"))
        os.write(opened[-1], data.encode("ascii"))
        return f"/proc/self/fd/{opened[-1]}"

    try:
        context.load_cert_chain(
            file_of(config.cert_data or _load_text(config.cert_file)),
            file_of(config.key_data or _load_text(config.key_file)),
            "",
        )
    finally:
        for descriptor in opened:
            os.close(descriptor)
