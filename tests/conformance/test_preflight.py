"""A mistake in a subject file is one line before the first test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from conformance import commandline
from conformance.clauses import MUST, Clause
from conformance.preflight import check_subject, find_unused, find_version, make_folder
from conformance.results import PASSED, Result
from conformance.subject import Deviation, SubjectError, load_subject

from .test_commandline import write

CORE, ADMISSION = "npwg-1.3-core", "admission"
TYPE = {"type": "t"}
WEBHOOK = {"pods": {"path": "/", "operations": ["CREATE"]}}
WHO = {"organization": "o", "project": "p", "url": "u"}


def check(path: Path) -> None:
    subject = load_subject(path)
    check_subject(subject, subject.profiles)


def test_a_subject_that_is_right(tmp_path: Path) -> None:
    words = ["{python}", "-c", "print({})", "{work}/x"]
    check(write(tmp_path, plugin={"command": words, "configuration": {**TYPE, "delegates": ["{defaultNetwork}"]}}))
    daemon = {"command": ["{work}/made"], "ready": {"port": "{webhookPort}"}, "files": {"a": "{anything}"}}
    check(write(tmp_path, profiles=[ADMISSION], webhook=WEBHOOK, daemon=daemon))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"profiles": []}, "profiles: the list is empty; allowed: npwg-1.3-core"),
        ({"profiles": [ADMISSION]}, "webhook: it is missing, and profile admission tests it"),
        ({"plugin": {"command": [], "configuration": TYPE}}, "plugin.command: the list is empty"),
        ({"plugin": {"command": ["/none"], "configuration": TYPE}}, "plugin.command: '/none': there is no such program"),
        ({"plugin": {"command": ["{here}/subject.yaml"], "configuration": TYPE}}, "it may not be executed"),
        ({"plugin": {"command": ["./x"], "configuration": TYPE}}, "'./x' is a relative path; write it as {here}/x"),
        ({"plugin": {"command": ["true"], "configuration": {**TYPE, "a": [{"b": "{kubeconfg}"}]}}},
         "plugin.configuration: there is no placeholder {kubeconfg}; allowed: binDir"),
        ({"daemon": {"command": ["/none"], "ready": {"file": "x"}}}, "daemon.command: '/none': there is no such program"),
        ({"daemon": {"command": ["true"], "ready": {"file": "{wrok}"}}}, "daemon.ready: there is no placeholder {wrok}"),
        ({"daemon": {"command": ["true"], "ready": {"file": "x"}, "timeoutSeconds": "soon"}}, "a number of seconds"),
        ({"implementation": {**WHO, "version": 1.10}}, "implementation.version: it must be a text; write it in quotes"),
    ],
)  # fmt: skip
def test_a_subject_that_is_wrong(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(SubjectError) as caught:
        check(write(tmp_path, **changes))
    assert text in str(caught.value)


def test_no_plugin(tmp_path: Path) -> None:
    path = tmp_path / "subject.yaml"
    path.write_text(f"implementation: {WHO}\nprofiles: [{CORE}]\n")
    with pytest.raises(SubjectError, match=r"^plugin: it is missing, and profile npwg-1\.3-core tests it$"):
        check(path)


def test_text_that_is_not_yaml_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "subject.yaml"
    path.write_text("profiles: [a\nplugin:\n")
    with pytest.raises(SubjectError) as caught:
        load_subject(path)
    assert str(caught.value).startswith(f"{path}: the subject is not YAML: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["/none/program"], "'/none/program': No such file"),
        ([sys.executable, "-c", "import sys; sys.exit('lost')"], "it ended with code 1: lost"),
        ([sys.executable, "-c", ""], "it ended with code 0"),
    ],
)
def test_a_version_that_cannot_be_had(tmp_path: Path, words: list[str], text: str) -> None:
    subject = load_subject(write(tmp_path, implementation={**WHO, "versionCommand": words}))
    with pytest.raises(SubjectError, match=r"^implementation\.versionCommand: ") as caught:
        find_version(subject)
    assert text in str(caught.value)


def test_a_version(tmp_path: Path) -> None:
    words = ["{python}", "-c", "print('v1.2.3'); print('more')"]
    subject = load_subject(write(tmp_path, implementation={**WHO, "versionCommand": words}))
    assert find_version(subject).version == "v1.2.3"


def test_a_report_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "report").touch()
    with pytest.raises(SubjectError, match="the folder cannot be made: File exists"):
        make_folder(tmp_path / "report")


def test_deviations_that_name_no_test() -> None:
    test = "npwgcore/test_x.py::test_y[a]"
    results = [
        Result(test=test, profile=CORE, clauses=(Clause("npwg-1.3", "4", MUST),), title="", outcome=PASSED, reason="",
               took_s=0)
    ]  # fmt: skip
    names = [test, "npwgcore/test_x.py::test_y*", "npwgcore/test_x.py::test_z*", "robustness/test_a.py::test_b"]
    rows = [Deviation(tests=name, reason="r") for name in names]
    assert find_unused(rows, results) == ["npwgcore/test_x.py::test_z*"]


def test_no_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commandline.main(["--subject", str(write(tmp_path)), "--workers", "0"])
    assert ended.value.code == commandline.USAGE
    assert "--workers: 0: at least 1 is needed" in capsys.readouterr().err
