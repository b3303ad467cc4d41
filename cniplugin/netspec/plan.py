"""The plan: which networks are attached, in which order, under which interface name (NPWG v1.3 §4.1.2, §4.2.1, §6.2).

The node executes a plan; the webhook admits a pod only if the plan can be made. Order: the default network, the
cluster's further default networks, then the selected ones as written. Requested interface names are assigned first. The
others get `net<position>`, or a number above all positions if that name is taken. At admission the default network is
unknown, so `default` may be None; its interface name counts as taken in any case.

A request needs a way to the plugin: the capability; for `ips` and `mac` also CNI_ARGS, if a plugin of the network reads
them there; or a plugin that takes the request from the pod's annotation itself. A request without any way is a problem.
What differs between those who attach is in `attachers.FACTS`.
"""

from __future__ import annotations

from .attachers import ALWAYS, CNI_ARGS, GATEWAYS, MULTUS, NADMIT, NAMES, NEVER, NUMBERED, YES, value_of
from .errors import SpecError, SpecErrors
from .record import Record
from .selection import DEFAULT_NETWORK, NETWORKS, route_families

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .cniconfig import NetworkConfigList, PluginConfig
    from .netattachdef import NetworkAttachmentDefinition
    from .selection import Bandwidth, NetworkSelectionElement, PortMapping

    Lookup = Callable[[str, str], NetworkAttachmentDefinition | None]
    """(namespace, name) -> the definition, or None if there is none."""

    Reads = Callable[[str], Sequence[str] | None]
    """Plugin type -> what it reads besides capabilities: "IP" and "MAC" of CNI_ARGS, keys of the pod's annotation; None
    for a plugin of which that is not known."""

DEFAULT_INTERFACE = "eth0"
"""CNI_IFNAME of every kubelet runtime."""

UNLIMITED_BURST = 2_147_483_647
"""Bits; the burst of a rate without one, because the reference bandwidth plugin refuses 0. Kubelet used this value
(MaxInt32, kubernetes pkg/kubelet/dockershim/network/cni/cni.go); §4.1.2.1.8.2 leaves it open."""


class Attachment(Record):
    """One attachment of a plan.

    `item` is the position in the networks annotation, None for default networks. `runtime_config` holds the capability
    arguments that the element asks for (§4.1.2.1.x), `cni_args` the object for `args.cni`, None if there is none.
    `arguments` are the requests that may travel in CNI_ARGS: each a capability and its argument, such as
    ("mac", "MAC=02:00:00:00:00:01"); plugins that declare the capability do not get it. `device` is the one that the
    node chooses of the network's resource; in a plan of this module it is None.
    """

    element: NetworkSelectionElement
    network: NetworkAttachmentDefinition
    interface: str
    item: int | None = None
    is_default: bool = False
    runtime_config: dict[str, object]
    cni_args: dict[str, object] | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    device: str | None = None


class Plan(Record):
    """The attachments of a pod, in the order in which they are made.

    `remarks`: what works in another way than the pod's author may think; rule `capability-undeclared`.
    """

    attachments: tuple[Attachment, ...] = ()
    remarks: tuple[SpecError, ...] = ()


def known_reads(kind: str) -> Sequence[str] | None:
    """Return what a plugin of this project's table reads; see Reads."""
    from .pluginreads import READS  # noqa: PLC0415  # only for a request without a capability

    return READS.get(kind)


class _Selected:
    """An element to be planned, and where it is written."""

    __slots__ = ("element", "is_default", "item", "source")

    def __init__(
        self, element: NetworkSelectionElement, source: str, item: int | None = None, *, is_default: bool = False
    ) -> None:
        self.element = element
        self.source = source
        self.item = item
        self.is_default = is_default

    def error(self, rule: str, detail: str, *, key: str = "", **more: Any) -> SpecError:
        """Return a problem of the element, or of one of its keys."""
        place = "" if self.item is None else f"[{self.item}]"
        path = f"{place}.{key}" if place and key else place or key
        return SpecError(rule=rule, source=self.source, path=path, item=self.item, detail=detail, **more)


class _Draft:
    """A plan before its attachments are made: a network and an interface for each selection, and what was found.

    `errors`: why the plan cannot be made, in input order.
    """

    __slots__ = ("attached_by", "errors", "interfaces", "networks", "ordered", "remarks")

    def __init__(self, ordered: list[_Selected], attached_by: str) -> None:
        self.ordered = ordered
        self.attached_by = attached_by
        self.networks: list[NetworkAttachmentDefinition | None] = []
        self.interfaces: list[str] = []
        self.errors: list[SpecError] = []
        self.remarks: list[SpecError] = []


def plan(
    selections: Sequence[NetworkSelectionElement | None],
    lookup: Lookup,
    *,
    default: NetworkSelectionElement | None = None,
    more_defaults: Sequence[NetworkSelectionElement] = (),
    default_interface: str = DEFAULT_INTERFACE,
    attached_by: str = NADMIT,
    reads: Reads = known_reads,
) -> Plan:
    """Return the attachments of a pod in order, if one of `attachers.ATTACHERS` makes them.

    Raises SpecErrors with every reason why the plan cannot be made, in input order; `source` is the annotation and
    `path` the item. Rules: `network-not-found`, `network-unreadable`, `capability-missing`, `default-route-holder`,
    `interface-taken`, `default-route-gateways`. Selections have None in the place of an unreadable item; the others are
    valid, because `annotation` made them.
    """
    ordered = _order(selections, default, more_defaults)
    draft = _draft(ordered, lookup, default_interface=default_interface, attached_by=attached_by, reads=reads)
    if draft.errors:
        raise SpecErrors(draft.errors)
    return Plan(
        attachments=tuple(
            _attach(selected, network, interface, attached_by)
            for selected, network, interface in zip(ordered, draft.networks, draft.interfaces, strict=True)
            if network is not None
        ),
        remarks=tuple(draft.remarks),
    )


def check_plan(
    selections: Sequence[NetworkSelectionElement | None],
    lookup: Lookup,
    *,
    default: NetworkSelectionElement | None = None,
    attached_by: str = NADMIT,
    reads: Reads = known_reads,
) -> tuple[Sequence[SpecError], Sequence[SpecError]]:
    """Return the errors that `plan` would raise, and the remarks of a plan that can be made.

    It takes half the time of `plan`, because it makes no attachment.
    """
    ordered = _order(selections, default)
    draft = _draft(ordered, lookup, default_interface=DEFAULT_INTERFACE, attached_by=attached_by, reads=reads)
    return (draft.errors, ()) if draft.errors else ((), draft.remarks)


def _draft(
    ordered: list[_Selected], lookup: Lookup, *, default_interface: str, attached_by: str, reads: Reads
) -> _Draft:
    draft = _Draft(ordered, attached_by)
    for selected in ordered:
        draft.networks.append(_find(selected, lookup, draft.errors))
    has_routes = False
    for position, selected in enumerate(ordered):
        element, network = selected.element, draft.networks[position]
        has_routes = has_routes or element.default_route is not None
        if _asks(element) and network is not None and network.config is not None:
            _judge_requests(selected, network.reference, network.config, reads, draft)
    if has_routes:
        _check_default_route(ordered, draft.errors, attached_by)
    draft.interfaces = _name_interfaces(ordered, default_interface, draft.errors, attached_by)
    return draft


def _order(
    selections: Sequence[NetworkSelectionElement | None],
    default: NetworkSelectionElement | None,
    more_defaults: Sequence[NetworkSelectionElement] = (),
) -> list[_Selected]:
    ordered = [_Selected(default, DEFAULT_NETWORK, is_default=True)] if default else []
    ordered.extend(_Selected(element, "defaultNetworks") for element in more_defaults)
    for item, selected in enumerate(selections):
        if selected is not None:
            ordered.append(_Selected(selected, NETWORKS, item))
    return ordered


def _find(selected: _Selected, lookup: Lookup, errors: list[SpecError]) -> NetworkAttachmentDefinition | None:
    """Look the definition up and check that it can be attached."""
    element = selected.element
    network = lookup(element.namespace, element.name)
    if network is None:
        detail = f'there is no NetworkAttachmentDefinition "{element.name}" in namespace "{element.namespace}"'
        errors.append(selected.error("network-not-found", detail))
    elif network.problems:
        detail = f"the configuration of {network.reference} cannot be read"
        errors.append(selected.error("network-unreadable", detail))
    return network


_CAPABILITIES = (
    ("ips", "ips", "ips", "§4.1.2.1.3.2"),
    ("mac", "mac", "mac", "§4.1.2.1.4.2"),
    ("port_mappings", "portMappings", "portMappings", "§4.1.2.1.7.2"),
    ("bandwidth", "bandwidth", "bandwidth", "§4.1.2.1.8.2"),
    ("infiniband_guid", "infiniband-guid", "infinibandGUID", "§4.1.2.1.10.2"),
)
"""(field, annotation key, capability, section): requests that need a way to the plugin."""
ARGUMENTS = {"ips": "IP", "mac": "MAC"}
"""Requests that may travel in CNI_ARGS, and their names there."""

_ASKED = {
    "ips": "addresses",
    "mac": "MAC address",
    "portMappings": "port mappings",
    "bandwidth": "limits",
    "infinibandGUID": "GUID",
}
"""What a request asks for, in words."""
_SUCH_AS = {
    "mac": ", such as tuning",
    "portMappings": ", such as portmap",
    "bandwidth": ", such as bandwidth",
    "infinibandGUID": ", such as ib-sriov",
}
"""A plugin that has the capability, for messages. Addresses are for the plugin with the IPAM."""
_BY_CONTROLLER = {"infinibandGUID": ("ib-sriov", "ibKubernetesEnabled")}
"""Requests that a controller may hand to a plugin: its type, and the key of it that says so.

Source: ib-kubernetes pkg/utils/utils.go reads infiniband-guid, and writes the GUID into the pod's cni-args. With the
key, ib-sriov starts no pod before that.
"""

# Ways of a request to a plugin.
BY_CAPABILITY, BY_POD, BY_ARGUMENT, UNKNOWN, LOST = "capability", "pod", "CNI_ARGS", "unknown", "lost"


def way_of(request: str, config: NetworkConfigList, attached_by: str, reads: Reads = known_reads) -> str:
    """Return the way that a request, a capability's name, takes to a plugin of a network.

    UNKNOWN: a plugin may read it, and nobody knows. NB: several plugins of a network may each take another way.
    """
    if request in config.capabilities:
        return BY_CAPABILITY
    known = {kind: reads(kind) for kind in config.types}
    if any(read is not None and request in read for read in known.values()):
        return BY_POD
    kind, switch = _BY_CONTROLLER.get(request, ("", ""))
    if any(plugin.type == kind and plugin.conf.get(switch) is True for plugin in config.plugins):
        return BY_POD
    argument = ARGUMENTS.get(request, "") if value_of(CNI_ARGS, attached_by) != NEVER else ""
    if argument and any(read is not None and argument in read for read in known.values()):
        return BY_ARGUMENT
    return UNKNOWN if argument and None in known.values() else LOST


def argument_reaches(request: str, plugin: PluginConfig, attached_by: str) -> bool:
    """Say whether a plugin, with the IPAM plugin that it runs, gets a request of ARGUMENTS in CNI_ARGS."""
    passed = value_of(CNI_ARGS, attached_by)
    return passed == ALWAYS or (passed != NEVER and request not in plugin.capabilities)


def reaching_arguments(plugin: PluginConfig, attached_by: str) -> frozenset[str]:
    """Return the requests of ARGUMENTS that a plugin, with the IPAM plugin that it runs, gets in CNI_ARGS."""
    passed = value_of(CNI_ARGS, attached_by)
    if passed == NEVER:
        return _NO_ARGUMENTS
    return _ALL_ARGUMENTS if passed == ALWAYS else _ALL_ARGUMENTS - plugin.capabilities


_ALL_ARGUMENTS, _NO_ARGUMENTS = frozenset(ARGUMENTS), frozenset[str]()


def _asks(element: NetworkSelectionElement) -> bool:
    """Say whether an element has a request of _CAPABILITIES. NB: most have none, and a loop costs more."""
    return bool(element.ips or element.mac or element.port_mappings or element.bandwidth or element.infiniband_guid)


def _judge_requests(
    selected: _Selected, reference: str, config: NetworkConfigList, reads: Reads, draft: _Draft
) -> None:
    """NB: a configuration on the node's disk is unknown at admission; the node checks it."""
    attached_by = draft.attached_by
    for field, key, capability, section in _CAPABILITIES:
        if not getattr(selected.element, field):
            continue
        way = way_of(capability, config, attached_by, reads)
        if way in (BY_CAPABILITY, BY_POD):
            continue
        where = f"NPWG v1.3 {section}"
        declare = f'"capabilities": {{"{capability}": true}}'
        if way == LOST:
            detail = f"no plugin of {reference} reads {key}, so {_lost(capability, attached_by)}"
            fix = f'remove "{key}", or set {declare} on a plugin that supports it{_SUCH_AS.get(capability, "")}'
            draft.errors.append(selected.error("capability-missing", detail, key=key, fix=fix, section=where))
        else:
            detail = (
                f"a plugin of {reference} reads {key} as {ARGUMENTS[capability]} in CNI_ARGS, without the capability"
                if way == BY_ARGUMENT
                else f"{reference} has a plugin that is not known, which may not read {key}"
            )
            fix = f"the standard asks for {declare}"
            draft.remarks.append(selected.error("capability-undeclared", detail, key=key, fix=fix, section=where))


def _lost(capability: str, attached_by: str) -> str:
    what = f"the {_ASKED[capability]}"
    return f"Multus would start this pod without {what}" if attached_by == MULTUS else f"the pod would not get {what}"


def _check_default_route(ordered: list[_Selected], errors: list[SpecError], attached_by: str) -> None:
    """One attachment holds the default route of a family (§4.1.2.1.9). NB: the parser checks it in one annotation."""
    section = "NPWG v1.3 §4.1.2.1.9"
    holders: dict[int, _Selected] = {}
    for selected in ordered:
        gateways = selected.element.default_route
        if gateways is None:
            continue
        families = route_families(gateways)
        other = next((holders[family] for family in sorted(families) if family in holders), None)
        if other is not None:
            detail = f"default-route is set here and for {other.element.name}, and one attachment holds it"
            errors.append(selected.error("default-route-holder", detail, key="default-route", section=section))
        elif len(gateways) > len(families) and gateways and value_of(GATEWAYS, attached_by) != YES:
            detail = f"{NAMES[attached_by]} starts no pod with several gateways of one address family"
            fix = "keep one gateway of each family"
            errors.append(
                selected.error("default-route-gateways", detail, key="default-route", fix=fix, section=section)
            )
        for family in families:
            holders.setdefault(family, selected)


def _name_interfaces(
    ordered: list[_Selected], default_interface: str, errors: list[SpecError], attached_by: str
) -> list[str]:
    """Return each attachment's interface name: requested ones first, then `net<position>`.

    A position whose name is taken gets a number above all positions: other names do not move, and the cost is linear.
    Where the position is the name in any case, a taken one is a problem.
    """
    taken = {default_interface, "lo"}
    given: list[str] = []
    for selected in ordered:
        requested = default_interface if selected.is_default else selected.element.interface
        given.append(requested or "")
        if requested is None:
            continue
        if requested in taken and not selected.is_default:
            detail = "the interface name is used by another attachment of the pod"
            fix, section = "choose another name", "NPWG v1.3 §4.1.2.1.5"
            errors.append(selected.error("interface-taken", detail, fix=fix, section=section, value=requested))
        taken.add(requested)
    spare = len(ordered)
    first = 0 if ordered and ordered[0].is_default else 1
    for position, selected in enumerate(ordered):
        if given[position]:
            continue
        name = f"net{position + first}"
        if name in taken:
            if value_of(NUMBERED, attached_by) == YES:
                detail = (
                    f"{NAMES[attached_by]} names this interface by its position, and another network asks for the name"
                )
                fix, section = "name this interface as well, or choose another name there", "NPWG v1.3 §4.1.2.1.5"
                errors.append(selected.error("interface-taken", detail, fix=fix, section=section, value=name))
            while name in taken:
                spare += 1
                name = f"net{spare}"
            taken.add(name)
        given[position] = name
    return given


def _attach(selected: _Selected, network: NetworkAttachmentDefinition, interface: str, attached_by: str) -> Attachment:
    return Attachment(
        element=selected.element,
        network=network,
        interface=interface,
        item=selected.item,
        is_default=selected.is_default,
        runtime_config=_runtime_config(selected.element),
        cni_args=_cni_args(selected.element),
        arguments=_arguments(selected.element, attached_by),
    )


def _arguments(element: NetworkSelectionElement, attached_by: str) -> tuple[tuple[str, str], ...]:
    if not (element.ips or element.mac) or value_of(CNI_ARGS, attached_by) == NEVER:
        return ()
    asked = {"ips": ",".join(element.ips), "mac": element.mac}
    return tuple((request, f"{ARGUMENTS[request]}={text}") for request, text in asked.items() if text)


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
