"""The section `limits`: how much one object may ask for."""

from __future__ import annotations

from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits

from .fields import Count, Section


class LimitsSection(Section):
    """The fields are documented in docs/configuration.md, and counted as `limitsettings` says."""

    networks_per_pod: Count = DEFAULTS.networks_per_pod
    values_per_pod: Count = DEFAULTS.values_per_pod
    containers_per_pod: Count = DEFAULTS.containers_per_pod
    definition_bytes: Count = DEFAULTS.definition_bytes
    definition_items: Count = DEFAULTS.definition_items
    policy_values: Count = DEFAULTS.policy_values

    def to_value(self) -> ReviewLimits:
        """Return the limits."""
        return ReviewLimits(**self.model_dump())
