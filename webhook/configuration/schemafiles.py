"""A directory of schemas of CNI plugins, which admins write for plugins of their own: YAML or JSON, a file for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cniplugin.netspec.jsontext import join
from webhook.admission.plugins.schema import PluginSchema
from webhook.files import advice, load_file, within
from webhook.plugindata.adminschemas import read_schemas
from webhook.plugindata.mistakes import Steps
from webhook.trees import positions, yamlstream
from webhook.trees.problems import ManifestError, Position, Problem

SUFFIXES = frozenset({".json", ".yaml", ".yml"})
BYTES_MAX = 262_144
"""As much as a whole NadmitConfiguration may have."""
RULE = "plugin-schema"


class _Written(NamedTuple):
    """What a file says."""

    file: str
    text: str
    value: object


def load_directory(directory: Path) -> Mapping[str, PluginSchema]:
    """Return the schemas of a directory by type, other names included.

    Files `*.json`, `*.yaml` and `*.yml` that are not hidden count. Raises ManifestError with every mistake.
    """
    problems: list[Problem] = []
    written = list(_read(directory, problems))
    if not written and not problems:
        said = "no schema is found; name a directory with files *.json, *.yaml or *.yml"
        problems.append(Problem(Position(str(directory)), RULE, said))
    found = read_schemas([one.value for one in written])
    problems += [_problem(written, mistake.steps, mistake.text) for mistake in found.mistakes]
    if problems:
        raise ManifestError(sorted(problems, key=lambda problem: problem.position))
    return found.by_type


def _read(directory: Path, problems: list[Problem]) -> Iterator[_Written]:
    try:
        names = within(directory, lambda: list(directory.iterdir()))
        files = sorted(file for file in names if file.suffix in SUFFIXES and file.name[0] != ".")
    except OSError as error:
        problems.append(_unreadable(directory, error))
        return
    for file in files:
        try:
            yield from _parse(str(file), load_file(file, bytes_max=BYTES_MAX), problems)
        except OSError as error:
            problems.append(_unreadable(file, error))


def _parse(file: str, data: bytes, problems: list[Problem]) -> Iterator[_Written]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        said = f"not UTF-8: byte 0x{data[error.start]:02x}; save it as UTF-8"
        problems.append(Problem(Position(file), RULE, said))
        return
    wrong = len(problems)
    values = [value for _, value in yamlstream.read(text, file=file, problems=problems)]
    if len(values) == 1:
        yield _Written(file, text, values[0])
    elif len(problems) == wrong:
        problems.append(Problem(Position(file), RULE, f"{len(values)} documents; allowed: one, which is one schema"))


def _problem(written: list[_Written], steps: Steps, said: str) -> Problem:
    """Say where in its file a mistake is: the first step is the number of the file."""
    index, *inner = steps
    one = written[int(index)]
    path = ""
    for step in inner:
        path = f"{path}[{step}]" if isinstance(step, int) else join(path, step)
    nodes: list[Any] = positions.compose(one.text)
    place = positions.find(nodes[0], positions.split_lines(one.text), [str(step) for step in inner])
    return Problem(Position(one.file, *place), RULE, f"{path}: {said}" if path else said)


def _unreadable(path: Path, error: OSError) -> Problem:
    reason = (error.strerror or str(error)).lower()
    is_file = isinstance(error, NotADirectoryError)
    fix = "name the directory that has it" if is_file else advice(error, "name what this user may read")
    return Problem(Position(str(path)), RULE, f"it cannot be read: {reason}; {fix}")
