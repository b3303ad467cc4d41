"""The commands of a page: the lines of its console blocks that begin with `$`, and what the page prints below each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r"^ *```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"\s+#(?= ).*$")
CONTINUED = re.compile(r"(\\|\||&&)$")


class Command(NamedTuple):
    """A command without its comment, and the lines of output that the page shows."""

    line: str
    printed: tuple[str, ...]


def commands(page: Path) -> list[Command]:
    """Return the commands of a page, in their order. A command goes on after a backslash or an operator."""
    return [command for block in BLOCK.findall(page.read_text()) for command in _of_block(block)]


def _of_block(block: str) -> list[Command]:
    found: list[Command] = []
    lines = iter(block.splitlines())
    for written in lines:
        line = written.strip()
        if line.startswith("$ "):
            command = COMMENT.sub("", line[2:])
            while CONTINUED.search(command):
                command = f"{command.removesuffix(chr(92))} {COMMENT.sub('', next(lines).strip())}"
            found.append(Command(" ".join(command.split()) if "'" not in command else command, ()))
        elif found and line and not line.startswith("#"):
            found[-1] = found[-1]._replace(printed=(*found[-1].printed, written.rstrip()))
    return found
