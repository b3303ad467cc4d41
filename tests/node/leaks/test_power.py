"""After a power failure at any moment, DEL finds every attachment that a delegate may have begun.

Theory of operation. The plugin runs once. A trace has every change of the record directory in order, and the start and
end of each delegate. Each prefix of the trace is a crash. A crash allows several states of the disk: each change
without an fsync may have arrived or not, in any order, and data without an fsync may be missing, cut or complete. The
test makes all these disks. On each, the record must be whole and name every begun attachment, and DEL must detach it.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cniplugin.attach.teardown import Run, delete_container
from cniplugin.records.journal import ATTACHED, Store

from .leaknode import CONTAINER, World

pytestmark = [pytest.mark.root, pytest.mark.slow]

NAMES = ("eth0", "net1", "net2")

_TRACED = """
import json, os, sys
base, trace = {base!r}, os.open({trace!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
write, inside = os.write, []

def note(*words):
    write(trace, (json.dumps(words) + "\\n").encode())

def traced(name):
    function = getattr(os, name)
    def call(*args, **more):
        inside.append(name)
        try:
            result = function(*args, **more)
        finally:
            inside.pop()
        shown = [bytes(arg).hex() if isinstance(arg, (bytes, memoryview)) else arg for arg in args]
        note(name, result, *shown)
        return result
    setattr(os, name, call)

for name in ("open", "write", "fsync", "close", "replace", "mkdir", "unlink"):
    traced(name)

def watch(event, args):
    if event == "os.posix_spawn":
        environ = {{os.fsdecode(key): os.fsdecode(value) for key, value in args[2].items()}}
        note("start", environ["CNI_COMMAND"], environ["CNI_IFNAME"])
    changes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    changes = changes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")
    if changes and not inside and str(args[0]).startswith(base):
        note("unseen", event, str(args[0]))

sys.addaudithook(watch)
"""
"""NB: a change without one of the functions above is `unseen`; the trace does not have it."""

_DELEGATE = """\
#!/bin/sh
cat >/dev/null
printf '["start", "%s", "%s"]\\n' "$CNI_COMMAND" "$CNI_IFNAME" >>{trace}
[ "$CNI_COMMAND" != ADD ] || printf '{{"cniVersion": "1.0.0"}}'
[ ! -e {root}/fail-$CNI_COMMAND-$CNI_IFNAME ] || exit 1
printf '["end", "%s", "%s"]\\n' "$CNI_COMMAND" "$CNI_IFNAME" >>{trace}
"""

Step = list[Any]


class File:
    """Data of a file as processes see it, and as the last fsync left it on the disk."""

    def __init__(self) -> None:
        self.data = b""
        self.synced = b""

    def versions(self) -> set[bytes]:
        """Return the possible contents on the disk: nothing, a part or all of the data since the last fsync."""
        first = len(self.synced) if self.data.startswith(self.synced) else 0
        return {self.synced, self.data[: (first + len(self.data)) // 2], self.data}


class Disk:
    """The names that processes see (`names`), those that are durable (`durable`), and the pending changes.

    None is a directory. A change is (path, new value), with "gone" for a removal; a rename has two of them.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self.names: dict[str, File | None] = {base: None}
        self.durable = dict(self.names)
        self.pending: list[list[tuple[str, File | str | None]]] = []
        self.fds: dict[int, str] = {}
        self.files: dict[int, File | None] = {}

    def play(self, step: Step) -> None:
        name, *words = step
        if name not in {"start", "end"}:
            getattr(self, f"_{name}")(*words)

    def states(self) -> Iterator[dict[str, bytes | None]]:
        """Return all possible disks if the power fails now."""
        for arrived in itertools.product((False, True), repeat=len(self.pending)):
            found = dict(self.durable)
            for change, is_there in zip(self.pending, arrived, strict=True):
                for path, value in change if is_there else ():
                    _set(found, path, value)
            paths = [path for path in found if self._is_reachable(path, found)]
            choices = [sorted(file.versions()) if (file := found[path]) else [None] for path in paths]
            for chosen in itertools.product(*choices):
                yield dict(zip(paths, chosen, strict=True))

    def _is_reachable(self, path: str, found: dict[str, File | None]) -> bool:
        above = path.rpartition("/")[0]
        return path == self.base or (above in found and self._is_reachable(above, found))

    def _change(self, *change: tuple[str, File | str | None]) -> None:
        for path, value in change:
            _set(self.names, path, value)
        self.pending.append(list(change))

    def _open(self, fd: int, path: str, flags: int, *_mode: int) -> None:
        if not path.startswith(self.base):
            return
        if path not in self.names:
            assert flags & os.O_CREAT, path
            self._change((path, File()))
        self.fds[fd], self.files[fd] = path, self.names[path]
        file = self.files[fd]
        if file is not None and flags & os.O_TRUNC:
            file.data = b""

    def _write(self, count: int, fd: int, data: str) -> None:
        file = self.files.get(fd)
        if file is not None:
            file.data += bytes.fromhex(data)[:count]

    def _fsync(self, _none: None, fd: int) -> None:
        file, path = self.files[fd], self.fds[fd]
        if file is not None:
            file.synced = file.data
            return
        rest = []
        for change in self.pending:
            if all(changed.rpartition("/")[0] == path for changed, _ in change):
                for changed, value in change:
                    _set(self.durable, changed, value)
            else:
                rest.append(change)
        self.pending = rest

    def _close(self, _none: None, fd: int) -> None:
        self.fds.pop(fd, None)
        self.files.pop(fd, None)

    def _replace(self, _none: None, source: str, target: str) -> None:
        self._change((source, "gone"), (target, self.names[source]))

    def _mkdir(self, _none: None, path: str, _mode: int) -> None:
        self._change((path, None))

    def _unlink(self, _none: None, path: str) -> None:
        self._change((path, "gone"))

    def _unseen(self, event: str, path: str) -> None:
        raise AssertionError(f"{event} {path} did not come through the functions that are traced")


def _set(names: dict[str, File | None], path: str, value: File | str | None) -> None:
    if isinstance(value, str):
        names.pop(path, None)
    else:
        names[path] = value


class Traced:
    """A world whose plugin writes a trace, with delegates that only add their calls to it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.base = world.root / "disk"
        self.base.mkdir()
        self.records = self.base / "lib" / "records"
        self.trace = world.root / "trace"
        seam = _TRACED.format(base=str(self.base), trace=str(self.trace))
        world.install_stub("nadmit-traced", seam)
        self.delegates = world.root / "delegates"
        self.delegates.mkdir()
        program = self.delegates / "quiet"
        program.write_text(_DELEGATE.format(trace=self.trace, root=world.root))
        program.chmod(0o755)
        networks = [{"cniVersion": "1.0.0", "name": f"n{index}", "type": "quiet"} for index in range(3)]
        self.conf = world.conf(networks, recordDir=str(self.records), binDir=str(self.delegates))

    def steps(self) -> list[Step]:
        steps = [json.loads(line) for line in self.trace.read_text().splitlines()]
        self.trace.unlink()
        return steps

    def call(self, verb: str) -> int:
        return self.world.run(verb, self.conf, program="nadmit-traced").code

    def fail(self, verb: str, ifname: str) -> None:
        (self.world.root / f"fail-{verb}-{ifname}").touch()

    def put(self, state: dict[str, bytes | None]) -> Path:
        """Make this the disk; return the directory of records."""
        subprocess.run(["rm", "-rf", self.base], check=True)
        self.base.mkdir()
        for path in sorted(state):
            content = state[path]
            if content is not None:
                Path(path).write_bytes(content)
            elif path != str(self.base):
                Path(path).mkdir()
        return self.records

    def check(self, state: dict[str, bytes | None], begun: Sequence[str]) -> None:
        """Check that the record on this disk names every begun attachment, and that DEL detaches them and leaves no record."""
        store = Store(str(self.put(state)))
        record = store.read(CONTAINER)
        known = {entry.ifname for entry in record.entries} if record else set()
        assert known >= set(begun), state
        self.trace.unlink(missing_ok=True)
        with store.lock(CONTAINER, time.monotonic() + 5):
            run = Run(path=(str(self.delegates),), environ={"PATH": os.environ["PATH"]}, deadline=time.monotonic() + 5)
            assert delete_container(store, CONTAINER, run) == (record is not None)
        if record:
            ended = {ifname for word, verb, ifname in self.steps() if (word, verb) == ("end", "DEL")}
            assert ended == known
        assert store.containers() == []


def begun_by(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return the attachments that were begun and are not detached after these steps."""
    found: dict[str, bool] = {}
    for step in steps:
        if step[:2] == ["start", "ADD"]:
            found[step[2]] = True
        elif step[:2] == ["end", "DEL"]:
            found[step[2]] = False
    return tuple(name for name, is_begun in found.items() if is_begun)


def crashes(
    disk: Disk, steps: Sequence[Step], before: Sequence[Step]
) -> Iterator[tuple[dict[str, bytes | None], tuple[str, ...]]]:
    """Return each possible disk after a crash between two steps, once, with the attachments that were begun by then."""
    seen = set()
    for number in range(len(steps) + 1):
        if number:
            disk.play(steps[number - 1])
        begun = begun_by([*before, *steps[:number]])
        for state in disk.states():
            key = (tuple(sorted(state.items())), begun)
            if key not in seen:
                seen.add(key)
                yield state, begun


@pytest.fixture
def traced(world: World) -> Traced:
    return Traced(world)


def test_while_add_runs(traced: Traced) -> None:
    assert traced.call("ADD") == 0
    steps = traced.steps()
    assert begun_by(steps) == NAMES
    disk = Disk(str(traced.base))
    found = list(crashes(disk, steps, []))
    assert len(found) > 20
    for state, begun in found:
        traced.check(state, begun)
    # After ADD has succeeded, the complete record with the results is durable.
    for state in disk.states():
        record = Store(str(traced.put(state))).read(CONTAINER)
        assert record is not None
        assert [(entry.ifname, entry.state) for entry in record.entries] == [(name, ATTACHED) for name in NAMES]


@pytest.mark.parametrize("failing", [None, "net1"])
def test_while_del_runs(traced: Traced, failing: str | None) -> None:
    assert traced.call("ADD") == 0
    before = traced.steps()
    disk = Disk(str(traced.base))
    for step in before:
        disk.play(step)
    if failing:
        traced.fail("DEL", failing)
    assert traced.call("DEL") == (1 if failing else 0)
    steps = traced.steps()
    if failing:
        (traced.world.root / f"fail-DEL-{failing}").unlink()
    for state, begun in list(crashes(disk, steps, before)):
        traced.check(state, begun)
    # Remaining attachments are durable. A removal need not be: a record that returns names detached networks, and DEL of
    # these, checked above, changes nothing.
    left = [names_in(traced, state) for state in disk.states()]
    assert all(names == [failing] for names in left) if failing else [] in left


def test_while_a_failed_add_is_taken_back(traced: Traced) -> None:
    traced.fail("ADD", "net2")
    assert traced.call("ADD") == 1
    steps = traced.steps()
    for state, begun in list(crashes(Disk(str(traced.base)), steps, [])):
        traced.check(state, begun)


def names_in(traced: Traced, state: dict[str, bytes | None]) -> list[str]:
    record = Store(str(traced.put(state))).read(CONTAINER)
    return [entry.ifname for entry in record.entries] if record else []
