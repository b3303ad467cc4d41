"""What there is to know about a code, with what kubectl prints about its example: the webhook's own judgement of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cniplugin.access.model.values import Rules
from cniplugin.netspec.netattachdef import GROUP, KIND, VERSION
from cniplugin.netspec.selection import NETWORKS
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import NETWORK, POD
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.plugins.codes import CODES
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.plugindata.loader import load_schemas
from webhook.trees import documents, snapshots

from . import kubectl
from .titles import TITLES, page_of

NAMESPACE, NETWORK_NAME, POD_NAME, OTHER_POD_NAME = "blue", "net", "web", "other"
"""Of the objects in examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One code in words.

    `config`: of the example's network. `pod`, `other_pod`: networks annotations, "" where it takes none; the other one
    runs already. `said`: what kubectl prints when the network, or the pod if there is one, is created.
    """

    code: str
    title: str
    severity: str
    meaning: str
    config: str
    pod: str
    other_pod: str
    said: str
    fix: str


def explain(code: str) -> Explained:
    """Explain one of `codes.CODES`."""
    known = CODES[code]
    return Explained(
        code=code,
        title=known.title,
        severity=known.severity,
        meaning=known.meaning,
        config=known.example,
        pod=known.pod,
        other_pod=known.other_pod,
        said=_said(code),
        fix=known.fix,
    )


def example_checks(code: str) -> PluginChecks:
    """Return what the example of a code is to be checked with."""
    if code == "NAD108":
        return PluginChecks(schemas=load_schemas(), unknown_types="Refuse")
    if code == "NAD110":
        return PluginChecks(schemas=load_schemas(), values_max=2)
    return PluginChecks(schemas=load_schemas())


def _said(code: str) -> str:
    request, decision = _judge(code)
    if decision.is_allowed:
        return "\n".join(kubectl.render_warnings(decision))
    return kubectl.render(request, decision, webhook_name=kubectl.webhook_name(request.kind))


def _judge(code: str) -> tuple[Request, Decision]:
    known = CODES[code]
    if known.pod:
        made = Object(name=POD_NAME, annotations={NETWORKS: known.pod})
        request = Request("", POD, "CREATE", NAMESPACE, POD_NAME, object=made)
    else:
        made = Object(name=NETWORK_NAME, config=known.example)
        request = Request("", NETWORK, "CREATE", NAMESPACE, NETWORK_NAME, object=made)
    world = {"apiVersion": "v1", "kind": "List", "items": list(_objects(code))}
    cluster = snapshots.build(documents.parse(json.dumps(world), file="example", problems=[]), [])
    configuration = Configuration(injection=None, plugins=example_checks(code))
    return request, evaluate(request, DecisionContext(cluster, Rules(), configuration))


def _objects(code: str) -> Iterator[Mapping[str, Any]]:
    """Yield what is there before the example's object is created."""
    known = CODES[code]
    if known.pod:
        metadata: Mapping[str, Any] = {"name": NETWORK_NAME, "namespace": NAMESPACE}
        yield {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "metadata": metadata,
            "spec": {"config": known.example},
        }
    if known.other_pod:
        annotations = {NETWORKS: known.other_pod}
        metadata = {"name": OTHER_POD_NAME, "namespace": NAMESPACE, "annotations": annotations}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}}


def to_json(names: Iterable[str]) -> str:
    """Return a list of objects, of codes and of rules."""
    found = [_to_json(explain(name)) if name in CODES else _rule_to_json(name) for name in names]
    return json.dumps(found, indent=2, ensure_ascii=False)


def _rule_to_json(rule: str) -> dict[str, object]:
    return {"code": rule, "title": TITLES[rule], "page": page_of(rule)}


def _to_json(one: Explained) -> dict[str, object]:
    pods = {"pod": one.pod, "otherPod": one.other_pod}
    return {
        "code": one.code,
        "title": one.title,
        "severity": one.severity,
        "meaning": one.meaning,
        "example": {"config": one.config, **{name: text for name, text in pods.items() if text}},
        "output": one.said,
        "fix": one.fix,
    }
