"""Judges what exists as if it were created now, as `nadmit check --cluster` does, and makes findings of it.

Pods do not count as neighbours here: that two of them have one address is found by stock-taking, for whole segments.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from webhook.admission.model.kinds import CLUSTER_SCOPED, GroupKind
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.commands.check.clusterobjects import PLACE, Unplaced, key_of, slim
from webhook.commands.check.judgedtree import broken_policies, findings_of, for_any_author, leave_out_consequences
from webhook.commands.check.runningpods import as_created
from webhook.commands.judging import Webhook, is_judged
from webhook.commands.options import rules_in_force
from webhook.report import lint
from webhook.report.plaintext import counted
from webhook.report.scan.finding import ERROR, INFO, WARNING, Finding, ObjectName
from webhook.report.stockrules import NETWORK_LOST
from webhook.serving.http import RequestError
from webhook.trees import builder, unknownnames
from webhook.trees.documents import Document
from webhook.trees.problems import Problem

HINTS = frozenset(
    {
        *("capability-undeclared", "config-name", "config-on-disk", "dotted-name"),
        *("everything", "nad-labels", "namespace-labels", "pod-can-step-aside"),
    }
)
"""Warnings for whoever writes an object now. What exists with them works as it was meant to."""


class Setting(NamedTuple):
    """How objects are judged. `given`: the options about rules."""

    given: Mapping[str, Any]
    configuration: Configuration
    network_namespace: str


class Judge:
    """Judges the objects of one cluster: first all that decides, then pods, one by one, which are not kept.

    `problems`: objects of the context that are there twice. `rules`: those of the cluster's policies.
    """

    def __init__(self, context: Sequence[Document], setting: Setting) -> None:
        self.problems: list[Problem] = []
        cluster = builder.build(context, self.problems, network_namespace=setting.network_namespace)
        self.rules = rules_in_force(setting.given, cluster)
        self._webhook = Webhook(
            context=DecisionContext(cluster, self.rules, setting.configuration, setting.network_namespace),
            rules_for=for_any_author(cluster, []),
        )
        self._broken = broken_policies(cluster)
        self._found: list[lint.Finding] = []
        self._names: dict[str, ObjectName] = {}
        self._alike: dict[Hashable, int] = {}
        self._keys: dict[str, Hashable] = {}
        self._unknown = tuple(_unknown(context))
        for document in context:
            self._take(document)

    def take_pod(self, one: dict[str, Any]) -> None:
        """Judge a pod, or count it, if one that is alike was judged before."""
        key = key_of(one)
        if key is not None and key in self._alike:
            self._alike[key] += 1
            return
        subject = self._take(document_of(one))
        if key is not None:
            self._alike[key] = 0
            if subject:
                self._keys[subject] = key

    def finish(self) -> tuple[Finding, ...]:
        """Return the findings about all objects."""
        kept, _ = leave_out_consequences(self._found)
        return (*map(self._finding, kept), *self._unknown)

    def _take(self, document: Document) -> str:
        """Judge an object, and return its name in findings, "" if there is none about it."""
        if not is_judged(document, self._webhook.context.configuration.workloads):
            return ""
        try:
            found = list(findings_of(self._webhook.judge(document), self._broken))
        except RequestError as error:
            subject = name_of_document(document).title
            found = [lint.Finding(document.locate(), lint.ERROR, "unreadable-object", error.text, subject)]
        self._found += found
        for one in found:
            self._names[one.subject] = name_of_document(document)
        return found[0].subject if found else ""

    def _finding(self, one: lint.Finding) -> Finding:
        more = self._alike.get(self._keys.get(one.subject), 0)
        alike = f" (and {counted(more, 'pod')} more of its controller)" if more else ""
        return Finding(
            one.rule,
            ERROR if one.level == lint.ERROR else INFO if one.rule in HINTS else WARNING,
            self._names[one.subject],
            f"{_one_line(one.text)}{alike}",
            field=one.field,
            properties=(("alike", str(more)),) if more else (),
        )


def document_of(one: dict[str, Any]) -> Document:
    """Return an object of the cluster as a document, a pod as when it was created."""
    written = {**slim(one), "apiVersion": one["apiVersion"], "kind": one["kind"]}
    return as_created(Document(Unplaced(PLACE, ""), written, 0, 0))


def _one_line(text: str) -> str:
    """Return the lines of a refusal as one; its items begin with a dash."""
    return "; ".join(filter(None, (line.strip().removeprefix("- ") for line in text.splitlines())))


def name_of_document(document: Document) -> ObjectName:
    """Return the name of the object of a document."""
    metadata = document.object["metadata"]
    is_global = GroupKind(document.group, document.kind) in CLUSTER_SCOPED
    uid = metadata.get("uid")
    return ObjectName(
        str(document.object["apiVersion"]),
        document.kind,
        "" if is_global else document.namespace,
        document.name,
        uid if isinstance(uid, str) else "",
    )


def _unknown(documents: Sequence[Document]) -> Iterator[Finding]:
    """Yield the names in access policies that no object has."""
    for one in unknownnames.find(documents, head="the cluster does not have"):
        text = f"{one.field}: {one.text}"
        yield Finding(unknownnames.RULE, WARNING, name_of_document(one.document), text, field=one.field)


REPEATED = {"route-dns": frozenset({"NAD508"}), NETWORK_LOST: frozenset({"network-not-found", "network-unreadable"})}
"""Rules of stock-taking that say again what the judgement of the same object has said, with its rules."""


def without_repeats(stocktaking: Sequence[Finding], judged: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings of stock-taking that the judgement has not said."""
    said = {(one.rule, one.subject) for one in judged}
    for one in stocktaking:
        if not any((rule, one.subject) in said for rule in REPEATED.get(one.rule, ())):
            yield one
