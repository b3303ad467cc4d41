"""A baseline: only new findings are reported, whatever moves, and what is gone is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .trees import NETWORKS, RENAMED, check, findings, network, pod, rules, summary, write

WRONG = f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  namespace: blue\n  annotations:\n    {NETWORKS}: b c\n"


@pytest.fixture(autouse=True)
def _a_tree_with_a_baseline() -> None:
    write({"d/a.yaml": WRONG, "d/lan.yaml": network("lan", RENAMED)})
    result = check("--baseline", "known.json", "--write-baseline", "d")
    assert (result.exit_code, result.stdout) == (
        0,
        "known.json: 2 findings written; give --baseline known.json from now on\n",
    )


def again(*words: str) -> list[str]:
    return [rule for _, rule in rules("--baseline", "known.json", "d", *words)]


def test_what_was_there_is_counted_only() -> None:
    result = check("--strict", "--baseline", "known.json", "d")
    assert (result.exit_code, summary(result)) == (
        0,
        "2 objects in 2 files (2 judged), 0 problems, 0 warnings; suppressed: 2 by the baseline",
    )


def test_the_file_is_written_for_people_and_repeatable() -> None:
    text = Path("known.json").read_text()
    value = json.loads(text)
    assert value["version"] == 1
    assert [(one["file"], one["rule"], one["object"], one["count"]) for one in value["findings"]] == [
        ("d/a.yaml", rules("d/a.yaml")[0][1], "pod blue/a", 1),
        ("d/lan.yaml", "config-name", "networkattachmentdefinition blue/lan", 1),
    ]
    assert len(text.splitlines()) == 8
    check("--baseline", "known.json", "--write-baseline", "d")
    assert Path("known.json").read_text() == text


def test_moved_lines_and_another_directory_to_start_from_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    write({"d/a.yaml": f"# one\n\n{pod('new')}---\n{WRONG}", "d/lan.yaml": f"# more\n{network('lan', RENAMED)}"})
    assert again() == []
    monkeypatch.chdir("d")
    assert rules("--baseline", "../known.json", ".") == []
    assert rules("--baseline", str(Path("..").resolve() / "known.json"), str(Path.cwd())) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("d/a.yaml", WRONG.replace("b c", "b d")),
        ("d/a.yaml", WRONG.replace("name: a", "name: other")),
        ("d/other.yaml", WRONG.replace("name: a", "name: z")),
    ],
)
def test_a_changed_line_another_object_and_another_file_are_new(name: str, text: str) -> None:
    write({name: text})
    assert [rule for rule in again() if rule != "unused-baseline"] == [rules("d/a.yaml")[0][1]]
    assert check("--baseline", "known.json", "d").exit_code == 1


def test_one_more_of_the_same_is_new() -> None:
    write({"d/a.yaml": f"{WRONG}---\n{WRONG}"})
    assert "duplicate-object" in again()
    assert len(again()) == 2, "the second one is a duplicate, and has a finding of its own"


def test_what_is_gone_is_a_warning() -> None:
    write({"d/a.yaml": pod("a")})
    (found,) = findings("--baseline", "known.json", "d")
    assert (found["level"], found["rule"], found["file"]) == ("warning", "unused-baseline", "known.json")
    assert found["message"].startswith("1 entry is of no use, because nothing of it is found: ")
    assert found["message"].endswith("of pod blue/a; write it again: --write-baseline")
    Path("d/a.yaml").unlink()
    assert again() == ["unused-baseline"]


def test_the_baseline_in_the_tree_is_no_file_of_it() -> None:
    result = check("--baseline", "known.json", ".")
    assert "passed over" not in result.stdout
    assert check("--baseline", "./known.json", str(Path.cwd())).stdout.count("passed over") == 0


def test_files_that_were_not_read_are_not_gone() -> None:
    assert rules("--baseline", "known.json", "d/lan.yaml") == []


def test_a_comment_comes_first_and_notes_are_no_findings() -> None:
    write({"d/lan.yaml": network("lan", RENAMED).replace("spec:", "spec: # nadmit: ignore config-name why")})
    write({"d/c/Chart.yaml": "name: c\n"})
    assert check("--baseline", "known.json", "--write-baseline", "d").stdout.startswith("known.json: 1 finding written")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "known.json: not a baseline: it is not JSON"),
        ("[]", "known.json: not a baseline of version 1, as nadmit writes it; write it again: --write-baseline"),
        ('{"version": 2, "findings": []}', "not a baseline of version 1"),
        ('{"version": 1, "findings": [{"fingerprint": 1}]}', "not a baseline of version 1"),
    ],
)
def test_a_file_that_is_no_baseline(text: str, message: str) -> None:
    Path("known.json").write_text(text)
    result = check("--baseline", "known.json", "d")
    assert (result.exit_code, message in result.stderr) == (2, True)


def test_files_that_cannot_be_read_or_written() -> None:
    absent = check("--baseline", "none.json", "d")
    assert absent.exit_code == 2
    assert "none.json: cannot be read: no such file or directory; name a file that exists, or make one" in absent.stderr
    nowhere = check("--baseline", "no/where.json", "--write-baseline", "d")
    assert nowhere.exit_code == 2
    assert "no/where.json: cannot be written: no such file or directory" in nowhere.stderr
