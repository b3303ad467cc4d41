"""The profiles for webhooks, with our webhook as their subject, and with faults put into it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.mutants.webhookfaults import FAULTS, WebhookFault
from tests.paths import ROOT

SUBJECTS = ("nadmit-webhook", "nadmit-webhook-multus")
CODE = ("webhook", "cniplugin", "certs")


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
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    for fault in FAULTS:
        assert (ROOT / fault.file).read_text().count(fault.before) == 1, fault.name


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_noticed(copied: Path, fault: WebhookFault) -> None:
    path = copied / fault.file
    good = path.read_text()
    path.write_text(good.replace(fault.before, fault.after))
    try:
        done = _run(copied, fault.test)
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
