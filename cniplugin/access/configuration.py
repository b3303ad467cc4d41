"""`NetworkAttachmentPolicyConfig` from plain JSON, over the configuration that holds without the object.

What cannot be read falls to the side that grants nothing: a posture to Strict, a list of exemptions to none.
"""

from __future__ import annotations

from cniplugin.netspec.names import is_label
from cniplugin.netspec.whitespace import in_one_line

from .model import META_PLUGIN_TYPES, ON_UNAVAILABLE, POSTURES, Config, MultusGate
from .reader import Reader, choice, flag, integer, text, texts
from .rules import CONFIG_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cniplugin.netspec.errors import SpecError

    from .reader import Read

AGE_LEAST_S, AGE_MOST_S = 60, 2_592_000

_NAMESPACE = text(longest=63, is_right=is_label, allowed="a namespace")
_WHO = text(longest=253, is_right=bool, allowed="a text that is not empty")


def _object(readers: Mapping[str, Read]) -> Read:
    return lambda reader, value, path: reader.members(value, path, readers)[0]


_GATE: Mapping[str, Read] = {"namespaceIsolation": flag, "globalNamespaces": texts(most=64, item=_NAMESPACE)}


def _gate(reader: Reader, value: object, path: str) -> MultusGate:
    found, is_sound = reader.members(value, path, _GATE)
    if is_sound and "namespaceIsolation" not in found:
        reader.add(f"{path}.namespaceIsolation", "it is missing", allowed="true or false")
    return MultusGate(
        namespace_isolation=found.get("namespaceIsolation") is not False,
        global_namespaces=found.get("globalNamespaces", ("default",)),
    )


_DEFINITIONS: Mapping[str, Read] = {
    "default": choice("Allow", "Deny"),
    "exemptUsers": texts(most=32, item=_WHO),
    "exemptGroups": texts(most=32, item=_WHO),
    "metaPluginTypes": texts(most=16, item=text(longest=128, is_right=bool, allowed="a plugin type")),
}
_NODE: Mapping[str, Read] = {
    "onUnavailable": choice(*ON_UNAVAILABLE),
    "snapshotMaxAgeSeconds": integer(least=AGE_LEAST_S, most=AGE_MOST_S),
}
_MESSAGES: Mapping[str, Read] = {
    "contact": text(longest=253),
    "listAllowed": flag,
    "maxListed": integer(least=0, most=20),
}
_SPEC: Mapping[str, Read] = {
    "posture": choice(*POSTURES),
    "globalNamespaces": texts(most=64, item=_NAMESPACE),
    "exemptNamespaces": texts(most=32, item=_NAMESPACE),
    "workloadTemplates": choice("Off", "Warn", "Deny"),
    "protectNetworkStatus": flag,
    "statusWriters": texts(most=16, item=_WHO),
    "definitions": _object(_DEFINITIONS),
    "node": _object(_NODE),
    "multusGate": _gate,
    "messages": _object(_MESSAGES),
}

_CAREFUL: Mapping[str, object] = {
    "posture": "Strict",
    "globalNamespaces": (),
    "multusGate": MultusGate(namespace_isolation=True, global_namespaces=()),
    "definitions": {"default": "Deny", "exemptGroups": ()},
    "node": {"onUnavailable": "Deny"},
}
"""What counts for a key that is there and cannot be read; other keys have careful defaults."""


def read_config(value: Mapping[str, Any]) -> tuple[Config, tuple[SpecError, ...]]:
    """Return the configuration of an API object, and what is wrong with it. Never raises."""
    reader = Reader()
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if name != CONFIG_NAME:
        reader.add("metadata.name", "the only permitted name is cluster", value=name, allowed=CONFIG_NAME)
    spec = value.get("spec")
    if spec is None:
        reader.add("spec", "it is missing", allowed="an object, {} for the defaults")
    found, _ = reader.members({} if spec is None else spec, "spec", _SPEC)
    if not isinstance(spec, dict | None):
        spec = dict.fromkeys(_SPEC, "")
    for key, careful in _CAREFUL.items():
        if key not in found and (spec or {}).get(key) is not None:
            found[key] = careful
    return _config(found), tuple(reader.problems)


def _config(found: Mapping[str, Any]) -> Config:
    definitions, node, messages = (found.get(key, {}) for key in ("definitions", "node", "messages"))
    meta = definitions.get("metaPluginTypes", META_PLUGIN_TYPES)
    return Config(
        posture=found.get("posture", "Isolated"),
        global_namespaces=found.get("globalNamespaces", ("default",)),
        exempt_namespaces=found.get("exemptNamespaces", ()),
        workload_templates=found.get("workloadTemplates", "Deny"),
        protect_network_status=found.get("protectNetworkStatus", True),
        status_writers=found.get("statusWriters", ()),
        definitions_default=definitions.get("default", "Allow"),
        exempt_users=definitions.get("exemptUsers", ()),
        exempt_groups=definitions.get("exemptGroups", ("system:masters",)),
        meta_plugin_types=tuple(dict.fromkeys((*meta, "nadmit"))),
        on_unavailable=node.get("onUnavailable", "UseSnapshot"),
        snapshot_max_age_s=node.get("snapshotMaxAgeSeconds", 86_400),
        multus_gate=found.get("multusGate"),
        contact=in_one_line(messages.get("contact", "")),  # refusals have one fact per line
        list_allowed=messages.get("listAllowed", True),
        max_listed=messages.get("maxListed", 5),
    )
