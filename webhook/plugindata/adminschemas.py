"""Schemas that admins write for plugins of their own: from plain JSON to values, or to every mistake.

pydantic compares them with the classes (`mistakes`). This module checks that the shapes, codes and rules that they name
exist, and that each key has a type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cniplugin.netspec.errors import show
from webhook.admission.plugins.findings import SEVERITIES
from webhook.admission.plugins.rules.registry import RULES
from webhook.admission.plugins.schema import Key, PluginSchema

from .mistakes import Mistake, Steps, did_you_mean, read_value
from .pluginfiles import Shapes, load_shapes, with_shapes


class AdminSchemas(NamedTuple):
    """The schemas by type, other names included, and every mistake, whose first step is the index of the schema."""

    by_type: Mapping[str, PluginSchema]
    mistakes: Sequence[Mistake]


def read_schemas(written: Sequence[object]) -> AdminSchemas:
    """Read schemas. Those without a mistake are returned, even if others have mistakes."""
    shapes = load_shapes()
    by_type: dict[str, PluginSchema] = {}
    mistakes: list[Mistake] = []
    for index, value in enumerate(written):
        schema, found = read_value(value, PluginSchema)
        if schema is not None:
            found = list(_mistakes(schema, shapes)) or list(_repeated(schema, by_type))
            if not found:
                by_type |= dict.fromkeys((schema.type, *schema.also), with_shapes(schema, shapes))
        mistakes += [Mistake((index, *mistake.steps), mistake.text) for mistake in found]
    return AdminSchemas(by_type, mistakes)


def _names(schema: PluginSchema) -> Iterator[tuple[Steps, str]]:
    yield ("type",), schema.type
    for index, name in enumerate(schema.also):
        yield ("also", index), name


def _repeated(schema: PluginSchema, known: Mapping[str, PluginSchema]) -> Iterator[Mistake]:
    names = {*known}
    for steps, name in _names(schema):
        if name in names:
            yield Mistake(steps, f"the type has a schema already: {name}; keep one of them")
        names.add(name)


def _mistakes(schema: PluginSchema, shapes: Shapes) -> Iterator[Mistake]:
    yield from _schema_mistakes(schema, shapes)
    if schema.as_ipam is not None:
        for mistake in _mistakes(schema.as_ipam, shapes):
            yield Mistake(("as_ipam", *mistake.steps), mistake.text)


def _schema_mistakes(schema: PluginSchema, shapes: Shapes) -> Iterator[Mistake]:
    for steps, name in _names(schema):
        if not name:
            yield Mistake(steps, "it is empty; write the name of a CNI plugin")
    yield from key_mistakes(schema.keys, shapes)
    for field in ("constraints", "predecessors"):
        for index, item in enumerate(getattr(schema, field)):
            yield from _code_mistakes(item.code, (field, index, "code"))
            for key, condition in item.when.items():
                if condition == {}:
                    yield Mistake((field, index, "when", key, "not"), "it is missing; allowed: a list")
    for index, rule in enumerate(schema.rules):
        if rule not in RULES:
            yield Mistake(("rules", index), _no_such("rule", rule, RULES))


def key_mistakes(keys: Mapping[str, Key], shapes: Shapes) -> Iterator[Mistake]:
    """Yield what is wrong with the field `keys` of a schema or of a driver, apart from types."""
    for name, key in keys.items():
        yield from _key_mistakes(key, shapes, ("keys", name))


def _key_mistakes(key: Key, shapes: Shapes, steps: Steps) -> Iterator[Mistake]:
    if key.shape:
        if key.shape not in shapes:
            yield Mistake((*steps, "shape"), _no_such("shape", key.shape, shapes))
        return
    if not key.type:
        yield Mistake(steps, f"the key has neither type nor shape; allowed shapes: {', '.join(sorted(shapes))}")
    if key.type in {"array", "map"} and key.items is None:
        yield Mistake(steps, f"{'a map' if key.type == 'map' else 'an array'} needs items; add what each of them holds")
    if key.code:
        yield from _code_mistakes(key.code, (*steps, "code"))
    if key.items is not None:
        yield from _key_mistakes(key.items, shapes, (*steps, "items"))
    for name, inner in key.keys.items():
        yield from _key_mistakes(inner, shapes, (*steps, "keys", name))


def _code_mistakes(code: str, steps: Steps) -> Iterator[Mistake]:
    if code not in SEVERITIES:
        yield Mistake(steps, f"there is no such code: {show(code)}; allowed: those that `nadmit explain` lists")


def _no_such(noun: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return f"there is no such {noun}: {show(name)}; {did_you_mean(name, names)}allowed: {', '.join(names)}"
