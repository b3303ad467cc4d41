"""The section `drivers`: what is known of DRA drivers, and which are not looked at."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails

from webhook.admission.dra.drivers import Drivers
from webhook.driverdata.admindrivers import read_drivers
from webhook.driverdata.driverfiles import default_drivers, load_drivers

from .fields import Section, problem


def _check_exempt(names: list[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise problem(f"{twice[0]} is listed twice; keep one of them")
    if "" in names:
        raise problem("the name of a driver is empty; write it as opaque.driver has it, or leave it out")
    return names


def _check_schemas(written: list[Any], info: ValidationInfo) -> list[Any]:
    """Refuse drivers that cannot be used, each mistake at its own place."""
    found = read_drivers(written).mistakes
    if found:
        details = [InitErrorDetails(type=problem(mistake.text), loc=mistake.steps, input=None) for mistake in found]
        raise ValidationError.from_exception_data(info.field_name or "schemas", details)
    return written


class DriversSection(Section):
    """The fields are documented in docs/configuration.md."""

    exempt: Annotated[list[str], AfterValidator(_check_exempt)] = Field(default=[])
    schemas: Annotated[list[Any], AfterValidator(_check_schemas)] = Field(default=[])

    def to_value(self) -> Drivers:
        """Return what claims are judged with."""
        if not self.exempt and not self.schemas:
            return default_drivers()
        known = {**load_drivers(), **read_drivers(self.schemas).by_name}
        return Drivers(by_name={name: driver for name, driver in known.items() if name not in self.exempt})
