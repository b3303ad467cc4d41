"""Who decided about a request: the rules of policies, the posture, and the codes of built-in checks.

The webhook names who decided in the text of a refusal only. Here the networks of the request are judged once more, one
by one, by the function that the webhook uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cniplugin.access.judging.definitionrules import Author, Writing, judge_definition, judge_definition_trial
from cniplugin.access.judging.judge import judge, judge_trial
from cniplugin.access.model.decision import Item, Verdict
from cniplugin.netspec import netattachdef
from webhook.admission.checks.podnetworks import subject_of
from webhook.admission.model.kinds import NETWORK, POD, WORKLOADS
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.templates.podtemplates import find_by_shape, object_of
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.view.parsecache import read_pod


class Decider(NamedTuple):
    """One rule or posture that decided; `policy` and `rule` are "" if no rule did. `text` is for people."""

    code: str
    policy: str = ""
    rule: str = ""
    text: str = ""

    @property
    def reference(self) -> str:
        """The rule as tests name it; the code if no rule decided."""
        return f"{self.policy}/{self.rule}" if self.rule else self.code


def find_deciders(request: Request, decision: Decision, context: DecisionContext) -> tuple[Decider, ...]:
    """Return those who decided: of a refusal the ones that refuse, of a warning also those on trial, each once."""
    verdicts = _verdicts(request, context)
    deciders = [_decider(one) for one in verdicts if decision.is_allowed or not one.is_allowed]
    known = {one.code for one in deciders}
    deciders += [Decider(code, text=f"rule {code}") for code in decision.rules if code not in known]
    return tuple(dict.fromkeys(deciders))


def _decider(verdict: Verdict) -> Decider:
    if verdict.rule:
        return Decider(verdict.code, verdict.policy, verdict.rule, f"{verdict.policy}/{verdict.rule} ({verdict.code})")
    by = f"posture {verdict.posture}" if verdict.posture else verdict.decider
    return Decider(verdict.code, text=f"{by} ({verdict.code})" if by else verdict.code)


def _verdicts(request: Request, context: DecisionContext) -> Iterator[Verdict]:
    if request.kind == NETWORK:
        yield from _about_definition(request, context)
    elif request.object is not None:
        for pod in _pods(request, request.object, context):
            yield from _about_pod(request, pod, context)


def _pods(request: Request, new: Object, context: DecisionContext) -> Sequence[Object]:
    if request.kind == POD or request.kind in WORKLOADS:
        return [new]
    if new.unread is None:
        return []
    value = new.unread.read()
    known = context.configuration.workloads.get(request.kind)
    return [object_of(one, value, own={}) for one in (known.find(value) if known else find_by_shape(value))]


def _about_pod(request: Request, pod: Object, context: DecisionContext) -> Iterator[Verdict]:
    cluster, rules = context.cluster, context.rules
    asked = read_pod(
        pod.annotations,
        namespace=request.namespace,
        network_namespace=context.network_namespace,
        limits=context.configuration.limits,
    )
    subject = subject_of(request, pod, cluster)
    for position, element in asked.elements:
        item = Item(
            element=element,
            network=cluster.network(element.namespace, element.name),
            network_labels=cluster.namespace_labels(element.namespace),
            replaces_default=position is None,
        )
        verdict = judge(subject, item, rules)
        yield verdict
        trial = judge_trial(subject, item, rules) if verdict.is_allowed else None
        if trial is not None:
            yield trial[1]


def _about_definition(request: Request, context: DecisionContext) -> Iterator[Verdict]:
    new = request.object or Object()
    text = new.config if isinstance(new.config, str) else None
    network = netattachdef.build(namespace=request.namespace, name=request.object_name, config=text)
    if network.problems:
        return
    writing = Writing(
        author=Author(name=request.user.name, groups=frozenset(request.user.groups)),
        network=network.replace(annotations=new.annotations),
        namespace_labels=context.cluster.namespace_labels(request.namespace),
    )
    verdict = judge_definition(writing, context.rules)
    yield verdict
    trial = judge_definition_trial(writing, context.rules) if verdict.is_allowed else None
    if trial is not None:
        yield trial[1]
