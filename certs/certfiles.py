"""Keys in files: the certificates of a self-managed webhook, the tokens of paths, and who else may read them.

Theory of operation. A directory has ca.key, ca.crt, tls.key and tls.crt. They are written in this order, each one whole
(temporary file, fsync, rename), and each depends only on those before it. So an interrupted run leaves a beginning of
the list, and the next run writes the rest. A set with a gap is not repaired. No key is ever overwritten, because
clients may trust it. A leaf that is due, or that lacks a requested name, gets a new tls.crt for the same tls.key. That
is a single rename, so a server that watches the files never sees a certificate without its key. A directory with a pair
but without `ca.key` belongs to somebody else, such as cert-manager: a server serves the pair as it is.

Exposed keys. A start warns about a key file that everybody may read, and about a directory of keys that the group or
everybody may write. It does not warn about a key that its group may read: `fsGroup` lets a process read a Secret that
way. A Secret that a kubelet mounts has mode 0644 in a directory of mode 1777, and is harmless: the mount is read-only
and in this container alone. Two signs identify it: the mount is read-only, and the directory has the link `..data`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cniplugin.host.regularfile import load_regular_file

from . import authority
from .authority import MaterialError, Pair
from .pathtokens import KEY
from .store import Stored, StoreError

_T = TypeVar("_T")

ORDER = ("ca.key", "ca.crt", "tls.key", "tls.crt")

FILE_BYTES_MAX = 1_048_576

_MODES = {"ca.key": 0o600, "ca.crt": 0o644, "tls.key": 0o600, "tls.crt": 0o644}


class BootstrapError(Exception):
    """The directory cannot be completed. The text says which file, what is wrong and what to do, in one line."""


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """The files of a directory, and those that this run wrote."""

    directory: Path
    written: tuple[Path, ...]

    @property
    def created(self) -> bool:
        """Whether this run wrote anything."""
        return bool(self.written)

    @property
    def exposures(self) -> list[str]:
        """Who else may read or replace the keys, a line for each problem."""
        return exposures([self.directory / "ca.key", self.directory / "tls.key"])

    @property
    def paths(self) -> tuple[Path, ...]:
        """All four files, in the order of ORDER."""
        return tuple(self.directory / name for name in ORDER)


def is_given_pair(directory: Path) -> bool:
    """Say whether somebody else keeps the certificate of a directory: it has `tls.crt` and `tls.key`, but no `ca.key`.

    So is a mounted Secret of type kubernetes.io/tls, with or without `ca.crt`. Nothing is made or renewed there.
    """
    has = {name: os.path.lexists(directory / name) for name in ORDER}
    return has["tls.crt"] and has["tls.key"] and not has["ca.key"]


def bootstrap(directory: Path, names: Sequence[str], now: datetime) -> Bootstrapped:
    """Complete the directory with a valid set for the names; a valid set stays as it is.

    A new directory gets mode 0700, keys 0600. Concurrent runs wait for each other. Raises BootstrapError if files are
    missing in the middle, cannot be read or do not belong together, and MaterialError for a bad name.
    """
    sans = [authority.parse_name(name) for name in names]
    try:
        _make_directory(directory)
        with _locked(directory):
            return _Bootstrap(directory, now).run(sans)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        place = error.filename or directory
        raise BootstrapError(f"{place}: {reason}; give a directory that this user may write") from error


class _Bootstrap:
    """One run. Each step reads its file, or makes it if it is missing."""

    def __init__(self, directory: Path, now: datetime) -> None:
        self._directory = directory
        self._now = now
        self._written: list[Path] = []

    def run(self, sans: Sequence[x509.GeneralName]) -> Bootstrapped:
        _check_no_gap(self._directory)
        ca_key = self._take_key("ca.key")
        ca = Pair(self._take_ca(ca_key), ca_key)
        key = self._take_key("tls.key")
        self._take_leaf(ca, key, sans)
        return Bootstrapped(self._directory, tuple(self._written))

    def _take_key(self, name: str) -> ec.EllipticCurvePrivateKey:
        key = self._read(name, authority.parse_key)
        if key is None:
            key = authority.make_key()
            self._write(name, authority.render_key(key))
        return key

    def _take_ca(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        ca = self._read("ca.crt", authority.parse_certificate)
        if ca is None:
            ca = authority.issue_ca(key, now=self._now)
            self._write("ca.crt", authority.render_certificate(ca))
        if not authority.belongs_to(ca, key):
            raise self._refuse("ca.crt", "is not for the key in ca.key")
        if ca.not_valid_after_utc <= self._now:
            raise self._refuse("ca.crt", f"expired at {ca.not_valid_after_utc:%Y-%m-%d}")
        return ca

    def _take_leaf(self, ca: Pair, key: ec.EllipticCurvePrivateKey, sans: Sequence[x509.GeneralName]) -> None:
        leaf = self._read("tls.crt", authority.parse_certificate)
        if leaf is not None:
            if not authority.belongs_to(leaf, key):
                raise self._refuse("tls.crt", "is not for the key in tls.key")
            if not authority.is_issued_by(leaf, ca.certificate):
                raise self._refuse("tls.crt", "is not issued by ca.crt")
            if authority.is_valid_and_not_due(leaf, now=self._now) and authority.covers(leaf, sans):
                return
        renewed = authority.issue_leaf(ca, key, sans, now=self._now)
        self._write("tls.crt", authority.render_certificate(renewed))

    def _read(self, name: str, parse: Callable[[bytes], _T]) -> _T | None:
        try:
            return parse(load_regular_file(str(self._directory / name), bytes_max=FILE_BYTES_MAX))
        except FileNotFoundError:
            return None
        except MaterialError as error:
            raise self._refuse(name, f"is {error}") from error

    def _refuse(self, name: str, problem: str) -> BootstrapError:
        advice = "restore it, or move all four files away to start anew"
        return BootstrapError(f"{self._directory / name}: {problem}; nothing was overwritten; {advice}")

    def _write(self, name: str, content: bytes) -> None:
        path = self._directory / name
        write_whole(path, content, _MODES[name])
        self._written.append(path)


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a file so that any reader, and any crash, sees either the old content or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    # An interrupted run may have left one; the caller holds the lock. O_EXCL then refuses a planted link.
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # in spite of the umask
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(path.parent)


def _check_no_gap(directory: Path) -> None:
    """Raise BootstrapError unless the files that exist are a beginning of ORDER."""
    present = [name for name in ORDER if os.path.lexists(directory / name)]
    reached = ORDER.index(present[-1]) + 1 if present else 0
    missing = [name for name in ORDER[:reached] if name not in present]
    if missing:
        text = f"{directory}: has {', '.join(present)} but not {', '.join(missing)}; nothing was overwritten"
        raise BootstrapError(f"{text}; restore what is missing, or move the files away to start anew")


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if not directory.is_dir():
            raise
    else:
        directory.chmod(0o700)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock the directory against other runs of this module. The lock ends with the descriptor."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# The tokens of paths


class TokenFile:
    """Implements `store.SecretStore` for one machine: the file KEY in a directory, which only its owner may read."""

    def __init__(self, directory: Path) -> None:
        self.where = f"file {directory / KEY}"
        self._path = directory / KEY

    def read(self) -> Stored:
        """Return the content. Raises StoreError."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return Stored({}, None)
        except OSError as error:
            raise self._error("cannot be read", error) from error
        return Stored({KEY: content}, _version(content))

    def write(self, data: Mapping[str, bytes], version: str | None) -> None:
        """Replace that version, or create the file. Raises StoreError."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # ends with the descriptor
                if self.read().version != version:
                    raise StoreError(f"{self.where}: another process was first", is_conflict=True)
                write_whole(self._path, data[KEY], 0o600)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._error("cannot be written", error) from error

    def _error(self, problem: str, error: OSError) -> StoreError:
        reason = (error.strerror or str(error)).lower()
        advice = "give this user the file, or name a Secret with --path-token-secret"
        return StoreError(f"{self.where}: {problem}: {reason}; {advice}")


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# Private keys that others may read or replace

_OTHERS_READ = stat.S_IROTH
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def exposures(keys: Sequence[Path]) -> list[str]:
    """Return the problems of these key files and their directories, a line each. A missing file is not a problem."""
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
