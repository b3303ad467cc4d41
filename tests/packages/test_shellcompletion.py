"""Completions in a real bash, by the function that the documented line defines; those of other shells are printed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

from .console import environment, install_scripts, run

pytestmark = pytest.mark.slow

LINE = 'eval "$(_NADMIT_COMPLETE=bash_source nadmit)"'
"""As in docs/packages.md."""


def test_the_page_has_the_line() -> None:
    page = (ROOT / "docs" / "packages.md").read_text()
    assert f"`{LINE}`" in page
    for shell in ("zsh", "fish"):
        assert f"_NADMIT_COMPLETE={shell}_source nadmit" in page


def complete(folder: Path, *words: str) -> list[str]:
    """Return what bash would offer for the last word: readline calls the function in the same way."""
    typed = " ".join(shlex.quote(word) for word in ("nadmit", *words))
    program = f"""
    set -eu
    {LINE}
    complete -p nadmit >&2
    COMP_WORDS=({typed}); COMP_CWORD={len(words)}
    compopt() {{ echo "compopt" "$@"; }}
    _nadmit_completion nadmit
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    scripts = install_scripts(folder / "bin")
    done = run(["bash", "--norc", "-c", program], folder, environment(scripts))
    assert done.returncode == 0, done.stderr
    assert "-F _nadmit_completion nadmit" in done.stderr
    return done.stdout.split("\n")[:-1]


CASES = {
    "commands": (["w"], ["why", "who", "webhooks"]),
    "commands of a group": (["webhooks", "s"], ["show", "status", "stage"]),
    "options": (["check", "--base"], ["--baseline"]),
    "values": (["check", "-o", "sa"], ["sarif"]),
    "files": (["check", "dep"], ["compopt -o default", ""]),
    "types": (["explain", "--type", "macv"], ["macvlan", "macvtap"]),
}


@pytest.mark.parametrize(("words", "offered"), CASES.values(), ids=CASES)
def test_bash(tmp_path: Path, words: list[str], offered: list[str]) -> None:
    assert complete(tmp_path, *words) == offered


@pytest.mark.parametrize(
    ("shell", "said"), [("zsh", "compdef _nadmit_completion nadmit"), ("fish", "complete --no-files")]
)
def test_other_shells_have_a_script(tmp_path: Path, shell: str, said: str) -> None:
    scripts = install_scripts(tmp_path / "bin")
    done = run(["nadmit"], tmp_path, environment(scripts, _NADMIT_COMPLETE=f"{shell}_source"))
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_the_name_of_a_command_is_completed_without_its_modules(tmp_path: Path) -> None:
    """A shell waits for each completion: no command is imported to list commands."""
    scripts = install_scripts(tmp_path / "bin")
    asked = {"_NADMIT_COMPLETE": "bash_complete", "COMP_WORDS": "nadmit s", "COMP_CWORD": "1"}
    done = run([sys.executable, "-X", "importtime", str(scripts / "nadmit")], tmp_path, environment(scripts, **asked))
    assert done.returncode == 0, done.stderr
    assert "webhook.commands.serve" not in done.stderr
    assert "webhook.commands.commandgroup" in done.stderr
    assert done.stdout.split() == ["plain,serve", "plain,scan", "plain,schema"]
