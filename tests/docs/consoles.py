"""The commands of a page: the lines of its console blocks that begin with `$`, what the page shows below each, and running them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.paths import ROOT
from tests.realapi.server import RealApiServer

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


class Done(NamedTuple):
    """The end of a command. `output` has standard error first."""

    code: int
    output: str


def run(server: RealApiServer, line: str, directory: Path = ROOT) -> Done:
    """Run a command of kubectl or nadmit as the administrator of a cluster."""
    words = shlex.split(line)
    program = [str(server.assets.kubectl)] if words[0] == "kubectl" else [sys.executable, "-m", "webhook"]
    environ = {
        **os.environ,
        "KUBECONFIG": str(server.admin_kubeconfig),
        "HOME": str(server.directory),
        "NO_COLOR": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    done = subprocess.run(
        [*program, *words[1:]], cwd=directory, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    return Done(done.returncode, done.stderr + done.stdout)
