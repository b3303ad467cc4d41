"""Compares the findings of our engine about a network with the outcome of the real plugins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from cniplugin.netspec.attachers import MULTUS
from tests.paths import VECTORS
from tests.webhook.admission.plugins.checking import SCHEMAS, findings_of
from tests.webhook.admission.plugins.real import differences
from tests.webhook.admission.plugins.real.node import Conf, Outcome
from webhook.admission.plugins.findings import PluginFinding

DATA = VECTORS / "cni_plugins"
FIRST: Conf = {"type": "bridge", "bridge": "first", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}
"""The first plugin of a list with a chained plugin."""
VERSION = "1.0.0"
QUOTE = 'it would fail with "'


class Case(NamedTuple):
    """One network. `given`: the runtime's values for capabilities; `code`: the finding that refuses it, "" for none."""

    plugins: Sequence[Conf]
    version: str = VERSION
    given: Conf = MappingProxyType({})
    code: str = ""

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Self:
        """Return the case of a vector: it has the `plugins` of a network, or the `conf` of one plugin."""
        rest = {key: value for key, value in written.items() if key != "conf"}
        return cls(**{"plugins": network(written["conf"]), **rest} if "conf" in written else rest)

    @property
    def config(self) -> Conf:
        return {"cniVersion": self.version, "name": "tried", "plugins": self.plugins}


def network(conf: Conf) -> list[Conf]:
    """Return a network with one plugin: an IPAM plugin inside a bridge, a chained plugin after a bridge."""
    schema = SCHEMAS[conf["type"]]
    if schema.kind == "ipam":
        return [{"type": "bridge", "ipam": conf}]
    return [FIRST, conf] if schema.chained_only else [conf]


def bare(plugins: Sequence[Conf]) -> Sequence[Conf]:
    """Return the IPAM plugin of a bridge alone, as the bridge would call it.

    NB: dhcp has no interface then, so it fails after it has read all its options, and does not wait a minute for a
    server.
    """
    return [{**plugins[0], "type": plugins[0]["ipam"]["type"]}]


def load(section: str) -> dict[tuple[str, str], Case]:
    """Return the cases of a section, by plugin and title."""
    return {
        (path.stem, title): Case.read(case)
        for path in sorted(DATA.glob("*.json"))
        for title, case in json.loads(path.read_bytes())[section].items()
    }


def errors(config: Conf) -> list[PluginFinding]:
    """Return the findings that refuse a network."""
    return [finding for finding in findings_of(config) if finding.is_error(MULTUS)]


def quotes(finding: PluginFinding, error: str) -> bool:
    """Say whether the plugin's error has the text that a finding quotes. A finding without a quote fits any error.

    "..." in the quote matches text that differs from node to node.
    """
    _, quoting, rest = finding.as_spec_error().fix.partition(QUOTE)
    if not quoting:
        return True
    position, text = 0, error.replace('"', "'")
    for part in rest.removesuffix('"').split("..."):
        position = text.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return True


def disagreement(plugin: str, refusals: Sequence[PluginFinding], theirs: Outcome) -> str:
    """Return how the two sides disagree about a plugin; "" if they agree, or if the difference has a reason."""
    if theirs.is_accepted:
        certain = [item for item in refusals if not differences.is_newer(plugin, item)]
        return f"we refuse, they accept: {certain[0].as_spec_error()}" if certain else ""
    if any(quotes(item, theirs.error) for item in refusals):
        return ""
    if differences.excuse(plugin, theirs.error):
        return ""
    if refusals:
        return f"we quote another text than theirs: {refusals[0].as_spec_error()}: they say: {theirs.error[:300]}"
    return f"we accept, they refuse: {theirs.error[:300]}"
