"""Private keys that others on this machine may read or replace: what a start warns about.

Warned about: a key file that everybody may read, and a directory of keys in which the group or everybody may write.
A key that its group may read is not: that is how `fsGroup` lets a process read a Secret that is not root's.

A Secret that a kubelet mounts is mode 0644 in a directory of mode 1777, and harmless: it is mounted read-only, into
this container alone. It is known by both: the mount is read-only, and the directory has the link `..data`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_OTHERS_READ = stat.S_IROTH
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def exposures(keys: Sequence[Path]) -> list[str]:
    """Return what is wrong with these key files and their directories, a line each. What is absent is fine."""
    folders = dict.fromkeys(key.parent for key in keys)
    return [*(line for key in keys for line in _of_key(key)), *(line for one in folders for line in _of_directory(one))]


def _of_key(key: Path) -> Iterator[str]:
    mode = _mode(key)
    if mode & _OTHERS_READ and not _is_mounted_secret(key.parent):
        yield f"{key}: everybody on this machine may read this private key (mode {mode:04o}); chmod 600 {key}"


def _of_directory(folder: Path) -> Iterator[str]:
    mode = _mode(folder)
    if mode & _OTHERS_WRITE and not _is_read_only(folder):
        who = "everybody" if mode & stat.S_IWOTH else "its group"
        fix = f"chmod go-w {folder}, or keep the keys in a directory of their own below it"
        yield f"{folder}: {who} may put other keys into this directory (mode {mode:04o}); {fix}"


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _is_mounted_secret(folder: Path) -> bool:
    return _is_read_only(folder) and (folder / "..data").is_symlink()


def _is_read_only(folder: Path) -> bool:
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False
