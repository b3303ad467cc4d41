"""The certificate of the TLS port: loaded, checked, and swapped while connections go on.

The listener has one `ssl.SSLContext` for its whole life. OpenSSL calls its servername callback with and without SNI,
and the callback moves each new handshake to the context of the current pair; existing connections are not touched. A
new pair gets a fresh context, which replaces the old one only when everything about it is right. Loading into a live
context would make every handshake between the certificate and its key fail (KEY_VALUES_MISMATCH).

A thread polls the files with `stat`, which follows links: a kubelet replaces the `..data` link of a Secret's directory,
and a watch on the link's target never sees that. Reads are bounded in time and size, so a file system that hangs or a
named pipe delays no review.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from certs.authority import UNREADABLE_CERTIFICATE
from certs.certfiles import exposures
from webhook.files import describe_unreadable, load_file, within

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


class Places(NamedTuple):
    """How messages name the certificate and the key."""

    certificate: str
    key: str


class Validity(NamedTuple):
    """The beginning and the end of a leaf, Unix seconds."""

    not_before: float
    not_after: float


class ServedPair:
    """The context to listen with, and the pair that it serves now; there is none before the first `swap`."""

    def __init__(
        self, *, now: Callable[[], float], on_reload: Callable[[Validity], None], clients: ClientTrust | None = None
    ) -> None:
        """`now`: Unix seconds; `on_reload(validity)`: after a swap.

        `clients`: the authorities of the callers' certificates; None: callers need no certificate.
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

    def swap(self, context: ssl.SSLContext, validity: Validity, *, place: str) -> None:
        """Serve a pair that `load_pair` returned; `place` names its certificate. Any thread may call this.

        A leaf that is not valid yet is served with a warning: the clock of this machine may be the wrong one.
        """
        if self.clients is not None:
            self._clients_served = self.clients.version
            self.clients.require(context)
        self._current = context
        self.not_after = validity.not_after
        self._on_reload(validity)
        if validity.not_before > self._now():
            logger.warning("%s: %s", place, _describe_beginning(validity.not_before, self._now()))

    def poll(self) -> None:
        """Look for a new pair. This class has no source to poll."""

    @contextmanager
    def watched(self, interval_s: float = 1.0) -> Iterator[None]:
        """Poll in a thread until the block ends. A poll that hangs does not keep the process from ending.

        NB: a bug in reloading must not stop the server; the last good certificate stays.
        """
        ended = Event()

        def watch() -> None:
            try:
                while not ended.wait(interval_s):
                    self.poll()
            except Exception:
                logger.exception("internal error: certificate changes are no longer seen; restart this process")

        Thread(target=watch, name="nadmit-poll", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def have_clients_changed(self) -> bool:
        """Read the callers' authorities again, and say whether they differ from those of the pair in use."""
        if self.clients is None:
            return False
        self.clients.poll()
        return self.clients.version != self._clients_served

    def _choose_context(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current


class ServerTls(ServedPair):
    """The pair of two files, which it polls. Serves nothing until `load` has succeeded."""

    def __init__(
        self,
        cert_file: Path,
        key_file: Path,
        *,
        now: Callable[[], float],
        on_reload: Callable[[Validity], None] = lambda _validity: None,
        on_error: Callable[[str], None] = lambda _text: None,
        clients: ClientTrust | None = None,
    ) -> None:
        """As `ServedPair`; `on_error(text)`: once for each bad change."""
        super().__init__(now=now, on_reload=on_reload, clients=clients)
        self._cert_file = cert_file
        self._key_file = key_file
        self._places = Places(f"certificate file {cert_file}", f"key file {key_file}")
        self._on_error = on_error
        self._served: Fingerprint = ()
        self._pair: tuple[bytes, bytes] | None = None
        self._lock = Lock()  # one poll at a time
        self._complaint: tuple[Fingerprint, str] | None = None
        self._warned: frozenset[str] = frozenset()

    def load(self) -> None:
        """Read the pair and serve it; raises CertificateError, and then the old pair stays."""
        with self._lock:
            self._load()

    def _load(self) -> None:
        # Before reading: the next poll sees a file that changes meanwhile.
        fingerprint = self._stat_files()
        certificate = _read(self._places.certificate, self._cert_file)
        key = _read(self._places.key, self._key_file)
        context, validity = load_pair(certificate, key, self._now(), places=self._places)
        self._served = fingerprint
        self._pair = certificate, key
        self._complaint = None
        self.swap(context, validity, place=self._places.certificate)
        self._warn_of_exposure()

    def poll(self) -> None:
        """Load the pair if its files or the authorities changed; warn once about a bad one, and keep the old one.

        Every poll tries a bad pair again, because not every repair changes the result of `stat`.
        """
        with self._lock:
            self._poll()

    def reread(self) -> bool | None:
        """Load the pair now. Return whether the new pair is served; None if it is the same."""
        with self._lock:
            before = self._pair
            self._served = ()
            return (None if self._pair == before else True) if self._poll() else False

    def _poll(self) -> bool:
        """Return whether the files are good."""
        have_clients_changed = self.have_clients_changed()
        fingerprint: Fingerprint = ()
        try:
            fingerprint = self._stat_files()
            if fingerprint == self._served and not have_clients_changed:
                self._complaint = None
                return True
            self._load()
        except CertificateError as error:
            complaint = (fingerprint, str(error))
            if complaint != self._complaint:
                self._complaint = complaint
                logger.warning("%s; the previous certificate stays in use", error)
                self._on_error(str(error))
            return False
        logger.info("certificate reloaded from %s", self._cert_file)
        return True

    def _stat_files(self) -> Fingerprint:
        """Return the results of `stat` for both files. Raises CertificateError if their file system does not answer."""
        return (_stat(self._places.certificate, self._cert_file), _stat(self._places.key, self._key_file))

    def _warn_of_exposure(self) -> None:
        """Warn about everybody else who may read or replace the key, once for each."""
        lines = exposures([self._key_file])
        for line in lines:
            if line not in self._warned:
                logger.warning("%s", line)
        self._warned = frozenset(lines)


class MemoryTls(ServedPair):
    """A pair from memory, such as from a Secret, which is never in a file on any disk."""

    def __init__(
        self,
        where: str,
        *,
        now: Callable[[], float],
        on_reload: Callable[[Validity], None],
        clients: ClientTrust | None = None,
    ) -> None:
        """As `ServedPair`; `where` names the origin of the pair in messages."""
        super().__init__(now=now, on_reload=on_reload, clients=clients)
        self._lock = Lock()
        self._pair: tuple[bytes, bytes] | None = None
        self._places = Places(f"tls.crt of {where}", f"tls.key of {where}")

    def take(self, certificate: bytes, key: bytes) -> None:
        """Serve this PEM pair, from any thread; raises CertificateError, and then the old pair stays."""
        with self._lock:
            self._serve(certificate, key)

    def poll(self) -> None:
        """Serve the pair with the current authorities of callers, when they have changed."""
        # NB: outside the lock, because it reads a file, and `take` must not wait for that.
        have_clients_changed = self.have_clients_changed()
        with self._lock:
            if have_clients_changed and self._pair is not None:
                self._serve(*self._pair)

    def _serve(self, certificate: bytes, key: bytes) -> None:
        pair = load_pair(certificate, key, self._now(), places=self._places)
        self.swap(*pair, place=self._places.certificate)
        self._pair = certificate, key


def load_pair(certificate: bytes, key: bytes, now: float, *, places: Places) -> tuple[ssl.SSLContext, Validity]:
    """Return a fresh context that serves a PEM pair, and when its leaf is valid; raises CertificateError."""
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
    return context, Validity(leaf.not_valid_before_utc.timestamp(), not_after.timestamp())


def _describe_beginning(not_before: float, now: float) -> str:
    begins = datetime.fromtimestamp(not_before, UTC)
    return (
        f"not valid before {begins:%Y-%m-%d %H:%M:%SZ}, in {timedelta(seconds=round(not_before - now))}: it is served, "
        "but an API server with the same clock refuses it until then; compare the clocks, or renew it"
    )


def _new_context() -> ssl.SSLContext:
    """Return a context with TLS 1.2 or later, HTTP/1.1 only, as the API server asks, and no session resumption.

    Resumption would let a client go on with the old leaf after a swap; the API server does not resume.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


@contextmanager
def _in_memory(name: str, content: bytes) -> Iterator[str]:
    """Make a path for bytes in memory: Python's interface to OpenSSL loads from paths only."""
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
        text = describe_unreadable(error, "give a PEM file that this user may read")
        raise CertificateError(f"{place}: {text}") from error


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
    """Return the result of `stat`, (0,) for a missing file. It has the ctime, so that a chmod is a change."""
    try:
        status = within(path, path.stat)
    except TimeoutError as error:
        raise CertificateError(f"{place}: cannot be read: {error.strerror}; see to its mount") from error
    except OSError:
        return (0,)
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
