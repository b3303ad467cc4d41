"""The objects of paths that a user names, as people keep them: plain files, kustomizations, Helm charts, and the rest.

A kustomization or a chart becomes the objects that it makes. Files of other programs are passed over. A file that the
user names is always read as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os.path import normpath, realpath
from pathlib import Path
from typing import TYPE_CHECKING

from webhook.files import load_file

from . import documents, treefiles
from .documents import Document
from .passedover import PassedOver
from .problems import ManifestError, Position, Problem
from .yamlstream import RENDER, decode

if TYPE_CHECKING:
    from .builds.charts import Chart
    from .builds.kustomizations import Closure

SHOWN_MAX = 3
"""Charts and kustomizations that one remark names."""


class Gathered:
    """What was read. `remarks`: what the user should know, though nothing is wrong.

    `files`: in order, with those that a program builds from. `texts`: of files by name.
    """

    def __init__(self, files: Sequence[str] = (), passed_over: Sequence[PassedOver] = ()) -> None:
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self.remarks: list[Problem] = []
        self.warnings: list[Problem] = []
        self.passed_over = list(passed_over)
        self.files = list(files)
        self.texts: dict[str, str] = {}


Progress = Callable[[Sequence[str]], Iterable[str]]
"""Files -> the same files, while something shows how many are read."""


def gather(
    paths: Sequence[str], *, exclude: Sequence[str] = (), own: Path | None = None, progress: Progress = iter
) -> Gathered:
    """Return the objects of files and directories.

    `exclude`: patterns of `treefiles.is_excluded`. `own`: a file of nadmit's that may be in the tree. Raises
    ManifestError for a path that does not exist, and a directory that cannot be listed.
    """
    found = treefiles.find(paths, exclude=exclude)
    if own is not None:
        found = found._replace(files=[file for file in found.files if not _is_same(file, own)])
    gathered = Gathered(sorted_with(found.files, found.kustomizations), found.passed_over)
    reader = _Reader(gathered, found.named)
    plain = found.files
    if found.kustomizations:
        plain = _take_kustomizations(reader, plain, found.kustomizations)
    if any(file.endswith("Chart.yaml") for file in plain):
        plain = _take_charts(reader, plain)
    for file in progress(plain):
        gathered.documents += reader.read(file)
    if templates := [one for one in gathered.passed_over if one.kind == "template"]:
        gathered.remarks.append(_not_filled_in(templates))
    return gathered


def _not_filled_in(templates: Sequence[PassedOver]) -> Problem:
    text = f"{_names([one.where for one in templates])} not judged, because a template is not filled in; {RENDER}"
    return Problem(Position(templates[0].where.partition(":")[0]), "template", text)


def _is_same(file: str, own: Path) -> bool:
    return file.endswith(own.name) and realpath(file) == realpath(own)


def sorted_with(files: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return two lists of files as one, in the order of the first if the second is empty."""
    return sorted({*files, *others}) if others else list(files)


class _Reader:
    """Reads files into a result. `named`: paths that the user names, where no file is foreign."""

    def __init__(self, gathered: Gathered, named: frozenset[str]) -> None:
        self.gathered = gathered
        self.named = named

    def read(self, file: str) -> list[Document]:
        """Return the objects of a plain file."""
        problems: list[Problem] = []
        text, found = read_text(file, problems, self.gathered.texts)
        if file in self.named or not (problems or (text and ("{%" in text or "{{" in text or "${" in text))):
            self.gathered.problems += problems
            return found
        from . import foreign  # noqa: PLC0415 - few files are

        kept, left, passed = foreign.sort_out(text, found, problems)
        self.gathered.problems += left
        self.gathered.passed_over += passed
        return kept

    def read_part(self, file: str, problems: list[Problem]) -> list[Document]:
        """Return the objects of a file that a kustomization names."""
        return read_text(file, problems, self.gathered.texts)[1]


def read_text(file: str, problems: list[Problem], texts: dict[str, str]) -> tuple[str | None, list[Document]]:
    """Return the text and the objects of a file, and keep the text; None for one that is not UTF-8."""
    try:
        text = decode(load_file(Path(file), bytes_max=treefiles.FILE_BYTES_MAX), file=file, rule="not-utf-8")
    except OSError as error:
        problems.append(treefiles.unreadable(file, error))
        return None, []
    except ManifestError as error:
        problems.extend(error.problems)
        return None, []
    texts[file] = text
    return text, list(documents.parse(text, file=file, problems=problems))


# Kustomizations


def _take_kustomizations(reader: _Reader, files: Sequence[str], kustomizations: Sequence[str]) -> list[str]:
    """Build what can be built, and return the files that are left to be read as they are."""
    from .builds import kustomizations as kustomize  # noqa: PLC0415 - few trees have one
    from .builds import programs  # noqa: PLC0415

    gathered = reader.gathered
    roots, loose, others = kustomize.find_roots(kustomizations)
    program = programs.find("kubectl", "kustomize")
    gathered.passed_over += [PassedOver("component", one.file) for one in loose]
    taken = {normpath(file) for one in loose for file in (*one.resources, *one.others)}
    unbuilt: list[tuple[Closure, str]] = []
    free = [root for root in roots if program and not root.obstacle]
    built = dict(zip(map(id, free), kustomize.build_all(program, free), strict=True))
    for root in roots:
        taken |= root.files
        made = built.get(id(root))
        if made is not None and not made.error:
            gathered.documents += kustomize.read_built(root, made, reader.read_part, gathered.problems)
            continue
        why = root.obstacle or "there is no kubectl on PATH"
        if made is not None:
            gathered.warnings.append(_not_built(root, made.error))
            why = "it cannot be built"
        unbuilt.append((root, why))
        gathered.documents += kustomize.read_unbuilt(root, reader.read_part, gathered.problems)
    for root, why in unbuilt:
        left = sorted(root.files - set(root.resources) - {normpath(part.file) for part in root.parts})
        gathered.passed_over.append(PassedOver("kustomization", root.root.file, why))
        gathered.passed_over += [PassedOver("patch", file) for file in left]
    if unbuilt and any(why != "it cannot be built" for _, why in unbuilt):
        gathered.remarks.append(_read_as_is([one for one in unbuilt if one[1] != "it cannot be built"]))
    named = {normpath(file) for file in reader.named}
    rest = [file for file in files if normpath(file) not in taken or normpath(file) in named]
    return [*rest, *others]


def _not_built(root: Closure, error: str) -> Problem:
    text = f"kustomize cannot build it, so its files are read as they are, without patches: {error}"
    return Problem(Position(root.root.file), "kustomization-build", text)


def _read_as_is(unbuilt: Sequence[tuple[Closure, str]]) -> Problem:
    first, why = unbuilt[0]
    text = (
        f"{_names([root.root.file for root, _ in unbuilt])} not built, because {why}: resources are read as they are, "
        f"without patches; or: kubectl kustomize {first.root.folder} | nadmit check -"
    )
    return Problem(Position(first.root.file), "kustomization", text)


def shown_names(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return f"{', '.join(names[:SHOWN_MAX])}{more}"


def _names(names: Sequence[str]) -> str:
    return f"{shown_names(names)} {'is' if len(names) == 1 else 'are'}"


# Charts


def _take_charts(reader: _Reader, files: Sequence[str]) -> list[str]:
    """Render the charts, and return the files that are left to be read as they are."""
    from .builds import charts, programs  # noqa: PLC0415 - few trees have one

    gathered = reader.gathered
    kept, found, _ = charts.take_out(files, named=reader.named)
    helm = programs.find("helm")
    skipped: list[Chart] = []
    for chart in found:
        if chart.is_library:
            gathered.passed_over.append(PassedOver("chart", chart.folder, "a library, which makes no objects"))
        elif not helm:
            gathered.passed_over.append(PassedOver("chart", chart.folder, "there is no helm on PATH"))
            skipped.append(chart)
        else:
            try:
                gathered.documents += charts.render(helm, chart, gathered.problems)
            except programs.ProgramError as error:
                gathered.passed_over.append(PassedOver("chart", chart.folder, str(error)))
                gathered.remarks.append(_not_rendered(chart, str(error)))
    if skipped:
        gathered.remarks.append(_without_helm(skipped))
    return kept


def _not_rendered(chart: Chart, error: str) -> Problem:
    fix = f"give it values: helm template -f VALUES {chart.folder} | nadmit check -"
    return Problem(Position(chart.file), "helm-chart", f"the chart is passed over, because helm fails: {error}; {fix}")


def _without_helm(charts: Sequence[Chart]) -> Problem:
    names = _names([chart.folder for chart in charts])
    text = (
        f"{'the Helm chart' if len(charts) == 1 else 'Helm charts'} {names} passed over, because there is no helm on "
        f"PATH; install it, or: helm template {charts[0].folder} | nadmit check -"
    )
    return Problem(Position(charts[0].file), "helm-chart", text)
