"""The profiles for webhooks, with our webhook as their subject, and with faults put into it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.fakes.waiting import wait_until
from tests.paths import ROOT

SUBJECTS = ("nadmit-webhook", "nadmit-webhook-multus")
CODE = ("webhook", "cniplugin", "certs")
MUTANTS: list[dict[str, str]] = yaml.safe_load((Path(__file__).parent / "webhookmutants.yaml").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_our_webhook_passes(name: str) -> None:
    command = [
        sys.executable,
        "-m",
        "conformance",
        "--strict",
        "--subject",
        f"conformance/subjects/{name}.yaml",
        "--",
        "-q",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the webhook, with its subject file."""
    tree = tmp_path_factory.mktemp("webhook")
    for name in CODE:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    subjects = tree / "conformance" / "subjects"
    subjects.mkdir(parents=True)
    shutil.copy(ROOT / "conformance" / "subjects" / "nadmit-webhook.yaml", subjects)
    yield tree
    shutil.rmtree(tree)


def test_every_fault_has_its_place() -> None:
    assert len(MUTANTS) >= 12
    assert len({mutant["what"] for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        assert (ROOT / mutant["file"]).read_text().count(mutant["old"]) == 1, mutant["what"]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["what"])
def test_a_fault_is_noticed(copied: Path, mutant: dict[str, str]) -> None:
    path = copied / mutant["file"]
    good = path.read_text()
    path.write_text(good.replace(mutant["old"], mutant["new"]))
    try:
        done = _run(copied, mutant["test"])
    finally:
        path.write_text(good)
    assert done.returncode == 1, done.stdout[-5_000:] + done.stderr[-2_000:]
    assert "1 failed" in done.stdout, done.stdout[-5_000:]


def _run(tree: Path, test: str) -> subprocess.CompletedProcess[str]:
    """Run one test of the suite."""
    profile = test.partition("/")[0]
    subject = str(tree / "conformance" / "subjects" / "nadmit-webhook.yaml")
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "-c", "conformance/pytest.ini", "--rootdir", "conformance",
            "-p", "conformance.pytestplugin", "--subject", subject, "--profile", profile, "-q", "--tb=line",
            f"conformance/profiles/{test}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


HANGING = """
implementation: {organization: a, project: b, url: "https://example.com", version: "1"}
profiles: [admission]
daemon:
  command: ["{python}", -c, "import os, pathlib, time; pathlib.Path('PIDS').write_text(str(os.getpid())); time.sleep(600)"]
  ready: {file: "{work}/never"}
webhook:
  pods: {path: /validate, operations: [CREATE]}
"""


def _hangs(pid: str) -> bool:
    try:
        return b"time.sleep" in Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv, of util-linux, ties the webhook to the run")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_ends_early_leaves_no_webhook(tmp_path: Path, number: signal.Signals) -> None:
    pids, subject = tmp_path / "pids", tmp_path / "subject.yaml"
    subject.write_text(HANGING.replace("PIDS", str(pids)))
    folder = tmp_path / "tmp"
    folder.mkdir()
    command = [sys.executable, "-m", "conformance", "--subject", str(subject)]
    environ = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        wait_until(lambda: pids.exists() and pids.read_text() != "")
        run.send_signal(number)
        assert run.wait() == (-number if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: not _hangs(pids.read_text()))
    if number != signal.SIGKILL:
        assert list(folder.iterdir()) == []
