"""The profiles for webhooks, with our webhook as their subject, and with faults put into it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conformance.running import SUBJECTS, command, run_suite
from tests.fakes.waiting import wait_until
from tests.paths import ROOT

OURS = ("nadmit-webhook", "nadmit-webhook-multus")
OURS_YAML = f"{OURS[0]}.yaml"
CODE = ("webhook", "cniplugin", "certs")
MUTANTS: list[dict[str, str]] = yaml.safe_load((Path(__file__).parent / "webhookmutants.yaml").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", OURS)
def test_our_webhook_passes(name: str, tmp_path: Path) -> None:
    subject = SUBJECTS / f"{name}.yaml"
    done = run_suite("--subject", subject, "--strict", "--report", tmp_path, pytest_words=("-q", "--tb=short"))
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]
    found = yaml.safe_load((tmp_path / "report.yaml").read_text())["profiles"]
    assert [profile["name"] for profile in found] == ["admission", "injection"]
    assert all("failedTests" not in profile for profile in found)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the webhook, with its subject file."""
    tree = tmp_path_factory.mktemp("webhook")
    for name in CODE:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    subjects = tree / "conformance" / "subjects"
    subjects.mkdir(parents=True)
    shutil.copy(SUBJECTS / OURS_YAML, subjects)
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
        subject = copied / "conformance" / "subjects" / OURS_YAML
        words = ("-q", "--tb=line")
        done = run_suite("--subject", subject, "--test", mutant["test"], "--strict", pytest_words=words)
    finally:
        path.write_text(good)
    assert (done.returncode, "1 failed" in done.stdout) == (1, True), done.stdout[-5_000:] + done.stderr[-2_000:]


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
    environ = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command("--subject", subject), cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        wait_until(lambda: pids.exists() and pids.read_text() != "")
        run.send_signal(number)
        assert run.wait() == (-number if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: not _hangs(pids.read_text()))
    if number != signal.SIGKILL:
        assert list(folder.iterdir()) == []
