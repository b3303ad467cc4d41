"""A part of a server that does something in rounds, in a thread of its own, and complains once about what fails.

A round is a sequence of single requests; whoever drives it may stop after any of them.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import ClassVar

from .secretdata import StateError
from .store import ConflictError, StoreError

logger = logging.getLogger("nadmit.certs")

INTERVAL_S = 10.0
RETRY_S = 0.5
"""After a conflict, and between the tries of the start."""
START_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0
"""A request under way ends by itself within this time."""


class RotatorError(Exception):
    """There is nothing to begin with: where, what is wrong, what to do, in one line."""


class Rounds:
    """`start` and `stop` are those of a part of the server. A subclass has `steps` and `has_begun`."""

    kept: ClassVar[str]
    """What stays in use when a round fails, such as `the served certificate`."""
    needed: ClassVar[str]
    """What the start is for, such as `certificate`."""

    def __init__(self, where: str, *, name: str, on_failure: Callable[[], None] = lambda: None) -> None:
        """`where`: how messages name the store; `name`: of the thread."""
        self._where = where
        self._on_failure = on_failure
        self._complaint = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def steps(self) -> Iterator[None]:
        """Do one round, yielding after each request. Raises StateError and StoreError."""
        raise NotImplementedError

    def has_begun(self) -> bool:
        """Say whether there is what the start is for."""
        raise NotImplementedError

    def round(self) -> None:
        """Do one round. Raises StateError and StoreError, and then all goes on with what there is."""
        for _ in self.steps():
            if self._stopping.is_set():
                return

    def start(self) -> None:
        """Do rounds until there is something to begin with, then go on in a thread.

        Blocks for at most START_WITHIN_S and one request. Raises RotatorError if there is nothing by then, or if what
        is stored is damaged.
        """
        deadline = time.monotonic() + START_WITHIN_S
        while not self.has_begun():
            try:
                self.round()
            except StateError as error:
                raise RotatorError(f"{self._where}: {error}") from error
            except StoreError as error:
                if time.monotonic() > deadline:
                    raise RotatorError(f"no {self.needed} within {START_WITHIN_S:.0f} s: {error}") from error
                self._complain(str(error))
                self._stopping.wait(RETRY_S)
        self._thread.start()

    def stop(self) -> None:
        """End after the request that is under way."""
        self._stopping.set()
        self._thread.join(STOP_WITHIN_S)

    def _run(self) -> None:
        pause = INTERVAL_S
        while not self._stopping.wait(pause * random.uniform(0.8, 1.2)):  # noqa: S311 - only spreads the replicas
            pause = self._try_round()

    def _try_round(self) -> float:
        """Do a round, whatever comes, and return the seconds to the next. The same complaint is written once."""
        try:
            self.round()
        except ConflictError:
            return RETRY_S
        except (StateError, StoreError) as error:
            self._complain(str(error))
        except Exception:
            logger.exception("internal error: %s: this round was not done; %s stays", self._where, self.kept)
            self._on_failure()
        else:
            self._complaint = ""
        return INTERVAL_S

    def _complain(self, text: str) -> None:
        self._on_failure()
        if text != self._complaint:
            self._complaint = text
            logger.warning("%s: %s; %s stays", self._where, text, self.kept)
