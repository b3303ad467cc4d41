"""What the page shows about one network: its definition explained, who may attach and who does, and its addresses."""

from __future__ import annotations

import json
from typing import Any

from cniplugin.access.content.facts import facts_of
from cniplugin.netspec import netattachdef
from cniplugin.netspec.errors import render
from webhook.report.diagnosis.objectset import Json, texts
from webhook.report.topology import accessrights, freeaddresses
from webhook.report.topology.answertext import free_json
from webhook.report.topology.graph import Network
from webhook.report.topology.maptext import segment_json

from . import judged
from .clusteranswers import PODS_MAX, Question, QuestionError, list_pods
from .clusterview import ClusterView
from .findingsanswer import Findings

USED_MAX = 500
"""Addresses in use in one answer; it has the number of all."""


def network(view: ClusterView, question: Question, findings: Findings) -> dict[str, Any]:
    """Return everything about one network. Raises QuestionError if nobody knows it."""
    namespace, name = question.get("namespace", ""), question.get("name", "")
    reference = f"{namespace}/{name}"
    topology = view.moment.topology
    known = topology.networks.get(reference)
    if known is None and reference not in view.by_network:
        raise QuestionError(f'there is no NetworkAttachmentDefinition "{name}" in namespace "{namespace}"', 404)
    segment = topology.segment(reference)
    return {
        "network": reference,
        "namespace": namespace,
        "name": name,
        "defined": topology.is_defined(reference),
        "segment": segment_json(segment),
        "beside": [one for one in view.by_segment.get(segment, ()) if one != reference],
        **(_definition(view, known, view.moment.definitions.get((namespace, name), {})) if known is not None else {}),
        "rights": [] if view.lacking else accessrights.to_json(_rights(view, namespace, name)),
        "lacking": list(view.lacking),
        "findings": findings.about(netattachdef.KIND, namespace, name),
        "attachments": list_pods(view.by_network.get(reference, ())),
        "asking": [user._asdict() for user in view.users_of(reference) if not user.pods][:PODS_MAX],
        "addresses": _addresses(view, reference)
        if known is not None
        else {"unknown": "there is no definition, or it may not be read"},
    }


def _rights(view: ClusterView, namespace: str, name: str) -> tuple[accessrights.RightGroup, ...]:
    return accessrights.group(view.asking.rights(namespace, name))


def _definition(view: ClusterView, known: Network, one: Json) -> dict[str, Any]:
    """Return a definition: its text, what it touches on nodes, and what the webhook says about it now."""
    definition = known.definition
    facts = facts_of(definition)
    config = one.get("spec", {}).get("config") if isinstance(one.get("spec"), dict) else None
    plugins = definition.config.plugins if definition.config is not None else ()
    return {
        "config": _pretty(config, is_readable=definition.config is not None) if isinstance(config, str) else "",
        "onDisk": definition.is_on_disk,
        "problems": [render(problem) for problem in definition.problems],
        "labels": texts(one, "metadata", "labels"),
        "annotations": texts(one, "metadata", "annotations"),
        "plugins": [{"type": plugin.type, "ipam": plugin.ipam_type or ""} for plugin in plugins],
        "touches": [
            {"kind": touch.kind, "value": touch.value, "path": touch.path, "plugin": touch.plugin}
            for touch in (facts.touches if facts is not None else ())
        ],
        "verdict": None if view.lacking else judged.judge(one, view.asking.webhook),
    }


def _pretty(config: str, *, is_readable: bool) -> str:
    """Return a configuration with an indent; as it is written if it cannot be read."""
    return json.dumps(json.loads(config), indent=2, ensure_ascii=False) if is_readable else config


def _addresses(view: ClusterView, reference: str) -> dict[str, Any]:
    found = freeaddresses.find_free(reference, view.moment.topology, view.checks)
    if isinstance(found, str):
        return {"unknown": found}
    made = free_json(found)
    return {**made, "used": made["used"][:USED_MAX], "usedCount": len(found.used), "count": str(found.size)}
