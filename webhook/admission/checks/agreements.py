"""Definitions of one network agree, and a namespace has one primary network.

To OVN-Kubernetes, all definitions with one `name` are one network. It makes the network from the definition that it
sees first, and drops those that say something else; their pods wait for an interface that never comes
(nad_controller.go syncNAD, multi_network.go canReconcile). So several definitions with one name are right, and must
say the same. A namespace has one primary network: the controller drops a second definition of one.

Fields compared: those of `PluginSchema.agree_on` and `once_with`. Operations: CREATE, and UPDATE that changes the text.
The result is always a warning, because nobody but the controller knows which definition it saw first. Example:
`spec.config.topology: NAD507: the definition red/net of network "shared" has another topology; ...`

What a tenant may learn: a network's name is cluster-wide, so the other definition may be a stranger's. Its namespace,
its name and the key that differs are in the message only if pods of the author's namespace may attach to it. Otherwise
the message says that there is one: as much as a pod that never starts would show. With the key, an author could find
out each value by trying.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cniplugin.access.judging.judge import judge_any_pod
from cniplugin.access.model.decision import Item, Subject
from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.goparsing import read_cidr
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import DecisionContext

OTHERS_MAX = 16
"""Definitions of one network that are compared with the one that is written. Those before it agreed with each other, or
had the warning, so the first few show a difference; and each may have to be parsed."""

ITEMS_MAX = 16
"""Items of a list that are compared in any order; longer lists are compared as texts."""


def find_disagreements(
    network: NetworkAttachmentDefinition, context: DecisionContext, plugins: PluginChecks
) -> Iterator[PluginFinding]:
    """Yield how a definition and those that exist do not go together. Raises OutOfTurnError."""
    schema = plugins.schema_of(network.config.plugins[0].type) if network.config is not None else None
    if schema is None:
        return
    if schema.agree_on and (differs := _disagreement(network, schema.agree_on, context)) is not None:
        yield differs
    for key, value in schema.once_with.items():
        if (first := _second(network, key, value, context)) is not None:
            yield first


def shared_keys(config: NetworkConfigList, plugins: PluginChecks) -> Mapping[str, str | int | bool]:
    """Return the keys in which all definitions with the name of a network must agree; {} if the name is its own."""
    schema = plugins.schema_of(config.plugins[0].type)
    return schema.agree_on if schema is not None else {}


def _disagreement(
    network: NetworkAttachmentDefinition, keys: Mapping[str, str | int | bool], context: DecisionContext
) -> PluginFinding | None:
    """Return the first difference between a definition and another one of its network."""
    config = network.config
    if config is None:
        return None
    kind = config.plugins[0].type
    own = _values(config, keys)
    for other in _others(network, kind, config.name, context):
        if other.config is not None and other.config.name == config.name and other.config.plugins[0].type == kind:
            theirs = _values(other.config, keys)
            key = next((key for key in keys if own[key] != theirs[key]), None)
            if key is not None:
                return _finding(network, other, key, context)
    return None


def _second(
    network: NetworkAttachmentDefinition, key: str, value: str, context: DecisionContext
) -> PluginFinding | None:
    """Return a finding if an earlier definition of the namespace has a value that only one of them may have."""
    if not _has(network, key, value):
        return None
    kind = network.config.plugins[0].type if network.config is not None else ""
    for name in context.cluster.network_names(network.namespace)[:OTHERS_MAX]:
        other = context.cluster.network(network.namespace, name) if name != network.name else None
        if other is None or other.config is None or other.config.plugins[0].type != kind:
            continue
        if _has(other, key, value):
            detail = f"{other.reference} is the {value} network of this namespace already, and pods get that one"
            fix = "keep one of the two"
            return PluginFinding(code="NAD509", path=_path(network, key), detail=detail, value=value, fix=fix)
    return None


def _has(network: NetworkAttachmentDefinition, key: str, value: str) -> bool:
    return network.config is not None and _values(network.config, {key: ""})[key] == frozenset({value})


def _others(
    network: NetworkAttachmentDefinition, kind: str, name: str, context: DecisionContext
) -> Iterator[NetworkAttachmentDefinition]:
    """Yield up to OTHERS_MAX definitions that may be of the network, those of the same namespace first."""
    own = (network.namespace, network.name)
    keys = [key for key in context.cluster.networks_named(name, kind) if key != own]
    keys.sort(key=lambda key: key[0] != network.namespace)
    for key in keys[:OTHERS_MAX]:
        other = context.cluster.network(*key)
        if other is not None:
            yield other


def _values(config: NetworkConfigList, keys: Mapping[str, str | int | bool]) -> Mapping[str, object]:
    """Return the value of each key as the controller compares it: lists in any order, the default for an absent one.

    NB: Go reads keys in any letter case; of two spellings the last one counts.
    """
    folded = {key.casefold(): value for key, value in config.plugins[0].conf.items()}
    return {key: _comparable(folded.get(key.casefold()) or default, default) for key, default in keys.items()}


def _comparable(value: Any, default: object) -> object:
    if not isinstance(value, str) or not isinstance(default, str):
        return value if isinstance(value, str | int) else repr(value)
    items = value.split(",")
    return frozenset(map(_item, items)) if len(items) <= ITEMS_MAX else value


def _item(text: str) -> str:
    """Return an item of a list: of a CIDR its network, and what follows a second slash."""
    address, slash, rest = trim(text).partition("/")
    prefix, more, length = rest.partition("/")
    read = read_cidr(f"{address}{slash}{prefix}")
    return f"{read.network}{more}{length}" if read is not None else trim(text)


def _finding(
    network: NetworkAttachmentDefinition, other: NetworkAttachmentDefinition, key: str, context: DecisionContext
) -> PluginFinding:
    name = network.config.name if network.config is not None else ""
    happens = "OVN-Kubernetes takes one of them, and pods of the other may wait for it without end"
    if not _may_know(network.namespace, other, context):
        return PluginFinding(
            code="NAD507",
            path="name",
            detail=f"a definition of another namespace says something else about this network; {happens}",
            value=name,
            fix="write another name, or ask the owners of the network",
        )
    return PluginFinding(
        code="NAD507",
        path=_path(network, key),
        detail=f'the definition {other.reference} of network "{name}" has another {key}; {happens}',
        fix="write the same in both, or another name",
    )


def _path(network: NetworkAttachmentDefinition, key: str) -> str:
    return f"plugins[0].{key}" if network.config is not None and network.config.is_list else key


def _may_know(namespace: str, other: NetworkAttachmentDefinition, context: DecisionContext) -> bool:
    """Say whether some pod of a namespace may attach to a definition; then its author may know of it."""
    if other.namespace == namespace:
        return True
    labels = context.cluster.namespace_labels
    subject = Subject(namespace=namespace, namespace_labels=labels(namespace))
    element = NetworkSelectionElement(namespace=other.namespace, name=other.name)
    item = Item(element=element, network=other, network_labels=labels(other.namespace))
    return judge_any_pod(subject, item, context.rules).is_allowed
