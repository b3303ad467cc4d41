"""Every command in a console block of a page exists: its words, its options, and the files of the project that it names.

`tests/docs/test_tutorial.py` and `test_howto.py` run the commands of their pages.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cniplugin.install import commandline
from tests.docs.consoles import commands
from tests.paths import ROOT
from webhook.cli import nadmit

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
OURS = ("manifests/", "manifests", "examples/", "docs/")
"""Beginnings of paths of the project."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_exist(page: Path) -> None:
    wrong = [f"{command.line}: {problem}" for command in commands(page) for problem in problems(command.line)]
    assert wrong == []


def problems(line: str) -> list[str]:
    """Return what is wrong with the commands of a line."""
    found = []
    for part in re.split(r"\s(?:\||&&|;)\s", re.sub(r"\$\(.*?\)|[<>] ?\S+|<<.*", " ", line)):
        try:
            words = shlex.split(part)
        except ValueError:
            words = part.split()
        while words and (words[0] == "sudo" or re.fullmatch(r"[A-Z_]+=.*", words[0])):
            words.pop(0)
        if words and words[0] == "nadmit":
            found += wrong_words(words[1:])
        elif words and words[0] == "make":
            found += [f"no target {word}" for word in words[1:] if "=" not in word and word not in targets()]
        found += [
            f"no such path: {word}"
            for word in words
            if word.startswith(OURS) and "..." not in word and not exists(word)
        ]
    return found


def exists(word: str) -> bool:
    return bool([*ROOT.glob(word.rstrip("/"))])


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def wrong_words(words: list[str]) -> list[str]:
    """Return the words of a command of `nadmit` that do not exist."""
    if words and words[0] in commandline.COMMANDS:
        known = {f"--{name}" for name in commandline.OPTIONS} | {f"--{name}" for name in commandline.FLAGS}
        return [f"no option {word}" for word in options(words) if word not in known]
    command: click.Command = nadmit
    context = click.Context(nadmit)
    rest = list(words)
    known = option_names(nadmit)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            return [f"no command {rest[0]}"]
        command, rest = found, rest[1:]
        known |= option_names(command)
    return [f"no option {word}" for word in options(rest) if word not in known]


def options(words: list[str]) -> list[str]:
    given = words[: words.index("--")] if "--" in words else words
    return [word.partition("=")[0] for word in given if re.match(r"--?[a-z]", word)]


def option_names(command: click.Command) -> set[str]:
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nadmit chek deploy/", "no command chek"),
        ("kubectl get pods | nadmit check --nowhere -", "no option --nowhere"),
        ("nadmit webhooks stag Ignore", "no command stag"),
        ("nadmit gc --cri --apply", "no option --cri"),
        ("make tests", "no target tests"),
        ("kubectl apply -k manifests/nowhere", "no such path: manifests/nowhere"),
    ],
)
def test_a_wrong_command_is_found(line: str, problem: str) -> None:
    assert problems(line) == [problem]
