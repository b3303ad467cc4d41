"""Decisions about pods of namespace blue that select one network, `blue/net`."""

from __future__ import annotations

import json
from typing import Any

from cniplugin.netspec import annotation
from tests.webhook.admission.plugins.checking import CHECKS
from tests.webhook.admission.world import FakeCluster, cluster, decide, pod, request
from webhook.admission.model.requests import Decision
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.addressclaims import claims_of


def world(config: str | dict[str, Any], *others: str) -> FakeCluster:
    """Return a cluster with the network; `others`: the networks annotations of pods blue/other-0, blue/other-1..."""
    made = cluster(blue__net=config if isinstance(config, str) else json.dumps(config))
    for number, text in enumerate(others):
        for element in annotation.parse(text, namespace="blue"):
            for claim in claims_of(element):
                key = (element.namespace, element.name, claim.address)
                made.addresses[key] = (*made.addresses.get(key, ()), ("blue", f"other-{number}"))
    return made


def judge(config: str | dict[str, Any], networks: str, *others: str, checks: PluginChecks | None = CHECKS) -> Decision:
    """Decide the creation of a pod with these networks."""
    return decide(request(pod(networks)), world=world(config, *others), plugins=checks)


def ask(config: str | dict[str, Any], *others: str, **asked: Any) -> Decision:
    """Decide the creation of a pod that asks for something of `net`; `default_route` is written with a dash."""
    element = {"name": "net", **{key.replace("_", "-"): value for key, value in asked.items()}}
    return judge(config, json.dumps([element]), *others)


def codes(decision: Decision) -> list[str]:
    """Return the codes that a decision names, in order."""
    return [rule for rule in decision.rules if rule.startswith("NAD")]
