"""The opaque parameters of one configuration, read as their driver reads them.

The text must be strict JSON, because a key that is there twice has two readings. Keys are read by `Driver.reading`,
types and values are compared with `Driver.keys`. A value that the driver would refuse is a problem, because the pod
would hang on its node. null is absent, as in Go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from cniplugin.netspec import jsontext, names
from cniplugin.netspec.errors import SpecError, SpecErrors
from cniplugin.netspec.jsontext import join
from cniplugin.netspec.names import nearest
from webhook.admission.dra.drivers import Driver, RequestKeys
from webhook.admission.plugins.goparsing import ALLOWED, JSON_TYPES, fits, read_cidr
from webhook.admission.plugins.schema import GO_INTEGERS, Key

BYTES_MAX = 16_384
"""The API server takes 10 KiB (resource.k8s.io, OpaqueParametersMaxLength)."""

PROBLEMS_MAX = 20
"""Problems of one configuration; a refusal shows as many."""

ENVELOPE = ("apiVersion", "kind")
OTHER_VERSION = "for another version of the driver, describe it in drivers.schemas"
CACHED = 512
"""Cached readings; with their texts they take at most 8 MiB."""


class Parameters(NamedTuple):
    """The networks in one configuration; "" and () for nothing.

    `definition`, `namespace`: the NetworkAttachmentDefinition. `cni`: the text of a CNI configuration, or None;
    `cni_path`: its place. `ips`, `mac`, `gateways`: of a network configuration of the driver's own; `gateways`: of
    default routes, None without a default route.
    """

    definition: str = ""
    namespace: str = ""
    interface: str = ""
    cni: str | None = None
    cni_path: str = ""
    ips: tuple[str, ...] = ()
    mac: str = ""
    gateways: tuple[str, ...] | None = None


class Reading(NamedTuple):
    """The parameters, and the problems in input order; their paths begin at the parameters."""

    parameters: Parameters
    problems: tuple[SpecError, ...] = ()


def read_parameters(text: str, driver: Driver) -> Reading:
    """Return the parameters of a driver. Never raises: problems have rules `driver-*`, and `json-*` of jsontext."""
    return _read_cached(text, driver) if len(text) <= BYTES_MAX else _read(text, driver)


def _read(text: str, driver: Driver) -> Reading:
    try:
        value = jsontext.parse(text, what="the parameters", bytes_max=BYTES_MAX)
    except SpecErrors as errors:
        return Reading(Parameters(), tuple(errors)[:PROBLEMS_MAX])
    if not isinstance(value, dict):
        if value is None:
            return Reading(Parameters())
        wrong = SpecError(rule="driver-value", value=value, detail="parameters are not an object", allowed="an object")
        return Reading(Parameters(), (wrong,))
    reader = _Reader(driver)
    sound = reader.read(value)
    parameters = _extract(sound, driver, reader.add) if not reader.problems else Parameters()
    return Reading(parameters, tuple(reader.problems[:PROBLEMS_MAX]))


_read_cached = lru_cache(maxsize=CACHED)(_read)


def _extract(value: Mapping[str, Any], driver: Driver, add: Callable[..., None]) -> Parameters:
    definition, requests = driver.definition, driver.requests or RequestKeys()
    name = _text(value, definition.name) if definition else ""
    namespace = _text(value, definition.namespace) if definition else ""
    if definition and name and not names.is_subdomain(name):
        add(definition.name, name, "this cannot name a NetworkAttachmentDefinition", allowed=names.ALLOWED_SUBDOMAIN)
    if definition and namespace and not names.is_label(namespace):
        add(definition.namespace, namespace, "this cannot name a namespace", allowed=names.ALLOWED_LABEL)
    return Parameters(
        definition=name,
        namespace=namespace,
        interface=_text(value, driver.interface),
        cni=_cni(value, driver),
        cni_path=driver.cni,
        ips=tuple(text for text in _at(value, requests.ips) or () if isinstance(text, str)),
        mac=_text(value, requests.mac),
        gateways=_gateways(_at(value, requests.routes) or ()),
    )


def _cni(value: Mapping[str, Any], driver: Driver) -> str | None:
    """Return the text of the CNI configuration, which may be an object or a text."""
    config = _at(value, driver.cni)
    return config if isinstance(config, str | None) else jsontext.quote(config)


def _gateways(routes: Any) -> tuple[str, ...] | None:
    """Return the gateways of default routes, None without a default route; a default route may have no gateway."""
    defaults = [route for route in routes if isinstance(route, dict) and _is_default(route.get("destination"))]
    return tuple(str(route["gateway"]) for route in defaults if route.get("gateway")) if defaults else None


def _is_default(destination: object) -> bool:
    """Say whether a route has half of all addresses or more: two halves replace a default route."""
    read = read_cidr(destination)
    return read is not None and read.network.prefixlen <= 1


def _text(value: Mapping[str, Any], path: str) -> str:
    text = _at(value, path)
    return text if isinstance(text, str) else ""


def _at(value: Any, path: str) -> Any:
    if not path:
        return None
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


class _Reader:
    """One reading: the parameters with the driver's own spelling of keys, and the problems."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.problems: list[SpecError] = []

    def read(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of an object that has no problem."""
        driver = self.driver
        self._check_version("apiVersion", value.get("apiVersion"), driver.api_versions)
        self._check_version("kind", value.get("kind"), driver.kinds)
        ignored = ENVELOPE if driver.api_versions or driver.kinds or driver.reading != "strict" else ()
        own = {key: item for key, item in value.items() if key not in ignored}
        return self._object(own, driver.keys, "")

    def add(
        self, path: str, value: object, detail: str, *, allowed: str = "", fix: str = "", rule: str = "driver-value"
    ) -> None:
        """Add a problem."""
        text = f"{self.driver.title or self.driver.driver}: {detail}"
        self.problems.append(SpecError(rule=rule, path=path, value=value, detail=text, allowed=allowed, fix=fix))

    def _check_version(self, key: str, value: object, known: tuple[str, ...]) -> None:
        if known and value not in known:
            fix = "" if value is None else OTHER_VERSION
            detail = f"{key} is missing" if value is None else f"the driver does not read this {key}"
            self.add(key, value, detail, allowed=", ".join(known), fix=fix, rule="driver-version")

    def _object(self, value: Mapping[str, Any], keys: Mapping[str, Key], path: str) -> dict[str, Any]:
        sound: dict[str, Any] = {}
        folded = {name.casefold(): name for name in keys} if self.driver.reading == "folding" else {}
        spelt: dict[str, str] = {}
        for written, item in value.items():
            where = join(path, written)
            name = written if written in keys else folded.get(written.casefold())
            if name is None:
                self._unknown(written, keys, where)
            elif name in spelt:
                detail = f"the driver reads this key and {spelt[name]} as one"
                self.add(where, None, detail, fix="keep one of them", rule="driver-key")
            else:
                spelt[name] = written
                if item is not None and (read := self._value(item, keys[name], where)) is not None:
                    sound[name] = read
        for name, key in keys.items():
            if (
                key.required
                and sound.get(name) in (None, "")
                and not self._has_problem(join(path, spelt.get(name, name)))
            ):
                self.add(join(path, name), None, "the driver needs this key", fix=f"add it; {OTHER_VERSION}")
        return sound

    def _has_problem(self, path: str) -> bool:
        return any(problem.path == path for problem in self.problems)

    def _unknown(self, written: str, keys: Mapping[str, Key], where: str) -> None:
        if self.driver.reading == "strict" and len(self.problems) < PROBLEMS_MAX:
            known = (*(ENVELOPE if self.driver.kinds and "." not in where else ()), *keys)
            meant = nearest(written, known)
            fix = f'did you mean "{meant}"? {OTHER_VERSION}' if meant else OTHER_VERSION
            allowed = ", ".join(known)
            self.add(where, None, "the driver refuses this key", fix=fix, allowed=allowed, rule="driver-key")

    def _value(self, value: Any, key: Key, where: str) -> Any:
        """Return a value that is not null, or None if the driver cannot read it."""
        if len(self.problems) >= PROBLEMS_MAX:
            return None
        allowed_type = _allowed_type(value, key)
        if allowed_type:
            self.add(where, value, "wrong JSON type", allowed=allowed_type, fix=OTHER_VERSION)
            return None
        if key.type == "object":
            return self._object(value, key.keys, where)
        if key.items is not None:
            return list(self._items(value, key.items, where))
        for detail, allowed in _broken(value, key):
            self.add(where, value, detail, allowed=allowed, fix=OTHER_VERSION)
        return value

    def _items(self, value: Any, item_key: Key, where: str) -> Iterator[Any]:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for label, item in pairs:
            place = join(where, label) if isinstance(label, str) else f"{where}[{label}]"
            if item is not None and (read := self._value(item, item_key, place)) is not None:
                yield read


def _allowed_type(value: object, key: Key) -> str:
    """Return the expected type of a key in words, if a value has another type; "" if it has that type."""
    if key.type == "any":
        return ""
    python_type, words = JSON_TYPES[key.type]
    if not isinstance(value, python_type):
        return words
    if key.type == "integer" and isinstance(value, int):
        least, most = GO_INTEGERS[key.go]
        return words if isinstance(value, bool) or not least <= value <= most else ""
    return ""


def _broken(value: Any, key: Key) -> Iterator[tuple[str, str]]:
    if key.type == "integer" and key.minimum is not None and value < key.minimum:
        yield "the number is too small", f"{key.minimum} or more"
    elif key.type == "integer" and key.maximum is not None and value > key.maximum:
        yield "the number is too large", f"at most {key.maximum}"
    if key.values and value not in key.values:
        yield "the driver does not know this value", ", ".join(map(str, key.values))
    if key.format and value != "" and not fits(value, key.format):
        yield "the driver cannot read this text", ALLOWED[key.format]
