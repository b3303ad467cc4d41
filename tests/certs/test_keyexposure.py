"""The warnings about private keys that others may read or replace."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from certs.certfiles import bootstrap, exposures
from certs.cli import certs
from tests.paths import ROOT
from webhook.serving.tls import ServerTls


def keys(folder: Path, *, key_mode: int = 0o600, folder_mode: int = 0o700) -> list[str]:
    (folder / "tls.key").write_text("key")
    (folder / "tls.key").chmod(key_mode)
    folder.chmod(folder_mode)
    return exposures([folder / "tls.key"])


@pytest.mark.parametrize("key_mode", [0o600, 0o400, 0o640, 0o440, 0o620])
@pytest.mark.parametrize("folder_mode", [0o700, 0o755, 0o750, 0o500])
def test_normal_modes_cause_no_warning(tmp_path: Path, key_mode: int, folder_mode: int) -> None:
    assert keys(tmp_path, key_mode=key_mode, folder_mode=folder_mode) == []


def test_a_missing_file_causes_no_warning(tmp_path: Path) -> None:
    assert exposures([tmp_path / "none" / "ca.key"]) == []


def test_a_key_that_everybody_may_read(tmp_path: Path) -> None:
    assert keys(tmp_path, key_mode=0o644) == [
        f"{tmp_path}/tls.key: everybody on this machine may read this private key (mode 0644); chmod 600 {tmp_path}/tls.key"
    ]


@pytest.mark.parametrize(
    ("mode", "who"), [(0o777, "everybody"), (0o1777, "everybody"), (0o770, "its group"), (0o702, "everybody")]
)
def test_a_directory_that_others_may_write(tmp_path: Path, mode: int, who: str) -> None:
    assert keys(tmp_path, folder_mode=mode) == [
        (
            f"{tmp_path}: {who} may put other keys into this directory (mode {mode:04o}); "
            f"chmod go-w {tmp_path}, or keep the keys in a directory of their own below it"
        )
    ]


def test_the_link_of_a_secret_alone_does_not_suppress_the_warning(tmp_path: Path) -> None:
    (tmp_path / "..data").symlink_to(".")
    assert len(keys(tmp_path, key_mode=0o644, folder_mode=0o777)) == 2


@pytest.mark.root
@pytest.mark.parametrize("is_secret", [True, False])
def test_a_secret_as_a_kubelet_mounts_it(tmp_path: Path, *, is_secret: bool) -> None:
    """Mode 1777 and 0644, read-only, with `..data`. A read-only directory without the link causes a warning."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root, and unshare of util-linux")
    layout = (
        "mkdir ..one && echo key > ..one/tls.key && chmod 644 ..one/tls.key && ln -s ..one ..data"
        " && ln -s ..data/tls.key tls.key"
        if is_secret
        else "echo key > tls.key && chmod 644 tls.key"
    )
    code = (
        "import json; from pathlib import Path; from certs.certfiles import exposures;"
        f" print(json.dumps(exposures([Path({str(tmp_path)!r}) / 'tls.key'])))"
    )
    script = (
        f"mount -t tmpfs -o mode=1777 tmpfs {tmp_path} && cd {tmp_path} && {layout} && cd {ROOT}"
        f' && mount -o remount,ro {tmp_path} && {sys.executable} -c "{code}"'
    )
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert len(found) == (0 if is_secret else 1)
    assert is_secret or "may read this private key" in found[0]


def test_bootstrap_warns(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = CliRunner().invoke(certs, ["bootstrap", "--dir", str(folder)])
    assert first.stderr == ""
    (folder / "ca.key").chmod(0o604)
    folder.chmod(0o770)
    second = CliRunner().invoke(certs, ["bootstrap", "--dir", str(folder)])
    assert second.exit_code == 0
    assert second.stderr == (
        f"warning: {folder}/ca.key: everybody on this machine may read this private key (mode 0604); "
        f"chmod 600 {folder}/ca.key\n"
        f"warning: {folder}: its group may put other keys into this directory (mode 0770); "
        f"chmod go-w {folder}, or keep the keys in a directory of their own below it\n"
    )


def test_the_server_warns_once_for_each_state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "keys"
    bootstrap(folder, ["localhost"], datetime.now(UTC))
    tls = ServerTls(folder / "tls.crt", folder / "tls.key", now=time.time)

    def warnings() -> int:
        return sum("may read this private key" in record.getMessage() for record in caplog.records)

    with caplog.at_level(logging.WARNING):
        tls.load()
        assert warnings() == 0
        (folder / "tls.key").chmod(0o644)
        tls.poll()
        tls.load()
        assert warnings() == 1
        (folder / "tls.key").chmod(0o600)
        tls.poll()
        (folder / "tls.key").chmod(0o644)
        tls.poll()
        assert warnings() == 2
