"""Helm charts in a tree: their templates are no YAML before Helm has filled them in.

A directory with a `Chart.yaml` is a chart. That file, `values*.yaml` beside it and everything below `templates` are no
objects of Kubernetes; what else is in the directory, such as `crds`, is read like everything else.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import PurePath

from .problems import Position, Problem

CHART = "Chart.yaml"
FIX = "check what Helm makes of them: helm template {folder} | nadmit check -"


def set_aside(files: Iterable[str], *, named: Container[str]) -> tuple[list[str], list[Problem]]:
    """Return the files without those of charts, and a remark for each chart; files that are `named` stay."""
    files = list(files)
    charts = {PurePath(file).parent for file in files if PurePath(file).name == CHART and file not in named}
    if not charts:
        return files, []
    kept = [file for file in files if file in named or not _is_of(PurePath(file), charts)]
    return kept, [_remark(chart) for chart in sorted(charts)]


def _is_of(file: PurePath, charts: Container[PurePath]) -> bool:
    if file.parent in charts and (file.name == CHART or file.name.startswith("values")):
        return True
    return any(folder.name == "templates" and folder.parent in charts for folder in file.parents)


def _remark(chart: PurePath) -> Problem:
    text = f"the templates of a Helm chart are passed over; {FIX.format(folder=chart)}"
    return Problem(Position(str(chart / CHART)), "helm-chart", text)
