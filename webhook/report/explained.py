"""Explanations of codes and rules, as text and as JSON: `nadmit explain` prints them.

The output of kubectl in an explanation is not stored. It is rendered from a decision about the example.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cniplugin.access.model.decision import Rules
from cniplugin.netspec.netattachdef import GROUP, KIND, VERSION
from cniplugin.netspec.selection import NETWORKS
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import NETWORK, POD
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.plugins.findings import SEVERITIES
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.plugindata.codes import Code, load_codes
from webhook.plugindata.pluginfiles import load_schemas
from webhook.trees import builder, documents

from . import effects, kubectl
from .lint import Paint
from .ruletexts import RuleText, load_rules
from .titles import TITLES, page_of

NAMESPACE, NETWORK_NAME, POD_NAME, OTHER_NAME = "blue", "net", "web", "other"
"""Namespace and names of the objects in examples."""

WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One code with its example as texts.

    `config`: of the example's network; `other_network`: of one that exists, "" for none. `pod`, `other_pod`: networks
    annotations, "" for none; the other pod runs already. `output`: of kubectl, when the network is created, or the pod
    if there is one.
    """

    name: str
    severity: str
    code: Code
    config: str
    pod: str
    other_pod: str
    other_network: str
    output: str

    @property
    def on_the_node(self) -> str:
        """What happens on the node if the mistake passes."""
        return effects.of_code(self.name)


def explain(name: str) -> Explained:
    """Explain a code such as NAD101."""
    code = load_codes()[name]
    values = (code.example, code.pod, code.other_pod, code.other_network)
    config, pod, other_pod, other_network = (json.dumps(value) if value else "" for value in values)
    existing = _existing(config if pod else "", other_pod, other_network)
    request, decision = _judge(config, pod, existing, example_checks(code))
    return Explained(
        name=name,
        severity=SEVERITIES[name],
        code=code,
        config=config,
        pod=pod,
        other_pod=other_pod,
        other_network=other_network,
        output="\n".join(kubectl.render_warnings(decision))
        if decision.is_allowed
        else kubectl.render(request, decision, webhook_name=kubectl.webhook_name(request.kind)),
    )


def example_checks(code: Code) -> PluginChecks:
    """Return the settings for the example of a code."""
    return PluginChecks(schemas=load_schemas(), **code.checks)


def _judge(
    config: str, pod: str, existing: Iterable[Mapping[str, Any]], checks: PluginChecks
) -> tuple[Request, Decision]:
    if pod:
        created = Object(name=POD_NAME, annotations={NETWORKS: pod})
        request = Request("", POD, "CREATE", NAMESPACE, POD_NAME, object=created)
    else:
        created = Object(name=NETWORK_NAME, namespace=NAMESPACE, config=config)
        request = Request("", NETWORK, "CREATE", NAMESPACE, NETWORK_NAME, object=created)
    objects = {"apiVersion": "v1", "kind": "List", "items": [*existing]}
    cluster = builder.build(documents.parse(json.dumps(objects), file="example", problems=[]), [])
    configuration = Configuration(injection=None, plugins=checks, attached_by=checks.attached_by)
    return request, evaluate(request, DecisionContext(cluster, Rules(), configuration))


def _existing(config: str, other_pod: str, other_network: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that exist before the example's object is created."""
    for name, text in ((NETWORK_NAME, config), (OTHER_NAME, other_network)):
        if text:
            metadata: dict[str, Any] = {"name": name, "namespace": NAMESPACE}
            yield {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": metadata, "spec": {"config": text}}
    if other_pod:
        metadata = {"name": OTHER_NAME, "namespace": NAMESPACE, "annotations": {NETWORKS: other_pod}}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}}


def render_json(names: Iterable[str]) -> str:
    """Return a list of objects, one for each code or rule."""
    values = [_code_json(explain(name)) if name in SEVERITIES else _rule_json(name) for name in names]
    return json.dumps(values, indent=2, ensure_ascii=False)


def _rule_json(rule: str) -> dict[str, object]:
    text = load_rules()[rule]
    parts = {
        "objects": text.example,
        "options": " ".join(text.options),
        "configuration": text.configuration,
        "context": text.context,
        "says": text.says,
    }
    return {
        "code": rule,
        "title": TITLES[rule],
        "meaning": text.cause,
        "page": page_of(rule),
        "outcomes": effects.as_json(rule),
        "example": {key: value for key, value in parts.items() if value},
        "fix": text.fix,
    }


def _code_json(one: Explained) -> dict[str, object]:
    others = {"pod": one.pod, "otherPod": one.other_pod, "otherNetwork": one.other_network}
    return {
        "code": one.name,
        "title": one.code.title,
        "severity": one.severity,
        "meaning": one.code.meaning,
        "outcomes": effects.as_json(one.name),
        "example": {"config": one.config, **{key: text for key, text in others.items() if text}},
        "output": one.output,
        "fix": one.code.fix,
    }


def render_list(paint: Paint) -> str:
    """Return a line for each code, and for each other rule."""
    codes = [
        f"{paint(name, 'place')}  {paint(f'{SEVERITIES[name]:7}', SEVERITIES[name])}  {code.title}"
        for name, code in load_codes().items()
    ]
    width = max(map(len, TITLES))
    rules = [f"{paint(f'{rule:{width}}', 'place')}  {title}" for rule, title in TITLES.items()]
    return "\n".join([*codes, "", "Other rules:", *rules])


def render_text(names: Iterable[str], paint: Paint) -> str:
    """Return codes and rules explained at length, with an empty line between them."""
    return "\n\n".join(
        "\n".join(_code_lines(explain(name), paint) if name in SEVERITIES else _rule_lines(name, paint))
        for name in names
    )


def _rule_lines(rule: str, paint: Paint) -> Iterator[str]:
    text, page = load_rules()[rule], page_of(rule)
    yield f"{paint(f'{rule}:', 'place')} {TITLES[rule]}"
    yield from textwrap.wrap(text.cause, WIDTH)
    yield from effects.lines(rule)
    yield ""
    for head, lines in example_parts(text):
        yield from _block(head, lines)
    yield from _block("fix:", "\n".join(textwrap.wrap(text.fix, WIDTH)))
    if page:
        yield f"{page} says more."


def example_parts(text: RuleText) -> Iterator[tuple[str, str]]:
    """Yield the parts of an example, each with its heading."""
    if text.says:
        yield "the program prints:", text.says
    if text.configuration:
        yield "the NadmitConfiguration has:", text.configuration
    if text.context:
        yield "objects that are there already (nadmit check --manifests):", text.context.rstrip("\n")
    if text.example:
        command = f", for nadmit {text.command} -f" if text.command != "check" else ""
        options = f", with {' '.join(text.options)}" if text.options else ""
        yield f"example{command}{options}:", text.example.rstrip("\n")


def _code_lines(one: Explained, paint: Paint) -> Iterator[str]:
    yield f"{paint(f'{one.name}:', 'place')} {paint(f'{one.severity}:', one.severity)} {one.code.title}"
    yield from textwrap.wrap(one.code.meaning, WIDTH)
    yield from textwrap.wrap(one.on_the_node, WIDTH)
    yield ""
    yield from _block("example, network net:" if one.pod else "example:", one.config)
    if one.other_pod:
        yield from _block(f"networks of a pod that runs, {OTHER_NAME}:", one.other_pod)
    if one.other_network:
        yield from _block(f"spec.config of a definition that exists, {OTHER_NAME}:", one.other_network)
    if one.pod:
        yield from _block("networks of a pod that is created:", one.pod)
    yield from _block("kubectl says:", one.output)
    yield from _block("fix:", "\n".join(textwrap.wrap(one.code.fix, WIDTH)))


def _block(head: str, text: str) -> Iterator[str]:
    """NB: text that people copy is not wrapped."""
    yield head
    yield textwrap.indent(text, "  ")
