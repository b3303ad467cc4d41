"""`NetworkAttachmentPolicyConfig` from plain JSON.

A value that cannot be read becomes the one that grants nothing: a posture Strict, a list of exemptions an empty one.
"""

from __future__ import annotations

from cniplugin.access.model.decision import (
    LABEL_MODES,
    META_PLUGIN_TYPES,
    NETWORK_STATUS_MODES,
    ON_UNAVAILABLE,
    POSTURES,
    Config,
    MultusGate,
    NamespaceLabels,
)
from cniplugin.access.model.levels import LEVELS, MODES, RESTRICTED, BaselineLists, ClusterLevels
from cniplugin.access.model.policyrules import CONFIG_NAME
from cniplugin.netspec.names import in_one_line, is_label

from . import policyfields
from .reader import Reader, choice, flag, integer, text, texts

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
    fields, is_sound = reader.members(value, path, _GATE)
    if is_sound and "namespaceIsolation" not in fields:
        reader.add(f"{path}.namespaceIsolation", "it is missing", allowed="true or false")
    return MultusGate(
        namespace_isolation=fields.get("namespaceIsolation") is not False,
        global_namespaces=fields.get("globalNamespaces", ("default",)),
    )


_LEVELS: Mapping[str, Read] = {mode: choice(*LEVELS) for mode in MODES}
_BASELINE: Mapping[str, Read] = {"masters": policyfields.names(policyfields.PATTERN), "addresses": policyfields.cidrs}
_NAMESPACE_LABELS: Mapping[str, Read] = {"mode": choice(*LABEL_MODES), "writers": policyfields.authors}
_DEFINITIONS: Mapping[str, Read] = {
    "default": choice("Allow", "Deny"),
    "exemptUsers": texts(most=32, item=_WHO),
    "exemptGroups": texts(most=32, item=_WHO),
    "metaPluginTypes": texts(most=16, item=text(longest=128, is_right=bool, allowed="a plugin type")),
    "levels": _object(_LEVELS),
    "baseline": _object(_BASELINE),
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
    "networkStatusMode": choice(*NETWORK_STATUS_MODES),
    "protectNetworkStatus": flag,
    "statusWriters": texts(most=16, item=_WHO),
    "statusWriterGroups": texts(most=16, item=_WHO),
    "definitions": _object(_DEFINITIONS),
    "namespaceLabels": _object(_NAMESPACE_LABELS),
    "node": _object(_NODE),
    "multusGate": _gate,
    "messages": _object(_MESSAGES),
}

_CAREFUL: Mapping[str, Any] = {
    "posture": "Strict",
    "globalNamespaces": (),
    "networkStatusMode": Config().network_status_mode,
    "multusGate": MultusGate(namespace_isolation=True, global_namespaces=()),
    "definitions": {"default": "Deny", "exemptGroups": ()},
    "namespaceLabels": {"mode": "Deny"},
    "node": {"onUnavailable": "Deny"},
}
"""The values of keys that are present and cannot be read; the other keys have careful defaults.

Levels become Restricted only if some are written: a mistake elsewhere in `definitions` keeps no pod from its networks.
"""


def read_config(value: Mapping[str, Any]) -> tuple[Config, tuple[SpecError, ...]]:
    """Return the configuration of an API object, and its problems. Never raises."""
    reader = Reader()
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if name != CONFIG_NAME:
        reader.add("metadata.name", "the only permitted name is cluster", value=name, allowed=CONFIG_NAME)
    spec = value.get("spec")
    if spec is None:
        reader.add("spec", "it is missing", allowed="an object, {} for the defaults")
    fields, _ = reader.members({} if spec is None else spec, "spec", _SPEC)
    if not isinstance(spec, dict | None):
        spec = dict.fromkeys(_SPEC, "")
    for key, careful in _CAREFUL.items():
        written = (spec or {}).get(key)
        if key not in fields and written is not None:
            fields[key] = careful
            if key == "definitions" and not (isinstance(written, dict) and written.get("levels") is None):
                fields[key] = {**careful, "levels": dict.fromkeys(MODES, RESTRICTED)}
    return _config(fields), tuple(reader.problems)


_FIELDS: Mapping[str, Mapping[str, str]] = {
    "": {
        "posture": "posture",
        "globalNamespaces": "global_namespaces",
        "exemptNamespaces": "exempt_namespaces",
        "workloadTemplates": "workload_templates",
        "statusWriters": "status_writers",
        "statusWriterGroups": "status_writer_groups",
        "multusGate": "multus_gate",
    },
    "definitions": {
        "default": "definitions_default",
        "exemptUsers": "exempt_users",
        "exemptGroups": "exempt_groups",
    },
    "node": {"onUnavailable": "on_unavailable", "snapshotMaxAgeSeconds": "snapshot_max_age_s"},
    "messages": {"listAllowed": "list_allowed", "maxListed": "max_listed"},
}
"""The fields of `Config` that hold a key as it is, by section."""


def _config(fields: Mapping[str, Any]) -> Config:
    sections = {"": fields, **{section: fields.get(section, {}) for section in _FIELDS if section}}
    definitions = sections["definitions"]
    meta = definitions.get("metaPluginTypes", META_PLUGIN_TYPES)
    return Config(
        network_status_mode=_network_status_mode(fields),
        meta_plugin_types=tuple(dict.fromkeys((*meta, "nadmit"))),
        levels=ClusterLevels(**definitions.get("levels", {})),
        baseline=BaselineLists(**definitions.get("baseline", {})),
        namespace_labels=NamespaceLabels(**fields.get("namespaceLabels", {})),
        contact=in_one_line(sections["messages"].get("contact", "")),  # refusals have one fact per line
        **{
            field: sections[section][key]
            for section, names in _FIELDS.items()
            for key, field in names.items()
            if key in sections[section]
        },
    )


def _network_status_mode(fields: Mapping[str, Any]) -> str:
    """Return the mode, also of an object that only has the deprecated `protectNetworkStatus`.

    NB: true does not mean Deny. It was the schema's default, so the API server put it into every object.
    """
    mode = fields.get("networkStatusMode")
    if mode is not None:
        return str(mode)
    return "Off" if fields.get("protectNetworkStatus") is False else Config().network_status_mode
