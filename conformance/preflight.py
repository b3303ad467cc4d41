"""What must be right before the first test, so that a mistake is one line and not hundreds of failed tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .placeholders import PLUGIN_NAMES, WEBHOOK_NAMES, fill, names_in
from .profilelist import BY_NAME, NODE, WEBHOOK
from .results import Result
from .subject import Deviation, Implementation, Subject, SubjectError


def check_subject(subject: Subject, profiles: Sequence[str]) -> None:
    """Check that the subject can be started for some profiles. Raises SubjectError."""
    if not profiles:
        raise SubjectError(f"profiles: the list is empty; allowed: {', '.join(BY_NAME)}")
    kinds = {BY_NAME[name].kind for name in profiles}
    for kind, part, given in ((NODE, "plugin", subject.plugin), (WEBHOOK, "webhook", subject.webhook)):
        if kind in kinds and given is None:
            named = next(name for name in profiles if BY_NAME[name].kind == kind)
            raise SubjectError(f"{part}: it is missing, and profile {named} tests it")
    names = WEBHOOK_NAMES if NODE not in kinds else PLUGIN_NAMES
    known = {"here": str(subject.here), "python": sys.executable}
    for where, value in _started(subject, kinds):
        unknown = next((name for name in names_in(value) if name not in names), None)
        if unknown is not None:
            raise SubjectError(f"{where}: there is no placeholder {{{unknown}}}; allowed: {', '.join(sorted(names))}")
        if where.endswith(".command"):
            _check_program(where, fill(value, known))


def _started(subject: Subject, kinds: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a subject that have placeholders. NB: files may have braces of their own."""
    if subject.plugin is not None and NODE in kinds:
        yield "plugin.command", list(subject.plugin.command)
        yield "plugin.configuration", subject.plugin.configuration
    if subject.daemon is not None:
        yield "daemon.command", list(subject.daemon.command[:1])
        yield "daemon.environment", dict(subject.daemon.environment)
        yield "daemon.ready", dict(subject.daemon.ready)


def _check_program(where: str, words: Sequence[str]) -> None:
    if not words:
        raise SubjectError(f"{where}: the list is empty; it begins with the program")
    program = words[0]
    if any(names_in(program)):  # the run makes it
        return
    if "/" in program and not program.startswith("/"):
        raise SubjectError(
            f"{where}: {program!r} is a relative path; write it as {{here}}/{program.removeprefix('./')}"
        )
    if shutil.which(program) is None:
        problem = "it may not be executed" if Path(program).exists() else "there is no such program"
        raise SubjectError(f"{where}: {program!r}: {problem}")


def find_version(subject: Subject) -> Implementation:
    """Return the implementation with the version that its command prints. Raises SubjectError if that fails."""
    known = subject.implementation
    if not known.version_command:
        return known
    words = fill(list(known.version_command), {"python": sys.executable, "here": str(subject.here)})
    where = "implementation.versionCommand"
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise SubjectError(f"{where}: {words[0]!r}: {error.strerror}") from error
    lines = (done.stdout or done.stderr).strip().splitlines()
    if done.returncode or not lines:
        said = f": {lines[-1]}" if lines else ""
        raise SubjectError(f"{where}: it ended with code {done.returncode}{said}")
    return replace(known, version=lines[0])


def make_folder(path: Path) -> None:
    """Make the folder of the report. Raises SubjectError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SubjectError(f"--report {path}: the folder cannot be made: {error.strerror}") from error


def find_unused(rows: Sequence[Deviation], results: Sequence[Result]) -> list[str]:
    """Return the names and patterns that belong to no test, though all tests of their profile have run."""
    folders = {one.test.partition("/")[0] for one in results}
    return [
        row.tests
        for row in rows
        if row.tests.partition("/")[0] in folders and not any(row.matches(one.test) for one in results)
    ]
