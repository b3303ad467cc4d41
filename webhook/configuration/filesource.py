"""A NadmitConfiguration in a file, which is read twice a second.

The content is compared, not what `stat` shows: a kubelet swaps the link `..data` of a mounted ConfigMap, and an editor
renames. A change is taken when two looks in a row find the same, so that a file that is being written is not read by
halves. It is done in a thread of its own: a file system that hangs holds up no review.
"""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event, Thread

from webhook.files import advice, load_file
from webhook.trees.problems import Position, Problem

from .current import CurrentConfiguration
from .parsing import BYTES_MAX, ConfigurationError

logger = logging.getLogger("nadmit.configuration")

POLL_S = 0.5
STOP_S = 0.9
"""How long `stop` waits. A thread that waits for a file system stays behind, as a daemon."""


def read_file(path: Path) -> bytes:
    """Return the content of a file. Raises ConfigurationError, in one line."""
    try:
        return load_file(path, bytes_max=BYTES_MAX)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        said = f"the configuration cannot be read: {reason}; {advice(error, 'name a file that this user may read')}"
        raise ConfigurationError([Problem(Position(str(path)), "configuration", said)]) from error


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
        """Put the file in force, and begin to look at it. Raises ConfigurationError for one that cannot be used."""
        self._seen = read_file(self._path)
        self._current.load(self._seen, source=str(self._path))
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def problem(self) -> str | None:
        """Return None: what is in force was good when it was read."""
        return None

    def look(self) -> None:
        """Read the file, and offer what two looks in a row have found."""
        try:
            data = read_file(self._path)
        except ConfigurationError as error:
            self._current.note_unreadable(str(error))
            return
        if data == self._seen:
            self._current.update(data, source=str(self._path))
        self._seen = data

    def _run(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self.look()
            except Exception:
                logger.exception("unexpected; the configuration that is in force stays")
