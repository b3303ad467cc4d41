"""The networks that a pod's allocated ResourceClaims name. The node judges them like those of the annotation.

This module knows only the drivers that attach a NetworkAttachmentDefinition by its name (DEFINITION_KEYS, a part of
the webhook's table of drivers). The allocation has the configurations of each request, those of its class first.
Drivers read `status.allocation.devices`, not the spec. A claim that is not allocated attaches nothing.

| a claim | consequence |
| --- | --- |
| is read | the access rules judge its networks, with the pod's own labels and service account |
| does not exist | it attaches nothing |
| may not be read (403) | an event says so, and the pod starts: the webhook has judged it; only the role lacks a verb |
| cannot be read for another reason | code 11, the runtime tries again |
"""

from __future__ import annotations

from cniplugin.cluster import objects
from cniplugin.cluster.accessrules import Remark
from cniplugin.cluster.kubeapi import RefusedError
from cniplugin.netspec.names import is_label, is_subdomain
from cniplugin.netspec.record import Record
from cniplugin.netspec.selection import NetworkSelectionElement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cniplugin.cluster.objects import Pod, Server
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

    Report = Callable[[Remark], None]
    LookUp = Callable[[str, str], NetworkAttachmentDefinition | None]

DEFINITION_KEYS = {"sriovnetwork.k8snetworkplumbingwg.io": ("netAttachDefName", "netAttachDefNamespace", "ifName")}
"""Driver -> its keys for name and namespace of a definition, and for the interface; as in webhook/driverdata."""

UNREAD = "NetworkClaimsUnread"
"""Reason of the event."""

FORBIDDEN = 403

FROM_CLASS = "FromClass"
"""`source` of a configuration of the class (resource.k8s.io, AllocationConfigSource)."""


class Claimed(Record):
    """A network that a claim names. `where`: the claim as messages name it."""

    element: NetworkSelectionElement
    where: str


def find(pod: Pod, client: Server, look_up: LookUp, report: Report) -> tuple[Claimed, ...]:
    """Return the networks that the claims of a pod name, each once. Raises CniError for a claim that cannot be read."""
    networks: dict[tuple[str, str], Claimed] = {}
    for name in pod.claims:
        try:
            claim = objects.fetch_claim(client, pod.namespace, name)
        except RefusedError as error:
            if error.status != FORBIDDEN:
                raise
            report(Remark(reason=UNREAD, message=f"the node does not judge the networks of claims: {error.msg}"))
            break
        for claimed in _networks_of(claim or {}, pod.namespace, name, look_up):
            networks.setdefault((claimed.element.namespace, claimed.element.name), claimed)
    return tuple(networks.values())


def _networks_of(claim: dict[str, Any], namespace: str, name: str, look_up: LookUp) -> Iterator[Claimed]:
    devices = member(member(member(claim, "status"), "allocation"), "devices")
    configs = sorted(items_of(devices.get("config")), key=lambda config: config.get("source") != FROM_CLASS)
    where = f"ResourceClaim {namespace}/{name}"
    for result in items_of(devices.get("results")):
        keys = DEFINITION_KEYS.get(str(result.get("driver")))
        if keys is None:
            continue
        request = str(result.get("request"))
        merged: dict[str, str] = {}
        for config in configs:
            opaque = member(config, "opaque")
            if opaque.get("driver") == result["driver"] and _applies(config, request):
                parameters = member(opaque, "parameters")
                merged |= {key: value for key in keys if isinstance(value := parameters.get(key), str) and value}
        network, other, interface = (merged.get(key, "") for key in keys)
        if network and is_subdomain(network) and (not other or is_label(other)):
            element = NetworkSelectionElement(name=network, namespace=other or namespace, interface=interface or None)
            yield Claimed(element=element, where=where)
            # Some versions of the driver ignore the namespace and use that of the claim.
            if other not in ("", namespace) and look_up(namespace, network) is not None:
                yield Claimed(element=element.replace(namespace=namespace), where=where)


def _applies(config: dict[str, Any], request: str) -> bool:
    """Say whether a configuration is for a request, or for its alternative `request/subrequest`."""
    named = config.get("requests") or ()
    return not named or request in named or request.partition("/")[0] in named


def member(value: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a member that is an object; an empty one without it."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def items_of(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list that may be absent."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
