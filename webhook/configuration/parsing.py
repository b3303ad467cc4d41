"""The text of a NadmitConfiguration to its value, or to every problem with its line and column.

The text is read as kubectl reads YAML. A key that occurs twice, a second document and an empty text are problems: an
empty file is usually one that a user is about to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import ValidationError

from cniplugin.netspec.errors import show
from cniplugin.netspec.names import nearest
from webhook.trees import yamlstream
from webhook.trees.positions import Source
from webhook.trees.problems import ManifestError, Position, Problem

from .sections import ALLOWED_COUNT, API_VERSION, CONTENT, KIND, NadmitConfiguration
from .texts import BYTES_MAX, RULE, ConfigurationError

PROBLEMS_MAX = 100
"""As many are located."""

Steps = tuple[str | int, ...]


def read(data: bytes, *, where: str) -> NadmitConfiguration:
    """Return the configuration of a text; `where` names it in problems. Raises ConfigurationError."""
    if len(data) > BYTES_MAX:
        raise _error(where, f"{len(data)} bytes; allowed: at most {BYTES_MAX}")
    try:
        text = yamlstream.decode(data, file=where, rule=RULE)
    except ManifestError as error:
        raise ConfigurationError(error.problems) from error
    value = _read_yaml(text, where)
    try:
        return NadmitConfiguration.model_validate(value)
    except ValidationError as error:
        raise ConfigurationError(_problems(Source(where, text), error)) from error


def _error(where: str, text: str) -> ConfigurationError:
    return ConfigurationError([Problem(Position(where), RULE, text)])


def _read_yaml(text: str, where: str) -> object:
    problems: list[Problem] = []
    values = [value for _, value in yamlstream.read(text, file=where, problems=problems) if value is not None]
    if problems:
        raise ConfigurationError(problems)
    if not values:
        raise _error(where, f"it is empty; write at least apiVersion: {API_VERSION} and kind: {KIND}")
    if len(values) > 1:
        raise _error(where, f"{len(values)} documents; allowed: one, keep the one that you mean")
    return values[0]


def _problems(source: Source, error: ValidationError) -> list[Problem]:
    """Return the problems that pydantic has found, in the order of their lines."""
    problems = []
    for detail in error.errors(include_url=False)[:PROBLEMS_MAX]:
        steps = tuple(step for step in detail["loc"] if step != "[key]")  # pydantic adds it for the key of a mapping
        text = _DESCRIPTIONS.get(detail["type"], _describe_other)(detail, steps)
        problems.append(source.problem(steps, RULE, text))
    problems.sort(key=lambda problem: problem.position)
    more = error.error_count() - PROBLEMS_MAX
    return [*problems, *([Problem(Position(source.file), RULE, f"{more} more problems")] if more > 0 else [])]


def _describe_unknown(_detail: Mapping[str, Any], steps: Steps) -> str:
    section = _type_of(steps[:-1])
    known = [field.alias or name for name, field in section.model_fields.items()]
    return f"no such field; {_hint(steps[-1], known)}allowed: {', '.join(known)}"


def _describe_missing(_detail: Mapping[str, Any], steps: Steps) -> str:
    choices = _choices(steps)
    return f"it is missing; write {steps[-1]}: {choices[0]}" if choices else "it is missing; add it"


def _describe_choice(detail: Mapping[str, Any], steps: Steps) -> str:
    choices = _choices(steps)
    allowed = ", ".join(f'"{choice}"' for choice in choices)
    return f"unknown value: {show(detail['input'])}; {_hint(detail['input'], choices)}allowed: {allowed}"


def _hint(value: object, known: list[str]) -> str:
    meant = nearest(value, known) if isinstance(value, str) else None
    return f'did you mean "{meant}"? ' if meant else ""


def _choices(steps: Steps) -> list[str]:
    """Return the values of a field that is a Literal."""
    return list(get_args(_type_of(steps)))


def _type_of(steps: Steps) -> Any:
    """Return the type of a field of the configuration; a mapping of fields is a BaseModel."""
    section: Any = NadmitConfiguration
    for step in steps:
        if isinstance(step, int):
            section = get_args(section)[0]
        else:
            section = next(field.annotation for field in section.model_fields.values() if field.alias == step)
    return section


def _wrong_type(allowed: str) -> Callable[[Mapping[str, Any], Steps], str]:
    def describe(detail: Mapping[str, Any], _steps: Steps) -> str:
        hint = "; leave the field out for its default" if detail["input"] is None else ""
        return f"wrong type: {show(detail['input'])}; allowed: {allowed}{hint}"

    return describe


def _describe_bound(detail: Mapping[str, Any], _steps: Steps) -> str:
    return f"the number is out of range: {show(detail['input'])}; allowed: {ALLOWED_COUNT}"


def _describe_other(detail: Mapping[str, Any], _steps: Steps) -> str:
    """Return pydantic's own words. At present no field can have such a problem."""
    return f"{detail['msg']}: {show(detail['input'])}; correct it"


_DESCRIPTIONS: Mapping[str, Callable[[Mapping[str, Any], Steps], str]] = {
    CONTENT: lambda detail, _steps: str(detail["ctx"]["text"]),
    "extra_forbidden": _describe_unknown,
    "missing": _describe_missing,
    "literal_error": _describe_choice,
    "bool_type": _wrong_type("true or false"),
    "string_type": _wrong_type("a string: quote it"),
    "int_type": _wrong_type("a whole number, without quotes"),
    "greater_than_equal": _describe_bound,
    "less_than_equal": _describe_bound,
    "list_type": _wrong_type("a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _wrong_type("a mapping")),
}
