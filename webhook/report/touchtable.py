"""docs/touches.md: what the keys of each plugin touch, from the files of the access rules. `make golden` writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cniplugin.access.content.facts import KINDS
from webhook.plugindata.fileformat import KeyFile, PluginFile, ReadFile, Shapes, TouchFile
from webhook.plugindata.loader import load_shapes
from webhook.plugindata.touches import load_files

FIELDS = {
    "interface": "masters",
    "device": "masters",
    "network": "masters",
    "vlan": "vlans",
    "pkey": "pkeys",
    "host-path": "hostPaths",
    "sysctl": "sysctls",
    "program": "pluginTypes, ipamTypes, unknownTypes",
    "address": "addresses",
    "mac": "macs",
    "pool": "pools",
}
"""The fields of rules that speak of each kind; others have none."""

PARTS = {"address-net": "address", "address-first": "address", "address-last": "address", "trunk": "vlan"}
"""Kinds of the files that are a part of one."""

HEAD = """# What the keys of CNI plugins touch
Written by `make golden` from `webhook/plugindata`. [access.md](access.md) says what rules do with it.

Rules on attachments (`networks`) and on definitions (`config`) judge what a NetworkAttachmentDefinition touches on the
node and of other networks, not the keys alone: a key counts in every spelling that the plugin reads, at every depth. Go
reads keys in any letter case, and takes U+017F for an s and U+212A for a k. A key that no plugin reads counts for
nothing; of a plugin that is not listed here, only the keys in the last row count.

| kind | field of rules | what it is |
| --- | --- | --- |
"""

ALWAYS = """
Besides, of every plugin: `type`, `ipam.type` and nested delegates are programs, and `master`, `vlan`, `vlanId`,
`vlanTrunk` and `trunk` count, for programs share a configuration. A key that IPAM reads is written as `ipam.KEY`.

| plugin | keys |
| --- | --- |
"""

UNKNOWN = (
    *("master", "bridge", "device", "deviceID", "pciBusID", "hwaddr", "kernelpath"),
    *("links[].name", "physicalNetworkName"),
)


def render() -> str:
    """Return the page."""
    kinds = [f"| {kind} | {_code(FIELDS.get(kind, ''))} | {text} |" for kind, text in KINDS.items()]
    shapes = load_shapes()
    files = sorted(load_files(), key=lambda file: file.type)
    rows = [row for file in files if (row := _row(file, shapes))]
    unknown = ", ".join(map(_code, UNKNOWN))
    rows.append(f"| any other | interface: {unknown}; vlan: `vlan`, `vlanId`, `vlanTrunk`, `trunk` |")
    return HEAD + "\n".join(kinds) + "\n" + ALWAYS + "\n".join(rows) + "\n"


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", ")) if names else ""


def _row(file: PluginFile, shapes: Shapes) -> str:
    inside = "ipam." if file.kind == "ipam" else ""
    found = [
        *_walk(file.keys, inside, shapes),
        *_walk(file.also_reads, inside, shapes),
        *_walk(file.beside, "", shapes),
    ]
    by_kind: dict[str, list[str]] = {}
    for kind, text in found:
        by_kind.setdefault(kind, []).append(text)
    listed = "; ".join(f"{kind}: {', '.join(keys)}" for kind, keys in by_kind.items())
    return f"| {', '.join((file.type, *file.also))} | {listed} |" if listed else ""


def _walk(keys: Mapping[str, KeyFile] | Mapping[str, ReadFile], path: str, shapes: Shapes) -> Iterator[tuple[str, str]]:
    """Yield kind and key of everything that is touched."""
    for name, written in keys.items():
        touches, where = written.touches, f"{path}{name}"
        key: KeyFile | ReadFile = written
        while isinstance(key, KeyFile) and (key.shape or key.items is not None):
            where += "[]" if key.type == "array" else ""
            key = shapes[key.shape] if key.shape else key.items or key
        kind = touches.kind if isinstance(touches, TouchFile) else touches
        if kind is not None and kind not in ("trunk", "gateway"):
            yield PARTS.get(kind, kind), f"`{where}`" + ("" if name == "name" and not path else _default(touches))
        more = _default(touches) if kind is None else ""
        yield from ((inner, f"{text}{more}") for inner, text in _walk(key.keys, f"{where}.", shapes))


def _default(touches: object) -> str:
    """Return what is to be known of a key besides."""
    if isinstance(touches, TouchFile) and touches.in_container:
        return f" (not where `{touches.in_container}` is true)"
    if not isinstance(touches, TouchFile) or touches.default is None:
        return ""
    meant = {"": "the interface of the default route", "{name}": "the network's name"}.get(
        touches.default, f"`{touches.default}`"
    )
    when = " and ".join(f"`{key}` is `{value}`" for key, value in touches.default_when.items())
    return f" (unset: {meant}{f', if {when}' if when else ''})"
