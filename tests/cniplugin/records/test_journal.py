"""The journal on real files, with real killed processes, and with a system that fails at each step."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
import time
from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.cnierrors import CniError
from cniplugin.records import journal
from cniplugin.records.journal import DamagedError, Entry, Journal, Store, parse, render, salvage
from tests.paths import ROOT as PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = str(PROJECT)
CONFIG = '{"cniVersion": "1.0.0", "name": "a",\n "plugins": [{"type": "bridge", "vlan": 9007199254740993}]}'
ENTRY = Entry(reference="default/a", ifname="net1", config=CONFIG, capability_args={"mac": "02:00:00:00:00:01"})
SECOND = ENTRY.replace(
    ifname="net2",
    state="attached",
    result={"cniVersion": "1.0.0", "ips": [{"address": "10.1.1.2/24"}]},
    cni_args={"key": [1, None, "ü"]},
    args="IgnoreUnknown=1;K8S_POD_NAME=p\udcff",
    default_route={"gateways": []},
    device="0000:03:02.0",
    device_info_file="/run/devinfo/cni/a-c1_net2",
)
JOURNAL = Journal(
    container_id="c1",
    netns="/run/netns/x",
    pod_namespace="default",
    pod_name="p",
    pod_uid="u",
    runtime_ifname="eth0",
    entries=(ENTRY.replace(ifname="eth0", is_default=True).failed("no more addresses", 1), SECOND),
)
OLDER = JOURNAL.replace(entries=JOURNAL.entries[:1])


def soon() -> float:
    return time.monotonic() + 20


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "lib" / "records"))


@pytest.fixture(autouse=True)
def no_leaked_fds() -> Iterator[None]:
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    yield
    assert {path.name for path in Path("/proc/self/fd").iterdir()} <= before


def names(store: Store) -> set[str]:
    return {path.name for path in Path(store.directory).iterdir()}


# Records

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
objects = st.dictionaries(texts, values, max_size=3)
entries = st.builds(
    Entry,
    reference=texts,
    ifname=texts,
    is_default=st.booleans(),
    config=texts,
    capability_args=objects,
    cni_args=st.none() | objects,
    args=texts,
    state=st.sampled_from(journal.STATES),
    result=st.none() | objects,
    default_route=st.none() | objects,
    device=st.none() | texts,
    device_info_file=st.none() | texts,
)
journals = st.builds(
    Journal,
    container_id=st.just("c1"),
    netns=texts,
    pod_namespace=st.none() | texts,
    pod_name=st.none() | texts,
    pod_uid=st.none() | texts,
    runtime_ifname=texts,
    entries=st.lists(entries, max_size=2).map(tuple),
)


def test_a_record_from_before_a_field_was_added() -> None:
    """NB: an older plugin reads our records, unless they have a field that it does not know."""
    assert b"device_info_file" not in render(OLDER)
    assert parse(render(OLDER)) == OLDER
    assert parse(render(JOURNAL)).entries[1].device_info_file == "/run/devinfo/cni/a-c1_net2"


@pytest.mark.slow
@given(journals)
def test_a_rendered_record_is_parsed_back(value: Journal) -> None:
    assert parse(render(value)) == value


def test_a_written_record_is_read_back(store: Store) -> None:
    assert store.read("c1") is None
    store.write(OLDER)
    store.write(JOURNAL)
    assert store.read("c1") == JOURNAL
    assert store.containers() == ["c1"]
    assert names(store) == {"c1.journal"}
    store.remove("c1")
    store.remove("c1")
    assert store.read("c1") is None
    assert store.containers() == []


def test_nothing_is_there_before_the_first_write(store: Store) -> None:
    store.remove("c1")
    assert store.containers() == []
    store.sweep()


def test_only_root_can_read_the_records(store: Store) -> None:
    store.write(JOURNAL)
    assert stat.S_IMODE(Path(store.directory).stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(store.path("c1")).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "change",
    [{"state": "gone"}, {"capability_args": None}, {"is_default": 1}, {"result": {"a": float("nan")}}, {"args": {}}],
)
def test_a_value_that_could_not_be_read_again_is_not_written(store: Store, change: dict[str, Any]) -> None:
    store.write(OLDER)
    with pytest.raises(ValueError, match=r"field|state|Out of range"):
        store.write(JOURNAL.replace(entries=(ENTRY.replace(**change),)))
    assert store.read("c1") == OLDER


# Damage


@pytest.mark.slow
def test_every_truncation_is_noticed(store: Store) -> None:
    store.write(JOURNAL)
    whole = Path(store.path("c1")).read_bytes()
    for length in range(len(whole)):
        Path(store.path("c1")).write_bytes(whole[:length])
        with pytest.raises(DamagedError, match="the record is damaged"):
            store.read("c1")
        found = salvage(store.path("c1"))
        assert found.entries == JOURNAL.entries[: len(found.entries)]
        if found.head:
            assert found.missing == 2 - len(found.entries)


@pytest.mark.slow
def test_every_flipped_byte_is_noticed() -> None:
    whole = render(JOURNAL)
    for offset in range(len(whole)):
        for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255, whole[offset] ^ 10):
            if mask:
                damaged = bytearray(whole)
                damaged[offset] ^= mask
                with pytest.raises(ValueError, match=r"."):
                    parse(bytes(damaged))


@pytest.mark.slow
def test_of_a_flipped_byte_the_rest_is_salvaged(store: Store) -> None:
    store.write(JOURNAL)
    path = Path(store.path("c1"))
    whole = path.read_bytes()
    first = whole.index(b"\n")
    for offset in range(len(whole)):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        with pytest.raises(DamagedError):
            store.read("c1")
        found = salvage(str(path))
        assert set(map(repr, found.entries)) <= set(map(repr, JOURNAL.entries))
        if offset < first:
            assert found.head is None
            assert found.entries == JOURNAL.entries
            assert found.missing is None
        elif whole[offset] != 10:
            assert found.head == JOURNAL.replace(entries=())
            assert len(found.entries) == 1
            assert found.missing == 1


def test_an_entry_whose_checksum_is_wrong_is_missing(store: Store) -> None:
    store.write(JOURNAL)
    path = Path(store.path("c1"))
    path.write_bytes(path.read_bytes().replace(b"10.1.1.2", b"10.1.1.3"))
    found = salvage(str(path))
    assert found.entries == JOURNAL.entries[:1]
    assert found.missing == 1


def line(value: object) -> bytes:
    return journal._render_line(value)


def entry_line(index: object, **change: object) -> bytes:
    fields = {field: getattr(ENTRY, field) for field in Entry.__fields__}
    return line([index, {**fields, **change}])


HEAD = json.loads(render(JOURNAL).split(b"\n")[0][9:])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"[]\n",
        b'[{"Conf":{}}]',
        b"\x00" * 4096,
        line([]),
        line(None),
        line({"kind": "nadmit-journal", "version": 2}),
        line({"kind": "other"}),
        line({**HEAD, "entries": True}),
        line({**HEAD, "kind": "other", "entries": 0}),
        line({**HEAD, "entries": 2}) + entry_line(0) + entry_line(0),
        line({**HEAD, "entries": 2}) + entry_line(1) + entry_line(0),
        line({**HEAD, "entries": 1}) + entry_line(0) + entry_line(1),
        line({**HEAD, "entries": 1}) + entry_line("0"),
        line({**HEAD, "entries": 1}) + entry_line(0, state=""),
        line({**HEAD, "entries": 1}) + entry_line(0, state=[]),
        line({**HEAD, "entries": 1}) + entry_line(0, more=1),
        line({**HEAD, "entries": 1}) + line([0]),
        line({**HEAD, "entries": 1}) + b"%08x %s\n" % (crc32(b"[" * 100_000), b"[" * 100_000),
    ],
)
def test_foreign_content_is_damage(store: Store, data: bytes) -> None:
    store.write(JOURNAL)
    Path(store.path("c1")).write_bytes(data)
    with pytest.raises(DamagedError) as caught:
        store.read("c1")
    assert caught.value.code == 6
    assert caught.value.path == store.path("c1")
    assert "\n" not in caught.value.msg
    store.remove("c1")


@given(st.binary())
def test_any_content_is_damage(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(data)


def test_a_record_that_cannot_be_read_is_damaged(store: Store) -> None:
    store.write(JOURNAL)
    Path(store.path("c1")).unlink()
    Path(store.path("c1")).mkdir()
    with pytest.raises(DamagedError, match="directory") as caught:
        store.read("c1")
    assert caught.value.code == 5
    assert salvage(store.path("c1")) == journal.Salvage(head=None, entries=(), missing=None)
    with pytest.raises(CniError, match="it cannot be removed") as refused:
        store.remove("c1")
    assert refused.value.code == 5


def test_the_record_of_another_container_is_damage(store: Store) -> None:
    store.write(JOURNAL)
    Path(store.path("c1")).rename(store.path("c2"))
    with pytest.raises(DamagedError, match="it belongs to container c1"):
        store.read("c2")


# Names


@pytest.mark.parametrize("container_id", ["", ".", "..", "a/b", ".lock", "a b", "a\n", "é", "-a", "a~b"])
def test_a_bad_container_id_is_refused(store: Store, container_id: str) -> None:
    with pytest.raises(CniError) as caught:
        store.read(container_id)
    assert caught.value.code == 4
    with pytest.raises(CniError):
        store.write(JOURNAL.replace(container_id=container_id))


def test_long_container_ids_have_a_file_each(store: Store) -> None:
    ids = ["x" * length for length in (230, 231, 255, 256, 4000)] + ["x" * 3999 + "y", "y" + "x" * 255]
    for container_id in ids:
        with store.lock(container_id, soon()):
            store.write(JOURNAL.replace(container_id=container_id))
    assert store.containers() == sorted(ids)
    assert {journal.container_id for id_ in ids if (journal := store.read(id_))} == set(ids)
    for container_id in ids:
        store.remove(container_id)
    assert names(store) == {".lock"}


def test_other_files_are_no_records(store: Store) -> None:
    store.write(JOURNAL)
    for name in (".c2.tmp", ".c2.lock", ".lock", "notes.txt", "x~0.journal", ".journal"):
        Path(store.directory, name).write_bytes(b"rubbish")
    assert store.containers() == ["c1"]
    store.sweep()
    assert names(store) == {"c1.journal", ".lock", "notes.txt", "x~0.journal", ".journal"}


# Failing system calls


class Failing:
    """`os`, except that the n-th call fails with `error` and each write takes only a few bytes."""

    def __init__(self, at: int, error: int) -> None:
        self.at = at
        self.error = error
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            self.calls.append(name)
            if name == "write":
                args = (args[0], args[1][:700])
            if len(self.calls) == self.at:
                if name == "close":
                    os.close(*args)
                raise OSError(self.error, os.strerror(self.error))
            return getattr(os, name)(*args)

        return call


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_failing_disk_leaves_a_whole_record(store: Store, error: int) -> None:
    store.write(OLDER)
    healthy = Failing(0, 0)
    Store(store.directory, system=healthy).write(JOURNAL)
    renamed = healthy.calls.index("replace") + 1
    assert healthy.calls.count("write") > 1
    assert healthy.calls[renamed - 3 :] == ["fsync", "close", "replace", "open", "fsync", "close"]
    for at in range(1, len(healthy.calls) + 1):
        store.write(OLDER)
        with pytest.raises(CniError) as caught:
            Store(store.directory, system=Failing(at, error)).write(JOURNAL)
        assert caught.value.code == 5
        assert "\n" not in caught.value.msg
        assert f"c1.journal: it cannot be written: {os.strerror(error)}; " in caught.value.msg
        assert store.read("c1") == (OLDER if at <= renamed else JOURNAL)
        assert names(store) == {"c1.journal"}


def test_a_failing_removal_says_so(store: Store) -> None:
    for at in range(1, 3):
        store.write(JOURNAL)
        Path(store.directory, ".c1.tmp").touch()
        with pytest.raises(CniError, match=r"it cannot be removed: Input/output error; check the disk") as caught:
            Store(store.directory, system=Failing(at, errno.EIO)).remove("c1")
        assert caught.value.code == 5
        store.remove("c1")


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_failing_read_is_damage(store: Store, at: int) -> None:
    store.write(JOURNAL)
    with pytest.raises(DamagedError, match="Input/output error") as caught:
        Store(store.directory, system=Failing(at, errno.EIO)).read("c1")
    assert caught.value.code == 5


@pytest.mark.parametrize("path", ["file/records", "file"])
def test_a_directory_that_cannot_be(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    store = Store(str(tmp_path / path))
    with pytest.raises(CniError) as caught:
        store.write(JOURNAL)
    assert caught.value.code == 5
    with pytest.raises(CniError, match="it cannot be locked"), store.lock("c1", soon()):
        pass
    with pytest.raises(CniError, match="it cannot be listed"):
        store.containers()


def test_a_lock_file_that_cannot_be(store: Store) -> None:
    Path(store.directory, ".c1.lock").mkdir(parents=True)
    with pytest.raises(CniError, match=r"c1\.lock: it cannot be locked: Is a directory"), store.lock("c1", soon()):
        pass
    with store.lock_all(time.monotonic()):
        pass


def test_a_directory_whose_parent_cannot_be_found() -> None:
    with pytest.raises(CniError, match="it cannot be written: No such file or directory"):
        Store("").write(JOURNAL)


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", directory], check=True)
    yield directory
    subprocess.run(["umount", directory], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
@pytest.mark.parametrize("small_disk", ["size=16k", "nr_inodes=4"], indirect=True)
def test_on_a_full_disk_the_record_stays_and_can_go(small_disk: Path) -> None:
    store = Store(str(small_disk))
    with store.lock("c1", soon()):
        store.write(JOURNAL)
    fill(small_disk)
    for refused in (JOURNAL.replace(entries=JOURNAL.entries * 9), JOURNAL.replace(container_id="c2")):
        with pytest.raises(CniError, match="No space left on device; free space or inodes") as caught:
            store.write(refused)
        assert caught.value.code == 5
    assert store.read("c1") == JOURNAL
    assert store.containers() == ["c1"]
    with store.lock("c1", soon()):
        store.remove("c1")
    assert store.containers() == []


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
@pytest.mark.parametrize("small_disk", ["size=64k"], indirect=True)
def test_on_a_read_only_disk_locks_still_exclude(small_disk: Path) -> None:
    store = Store(str(small_disk))
    with store.lock("c1", soon()):
        store.write(JOURNAL)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with store.lock("c1", soon()):
        assert store.read("c1") == JOURNAL
        with pytest.raises(CniError, match="Read-only file system; mount its file system read-write"):
            store.write(OLDER)
        with pytest.raises(CniError, match="it cannot be removed: Read-only file system"):
            store.remove("c1")
        with pytest.raises(CniError) as caught, store.lock("c2", time.monotonic()):
            pass
        assert caught.value.code == 11


def fill(directory: Path) -> None:
    try:
        for number in range(100):
            (directory / f"ballast{number}").write_bytes(b"x" * 4096)
    except OSError as error:
        assert error.errno == errno.ENOSPC


# Processes

PRELUDE = f"""
import os, sys, time
sys.path.insert(0, {ROOT!r})
from cniplugin.cnierrors import CniError
from cniplugin.records.journal import Store
from cniplugin.records.journal import *
directory = sys.argv[1]
"""
KILLED = (
    PRELUDE
    + """
import signal
at, half = int(sys.argv[2]), sys.argv[3] == "half"
class Killing:
    calls = 0
    def __getattr__(self, name):
        def call(*args):
            Killing.calls += 1
            if Killing.calls == at:
                try:
                    if half:
                        getattr(os, name)(*((args[0], args[1][:500]) if name == "write" else args))
                finally:
                    os.kill(os.getpid(), signal.SIGKILL)
            return getattr(os, name)(*args)
        return call
store = Store(directory, system=Killing())
with store.lock("c1", time.monotonic() + 20):
    old = Store(directory).read("c1")
    if sys.argv[4] == "write":
        store.write(old.replace(entries=old.entries * 2))
    else:
        store.remove("c1")
"""
)


def start(code: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-IS", "-c", code, *map(str, args)],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["write", "remove"])
@pytest.mark.parametrize("how", ["before", "half"])
def test_a_process_killed_at_any_step_leaves_a_whole_record(store: Store, how: str, verb: str) -> None:
    doubled = OLDER.replace(entries=OLDER.entries * 2)
    at, code, seen = 0, -9, []
    while code == -9:
        at += 1
        store.write(OLDER)
        code, _ = finish(start(KILLED, store.directory, at, how, verb))
        assert names(store) <= {"c1.journal", ".c1.tmp", ".lock", ".c1.lock"}
        seen.append(store.read("c1"))
        with store.lock("c1", soon()):
            store.remove("c1")
        assert names(store) == {".lock"}
    assert code == 0
    assert at >= (10 if verb == "write" else 3)
    changed = doubled if verb == "write" else None
    assert seen[0] == OLDER
    assert seen[-1] == changed
    assert all(value in (OLDER, changed) for value in seen)


def test_files_of_a_crash_are_ignored_and_overwritten(store: Store) -> None:
    store.write(OLDER)
    Path(store.directory, ".c1.tmp").write_bytes(render(JOURNAL) * 9)
    assert store.read("c1") == OLDER
    assert store.containers() == ["c1"]
    store.write(JOURNAL)
    assert store.read("c1") == JOURNAL
    assert names(store) == {"c1.journal"}


FIGHT = (
    PRELUDE
    + """
store, rounds = Store(directory), int(sys.argv[2])
counter = directory + "/../counter"
for turn in range(rounds):
    everything = turn % 5 == 4
    with store.lock_all(time.monotonic() + 50) if everything else store.lock("c1", time.monotonic() + 50):
        if everything:
            store.sweep()
        with open(counter) as file:
            value = int(file.read())
        with open(counter, "w") as file:
            file.write(str(value + 1))
print(len(os.listdir("/proc/self/fd")))
"""
)


@pytest.mark.slow
def test_locks_exclude_each_other(store: Store) -> None:
    Path(store.directory).mkdir(parents=True)
    counter = Path(store.directory).parent / "counter"
    counter.write_text("0")
    fighters = [start(FIGHT, store.directory, 60) for _ in range(6)]
    ended = [finish(fighter) for fighter in fighters]
    assert [code for code, _ in ended] == [0] * 6
    assert {int(out) for _, out in ended} == {4}  # the standard streams and the descriptor of the listing
    assert counter.read_text() == "360"
    assert names(store) == {".lock"}


HOLD = (
    PRELUDE
    + """
with Store(directory).lock(sys.argv[2], time.monotonic() + 20):
    print("held", flush=True)
    sys.stdin.read()
"""
)


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_free(store: Store) -> None:
    holder = start(HOLD, store.directory, "c1")
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CniError, match="container c1 has to wait: another CNI command") as caught:
        store.lock("c1", time.monotonic() + 0.03).__enter__()
    assert caught.value.code == 11
    with pytest.raises(CniError, match="garbage collection has to wait"):
        store.lock_all(time.monotonic()).__enter__()
    with store.lock("c2", time.monotonic()):
        pass
    holder.kill()
    finish(holder)
    assert names(store) == {".lock", ".c1.lock"}
    with store.lock("c1", soon()):
        pass
    assert names(store) == {".lock"}


def test_garbage_collection_keeps_all_others_out(store: Store) -> None:
    with store.lock_all(soon()), pytest.raises(CniError) as caught, store.lock("c1", time.monotonic()):
        pass
    assert caught.value.code == 11
    with store.lock("c1", soon()), store.lock("c2", soon()), pytest.raises(CniError), store.lock_all(time.monotonic()):
        pass
    with store.lock_all(soon()):
        assert names(store) == {".lock"}


def test_a_lock_file_that_was_unlinked_meanwhile_does_not_count(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process waits for a lock file that its holder unlinks, while a third one makes a new file. It must lock the new one."""
    real, turns = fcntl.flock, []

    def flock(fd: int, operation: int) -> None:
        turns.append(fd)
        if len(turns) in (2, 3):
            Path(store.directory, ".c1.lock").unlink()
            if len(turns) == 3:
                Path(store.directory, ".c1.lock").touch()
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with store.lock("c1", soon()):
        assert len(turns) == 4
        assert os.path.samestat(os.fstat(turns[-1]), Path(store.directory, ".c1.lock").stat())


def test_a_lock_is_released_on_an_exception(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.lock("c1", soon()):
        raise ZeroDivisionError
    with store.lock("c1", time.monotonic()):
        pass
    assert names(store) == {".lock"}


def test_a_lock_is_not_inherited_by_a_delegate(store: Store) -> None:
    with store.lock("c1", soon()) as lock:
        assert [os.get_inheritable(fd) for fd in lock._fds] == [False, False]


def marks(store: Store) -> list[str]:
    return sorted(path.name for path in Path(store.directory).glob(".*.pod"))


def test_containers_are_found_by_the_uid_of_their_pod(store: Store) -> None:
    for container, uid in (("c1", "u-1"), ("c2", "u-1"), ("c3", "u-10"), ("x" * 300, "u-1")):
        assert store.mark_pod(container, uid)
        assert store.mark_pod(container, uid), "a second ADD of the same container"
        store.write(JOURNAL.replace(container_id=container))
    assert store.of_pod("u-1") == ["c1", "c2", "x" * 300]
    assert store.of_pod("u") == store.of_pod("") == []
    store.remove("c1")
    store.set_aside("x" * 300, journal.FORGOTTEN)
    assert store.of_pod("u-1") == ["c2"]
    assert store.containers() == ["c2", "c3"]


@pytest.mark.parametrize("uid", ["", "../x", "a.b", "a/b", "\0"])
def test_a_uid_that_cannot_be_part_of_a_name_makes_no_mark(store: Store, uid: str) -> None:
    assert not store.mark_pod("c1", uid)
    assert not Path(store.directory).exists()


def test_a_directory_that_the_kernel_does_not_make_is_a_failure_of_the_disk() -> None:
    store = Store("/proc/nadmit/records")
    with pytest.raises(CniError) as caught:
        store.write(JOURNAL)
    assert caught.value.code == 5


def test_a_mark_that_cannot_be_read_is_not_a_container(store: Store) -> None:
    """A DEL removes its mark while another process lists them, or somebody has copied the directory."""
    store.mark_pod("c1", "u-1")
    Path(store.directory, f".u-1.c0{journal.MARK}").write_text("c0")
    assert store.of_pod("u-1") == ["c1"]


def test_sweeping_removes_the_marks_without_a_record(store: Store) -> None:
    store.mark_pod("c1", "u-1")
    store.mark_pod("c2", "u-1")
    store.write(JOURNAL.replace(container_id="c2"))
    store.sweep()
    assert store.of_pod("u-1") == ["c2"]
    store.remove("c2")
    assert marks(store) == []


def test_an_entry_knows_whether_it_was_ever_complete() -> None:
    assert not ENTRY.was_attached
    assert not ENTRY.failed("x", 0).was_attached
    assert SECOND.was_attached
    assert SECOND.replace(state="attempted").was_attached, "one that could not be detached"
    assert ENTRY.replace(attached_by="multus").was_attached


@pytest.mark.parametrize("failure", [{}, {"error": "x"}, {"error": "x", "plugin": "1"}, {"error": 1, "plugin": 0}])
def test_a_failure_of_another_form_is_damage(failure: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="field"):
        render(JOURNAL.replace(entries=(ENTRY.replace(failure=failure),)))
