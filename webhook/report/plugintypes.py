"""What is known of a CNI plugin, as text and as JSON: `nadmit explain --type` prints it.

Everything comes from one schema. A row is one key with its path from the plugin's object, such as `vlanTrunk[].minID`,
or `ipam.subnet` of an IPAM plugin.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from webhook.admission.plugins.findings import SEVERITIES
from webhook.admission.plugins.schema import GO_INTEGERS, Constraint, Key, PluginChecks, PluginSchema, ReadKey, Touch
from webhook.plugindata.pluginfiles import load_unchecked

from .docspages import PARTS
from .lint import Paint

Checked = Literal["yes", "exempt", "no"]

WIDTH = 100
PATH_WIDTH_MAX = 31
"""A longer path has a line of its own."""

KINDS: Mapping[str, str] = {
    "main": "makes an interface",
    "meta": "changes what an earlier plugin made",
    "ipam": "hands out addresses",
}
CHECKED: Mapping[Checked, str] = {
    "yes": "yes",
    "exempt": "no: the setting plugins.exempt lists it",
    "no": "no: only the keys that touch something of the node are known",
}
OPAQUE = "it does more than its keys say: its IPAM is not checked, and access rules treat it as unknown"
IPAM_USES: Mapping[str, str] = {
    "required": "required",
    "first": "required if it is the first plugin of the list",
    "optional": "optional",
    "own": "its own, or one that it fills in itself",
    "unused": "not used",
}
TYPE_WORDS: Mapping[str, str] = {
    "string": "string",
    "integer": "integer",
    "boolean": "true or false",
    "array": "list",
    "object": "object",
    "map": "map",
    "any": "anything",
}
FORMAT_WORDS: Mapping[str, str] = {
    "mac": "MAC address",
    "ip": "IP address",
    "cidr": "ADDRESS/PREFIX",
    "destination": "ADDRESS/PREFIX",
    "ifname": "interface name",
    "link": "name of an existing interface",
    "decimal": "integer in quotes",
}
"""Each `schema.Format` in the remarks on a key."""
TOUCH_WORDS: Mapping[str, str] = {**PARTS, "gateway": "node-address"}
"""Kinds in the files that have another name in docs/touches.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One key. `form`: its JSON type in words. `key`: None for a key that is read and not checked."""

    path: str
    form: str
    key: Key | None
    touches: str
    touches_default: str

    @property
    def default(self) -> str | int | bool | None:
        """The value that counts when the key is unset, None if that is not known."""
        if self.key is not None and self.key.default is not None:
            return self.key.default
        return self.touches_default or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One plugin, and whether its keys are checked."""

    schema: PluginSchema
    checked: Checked


Plugins = Mapping[str, Known]
"""By type, other names included."""


def known_plugins(checks: PluginChecks) -> Plugins:
    """Return each plugin by type, other names included, in the order of the names."""
    known: dict[str, Known] = {}
    for schema in load_unchecked():
        known |= dict.fromkeys((schema.type, *schema.also), Known(schema=schema, checked="no"))
    for name, schema in checks.schemas.items():
        known[name] = Known(schema=schema, checked="exempt" if name in checks.exempt else "yes")
    return dict(sorted(known.items()))


def rows_of(schema: PluginSchema) -> list[Row]:
    """Return a row for each key that is checked, at every depth."""
    return list(_rows(schema.keys, _prefix(schema)))


def read_rows_of(schema: PluginSchema) -> list[Row]:
    """Return a row for each key that the plugin reads and that no check looks at."""
    return [*_rows(schema.also_reads, _prefix(schema)), *_rows(schema.beside, "")]


def _prefix(schema: PluginSchema) -> str:
    return "ipam." if schema.kind == "ipam" else ""


def _rows(keys: Mapping[str, Key] | Mapping[str, ReadKey], prefix: str) -> Iterator[Row]:
    """NB: an object without a meaning that only holds other keys, such as args.cni, is no row."""
    for name, key in keys.items():
        path = f"{prefix}{name}"
        inner, form, suffix = _unwrap(key)
        if key.touches is not None or not inner.keys or (isinstance(key, Key) and key.meaning):
            kind, default = _touch(key.touches)
            checked = key if isinstance(key, Key) else None
            touches = TOUCH_WORDS.get(kind, kind)
            yield Row(path=path, form=form, key=checked, touches=touches, touches_default=default)
        yield from _rows(inner.keys, f"{path}{suffix}.")


def _unwrap(key: Key | ReadKey) -> tuple[Key | ReadKey, str, str]:
    """Return what the lists of a key hold, the type in words, and the suffix of the path."""
    if isinstance(key, ReadKey):
        return key, "", ""
    if key.items is None:
        return key, TYPE_WORDS[key.type], ""
    inner, form, suffix = _unwrap(key.items)
    if key.type == "map":
        return inner, f"map of {_plural(form)}", f".*{suffix}"
    return inner, f"list of {_plural(form)}", f"[]{suffix}"


def _plural(form: str) -> str:
    """Return what a list holds, such as "integers" or "lists of objects"."""
    first, *rest = form.split(" ", 1)
    return " ".join([f"{first}s", *rest]) if first in _COUNTED else form


_COUNTED = frozenset({"string", "integer", "object", "list", "map"})
"""The first words of forms that have a plural."""


def _touch(touches: object) -> tuple[str, str]:
    """Return the kind of a touch, and the plugin's default if it is a value."""
    if isinstance(touches, Touch):
        default = touches.default if touches.default and not touches.default_when else ""
        return touches.kind or "", {"{name}": "the network's name"}.get(default or "", default or "")
    return (str(touches), "") if touches else ("", "")


# Text


def render_list(known: Plugins, paint: Paint) -> str:
    """Return a line for each plugin: type, kind, whether it is checked, and what it does."""
    width = max(map(len, known))
    lines = [
        f"{paint(f'{name:{width}}', 'place')}  {one.schema.kind}  {_LISTED[one.checked]:7}  {_about(one.schema, name)}"
        for name, one in known.items()
    ]
    return "\n".join(line.rstrip() for line in lines)


_LISTED: Mapping[Checked, str] = {"yes": "checked", "exempt": "exempt", "no": ""}


def _about(schema: PluginSchema, name: str) -> str:
    return schema.about if name == schema.type else f"another name of {schema.type}"


def render_text(plugins: Iterable[Known], paint: Paint) -> str:
    """Return everything about some plugins, with an empty line between them."""
    return "\n\n".join("\n".join(_lines(one, paint)) for one in plugins)


def _lines(one: Known, paint: Paint) -> Iterator[str]:
    schema = one.schema
    yield f"{paint(f'{schema.type}:', 'place')} {schema.about or KINDS[schema.kind]}"
    rows, read = rows_of(schema), read_rows_of(schema)
    facts = {head: text for head, text in _facts(one, rows, read) if text}
    width = max(map(len, facts))
    for head, text in facts.items():
        yield from _wrapped(f"  {head:{width}}  ", text)
    yield from _section("keys:", [(row.path, _row_text(row)) for row in rows], paint)
    yield from _section("keys that are read and not checked:", [(row.path, _row_text(row)) for row in read], paint)
    inside = rows_of(schema.as_ipam) if schema.as_ipam is not None else []
    yield from _section("as the IPAM of another plugin:", [(row.path, _row_text(row)) for row in inside], paint)
    yield from _section("what goes together:", list(dict.fromkeys(_together(schema))), paint)


def _facts(one: Known, rows: Iterable[Row], read: Iterable[Row]) -> Iterator[tuple[str, str]]:
    schema = one.schema
    yield "kind", f"{schema.kind}: {KINDS[schema.kind]}"
    yield "other names", ", ".join(schema.also)
    yield "checked", CHECKED[one.checked]
    yield "opaque", OPAQUE if schema.opaque else ""
    yield "CNI versions", ", ".join(schema.cni_versions)
    yield "in a list", _place(schema)
    if schema.kind != "ipam":
        yield "IPAM", IPAM_USES[schema.ipam] + _error(schema.ipam_refusal)
    yield "device", _device(schema)
    yield "capabilities", _capabilities(schema) or ("" if one.checked == "no" else "none")
    yield "CNI_ARGS", _cni_args(schema)
    yield "from the pod", _reads_pod(schema)
    yield "touches", ", ".join(dict.fromkeys(row.touches for row in (*rows, *read) if row.touches))
    yield "source", schema.source


def _place(schema: PluginSchema) -> str:
    if schema.chained_only:
        return "after another plugin" + _error(schema.chained_refusal)
    return "" if schema.kind == "ipam" else "anywhere"


def _device(schema: PluginSchema) -> str:
    counted = "the resource name only counts: no device comes with it" if schema.counted else ""
    if not schema.device_keys:
        return counted
    return f"by a resource name, or by {_either(schema.device_keys)}{_error(schema.device_refusal)}"


def _capabilities(schema: PluginSchema) -> str:
    names = ", ".join(sorted(schema.capabilities))
    return f"{names}; it does nothing without {schema.idle_without}" if schema.idle_without else names


def _cni_args(schema: PluginSchema) -> str:
    names = ", ".join(sorted(schema.cni_args))
    return f"{names}: what the pod asks for, also without the capability" if names else ""


def _reads_pod(schema: PluginSchema) -> str:
    return f"{', '.join(sorted(schema.reads_pod))}: it reads the pod's annotation itself" if schema.reads_pod else ""


def _error(refusal: str) -> str:
    return f'; else it fails with "{refusal}"' if refusal else ""


def _row_text(row: Row) -> str:
    remarks = "; ".join(_remarks(row))
    meaning = row.key.meaning if row.key is not None else ""
    return f"{meaning} ({remarks})" if meaning and remarks else meaning or remarks


def _remarks(row: Row) -> Iterator[str]:
    if row.form:
        yield row.form
    if row.key is not None:
        yield from _limits(row.key)
    if row.default is not None:
        yield f"default: {_value(row.default)}"
    if row.touches:
        yield f"touches: {row.touches}"


def _limits(key: Key) -> Iterator[str]:
    if key.required:
        yield "required"
    if key.values:
        yield _either([_value(value) for value in key.values])
    if key.format is not None:
        yield FORMAT_WORDS[key.format]
    if key.items is not None and key.items.format is not None:
        yield f"each {FORMAT_WORDS[key.items.format]}"
    yield from _range(key)
    if key.remark:
        yield "a warning whenever it is there"


def _range(key: Key) -> Iterator[str]:
    items = " items" if key.type == "array" else ""
    least = GO_INTEGERS[key.go][0] if key.type == "integer" and key.minimum is None else key.minimum
    if key.minimum is not None and key.maximum is not None:
        yield f"{key.minimum} to {key.maximum}{items}"
    elif key.maximum is not None:
        yield f"at most {key.maximum}{items}"
    elif least is not None and least >= 0:
        yield f"{least}{items} or more"


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _together(schema: PluginSchema) -> Iterator[tuple[str, str]]:
    """Yield the place, and what a check says about keys and plugins that exclude or need each other."""
    for one in schema.constraints:
        yield _place_of(one, schema), f"{one.detail} ({one.code}, {SEVERITIES[one.code]})"
    for before in schema.predecessors:
        when = f"{_when(before.when)}: " if before.when else ""
        yield "in a list", f"{when}after {_either(before.types)} ({before.code}, {SEVERITIES[before.code]})"


def _place_of(one: Constraint, schema: PluginSchema) -> str:
    inside = one.at and not one.at.startswith("ipam.")
    return f"{_prefix(schema)}{one.at}" if inside else one.at or schema.type


def _when(conditions: Mapping[str, object]) -> str:
    return " and ".join(f"{key} is {_condition(value)}" for key, value in conditions.items())


def _condition(value: object) -> str:
    if isinstance(value, Mapping):
        return f"not {_either([_value(one) for one in value['not']])}"
    return value if isinstance(value, str) else _either([_value(one) for one in _listed(value)])


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _section(head: str, rows: Sequence[tuple[str, str]], paint: Paint) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield head
    width = max((len(path) for path, _ in rows if len(path) <= PATH_WIDTH_MAX), default=PATH_WIDTH_MAX)
    for path, text in rows:
        if len(path) > width:
            yield f"  {paint(path, 'place')}"
            yield from _wrapped(" " * (width + 4), text)
        else:
            yield from _wrapped(f"  {path:{width}}  ", text, painted=f"  {paint(f'{path:{width}}', 'place')}  ")


def _wrapped(head: str, text: str, *, painted: str = "") -> Iterator[str]:
    """Yield a text with a head, wrapped beside it. NB: a head with colour is longer than it looks."""
    first, *rest = textwrap.wrap(text, WIDTH - len(head), break_long_words=False, break_on_hyphens=False) or [""]
    yield f"{painted or head}{first}".rstrip()
    for line in rest:
        yield f"{' ' * len(head)}{line}"


# JSON


def render_json(plugins: Iterable[Known]) -> str:
    """Return a list of objects, one for each plugin."""
    return json.dumps([_json(one) for one in plugins], indent=2, ensure_ascii=False)


def _json(one: Known) -> dict[str, object]:
    schema = one.schema
    return {
        "type": schema.type,
        "also": list(schema.also),
        "about": schema.about,
        "kind": schema.kind,
        "checked": one.checked,
        "opaque": schema.opaque,
        "source": schema.source,
        "cniVersions": list(schema.cni_versions),
        "chainedOnly": schema.chained_only,
        "ipam": schema.ipam,
        "deviceKeys": list(schema.device_keys),
        "counted": schema.counted,
        "capabilities": sorted(schema.capabilities),
        "idleWithout": schema.idle_without,
        "cniArgs": sorted(schema.cni_args),
        "readsPod": sorted(schema.reads_pod),
        "keys": [_row_json(row) for row in rows_of(schema)],
        "alsoReads": [_row_json(row) for row in read_rows_of(schema)],
        "keysAsIpam": [_row_json(row) for row in rows_of(schema.as_ipam)] if schema.as_ipam is not None else [],
        "together": [{"at": place, "text": text} for place, text in _together(schema)],
    }


def _row_json(row: Row) -> dict[str, object]:
    """NB: what is not known or not limited has no member."""
    key = row.key or Key()
    members: dict[str, object] = {
        "path": row.path,
        "type": row.form or None,
        "meaning": key.meaning or None,
        "required": key.required or None,
        "default": row.default,
        "values": list(key.values) or None,
        "format": key.format,
        "minimum": key.minimum,
        "maximum": key.maximum,
        "remark": key.remark or None,
        "touches": row.touches or None,
    }
    return {name: value for name, value in members.items() if value is not None}
