"""The text of a NadmitConfiguration to its value, or to every problem with its line and column.

It is read as kubectl reads YAML: a key that stands twice is a problem, and so is a second document. An empty text is
one, too: it is mostly a file that somebody is about to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from cniplugin.netspec.errors import show
from cniplugin.netspec.jsontext import join
from cniplugin.netspec.names import nearest
from webhook.trees import positions, yamlstream
from webhook.trees.problems import ManifestError, Position, Problem

from .fields import ALLOWED_COUNT, CONTENT
from .model import API_VERSION, KIND, NadmitConfiguration

BYTES_MAX = 262_144
"""A quarter of what a ConfigMap may hold: the last good text stands beside it. Locating takes 50 ms."""
PROBLEMS_MAX = 100
"""As many as are located."""

Steps = tuple[str | int, ...]


class ConfigurationError(ManifestError):
    """A configuration that cannot be used; `problems` has every reason, in the order of its lines."""


def read(data: bytes, *, where: str) -> NadmitConfiguration:
    """Return the configuration of a text; `where` names it in problems. Raises ConfigurationError."""
    if len(data) > BYTES_MAX:
        raise _error(where, f"{len(data)} bytes; allowed: at most {BYTES_MAX}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _error(where, f"not UTF-8: byte 0x{data[error.start]:02x}; save it as UTF-8") from error
    value = _read_yaml(text, where)
    try:
        return NadmitConfiguration.model_validate(value)
    except ValidationError as error:
        raise ConfigurationError(_problems(text, where, error)) from error


def _error(where: str, text: str) -> ConfigurationError:
    return ConfigurationError([Problem(Position(where), "configuration", text)])


def _read_yaml(text: str, where: str) -> object:
    problems: list[Problem] = []
    found = [value for _, value in yamlstream.read(text, file=where, problems=problems) if value is not None]
    if problems:
        raise ConfigurationError(problems)
    if not found:
        raise _error(where, f"it is empty; write at least apiVersion: {API_VERSION} and kind: {KIND}")
    if len(found) > 1:
        raise _error(where, f"{len(found)} documents; allowed: one, keep that which is meant")
    return found[0]


def _problems(text: str, where: str, error: ValidationError) -> list[Problem]:
    """Return what pydantic has found, in the order of its lines."""
    nodes, lines = positions.compose(text), positions.split_lines(text)
    found = []
    for detail in error.errors(include_url=False)[:PROBLEMS_MAX]:
        steps = _steps_of(detail)
        place = positions.find(nodes[0], lines, [str(step) for step in steps]) if nodes else (0, 0)
        found.append(Problem(Position(where, *place), "configuration", _line(detail, steps)))
    found.sort(key=lambda problem: problem.position)
    more = error.error_count() - PROBLEMS_MAX
    return [*found, *([Problem(Position(where), "configuration", f"{more} more problems")] if more > 0 else [])]


def _steps_of(detail: Mapping[str, Any]) -> Steps:
    """NB: a problem with a key of a mapping ends in "[key]"."""
    return tuple(step for step in detail["loc"] if step != "[key]")


def _line(detail: Mapping[str, Any], steps: Steps) -> str:
    path = ""
    for step in steps:
        path = f"{path}[{step}]" if isinstance(step, int) else join(path, step)
    said = _DESCRIPTIONS.get(detail["type"], _describe_other)(detail, steps)
    return f"{path}: {said}" if path else said


def _describe_content(detail: Mapping[str, Any], _steps: Steps) -> str:
    return str(detail["ctx"]["said"])


def _describe_unknown(_detail: Mapping[str, Any], steps: Steps) -> str:
    known = _keys_of(steps[:-1])
    meant = nearest(str(steps[-1]), known)
    hint = f'did you mean "{meant}"? ' if meant else ""
    return f"no such field; {hint}allowed: {', '.join(known)}"


def _keys_of(steps: Steps) -> list[str]:
    """Return the keys of a mapping of fixed fields."""
    section: type[BaseModel] = NadmitConfiguration
    for step in steps:
        fields = {field.alias: field.annotation for field in section.model_fields.values()}
        inner = fields.get(str(step))
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        section = inner
    return [field.alias or name for name, field in section.model_fields.items()]


def _describe_missing(_detail: Mapping[str, Any], steps: Steps) -> str:
    wanted = {"apiVersion": API_VERSION, "kind": KIND}
    return f"it is missing; write {steps[-1]}: {wanted[str(steps[-1])]}"


def _describe_choice(detail: Mapping[str, Any], _steps: Steps) -> str:
    value = detail["input"]
    allowed = str(detail["ctx"]["expected"]).replace("'", '"').replace(" or ", ", ")
    meant = nearest(value, [word.strip('"') for word in allowed.split(", ")]) if isinstance(value, str) else None
    hint = f'did you mean "{meant}"? ' if meant else ""
    return f"unknown value: {show(value)}; {hint}allowed: {allowed}"


def _wrong_type(allowed: str) -> Callable[[Mapping[str, Any], Steps], str]:
    def describe(detail: Mapping[str, Any], _steps: Steps) -> str:
        hint = "; leave the field out for its default" if detail["input"] is None else ""
        return f"wrong type: {show(detail['input'])}; allowed: {allowed}{hint}"

    return describe


def _describe_bound(detail: Mapping[str, Any], _steps: Steps) -> str:
    return f"the number is out of range: {show(detail['input'])}; allowed: {ALLOWED_COUNT}"


def _describe_other(detail: Mapping[str, Any], _steps: Steps) -> str:
    """Say it as pydantic does: a type of problem that no field of today can have."""
    return f"{detail['msg']}: {show(detail['input'])}; correct it"


_DESCRIPTIONS: Mapping[str, Callable[[Mapping[str, Any], Steps], str]] = {
    CONTENT: _describe_content,
    "extra_forbidden": _describe_unknown,
    "missing": _describe_missing,
    "literal_error": _describe_choice,
    "bool_type": _wrong_type("true or false"),
    "string_type": _wrong_type("a string: quote it"),
    "int_type": _wrong_type("a whole number, without quotes"),
    "greater_than_equal": _describe_bound,
    "less_than_equal": _describe_bound,
    "list_type": _wrong_type("a list"),
    "dict_type": _wrong_type("a mapping"),
    "model_type": _wrong_type("a mapping"),
    "model_attributes_type": _wrong_type("a mapping"),
}
