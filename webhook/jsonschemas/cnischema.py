"""The schema of CNI configurations, from what `webhook.plugindata` knows of each plugin.

It has the keys of plugins with their meaning, types, ranges, values and forms, and the keys that every configuration
may have (`netspec.cniconfig`). Order, chaining, constraints between keys and access rules are left to `nadmit check`.
With `strict`, also keys that nobody reads and plugin types that nobody knows are errors, of which the webhook warns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cniplugin.netspec.attachers import ATTACHERS
from cniplugin.netspec.names import ALLOWED_NETWORK_NAME
from cniplugin.netspec.versions import VERSIONS
from webhook.admission.plugins.engine import ENVELOPE
from webhook.admission.plugins.findings import is_refused
from webhook.admission.plugins.goparsing import ALLOWED, INTERFACE_NAME_MAX, LINK_NAME_MAX, MAC
from webhook.admission.plugins.schema import GO_INTEGERS, Key, PluginChecks, PluginSchema

from .draft7 import ADDRESS, INTERFACE, Schema, any_case, document, or_null, requiring, suggesting, whole

DIALECT_KEY = "$schema"
"""A file of JSON may name its schema."""

_FORMATS: Mapping[str, str] = {
    "mac": MAC.pattern,
    "ip": ADDRESS,
    "cidr": f"{ADDRESS}/[0-9]{{1,3}}",
    "destination": f"{ADDRESS}/[0-9]{{1,3}}",
    "ifname": f"{INTERFACE}{{1,{INTERFACE_NAME_MAX}}}",
    "link": f"{INTERFACE}{{1,{LINK_NAME_MAX}}}",
    "decimal": "[+-]?[0-9]{1,18}",
}
"""The pattern of each `schema.Format`. A pattern may take more than the webhook does."""

_SMALL: Mapping[str, Schema] = {
    go: {"minimum": least, "maximum": most} for go, (least, most) in GO_INTEGERS.items() if go in ("int32", "uint32")
} | {"uint": {"minimum": 0}}
"""The limits of Go's types. NB: editors keep numbers as floats, and cannot compare with the limits of 64 bits."""


def cni_schema(checks: PluginChecks, types: Iterable[str] = (), *, strict: bool = False) -> Schema:
    """Return the schema of a network whose plugins or IPAM are of some types; without types, of all that are known."""
    known = {name: schema for name, schema in checks.schemas.items() if name not in checks.exempt}
    chosen = {name: known[name] for name in types} or known
    network = _Network(checks, known, chosen, strict=strict)
    title = f"CNI configuration: {', '.join(chosen)}" if chosen is not known else "CNI configuration"
    about = " ".join(f"{name}: {schema.about}." for name, schema in chosen.items() if schema.about)
    description = about if chosen is not known else "A network: one plugin, or a list of plugins (CNI 1.1)."
    return document(title, description, network.schema())


class _Network:
    """Makes the parts of one schema. `definitions`: those of the plugins and IPAM plugins that it has."""

    def __init__(
        self,
        checks: PluginChecks,
        known: Mapping[str, PluginSchema],
        chosen: Mapping[str, PluginSchema],
        *,
        strict: bool,
    ) -> None:
        self.checks = checks
        self.strict = strict
        self.known = sorted({*known, *checks.exempt})
        self.plugins = {name: schema for name, schema in chosen.items() if schema.kind != "ipam"}
        ipams = known if self.plugins else chosen
        found = {name: schema.as_ipam or schema for name, schema in ipams.items()}
        self.ipams = {name: schema for name, schema in found.items() if schema.kind == "ipam"}

    def schema(self) -> Schema:
        """Return the keywords of the whole file."""
        plugins = {f"plugin-{name}": self._plugin_schema(name, schema) for name, schema in self.plugins.items()}
        ipams = {f"ipam-{name}": self._ipam_schema(name, schema) for name, schema in self.ipams.items()}
        return {
            "type": "object",
            "allOf": [{"$ref": "#/definitions/network"}],
            "if": {"required": ["plugins"]},
            "then": {"properties": {"plugins": {"items": {"$ref": "#/definitions/plugin"}}}},
            "else": {"allOf": [{"$ref": "#/definitions/plugin"}, {"required": ["type"]}]},
            "definitions": {
                "network": _network(strict=self.strict),
                "plugin": self._plugin(),
                **plugins,
                **ipams,
            },
        }

    def _plugin(self) -> Schema:
        """Return the schema of one plugin of any type."""
        kinds: Schema = {"enum": self.known} if self.strict else suggesting(list(self.plugins or self.known), TYPE)
        branches = [_if_type(name, f"#/definitions/plugin-{name}") for name in self.plugins]
        if not self.plugins:
            branches = [self._ipam_alone(name) for name in self.ipams]
        envelope = _envelope(kinds)
        return {"type": "object", "required": ["type"], "properties": envelope, "allOf": branches}

    def _ipam_alone(self, name: str) -> Schema:
        """Return the check of one IPAM plugin, below those plugins that run it as it is written."""
        runs = [one for one, schema in self.checks.schemas.items() if self.checks.ipam_of(schema, name) is not None]
        return {
            "if": {"properties": {"type": {"enum": runs}}, "required": ["type"]},
            "then": {"properties": {"ipam": _if_type(name, _ipam(name))}},
        }

    def _plugin_schema(self, name: str, schema: PluginSchema) -> Schema:
        extras: dict[str, Schema] = {**{key: {} for key in schema.also_reads}, **{key: {} for key in schema.beside}}
        extras |= {key: {} for key in ENVELOPE - schema.keys.keys()}
        ipams = [one for one in self.ipams if self.checks.ipam_of(schema, one) is not None]
        for ipam in ipams:
            extras |= {key: {} for key in self.ipams[ipam].beside.keys() - schema.keys.keys()}
        if ipams:
            extras["ipam"] = {"allOf": [_if_type(one, _ipam(one)) for one in ipams]}
        if schema.capabilities:
            names = {one: {"type": "boolean"} for one in sorted(schema.capabilities)}
            extras["capabilities"] = {"properties": names}
        made = self._object(schema.keys, extras)
        if schema.ipam == "required":
            needed = {"required": ["ipam"], "properties": {"ipam": {"required": ["type"]}}}
            made["allOf"] = [*made.get("allOf", []), needed]
        return {"title": name, "description": schema.about, **made}

    def _ipam_schema(self, name: str, schema: PluginSchema) -> Schema:
        extras: dict[str, Schema] = {"type": {"type": "string"}, **{key: {} for key in schema.also_reads}}
        return {"title": name, "description": schema.about, **self._object(schema.keys, extras)}

    def _object(self, keys: Mapping[str, Key], extras: Mapping[str, Schema]) -> Schema:
        """Return the schema of an object with some keys of a plugin, and others."""
        own = {name: self._key(key, is_required=key.required) for name, key in keys.items()}
        others = {name: schema for name, schema in extras.items() if name not in own}
        made: Schema = {"type": "object", "properties": {**own, **others}}
        if needed := [requiring(name) for name, key in keys.items() if key.required]:
            made["allOf"] = needed
        if self.strict:
            made["properties"].setdefault(DIALECT_KEY, {})
            made["additionalProperties"] = False
        return made

    def _key(self, key: Key, *, is_required: bool = False) -> Schema:
        """Return the schema of one value. Null and, of a text, "" are the same as absent."""
        made = self._value(key)
        if is_required and key.type == "string":
            made["minLength"] = 1
        if not is_required:
            made = or_null(made)
        described = _description(key)
        return {**({"description": described} if described else {}), **made}

    def _value(self, key: Key) -> Schema:
        match key.type:
            case "object":
                return self._object(key.keys, {})
            case "array":
                made = {"type": "array", "items": self._item(key)} if key.items else {"type": "array"}
                return {**made, **_bounds(key, "minItems", "maxItems")}
            case "map":
                return {"type": "object", "additionalProperties": self._item(key)} if key.items else {"type": "object"}
            case "integer":
                return {
                    "type": "integer",
                    **_SMALL.get(key.go, {}),
                    **_bounds(key, "minimum", "maximum"),
                    **_values(key),
                }
            case "string":
                return {"type": "string", **_text(key)}
            case "boolean":
                return {"type": "boolean"}
            case _:
                return {}

    def _item(self, key: Key) -> Schema:
        """Return the schema of the items of a list, or of the values of a map."""
        item = key.items
        if item is None:
            return {}
        takes_null = key.null_items and not any(inner.required for inner in item.keys.values())
        return self._key(item, is_required=False) if takes_null else {**self._value(item)}


TYPE: Schema = {"type": "string", "minLength": 1, **whole("[^/ ]+", "the file name of a plugin, without a path")}
"""The file name of a plugin."""
_FLAG: Schema = {
    "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": f"^(?:{any_case('true')}|{any_case('false')})$"}]
}
_TEXTS: Schema = {"type": ["array", "null"], "items": {"type": "string"}}
_DNS: Schema = {
    "description": "DNS settings; Kubernetes does not use those of further networks",
    "type": ["object", "null"],
    "properties": {
        "nameservers": _TEXTS,
        "domain": {"type": ["string", "null"]},
        "search": _TEXTS,
        "options": _TEXTS,
    },
}


def _network(*, strict: bool) -> Schema:
    """Return the keys at the top, which the runtime reads (CNI 1.1 §1)."""
    properties: Schema = {
        "name": {
            "description": "name of the network; unset: that of the NetworkAttachmentDefinition",
            "type": "string",
            **whole("[A-Za-z0-9][A-Za-z0-9_.-]*", ALLOWED_NETWORK_NAME),
        },
        "cniVersion": {
            "description": "version of CNI that the runtime and the plugins speak",
            **suggesting(list(VERSIONS), {"type": "string"}),
        },
        "cniVersions": {"description": "versions of CNI to choose from", "type": "array", "items": {"type": "string"}},
        "disableCheck": {"description": "true: the runtime makes no CHECK", **_FLAG},
        "disableGC": {"description": "true: the runtime makes no GC", **_FLAG},
        "loadOnlyInlinedPlugins": {"description": "true: no file adds plugins to the list", **_FLAG},
        "plugins": {
            "description": "the plugins, which run in this order",
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["type"]},
        },
    }
    oldest = {"properties": {"cniVersion": {"enum": [*VERSIONS, ""]}}}
    made: Schema = {"properties": properties, "if": {"not": {"required": ["cniVersions"]}}, "then": oldest}
    if strict:
        listed = {"required": ["plugins"], "properties": {"plugins": {"type": "array"}}}
        closed = {
            "properties": {key: {} for key in (DIALECT_KEY, *properties, *ENVELOPE)},
            "additionalProperties": False,
        }
        made["allOf"] = [{"if": listed, "then": closed}]
    return made


def _envelope(kinds: Schema) -> Schema:
    """Return the keys that every plugin may have."""
    return {
        "type": {"description": "file name of the plugin", **kinds},
        "name": {"type": ["string", "null"]},
        "cniVersion": {"type": ["string", "null"]},
        "capabilities": {
            "description": "what the runtime may pass on to the plugin, such as ips and mac",
            "type": ["object", "null"],
            "additionalProperties": {"type": "boolean"},
        },
        "ipam": {
            "description": "the plugin that hands out addresses",
            "type": ["object", "null"],
            "properties": {"type": {"description": "file name of the IPAM plugin", "type": ["string", "null"]}},
        },
        "dns": _DNS,
        "args": {"type": "object", "properties": {"cni": {"type": "object"}}},
        "runtimeConfig": {"description": "filled in by the runtime", "type": ["object", "null"]},
        "prevResult": {"description": "filled in by the runtime", "type": ["object", "null"]},
        "delegate": {"type": ["object", "null"]},
        "delegates": {"type": ["array", "null"], "items": {"type": "object"}},
    }


def _if_type(name: str, reference: str) -> Schema:
    return {
        "if": {"type": "object", "properties": {"type": {"const": name}}, "required": ["type"]},
        "then": {"$ref": reference},
    }


def _ipam(name: str) -> str:
    return f"#/definitions/ipam-{name}"


def _is_error(key: Key, usual: str) -> bool:
    """Say whether what breaks the limits of a key is refused, whoever attaches."""
    return all(is_refused(key.code or usual, attacher) for attacher in ATTACHERS)


def _bounds(key: Key, lowest: str, highest: str) -> Schema:
    bounds: dict[str, Any] = {lowest: key.minimum, highest: key.maximum}
    return {name: bound for name, bound in bounds.items() if bound is not None} if _is_error(key, "NAD201") else {}


def _values(key: Key) -> Schema:
    return {"enum": list(key.values)} if key.values and _is_error(key, "NAD202") else {}


def _text(key: Key) -> Schema:
    """Return the values of a text, which an editor suggests, or the pattern of its form."""
    if key.values and _is_error(key, "NAD202"):
        if not key.any_case:
            return {"enum": [*key.values, ""]}
        spellings = "|".join(any_case(str(value)) for value in key.values)
        return suggesting(list(key.values), whole(spellings, ", ".join(map(str, key.values))))
    if key.format and _is_error(key, "NAD203"):
        return whole(_FORMATS[key.format], ALLOWED[key.format])
    return {}


def _description(key: Key) -> str:
    default = "" if key.default is None else f"; default: {key.default}"
    return f"{key.meaning}{default}"
