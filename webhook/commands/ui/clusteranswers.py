"""What the page asks about the whole cluster: the map, a search, pods, a namespace, and whether pods may attach.

An answer is plain JSON. Questions are names with values, as an address has them; one that cannot be answered raises
`QuestionError`, whose text is for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from cniplugin.access.model.decision import Subject
from cniplugin.netspec import jsontext
from cniplugin.netspec.names import ALLOWED_LABEL, ALLOWED_SUBDOMAIN, is_label, is_subdomain
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS, NetworkSelectionElement, to_json
from webhook.admission.view.permissions import answer, list_permissions
from webhook.admission.wording import policytext
from webhook.commands import permissions
from webhook.report import permissionreport
from webhook.report.topology import answertext, lookup, maptext
from webhook.report.topology.graph import Attachment, workload_of

from . import judged
from .clusterview import ClusterView

Question = Mapping[str, str]

PODS_MAX = 200
"""Pods in one answer; it has the number of all."""
SEARCHED_MAX = 20


class QuestionError(Exception):
    """A question that cannot be answered. `status`: of HTTP."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def unpainted(text: str, _role: str) -> str:
    """Return a text without colour."""
    return text


def overview(view: ClusterView, title: str, *, is_live: bool) -> dict[str, Any]:
    """Return the map as `nadmit map -o json` has it, and what the page shows beside it."""
    moment = view.moment
    return {
        **maptext.to_json(view.segments, moment.notes, list(moment.unread.values())),
        "problems": [str(one) for one in policytext.find_unreadable(moment.snapshot.policies)],
        "version": view.version,
        "source": {"title": title, "live": is_live},
        "namespaces": list(view.namespaces),
        "pods": len(moment.topology.pods),
    }


def attachment_json(one: Attachment) -> dict[str, Any]:
    """Return one interface of a pod."""
    return {
        "namespace": one.pod.namespace,
        "pod": one.pod.name,
        "workload": workload_of(one.pod),
        "node": one.pod.node,
        "phase": one.pod.phase,
        "leaving": bool(one.pod.leaving),
        "network": one.network,
        "interface": one.interface,
        "addresses": list(one.addresses),
        "mac": one.mac,
        "devices": list(one.devices),
    }


def list_pods(found: Iterable[Attachment]) -> dict[str, Any]:
    """Return the first attachments, and how many there are."""
    all_of_them = list(found)
    return {"count": len(all_of_them), "pods": [attachment_json(one) for one in all_of_them[:PODS_MAX]]}


def find(view: ClusterView, question: Question) -> dict[str, Any]:
    """Return pods whose name has a text; and what `nadmit who` says if somebody has it as an address or a device."""
    text = question.get("q", "").strip()
    topology = view.moment.topology
    word = text.lower()
    names = sorted(one for one in topology.pods if word in one.lower()) if word else []
    asked = lookup.parse(text)
    who = lookup.find(asked, topology, view.checks) if asked is not None else None
    shown = who is not None and (who.is_found or bool(who.ranges))
    return {
        "count": len(names),
        "pods": names[:SEARCHED_MAX],
        "holders": [attachment_json(one.attachment) for one in (who.holders[:SEARCHED_MAX] if who is not None else ())],
        "who": answertext.render_text(who, unpainted) if who is not None and shown else "",
    }


def workload(view: ClusterView, question: Question) -> dict[str, Any]:
    """Return the attachments of a workload's pods, on one network or on all."""
    namespace, name, network = question.get("namespace", ""), question.get("workload", ""), question.get("network", "")
    return list_pods(
        one
        for one in view.moment.topology.attachments
        if one.pod.namespace == namespace and workload_of(one.pod) == name and network in {"", one.network}
    )


def namespace(view: ClusterView, question: Question) -> dict[str, Any]:
    """Return the rules in force for pods of a namespace, as `nadmit rules` does, and its networks and pods."""
    name = _name(question, "namespace")
    snapshot = view.moment.snapshot
    attachments = [one for one in view.moment.topology.attachments if one.pod.namespace == name and one.network]
    found: dict[str, Any] = {
        "namespace": name,
        "exists": snapshot.has_namespace(name),
        "labels": dict(snapshot.namespace_labels(name)),
        "networks": [one for one in view.moment.topology.networks if one.startswith(f"{name}/")],
        "lacking": list(view.lacking),
        "attachments": list_pods(attachments),
    }
    if name not in view.namespaces:
        raise QuestionError(f'there is no namespace "{name}"', 404)
    if not view.lacking:
        found |= _rules(view, name)
    return found


def _rules(view: ClusterView, name: str) -> dict[str, Any]:
    snapshot = view.moment.snapshot
    is_configured = snapshot.policies.config is not None
    subject = Subject(
        namespace=name, namespace_labels=snapshot.namespace_labels(name), labels={}, service_account="default"
    )
    found = list_permissions(subject, view.asking.context)
    usable = [one for one in found.networks if one.verdict.is_allowed or one.needs_limits]
    return {
        "allowed": [
            {
                "network": one.item.reference,
                "state": "within limits" if one.needs_limits else "yes",
                "grants": [{"decided": grant.decided, "asks": grant.asks} for grant in one.grants],
                "trials": [f"{trial.mode}: {trial.verdict.decided}" for trial in one.trials],
            }
            for one in usable
        ],
        "refusedCount": len(found.networks) - len(usable),
        "text": permissionreport.list_text(found, unpainted, shows_all=False, is_configured=is_configured),
    }


def can_attach(view: ClusterView, question: Question) -> dict[str, Any]:
    """Return what `nadmit can-attach` says, and the text that the user of a refused pod would get."""
    if view.lacking:
        raise QuestionError(f"nobody can say who may attach: {'; '.join(view.lacking)}", 409)
    name = _name(question, "namespace")
    snapshot, context = view.moment.snapshot, view.asking.context
    account = question.get("serviceAccount", "").strip() or "default"
    if not is_subdomain(account):
        raise QuestionError(f"{account!r} does not name a service account; allowed: {ALLOWED_SUBDOMAIN}")
    is_default = question.get("default") == "true"
    try:
        labels = permissions.parse_labels(filter(None, [question.get("labels", "").strip()]))
        element = permissions.read_element(
            _given(question, "network"),
            {key: question.get(key, "").strip() or None for key in permissions.REQUESTS},
            namespace=context.network_namespace if is_default else name,
            is_default=is_default,
        )
    except click.UsageError as error:
        raise QuestionError(error.message) from error
    subject = Subject(
        namespace=name, namespace_labels=snapshot.namespace_labels(name), labels=labels, service_account=account
    )
    result = answer(subject, element, context, default=is_default)
    return {
        **permissionreport.answer_value(result),
        "text": permissionreport.answer_text(result, unpainted),
        "note": permissions.unknown_namespace(snapshot, name),
        "verdict": judged.judge(_pod_that_asks(subject, element, is_default=is_default), view.asking.webhook),
    }


def _pod_that_asks(subject: Subject, element: NetworkSelectionElement, *, is_default: bool) -> dict[str, Any]:
    """Return the smallest pod that asks for a network."""
    key = DEFAULT_NETWORK if is_default else NETWORKS
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "my-pod",
            "namespace": subject.namespace,
            "labels": dict(subject.labels),
            "annotations": {key: jsontext.quote([to_json(element)])},
        },
        "spec": {"serviceAccountName": subject.service_account, "containers": [{"name": "c", "image": "c"}]},
    }


def _given(question: Question, key: str) -> str:
    value = question.get(key, "").strip()
    if not value:
        raise QuestionError(f"{key} is empty; write one")
    return value


def _name(question: Question, key: str) -> str:
    value = _given(question, key)
    if not is_label(value):
        raise QuestionError(f"{value!r} does not name a namespace; allowed: {ALLOWED_LABEL}")
    return value
