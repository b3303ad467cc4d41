"""Runs the programs that build trees, kubectl and helm, with a bound on time and output.

They get the reader's environment and no standard input. nadmit never passes them an option that fetches from a network
or runs plugins.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence

TIMEOUT_S = 60.0
"""Building from files takes a second or less. A build that waits for a network takes longer."""
OUTPUT_MAX = 256 * 1024 * 1024
"""Bytes; as much as one file may have."""
_ERROR_MAX = 300
"""Characters of an error that are shown."""


class ProgramError(Exception):
    """A program failed, or did not end in time. The text is one line."""


def find(*names: str) -> str:
    """Return the path of the first program that is on PATH; "" if there is none."""
    return next((path for name in names if (path := shutil.which(name))), "")


def run(command: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> bytes:
    """Return the standard output of a program. Raises ProgramError."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ProgramError(f"it does not end within {timeout_s:g} s") from error
        except OSError as error:
            raise ProgramError(f"it cannot be run: {(error.strerror or str(error)).lower()}") from error
        if done.returncode:
            errors.seek(0)
            raise ProgramError(_last_words(errors.read(65536).decode(errors="replace"), done.returncode))
        output.seek(0)
        text = output.read(OUTPUT_MAX + 1)
    if len(text) > OUTPUT_MAX:
        raise ProgramError(f"it prints more than {OUTPUT_MAX} bytes")
    return text


def _last_words(text: str, code: int) -> str:
    """Return the end of an error, which is the cause in the programs that name the steps to it first."""
    line = " ".join(text.split())
    if not line:
        return f"it ends with exit code {code}"
    return line if len(line) <= _ERROR_MAX else f"...{line[-_ERROR_MAX:]}"
