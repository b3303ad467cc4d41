"""Documents to findings: each environment is judged against itself and the context, and equal findings become one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cniplugin.access.compile import NO_POLICIES
from webhook.admission.model.kinds import NAMESPACE, NETWORK, GroupKind
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.admission.wording.answers import who
from webhook.admission.wording.usetext import RULE as IN_USE
from webhook.commands.judging import NOBODY, Judgement, RulesFor, Webhook, judge
from webhook.commands.options import rules_in_force
from webhook.report.lint import ERROR, WARNING, Finding
from webhook.report.plaintext import counted
from webhook.serving.http import RequestError
from webhook.trees import builder, environments, unknownnames
from webhook.trees.documents import Document
from webhook.trees.environments import Environment, Group
from webhook.trees.passedover import PassedOver
from webhook.trees.problems import Problem

if TYPE_CHECKING:
    from webhook.admission.model.requests import User
    from webhook.snapshot.snapshot import Snapshot

READABLE_PROBLEMS = frozenset({"duplicate-object", "metadata", "metadata-type", "unknown-kind"})
"""Rules of problems in readable files."""

MISSING = frozenset({"network-not-found"})
"""Rules of warnings that are problems here: a webhook cannot know what is applied next, and a tree has everything."""

POLICY_PROBLEMS = frozenset({"policy-field", "limit-policy-values"})
NAMESPACE_UNKNOWN = "namespace-unknown"


class Judging(NamedTuple):
    """How documents are judged. `given`: the options about rules. `context`: documents that are not judged themselves.

    `is_author_known`: rules about authors are judged.
    """

    given: Mapping[str, Any]
    configuration: Configuration
    network_namespace: str
    user: User = NOBODY
    is_author_known: bool = True
    context: Sequence[Document] = ()


class Judged:
    """The findings, the judgements of the objects, each object once, and the environments of the tree.

    `passed_over`: rules that did not count.
    """

    def __init__(self, environments: int, groups: Sequence[Group]) -> None:
        self.findings: list[Finding] = []
        self.judgements: list[Judgement] = []
        self.environments = environments
        self.groups = groups
        self.passed_over: list[PassedOver] = []


def judge_all(documents: Sequence[Document], judging: Judging) -> Judged:
    """Return the findings about documents in all of their environments."""
    found, groups = environments.split(documents, list(map(builder.identity, documents)))
    result = Judged(len(found), groups)
    judged: dict[int, Judgement] = {}
    where: dict[Finding, dict[str, None]] = {}
    for environment in found:
        for finding in _judge(environment, documents, judging, judged, result.passed_over):
            where.setdefault(finding, {})[environment.label] = None
    result.judgements = list(judged.values())
    for finding, labels in where.items():
        is_partial = len(labels) < len(found) and not all(_is_below(finding.position.file, label) for label in labels)
        result.findings.append(finding._replace(environment=", ".join(labels)) if is_partial else finding)
    return result


def _is_below(file: str, folder: str) -> bool:
    return folder == "." or file.startswith(f"{folder}/")


def _judge(
    environment: Environment,
    documents: Sequence[Document],
    judging: Judging,
    judged: dict[int, Judgement],
    passed_over: list[PassedOver],
) -> Iterator[Finding]:
    """Yield the findings about an environment, and add to `judged` and `passed_over`."""
    members = [documents[index] for index in environment.members]
    problems: list[Problem] = []
    before = {builder.identity(document): document for document in judging.context}
    own = {builder.identity(document) for document in members} if before else set()
    others = [document for identity, document in before.items() if identity not in own]
    cluster = builder.build([*members, *others], problems)
    rules = rules_in_force(judging.given, cluster)
    webhook = Webhook(
        context=DecisionContext(cluster, rules, judging.configuration, judging.network_namespace),
        user=judging.user,
        rules_for=None if judging.is_author_known else for_any_author(cluster, passed_over),
    )
    broken = broken_policies(cluster)
    chosen = [documents[index] for index in sorted(environment.judged)]
    for judgement in judge(chosen, webhook, problems):
        judged.setdefault(id(judgement.document), judgement)
        made = list(findings_of(judgement, broken))
        old = before.get(builder.identity(judgement.document)) if before else None
        if old is not None:
            made = _with_update(webhook, judgement.document, old, made)
        yield from made
    yield from unknown_names([*members, *others], chosen)
    yield from map(of_problem, problems)


def for_any_author(cluster: Snapshot, passed_over: list[PassedOver]) -> RulesFor | None:
    """Return the function that makes the rules for an unknown author; None if no rule can be about authors."""
    if cluster.policies is NO_POLICIES and not cluster.has_levels():
        return None
    from .authors import AnyAuthor  # noqa: PLC0415 - most trees have no policies

    return AnyAuthor(passed_over).rules_for


def of_problem(problem: Problem) -> Finding:
    """Return a problem of a file as a finding."""
    is_unreadable = problem.rule not in READABLE_PROBLEMS
    return Finding(problem.position, ERROR, problem.rule, problem.text, is_unreadable=is_unreadable)


def findings_of(judgement: Judgement, broken: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the findings about an object. `broken`: policies with mistakes, as `broken_policies` returns them."""
    request, decision = judgement.request, judgement.decision
    subject = who(request)
    if not decision.is_allowed:
        because = _because(judgement, broken) if broken else ()
        for cause in decision.causes:
            place = judgement.locate(cause.field)
            yield Finding(place, ERROR, cause.rule, cause.message, subject, cause.field, because=because)
    for warning in decision.warnings:
        place = judgement.locate(warning.field or "metadata.name")
        if warning.rule in MISSING:
            yield Finding(place, ERROR, warning.rule, warning.message, subject, warning.field)
        else:
            yield Finding(place, WARNING, warning.rule, str(warning), subject)


def unknown_names(documents: Sequence[Document], judged: Sequence[Document]) -> Iterator[Finding]:
    """Yield the names in judged policies that no document has."""
    own = set(map(id, judged))
    for found in unknownnames.find(documents):
        document = found.document
        if id(document) in own:
            place, subject = document.locate(found.field), f"{document.kind.lower()} {document.name}"
            yield Finding(place, WARNING, unknownnames.RULE, found.text, subject, found.field)


def _with_update(webhook: Webhook, document: Document, old: Document, made: list[Finding]) -> list[Finding]:
    """Return the findings about an object that replaces one of the context.

    Of a definition, also what the change breaks; of a namespace, what changes alone.
    """
    kind = GroupKind(document.group, document.kind)
    if kind not in {NETWORK, NAMESPACE} or document.object == old.object:
        return made
    try:
        changed = list(findings_of(webhook.judge(document, old=old.object), {}))
    except RequestError:  # the old object is of a shape that no API server stores
        return made
    return changed if kind == NAMESPACE else [*made, *(one for one in changed if one.rule == IN_USE)]


# Mistakes in policies


_ALL = ""
"""In place of a policy: all refusals by the default posture may follow from a mistake."""


def broken_policies(cluster: Snapshot) -> dict[str, str]:
    """Return the policies with mistakes, by name, as subjects of findings; _ALL if a mistake may concern any pod."""
    policies = cluster.policies
    broken = {one.name: f"networkattachmentpolicy {one.name}" for one in policies.policies if one.problems}
    if policies.config_problems:
        broken[_ALL] = "networkattachmentpolicyconfig cluster"
    else:
        whole = next((one.name for one in policies.policies if one.own_problems), None)
        if whole is not None:
            broken[_ALL] = broken[whole]
    return broken


def _because(judgement: Judgement, broken: Mapping[str, str]) -> tuple[str, ...]:
    """Return the policies whose mistakes have decided against an object, as subjects; () if anything else did."""
    decision = judgement.decision
    if decision.policies:
        return tuple(broken[name] for name in decision.policies) if broken.keys() >= {*decision.policies} else ()
    by_default = all(rule.startswith(("Posture", "DefinitionDefault")) for rule in decision.rules)
    return (broken[_ALL],) if _ALL in broken and decision.rules and by_default else ()


def leave_out_consequences(findings: Iterable[Finding]) -> tuple[list[Finding], list[PassedOver]]:
    """Return the findings without those that follow from mistakes in policies that are reported as well.

    NB: where the mistake itself is suppressed, its consequences must show.
    """
    findings = list(findings)
    reported = {one.subject for one in findings if one.rule in POLICY_PROBLEMS and one.level == ERROR}
    kept, left = [], dict[tuple[str, tuple[str, ...]], None]()
    for finding in findings:
        if finding.because and reported.issuperset(finding.because):
            left[finding.subject, finding.because] = None
        else:
            kept.append(finding)
    return kept, [PassedOver("consequence", subject, f"because of {', '.join(because)}") for subject, because in left]


def merge_unknown_namespaces(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings with one for each namespace that no file has, instead of one for each of its objects."""
    made: list[Finding] = []
    first: dict[str, int] = {}
    count: Counter[str] = Counter()
    for finding in findings:
        if finding.rule == NAMESPACE_UNKNOWN and finding.level == WARNING:
            count[finding.message] += 1
            if finding.message in first:
                continue
            first[finding.message] = len(made)
        made.append(finding)
    for message, index in first.items():
        if count[message] > 1:
            made[index] = made[index]._replace(more=counted(count[message] - 1, "more object"))
    return made
