"""The four files: written, kept, completed, renewed, and never damaged."""

from __future__ import annotations

import multiprocessing
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cryptography import x509

from certs.authority import covers, make_key, parse_name, render_key
from certs.certfiles import ORDER, BootstrapError, bootstrap
from certs.cli import DEFAULT_NAMES, certs

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NAMES = ("localhost", "127.0.0.1")


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def leaf(directory: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / "tls.crt").read_bytes())


def test_new_directory(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    result = bootstrap(directory, NAMES, NOW)
    assert result.created
    assert result.written == result.paths == tuple(directory / name for name in ORDER)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"ca.key": 0o600, "ca.crt": 0o644, "tls.key": 0o600, "tls.crt": 0o644}


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    bootstrap(tmp_path, NAMES, NOW)
    before = contents(tmp_path)
    result = bootstrap(tmp_path, NAMES[:1], NOW + timedelta(days=200))
    assert not result.created
    assert contents(tmp_path) == before


def test_mode_of_an_existing_directory_stays(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    bootstrap(tmp_path, NAMES, NOW)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


class PowerCutError(Exception):
    """Not an OSError, so that no code under test cleans up after it."""


@pytest.mark.parametrize("step", range(len(ORDER)))
@pytest.mark.parametrize("moment", ["before the rename", "after the rename"])
def test_interrupted_at_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, moment: str) -> None:
    syncs = iter(range(100))

    def interrupt(_descriptor: int) -> None:
        """Each file makes two calls: for the file before the rename, and for the directory after it."""
        if next(syncs) == 2 * step + (moment == "after the rename"):
            raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr("certs.certfiles.os.fsync", interrupt)
        with pytest.raises(PowerCutError):
            bootstrap(tmp_path, NAMES, NOW)
    before = contents(tmp_path)
    result = bootstrap(tmp_path, NAMES, NOW)
    after = contents(tmp_path)
    assert sorted(after) == sorted(ORDER)
    assert {name: after[name] for name in before if name in ORDER} == {
        name: before[name] for name in before if name in ORDER
    }
    assert len(result.written) == len(ORDER) - step - (moment == "after the rename")
    leaf(tmp_path).verify_directly_issued_by(x509.load_pem_x509_certificate(after["ca.crt"]))


@pytest.mark.parametrize(
    "missing", [("ca.key",), ("ca.crt",), ("tls.key",), ("ca.key", "ca.crt"), ("ca.key", "tls.key")]
)
def test_gap_is_refused(tmp_path: Path, missing: tuple[str, ...]) -> None:
    bootstrap(tmp_path, NAMES, NOW)
    for name in missing:
        (tmp_path / name).unlink()
    before = contents(tmp_path)
    with pytest.raises(BootstrapError) as caught:
        bootstrap(tmp_path, NAMES, NOW)
    present = ", ".join(name for name in ORDER if name not in missing)
    assert str(caught.value) == (
        f"{tmp_path}: has {present} but not {', '.join(missing)}; nothing was overwritten; "
        "restore what is missing, or move the files away to start anew"
    )
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("ca.key", b"x", "is not an unencrypted PEM private key"),
        ("ca.crt", b"", "is not a PEM certificate"),
        ("tls.key", b"-----BEGIN PRIVATE KEY-----\n", "is not an unencrypted PEM private key"),
        ("tls.crt", b"x", "is not a PEM certificate"),
        ("ca.key", render_key(make_key()), "ca.crt: is not for the key in ca.key"),
        ("tls.key", render_key(make_key()), "tls.crt: is not for the key in tls.key"),
    ],
)
def test_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    bootstrap(tmp_path, NAMES, NOW)
    (tmp_path / name).write_bytes(content)
    before = contents(tmp_path)
    with pytest.raises(BootstrapError) as caught:
        bootstrap(tmp_path, NAMES, NOW)
    assert problem in str(caught.value)
    assert "nothing was overwritten; restore it, or move all four files away" in str(caught.value)
    assert contents(tmp_path) == before


def test_leaf_of_another_authority_is_refused(tmp_path: Path) -> None:
    bootstrap(tmp_path / "a", NAMES, NOW)
    bootstrap(tmp_path / "b", NAMES, NOW)
    for name in ("tls.key", "tls.crt"):
        (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
    with pytest.raises(BootstrapError, match=r"tls\.crt: is not issued by ca\.crt"):
        bootstrap(tmp_path / "a", NAMES, NOW)


@pytest.mark.parametrize("days", [250, 364, 366, 3000])
def test_leaf_that_is_due_is_renewed_for_the_same_key(tmp_path: Path, days: int) -> None:
    bootstrap(tmp_path, NAMES, NOW)
    before = contents(tmp_path)
    later = NOW + timedelta(days=days)
    assert bootstrap(tmp_path, NAMES, later).written == (tmp_path / "tls.crt",)
    after = contents(tmp_path)
    assert {name for name in ORDER if before[name] != after[name]} == {"tls.crt"}
    assert leaf(tmp_path).not_valid_after_utc == later + timedelta(days=365)
    assert leaf(tmp_path).not_valid_before_utc == later - timedelta(minutes=5)


def test_leaf_that_lacks_a_name_is_renewed(tmp_path: Path) -> None:
    bootstrap(tmp_path, NAMES, NOW)
    assert bootstrap(tmp_path, (*NAMES, "webhook.example"), NOW).written == (tmp_path / "tls.crt",)
    assert covers(leaf(tmp_path), [parse_name("webhook.example")])


def test_leaf_does_not_outlive_the_authority(tmp_path: Path) -> None:
    bootstrap(tmp_path, NAMES, NOW)
    bootstrap(tmp_path, NAMES, NOW + timedelta(days=3600))
    assert leaf(tmp_path).not_valid_after_utc == NOW + timedelta(days=3650)


def test_expired_authority_is_refused(tmp_path: Path) -> None:
    bootstrap(tmp_path, NAMES, NOW)
    with pytest.raises(BootstrapError, match=r"ca\.crt: expired at 2036-10-29; nothing was overwritten"):
        bootstrap(tmp_path, NAMES, NOW + timedelta(days=3650))


def test_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BootstrapError, match=r"file: file exists; give a directory that this user may write"):
        bootstrap(tmp_path / "file", NAMES, NOW)


@pytest.mark.slow
def test_concurrent_runs_write_one_set(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        results = pool.starmap(bootstrap, [(tmp_path, NAMES, NOW)] * 3)
        pool.close()
        pool.join()
    assert sorted(len(result.written) for result in results) == [0, 0, 4]


def test_cli(tmp_path: Path) -> None:
    directory = tmp_path / "d"
    arguments = ["bootstrap", "--dir", str(directory)]
    result = CliRunner().invoke(certs, arguments)
    assert (result.exit_code, result.output) == (0, "".join(f"wrote {directory}/{name}\n" for name in ORDER))
    assert covers(leaf(directory), [parse_name(name) for name in DEFAULT_NAMES])
    result = CliRunner().invoke(certs, arguments)
    assert (result.exit_code, result.output) == (0, "".join(f"kept {directory}/{name}\n" for name in ORDER))
    (directory / "ca.key").unlink()
    result = CliRunner().invoke(certs, arguments)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {directory}: has ca.crt, tls.key, tls.crt but not ca.key; ")


@pytest.mark.parametrize("name", ["", "-a", "a_b", "a..b", "*", "a.*", "x" * 64, "::g"])
def test_cli_refuses_a_bad_name(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(certs, ["bootstrap", "--dir", str(tmp_path / "d"), "--name", name])
    assert result.exit_code == 2
    assert f'"{name}" is neither a DNS name nor an IP address' in result.output
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("arguments", [["--help"], ["bootstrap", "--help"]])
def test_cli_help(arguments: list[str]) -> None:
    result = CliRunner().invoke(certs, arguments)
    assert result.exit_code == 0
    assert "certificate" in result.output
