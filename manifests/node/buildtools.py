"""Running the tools that build a node bundle."""

from __future__ import annotations

import subprocess


class BundleError(Exception):
    """One line that says why the bundle cannot be built."""


def run(*command: str, given: str | None = None) -> str:
    """Return the output of a command; `given` is its input. Raises BundleError if it fails."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BundleError(f"{command[0]} is not there; on Debian: apt-get install gcc libc6-dev binutils") from error
    if done.returncode:
        raise BundleError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
