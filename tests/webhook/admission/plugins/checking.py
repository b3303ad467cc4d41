"""Checks configurations with the schemas of this project, as the webhook does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cniplugin.netspec import cniconfig
from cniplugin.netspec.attachers import NADMIT
from webhook.admission.plugins.engine import check_plugins
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.placement import Origin
from webhook.admission.plugins.schema import PluginChecks
from webhook.plugindata.pluginfiles import load_schemas

SCHEMAS = load_schemas()
CHECKS = PluginChecks(schemas=SCHEMAS, attached_by=NADMIT)
"""Those of our own plugin: what Multus does otherwise has tests of its own."""
MULTUS_CHECKS = PluginChecks(schemas=SCHEMAS)
ORIGIN = Origin("blue", "net")
"""The definition with the configuration."""


def findings_of(
    config: str | Mapping[str, Any],
    *,
    checks: PluginChecks = CHECKS,
    annotations: Mapping[str, str] | None = None,
    origin: Origin = ORIGIN,
) -> list[PluginFinding]:
    """Return the findings of a configuration, given as text or as an object."""
    text = config if isinstance(config, str) else json.dumps(config)
    return check_plugins(cniconfig.parse(text, name="net"), annotations or {}, checks, origin=origin)


def codes(config: str | Mapping[str, Any]) -> list[str]:
    """Return the codes of the findings, in order."""
    return [finding.code for finding in findings_of(config)]
