"""One network, asked of both sides: what our engine finds, and what the plugins say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from tests.paths import VECTORS
from tests.webhook.admission.plugins.checking import SCHEMAS, found
from tests.webhook.admission.plugins.real import differences
from tests.webhook.admission.plugins.real.node import Conf, Outcome
from webhook.admission.plugins.findings import PluginFinding

DATA = VECTORS / "cni_plugins"
FIRST: Conf = {"type": "bridge", "bridge": "first", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}
"""What chained plugins come after."""
VERSION = "1.0.0"
QUOTE = 'it would fail with "'


class Case(NamedTuple):
    """One network: `given` is what the runtime has; `code`: the finding that refuses it, "" when it is accepted."""

    plugins: Sequence[Conf]
    version: str = VERSION
    given: Conf = MappingProxyType({})
    code: str = ""

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Self:
        """Return a case as a vector has it: `plugins`, or the `conf` of the plugin that it is about."""
        rest = {key: value for key, value in written.items() if key != "conf"}
        return cls(**{"plugins": network(written["conf"]), **rest} if "conf" in written else rest)

    @property
    def config(self) -> Conf:
        return {"cniVersion": self.version, "name": "tried", "plugins": self.plugins}


def network(conf: Conf) -> list[Conf]:
    """Return the plugins of a network that shows one of them: IPAM inside a bridge, chained ones after a bridge."""
    schema = SCHEMAS[conf["type"]]
    if schema.kind == "ipam":
        return [{"type": "bridge", "ipam": conf}]
    return [FIRST, conf] if schema.chained_only else [conf]


def bare(plugins: Sequence[Conf]) -> Sequence[Conf]:
    """Return the IPAM plugin of a bridge alone, as the bridge would call it.

    NB: without an interface to ask through, dhcp fails after it has read all its options, and does not wait for a
    server for a minute.
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
    return [finding for finding in found(config) if finding.is_error]


def quotes(finding: PluginFinding, said: str) -> bool:
    """Say whether the text that a finding quotes is in what the plugin said; without a quote, anything is.

    "..." stands for what differs from node to node.
    """
    _, quoting, rest = finding.as_spec_error().fix.partition(QUOTE)
    if not quoting:
        return True
    position, text = 0, said.replace('"', "'")
    for part in rest.removesuffix('"').split("..."):
        position = text.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return True


def disagreement(plugin: str, refusals: Sequence[PluginFinding], theirs: Outcome) -> str:
    """Return in what the two sides disagree about a plugin; "" when they agree, or the difference has its reason."""
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
