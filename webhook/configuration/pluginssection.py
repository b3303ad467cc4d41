"""The section `plugins`: what is known of CNI plugins, and what becomes of those that nothing is known of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails

from webhook.admission.plugins.schema import PluginChecks, PluginSchema
from webhook.plugindata.adminschemas import read_schemas
from webhook.plugindata.pluginfiles import load_schemas

from .fields import Section, problem

UnknownTypes = Literal["Warn", "Refuse", "Off"]
"""As `schema.UNKNOWN_TYPES`."""


def _quote_off(value: object) -> object:
    """NB: in YAML, Off without quotes is false."""
    return "Off" if value is False else value


def _check_exempt(types: list[str]) -> list[str]:
    twice = sorted({name for name in types if types.count(name) > 1})
    if twice:
        raise problem(f"{twice[0]} stands twice; keep one of them")
    if "" in types:
        raise problem("a plugin type is empty; write it as configurations do, or leave it out")
    return types


def _check_schemas(written: list[Any], info: ValidationInfo) -> list[Any]:
    """Refuse schemas that cannot be used, each mistake at its own place."""
    found = read_schemas(written).mistakes
    if found:
        details = [InitErrorDetails(type=problem(mistake.text), loc=mistake.steps, input=None) for mistake in found]
        raise ValidationError.from_exception_data(info.field_name or "schemas", details)
    return written


class PluginsSection(Section):
    """The fields are documented in docs/configuration.md."""

    unknown_types: Annotated[UnknownTypes, BeforeValidator(_quote_off)] = "Warn"
    exempt: Annotated[list[str], AfterValidator(_check_exempt)] = Field(default=[])
    schemas: Annotated[list[Any], AfterValidator(_check_schemas)] = Field(default=[])

    def own_schemas(self) -> Mapping[str, PluginSchema]:
        """Return the schemas of the section, by type, other names included."""
        return read_schemas(self.schemas).by_type

    def to_value(self, own: Mapping[str, PluginSchema]) -> PluginChecks:
        """Return what configurations are checked with. `own`: what the section's schemas replace."""
        return PluginChecks(
            schemas={**load_schemas(), **own, **self.own_schemas()},
            unknown_types=self.unknown_types,
            exempt=frozenset(self.exempt),
        )
