"""Who may call: the authorities of client certificates, and the names in them (`--client-ca`, `--client-name`).

OpenSSL verifies the chain, the dates and the purpose in the handshake (CERT_REQUIRED); a caller without a good
certificate sends no HTTP. The name is read once for each connection, after the handshake.

The server polls the file of authorities with its own pair. The last good authorities stay in force: a bad file admits
no caller and locks no caller out. Revocation lists are not read; take an authority out of the file instead.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import UNREADABLE_CERTIFICATE
from webhook.files import describe_unreadable, load_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

logger = logging.getLogger("nadmit.serving")

_ANCHORS = ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
"""Each certificate of the file is an anchor, intermediate authorities included, as for the API server's own files."""

PEM_BYTES_MAX = 4 * 1_048_576
"""Ten times all authorities that browsers trust."""
REFUSALS_MAX = 64
"""Reasons that the log gets: a caller chooses the names in them."""


class ClientCaError(Exception):
    """A file of authorities that cannot be used: its name, what is wrong, what to do, in one line."""


class ClientTrust:
    """The authorities of callers, and the names that may call (empty: all of them). Each change raises `version`."""

    def __init__(self, file: Path, names: Iterable[str] = ()) -> None:
        """Read the file; raises ClientCaError."""
        self.names = frozenset(names)
        self.version = 0
        self._file = file
        self._pem = _read(file)
        self._complaint = ""
        self._refusals: set[str] = set()

    def poll(self) -> None:
        """Read the file again; warn once about a bad one, and keep the authorities before it."""
        try:
            pem = _read(self._file)
        except ClientCaError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                logger.warning("%s; the previous authorities stay in force", error)
            return
        self._complaint = ""
        if pem != self._pem:
            self._pem = pem
            self.version += 1
            logger.info("client authorities reloaded from %s", self._file)

    def require(self, context: ssl.SSLContext) -> None:
        """Make a server's context ask for a certificate of these authorities, and end a handshake without one.

        NB: both contexts need this. The one that listens decides whether OpenSSL asks, and the one that the servername
        callback moves the handshake to has the authorities.
        """
        context.verify_flags |= _ANCHORS
        context.load_verify_locations(cadata=self._pem)
        context.verify_mode = ssl.CERT_REQUIRED

    def refusal(self, certificate: Mapping[str, Any]) -> str | None:
        """Return why a caller may not call, or None; the log has each of the first REFUSALS_MAX reasons once."""
        refusal = refusal_of(certificate, self.names)
        if refusal is not None and refusal not in self._refusals and len(self._refusals) < REFUSALS_MAX:
            self._refusals.add(refusal)
            logger.warning("a caller is refused: %s", refusal)
        return refusal


def refusal_of(certificate: Mapping[str, Any], names: frozenset[str]) -> str | None:
    """Return why a caller may not call, in one line, or None.

    `certificate` is the value of `ssl.SSLSocket.getpeercert`. Common names and DNS names count; letter case matters.
    """
    sent = [
        *(value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"),
        *(value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"),
    ]
    if names.intersection(sent):
        return None
    shown = ", ".join(ascii(name)[1:-1][:80] for name in sent[:5]) or "none"
    return f"client certificate: names {shown}; allowed: {', '.join(sorted(names))}; see --client-name"


def _read(file: Path) -> str:
    try:
        pem = load_file(file, bytes_max=PEM_BYTES_MAX)
    except OSError as error:
        text = describe_unreadable(error, "give a PEM file that this user may read")
        raise ClientCaError(f"client CA file {file}: {text}") from error
    try:
        return "".join(_render(certificate) for certificate in x509.load_pem_x509_certificates(pem))
    except UNREADABLE_CERTIFICATE as error:
        text = f"client CA file {file}: not PEM certificates; allowed: one or more authorities"
        raise ClientCaError(text) from error


def _render(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
