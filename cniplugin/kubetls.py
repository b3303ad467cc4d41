"""The TLS context of a kubeconfig: whom to trust, and the client's certificate. Imported at the first connection."""

from __future__ import annotations

import os
import ssl

from .errors import INVALID_NETWORK_CONFIG, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .kubeconfig import ClusterConfig


def tls_context(config: ClusterConfig) -> ssl.SSLContext:
    """Return a context that trusts the given authority only.

    `ssl.create_default_context` would read all authorities of the system first, 17 ms. Raises CniError 7 for files
    and texts that are no certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, and checks the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not config.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if config.ca_data or config.ca_file:
            context.load_verify_locations(cafile=config.ca_file or None, cadata=config.ca_data or None)
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


def _load_client_certificate(context: ssl.SSLContext, config: ClusterConfig) -> None:
    """Load certificate and key. OpenSSL reads these from files only, so data go through memory that looks like one."""
    opened: list[int] = []

    def file_of(path: str, data: str) -> str:
        if not data:
            return path
        opened.append(os.memfd_create("nadmit"))
        os.write(opened[-1], data.encode("ascii"))
        return f"/proc/self/fd/{opened[-1]}"

    try:
        context.load_cert_chain(
            file_of(config.cert_file, config.cert_data), file_of(config.key_file, config.key_data), password=""
        )
    finally:
        for descriptor in opened:
            os.close(descriptor)
