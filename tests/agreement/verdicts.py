"""The webhook's verdict about a case, computed in process for one attacher and one posture."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from cniplugin.access.compile import Policies, compile_rules, read_policies
from cniplugin.access.model.decision import Config, Rules
from cniplugin.netspec import netattachdef
from tests.fakes.objects import policy_config
from tests.webhook.admission.world import FakeCluster, request
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import NETWORK
from webhook.admission.model.requests import Decision, Object
from webhook.admission.plugins.outcomes import CODES
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.plugindata.pluginfiles import load_schemas

from .cases import Case, Definition

POSTURES = ("Open", "Isolated")
Word = Literal["allowed", "warned", "refused"]


class Verdict(NamedTuple):
    """The webhook's answer. `rules`: those that refuse or warn. `by_access`: access rules refuse, not a prediction.

    `differs`: a warning says that the outcome depends on the node or on what else the pod asks for.
    """

    word: Word
    rules: tuple[str, ...] = ()
    message: str = ""
    by_access: bool = False
    differs: bool = False


def judge(case: Case, *, attacher: str, posture: str) -> Verdict:
    """Return the verdict: that of the definition, or of the pod with the definitions that it names."""
    decisions = list(_decisions(case, attacher=attacher, posture=posture))
    refused = [one for one in decisions if not one.is_allowed]
    if refused:
        return Verdict(
            "refused",
            tuple(dict.fromkeys(rule for one in refused for rule in one.rules)),
            refused[0].message,
            by_access=all(one.code == 403 for one in refused),
        )
    warnings = [warning for one in decisions for warning in one.warnings]
    rules = tuple(dict.fromkeys(warning.rule for warning in warnings))
    effects = [CODES[rule].effect(attacher) for rule in rules if rule in CODES]
    text = str(warnings[0]) if warnings else ""
    return Verdict("warned" if warnings else "allowed", rules, text, differs="differs" in effects)


def _decisions(case: Case, *, attacher: str, posture: str) -> Iterator[Decision]:
    context = DecisionContext(_cluster(case, posture), _rules(posture), _configuration(attacher))
    for definition in case.named() if case.subject == "pod" else case.definitions:
        asked = request(_object(definition), kind=NETWORK)
        yield evaluate(asked._replace(namespace=definition.namespace, name=definition.name), context)
    if case.subject == "pod":
        pod = request(Object(name="web-0", annotations=dict(case.annotations)))
        yield evaluate(pod._replace(namespace=case.namespace), context)


def _object(definition: Definition) -> Object:
    return Object(name=definition.name, annotations=dict(definition.annotations), config=definition.config)


def _cluster(case: Case, posture: str) -> FakeCluster:
    networks = {
        (one.namespace, one.name): netattachdef.build(
            namespace=one.namespace, name=one.name, config=one.config, annotations=dict(one.annotations)
        )
        for one in case.definitions
        if isinstance(one.config, str | None)
    }
    return FakeCluster(networks, _policies(posture))


@cache
def _policies(posture: str) -> Policies:
    return read_policies([policy_config(posture=posture)])


@cache
def _rules(posture: str) -> Rules:
    return compile_rules(_policies(posture), Config())


@cache
def _configuration(attacher: str) -> Configuration:
    plugins = PluginChecks(schemas=load_schemas(), attached_by=attacher)
    return Configuration(injection=None, plugins=plugins, attached_by=attacher)
