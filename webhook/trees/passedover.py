"""What a command passes over in a tree, by kind: it is counted always, and listed if somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple


class PassedOver(NamedTuple):
    """One thing that is not read or not judged. `kind`: of KINDS. `where`: its path or name. `why`: may be ""."""

    kind: str
    where: str
    why: str = ""


KINDS = {
    "foreign": ("file of another program", "files of other programs"),
    "template": ("template", "templates"),
    "chart": ("Helm chart", "Helm charts"),
    "kustomization": ("kustomization that is not built", "kustomizations that are not built"),
    "patch": ("patch or data file of kustomize", "patches and data files of kustomize"),
    "component": ("kustomize component that no kustomization uses", "kustomize components that no kustomization uses"),
    "node_modules": ("folder node_modules", "folders node_modules"),
    "hidden": ("hidden file or folder", "hidden files and folders"),
    "link": ("link out of the tree", "links out of the tree"),
    "excluded": ("excluded file or folder", "excluded files and folders"),
    "author-rule": ("rule about authors", "rules about authors"),
    "consequence": ("object that mistakes in policies refuse", "objects that mistakes in policies refuse"),
}
"""Kind -> one of them, several of them, in the order of reports."""


def count(passed: Iterable[PassedOver]) -> list[str]:
    """Return a text such as `2 Helm charts` for each kind that occurs."""
    numbers = Counter(one.kind for one in passed)
    return [f"{numbers[kind]} {names[numbers[kind] > 1]}" for kind, names in KINDS.items() if numbers[kind]]


def listed(passed: Iterable[PassedOver]) -> list[str]:
    """Return the lines that name everything: a head for each kind, the names below it."""
    by_kind: dict[str, list[PassedOver]] = {kind: [] for kind in KINDS}
    for one in passed:
        by_kind[one.kind].append(one)
    lines: list[str] = []
    for ones in by_kind.values():
        lines += [f"passed over: {text}" for text in count(ones)]
        lines += [f"  {one.where}{f': {one.why}' if one.why else ''}" for one in ones]
    return lines
