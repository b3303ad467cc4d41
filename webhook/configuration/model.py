"""NadmitConfiguration, the whole: its sections, and the value that they make.

A new section is a class in a file of its own, a field here, and a line in `to_value`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from webhook.admission.plugins.schema import PluginSchema
from webhook.admission.view.decisioncontext import Configuration

from .driverssection import DriversSection
from .fields import Section
from .injectionsection import InjectionSection
from .limitssection import LimitsSection
from .pluginssection import PluginsSection

API_VERSION = "config.nadmit.io/v1alpha1"
KIND = "NadmitConfiguration"


class NadmitConfiguration(Section):
    """What the text says, with all defaults filled in."""

    api_version: Literal["config.nadmit.io/v1alpha1"]
    kind: Literal["NadmitConfiguration"]
    injection: InjectionSection = Field(default_factory=InjectionSection)
    plugins: PluginsSection = Field(default_factory=PluginsSection)
    drivers: DriversSection = Field(default_factory=DriversSection)
    limits: LimitsSection = Field(default_factory=LimitsSection)

    def to_value(self, own_schemas: Mapping[str, PluginSchema]) -> Configuration:
        """Return what reviews use. `own_schemas`: of a directory, {} for none."""
        return Configuration(
            injection=self.injection.to_value(),
            plugins=self.plugins.to_value(own_schemas),
            drivers=self.drivers.to_value(),
            limits=self.limits.to_value(),
        )

    def shown(self) -> dict[str, Any]:
        """Return the configuration as one would write it, without schemas, which are long."""
        return self.model_dump(mode="json", by_alias=True, exclude={"plugins": {"schemas"}, "drivers": {"schemas"}})


def defaults() -> NadmitConfiguration:
    """Return what holds where nothing is written."""
    return NadmitConfiguration.model_validate({"apiVersion": API_VERSION, "kind": KIND})
