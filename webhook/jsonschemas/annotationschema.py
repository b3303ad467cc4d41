"""The schema of network selection annotations, from the keys and names of `netspec.annotation`.

    text      = the value of an annotation: the comma form, or JSON, which stays unread inside a text
    list      = the JSON form in a file of its own
    object    = a pod, or a workload: its annotations, and those of its pod template

With `strict`, a key of an element that nobody reads is an error, of which the webhook warns. A key with a dot is
somebody's own.
"""

from __future__ import annotations

from collections.abc import Mapping

from cniplugin.netspec import annotation, names
from cniplugin.netspec.selection import BANDWIDTH_FIELDS, DEFAULT_NETWORK, NETWORKS

from .draft7 import ADDRESS, INTERFACE, LABEL, MESSAGE, SUBDOMAIN, Schema, any_case, document, or_null, requiring, whole

_SPACE = r"[\s\u0085]*"
"""White space as Go's readers take it (`netspec.names`). NB: U+0085 is none in ECMA 262."""
_JSON = r'[^\[{"]*[\[{"]'
"""The beginning of a text that is read as JSON."""
_CHOSEN = rf"[^/:@,\s]{{1,{names.IFNAMSIZ - 1}}}"
"""The name of an interface in the comma form, where "@" and "," are marks."""
_ITEM = rf"(?:(?:{LABEL})?{_SPACE}/{_SPACE})?{LABEL}{_SPACE}(?:@{_SPACE}(?:{_CHOSEN}{_SPACE})?)?"
_COMMA_LIST = rf"{_SPACE}{_ITEM}(?:,{_SPACE}{_ITEM})*"
_FORM = "[namespace/]name[@interface], separated by commas, or a list of objects in JSON"

_TEXT: Schema = {
    "description": f"networks of the pod: {_FORM}",
    "type": "string",
    "pattern": rf"^(?:{_SPACE}$|{_JSON}|{_COMMA_LIST}$)",
    MESSAGE: f"allowed: {_FORM}",
}
_NAME: Schema = {"type": "string", **whole(SUBDOMAIN, names.ALLOWED_SUBDOMAIN), "maxLength": names.SUBDOMAIN_MAX}
_INTERFACE: Schema = {
    "type": "string",
    **whole(f"{INTERFACE}{{1,{names.IFNAMSIZ - 1}}}", names.ALLOWED_INTERFACE),
    "not": {"enum": list(names.RESERVED_INTERFACES)},
}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_RATE: Schema = {"type": ["integer", "null"], "minimum": 0}
_PORTS: Mapping[str, Schema] = {
    "hostPort": {"description": "port of the node", **_PORT},
    "containerPort": {"description": "port of the pod", **_PORT},
    "protocol": {
        "description": "TCP, UDP or SCTP; unset: TCP",
        "type": ["string", "null"],
        "pattern": f"^(?:{'|'.join(map(any_case, ('TCP', 'UDP', 'SCTP')))})$",
        MESSAGE: "allowed: TCP, UDP, SCTP",
    },
    "hostIP": {
        "description": "address of the node; unset: all",
        "type": ["string", "null"],
        **whole(ADDRESS, names.ALLOWED_IP),
    },
}
_RATES: Mapping[str, Schema] = {
    key: {"description": f"{'bits' if key.endswith('Burst') else 'bits per second'}; 0 is no limit", **_RATE}
    for key in BANDWIDTH_FIELDS
}


def _pairs(count: int) -> str:
    """Return the pattern of a hardware address of some bytes: one separator throughout."""
    byte = "[0-9A-Fa-f]{2}"
    forms = [rf"{byte}(?:{mark}{byte}){{{count - 1}}}" for mark in (":", "-")]
    return "|".join([*forms, rf"[0-9A-Fa-f]{{4}}(?:\.[0-9A-Fa-f]{{4}}){{{count // 2 - 1}}}"])


KEYS: Mapping[str, Schema] = {
    "name": {"description": "name of the NetworkAttachmentDefinition", **_NAME, "minLength": 1},
    "namespace": {
        "description": "its namespace; unset: that of the pod",
        "type": "string",
        **whole(LABEL, names.ALLOWED_LABEL),
        "maxLength": names.LABEL_MAX,
    },
    "ips": {
        "description": "addresses that the pod asks for",
        "type": "array",
        "items": {
            "type": "string",
            "pattern": f"^{ADDRESS}(?:/[0-9]{{1,3}})?$",
            MESSAGE: f"allowed: {names.ALLOWED_IP}",
        },
    },
    "mac": {"description": "MAC address of the interface", "type": "string", **whole(_pairs(6), names.ALLOWED_MAC)},
    "interface": {"description": "name of the interface in the pod; unset: net1, net2, ...", **_INTERFACE},
    "cni-args": {"description": "arguments for the plugins, which their documentation lists", "type": "object"},
    "portMappings": {"description": "ports of the node that lead to ports of the pod", "type": "array"},
    "bandwidth": {"description": "limits of the traffic", "type": "object"},
    "default-route": {
        "description": "gateways of the pod's default route; [] keeps the network's own",
        "type": "array",
        "items": {"type": "string", "pattern": f"^{ADDRESS}$", MESSAGE: "allowed: the address of a gateway"},
    },
    "infiniband-guid": {
        "description": "GUID of the InfiniBand interface",
        "type": "string",
        **whole(_pairs(8), names.ALLOWED_GUID),
    },
    "ipam-claim-reference": {"description": "name of an IPAMClaim of the pod's namespace", **_NAME},
    "interfaceRequest": {"description": "the old name of interface", "deprecated": True, **_INTERFACE},
    "deviceID": {"description": "the device, which Multus otherwise chooses", "type": "string"},
}
"""Each key of an element (NPWG v1.3 §4.1.2.1, and what Multus adds)."""


def annotation_schema(*, strict: bool = False) -> Schema:
    """Return the schema of a pod, of a workload, or of the value of an annotation alone."""
    annotations: Schema = {"type": ["object", "null"], "properties": {NETWORKS: _TEXT, DEFAULT_NETWORK: _TEXT}}
    meta: Schema = {"properties": {"metadata": {"properties": {"annotations": annotations}}}}
    template: Schema = {"properties": {"template": {"$ref": "#/definitions/meta"}}}
    job: Schema = {"properties": {"spec": template}}
    return document(
        "Networks of a pod",
        f"The annotation {NETWORKS} of a pod or of a workload; or its value alone, as a text or as a list (NPWG v1.3).",
        {
            "type": ["object", "array", "string"],
            "if": {"type": "array"},
            "then": {"items": {"$ref": "#/definitions/element"}},
            "else": {
                "if": {"type": "string"},
                "then": _TEXT,
                "else": {
                    "allOf": [
                        {"$ref": "#/definitions/meta"},
                        {"properties": {"spec": {"allOf": [template, {"properties": {"jobTemplate": job}}]}}},
                    ]
                },
            },
            "definitions": {"meta": meta, "element": _element(strict=strict)},
        },
    )


def _element(*, strict: bool) -> Schema:
    ports = _closed({"type": "object", "properties": dict(_PORTS)}, strict=strict)
    ports["allOf"] = [requiring("hostPort"), requiring("containerPort")]
    rates = _closed({"type": "object", "properties": {key: dict(rate) for key, rate in _RATES.items()}}, strict=strict)
    inner = {"portMappings": {"items": ports}, "bandwidth": rates}
    made = {key: {**schema, **inner.get(key, {})} for key, schema in KEYS.items()}
    made = {key: schema if key == "name" else or_null(schema) for key, schema in made.items()}
    element: Schema = {"type": "object", "properties": made, "allOf": [requiring("name")]}
    lost = {f"^(?:{any_case(old)})$": False for old in annotation.OLD_KEYS}
    return _closed({**element, "patternProperties": lost}, strict=strict, dotted=True)


def _closed(schema: Schema, *, strict: bool, dotted: bool = False) -> Schema:
    if not strict:
        return schema
    patterns = {**schema.get("patternProperties", {}), **({r"\.": {}} if dotted else {})}
    return {**schema, **({"patternProperties": patterns} if patterns else {}), "additionalProperties": False}
