"""The command says what it lacks, what is wrong with a subject file, and writes the reports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import commandline, isolation
from conformance.clauses import MUST, PRACTICE, SHOULD, Clause
from conformance.conformancereport import make_report, render_junit, render_markdown, render_yaml
from conformance.hooks.testcluster import NAMESPACES, definitions
from conformance.placeholders import fill
from conformance.results import DEVIATED, FAILED, PASSED, SKIPPED, STALE, Result, append_result, read_results
from conformance.subject import SubjectError, load_subject
from tests.paths import ROOT

from .running import NADMIT, SUBJECTS, run_suite

IMPLEMENTATION = {"organization": "o", "project": "p", "url": "u", "version": "1", "contact": ["c"]}
MINIMAL: dict[str, Any] = {
    "implementation": {"organization": "o", "project": "p", "url": "u"},
    "profiles": ["npwg-1.3-core"],
    "plugin": {"command": ["/bin/true"], "configuration": {"type": "t"}},
}


def write(folder: Path, **changes: object) -> Path:
    path = folder / "subject.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, **changes}))
    return path


def result(name: str, outcome: str, level: str = MUST, **more: Any) -> Result:
    given = {"profile": "npwg-1.3-core", "title": f"It is {name}.", "reason": "", "took_s": 0.5, **more}
    return Result(
        test=f"npwgcore/test_x.py::{name}", outcome=outcome, clauses=(Clause("npwg-1.3", "4", level),), **given
    )


@pytest.mark.parametrize("path", sorted(SUBJECTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_subjects_can_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = ("MULTUS", "MULTUS_SHIM", "MULTUS_DAEMON", "NADAC", "NRI")
    for name in (*programs, "MULTUS_VERSION", "NADAC_VERSION", "NRI_VERSION"):
        monkeypatch.setenv(name, "/bin/true")
    assert load_subject(path).profiles


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"profiles": ["none"]}, "there is no profile 'none'; allowed: npwg-1.3-core"),
        ({"plug": {}}, "plug: there is no such key"),
        ({"plugin": {"command": ["a"], "configuration": {}}}, "plugin.configuration.type"),
        ({"plugin": {"command": ["$NOT_SET_HERE"], "configuration": {"type": "t"}}}, "the variable NOT_SET_HERE"),
        ({"deviations": [{"tests": "a"}]}, "deviations[].reason: it must be a text"),
        ({"daemon": {"command": ["a"], "ready": {}}}, "exactly one of socket, file, port and url"),
        ({"profiles": "all"}, "profiles: it must be a list"),
    ],
)
def test_a_subject_that_is_wrong(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(SubjectError) as caught:
        load_subject(write(tmp_path, **changes))
    assert text in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


def test_wrong_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commandline.main([]) == commandline.USAGE
    assert commandline.main(["--subject", str(tmp_path / "none.yaml")]) == commandline.USAGE
    assert commandline.main(["--subject", str(write(tmp_path)), "--profile", "robustness"]) == commandline.USAGE
    err = capsys.readouterr().err
    assert "--subject: it is missing" in err
    assert "the subject cannot be read" in err
    assert "it claims npwg-1.3-core" in err


def test_a_python_without_pytest() -> None:
    """pip install nadmit, without the extra, installs the command but not pytest."""
    code = (
        "import sys; sys.modules['pytest'] = None; from conformance.commandline import main; sys.exit(main(['--list']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert (done.returncode, lines) == (
        commandline.LACKING, ["nadmit-conformance: pytest: it is missing; install nadmit[conformance]"],
    )  # fmt: skip


def test_the_cluster_for_a_webhook_that_runs_already() -> None:
    words = [sys.executable, "-m", "conformance.hooks.testcluster"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    printed = list(yaml.safe_load_all(done.stdout))
    assert [each["metadata"]["name"] for each in printed if each["kind"] == "Namespace"] == list(NAMESPACES)
    assert len(printed) == len(NAMESPACES) + len(definitions())
    assert all("uid" not in each["metadata"] for each in printed)


@pytest.mark.slow
def test_the_list_of_tests() -> None:
    done = run_suite("--list", pytest_words=())
    names = [line for line in done.stdout.splitlines() if "::" in line]
    assert done.returncode == 0, done.stdout
    assert len(names) > 450
    assert all("profiles/" in name for name in names)


def test_a_machine_that_lacks_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(isolation, "REAL_PLUGINS", tmp_path)
    assert commandline.main(["--subject", str(write(tmp_path))]) == commandline.LACKING
    err = capsys.readouterr().err
    assert "missing: root" in err
    assert "missing: ip: install the package iproute2" in err
    assert "missing: the CNI plugins bridge, host-local" in err


def test_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    (line,) = isolation.missing()
    assert line.startswith("Linux: ")


def test_placeholders() -> None:
    values = {"a": "x", "network": {"type": "t"}}
    assert fill(["{a}/{b}", "{network}", {"k": "n={network}"}], values) == [
        "x/{b}", {"type": "t"}, {"k": 'n={"type": "t"}'},
    ]  # fmt: skip


def test_results_survive_a_file(tmp_path: Path) -> None:
    written = [result("b", FAILED, reason="no"), result("a", PASSED)]
    for one in written:
        append_result(tmp_path / "r", one)
    assert read_results([tmp_path / "r", tmp_path / "none"]) == sorted(written, key=lambda one: one.test)


def test_the_last_result_of_a_test_counts(tmp_path: Path) -> None:
    """A test that passed has a second result if the suite cannot clean up after it."""
    both = [result("a", PASSED), result("a", FAILED, reason="the suite could not clean up: x")]
    for one in both:
        append_result(tmp_path / "r", one)
    assert read_results([tmp_path / "r"]) == both[1:]


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([result("a", PASSED), result("b", FAILED, SHOULD)], "success"),
        ([result("a", PASSED), result("b", DEVIATED)], "partial"),
        ([result("a", PASSED), result("b", SKIPPED)], "partial"),
        ([result("a", DEVIATED), result("b", FAILED)], "failure"),
        ([result("a", PASSED), result("b", STALE)], "failure"),
    ],
)
def test_the_verdict(results: list[Result], verdict: str) -> None:
    report = make_report(results, implementation=IMPLEMENTATION, date="2026-01-01", suite="1", environment={})
    assert [profile["result"] for profile in report["profiles"]] == [verdict]


def test_the_reports() -> None:
    results = [
        result("a", PASSED),
        result("b", FAILED, reason="one | <two>\nthree"),
        result("c", DEVIATED, SHOULD, reason="on purpose"),
        result("d", SKIPPED, PRACTICE, reason="no daemon"),
    ]
    report = make_report(results, implementation=IMPLEMENTATION, date="2026-01-01", suite="1", environment={"k": "v"})
    assert yaml.safe_load(render_yaml(report)) == json.loads(json.dumps(report))
    assert report["kind"] == "ConformanceReport"
    (profile,) = report["profiles"]
    assert profile["statistics"]["must"] == {"passed": 1, "failed": 1}
    assert [one["test"].rpartition(":")[2] for one in profile["failedTests"]] == ["b"]
    page = render_markdown(report)
    assert "| npwg-1.3-core | failure | 1 of 2, 1 failed | 0 of 1, 1 deviated | 0 of 1, 1 skipped |" in page
    assert "one \\| &lt;two> three" in page
    suite = ET.fromstring(render_junit(results).partition("\n")[2])[0]  # noqa: S314 - our own text
    assert {name: suite.attrib[name] for name in ("tests", "failures", "skipped")} == {
        "tests": "4", "failures": "1", "skipped": "2",
    }  # fmt: skip


def test_a_deviation_is_by_pattern() -> None:
    subject = load_subject(NADMIT)
    assert subject.deviation_of("npwgcore/test_requests.py::test_an_empty_value[ips]") is not None
    assert subject.deviation_of("npwgcore/test_requests.py::test_ips") is None


def test_a_machine_without_the_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "unshare"
    program.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    program.chmod(0o755)
    for name in isolation.PLUGINS:
        (tmp_path / name).touch()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(isolation, "REAL_PLUGINS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    (line,) = isolation.missing()
    assert line.endswith("unshare: unshare failed: Operation not permitted")
    assert "--privileged" in line
