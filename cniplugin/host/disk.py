"""The node's file system for the installer. Each change is announced first, atomic, and durable."""

# pathlib is not allowed in this package:
# ruff: noqa: PTH102, PTH105, PTH106, PTH108, PTH112, PTH113, PTH114, PTH115, PTH116, PTH118, PTH120, PTH123, PTH208, PTH211

from __future__ import annotations

import hashlib
import os
import shutil

from cniplugin.netspec.record import Record

from .regularfile import load_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEMPORARY = ".tmp-nadmit"
KEPT = ".before-nadmit"
"""Suffixes of hidden names beside a path: of the new file while it is written, and of the file that it replaces."""

BUNDLED_BYTES_MAX = 256 * 1024 * 1024
"""The largest file of a bundle is the interpreter, of about 30 MiB."""


class Item(Record):
    """A file to place: `data` with `mode`, or a symbolic link to `link`. `path` is absolute on the node."""

    path: str
    data: bytes = b""
    mode: int = 0o600
    link: str = ""


class Disk:
    """The node's file system below `root`. `on_step` gets each change before it is made; `doing` has the last one."""

    def __init__(self, root: str, on_step: Callable[[str], None]) -> None:
        self.root = root
        self.doing = "reading"
        self._on_step = on_step

    def on_step(self, what: str) -> None:
        """Announce a change."""
        self.doing = what
        self._on_step(what)

    def at(self, path: str) -> str:
        """Return a path of the node as this process sees it."""
        return self.root + path

    def has(self, path: str) -> bool:
        """Say whether a path exists, a dangling link included."""
        return os.path.lexists(self.at(path))

    def read(self, path: str) -> bytes:
        """Return a file."""
        with open(self.at(path), "rb") as file:
            return file.read()

    def digest(self, path: str) -> str:
        """Return the digest of the file or link at a path as `digest_of` does, "" if there is none."""
        seen = self.at(path)
        if os.path.islink(seen):
            return digest_of(Item(path=path, link=os.readlink(seen)))
        if not os.path.isfile(seen):
            return "a directory" if os.path.isdir(seen) else ""
        return digest_of(Item(path=path, data=self.read(path), mode=os.stat(seen).st_mode & 0o7777))

    def make_directory(self, path: str, mode: int) -> None:
        """Make one directory."""
        self.on_step(f"mkdir {path}")
        os.mkdir(self.at(path), mode)
        self._sync_parent(path)

    def keep(self, path: str) -> None:
        """Link the file at a path to a second name, for `restore`."""
        self.on_step(f"keep {path}")
        os.link(self.at(path), self.at(beside(path, KEPT)), follow_symlinks=False)
        self._sync_parent(path)

    def place(self, item: Item) -> None:
        """Replace the file at a path atomically."""
        temporary = beside(item.path, TEMPORARY)
        self.remove(temporary)
        self.on_step(f"write {item.path}")
        if item.link:
            os.symlink(item.link, self.at(temporary))
        else:
            self._write(temporary, item)
        self.rename(temporary, item.path)

    def _write(self, path: str, item: Item) -> None:
        fd = os.open(self.at(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            half = len(item.data) // 2
            file.write(item.data[:half])
            file.flush()
            self.on_step(f"write the rest of {item.path}")
            file.write(item.data[half:])
            file.flush()
            os.fchmod(fd, item.mode)
            os.fsync(fd)

    def rename(self, old: str, new: str) -> None:
        """Rename within a directory."""
        self.on_step(f"rename {old} to {new}")
        os.replace(self.at(old), self.at(new))
        self._sync_parent(new)

    def remove(self, path: str) -> None:
        """Remove a file, a link or a whole directory, if it exists."""
        if not self.has(path):
            return
        self.on_step(f"remove {path}")
        seen = self.at(path)
        if os.path.isdir(seen) and not os.path.islink(seen):
            shutil.rmtree(seen)
        else:
            os.unlink(seen)
        self._sync_parent(path)

    def remove_if_empty(self, path: str) -> bool:
        """Remove a directory if it is empty; say whether it is gone."""
        if self.has(path) and not os.listdir(self.at(path)):
            self.on_step(f"rmdir {path}")
            os.rmdir(self.at(path))
            self._sync_parent(path)
        return not self.has(path)

    def restore(self, path: str, *, existed_before: bool) -> None:
        """Restore the file of `keep`, or remove the path if it did not exist before. Idempotent."""
        kept = beside(path, KEPT)
        self.remove(beside(path, TEMPORARY))
        if not existed_before:
            self.remove(path)
        elif self.has(kept):
            # NB: if both names are one file, rename(2) does nothing and keeps both.
            is_untouched = self.has(path) and os.path.samestat(os.lstat(self.at(kept)), os.lstat(self.at(path)))
            if is_untouched:
                self.remove(kept)
            else:
                self.rename(kept, path)

    def copy_tree(self, source: str, path: str) -> None:
        """Copy a directory to a path of the node, durably and atomically."""
        temporary = beside(path, TEMPORARY)
        self.remove(temporary)
        for name, kind in _walk(source):
            seen = os.path.join(self.at(temporary), name) if name else self.at(temporary)
            origin = os.path.join(source, name)
            self.on_step(f"copy {name}")
            if kind == "directory":
                os.mkdir(seen, 0o755)
            elif kind == "link":
                os.symlink(os.readlink(origin), seen)
            else:
                shutil.copy(origin, seen)
                _sync(seen)
        for name, kind in _walk(self.at(temporary)):
            if kind == "directory":
                _sync(os.path.join(self.at(temporary), name))
        self.remove(path)
        self.rename(temporary, path)

    def _sync_parent(self, path: str) -> None:
        _sync(os.path.dirname(self.at(path)))


def digest_of(item: Item) -> str:
    """Return the digest of an item's content and mode."""
    head = f"link {item.link}" if item.link else f"file {item.mode:o}"
    return hashlib.sha256(head.encode() + b"\n" + item.data).hexdigest()


def digest_of_tree(directory: str) -> str:
    """Return the digest of all names, modes and contents of a directory, "" if it does not exist."""
    if not os.path.isdir(directory):
        return ""
    total = hashlib.sha256()
    for name, kind in _walk(directory):
        seen = os.path.join(directory, name)
        item = Item(path=name, link=kind)
        if kind == "link":
            item = item.replace(link=os.readlink(seen))
        elif kind == "file":
            data = load_regular_file(seen, bytes_max=BUNDLED_BYTES_MAX)
            item = Item(path=name, data=data, mode=0o700 & os.stat(seen).st_mode)
        total.update(f"{name}\n{digest_of(item)}\n".encode())
    return total.hexdigest()


def beside(path: str, suffix: str) -> str:
    """Return a hidden name in the same directory, with a suffix that runtimes ignore."""
    directory, name = os.path.split(path)
    return f"{directory}/.{name}{suffix}"


def _walk(directory: str) -> Iterator[tuple[str, str]]:
    """Yield the names below a directory with their kinds, sorted, parents first, beginning with "" for itself."""
    yield "", "directory"
    for here, directories, files in os.walk(directory):
        directories.sort()
        below = os.path.relpath(here, directory)
        for name in sorted([*directories, *files]):
            full = os.path.join(here, name)
            kind = "link" if os.path.islink(full) else "directory" if name in directories else "file"
            yield os.path.normpath(os.path.join(below, name)), kind


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
