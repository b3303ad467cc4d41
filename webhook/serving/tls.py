"""The certificate of the TLS port: loaded, checked, and swapped while connections go on.

The listener keeps one `ssl.SSLContext` for ever. Its servername callback, which OpenSSL calls with and
without SNI, moves each new handshake to the context of the current pair; connections that exist are not
touched. A new pair gets a fresh context and replaces the old one only when everything about it is right:
loading into a live context would make every handshake fail between a certificate and its key
(KEY_VALUES_MISMATCH).

Changes of files are seen by polling `stat`, following symlinks: a kubelet replaces the `..data` link of a Secret's
directory, which file watches on the link's target never see. The polls run in a thread of their own, and what they
read is bounded in time and size: a file system that hangs, or a named pipe, holds up no review.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from certs.authority import UNREADABLE_CERTIFICATE
from certs.certfiles import exposures
from webhook.files import advice, load_file, within

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PublicKeyTypes

    from .clients import ClientTrust

    Fingerprint = tuple[tuple[int, ...], ...]

logger = logging.getLogger("nadmit.serving")

PEM_BYTES_MAX = 1_048_576
"""A Secret has at most as much."""


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
        """Poll for ever, each time in another thread, and once at a time."""
        while True:
            await asyncio.sleep(interval_s)
            await _in_thread(self.poll)

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
        self._warned: frozenset[str] = frozenset()

    def load(self) -> None:
        """Read the pair and serve it from now on; raises CertificateError, and then nothing changed."""
        places = Places(f"certificate file {self._cert_file}", f"key file {self._key_file}")
        # Before reading: a file that changes meanwhile is seen again by the next poll.
        fingerprint = self._look(places)
        certificate, key = _read(places.certificate, self._cert_file), _read(places.key, self._key_file)
        context, not_after = load_pair(certificate, key, self._now(), places=places)
        self._served = fingerprint
        self._complaint = None
        self.swap(context, not_after)
        self._warn_of_exposure()

    def poll(self) -> None:
        """Load the pair if its files or the authorities changed; a bad one is warned about once, and the old one stays.

        A bad pair is tried again at every poll, since not every repair changes what `stat` shows.
        """
        have_clients_changed = self.have_clients_changed()
        fingerprint: Fingerprint = ()
        try:
            fingerprint = self._look(Places(f"certificate file {self._cert_file}", f"key file {self._key_file}"))
            if fingerprint == self._served and not have_clients_changed:
                self._complaint = None
                return
            self.load()
        except CertificateError as error:
            complaint = (fingerprint, str(error))
            if complaint != self._complaint:
                self._complaint = complaint
                logger.warning("%s; the previous certificate stays in use", error)
                self._on_error(str(error))
        else:
            logger.info("certificate reloaded from %s", self._cert_file)

    def _look(self, places: Places) -> Fingerprint:
        """Return what `stat` shows of both files. Raises CertificateError if their file system does not answer."""
        return (_stat(places.certificate, self._cert_file), _stat(places.key, self._key_file))

    def _warn_of_exposure(self) -> None:
        """Say who else may read or replace the key, once for each state of it."""
        found = exposures([self._key_file])
        for line in found:
            if line not in self._warned:
                logger.warning("%s", line)
        self._warned = frozenset(found)


class Places(NamedTuple):
    """How messages name the certificate and the key."""

    certificate: str
    key: str


def load_pair(certificate: bytes, key: bytes, now: float, *, places: Places) -> tuple[ssl.SSLContext, float]:
    """Return a fresh context that serves a pair of PEM and when its leaf ends; raises CertificateError."""
    cert_place, key_place = places
    leaf = _parse_leaf(certificate, cert_place)
    if _spki(_public_key_of(leaf, cert_place)) != _spki(_parse_public_key(key, key_place)):
        where = cert_place.removeprefix("certificate file ")
        raise CertificateError(f"{key_place}: does not belong to the certificate in {where}; give a pair")
    not_after = leaf.not_valid_after_utc
    if not_after.timestamp() <= now:
        raise CertificateError(f"{cert_place}: expired at {not_after:%Y-%m-%d %H:%M:%SZ}; renew it")
    context = _new_context()
    try:
        with _in_memory("tls.crt", certificate) as cert_file, _in_memory("tls.key", key) as key_file:
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


async def _in_thread(call: Callable[[], None]) -> None:
    """Run a call in a daemon thread, which does not keep the process from ending as the loop's own executor would."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        caught: BaseException | None = None
        try:
            call()
        except BaseException as error:  # noqa: BLE001  # raised again in the loop
            caught = error
        with suppress(RuntimeError):  # the loop has ended meanwhile, and nobody waits any more
            loop.call_soon_threadsafe(settle, caught)

    Thread(target=run, name="nadmit-poll", daemon=True).start()
    await done


@contextmanager
def _in_memory(name: str, content: bytes) -> Iterator[str]:
    """Make a path for what has none: OpenSSL's loading, as Python offers it, takes paths only."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _read(place: str, path: Path) -> bytes:
    try:
        return load_file(path, bytes_max=PEM_BYTES_MAX)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        text = f"{place}: cannot be read: {reason}; {advice(error, 'give a PEM file that this user may read')}"
        raise CertificateError(text) from error


def _parse_leaf(pem: bytes, place: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except UNREADABLE_CERTIFICATE as error:
        text = f"{place}: not a PEM certificate; allowed: the leaf first, then intermediates"
        raise CertificateError(text) from error


def _public_key_of(leaf: x509.Certificate, place: str) -> CertificatePublicKeyTypes:
    try:
        return leaf.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{place}: its key is damaged or of an unknown kind; allowed: EC or RSA") from error


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


def _stat(place: str, path: Path) -> tuple[int, ...]:
    """Return what `stat` shows, (0,) for a missing file; with ctime, so that a chmod is a change."""
    try:
        status = within(path, path.stat)
    except TimeoutError as error:
        raise CertificateError(f"{place}: cannot be read: {error.strerror}; see to its mount") from error
    except OSError:
        return (0,)
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
