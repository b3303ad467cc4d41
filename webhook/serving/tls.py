"""The certificate of the TLS port: loaded, checked, and swapped while connections go on.

The listener keeps one `ssl.SSLContext` for ever. Its servername callback, which OpenSSL calls with and
without SNI, moves each new handshake to the context of the current pair; connections that exist are not
touched. A new pair gets a fresh context and replaces the old one only when everything about it is right:
loading into a live context would make every handshake fail between a certificate and its key
(KEY_VALUES_MISMATCH).

Changes of files are seen by polling `stat`, following symlinks: a kubelet replaces the `..data` link of a Secret's
directory, which file watches on the link's target never see.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PublicKeyTypes

    from .clients import ClientTrust

    Fingerprint = tuple[tuple[int, ...], ...]

logger = logging.getLogger("nadmit.serving")


class CertificateError(Exception):
    """A pair that cannot be served: which file, what is wrong, what to do, in one line."""


class ServedPair:
    """The context to listen with, and the pair that it serves now; none before the first `swap`.

    `watch` is awaited as long as the server runs.
    """

    def __init__(
        self, *, now: Callable[[], float], on_reload: Callable[[float], None], clients: ClientTrust | None = None
    ) -> None:
        """`now`: unix seconds; `on_reload(not_after)`: after a swap.

        `clients`: who signs the callers' certificates; None: callers need none.
        """
        self.not_after = 0.0
        self.context = _new_context()
        self.context.sni_callback = self._choose_context
        self._now = now
        self._on_reload = on_reload
        self._current = self.context
        self.clients = clients
        self._clients_served = 0
        if clients is not None:
            clients.require(self.context)

    def swap(self, context: ssl.SSLContext, not_after: float) -> None:
        """Serve what `load_pair` returned from now on. May be called from any thread."""
        if self.clients is not None:
            self._clients_served = self.clients.version
            self.clients.require(context)
        self._current = context
        self.not_after = not_after
        self._on_reload(not_after)

    def poll(self) -> None:
        """Look for a new pair; here there is no place to look at."""

    async def watch(self, interval_s: float = 1.0) -> NoReturn:
        """Poll for ever. Reading two small files of a mounted Secret does not block noticeably."""
        while True:
            await asyncio.sleep(interval_s)
            self.poll()

    def have_clients_changed(self) -> bool:
        """Read the callers' authorities again, and say whether they differ from those of the pair in use."""
        if self.clients is None:
            return False
        self.clients.poll()
        return self.clients.version != self._clients_served

    def _choose_context(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current


class ServerTls(ServedPair):
    """The pair of two files, which are polled. Serves nothing until `load` succeeded."""

    def __init__(
        self,
        cert_file: Path,
        key_file: Path,
        *,
        now: Callable[[], float],
        on_reload: Callable[[float], None] = lambda _not_after: None,
        on_error: Callable[[str], None] = lambda _text: None,
        clients: ClientTrust | None = None,
    ) -> None:
        """As `ServedPair`; `on_error(text)`: per bad change."""
        super().__init__(now=now, on_reload=on_reload, clients=clients)
        self._cert_file = cert_file
        self._key_file = key_file
        self._on_error = on_error
        self._served: Fingerprint = ()
        self._complaint: tuple[Fingerprint, str] | None = None

    def load(self) -> None:
        """Read the pair and serve it from now on; raises CertificateError, and then nothing changed."""
        # Before reading: a file that changes meanwhile is seen again by the next poll.
        fingerprint = _fingerprint(self._cert_file, self._key_file)
        context, not_after = load_pair(self._cert_file, self._key_file, self._now())
        self._served = fingerprint
        self._complaint = None
        self.swap(context, not_after)

    def poll(self) -> None:
        """Load the pair if its files or the authorities changed; a bad one is warned about once, and the old one stays.

        A bad pair is tried again at every poll, since not every repair changes what `stat` shows.
        """
        have_clients_changed = self.have_clients_changed()
        fingerprint = _fingerprint(self._cert_file, self._key_file)
        if fingerprint == self._served and not have_clients_changed:
            return
        try:
            self.load()
        except CertificateError as error:
            complaint = (fingerprint, str(error))
            if complaint != self._complaint:
                self._complaint = complaint
                logger.warning("%s; the previous certificate stays in use", error)
                self._on_error(str(error))
        else:
            logger.info("certificate reloaded from %s", self._cert_file)


class Places(NamedTuple):
    """How messages name the certificate and the key."""

    certificate: str
    key: str


def load_pair(
    cert_file: Path, key_file: Path, now: float, *, places: Places | None = None
) -> tuple[ssl.SSLContext, float]:
    """Return a fresh context that serves the pair and when its leaf ends; raises CertificateError."""
    cert_place, key_place = places or Places(f"certificate file {cert_file}", f"key file {key_file}")
    leaf = _parse_leaf(_read(cert_place, cert_file), cert_place)
    key = _parse_public_key(_read(key_place, key_file), key_place)
    if _spki(leaf.public_key()) != _spki(key):
        where = cert_place.removeprefix("certificate file ")
        raise CertificateError(f"{key_place}: does not belong to the certificate in {where}; give a pair")
    not_after = leaf.not_valid_after_utc
    if not_after.timestamp() <= now:
        raise CertificateError(f"{cert_place}: expired at {not_after:%Y-%m-%d %H:%M:%SZ}; renew it")
    context = _new_context()
    try:
        context.load_cert_chain(cert_file, key_file, password=_refuse_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or str(error)
        raise CertificateError(f"{cert_place}: OpenSSL cannot serve it: {reason}") from error
    return context, not_after.timestamp()


def _new_context() -> ssl.SSLContext:
    """TLS 1.2 or later, HTTP/1.1 only (which is what the API server asks for), no session resumption.

    Resumption would let a client go on with the old leaf after a swap; the API server does not resume.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def _read(place: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        text = f"{place}: cannot be read: {reason}; give a PEM file that this user may read"
        raise CertificateError(text) from error


def _parse_leaf(pem: bytes, place: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError as error:
        text = f"{place}: not a PEM certificate; allowed: the leaf first, then intermediates"
        raise CertificateError(text) from error


def _parse_public_key(pem: bytes, place: str) -> PublicKeyTypes:
    try:
        return load_pem_private_key(pem, password=None).public_key()
    except TypeError as error:
        text = f"{place}: encrypted; allowed: an unencrypted key (openssl pkey -in KEY -out NEW)"
        raise CertificateError(text) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{place}: not a PEM private key; allowed: PKCS#8, EC or RSA") from error


def _spki(key: PublicKeyTypes | CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _refuse_password() -> str:
    """NB: without a callback OpenSSL asks on the terminal, which blocks for ever."""
    raise ValueError("encrypted")


def _fingerprint(*paths: Path) -> Fingerprint:
    """Return what `stat` shows, (0,) for a missing file; with ctime, so that a chmod is a change."""
    return tuple(_stat(path) for path in paths)


def _stat(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return (0,)
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
