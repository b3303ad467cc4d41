"""Whose process is at the other end of a connection on this machine, as Linux's table of TCP sockets says it.

    line = slot ":" address:port of the socket, address:port of its peer, state, queues, timer, retransmits, uid ...

Both ends of a connection on loopback are in the table; the line of the other end has the server's port as its peer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
"""NB: a socket of IPv6 can connect to 127.0.0.1."""
ROOT = 0
"""May be a relay, such as the one of WSL. It can read everything of this user anyway."""

_ESTABLISHED = "01"
_LOCAL, _PEER, _STATE, _UID = 1, 2, 3, 7


def is_own(port: int, *, server_port: int, tables: Iterable[Path] = TABLES, uid: int | None = None) -> bool:
    """Say whether the client at a port is a process of this user; True on a machine without such tables."""
    texts = [text for text in map(_read, tables) if text is not None]
    if not texts:
        return True
    own = {ROOT, os.getuid() if uid is None else uid}
    users = {one for text in texts for one in _users(text, port, server_port)}
    return bool(users) and users <= own


def _read(table: Path) -> str | None:
    try:
        return table.read_text(encoding="ascii")
    except OSError:
        return None


def _users(text: str, port: int, server_port: int) -> Iterator[int]:
    """Yield the uid of each connection from a port to the server's."""
    for line in text.splitlines()[1:]:
        words = line.split()
        ports = tuple(int(words[at].rpartition(":")[2], 16) for at in (_LOCAL, _PEER))
        if ports == (port, server_port) and words[_STATE] == _ESTABLISHED:
            yield int(words[_UID])
