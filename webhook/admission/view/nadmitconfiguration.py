"""What admins may change while a server runs, as one frozen value: the parts of a NadmitConfiguration."""

from __future__ import annotations

from dataclasses import dataclass, field

from webhook.admission.dra.drivers import Drivers
from webhook.admission.model.injection import Injection
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits
from webhook.admission.plugins.schema import PluginChecks


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What is in force.

    `injection`: None when nothing is to be put into pods, nor to be asked of them. `plugins`: None when only the
    envelope of configurations is checked. `drivers`: None when claims are not looked at. `limits`: how much one object
    may ask for.
    """

    injection: Injection | None = field(default_factory=Injection)
    plugins: PluginChecks | None = None
    drivers: Drivers | None = None
    limits: ReviewLimits = DEFAULTS
