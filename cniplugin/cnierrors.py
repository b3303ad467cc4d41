"""Errors of the node. `skel` prints each of them as CNI error JSON."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self, TypeVar

    T = TypeVar("T", bound="CniError")

VERSION_INCOMPATIBLE = 1
UNSUPPORTED_FIELD = 2
UNKNOWN_CONTAINER = 3
INVALID_ENVIRONMENT = 4
IO_FAILURE = 5
DECODE_FAILURE = 6
INVALID_NETWORK_CONFIG = 7
INVALID_NETNS = 8
TRY_AGAIN_LATER = 11
PLUGIN_NOT_AVAILABLE = 50
LIMITED_CONNECTIVITY = 51
ACCESS_DENIED = 100
"""The access rules refuse an attachment. CNI leaves the codes from 100 on to plugins."""
NO_DEVICE = 101
"""A network needs a device, and the kubelet gave the pod none, or all of them are taken."""
INTERNAL = 999


class CniError(Exception):
    """An error as CNI prints it (CNI 1.1 §5): a code of this module, `msg` of one line, `details` of more lines or "".

    `has_owner`: the message begins with the pod or container.
    """

    def __init__(self, code: int, msg: str, details: str = "", *, has_owner: bool = False) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.details = details
        self._has_owner = has_owner

    def within(self, where: str) -> Self:
        """Return the same error with the place in front of its message."""
        return self._copy(f"{where}: {self.msg}", self.details)

    def of(self, owner: str) -> Self:
        """Return the same error with the pod or container in front, unless an inner caller has added one already."""
        if self._has_owner:
            return self
        copy = self.within(owner)
        copy._has_owner = True  # noqa: SLF001  # its own class
        return copy

    def with_details(self, *more: str) -> Self:
        """Return the same error with more lines of details; empty ones are left out."""
        return self._copy(self.msg, "\n".join(filter(None, (self.details, *more))))

    def _copy(self, msg: str, details: str) -> Self:
        copy = type(self).__new__(type(self), msg)
        copy.__dict__.update(self.__dict__, msg=msg, details=details)
        copy.args = (msg,)
        return copy


class PluginError(CniError):
    """A delegate failed with its own code and text. `plugin` is its type, `command` the verb of the call.

    `position`: that of the plugin in its list, from 0; None if nobody has set it.
    """

    position: int | None = None

    def __init__(self, plugin: str, command: str, code: int, msg: str, details: str = "") -> None:
        super().__init__(code, msg, details)
        self.plugin = plugin
        self.command = command


class NotFoundError(CniError):
    """The API server has no such object (404), or does not know its kind."""


def joined(failures: Sequence[T]) -> T:
    """Return several failures as one: the first one, with the others as details."""
    first, *others = failures
    return first.with_details(*(f"{other.msg}: {other.details}" if other.details else other.msg for other in others))
