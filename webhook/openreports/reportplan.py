"""Which reports to write: those that follow from the findings and differ from the stored ones (pure).

| findings about an object | its report | then |
| --- | --- | --- |
| some | none | create |
| some | with this content | nothing |
| some | with another content | patch |
| none | one | delete |
| unknown, because its kind could not be read | one | nothing |

An object without a UID has no report: it is not in the cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from webhook.report.scan.finding import LEVELS, Finding, ObjectName

from .reportform import NameRule, Object, ReportApi, is_same, name_of, patch_of, render_report

REPORTS_MAX = 10_000
"""In a cluster. Each report is an object in etcd, about 2 KiB of it."""


class Create(NamedTuple):
    """A report to create."""

    report: Mapping[str, Any]


class Amend(NamedTuple):
    """A stored report to change, and the merge patch."""

    stored: Object
    patch: Mapping[str, Any]


class Delete(NamedTuple):
    """A stored report to delete."""

    stored: Object


Change = Create | Amend | Delete


def namespace_of(change: Change) -> str:
    """Return the namespace of the report that changes, "" for a report of the whole cluster."""
    report = change.report if isinstance(change, Create) else change.stored
    return str(report["metadata"].get("namespace", ""))


class Aims(NamedTuple):
    """The objects that shall have reports, by namespace and name of the report.

    `left_out`: how many objects are beyond the bound.
    """

    findings: Mapping[tuple[str, str], tuple[ObjectName, tuple[Finding, ...]]]
    left_out: int


def aims_of(findings: Iterable[Finding], *, reports_max: int = REPORTS_MAX) -> Aims:
    """Return the objects that shall have reports, at most `reports_max`."""
    by_subject: dict[ObjectName, list[Finding]] = {}
    for finding in findings:
        if finding.subject.uid:
            by_subject.setdefault(finding.subject, []).append(finding)
    chosen = _ranked(by_subject)[:reports_max]
    findings_of = {(subject.namespace, name_of(subject)): (subject, tuple(by_subject[subject])) for subject in chosen}
    return Aims(findings_of, len(by_subject) - len(chosen))


def _ranked(by_subject: Mapping[ObjectName, Sequence[Finding]]) -> list[ObjectName]:
    """Return the objects with the worst findings first, and among these the first of each namespace, then the second.

    So a namespace with 10,000 objects does not take the place of the others.
    """
    worst = {subject: min(LEVELS.index(one.level) for one in found) for subject, found in by_subject.items()}
    seen: Counter[tuple[int, str]] = Counter()
    ranks: dict[ObjectName, tuple[int, int]] = {}
    for subject in sorted(by_subject):
        place = worst[subject], subject.namespace
        ranks[subject] = worst[subject], seen[place]
        seen[place] += 1
    return sorted(ranks, key=lambda subject: (ranks[subject], subject))


def plan_changes(
    aims: Aims,
    stored: Iterable[Object],
    *,
    api: ReportApi,
    name_rule: NameRule,
    now: int,
    unread_kinds: Collection[str] = (),
) -> Iterator[Change]:
    """Yield the changes: patches and deletions while it reads `stored`, and then what is to be created.

    `stored`: our reports in `api`. `now`: Unix seconds. `unread_kinds`: kinds of objects whose reports stay as they
    are if there is no finding, because nobody has looked. Once all changes are made, there are none.
    """
    known: set[tuple[str, str]] = set()
    for report in stored:
        key = report["metadata"].get("namespace", ""), report["metadata"]["name"]
        known.add(key)
        if key not in aims.findings:
            if report.get("scope", {}).get("kind") not in unread_kinds:
                yield Delete(report)
            continue
        subject, findings = aims.findings[key]
        rendered = render_report(api, subject, findings, name_rule=name_rule, stored=report, now=now)
        if not is_same(rendered, report):
            yield Amend(report, patch_of(rendered, report))
    for key, (subject, findings) in aims.findings.items():
        if key not in known:
            yield Create(render_report(api, subject, findings, name_rule=name_rule, stored=None, now=now))
