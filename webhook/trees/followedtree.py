"""A tree of files as a cluster that follows its files: `nadmit serve --manifests`.

Theory of operation. A thread looks each second at the names, times and sizes of the files that count, and reads none of
them. A change is read when two looks in a row have found the same, and it is in force only if the files were the same
before and after the reading. So a tree that somebody is writing is not read, a mixture of two states is never in force,
and a change is in force two to three seconds after its last write. `reread` does not wait for a second look.

A tree that cannot be read, or has a mistake, changes nothing: the last good snapshot stays, and the log has every
problem once. Only `stat` follows links, so the swapped link of a mounted ConfigMap is seen. A large tree is looked at
less often: looking takes at most a twentieth of the time.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from threading import Event, Lock, Thread

from webhook.files import within
from webhook.snapshot.snapshot import Snapshot

from . import treefiles
from .manifests import load_snapshot
from .problems import ManifestError, Problem

logger = logging.getLogger("nadmit.cluster")

POLL_S = 1.0
SHARE = 20
"""The pause between two looks is at least so many times as long as a look."""
PAUSE_MAX_S = 30.0
SHOWN_PROBLEMS_MAX = 20
STOP_S = 0.9
"""How long `stop` waits. A thread that waits for a file system goes on, as a daemon."""

Fingerprint = tuple[tuple[str, int, int, int, int, int], ...] | str
"""The files with what `stat` says about them; the problem of a tree that cannot be listed."""


class FollowedTree:
    """Implements `compose.Part`. Any thread may call `snapshot` and `reread`."""

    def __init__(self, directory: Path, *, network_namespace: str, poll_s: float = POLL_S) -> None:
        """Read the tree. Raises ManifestError with every problem."""
        self._directory = directory
        self._network_namespace = network_namespace
        self._poll_s = poll_s
        self._lock = Lock()
        self._warned: frozenset[str] = frozenset()
        self._tried = self._seen = self._fingerprint()
        """The files that were read last, with or without success; and those of the last look."""
        self._snapshot = self._load()
        self._is_good = True
        """Whether the files that were read last are in force."""
        self._ended = Event()
        self._thread = Thread(target=self._run, name="nadmit-tree", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def problem(self) -> str | None:
        """Return None: the snapshot in force was good when it was read."""
        return None

    def snapshot(self) -> Snapshot:
        """Return the snapshot in force."""
        return self._snapshot

    def look(self) -> float:
        """Look at the files once, and take a change that two looks in a row have found.

        Return the seconds of the look without the reading.
        """
        with self._lock:
            began = time.monotonic()
            found = self._fingerprint()
            took = time.monotonic() - began
            if found == self._seen != self._tried:
                self._take(found)
            else:
                self._seen = found
            return took

    def reread(self) -> bool | None:
        """Read the tree now. Return whether it is in force; None if no file has changed since it was read."""
        with self._lock:
            found = self._fingerprint()
            if found == self._tried and self._is_good:
                return None
            return self._take(found)

    # With the lock held

    def _take(self, found: Fingerprint) -> bool:
        """Read the files of a look. If they change meanwhile, nothing is taken, and later looks see to it."""
        try:
            snapshot = self._load()
        except ManifestError as error:
            if not self._has_settled(found):
                return False
            self._is_good = False
            self._complain(error)
            return False
        if not self._has_settled(found):
            return False
        self._is_good = True
        self._snapshot = snapshot
        counts = ", ".join(f"{count} {kind}" for kind, count in snapshot.counts().items())
        logger.info("tree in force: %s: %s", self._directory, counts)
        return True

    def _has_settled(self, found: Fingerprint) -> bool:
        self._seen = self._fingerprint()
        if self._seen != found:
            return False
        self._tried = found
        return True

    def _complain(self, error: ManifestError) -> None:
        lines = [str(problem) for problem in error.problems]
        for line in lines[:SHOWN_PROBLEMS_MAX]:
            logger.warning("%s", line)
        more = len(lines) - SHOWN_PROBLEMS_MAX
        logger.warning(
            "the tree %s is refused%s; what was in force stays; correct it",
            self._directory,
            f" with {more} more problems, see nadmit check" if more > 0 else "",
        )

    def _load(self) -> Snapshot:
        """Read the tree, and log each of its warnings once. Raises ManifestError."""
        warnings: list[Problem] = []
        snapshot = load_snapshot(self._directory, warnings=warnings, network_namespace=self._network_namespace)
        lines = [str(warning) for warning in warnings]
        for line in lines:
            if line not in self._warned:
                logger.warning("%s", line)
        self._warned = frozenset(lines)
        return snapshot

    def _fingerprint(self) -> Fingerprint:
        try:
            files = treefiles.find([str(self._directory)]).files
            return within(self._directory, lambda: tuple(map(_stat, files)))
        except ManifestError as error:
            return str(error)
        except OSError as error:
            return str(treefiles.unreadable(str(self._directory), error))

    def _run(self) -> None:
        pause = self._poll_s
        while not self._ended.wait(pause):
            try:
                pause = min(max(self._poll_s, SHARE * self.look()), PAUSE_MAX_S)
            except Exception:
                logger.exception("internal error; the tree in force stays")


def _stat(file: str) -> tuple[str, int, int, int, int, int]:
    """Return what changes with a file; zeros for one that has just gone."""
    try:
        status = Path(file).stat()
    except OSError:
        return (file, 0, 0, 0, 0, 0)
    return (file, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
