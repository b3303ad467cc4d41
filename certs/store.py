"""Where the certificates and the webhook configurations are kept: what the rotator asks of a cluster, as protocols.

`kubestore` is the cluster; a test has a store in memory. All methods may block, each for a bounded time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class StoreError(Exception):
    """The store cannot be used now: where, what is wrong, what to do, in one line."""


class ConflictError(StoreError):
    """Somebody else was faster: what was read is no longer so."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The data of the Secret, and the version to replace; None if there is no Secret yet."""

    data: Mapping[str, bytes]
    version: str | None


class SecretStore(Protocol):
    """One Secret."""

    where: str
    """How messages name it."""

    def read(self) -> Stored:
        """Return what is there. Raises StoreError."""

    def write(self, data: Mapping[str, bytes], version: str | None) -> None:
        """Replace that version, or create it; keys that are not named stay. Raises ConflictError, StoreError."""


class ConfigurationStore(Protocol):
    """The webhook configurations that are named to this program; `names` may be empty."""

    @property
    def names(self) -> Sequence[str]:
        """Return how messages name them; `read` and `patch` take one of these."""

    def read(self, name: str) -> Mapping[str, Any] | None:
        """Return the object, None if it does not exist. Raises StoreError."""

    def patch(self, name: str, operations: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Apply a JSON patch and return the object. Raises ConflictError if a `test` failed, StoreError."""
