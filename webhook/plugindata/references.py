"""Whether what a file refers to exists: shapes, codes, rules; and whether each key says what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cniplugin.netspec.errors import show
from cniplugin.netspec.names import nearest
from webhook.admission.plugins.findings import SEVERITIES
from webhook.admission.plugins.rules.registry import RULES
from webhook.plugindata.fileformat import KeyFile, PluginFile, Shapes
from webhook.plugindata.form import Mistake, Steps


def missing(read: PluginFile, shapes: Shapes) -> Iterator[Mistake]:
    """Yield what is named and does not exist, and keys of which too little is said."""
    for index, name in enumerate([read.type, *read.also]):
        if not name:
            yield Mistake(("also", index - 1) if index else ("type",), "it is empty; write the name of a CNI plugin")
    yield from missing_keys(read.keys, shapes)
    for index, constraint in enumerate(read.constraints):
        yield from _of_code(constraint.code, ("constraints", index, "code"))
    for index, predecessor in enumerate(read.predecessors):
        yield from _of_code(predecessor.code, ("predecessors", index, "code"))
    for index, rule in enumerate(read.rules):
        if rule not in RULES:
            yield Mistake(("rules", index), _no_such("rule", rule, RULES))


def missing_keys(keys: Mapping[str, KeyFile], shapes: Shapes) -> Iterator[Mistake]:
    """Yield what is wrong with the field `keys` of a file."""
    for key, inner in keys.items():
        yield from _of_key(inner, shapes, ("keys", key))


def _of_key(key: KeyFile, shapes: Shapes, steps: Steps) -> Iterator[Mistake]:
    if key.shape:
        if key.shape not in shapes:
            yield Mistake((*steps, "shape"), _no_such("shape", key.shape, shapes))
        return
    if key.type is None:
        yield Mistake(steps, f"the key has neither type nor shape; allowed shapes: {', '.join(sorted(shapes))}")
    if key.type in {"array", "map"} and key.items is None:
        yield Mistake(steps, f"{'a map' if key.type == 'map' else 'an array'} needs items; add what each of them holds")
    if key.code:
        yield from _of_code(key.code, (*steps, "code"))
    if key.items is not None:
        yield from _of_key(key.items, shapes, (*steps, "items"))
    for name, inner in key.keys.items():
        yield from _of_key(inner, shapes, (*steps, "keys", name))


def _of_code(code: str, steps: Steps) -> Iterator[Mistake]:
    if code not in SEVERITIES:
        yield Mistake(steps, f"there is no such code: {show(code)}; allowed: those that `nadmit explain` lists")


def _no_such(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    meant = nearest(name, names)
    hint = f'did you mean "{meant}"? ' if meant else ""
    return f"there is no such {what}: {show(name)}; {hint}allowed: {', '.join(names)}"
