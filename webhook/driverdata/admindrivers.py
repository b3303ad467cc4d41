"""DRA drivers that admins describe: from plain JSON to values, or to every mistake (`webhook.plugindata.mistakes`).

    {"driver": "example.com", "title": "example-driver", "source": "...", "reading": "strict", "precedence": "merge",
     "api_versions": ["example.com/v1"], "kinds": ["Config"],
     "keys": {"network": {"type": "string"}, "networkNamespace": {"type": "string"}, "ifName": {"type": "string"}},
     "definition": {"name": "network", "namespace": "networkNamespace"}, "interface": "ifName"}

`keys` are those of a plugin's schema, without shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from webhook.admission.dra.drivers import Driver
from webhook.admission.plugins.schema import Key
from webhook.plugindata.adminschemas import key_mistakes
from webhook.plugindata.mistakes import Mistake, read_value


class AdminDrivers(NamedTuple):
    """The drivers by name, and every mistake, whose first step is the index of the driver."""

    by_name: Mapping[str, Driver]
    mistakes: Sequence[Mistake]


def read_drivers(written: Sequence[object]) -> AdminDrivers:
    """Read drivers. Those without a mistake are returned, even if others have mistakes."""
    by_name: dict[str, Driver] = {}
    mistakes: list[Mistake] = []
    for index, value in enumerate(written):
        driver, found = read_value(value, Driver)
        if driver is not None:
            found = list(_driver_mistakes(driver))
            if not found and driver.driver in by_name:
                found = [Mistake(("driver",), f"the driver is described already: {driver.driver}; keep one of them")]
            if not found:
                by_name[driver.driver] = driver
        mistakes += [Mistake((index, *mistake.steps), mistake.text) for mistake in found]
    return AdminDrivers(by_name, mistakes)


_TYPES: Mapping[tuple[str, ...], frozenset[str]] = {
    ("definition", "name"): frozenset({"string"}),
    ("definition", "namespace"): frozenset({"string"}),
    ("cni",): frozenset({"object", "map", "any", "string"}),
    ("requests", "ips"): frozenset({"array"}),
    ("requests", "mac"): frozenset({"string"}),
    ("requests", "routes"): frozenset({"array"}),
    ("interface",): frozenset({"string"}),
}
"""The types that the key may have whose path a field holds."""


def _driver_mistakes(driver: Driver) -> Iterator[Mistake]:
    """Yield names that are empty or name nothing, and keys that are not described."""
    if not driver.driver:
        yield Mistake(("driver",), "it is empty; write the name of a DRA driver, as opaque.driver has it")
    yield from key_mistakes(driver.keys, {})
    if driver.definition is None and not driver.cni and driver.requests is None:
        text = "the driver attaches nothing; write at least one of definition, cni, requests, or leave the driver out"
        yield Mistake((), text)
    for steps, types in _TYPES.items():
        path = _path_in(driver, steps)
        if path and (actual := _type_at(driver.keys, path)) not in types:
            text = f"keys has no such key: {path}" if actual is None else f"{path} is of type {actual}"
            yield Mistake(steps, f"{text}; allowed: a key of type {', '.join(sorted(types))}")


def _path_in(driver: Driver, steps: tuple[str, ...]) -> str:
    value: object = driver
    for step in steps:
        value = getattr(value, step, "")
    return str(value or "")


def _type_at(keys: Mapping[str, Key], path: str) -> str | None:
    first, _, rest = path.partition(".")
    key = keys.get(first)
    if key is None:
        return None
    return _type_at(key.keys, rest) if rest else key.type
