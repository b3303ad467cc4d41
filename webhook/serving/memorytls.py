"""A served pair that comes from memory, such as from a Secret: it is never in a file on any disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
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
        with self._lock:
            if self.have_clients_changed() and self._pair is not None:
                self._serve(*self._pair)

    def _serve(self, certificate: bytes, key: bytes) -> None:
        with _in_memory("tls.crt", certificate) as cert_file, _in_memory("tls.key", key) as key_file:
            self.swap(*load_pair(cert_file, key_file, self._now(), places=self._places))
        self._pair = certificate, key


@contextmanager
def _in_memory(name: str, content: bytes) -> Iterator[Path]:
    """Make a path for what has none: OpenSSL's loading, as Python offers it, takes paths only."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
