"""Reads what an admin wrote into a dataclass, or finds every mistake: its place, what is wrong, what is allowed.

pydantic reads the value and finds the places. The texts are made here from the types of the fields, because the errors
of pydantic name Python types, and one wrong value of a union is several errors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import GenericAlias, NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from cniplugin.netspec.errors import show
from cniplugin.netspec.names import nearest

Steps = tuple[str | int, ...]
Form = TypeVar("Form")

MISSING, UNKNOWN, NO_JSON = "missing", "unexpected_keyword_argument", "json_invalid"
"""Errors of pydantic: a field is missing, a field does not exist, the text is not JSON."""
KEY = "[key]"
"""The last step of pydantic to a wrong key of a mapping."""


class Mistake(NamedTuple):
    """One mistake: `steps` from the whole value to it. `text` is one line, without the place."""

    steps: Steps
    text: str


def read_value(value: object, form: type[Form]) -> tuple[Form | None, list[Mistake]]:
    """Return a value of plain JSON as a dataclass, or None and its mistakes in any order.

    NB: pydantic reads it as JSON, where a list may become a tuple without `strict` being given up.
    """
    try:
        adapter: TypeAdapter[tuple[Form]] = _adapter_of(form)  # type: ignore[arg-type]  # every class is hashable
        read = adapter.validate_json(json.dumps([value]))
    except ValidationError as error:
        return None, list(_mistakes(value, form, error))
    return read[0], []


@cache
def _adapter_of(form: Callable[..., object]) -> TypeAdapter[Any]:
    """NB: in a tuple, because a dataclass itself takes no configuration."""
    wrapped: Any = GenericAlias(tuple, (form,))
    return TypeAdapter(wrapped, config=ConfigDict(extra="forbid", strict=True))


def _mistakes(value: object, form: type, error: ValidationError) -> Iterator[Mistake]:
    """NB: if one choice of a union has a mistake farther inside, that choice was meant, and not the others."""
    found: dict[Steps, tuple[str, object]] = {}
    for detail in error.errors(include_url=False, include_context=False):
        kind, loc = detail["type"], detail["loc"][1:]
        steps, wrong = _locate(value, loc)
        if kind == MISSING:
            steps = (*steps, loc[-1])
        found.setdefault(steps, (UNKNOWN if loc[-1:] == (KEY,) else kind, wrong))
    outer = {steps[:length] for steps in found for length in range(len(steps))}
    for steps, (kind, wrong) in found.items():
        if steps not in outer:
            yield Mistake(steps, _describe(form, steps, kind, wrong))


def _locate(value: Any, loc: Steps) -> tuple[Steps, object]:
    """Return the steps to a place, and the value there. NB: steps of pydantic also name the choices of unions."""
    steps: list[str | int] = []
    for step in loc:
        if isinstance(value, list) if isinstance(step, int) else isinstance(value, dict) and step in value:
            steps.append(step)
            value = value[step]
    return tuple(steps), value


def _describe(form: Any, steps: Steps, kind: str, value: object) -> str:
    if kind == MISSING:
        return f"it is missing; allowed: {_allowed(_choices_at(form, steps))}"
    if kind == UNKNOWN:
        names = [name for choice in _choices_at(form, steps[:-1]) for name in _names_of(choice)]
        return f"no such field; {did_you_mean(str(steps[-1]), names)}allowed: {', '.join(names)}"
    if kind == NO_JSON:
        return "it nests too deep, or a text has half a character (U+D800 to U+DFFF)"
    choices = _choices_at(form, steps)
    literal = next((choice for choice in choices if get_origin(choice) is Literal), None)
    if literal is not None and isinstance(value, str):
        words = [word for word in get_args(literal) if word]
        return f"unknown value: {show(value)}; {did_you_mean(value, words)}allowed: {_name(literal)}"
    hint = ": quote it" if choices == (str,) and not isinstance(value, dict | list) else ""
    return f"wrong type: {show(value)}; allowed: {_allowed(choices)}{hint}"


def did_you_mean(word: str, known: list[str]) -> str:
    """Return a question with the nearest known word, or ""."""
    meant = nearest(word, known)
    return f'did you mean "{meant}"? ' if meant else ""


def _choices_at(form: Any, steps: Steps) -> tuple[Any, ...]:
    """Return the types that are allowed at a place, without None."""
    for step in steps:
        form = next(inner for choice in _choices(form) if (inner := _inner(choice, step)) is not None)
    return _choices(form)


def _choices(form: Any) -> tuple[Any, ...]:
    is_union = get_origin(form) in {Union, UnionType}
    return tuple(choice for choice in get_args(form) if choice is not NoneType) if is_union else (form,)


def _inner(choice: Any, step: str | int) -> Any:
    """Return the type one step inside a type, None if the type has no such step."""
    if is_dataclass(choice):
        return get_type_hints(choice).get(str(step))
    if isinstance(step, int):
        return get_args(choice)[0] if get_origin(choice) in {tuple, frozenset} else None
    return get_args(choice)[1] if get_origin(choice) is Mapping else None


def _names_of(choice: Any) -> tuple[str, ...]:
    if is_dataclass(choice):
        return tuple(field.name for field in fields(choice))
    return get_args(get_args(choice)[0]) if get_origin(choice) is Mapping else ()


def _allowed(choices: tuple[Any, ...]) -> str:
    return ", or ".join(_name(choice) for choice in choices)


def _name(choice: Any) -> str:
    if get_origin(choice) is Literal:
        return ", ".join(f'"{word}"' for word in sorted(get_args(choice)) if word)
    return "a mapping" if is_dataclass(choice) else _TYPES[get_origin(choice) or choice]


_TYPES: Mapping[Any, str] = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    tuple: "a list",
    frozenset: "a list",
    Mapping: "a mapping",
}
