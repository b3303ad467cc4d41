"""Real plugins add and remove the networks that we accept, and fail with the text we quote for those that we refuse.

The cases are data, tests/vectors/cni_plugins/<plugin>.json. NADMIT_CNI_PLUGINS may name a directory with later releases
than Debian's.
"""

from __future__ import annotations

import pytest

from tests.webhook.admission.plugins.real.comparing import Case, bare, disagreement, errors, load
from tests.webhook.admission.plugins.real.node import Node, installed

pytestmark = [pytest.mark.root, pytest.mark.slow]

ACCEPTED = {key: case for key, case in load("accepted").items() if installed(key[0])}
REFUSED = {key: case for key, case in load("refused").items() if installed(key[0])}


@pytest.mark.parametrize(("plugin", "title"), ACCEPTED)
def test_accepted(node: Node, plugin: str, title: str) -> None:
    case = ACCEPTED[plugin, title]
    assert errors(case.config) == []
    assert _disagreement(node, plugin, case) == ""


@pytest.mark.parametrize(("plugin", "title"), REFUSED)
def test_refused(node: Node, plugin: str, title: str) -> None:
    case = REFUSED[plugin, title]
    assert [finding.code for finding in errors(case.config)][:1] == [case.code]
    assert _disagreement(node, plugin, case) == ""


def _disagreement(node: Node, plugin: str, case: Case) -> str:
    plugins = bare(case.plugins) if plugin == "dhcp" else case.plugins
    outcome = node.attach(plugins, given=case.given, version=case.version)
    return disagreement(plugin, errors(case.config), outcome)
