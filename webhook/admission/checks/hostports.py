"""A pod asks for each port of its node once.

The CNI plugin portmap adds one rule of the node for each mapping, and refuses none. The kernel takes the first rule
that fits, in the order of the networks and of their mappings: so a later mapping of the same port and protocol gets no
connection, unless the earlier one is for another `hostIP`. An earlier mapping without `hostIP`, or with the unspecified
address of the family, covers every address. (Seen with portmap 1.1.1 on iptables, with connections.)

Fields restricted: `portMappings` of the elements of one pod. Values allowed: in one element, a port of the node once
(NAD620), or twice for the same port of the pod. The same port on two networks is a warning (NAD621), because each may
have addresses of another family. Operations: CREATE and UPDATE, new mistakes only. Exempt: pods with hostNetwork, and
networks without the plugin portmap. Not here: pods of other workloads on the node, which the node alone knows. Example
refusal: `[0].portMappings[1]: NAD620: portMappings[0] takes this port of the node first: 8080; use another hostPort`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from itertools import islice
from typing import NamedTuple

from cniplugin.netspec.annotation import texts_of
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.selection import NetworkSelectionElement, PortMapping
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.plugins.findings import PluginFinding, is_refused
from webhook.admission.view.decisioncontext import Cluster, DecisionContext
from webhook.admission.view.parsecache import read_pod
from webhook.admission.wording import answers, usetext

FINDINGS_MAX = 16
"""Findings about one pod, which may have thousands of mappings."""

EVERYWHERE = ""
"""The `hostIP` of a mapping for every address of the node."""


class _Taken(NamedTuple):
    """A mapping that comes first: the position of its element, its place there, and the port of the pod."""

    item: int | None
    path: str
    container_port: int


def check(request: Request, judged: Decision, context: DecisionContext) -> Decision:
    """Return the decision about a pod's networks with the mistakes of its port mappings; a refusal does not change."""
    new, old = request.object, request.old_object
    if new is None or not judged.is_allowed or new.is_host_network or context.configuration.plugins is None:
        return judged
    if not _maps_ports(new) or (old is not None and texts_of(old.annotations) == texts_of(new.annotations)):
        return judged
    found = _find(request, new, context)
    if not found:
        return judged
    had = {(error.rule, error.value) for error in _find(request, old, context)} if old is not None else set()
    errors = [error for error in found if (error.rule, error.value) not in had]
    attacher = context.configuration.attached_by
    problems = [error for error in errors if is_refused(error.rule, attacher)]
    warned = [error for error in errors if not is_refused(error.rule, attacher)]
    warnings = (*judged.warnings, *(usetext.address_warning(request, error) for error in warned))
    if problems:
        return answers.invalid(request, problems, warnings=warnings)
    return judged._replace(
        warnings=warnings, rules=answers.distinct([*judged.rules, *(error.rule for error in warned)])
    )


def _maps_ports(pod: Object) -> bool:
    """NB: keys are read in any letter case, and only the JSON form has any."""
    networks, default = texts_of(pod.annotations)
    return ('"' in networks or '"' in default) and "portmappings" in f"{networks} {default}".casefold()


def _find(request: Request, pod: Object, context: DecisionContext) -> list[SpecError]:
    selected = read_pod(
        pod.annotations,
        namespace=request.namespace,
        network_namespace=context.network_namespace,
        limits=context.configuration.limits,
    )
    if selected.problems:
        return []
    found = islice(find(selected.elements, context.cluster), FINDINGS_MAX)
    return [usetext.place(finding, item) for item, finding in found]


def find(
    elements: Iterable[tuple[int | None, NetworkSelectionElement]], cluster: Cluster
) -> Iterator[tuple[int | None, PluginFinding]]:
    """Yield the mappings that an earlier one hides, each with the position of its element.

    Linear in the number of mappings.
    """
    ports: dict[tuple[int, str], dict[str, _Taken]] = {}
    for item, element in elements:
        if not element.port_mappings or not _has_portmap(element, cluster):
            continue
        for index, mapping in enumerate(element.port_mappings):
            path = f"portMappings[{index}]"
            addresses = ports.setdefault((mapping.host_port, (mapping.protocol or "tcp").lower()), {})
            first = next((addresses[one] for one in _covering(mapping) if one in addresses), None)
            if first is None:
                addresses[_address(mapping)] = _Taken(item, path, mapping.container_port)
            elif first.item != item:
                yield item, _on_two_networks(mapping, path, first)
            elif first.container_port != mapping.container_port:
                yield item, _in_one_network(mapping, path, first)


def _in_one_network(mapping: PortMapping, path: str, first: _Taken) -> PluginFinding:
    detail = f"{first.path} takes this port of the node first, so nothing reaches port {mapping.container_port}"
    return PluginFinding(code="NAD620", path=path, detail=detail, value=mapping.host_port, fix=FIX)


def _on_two_networks(mapping: PortMapping, path: str, first: _Taken) -> PluginFinding:
    where = "the default network" if first.item is None else f"[{first.item}]"
    detail = f"{where} of this pod maps this port of the node first, and gets the connections of the IP families it has"
    return PluginFinding(code="NAD621", path=path, detail=detail, value=mapping.host_port, fix=FIX)


FIX = "use another hostPort"


def _address(mapping: PortMapping) -> str:
    return str(ip_address(mapping.host_ip)) if mapping.host_ip else EVERYWHERE


def _covering(mapping: PortMapping) -> tuple[str, ...]:
    """Return the addresses of earlier mappings that leave nothing to this one."""
    if not mapping.host_ip:
        return (EVERYWHERE,)
    own = ip_address(mapping.host_ip)
    return EVERYWHERE, "0.0.0.0" if own.version == 4 else "::", str(own)  # noqa: S104 - nothing is bound


def _has_portmap(element: NetworkSelectionElement, cluster: Cluster) -> bool:
    network = cluster.network(element.namespace, element.name)
    config = network.config if network is not None else None
    return config is not None and any(plugin.type == "portmap" for plugin in config.plugins)
