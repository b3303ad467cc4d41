"""What can go wrong on the node, by whose fault it is; each becomes CNI error JSON in one place (`skel`)."""

from __future__ import annotations

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
"""Ours (>= 100 is free): the access rules refuse an attachment."""
NO_DEVICE = 101
"""Ours: a network needs a device, and the kubelet gave the pod none, or none that is left."""
INTERNAL = 999


class CniError(Exception):
    """An error as CNI prints it (CNI 1.1 §5): `code` above, `msg` one line, `details` more lines or ""."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.details = details


class PluginError(CniError):
    """A delegate failed: its own code and text. `plugin` is its type, `command` the verb it was asked for."""

    def __init__(self, plugin: str, command: str, code: int, msg: str, details: str = "") -> None:
        super().__init__(code, msg, details)
        self.plugin = plugin
        self.command = command


class NotFoundError(CniError):
    """The API server has no such object (404), or no such kind."""
