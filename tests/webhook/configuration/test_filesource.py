"""The file, read by read: which changes are accepted, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.waiting import wait_until
from webhook.configuration.current import CurrentConfiguration
from webhook.configuration.filesource import ConfigurationFile, read_file
from webhook.configuration.texts import ConfigurationError

from .texts import BAD, HONOR, OFF, TOP_UP

NEVER_S = 3600.0


@pytest.fixture
def current() -> CurrentConfiguration:
    return CurrentConfiguration(now=lambda: 0.0, own_schemas={})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_bytes(HONOR)
    return path


@pytest.fixture
def file(path: Path, current: CurrentConfiguration) -> Iterator[ConfigurationFile]:
    file = ConfigurationFile(path, current, poll_s=NEVER_S)
    file.start()
    yield file
    file.stop()


def mode(current: CurrentConfiguration) -> str:
    return "off" if current.value.injection is None else current.value.injection.mode


def test_the_file_is_in_force_from_the_start(file: ConfigurationFile, current: CurrentConfiguration) -> None:
    assert mode(current) == "honor"
    assert file.problem() is None


def test_a_change_is_accepted_after_the_second_read_that_finds_it(
    file: ConfigurationFile, path: Path, current: CurrentConfiguration
) -> None:
    path.write_bytes(TOP_UP[:-3])  # half of the file is written
    file.look()
    path.write_bytes(OFF)
    file.look()
    assert mode(current) == "honor"
    assert current.state.refused is None
    file.look()
    assert mode(current) == "off"


def test_a_wrong_change_and_its_correction(file: ConfigurationFile, path: Path, current: CurrentConfiguration) -> None:
    for text, expected, is_refused in ((BAD, "honor", True), (b"", "honor", True), (OFF, "off", False)):
        path.write_bytes(text)
        file.look()
        file.look()
        assert mode(current) == expected
        assert (current.state.refused is not None) is is_refused


def test_a_file_that_is_gone_for_a_while(file: ConfigurationFile, path: Path, current: CurrentConfiguration) -> None:
    path.rename(path.with_suffix(".old"))
    file.look()
    assert current.state.unreadable == (
        f"{path}: the configuration cannot be read: no such file or directory; name a file that this user may read"
    )
    path.with_suffix(".old").rename(path)
    file.look()
    assert current.state.unreadable is None
    assert mode(current) == "honor"


def test_a_mounted_configmap(tmp_path: Path, current: CurrentConfiguration) -> None:
    """A kubelet writes a new directory and renames a link over `..data`."""
    for name, text in (("one", HONOR), ("two", OFF)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_bytes(text)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    file = ConfigurationFile(tmp_path / "config.yaml", current, poll_s=NEVER_S)
    file.start()
    assert mode(current) == "honor"
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").replace(tmp_path / "..data")
    file.look()
    file.look()
    file.stop()
    assert mode(current) == "off"


@pytest.mark.parametrize("what", ["missing", "directory", "pipe", "zero"])
def test_other_kinds_of_files_are_refused(tmp_path: Path, what: str) -> None:
    """NB: a pipe without a writer would block."""
    paths = {name: tmp_path / name for name in ("missing", "directory", "pipe")}
    paths["directory"].mkdir()
    os.mkfifo(paths["pipe"])
    path = paths.get(what, Path("a\0b"))
    with pytest.raises(ConfigurationError) as caught:
        read_file(path)
    assert str(caught.value).startswith(f"{path}: the configuration cannot be read: ")


def test_a_start_with_a_wrong_file_leaves_no_thread(path: Path, current: CurrentConfiguration) -> None:
    path.write_bytes(BAD)
    file = ConfigurationFile(path, current)
    with pytest.raises(ConfigurationError):
        file.start()
    file.stop()


def test_the_thread_reads_and_ends(path: Path, current: CurrentConfiguration) -> None:
    file = ConfigurationFile(path, current, poll_s=0.001)
    file.start()
    path.write_bytes(OFF)
    wait_until(lambda: mode(current) == "off")
    file.stop()
    assert not file._thread.is_alive()
