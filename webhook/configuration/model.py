"""NadmitConfiguration, the whole: its sections, and the value that they make.

A new section is a class in a file of its own, a field here, and a line in `to_value`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from webhook.admission.configuration import Configuration

from .fields import Section
from .injectionsection import InjectionSection

API_VERSION = "config.nadmit.io/v1alpha1"
KIND = "NadmitConfiguration"


class NadmitConfiguration(Section):
    """What the text says, with all defaults filled in."""

    api_version: Literal["config.nadmit.io/v1alpha1"]
    kind: Literal["NadmitConfiguration"]
    injection: InjectionSection = Field(default_factory=InjectionSection)

    def to_value(self) -> Configuration:
        """Return what reviews use."""
        return Configuration(injection=self.injection.to_value())

    def shown(self) -> dict[str, Any]:
        """Return the configuration as one would write it."""
        return self.model_dump(mode="json", by_alias=True)


def defaults() -> NadmitConfiguration:
    """Return what holds where nothing is written."""
    return NadmitConfiguration.model_validate({"apiVersion": API_VERSION, "kind": KIND})
