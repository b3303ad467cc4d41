"""A served pair that comes from memory, such as from a Secret: it is never in a file on any disk."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from .clients import ClientTrust
from .tls import Places, ServedPair, load_pair


class MemoryTls(ServedPair):
    """The pair that `take` was last given; `where` names its origin in messages."""

    def __init__(
        self,
        where: str,
        *,
        now: Callable[[], float],
        on_reload: Callable[[float], None],
        clients: ClientTrust | None = None,
    ) -> None:
        """As `ServedPair`."""
        super().__init__(now=now, on_reload=on_reload, clients=clients)
        self._lock = Lock()
        self._pair: tuple[bytes, bytes] | None = None
        self._places = Places(f"tls.crt of {where}", f"tls.key of {where}")

    def take(self, certificate: bytes, key: bytes) -> None:
        """Serve this PEM pair from now on, from any thread; raises CertificateError, and then nothing changed."""
        with self._lock:
            self._serve(certificate, key)

    def poll(self) -> None:
        """Serve the pair with the authorities of callers that are in force now, when they have changed."""
        # NB: outside the lock, for it reads a file, and `take` is not to wait for that.
        have_clients_changed = self.have_clients_changed()
        with self._lock:
            if have_clients_changed and self._pair is not None:
                self._serve(*self._pair)

    def _serve(self, certificate: bytes, key: bytes) -> None:
        self.swap(*load_pair(certificate, key, self._now(), places=self._places))
        self._pair = certificate, key
