"""What the webhook would say about an object if it were created now: the words of kubectl, warnings, and rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webhook.admission.model.requests import Decision
from webhook.admission.plugins.findings import SEVERITIES
from webhook.commands.check.runningpods import as_created
from webhook.commands.judging import Judgement, Webhook, is_judged
from webhook.report import explained, kubectl
from webhook.report.diagnosis.objectset import Json
from webhook.report.titles import TITLES
from webhook.serving.http import RequestError
from webhook.trees.documents import Document
from webhook.trees.positions import Source


def judge(one: Json, webhook: Webhook) -> dict[str, Any] | None:
    """Return the verdict about an object as plain JSON; None for one that is not judged or cannot be read."""
    document = as_created(Document(Source("cluster", ""), dict(one), 0, 0))
    if not is_judged(document, webhook.context.configuration.workloads):
        return None
    try:
        return _to_json(webhook.judge(document))
    except RequestError as error:
        return {"allowed": False, "text": error.text, "warnings": [], "explained": []}


def _to_json(judgement: Judgement) -> dict[str, Any]:
    request, decision = judgement.request, judgement.decision
    name = kubectl.INJECTION if judgement.is_mutation else kubectl.webhook_name(request.kind)
    return {
        "allowed": decision.is_allowed,
        "text": kubectl.render(request, decision, webhook_name=name),
        "warnings": [
            {"rule": one.rule, "field": one.field, "text": one.message} for one in dict.fromkeys(decision.warnings)
        ],
        "explained": summaries(_rules(decision)),
    }


def _rules(decision: Decision) -> Iterable[str]:
    """Yield the rules of a refusal and of warnings; those that allowed something need no explanation."""
    if not decision.is_allowed:
        yield from decision.rules
    yield from (cause.rule for cause in decision.causes)
    yield from (warning.rule for warning in decision.warnings)


def summaries(rules: Iterable[str]) -> list[dict[str, str]]:
    """Return what `nadmit explain` says about rules, each once; rules that it does not know are left out."""
    return [explained.summarize(rule) for rule in dict.fromkeys(rules) if rule in SEVERITIES or rule in TITLES]
