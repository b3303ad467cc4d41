"""Runs policy tests: each is one AdmissionReview, judged as the webhook judges it, and its answer is compared.

Without settings only the standard and the access rules judge. What CNI plugins accept, and what /mutate puts into pods,
counts with a NadmitConfiguration, so that a test of a policy need not write whole configurations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cniplugin.access.model.decision import Config
from cniplugin.netspec.attachers import MULTUS
from webhook.admission.model.requests import Decision, User
from webhook.admission.view.decisioncontext import CompiledRules, Configuration, DecisionContext
from webhook.admission.wording import policytext
from webhook.commands.judging import NOBODY, Webhook
from webhook.commands.options import configuration_of
from webhook.driverdata.driverfiles import default_drivers
from webhook.report import kubectl
from webhook.report.testreport import CaseResult
from webhook.serving.http import RequestError
from webhook.snapshot.snapshot import Snapshot
from webhook.trees import builder, manifests
from webhook.trees.documents import Document
from webhook.trees.positions import Source
from webhook.trees.problems import ManifestError, Problem

from .deciders import Decider, find_deciders
from .testfiles import Case, PolicyTest


class Run(NamedTuple):
    """All results in order, and the rules of the policies that decided no test, as `POLICY/RULE`."""

    results: tuple[CaseResult, ...]
    idle: tuple[str, ...] = ()


def run(
    tests: Iterable[PolicyTest], problems: list[Problem], *, wants: Callable[[str], bool], live: Snapshot | None = None
) -> Run:
    """Run tests; `wants` chooses by name. Add to `problems` what cannot be read of their clusters.

    `live`: a cluster in place of the files that the tests name.
    """
    results: list[CaseResult] = []
    rules: dict[str, None] = {}
    used: set[str] = set()
    read = cache(_read_paths)
    for test in tests:
        context = _context_of(test, live, read, problems)
        if context is None:
            continue
        rules |= dict.fromkeys(_rules_of(context))
        for case in test.cases:
            if wants(case.name):
                result, deciders = _run_case(case, context)
                results.append(result)
                used.update(one.reference for one in deciders)
    return Run(tuple(results), tuple(rule for rule in rules if rule not in used))


def _rules_of(context: DecisionContext) -> Iterator[str]:
    for policy in context.cluster.policies.policies:
        yield from (f"{policy.name}/{rule.name}" for rule in policy.written)


def _context_of(
    test: PolicyTest,
    live: Snapshot | None,
    read: Callable[[tuple[str, ...]], tuple[list[Document], list[Problem]]],
    problems: list[Problem],
) -> DecisionContext | None:
    """Return what the tests of one document are judged with; None if a part of it cannot be read."""
    found: list[Problem] = []
    if live is None:
        documents, unread = read(test.cluster)
        found += unread
        warnings: list[Problem] = []
        cluster = builder.build((*documents, *test.beside), found, warnings=warnings)
        found += warnings
    else:
        cluster = live
        found += [Problem(test.position, "policy", str(one)) for one in policytext.find_unreadable(live.policies)]
    if found:
        problems += [one for one in found if one not in problems]
        return None
    return DecisionContext(cluster, CompiledRules(Config())(cluster), _configuration_of(test.settings))


def _read_paths(paths: tuple[str, ...]) -> tuple[list[Document], list[Problem]]:
    problems: list[Problem] = []
    try:
        files = manifests.find_files(paths) if paths else []
    except ManifestError as error:
        return [], list(error.problems)
    documents = [one for one in manifests.read_files(files, problems) if not _is_foreign(one)]
    return documents, problems


def _is_foreign(document: Document) -> bool:
    """Say whether an object has no metadata, such as a NadmitConfiguration or another policy test."""
    return not isinstance(document.object.get("metadata"), dict)


@cache
def _configuration_of(settings: str) -> Configuration:
    if settings:
        return configuration_of(Path(settings), None, MULTUS)
    return Configuration(injection=None, drivers=default_drivers(), finds_by_shape=True)


def _run_case(case: Case, context: DecisionContext) -> tuple[CaseResult, tuple[Decider, ...]]:
    user = User(case.user, (*case.groups, *NOBODY.groups)) if case.user else NOBODY
    place = case.position
    document = Document(Source(place.file, ""), dict(case.object), place.line, 0)
    result = CaseResult(case.name, place, case.expect, case.decided_by, "unreadable", "unreadable", (), "")
    try:
        judgement = Webhook(context=context, user=user).judge(document, old=case.old)
    except RequestError as error:
        return result._replace(failure=f"the object cannot be read: {error.text}"), ()
    decision = judgement.decision
    deciders = find_deciders(judgement.request, decision, context)
    by = ", ".join(one.text for one in deciders)
    result = result._replace(
        verdict=decision.verdict,
        decided=f"{decision.verdict}, decided by {by}" if by else decision.verdict,
        answer=tuple(_answer(decision)),
    )
    return result._replace(failure=_failure(case, result, deciders)), deciders


def _answer(decision: Decision) -> Iterator[str]:
    """Yield the lines of the answer. For reason Invalid they are those that kubectl shows."""
    yield from kubectl.render_warnings(decision)
    if decision.is_allowed:
        return
    if decision.reason == "Invalid":
        yield from (f"{cause.field}: {cause.message}" for cause in decision.causes)
    else:
        yield from decision.message.splitlines()


def _failure(case: Case, result: CaseResult, deciders: Iterable[Decider]) -> str:
    """Return what of the answer differs from what is expected; "" for nothing."""
    if result.verdict != case.expect:
        return f"expected {case.expect}"
    if case.decided_by and not any(case.decided_by in (one.reference, one.code) for one in deciders):
        return f"expected {case.expect}, decided by {case.decided_by}"
    if case.message and case.message not in "\n".join(result.answer):
        return f"expected the answer to say: {case.message}"
    return ""
