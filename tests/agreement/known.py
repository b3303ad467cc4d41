"""The known disagreements: `known.yaml`, a list of groups, each with its kind and its reason.

    - kind: admitted, fails
      reason: the link is absent on this node; the webhook does not know the links of nodes
      runs:
      - pods/badmaster

A run is a case, which means all runs of the case that disagree so, or a case and an attacher (`pods/x multus`), or with
the posture (`pods/x multus Open`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from .comparing import KINDS

FILE = Path(__file__).with_name("known.yaml")


class Known(NamedTuple):
    """One entry."""

    run: str
    kind: str
    reason: str

    def covers(self, run: str, kind: str) -> bool:
        """Say whether the entry is about this disagreement of a run."""
        return kind == self.kind and f"{run} ".startswith(f"{self.run} ")


def load(file: Path = FILE) -> list[Known]:
    """Return all entries, each with its kind and its reason."""
    groups = yaml.safe_load(file.read_text()) or []
    return [entry for group in groups for entry in _entries(group)]


def _entries(group: Mapping[str, Any]) -> list[Known]:
    assert group["kind"] in KINDS, group
    assert group["reason"], group
    return [Known(run, group["kind"], group["reason"]) for run in group["runs"]]


def unlisted(found: Mapping[str, str], known: Iterable[Known]) -> list[str]:
    """Return the runs whose disagreement is not known; `found` has the kinds by run."""
    entries = list(known)
    return [run for run, kind in found.items() if not any(entry.covers(run, kind) for entry in entries)]


def stale(found: Mapping[str, str], known: Iterable[Known], tried: Sequence[str]) -> list[Known]:
    """Return the entries about runs that were tried and do not disagree so."""
    return [
        entry
        for entry in known
        if any(f"{run} ".startswith(f"{entry.run} ") for run in tried)
        and not any(entry.covers(run, kind) for run, kind in found.items())
    ]


def lines_to_paste(found: Mapping[str, str], runs: Iterable[str]) -> str:
    """Return groups for `known.yaml`, without their reasons."""
    wanted = list(runs)
    groups = []
    for kind in KINDS:
        members = [run for run in wanted if found[run] == kind]
        if members:
            lines = "".join(
                f"\n  - {yaml.safe_dump(run, width=1000).splitlines()[0]}" for run in _merged(members, wanted)
            )
            groups.append(f'- kind: "{kind}"\n  reason: ""\n  runs:{lines}')
    return "\n".join(groups)


def _merged(members: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Leave out the posture where both postures disagree."""
    out: dict[str, None] = {}
    for run in members:
        where = run.rpartition(" ")[0]
        both = {f"{where} Open", f"{where} Isolated"} <= set(members)
        out[where if both else run] = None
    return list(out)
