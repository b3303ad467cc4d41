"""Wrong calls of `nadmit schema`: each ends with 2, and says what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from .judged import run

WRONG = {
    "schema": "Missing argument 'KIND'. Choose from:",
    "schema polcy": "'polcy' is not one of 'policy', 'config', 'annotation', 'cni'",
    "schema cni brige": 'no such plugin is known: "brige"; did you mean "bridge"? allowed: those that `nadmit schema cni`',
    "schema cni --strict": "TYPE is missing; give one or more, or --all; `nadmit schema cni` lists them",
    "schema cni --out x.json": "TYPE is missing",
    "schema cni bridge --all": "TYPE and --all exclude each other",
    "schema policy bridge": "policy has no TYPE; remove bridge, or write: nadmit schema cni bridge",
    "schema policy --strict": "--strict changes nothing about policy",
    "schema annotation --all": "annotation has no plugin types",
    "schema config --out /dev/null/x.json": "nadmit: /dev/null/x.json: cannot be written: not a directory",
}


@pytest.mark.parametrize(("words", "said"), WRONG.items(), ids=WRONG)
def test_wrong_calls(words: str, said: str) -> None:
    code, output = run(*words.split())
    assert code == 2
    assert said in output


def test_a_schema_that_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    assert run("schema", "policy", "--out", str(tmp_path / "no" / "x.json"))[0] == 2
    assert list(tmp_path.iterdir()) == []
