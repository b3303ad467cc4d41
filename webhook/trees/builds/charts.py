"""Helm charts of a tree: their files, and the objects that helm makes of them.

A directory with a `Chart.yaml` is a chart, and everything below `templates` and `charts` belongs to it, like its values
and `ci`. Other files of the chart, such as those of `crds`, are read as they are. Templates are not YAML before helm
has filled them in: `helm template` does that with the values of the chart, and asks no cluster and no network.

Helm writes the template of each object above it (`# Source: web/templates/pod.yaml`). A field is looked for in that
file by its key, because lines move when a template is filled in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from webhook.files import load_file
from webhook.trees import documents
from webhook.trees.documents import Document
from webhook.trees.positions import Source
from webhook.trees.problems import Position, Problem

from . import programs

CHART_FILE = "Chart.yaml"
_FOLDERS = frozenset({"templates", "charts", "ci"})
_FILES = frozenset({CHART_FILE, "Chart.lock", "requirements.yaml", "requirements.lock", "values.schema.json"})
_SOURCE = re.compile(r"^# Source: ([^\n]+)$", re.MULTILINE)
_LIBRARY = re.compile(r"""^type:[ \t]*["']?library["']?[ \t]*(?:#.*)?$""", re.MULTILINE)
FILE_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. `is_library`: it has templates for other charts, and makes no objects."""

    folder: str
    is_library: bool = False

    @property
    def file(self) -> str:
        """Its Chart.yaml."""
        return CHART_FILE if self.folder == "." else f"{self.folder}/{CHART_FILE}"


def take_out(files: Iterable[str], *, named: Container[str]) -> tuple[list[str], list[Chart], list[str]]:
    """Return the files without those of charts, the charts, and the files of charts.

    A file that is `named` by the user is kept. A chart inside another one is a part of it.
    """
    files = list(files)
    folders = {PurePath(file).parent for file in files if PurePath(file).name == CHART_FILE and file not in named}
    if not folders:
        return files, [], []
    kept: list[str] = []
    taken: list[str] = []
    for file in files:
        (taken if file not in named and _is_of_chart(PurePath(file), folders) else kept).append(file)
    outer = [folder for folder in sorted(folders) if not _is_of_chart(folder / "x", folders - {folder})]
    return kept, [_read(folder) for folder in outer], taken


def _is_of_chart(file: PurePath, charts: Container[PurePath]) -> bool:
    if file.parent in charts and (file.name in _FILES or file.name.startswith("values")):
        return True
    return any(folder.name in _FOLDERS and folder.parent in charts for folder in file.parents)


def _read(folder: PurePath) -> Chart:
    try:
        text = load_file(Path(folder / CHART_FILE), bytes_max=FILE_BYTES_MAX).decode(errors="replace")
    except OSError:
        text = ""
    return Chart(str(folder), is_library=bool(_LIBRARY.search(text)))


class RenderedSource(Source):
    """The text that helm printed. A field is located in the template by its key. `unit`: the place of the chart."""

    __slots__ = ("_templates", "_texts", "unit")

    def __init__(self, chart: Chart, text: str) -> None:
        super().__init__(chart.file, text)
        self.unit = (*PurePath(os.path.normpath(chart.folder)).parts, "<chart>", CHART_FILE)
        self._templates: dict[int, str] = {}
        self._texts: dict[str, list[str]] = {}

    def remember(self, number: int, template: str) -> None:
        """Keep the template of a document, "" if it is not known."""
        self._templates[number] = template

    def locate(self, steps: Sequence[str | int], *, number: int = 0) -> Position | None:
        """Return the line of the template with the last key of a path that is written there once."""
        template = self._templates.get(number, "")
        if not template:
            return Position(self.file)
        if template not in self._texts:
            self._texts[template] = _lines(template)
        for step in reversed([str(step) for step in steps]):
            if not step.isdecimal() and (line := _only_line(self._texts[template], step)):
                return Position(template, *line)
        return Position(template)


def _lines(file: str) -> list[str]:
    try:
        return load_file(Path(file), bytes_max=FILE_BYTES_MAX).decode(errors="replace").splitlines()
    except OSError:
        return []


def _only_line(lines: Sequence[str], key: str) -> tuple[int, int] | None:
    """Return line and column of a key, None if no line or several have it."""
    pattern = re.compile(rf"""[ \t]*(?:- )?(["']?{re.escape(key)}["']?)[ \t]*:""")
    found = [(number, match.start(1) + 1) for number, line in enumerate(lines, 1) if (match := pattern.match(line))]
    return found[0] if len(found) == 1 else None


def render(program: str, chart: Chart, problems: list[Problem]) -> list[Document]:
    """Return the objects of a chart with its own values. Raises ProgramError. `program`: helm."""
    text = programs.run([program, "template", "--", chart.folder]).decode(errors="replace")
    source = RenderedSource(chart, text)
    sources = [(text.count("\n", 0, match.start()) + 1, match[1]) for match in _SOURCE.finditer(text)]
    made = []
    for document in documents.parse(text, file=chart.file, problems=problems):
        before = [name for line, name in sources if line <= document.line]
        source.remember(document.number, _template_of(chart, before[-1]) if before else "")
        made.append(replace(document, source=source, line=0))
    return made


def _template_of(chart: Chart, name: str) -> str:
    """Return the path of a template, whose name begins with that of its chart; "" for one in a packed chart."""
    path = Path(chart.folder, name.strip().partition("/")[2])
    return os.path.normpath(path) if path.is_file() else ""
