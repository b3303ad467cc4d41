"""The plan: which networks are attached, in which order, under which interface name (NPWG v1.3 §4.1.2, §4.2.1, §6.2).

The node executes a plan; the webhook admits a pod only if the plan can be made. Order: the default network, the
cluster's further default networks, then the selected ones as written. Requested interface names are assigned first. The
others get `net<position>`, or a number above all positions if that name is taken. At admission the default network is
unknown, so `default` may be None; its interface name counts as taken in any case.
"""

from __future__ import annotations

from .errors import SpecError, SpecErrors
from .record import Record
from .selection import DEFAULT_NETWORK, NETWORKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .netattachdef import NetworkAttachmentDefinition
    from .selection import Bandwidth, NetworkSelectionElement, PortMapping

    Lookup = Callable[[str, str], NetworkAttachmentDefinition | None]
    """(namespace, name) -> the definition, or None if there is none."""

DEFAULT_INTERFACE = "eth0"
"""CNI_IFNAME of every kubelet runtime."""

UNLIMITED_BURST = 2_147_483_647
"""Bits; the burst of a rate without one, because the reference bandwidth plugin refuses 0. Kubelet used this value
(MaxInt32, kubernetes pkg/kubelet/dockershim/network/cni/cni.go); §4.1.2.1.8.2 leaves it open."""


class Attachment(Record):
    """One attachment of a plan.

    `item` is the position in the networks annotation, None for default networks. `runtime_config` holds the capability
    arguments that the element asks for (§4.1.2.1.x), `cni_args` the object for `args.cni`, None if there is none.
    `device` is the one that the node chooses of the network's resource; in a plan of this module it is None.
    """

    element: NetworkSelectionElement
    network: NetworkAttachmentDefinition
    interface: str
    item: int | None = None
    is_default: bool = False
    runtime_config: dict[str, object]
    cni_args: dict[str, object] | None = None
    device: str | None = None


class Plan(Record):
    """The attachments of a pod, in the order in which they are made."""

    attachments: tuple[Attachment, ...] = ()


class _Selected(Record):
    """An element to be planned, and where it is written."""

    element: NetworkSelectionElement
    source: str = NETWORKS
    item: int | None = None
    is_default: bool = False

    def error(self, rule: str, detail: str, *, key: str = "", **more: Any) -> SpecError:
        """Return a problem of the element, or of one of its keys."""
        place = "" if self.item is None else f"[{self.item}]"
        path = f"{place}.{key}" if place and key else place or key
        return SpecError(rule=rule, source=self.source, path=path, item=self.item, detail=detail, **more)


def plan(
    selections: Sequence[NetworkSelectionElement | None],
    lookup: Lookup,
    *,
    default: NetworkSelectionElement | None = None,
    more_defaults: Sequence[NetworkSelectionElement] = (),
    default_interface: str = DEFAULT_INTERFACE,
) -> Plan:
    """Return the attachments of a pod in order.

    Raises SpecErrors with every reason why the plan cannot be made, in input order; `source` is the annotation and
    `path` the item. Rules: `network-not-found`, `network-unreadable`, `capability-missing`, `default-route-holder`,
    `interface-taken`. Selections have None in the place of an unreadable item; the others are valid, because
    `annotation` made them.
    """
    ordered = _order(selections, default, more_defaults)
    errors: list[SpecError] = []
    networks = [_find(selected, lookup, errors) for selected in ordered]
    _check_default_route(ordered, errors)
    interfaces = _name_interfaces(ordered, default_interface, errors)
    if errors:
        raise SpecErrors(errors)
    return Plan(
        attachments=tuple(
            _attach(selected, network, interface)
            for selected, network, interface in zip(ordered, networks, interfaces, strict=True)
            if network is not None
        )
    )


def _order(
    selections: Sequence[NetworkSelectionElement | None],
    default: NetworkSelectionElement | None,
    more_defaults: Sequence[NetworkSelectionElement],
) -> list[_Selected]:
    first = [_Selected(element=default, source=DEFAULT_NETWORK, is_default=True)] if default else []
    more = [_Selected(element=element, source="defaultNetworks") for element in more_defaults]
    annotated = (_Selected(element=element, item=item) for item, element in enumerate(selections) if element)
    return [*first, *more, *annotated]


def _find(selected: _Selected, lookup: Lookup, errors: list[SpecError]) -> NetworkAttachmentDefinition | None:
    """Look the definition up and check that it can be attached with the requests."""
    element = selected.element
    network = lookup(element.namespace, element.name)
    if network is None:
        detail = f'there is no NetworkAttachmentDefinition "{element.name}" in namespace "{element.namespace}"'
        errors.append(selected.error("network-not-found", detail))
    elif network.problems:
        detail = f"the configuration of {network.reference} cannot be read"
        errors.append(selected.error("network-unreadable", detail))
    else:
        errors.extend(_missing_capabilities(selected, network))
    return network


_CAPABILITIES = (
    ("ips", "ips", "ips", "§4.1.2.1.3.2"),
    ("mac", "mac", "mac", "§4.1.2.1.4.2"),
    ("port_mappings", "portMappings", "portMappings", "§4.1.2.1.7.2"),
    ("bandwidth", "bandwidth", "bandwidth", "§4.1.2.1.8.2"),
    ("infiniband_guid", "infiniband-guid", "infinibandGUID", "§4.1.2.1.10.2"),
)
"""(field, annotation key, capability, section): requests that fail unless a plugin has the capability."""


def _missing_capabilities(selected: _Selected, network: NetworkAttachmentDefinition) -> list[SpecError]:
    """NB: a configuration on the node's disk is unknown at admission; the node checks it."""
    if network.config is None:
        return []
    capabilities = network.config.capabilities
    return [
        selected.error(
            "capability-missing",
            f'no plugin of {network.reference} has the capability "{capability}"',
            key=key,
            fix=f'remove "{key}", or set "capabilities": {{"{capability}": true}} on a plugin that supports it',
            section=f"NPWG v1.3 {section}",
        )
        for field, key, capability, section in _CAPABILITIES
        if getattr(selected.element, field) and capability not in capabilities
    ]


def _check_default_route(ordered: list[_Selected], errors: list[SpecError]) -> None:
    """One attachment holds the default route (§4.1.2.1.9). NB: the parser has checked it within one annotation."""
    holders = [selected for selected in ordered if selected.element.default_route is not None]
    for selected in holders[1:]:
        detail = f"default-route is set here and for {holders[0].element.name}, and one attachment holds it"
        section = "NPWG v1.3 §4.1.2.1.9"
        errors.append(selected.error("default-route-holder", detail, key="default-route", section=section))


def _name_interfaces(ordered: list[_Selected], default_interface: str, errors: list[SpecError]) -> list[str]:
    """Return each attachment's interface name: requested ones first, then `net<position>` as Multus does.

    A position whose name is taken gets a number above all positions: other names do not move, and the cost is linear.
    """
    taken = {default_interface, "lo"}
    given: dict[int, str] = {}
    for position, selected in enumerate(ordered):
        requested = default_interface if selected.is_default else selected.element.interface
        if requested is None:
            continue
        if requested in taken and not selected.is_default:
            detail = "the interface name is used by another attachment of the pod"
            fix, section = "choose another name", "NPWG v1.3 §4.1.2.1.5"
            errors.append(selected.error("interface-taken", detail, fix=fix, section=section, value=requested))
        taken.add(requested)
        given[position] = requested
    spare = len(ordered)
    first = 0 if ordered and ordered[0].is_default else 1
    for number in range(first, len(ordered) + first):
        if number - first in given:
            continue
        name = f"net{number}"
        while name in taken:
            spare += 1
            name = f"net{spare}"
        given[number - first] = name
        taken.add(name)
    return [given[position] for position in range(len(ordered))]


def _attach(selected: _Selected, network: NetworkAttachmentDefinition, interface: str) -> Attachment:
    return Attachment(
        element=selected.element,
        network=network,
        interface=interface,
        item=selected.item,
        is_default=selected.is_default,
        runtime_config=_runtime_config(selected.element),
        cni_args=_cni_args(selected.element),
    )


def _runtime_config(element: NetworkSelectionElement) -> dict[str, object]:
    """Return the capability arguments of an element, by CNI's CONVENTIONS.md."""
    asked: dict[str, object] = {
        "ips": list(element.ips),
        "mac": element.mac,
        "portMappings": [_port_mapping(port) for port in element.port_mappings],
        "bandwidth": _bandwidth(element.bandwidth),
        "infinibandGUID": element.infiniband_guid,
        "deviceID": element.device_id,
    }
    return {capability: value for capability, value in asked.items() if value}


def _port_mapping(port: PortMapping) -> dict[str, object]:
    value: dict[str, object] = {
        "hostPort": port.host_port,
        "containerPort": port.container_port,
        "protocol": (port.protocol or "TCP").lower(),
    }
    return {**value, "hostIP": port.host_ip} if port.host_ip else value


def _bandwidth(bandwidth: Bandwidth | None) -> dict[str, int]:
    """Return the directions that are limited, each with rate and burst."""
    if bandwidth is None:
        return {}
    value: dict[str, int] = {}
    if bandwidth.ingress_rate:
        value |= {
            "ingressRate": bandwidth.ingress_rate,
            "ingressBurst": bandwidth.ingress_burst or UNLIMITED_BURST,
        }
    if bandwidth.egress_rate:
        value |= {
            "egressRate": bandwidth.egress_rate,
            "egressBurst": bandwidth.egress_burst or UNLIMITED_BURST,
        }
    return value


def _cni_args(element: NetworkSelectionElement) -> dict[str, object] | None:
    """Return the object for `args.cni`: the element's cni-args, and the IPAMClaim (§4.1.2.1.6, §4.1.2.1.11)."""
    if element.ipam_claim_reference:
        return {**(element.cni_args or {}), "ipam-claim-reference": element.ipam_claim_reference}
    return dict(element.cni_args) if element.cni_args is not None else None
