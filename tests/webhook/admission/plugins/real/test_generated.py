"""Thousands of configurations with one wrong or unusual key: we refuse exactly those that the plugins refuse."""

from __future__ import annotations

import pytest

from cniplugin.netspec.errors import SpecErrors
from tests.webhook.admission.plugins.checking import SCHEMAS
from tests.webhook.admission.plugins.real import differences
from tests.webhook.admission.plugins.real.comparing import VERSION, bare, disagreement, errors, load, network
from tests.webhook.admission.plugins.real.mutating import mutations
from tests.webhook.admission.plugins.real.node import Conf, Node, installed

pytestmark = [pytest.mark.root, pytest.mark.slow]

FIRST_CASES = {plugin: case for (plugin, _), case in reversed(load("accepted").items())}
PLUGINS = [plugin for plugin in FIRST_CASES if installed(plugin) and SCHEMAS[plugin].keys]
STATEFUL = ("bandwidth", "sbr")
"""Plugins that leave something on an interface, so each network gets a new interface."""
COMPARED_MIN = 50
"""Configurations that reach each plugin; the envelope refuses the others."""


@pytest.mark.parametrize("plugin", PLUGINS)
def test_both_sides_agree(node: Node, plugin: str) -> None:
    case = FIRST_CASES[plugin]
    base = case.plugins[-1]["ipam"] if SCHEMAS[plugin].kind == "ipam" else case.plugins[-1]
    stays = case.plugins[: 0 if plugin in STATEFUL else -1]
    before = node.add(stays, version=VERSION) if stays else None
    differing, compared = [], 0
    for conf in mutations(base):
        plugins = network(conf)
        try:
            refusals = errors({"cniVersion": VERSION, "name": "tried", "plugins": plugins})
        except SpecErrors:
            continue
        compared += 1
        asked: list[Conf] = [conf] if before else list(bare(plugins) if base is not case.plugins[-1] else plugins)
        outcome = node.attach(asked, given={}, version=VERSION, before=before)
        if outcome.is_accepted and SCHEMAS[plugin].kind == "ipam":
            refusals = [item for item in refusals if not differences.is_of_main(item)]
        difference = disagreement(plugin, refusals, outcome)
        if difference:
            differing.append(f"{conf}: {difference}")
    if before is not None:
        node.remove(stays, before, version=VERSION)
    assert "\n".join(differing) == ""
    assert compared >= COMPARED_MIN
