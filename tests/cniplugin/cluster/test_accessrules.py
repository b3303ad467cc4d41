"""The snapshot of the access rules: it is replaced as a whole, never by an older one, and bad content is ignored."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cniplugin.cluster.accessrules import CLOCK_SLACK_S, RulesFile, Snapshot
from cniplugin.records.journal import Store

SERVER = "https://192.0.2.1:6443"
NOW = 1_800_000_000.0


def value(name: str = "p", **more: Any) -> dict[str, Any]:
    return {"kind": "NetworkAttachmentPolicy", "metadata": {"name": name}, "spec": {"mode": "Warn"}, **more}


@pytest.fixture
def file(tmp_path: Path) -> RulesFile:
    return RulesFile(str(tmp_path), SERVER)


def keep(file: RulesFile, *values: dict[str, Any], now_s: float = NOW, refresh_s: float = 60) -> None:
    file.keep(values, now_s=now_s, refresh_s=refresh_s)


def inode(file: RulesFile) -> int:
    return Path(file.path).stat().st_ino


def test_stored_rules_are_read_back(file: RulesFile) -> None:
    text = {"name": "é\ud800\n", "generation": 3, "managedFields": [{}], "resourceVersion": "7"}
    keep(file, value(metadata=text, status={"conditions": []}))
    assert file.load() == Snapshot(
        objects=(value(metadata={"name": "é\ud800\n", "generation": 3}),), read_at_s=int(NOW)
    )
    assert [path.name for path in Path(file.path).parent.iterdir()] == ["rules.snapshot"]


def test_nothing_is_kept_yet(file: RulesFile) -> None:
    assert file.load() is None


@pytest.mark.parametrize(
    ("later_s", "is_written"), [(0, False), (59, False), (60, True), (-1, False), (-CLOCK_SLACK_S - 1, True)]
)
def test_the_time_of_reading_is_refreshed(file: RulesFile, later_s: float, *, is_written: bool) -> None:
    keep(file, value())
    before = inode(file)
    os.link(file.path, f"{file.path}.held")  # so that no new file can get its inode number
    keep(file, value(), now_s=NOW + later_s)
    assert (inode(file) != before) is is_written


def test_an_older_reading_does_not_replace_a_newer_one(file: RulesFile) -> None:
    """Two pods start at the same time. The older reading does not replace the newer one."""
    keep(file, value("new"))
    keep(file, value("old"), now_s=NOW - 2)
    found = file.load()
    assert found is not None
    assert found.objects == (value("new"),)


def test_many_writers_leave_a_whole_file(file: RulesFile, tmp_path: Path) -> None:
    """Threads share the process ID, so each of them uses its own temporary name here."""
    files = [RulesFile(str(tmp_path), SERVER) for _ in range(4)]
    for number, one in enumerate(files):
        one._temporary = f"{one._temporary}{number}"
    bad = []

    def write(number: int) -> None:
        for turn in range(50):
            keep(files[number], *(value(f"{number}-{turn}-{item}") for item in range(number * 9)), refresh_s=0)
            if files[number].load() is None:
                bad.append((number, turn))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bad == []


def test_a_symbolic_link_is_replaced_and_not_followed(file: RulesFile, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("untouched")
    Path(file.path).symlink_to(other)
    assert file.load() is None
    keep(file, value())
    assert (other.read_text(), Path(file.path).is_symlink()) == ("untouched", False)


def test_a_pipe_does_not_hold_the_plugin_up(file: RulesFile) -> None:
    os.mkfifo(file.path)
    assert file.load() is None
    keep(file, value())
    assert file.load() is not None


@pytest.mark.parametrize("path", ["gone", "file"])
def test_a_failed_write_is_a_log_line(tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    file = RulesFile(str(tmp_path / path), SERVER)
    keep(file, value())
    assert f"access rules: the snapshot {tmp_path / path}/rules.snapshot cannot be written: " in capsys.readouterr().err
    assert file.load() is None


def test_a_directory_in_its_place(file: RulesFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(file.path).mkdir()
    keep(file, value())
    assert "cannot be written: Is a directory" in capsys.readouterr().err
    assert file.load() is None
    assert [path.name for path in tmp_path.iterdir()] == ["rules.snapshot"]


def test_every_byte_that_changes_is_seen(file: RulesFile, capsys: pytest.CaptureFixture[str]) -> None:
    keep(file, value())
    data = Path(file.path).read_bytes()
    for place in range(len(data)):
        for bit in (1, 32):
            Path(file.path).write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
            assert file.load() is None
    for length in range(len(data)):
        Path(file.path).write_bytes(data[:length])
        assert file.load() is None
    assert "is ignored: it is damaged: " in capsys.readouterr().err


def test_another_schema_or_server(file: RulesFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(RulesFile(str(tmp_path), "https://192.0.2.2:6443"), value())
    assert file.load() is None
    assert 'it belongs to the API server "https://192.0.2.2:6443"' in capsys.readouterr().err
    keep(file, value())
    assert file.load() is not None


@pytest.mark.parametrize("spec", [float("inf"), "deep"])
def test_values_that_are_not_json_are_not_kept(
    file: RulesFile, spec: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """The schema excludes such values; if one comes, the pod must still start."""
    for _ in range(100_000 if spec == "deep" else 0):
        spec = [spec]
    keep(file, value(spec=spec))
    assert "cannot be written: " in capsys.readouterr().err
    assert file.load() is None


def test_garbage_collection_removes_the_files_of_a_killed_writer(file: RulesFile, tmp_path: Path) -> None:
    keep(file, value())
    Path(file._temporary).write_text("half")
    store = Store(str(tmp_path))
    with store.lock_all(time.monotonic() + 5):
        store.sweep()
    assert not Path(file._temporary).exists()
    assert file.load() is not None
    assert store.containers() == []


@pytest.mark.parametrize(("later_s", "age_s"), [(5, 5), (0, 0), (-60, 0), (-61, None)])
def test_its_age(later_s: float, age_s: float | None) -> None:
    assert Snapshot(objects=(), read_at_s=1000).age_s(1000 + later_s) == age_s
