"""A directory of schemas that administrators write for CNI plugins of their own: one YAML or JSON file each.

NB: without pydantic, which takes 100 ms to import; commands without --config read such a directory as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from webhook.admission.plugins.schema import PluginSchema
from webhook.files import describe_unreadable, load_file, within
from webhook.plugindata.adminschemas import read_schemas
from webhook.trees import yamlstream
from webhook.trees.positions import Source
from webhook.trees.problems import ManifestError, Position, Problem

SUFFIXES = frozenset({".json", ".yaml", ".yml"})
BYTES_MAX = 262_144
"""As much as a whole NadmitConfiguration may have."""
RULE = "plugin-schema"


def load_directory(directory: Path) -> Mapping[str, PluginSchema]:
    """Return the schemas of a directory by plugin type; a schema has several types when it has other names.

    Files `*.json`, `*.yaml` and `*.yml` that are not hidden count. Raises ManifestError with every mistake.
    """
    problems: list[Problem] = []
    written = list(_read(directory, problems))
    if not written and not problems:
        text = "no schema is found; name a directory with files *.json, *.yaml or *.yml"
        problems.append(Problem(Position(str(directory)), RULE, text))
    schemas = read_schemas([value for _, value in written])
    for mistake in schemas.mistakes:
        index, *steps = mistake.steps
        problems.append(written[int(index)][0].problem(steps, RULE, mistake.text))
    if problems:
        raise ManifestError(sorted(problems, key=lambda problem: problem.position))
    return schemas.by_type


def _read(directory: Path, problems: list[Problem]) -> Iterator[tuple[Source, object]]:
    try:
        names = within(directory, lambda: list(directory.iterdir()))
        files = sorted(file for file in names if file.suffix in SUFFIXES and file.name[0] != ".")
    except OSError as error:
        problems.append(_unreadable(directory, error))
        return
    for file in files:
        try:
            yield _parse(str(file), load_file(file, bytes_max=BYTES_MAX))
        except OSError as error:
            problems.append(_unreadable(file, error))
        except ManifestError as error:
            problems.extend(error.problems)


def _parse(file: str, data: bytes) -> tuple[Source, object]:
    text = yamlstream.decode(data, file=file, rule=RULE)
    problems: list[Problem] = []
    values = [value for _, value in yamlstream.read(text, file=file, problems=problems)]
    if not problems and len(values) != 1:
        problems = [Problem(Position(file), RULE, f"{len(values)} documents; allowed: one, which is one schema")]
    if problems:
        raise ManifestError(problems)
    return Source(file, text), values[0]


def _unreadable(path: Path, error: OSError) -> Problem:
    otherwise = (
        "name the directory that has it" if isinstance(error, NotADirectoryError) else "name what this user may read"
    )
    return Problem(Position(str(path)), RULE, f"it {describe_unreadable(error, otherwise)}")
