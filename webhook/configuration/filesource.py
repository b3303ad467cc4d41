"""A NadmitConfiguration in a file, which is read twice a second.

The program compares the content, not the result of `stat`: a kubelet swaps the link `..data` of a mounted ConfigMap,
and an editor renames. It accepts a change that two reads in a row have found, so it does not accept half of a file
that is being written. It reads in a thread of its own, so a file system that hangs delays no review.
"""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event, Thread

from webhook.files import describe_unreadable, load_file
from webhook.trees.problems import Position, Problem

from .current import CurrentConfiguration
from .texts import BYTES_MAX, RULE, ConfigurationError

logger = logging.getLogger("nadmit.configuration")

POLL_S = 0.5
STOP_S = 0.9
"""How long `stop` waits. A thread that waits for a file system goes on, as a daemon."""


def read_file(path: Path) -> bytes:
    """Return the content of a file. Raises ConfigurationError, in one line."""
    try:
        return load_file(path, bytes_max=BYTES_MAX)
    except OSError as error:
        text = f"the configuration {describe_unreadable(error, 'name a file that this user may read')}"
        raise ConfigurationError([Problem(Position(str(path)), RULE, text)]) from error


class ConfigurationFile:
    """Implements `compose.Part`."""

    def __init__(self, path: Path, current: CurrentConfiguration, *, poll_s: float = POLL_S) -> None:
        self._path = path
        self._current = current
        self._poll_s = poll_s
        self._seen = b""
        self._stop = Event()
        self._thread = Thread(target=self._run, name="nadmit-configuration", daemon=True)

    def start(self) -> None:
        """Put the file in force, and begin to poll it. Raises ConfigurationError for a file that cannot be used."""
        self._seen = read_file(self._path)
        self._current.load(self._seen, source=str(self._path))
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def problem(self) -> str | None:
        """Return None: the configuration in force was good when it was read."""
        return None

    def look(self) -> None:
        """Read the file, and put a text in force that two reads in a row have found."""
        try:
            data = read_file(self._path)
        except ConfigurationError as error:
            self._current.note_unreadable(str(error))
            return
        if data == self._seen:
            self._current.update(data, source=str(self._path))
        self._seen = data

    def reread(self) -> bool | None:
        """Read the file, and put its text in force now. Return whether it is; None if it is that of last time."""
        try:
            data = read_file(self._path)
        except ConfigurationError as error:
            self._current.note_unreadable(str(error))
            return False
        self._seen = data
        outcome = self._current.update(data, source=str(self._path))
        if outcome == "same":
            return None if self._current.state.refused is None else False
        return outcome == "accepted"

    def _run(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self.look()
            except Exception:
                logger.exception("internal error; the configuration in force stays")
