"""Whether a value that was written has the form of a file: every mistake with its place, the field and what is allowed.

It goes by the types of `fileformat` themselves, so there is one format. msgspec, which has the same types, stops at
the first mistake, does not say where below a key of a mapping it is, and never what is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from cniplugin.netspec.errors import show
from cniplugin.netspec.names import nearest

Steps = tuple[str | int, ...]


class Mistake(NamedTuple):
    """What is wrong at one place: `steps` from the whole value to it. `said` is one line, without the place."""

    steps: Steps
    said: str


def mistakes(value: object, form: type[msgspec.Struct]) -> Iterator[Mistake]:
    """Yield where a value of plain JSON is not of a form, in its own order."""
    return _check(value, _types_of(form), ())


@cache
def _types_of(form: type[msgspec.Struct]) -> inspect.Type:
    return inspect.type_info(form)


def _check(value: object, wanted: inspect.Type, steps: Steps) -> Iterator[Mistake]:
    choices = wanted.types if isinstance(wanted, inspect.UnionType) else (wanted,)
    fitting = next((choice for choice in choices if isinstance(value, _PYTHON[type(choice)])), None)
    if fitting is None or (isinstance(value, bool) and not isinstance(fitting, inspect.BoolType)):
        allowed = ", or ".join(_describe(choice) for choice in choices if not isinstance(choice, inspect.NoneType))
        hint = ": quote it" if allowed == _NAMES[inspect.StrType] and not isinstance(value, dict | list) else ""
        yield Mistake(steps, f"wrong type: {show(value)}; allowed: {allowed}{hint}")
    elif isinstance(fitting, inspect.LiteralType):
        yield from _check_choice(str(value), fitting, steps)
    elif isinstance(fitting, inspect.ListType) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check(item, fitting.item_type, (*steps, index))
    elif isinstance(fitting, inspect.DictType) and isinstance(value, dict):
        for key, item in value.items():
            yield from _check(item, fitting.value_type, (*steps, key))
    elif isinstance(fitting, inspect.StructType) and isinstance(value, dict):
        yield from _check_fields(value, fitting, steps)


def _check_choice(value: str, choice: inspect.LiteralType, steps: Steps) -> Iterator[Mistake]:
    if value in choice.values:
        return
    meant = nearest(value, [str(word) for word in choice.values if word])
    yield Mistake(steps, f"unknown value: {show(value)}; {_did_you_mean(meant)}allowed: {_describe(choice)}")


def _check_fields(value: Mapping[str, Any], struct: inspect.StructType, steps: Steps) -> Iterator[Mistake]:
    fields = {field.encode_name: field for field in struct.fields}
    for key, item in value.items():
        if key in fields:
            yield from _check(item, fields[key].type, (*steps, key))
        else:
            meant = nearest(key, fields)
            yield Mistake((*steps, key), f"no such field; {_did_you_mean(meant)}allowed: {', '.join(fields)}")
    for name, field in fields.items():
        if field.required and name not in value:
            yield Mistake((*steps, name), f"it is missing; allowed: {_describe(field.type)}")


def _describe(wanted: inspect.Type) -> str:
    if isinstance(wanted, inspect.LiteralType):
        return ", ".join(f'"{word}"' for word in wanted.values if word)
    return _NAMES[type(wanted)]


def _did_you_mean(meant: str | None) -> str:
    return f'did you mean "{meant}"? ' if meant else ""


_PYTHON: Mapping[type[inspect.Type], type] = {
    inspect.StrType: str,
    inspect.LiteralType: str,
    inspect.IntType: int,
    inspect.BoolType: bool,
    inspect.NoneType: type(None),
    inspect.ListType: list,
    inspect.DictType: dict,
    inspect.StructType: dict,
}
"""What each type that the format uses is in plain JSON; NB: of a union no two are the same."""

_NAMES: Mapping[type[inspect.Type], str] = {
    inspect.StrType: "a string",
    inspect.IntType: "an integer",
    inspect.BoolType: "true or false",
    inspect.ListType: "a list",
    inspect.DictType: "a mapping",
    inspect.StructType: "a mapping",
}
