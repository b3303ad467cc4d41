"""The schema of access policies and of their configuration, from the schemas that the API server has of these kinds.

`policykinds.json` has the schema of each kind's spec; `make golden` copies it from manifests/crds (`kindscopy`). A
field that a kind does not have is an error, as with `kubectl --validate=strict`, and null is the same as absent. A rule
in CEL, which draft-07 cannot express, is left to the API server and to `nadmit check`. Other objects in the file pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cniplugin.netspec.names import ALLOWED_LABEL

from .draft7 import MESSAGE, Schema, document, or_null

KINDS_FILE = Path(__file__).parent / "policykinds.json"
_DOMAIN = "nadmit"
"""A file may have objects of other groups. NB: a group with a typo, such as acces.nadmit.io, is ours."""
_KEPT = (
    *("type", "description", "enum", "default", "pattern", "required", "minimum", "maximum"),
    *("minLength", "maxLength", "minItems", "maxItems", "maxProperties"),
)
"""Keywords that mean the same in both."""

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SHORT_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PREFIX = rf"({_LABEL}(\.{_LABEL})*/)?"
ALLOWED: Mapping[str, str] = {
    rf"^({_SHORT_LABEL}|[a-z0-9][-a-z0-9]{{0,62}}\*|\*)$": "a name, a prefix with * behind it, or *",
    "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$": "the value of a label",
    rf"^{_PREFIX}([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]$": "the key of a label, such as example.com/team",
    f"^{_LABEL}$": ALLOWED_LABEL,
    r"^[^*]*\*?$": "a text, or a prefix with * behind it",
    "^[0-9]{1,5}(-[0-9]{1,5})?$": "a number, or a range such as 100-199",
    "^([0-9A-Fa-f]{2}:)*[0-9A-Fa-f]{2}$": "bytes in hexadecimal, such as 02:00",
    rf"^{_SHORT_LABEL}/({_LABEL}(\.{_LABEL})*|\*)$": "namespace/name, or namespace/*",
}
"""What each pattern of the kinds allows, in words."""


class PolicyKind(NamedTuple):
    """One kind: its apiVersion, and the schema of its spec as the API server has it."""

    api_version: str
    spec: Schema


@cache
def load_kinds() -> Mapping[str, PolicyKind]:
    """Return the kinds by name. The file is read once."""
    return msgspec.json.decode(KINDS_FILE.read_bytes(), type=dict[str, PolicyKind])


def policy_schema() -> Schema:
    """Return the schema of a file with objects of these kinds."""
    kinds = load_kinds()
    branches = [
        {
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"$ref": f"#/definitions/{kind}"},
        }
        for kind in kinds
    ]
    ours: Schema = {
        "required": ["kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"enum": sorted({kind.api_version for kind in kinds.values()})},
            "kind": {"enum": list(kinds)},
            "metadata": {"type": "object"},
        },
        "allOf": branches,
    }
    return document(
        "Access policies",
        f"{' and '.join(kinds)} (docs/access.md).",
        {
            "type": "object",
            "required": ["apiVersion"],
            "if": {"properties": {"apiVersion": {"pattern": _DOMAIN}}},
            "then": ours,
            "definitions": {name: _object(kind) for name, kind in kinds.items()},
        },
    )


def _object(kind: PolicyKind) -> Schema:
    envelope: Schema = {key: {} for key in ("apiVersion", "kind", "metadata", "status")}
    properties = {**envelope, "spec": convert(kind.spec)}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def convert(schema: Schema) -> Schema:
    """Return a structural schema of Kubernetes as draft-07. An object with listed fields has no others."""
    made: dict[str, Any] = {name: schema[name] for name in _KEPT if name in schema}
    if schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    if schema.get("x-kubernetes-list-type") == "set":
        made["uniqueItems"] = True
    if "pattern" in schema:
        made[MESSAGE] = f"allowed: {ALLOWED[schema['pattern']]}"
    if "items" in schema:
        made["items"] = convert(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = convert(schema["additionalProperties"])
    elif "properties" in schema:
        required = schema.get("required", ())
        fields = {name: convert(inner) for name, inner in schema["properties"].items()}
        made["properties"] = {name: inner if name in required else or_null(inner) for name, inner in fields.items()}
        made["additionalProperties"] = False
    messages = [rule["message"] for rule in schema.get("x-kubernetes-validations", ()) if "message" in rule]
    if messages:
        made["description"] = "; ".join(filter(None, (made.get("description", "").rstrip("."), *messages)))
    return made
