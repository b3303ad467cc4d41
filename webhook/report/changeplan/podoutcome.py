"""What becomes of one pod on one side of a change: refused, or the attachments that a node would make of it.

The verdict is that of the webhook, /mutate and then /validate. The attachments are those of the plan of the standard
(`netspec.plan`), made of the pod as /mutate leaves it. The default network of the nodes is not known and is left out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.netspec.errors import SpecErrors, describe
from cniplugin.netspec.plan import Attachment as PlannedAttachment
from cniplugin.netspec.plan import plan
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model import podspec
from webhook.admission.model.requests import Decision, Operation
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.view.parsecache import read_pod

Json = dict[str, Any]

ADMITTED, REFUSED, UNPLANNED = "admitted", "refused", "unplanned"
"""UNPLANNED: the webhook admits the pod, and no node can attach its networks."""

_SELECTING = frozenset(f"metadata.annotations.{key}" for key in (NETWORKS, DEFAULT_NETWORK))


class Answer(NamedTuple):
    """The webhook's answer about a pod: the decision, the patch, and the pod after it."""

    decision: Decision
    operations: tuple[Operation, ...]
    pod: Json


class Reason(NamedTuple):
    """One reason of a refusal: the rule, the field of the pod, and the text in one line."""

    rule: str
    field: str
    text: str


class Attached(NamedTuple):
    """One attachment that a node would make.

    `config`: what its plugins get, None for a file of the node. `resource`: that of its device, "" without one.
    `requests`: what the pod asks of the plugins, by the way that it takes.
    """

    network: str
    interface: str
    is_default: bool
    config: Json | None
    resource: str
    requests: Json


class Outcome(NamedTuple):
    """What becomes of a pod. `missing`: networks that do not exist, if nothing else is wrong.

    `injected`: what /mutate puts into the pod beside its networks, by path.
    """

    fate: str
    reasons: tuple[Reason, ...] = ()
    missing: tuple[str, ...] = ()
    attached: tuple[Attached, ...] = ()
    injected: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()


def outcome_of(answer: Answer, namespace: str, context: DecisionContext) -> Outcome:
    """Return what becomes of a pod of a namespace, which the webhook has answered about in this context."""
    decision = answer.decision
    warnings = tuple(dict.fromkeys(map(str, decision.warnings)))
    if not decision.is_allowed:
        missing = tuple(f"{where}/{name}" for where, name in decision.missing)
        return Outcome(REFUSED, tuple(_reasons(decision)), missing, warnings=warnings)
    injected = dict(_injected(answer.operations))
    if podspec.is_host_network(answer.pod):
        return Outcome(ADMITTED, injected=injected, warnings=warnings)
    try:
        attached = tuple(_attachments(answer.pod, namespace, context))
    except SpecErrors as errors:
        reasons = tuple(Reason(one.rule, one.path, _line(describe(one))) for one in errors.errors)
        return Outcome(UNPLANNED, reasons, injected=injected, warnings=warnings)
    return Outcome(ADMITTED, attached=attached, injected=injected, warnings=warnings)


def _reasons(decision: Decision) -> Iterator[Reason]:
    if not decision.causes:
        yield Reason(next(iter(decision.rules), ""), "", _line(decision.message))
    for cause in decision.causes:
        yield Reason(cause.rule, cause.field, _line(cause.message))


def _line(text: str) -> str:
    """Return the first line: an excerpt of the text with the mistake follows it."""
    return text.partition("\n")[0]


# Attachments


def _attachments(pod: Json, namespace: str, context: DecisionContext) -> Iterator[Attached]:
    configuration = context.configuration
    selected = read_pod(
        podspec.annotations_of(pod),
        namespace=namespace,
        network_namespace=context.network_namespace,
        limits=configuration.limits,
    )
    if selected.problems:  # an admitted pod has none, except one that attaches nothing
        raise SpecErrors(selected.problems)
    planned = plan(
        selected.networks, context.cluster.network, default=selected.default, attached_by=configuration.attached_by
    )
    for one in planned.attachments:
        yield Attached(
            network=one.network.reference,
            interface=one.interface,
            is_default=one.is_default,
            config=_config(one.network.config),
            resource=one.network.resource_name,
            requests=_requests(one),
        )


def _config(config: NetworkConfigList | None) -> Json | None:
    """Return what the plugins of a network get. NB: the form of one plugin and a list of one plugin mean the same.

    The node writes the name and the version of the network into the request of each plugin.
    """
    if config is None:
        return None
    flags = {
        "disableCheck": config.disable_check,
        "disableGC": config.disable_gc,
        "loadOnlyInlinedPlugins": config.load_only_inlined,
    }
    return {
        "name": config.name,
        "cniVersion": config.cni_version,
        **{key: value for key, value in flags.items() if value and config.is_list},
        "plugins": [_without(plugin.conf, _OF_THE_NETWORK) for plugin in config.plugins],
    }


_OF_THE_NETWORK = frozenset({"name", "cniVersion", "prevResult"})


def _without(conf: Mapping[str, Any], keys: frozenset[str]) -> Json:
    return {key: value for key, value in conf.items() if key not in keys}


def _requests(one: PlannedAttachment) -> Json:
    arguments = dict(one.arguments)
    default_route = one.element.default_route
    given = {
        "runtimeConfig": one.runtime_config,
        "args": one.cni_args,
        "CNI_ARGS": arguments,
        "default-route": None if default_route is None else list(default_route),
    }
    return {key: value for key, value in given.items() if value or (key == "default-route" and value is not None)}


# Injection


def _injected(operations: Sequence[Operation]) -> Iterator[tuple[str, str]]:
    """Yield path and value of what a patch puts in; the networks themselves show in the attachments.

    What is added to the end of a list has its name, else its number among the additions to this list. NB: a patch adds
    the list as well if the pod has none, and volumes of the pod's own are no difference.
    """
    added: Counter[str] = Counter()
    for one in operations:
        if one["op"] == "test":
            continue
        steps = [step.replace("~1", "/").replace("~0", "~") for step in one["path"].split("/")[1:]]
        if steps[-1] == "-":
            steps[-1] = _name_of(one.get("value")) or f"+{added[one['path']]}"
            added[one["path"]] += 1
        for place, text in _leaves(one.get("value"), ".".join(steps)):
            if place not in _SELECTING:
                yield place, text if one["op"] != "remove" else "(removed)"


def _leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}.{_name_of(inner) or index}")
    else:
        yield path, json.dumps(value, ensure_ascii=False)


def _name_of(item: object) -> str:
    return str(item.get("name") or "") if isinstance(item, dict) else ""
