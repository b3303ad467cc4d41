"""The process that runs the parsers.

Before each input it writes the name of the target, the number of the input and the input to a file that `__main__` maps
as well. So the input is known after a hang or a crash of the interpreter, which is a finding of its own.
"""

from __future__ import annotations

import json
import mmap
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any

from . import table
from .mutation import Mutator
from .target import Target, outcome_of, outcome_of_value

STATE_BYTES = 1 << 17
HEAD_BYTES = 256
MEMORY_BYTES_MAX = 3 << 30
"""Address space of the process. A parser that needs more raises MemoryError, which is a finding."""

TRACED_EVERY = 10
"""One input in ten is traced. Tracing takes twenty times as long; it shows new code and counts the steps."""
FINDINGS_MAX = 5
"""The most findings of one target; each is at another place in the code."""


class TooManyStepsError(BaseException):
    """A parser ran more lines than the length of its input allows."""


class State:
    """The current input, in a mapped file: a head of JSON, then the input."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), STATE_BYTES)

    def write(self, target: str, count: int, data: bytes) -> None:
        """Write an input."""
        head = json.dumps([target, count, len(data)]).encode().ljust(HEAD_BYTES)
        self._map[: HEAD_BYTES + len(data)] = head + data

    def read(self) -> tuple[str, int, bytes]:
        """Return target, number and input."""
        target, count, size = json.loads(self._map[:HEAD_BYTES].rstrip(b"\0 ") or b'["", 0, 0]')
        return target, count, self._map[HEAD_BYTES : HEAD_BYTES + size]


@dataclass
class Findings:
    """Findings by their place in the code, each with its shortest input."""

    by_place: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def add(self, data: bytes, error: BaseException) -> None:
        """Keep an input, unless a shorter one is known for the same place."""
        place = _place_of(error)
        known = self.by_place.get(place)
        if (known is None and len(self.by_place) < FINDINGS_MAX) or (known is not None and len(data) < len(known[0])):
            self.by_place[place] = (data, "".join(traceback.format_exception(error)[-6:]))


class Tracer:
    """Counts the lines that a call runs, and remembers them; for `sys.settrace`."""

    def __init__(self) -> None:
        self._seen: set[tuple[CodeType, int]] = set()
        self.new = 0
        self.steps = 0
        self.steps_max = 0

    def run(self, call: Callable[[], object], steps_max: int) -> object:
        """Call under the trace. Raises TooManyStepsError."""
        self.new = self.steps = 0
        self.steps_max = steps_max
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            return call()
        finally:
            sys.settrace(before)

    def _trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            self.steps += 1
            if self.steps > self.steps_max:
                raise TooManyStepsError(f"more than {self.steps_max} lines")
            place = (frame.f_code, frame.f_lineno)
            if place not in self._seen:
                self._seen.add(place)
                self.new += 1
        return self._trace


def fuzz(
    target: Target, state: State, *, goes_on: Callable[[int], bool], seed: int, findings: Findings, corpus: list[bytes]
) -> tuple[int, int]:
    """Try inputs while `goes_on(count)`; return their number and the size of the corpus."""
    random = Random(f"{seed} {target.name}")  # noqa: S311  # the same inputs again, not secrets
    mutator = Mutator(corpus, target.tokens, bytes_max=target.bytes_max, random=random)
    tracer = Tracer()
    outcomes: set[str] = set()
    count = 0
    for data in _inputs(list(corpus), mutator, target, random):
        if not goes_on(count):
            break
        state.write(target.name, count, data)
        count += 1
        traced = tracer if count % TRACED_EVERY == 0 else None
        try:
            outcome = outcome_of_value(_run(target, data, traced))
        except target.errors as error:
            outcome = outcome_of(error)
        except (Exception, TooManyStepsError) as error:  # noqa: BLE001  # any exception is a finding
            findings.add(_shrink(target, data, error), error)
            continue
        if (outcome not in outcomes or (traced and traced.new)) and count > 1:
            outcomes.add(outcome)
            corpus.append(data)
    return count, len(corpus)


def _inputs(first: list[bytes], mutator: Mutator, target: Target, random: Random) -> Iterator[bytes]:
    """Yield the seeds, then mutations; half of the mutations get correct checksums."""
    yield from first
    while True:
        data = mutator.next()
        yield target.repair(data) if target.repair and random.random() < 0.7 else data


def _run(target: Target, data: bytes, tracer: Tracer | None) -> object:
    if tracer is None:
        return target.run(data)
    return tracer.run(lambda: target.run(data), target.steps_max(len(data)))


def _shrink(target: Target, data: bytes, error: BaseException) -> bytes:
    """Return a shorter input that fails in the same place, by removing smaller and smaller pieces."""
    place = _place_of(error)
    is_slow = isinstance(error, TooManyStepsError)
    size = len(data) // 2
    while size and not is_slow:
        for at in range(0, len(data), size):
            shorter = data[:at] + data[at + size :]
            try:
                target.run(shorter)
            except target.errors:
                continue
            except Exception as other:  # noqa: BLE001  # as above
                if _place_of(other) == place:
                    data = shorter
                    break
        else:
            size //= 2
    return data


def _place_of(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, TooManyStepsError):
        return type(error).__name__
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


def main(arguments: list[str], *, seeds: Callable[[Target], list[bytes]] = table.seeds) -> None:
    """Run targets and print a line of JSON for each: name, inputs, size of the corpus, seconds, findings."""
    given = json.loads(arguments[0])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    state = State(Path(given["state"]))
    for name in given["targets"]:
        findings = Findings()
        started = time.monotonic()
        target = table.BY_NAME[name]
        corpus = seeds(target)

        def goes_on(count: int, started: float = started, first: int = len(corpus)) -> bool:
            if given["inputs"]:
                return bool(count < first + given["inputs"])
            return bool(time.monotonic() - started < given["seconds"])

        state.write(name, 0, b"")
        count, kept = fuzz(target, state, goes_on=goes_on, seed=given["seed"], findings=findings, corpus=corpus)
        print(
            json.dumps(
                {
                    "target": name,
                    "inputs": count,
                    "corpus": kept,
                    "seconds": round(time.monotonic() - started, 1),
                    "findings": [
                        {"place": place, "data": data.hex(), "trace": trace}
                        for place, (data, trace) in findings.by_place.items()
                    ],
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
