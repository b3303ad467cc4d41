"""The hook for pre-commit: its file has what pre-commit reads, and its entry works on a repository.

pre-commit itself is not a tool of this project. It was tried with pre-commit 4.7, which installs the hook by `pip install .`
and runs the entry as these tests do.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.paths import EXAMPLES, ROOT

from .console import PROJECT, environment, install_scripts, run

pytestmark = pytest.mark.slow

KEYS = {
    "id": str, "name": str, "description": str, "entry": str, "language": str, "args": list, "types_or": list,
    "pass_filenames": bool, "require_serial": bool,
}  # fmt: skip
"""Of the format of `.pre-commit-hooks.yaml`, those that the hook uses."""


def hook() -> dict[str, Any]:
    (found,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {key: type(value) for key, value in found.items()} == KEYS
    made: dict[str, Any] = found
    return made


def run_hook(folder: Path, args: list[str] | None = None) -> tuple[int, str]:
    """Run the entry as pre-commit does: at the top of the repository, with the hook's arguments or the user's."""
    made = hook()
    words = [*shlex.split(made["entry"]), *(made["args"] if args is None else args)]
    done = run(words, folder, environment(install_scripts(folder.parent / "bin")))
    return done.returncode, done.stdout + done.stderr


def test_the_entry_is_a_script_of_the_project() -> None:
    assert hook()["entry"].split()[0] in PROJECT["scripts"]
    assert hook()["language"] == "python"
    assert not hook()["pass_filenames"], "a pod is judged against the networks of the whole tree"


def test_a_repository_that_is_right_passes(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    for file in (EXAMPLES / "cluster").iterdir():
        (folder / file.name).write_text(file.read_text())
    code, output = run_hook(folder)
    assert code == 0, output
    assert output.endswith("0 problems, 1 warning\n")


def test_a_mistake_fails_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "repository" / "deploy"
    folder.mkdir(parents=True)
    (folder / "lan.yaml").write_text(
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: lan, namespace: blue}\n"
        'spec:\n  config: |\n    {"cniVersion": "1.0.0", "type": "bridge", "vlan": "5"}\n'
    )
    code, output = run_hook(folder.parent, ["deploy/"])
    assert code == 1
    assert output.startswith("deploy/lan.yaml:6:47: error: ")
    assert run_hook(folder.parent, ["nowhere/"])[0] == 2


def test_the_page_names_the_hook() -> None:
    page = (ROOT / "docs" / "packages.md").read_text()
    (text,) = re.findall(r"```yaml\n(# \.pre-commit-config\.yaml\n.*?)```", page, re.DOTALL)
    (repository,) = yaml.safe_load(text)["repos"]
    assert [one["id"] for one in repository["hooks"]] == [hook()["id"]]
