"""TLS to the API server: whom a kubeconfig trusts, the client's certificate, and a socket. Imported at first use.

`_ssl` is the C module that does all the work of `ssl`: verification of chain and name included, which are on by default
for a client. `ssl` itself builds enumerations for its constants and brings `re`, `base64` and `socket`: 9 ms of each
ADD, more than the handshake. What is called here has had the same form from Python 3.7 on; the numbers are ssl's.
"""

from __future__ import annotations

import os
from _ssl import (
    CERT_NONE,
    PROTOCOL_TLS_CLIENT,
    PROTO_TLSv1_2,
    SSLEOFError,
    _SSLContext,
)

from cniplugin.errors import INVALID_NETWORK_CONFIG, CniError
from cniplugin.host.regularfile import load_regular_file

from .kubeconfig import FILE_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .http1 import TcpSocket
    from .kubeconfig import ClusterConfig


class TlsSocket:
    """A connected socket after its handshake. Raises OSError; TimeoutError as the socket below it is set."""

    def __init__(self, context: Any, plain: TcpSocket, server_name: str) -> None:
        self._plain = plain
        self._tls = context._wrap_socket(plain, False, server_name)  # noqa: SLF001  # ssl calls it so
        self._tls.do_handshake()

    def settimeout(self, seconds: float) -> None:
        """Bound each of the calls that follow."""
        self._plain.settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]

    def recv(self, size: int) -> bytes:
        """Return what is there, b"" at the end. NB: many servers end without the alert that TLS asks for."""
        try:
            data: bytes = self._tls.read(size)
        except SSLEOFError:
            return b""
        return data

    def close(self) -> None:
        """Close the socket."""
        self._plain.close()


def tls_context(config: ClusterConfig) -> Any:
    """Return a context that trusts the given authority only.

    `ssl.create_default_context` would read all authorities of the system first, 17 ms. Raises CniError 7 for files
    and texts that are no certificates.
    """
    context = _SSLContext(PROTOCOL_TLS_CLIENT)  # verifies, and checks the name
    context.minimum_version = PROTO_TLSv1_2
    if not config.is_verified:
        context.check_hostname = False
        context.verify_mode = CERT_NONE
    try:
        if config.ca_data or config.ca_file:
            context.load_verify_locations(None, None, config.ca_data or _load_text(config.ca_file))
        elif config.is_verified:
            context.set_default_verify_paths()
        if config.cert_data or config.cert_file:
            _load_client_certificate(context, config)
    except OSError as error:
        # NB: what OpenSSL says does not name the file.
        files = ", ".join(file for file in (config.ca_file, config.cert_file, config.key_file) if file)
        raise CniError(
            INVALID_NETWORK_CONFIG,
            f"API server {config.server}: the certificates of the kubeconfig cannot be used"
            f"{f' ({files})' if files else ''}: {error.strerror or error}",
        ) from error
    return context


def _load_text(path: str) -> str:
    """Return a file of PEM; other characters are in comments only. OpenSSL itself would wait for a named pipe."""
    return load_regular_file(path, bytes_max=FILE_BYTES_MAX).decode("ascii", "replace").replace("\ufffd", "?")


def _load_client_certificate(context: Any, config: ClusterConfig) -> None:
    """Load certificate and key. OpenSSL reads these from files only, so data go through memory that looks like one."""
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
