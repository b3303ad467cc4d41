"""How a file spells the knowledge of one DRA driver, and its way into `webhook.admission.dra.drivers`.

    {"driver": "example.com", "title": "example-driver", "source": "...", "reading": "strict", "precedence": "merge",
     "api_versions": ["example.com/v1"], "kinds": ["Config"],
     "keys": {"network": {"type": "string"}, "networkNamespace": {"type": "string"}, "ifName": {"type": "string"}},
     "definition": {"name": "network", "namespace": "networkNamespace"}, "interface": "ifName"}

`keys` are as in `webhook.plugindata.fileformat`, without shapes. Fields that nobody knows are refused, so a slip shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from webhook.admission.dra.drivers import DefinitionKeys, Driver, Precedence, Reading, RequestKeys
from webhook.plugindata.fileformat import KeyFile, read_keys
from webhook.plugindata.form import Mistake
from webhook.plugindata.references import missing_keys


class DefinitionFile(msgspec.Struct, forbid_unknown_fields=True):
    """Where parameters name a definition."""

    name: str
    namespace: str = ""
    may_be_unread: bool = False


class RequestsFile(msgspec.Struct, forbid_unknown_fields=True):
    """Where a network configuration says what access rules limit."""

    ips: str = ""
    mac: str = ""
    routes: str = ""


class DriverFile(msgspec.Struct, forbid_unknown_fields=True):
    """One driver."""

    driver: str
    source: str = ""
    title: str = ""
    reading: Reading = "exact"
    precedence: Precedence = "last"
    api_versions: list[str] = []
    kinds: list[str] = []
    keys: dict[str, KeyFile] = {}
    definition: DefinitionFile | None = None
    cni: str = ""
    requests: RequestsFile | None = None
    interface: str = ""


def driver_of(read: DriverFile) -> Driver:
    """Return the driver that a file describes; `mistakes_of` has found nothing in it."""
    definition, requests = read.definition, read.requests
    return Driver(
        name=read.driver,
        title=read.title or read.driver,
        source=read.source,
        reading=read.reading,
        precedence=read.precedence,
        api_versions=tuple(read.api_versions),
        kinds=tuple(read.kinds),
        keys=read_keys(read.keys, {}),
        definition=DefinitionKeys(definition.name, definition.namespace, definition.may_be_unread)
        if definition
        else None,
        cni=read.cni,
        requests=RequestKeys(requests.ips, requests.mac, requests.routes) if requests else None,
        interface=read.interface,
    )


_TYPES: Mapping[str, frozenset[str]] = {
    "definition.name": frozenset({"string"}),
    "definition.namespace": frozenset({"string"}),
    "cni": frozenset({"object", "map", "any", "string"}),
    "requests.ips": frozenset({"array"}),
    "requests.mac": frozenset({"string"}),
    "requests.routes": frozenset({"array"}),
    "interface": frozenset({"string"}),
}
"""What the key must hold that a field names."""


def mistakes_of(read: DriverFile) -> Iterator[Mistake]:
    """Yield what is wrong with a file whose form is right: names of nothing, keys that are not described."""
    if not read.driver:
        yield Mistake(("driver",), "it is empty; write the name of a DRA driver, as opaque.driver has it")
    yield from missing_keys(read.keys, {})
    if read.definition is None and not read.cni and read.requests is None:
        text = "the driver attaches nothing; write at least one of definition, cni, requests, or leave the driver out"
        yield Mistake((), text)
    for field, types in _TYPES.items():
        path = _path_of(read, field)
        if path and (found := _type_at(read.keys, path)) not in types:
            text = f"keys has no such key: {path}" if found is None else f"{path} is of type {found}"
            yield Mistake(tuple(field.split(".")), f"{text}; allowed: a key of type {', '.join(sorted(types))}")


def _path_of(read: DriverFile, field: str) -> str:
    value: object = read
    for step in field.split("."):
        value = getattr(value, step, "")
    return str(value or "")


def _type_at(keys: Mapping[str, KeyFile], path: str) -> str | None:
    first, _, rest = path.partition(".")
    key = keys.get(first)
    if key is None:
        return None
    return _type_at(key.keys, rest) if rest else key.type
