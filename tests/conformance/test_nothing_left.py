"""A run leaves no namespaces, links, processes, mounts and files, also after SIGINT, SIGTERM and SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.waiting import wait_until
from tests.paths import ROOT

from .running import NADMIT, command, run_suite, skip_unless_possible

pytestmark = [pytest.mark.root, pytest.mark.slow]

TEST = "npwgcore/test_selection.py"


def processes(marker: str) -> list[int]:
    """Return the processes whose command line or environment has a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        except OSError:  # it has ended
            continue
        if marker.encode() in text and int(path.name) != os.getpid():
            found.append(int(path.name))
    return found


def machine() -> dict[str, object]:
    """Return what a run could leave on the machine. NB: other tests make links at the same time, with other names."""
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    return {
        "links": {line.split()[0] for line in links.splitlines() if line.startswith(("br-", "data0", "net1"))},
        "namespaces": {path.name for path in Path("/run/netns").glob("conf-*")},
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if "conformance" in line],
        "run": Path("/run/conformance").exists(),
        "kubelet": sorted(Path("/var/lib/kubelet").glob("*")),
    }


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for the temporary files of the command, whose name also marks its processes."""
    skip_unless_possible()
    with tempfile.TemporaryDirectory(prefix="left-behind-") as name:
        yield Path(name)


def test_after_a_run(folder: Path) -> None:
    before = machine()
    done = run_suite("--subject", NADMIT, "--test", TEST, "--profile", "npwg-1.3-core")
    assert done.returncode == 0, done.stdout
    assert machine() == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)], ids=["INT", "TERM", "KILL"]
)
def test_after_a_signal(folder: Path, number: signal.Signals, code: int) -> None:
    before = machine()
    words = command("--subject", NADMIT, "--profile", "npwg-1.3-core", "--", "-v")
    environ = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        while b"PASSED" not in process.stdout.readline():
            assert process.poll() is None
        assert len(processes(str(folder))) > 2
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == code
    wait_until(lambda: not processes(str(folder)), lambda: processes(str(folder)), within_s=10)
    assert machine() == before
    if number != signal.SIGKILL:
        assert b"interrupted" in err
        assert list(folder.iterdir()) == []
