"""One report about one object, as an object of the API (pure).

Two API groups have the same report: `openreports.io/v1alpha1` Report and ClusterReport, and the older
`wgpolicyk8s.io/v1alpha2` PolicyReport and ClusterPolicyReport. Sections: openreports/reports-api
`apis/openreports.io/v1alpha1/report_types.go`, wg-policy-prototypes
`policy-report/crd/v1alpha2/wgpolicyk8s.io_policyreports.yaml`. The enumerations of both schemas are the same.

| finding | result | severity |
| --- | --- | --- |
| error | fail | high |
| warning | warn | medium |
| info | warn | info |

The name is `nadmit-` and the UID of the object. NB: not the UID alone, which is the name of Kyverno's report about the
object: each program would overwrite the other's.

A report about an object of a namespace names no object of another namespace, unless its own object names that as well:
users may read the reports of their namespace (the ClusterRole of Policy Reporter's chart is part of `admin`), and may
not know what others have. Such objects are counted, as in the webhook's own texts.

A result has the time at which it was first written with this content, so a pass that finds the same writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cniplugin.access.judging.reasons import cut
from webhook.admission.model.kinds import NETWORK
from webhook.report.plaintext import counted, printable
from webhook.report.scan.finding import ERROR, INFO, LEVELS, WARNING, Finding, ObjectName

Object = Mapping[str, Any]

SOURCE = "nadmit"
MANAGED_BY = "app.kubernetes.io/managed-by"
NAME_PREFIX = "nadmit-"

RESULTS_MAX = 200
"""Of one report."""
RESULTS_BYTES_MAX = 256 * 1024
"""Of one report, as JSON in ASCII. etcd takes objects of 1.5 MiB, and a watch sends each change to all who follow."""
MESSAGE_BYTES_MAX = 2048
PROPERTY_BYTES_MAX = 512
PROPERTIES_MAX = 16
LEFT_OUT = "left-out"
"""The policy of the last result of a report that has no room for all of them."""


class ReportKind(NamedTuple):
    """A kind of reports: its name, and the plural in paths."""

    kind: str
    plural: str


class ReportApi(NamedTuple):
    """An API group with reports. `has_source`: a report has a field `source` of its own."""

    group: str
    version: str
    namespaced: ReportKind
    cluster: ReportKind
    has_source: bool

    @property
    def api_version(self) -> str:
        """The group and its version, as objects name them."""
        return f"{self.group}/{self.version}"

    @property
    def kinds(self) -> tuple[ReportKind, ReportKind]:
        """Both kinds."""
        return self.namespaced, self.cluster

    def kind_for(self, namespace: str) -> ReportKind:
        """Return the kind of a report about an object of a namespace, "" for an object without one."""
        return self.namespaced if namespace else self.cluster


OPEN_REPORTS = ReportApi(
    "openreports.io", "v1alpha1", ReportKind("Report", "reports"), ReportKind("ClusterReport", "clusterreports"), True
)
POLICY_REPORTS = ReportApi(
    "wgpolicyk8s.io",
    "v1alpha2",
    ReportKind("PolicyReport", "policyreports"),
    ReportKind("ClusterPolicyReport", "clusterpolicyreports"),
    False,
)
APIS = (OPEN_REPORTS, POLICY_REPORTS)
"""The first one that the API server has is used."""


class RuleName(NamedTuple):
    """What people read about a rule: its title, and the group of rules that it belongs to."""

    title: str
    category: str


NameRule = Callable[[str], RuleName]

_RESULTS = {ERROR: ("fail", "high"), WARNING: ("warn", "medium"), INFO: ("warn", "info")}
_OUTCOMES = ("pass", "fail", "warn", "error", "skip")


def name_of(subject: ObjectName) -> str:
    """Return the name of the report about an object."""
    return f"{NAME_PREFIX}{subject.uid}"


def is_own(labels: Mapping[str, str], name: str) -> bool:
    """Say whether a stored report is ours: by its label, and by the form of its name."""
    return labels.get(MANAGED_BY) == SOURCE and name.startswith(NAME_PREFIX)


def render_report(
    api: ReportApi,
    subject: ObjectName,
    findings: Sequence[Finding],
    *,
    name_rule: NameRule,
    stored: Object | None,
    now: int,
) -> dict[str, Any]:
    """Return the report about one object.

    `stored`: the report that the API server has, None for none; results that it has already keep their time. `now`:
    Unix seconds, for all other results.
    """
    results = [_render_result(finding, name_rule) for finding in sorted(set(findings), key=_rank)]
    outcomes = [result["result"] for result in results]
    kept = _within_bounds(results)
    times = {} if stored is None else _times_of(stored)
    owner = {"apiVersion": subject.api_version, "kind": subject.kind, "name": subject.name, "uid": subject.uid}
    namespace = {"namespace": subject.namespace} if subject.namespace else {}
    return {
        "apiVersion": api.api_version,
        "kind": api.kind_for(subject.namespace).kind,
        "metadata": {
            "name": name_of(subject),
            **namespace,
            "labels": {MANAGED_BY: SOURCE},
            "ownerReferences": [owner],
        },
        **({"source": SOURCE} if api.has_source else {}),
        "scope": {**owner, **namespace},
        "summary": {outcome: outcomes.count(outcome) for outcome in _OUTCOMES},
        "results": [
            {**result, "timestamp": {"seconds": times.get(_identity(result), now), "nanos": 0}} for result in kept
        ],
    }


def is_same(rendered: Object, stored: Object) -> bool:
    """Say whether a stored report has everything of a rendered one. What others have added to it does not count."""
    metadata, known = rendered["metadata"], stored["metadata"]
    return (
        all(stored.get(field) == value for field, value in rendered.items() if field in _CONTENT)
        and known.get("ownerReferences") == metadata["ownerReferences"]
        and known.get("labels", {}).items() >= metadata["labels"].items()
    )


_CONTENT = frozenset({"source", "scope", "summary", "results"})


def patch_of(rendered: Object, stored: Object) -> dict[str, Any]:
    """Return the merge patch that makes a stored report like a rendered one; it fails if the report has changed."""
    metadata = {
        "uid": stored["metadata"]["uid"],
        "resourceVersion": stored["metadata"]["resourceVersion"],
        "labels": rendered["metadata"]["labels"],
        "ownerReferences": rendered["metadata"]["ownerReferences"],
    }
    return {"metadata": metadata, **{field: value for field, value in rendered.items() if field in _CONTENT}}


# Results


def _rank(finding: Finding) -> tuple[object, ...]:
    """Return a key that puts the worst findings first, and equal sets of findings into one order."""
    return LEVELS.index(finding.level), finding.rule, finding.field, finding.message, finding


def _render_result(finding: Finding, name_rule: NameRule) -> dict[str, Any]:
    name = name_rule(finding.rule)
    result, severity = _RESULTS[finding.level]
    shown = _for_readers(finding, name.title)
    properties = _properties_of(shown)
    return {
        "source": SOURCE,
        "policy": finding.rule,
        "rule": name.title,
        "category": name.category,
        "severity": severity,
        "result": result,
        **({"scored": True} if finding.level == ERROR else {}),
        "message": cut(printable(shown.message), MESSAGE_BYTES_MAX),
        **({"properties": properties} if properties else {}),
    }


def _for_readers(finding: Finding, title: str) -> Finding:
    """Return the finding as readers of its namespace may see it."""
    known = tuple(other for other in finding.others if not _is_strange(other, finding.subject))
    if len(known) == len(finding.others):
        return finding
    count = f"{counted(len(finding.others) - len(known), 'object')} of other namespaces"
    return finding._replace(
        message=f"{title}: this one and {count}; `nadmit scan` names them",
        fix="",
        others=known,
        properties=tuple((key, value) for key, value in finding.properties if key in _OF_ITS_OWN),
    )


_OF_ITS_OWN = frozenset({"address", "addresses", "mac"})
"""Properties that say nothing of other objects."""


def _is_strange(other: ObjectName, subject: ObjectName) -> bool:
    """Say whether an object is of another namespace, and the subject does not name it itself.

    Pods name their networks, and pools of whereabouts the pods that have their addresses.
    """
    is_elsewhere = "" not in {other.namespace, subject.namespace} and other.namespace != subject.namespace
    is_named = subject.kind == "IPPool" or (other.kind == NETWORK.kind and subject.kind != NETWORK.kind)
    return is_elsewhere and not is_named


def _properties_of(finding: Finding) -> dict[str, str]:
    """Return the facts of a finding. NB: Policy Reporter takes `resultID` for the identity of a result."""
    others = ", ".join(other.title for other in finding.others)
    own = {"field": finding.field, "fix": finding.fix, "others": others}
    given = {key: value for key, value in finding.properties if key != "resultID"}
    facts = {key: cut(printable(value), PROPERTY_BYTES_MAX) for key, value in {**given, **own}.items() if value}
    return dict(sorted(facts.items())[:PROPERTIES_MAX])


def _within_bounds(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the results for which there is room, and if there is none for some, a last one that says so."""
    size = 0
    for number, result in enumerate(results):
        size += len(json.dumps(result))
        if number == RESULTS_MAX or size > RESULTS_BYTES_MAX:
            return [*results[:number], _left_out(len(results) - number)]
    return list(results)


def _left_out(number: int) -> dict[str, Any]:
    return {
        "source": SOURCE,
        "policy": LEFT_OUT,
        "rule": "a report has no room for all results",
        "category": "reports",
        "severity": "info",
        "result": "skip",
        "message": f"{number} more are left out; the summary counts them, and `nadmit scan` shows them",
    }


def _times_of(stored: Object) -> dict[str, int]:
    """Return the times of the stored results, by their content."""
    results: Iterable[Object] = stored.get("results") or ()
    return {_identity(result): result.get("timestamp", {}).get("seconds", 0) for result in results}


def _identity(result: Object) -> str:
    """Return the content of a result without its time, as a text."""
    return json.dumps({key: value for key, value in result.items() if key != "timestamp"}, sort_keys=True)
