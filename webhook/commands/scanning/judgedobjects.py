"""Judges what exists as if it were created now, as `nadmit check --cluster` does, and makes findings of it.

Pods do not count as neighbours here: that two of them have one address is found by stock-taking, for whole segments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cniplugin.access.model.decision import Rules
from webhook.admission.model.kinds import CLUSTER_SCOPED, POD, GroupKind
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.commands.check.judgedtree import broken_policies, findings_of, for_any_author, leave_out_consequences
from webhook.commands.judging import Webhook, is_judged
from webhook.commands.options import rules_in_force
from webhook.report import lint
from webhook.report.plaintext import counted
from webhook.report.scan.finding import ERROR, WARNING, Finding, ObjectName
from webhook.report.stockrules import NETWORK_LOST
from webhook.serving.http import RequestError
from webhook.trees import builder, unknownnames
from webhook.trees.documents import Document
from webhook.trees.problems import Problem

TELL_EACH = 10_000


class Setting(NamedTuple):
    """How objects are judged. `given`: the options about rules."""

    given: Mapping[str, Any]
    configuration: Configuration
    network_namespace: str


class Judged(NamedTuple):
    """The findings, and the rules of the cluster. `problems`: objects that are there twice."""

    findings: tuple[Finding, ...]
    rules: Rules
    problems: tuple[Problem, ...]


Others = Callable[[Document], int]
"""Returns for how many more pods a document stands."""


def judge_objects(
    documents: Sequence[Document], setting: Setting, others: Others, tell: Callable[[str], None]
) -> Judged:
    """Return the findings about all objects."""
    problems: list[Problem] = []
    context = [one for one in documents if GroupKind(one.group, one.kind) != POD]
    cluster = builder.build(context, problems, network_namespace=setting.network_namespace)
    rules = rules_in_force(setting.given, cluster)
    webhook = Webhook(
        context=DecisionContext(cluster, rules, setting.configuration, setting.network_namespace),
        rules_for=for_any_author(cluster, []),
    )
    broken = broken_policies(cluster)
    found: list[lint.Finding] = []
    of: dict[str, Document] = {}
    for number, document in enumerate(documents, 1):
        found += _of_document(document, webhook, broken, of)
        if number % TELL_EACH == 0:
            tell(f"{number} of {len(documents)} objects judged")
    kept, _ = leave_out_consequences(found)
    findings = (_finding(one, of[one.subject], others) for one in kept)
    return Judged((*findings, *_unknown(context)), rules, tuple(problems))


def _of_document(
    document: Document, webhook: Webhook, broken: Mapping[str, str], of: dict[str, Document]
) -> Iterator[lint.Finding]:
    if not is_judged(document, webhook.context.configuration.workloads):
        return
    try:
        judgement = webhook.judge(document)
    except RequestError as error:
        subject = name_of_document(document).title
        of[subject] = document
        yield lint.Finding(document.locate(), lint.ERROR, "unreadable-object", error.text, subject)
        return
    for one in findings_of(judgement, broken):
        of[one.subject] = document
        yield one


def _finding(one: lint.Finding, document: Document, others: Others) -> Finding:
    more = others(document)
    alike = f" (and {counted(more, 'pod')} more of its controller)" if more else ""
    return Finding(
        one.rule,
        ERROR if one.level == lint.ERROR else WARNING,
        name_of_document(document),
        f"{_one_line(one.text)}{alike}",
        field=one.field,
        properties=(("alike", str(more)),) if more else (),
    )


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
