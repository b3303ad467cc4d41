"""Equal addresses and MACs on one segment: those that pods have, and those that objects ask for.

Who counts as one: the two pods of a virtual machine that migrates, and a workload with its own pods. Who does not
count: pods that are being deleted, pods on the host network, workloads that are scaled to 0, and networks whose
configuration cannot be read. A bridge, the link of ptp and a routed ipvlan (mode l3) are on each node for itself, so on
these segments only pods of one node collide for sure. So it is with a configuration that is a file on the nodes.
Interfaces of ipvlan share a MAC on purpose, and a dummy link has no neighbours.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from cniplugin.access.content.facts import facts_of
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.plugins.goparsing import read_address, read_cidr
from webhook.admission.view.addressclaims import claims_of, mac_key
from webhook.report.diagnosis.objectset import items, part, text
from webhook.report.diagnosis.podstatus import reference_of
from webhook.report.plaintext import counted, listed
from webhook.report.stockrules import (
    ADDRESS_ASKED_TWICE,
    ADDRESS_TWICE,
    FIXED_ADDRESS_REPLICAS,
    HOST_LOCAL_NODES,
    MAC_ASKED_TWICE,
    MAC_TWICE,
)
from webhook.report.topology.freeaddresses import HOST_LOCAL
from webhook.report.topology.graph import Attachment, Network, Topology
from webhook.report.topology.linkscope import (
    ON_DISK,
    SHARING_MAC,
    WITHOUT_NEIGHBOURS,
    first_type,
    is_on_one_node,
)
from webhook.report.topology.segments import BRIDGE, Segment

from .finding import ERROR, INFO, WARNING, Finding, ObjectName
from .stock import NO_POD, ON_EACH_NODE, Asker, Stock, StockPod

ADDRESS, MAC = "address", "MAC address"
_RULES = {ADDRESS: (ADDRESS_TWICE, ADDRESS_ASKED_TWICE), MAC: (MAC_TWICE, MAC_ASKED_TWICE)}

NAMED_MAX = 4
"""Objects that a message names; `Finding.others` has all."""


class Key(NamedTuple):
    """One address or MAC on one segment, in normal form. `kind`: ADDRESS or MAC."""

    segment: Segment
    kind: str
    value: str

    @property
    def shown(self) -> str:
        """The value as people write it: a MAC with colons."""
        return self.value if self.kind == ADDRESS else ":".join(re.findall("..?", self.value))


class Holding(NamedTuple):
    """A pod that has it, by one of its attachments."""

    stock: StockPod
    attachment: Attachment
    workload: str


class Asking(NamedTuple):
    """What asks for it, with the item, from 1."""

    asker: Asker
    workload: str
    item: int
    network: str


Holdings = Mapping[Key, Sequence[Holding]]
Askings = Mapping[Key, Sequence[Asking]]


def find_collisions(stock: Stock, topology: Topology) -> Iterator[Finding]:
    """Yield what is equal on one segment and must not be."""
    holdings, askings = _holdings(stock, topology), _askings(stock, topology)
    asked = {(key, one.workload) for key, of in askings.items() for one in of}
    replicas = _replicas(askings, topology)
    several = {key for of in (holdings, askings) for key, some in of.items() if len(some) > 1}
    several |= holdings.keys() & askings.keys()
    for key in sorted(several | replicas.keys()):
        if key in replicas:
            yield replicas[key]
        held = list(_colliding(key, holdings.get(key, ()), topology))
        held = [of for of in held if not _is_per_node(key, of, asked, topology)]
        is_own = key in replicas and len({one.workload for of in held for one in of}) == 1
        if not held:
            yield from _asked_twice(key, askings.get(key, ()), holdings.get(key, ()), topology)
        elif not is_own:
            yield from (_held_twice(key, of, asked) for of in held)
    yield from _host_local(stock, topology, holdings, asked)


# What pods have


def _holdings(stock: Stock, topology: Topology) -> Holdings:
    found: defaultdict[Key, list[Holding]] = defaultdict(list)
    for one in topology.attachments:
        kind = _counted_type(topology, one.network)
        if not kind or one.pod.leaving or one.pod.is_on_host:
            continue
        holder = stock.pods[f"{one.pod.namespace}/{one.pod.name}"]
        holding = Holding(holder, one, stock.workload_of(holder.asker))
        segment = topology.segment(one.network)
        for address in one.addresses:
            found[Key(segment, ADDRESS, address)].append(holding)
        mac = mac_key(one.mac)
        if mac.strip("0") and kind not in {*SHARING_MAC, ON_DISK}:
            found[Key(segment, MAC, mac)].append(holding)
    return found


def _counted_type(topology: Topology, reference: str) -> str:
    """Return the plugin of a network whose addresses are compared, "" for a network that does not count."""
    known = topology.networks.get(reference)
    if known is not None and known.definition.is_on_disk:
        return ON_DISK
    kind = first_type(topology, reference)
    return "" if kind in WITHOUT_NEIGHBOURS else kind


def _colliding(key: Key, holdings: Sequence[Holding], topology: Topology) -> Iterator[list[Holding]]:
    """Yield the pods that have one address, of one node if the segment is on each node for itself."""
    if len(holdings) < 2 or (key.kind == ADDRESS and read_address(key.value) is None):
        return
    places: defaultdict[str, dict[str, Holding]] = defaultdict(dict)
    is_local = any(is_on_one_node(topology, one.attachment.network) for one in holdings)
    for one in holdings:
        pod = one.stock.pod
        places[pod.node if is_local else ""][f"{pod.namespace}/{pod.name}"] = one
    for pods in places.values():
        of = [pods[name] for name in sorted(pods)]
        if len(of) > 1 and not _migrates(of):
            yield of


def _migrates(of: Sequence[Holding]) -> bool:
    return len(of) == 2 and of[0].workload == of[1].workload and " virtualmachine/" in of[0].workload


def _is_per_node(key: Key, of: Sequence[Holding], asked: set[tuple[Key, str]], topology: Topology) -> bool:
    """Say whether host-local has given an address of one network on several nodes; a rule of its own says that."""
    networks = {one.attachment.network for one in of}
    nodes = {one.stock.pod.node for one in of}
    return (
        key.kind == ADDRESS
        and len(networks) == 1
        and len(nodes) == len(of)
        and is_host_local(topology.networks.get(of[0].attachment.network))
        and not any((key, one.workload) in asked for one in of)
    )


def is_host_local(network: Network | None) -> bool:
    """Say whether the addresses of a network come from host-local."""
    config = network.definition.config if network is not None else None
    return config is not None and any(plugin.ipam_type == HOST_LOCAL for plugin in config.plugins)


def _held_twice(key: Key, of: Sequence[Holding], asked: set[tuple[Key, str]]) -> Finding:
    first, *others = of
    names = [one.stock.asker.subject for one in others]
    networks = sorted({one.attachment.network for one in of})
    is_asked = any((key, one.workload) in asked for one in of)
    again = (
        f"ask for another {key.kind} in one of them, and create it again" if is_asked else "create one of them again"
    )
    message = f"has {key.kind} {_shown(key, first)} on {key.segment.title}, and so {_have(names)}"
    return Finding(
        _RULES[key.kind][0],
        ERROR,
        first.stock.asker.subject,
        message,
        fix=f"{again}; nadmit who {_shown(key, first)} says who has it since when",
        others=tuple(names),
        properties=(
            (_PROPERTY[key.kind], _shown(key, first)), ("segment", key.segment.title), ("networks", " ".join(networks)),
        ),
    )  # fmt: skip


_PROPERTY = {ADDRESS: "address", MAC: "mac"}


def _shown(key: Key, one: Holding) -> str:
    return key.value if key.kind == ADDRESS else one.attachment.mac


def _have(names: Sequence[ObjectName]) -> str:
    return f"{'has' if len(names) == 1 else 'have'} {named(names)}"


def named(names: Sequence[ObjectName]) -> str:
    """Return the titles of some objects, and how many more there are."""
    return listed([one.title for one in names], NAMED_MAX)


# What objects ask for


def _askings(stock: Stock, topology: Topology) -> Askings:
    """Return what asks for each address: in an annotation, or by a definition with addresses of its own."""
    found: defaultdict[Key, list[Asking]] = defaultdict(list)
    own = {reference: tuple(islice(_own_values(network), OWN_MAX)) for reference, network in topology.networks.items()}
    for asker, workload in askers(stock):
        if asker.replicas == NO_POD:
            continue
        for item, element in asker.elements:
            network = reference_of(element)
            plugin = _counted_type(topology, network)
            if not plugin:
                continue
            asking = Asking(asker, workload, item, network)
            for kind, value in dict.fromkeys((*asked_values(element), *_left(own.get(network, ()), element))):
                if kind == ADDRESS or plugin not in SHARING_MAC:
                    found[Key(topology.segment(network), kind, value)].append(asking)
    return found


OWN_MAX = 64
"""Addresses of a definition that are compared. Each of its pods gets all of them, so the work is their product."""

_Value = tuple[str, str]
"""ADDRESS or MAC, and its normal form."""


def asked_values(element: NetworkSelectionElement) -> Iterator[_Value]:
    """Yield what an element asks for: in its own keys, and in the arguments that it gives to plugins."""
    yield from ((MAC if claim.is_mac else ADDRESS, claim.address) for claim in claims_of(element))
    yield from _arguments(element.cni_args or {})


def _arguments(args: Mapping[str, object]) -> Iterator[_Value]:
    """Yield the addresses and the MAC in `args.cni`, as IPAM static, macvlan and tuning read them (CNI conventions)."""
    ips, mac = args.get("ips"), args.get("mac")
    yield from _addresses(ips if isinstance(ips, list) else ())
    if isinstance(mac, str) and mac:
        yield MAC, mac_key(mac)


def _addresses(written: Iterable[object]) -> Iterator[_Value]:
    for one in written:
        bare = one.partition("/")[0] if isinstance(one, str) else ""
        address = read_address(bare)
        if address is not None:
            yield ADDRESS, str(address)


def _left(own: Iterable[_Value], element: NetworkSelectionElement) -> Iterator[_Value]:
    """Yield what a definition gives to a pod that does not ask for another value itself."""
    yield from ((kind, value) for kind, value in own if not (element.ips if kind == ADDRESS else element.mac))


def askers(stock: Stock) -> Iterator[tuple[Asker, str]]:
    """Yield everything that asks for networks, with its workload: templates first."""
    for templates in stock.templates.values():
        yield from ((one, one.workload) for one in templates)
    for pod in stock.pods.values():
        if not pod.pod.leaving and not pod.pod.is_on_host:
            yield pod.asker, stock.workload_of(pod.asker)


def _own_values(network: Network) -> Iterator[_Value]:
    """Yield the MACs and addresses that a definition gives to each of its pods."""
    facts = facts_of(network.definition)
    yield from ((MAC, mac_key(mac)) for mac in (facts.macs if facts is not None else ()) if mac)
    yield from ((ADDRESS, address) for address in static_addresses(network))


STATIC = frozenset({"static", "whereabouts"})
"""IPAM plugins with `addresses`, which each pod gets."""


def static_addresses(network: Network) -> Iterator[str]:
    """Yield the addresses in the configuration that each pod of a network gets."""
    config = network.definition.config
    for plugin in config.plugins if config is not None else ():
        if plugin.ipam_type in STATIC:
            addresses = [text(one, "address") for one in items(plugin.conf, "ipam", "addresses")]
            yield from (str(address.ip) for address in map(read_cidr, addresses) if address is not None)
        if plugin.ipam_type == "static":
            yield from (value for kind, value in _arguments(part(plugin.conf, "args", "cni")) if kind == ADDRESS)


def _replicas(askings: Askings, topology: Topology) -> dict[Key, Finding]:
    """Return what each of several pods of a workload asks for. A pod on each node may, on a link of its node."""
    found = {}
    for key, of in askings.items():
        for one in of:
            many = one.asker.replicas != 1
            on_each = one.asker.replicas == ON_EACH_NODE
            if many and not (on_each and is_on_one_node(topology, one.network)):
                found[key] = _of_replicas(key, one)
                break
    return found


def _of_replicas(key: Key, one: Asking) -> Finding:
    who = "the pod of each node" if one.asker.replicas == ON_EACH_NODE else f"each of {one.asker.replicas} pods"
    return Finding(
        FIXED_ADDRESS_REPLICAS,
        WARNING,
        one.asker.subject,
        f"{_item(one.item)} of its pods: {who} asks for {key.kind} {key.shown} on {key.segment.title}",
        fix="make one pod, or let the IPAM plugin choose",
        properties=((_PROPERTY[key.kind], key.shown), ("segment", key.segment.title), ("networks", one.network)),
    )


def _item(item: int) -> str:
    return f"item {item}" if item else "the default network"


def _asked_twice(
    key: Key, askings: Sequence[Asking], holdings: Sequence[Holding], topology: Topology
) -> Iterator[Finding]:
    """Yield a finding if different workloads ask for one address, or if one asks for what the pod of another has.

    On a link of its node, a pod that has the address without asking is on some node, and the other one may never be.
    """
    by_workload: dict[str, Asking] = {}
    for one in askings:
        by_workload.setdefault(one.workload, one)
    if not by_workload:
        return
    first, *others = (by_workload[name] for name in sorted(by_workload))
    names = [one.asker.subject for one in others]
    local = any(is_on_one_node(topology, one.network) for one in by_workload.values())
    having = [one.stock.asker.subject for one in holdings if one.workload not in by_workload and not local]
    if not names and not having:
        return
    when = ": they collide on one node, or if these links are connected" if local else ""
    asking = f", and so {'does' if len(names) == 1 else 'do'} {named(names)}" if names else ""
    has = f", which {named(having)} {'has' if len(having) == 1 else 'have'}" if having else ""
    what = f"{key.kind} {key.shown} on {key.segment.title}"
    names += having
    yield Finding(
        _RULES[key.kind][1],
        WARNING,
        first.asker.subject,
        f"{_item(first.item)} asks for {what}{has}{asking}{when}",
        fix=f"ask for another {key.kind} in one of them",
        others=tuple(names),
        properties=((_PROPERTY[key.kind], key.shown), ("segment", key.segment.title), ("networks", first.network)),
    )


# host-local


class _Nodes:
    """The nodes on which IPAM has chosen addresses of a network, and the addresses that are on several."""

    def __init__(self) -> None:
        self.nodes: set[str] = set()
        self.equal: list[str] = []


def _host_local(stock: Stock, topology: Topology, holdings: Holdings, asked: set[tuple[Key, str]]) -> Iterator[Finding]:
    """Yield the networks of host-local whose pods run on several nodes.

    On a bridge this is how most people use it, and the addresses meet only if the bridges are connected.
    """
    local = {reference for reference, one in topology.networks.items() if is_host_local(one)}
    for reference, network in sorted(_nodes_of(stock, holdings, asked, local).items()):
        kind = topology.segment(reference).kind
        is_link = is_on_one_node(topology, reference)
        if len(network.nodes) > 1 and (kind == BRIDGE or not is_link):
            yield _of_host_local(stock, reference, network, topology, is_link=is_link)
    if not any(one.pod.node for one in stock.pods.values()):
        yield from _host_local_planned(stock, topology, local)


def _nodes_of(stock: Stock, holdings: Holdings, asked: set[tuple[Key, str]], local: set[str]) -> Mapping[str, _Nodes]:
    """Return the nodes of each network of host-local."""
    found: defaultdict[str, _Nodes] = defaultdict(_Nodes)
    for key, of in holdings.items():
        if key.kind != ADDRESS:
            continue
        nodes: defaultdict[str, set[str]] = defaultdict(set)
        for one in of:
            if one.attachment.network in local and (key, one.workload) not in asked:
                nodes[one.attachment.network].add(one.stock.pod.node)
        for reference, names in nodes.items():
            network = found[reference]
            network.nodes |= names - {""}
            if len(names) > 1:
                network.equal.append(key.value)
    for reference, node in _coming(stock):
        if reference in local:
            found[reference].nodes.add(node)
    return found


def _coming(stock: Stock) -> Iterator[tuple[str, str]]:
    """Yield the networks whose IPAM will give an address to a pod that a node has taken, each with the node."""
    for one in stock.pods.values():
        pod = one.pod
        if pod.node and pod.phase != "Running" and not pod.leaving and not pod.is_on_host:
            yield from ((reference_of(element), pod.node) for _, element in one.asker.elements if not element.ips)


class _Planned:
    """The pods that templates and pods without a node will make on a network. `on_each`: a template for each node."""

    def __init__(self) -> None:
        self.on_each: Asker | None = None
        self.askers: list[Asker] = []

    def add(self, asker: Asker) -> None:
        if asker.replicas == ON_EACH_NODE:
            self.on_each = self.on_each or asker
        self.askers.append(asker)

    @property
    def words(self) -> str:
        """Who makes pods on several nodes, "" if there is one pod."""
        if self.on_each is not None:
            return f"{self.on_each.subject.title} makes a pod on each node"
        count = sum(asker.replicas for asker in self.askers)
        names = named([one.subject for one in self.askers])
        return f"{count} pods may be on several ({names})" if count > 1 else ""


def _host_local_planned(stock: Stock, topology: Topology, local: set[str]) -> Iterator[Finding]:
    """Yield the networks of host-local whose pods will be on several nodes. Without pods, nobody knows the nodes."""
    found: defaultdict[str, _Planned] = defaultdict(_Planned)
    workloads = {one.workload for of in stock.templates.values() for one in of}
    for asker, workload in askers(stock):
        is_own_pod = asker.subject.kind == "Pod" and workload in workloads
        if asker.replicas == NO_POD or asker.is_pinned or is_own_pod:
            continue
        for reference in {reference_of(element) for _, element in asker.elements if not element.ips} & local:
            found[reference].add(asker)
    for reference, planned in sorted(found.items()):
        words = planned.words
        if words and not is_on_one_node(topology, reference):
            yield Finding(
                HOST_LOCAL_NODES,
                WARNING if planned.on_each is not None else INFO,
                stock.name_of_network(reference),
                f"its IPAM host-local counts on each node for itself, and {words}: two nodes may give one address",
                field="spec.config",
                fix=HOST_LOCAL_FIX,
                others=tuple(asker.subject for asker in planned.askers),
                properties=(("segment", topology.segment(reference).title),),
            )


HOST_LOCAL_FIX = "use an IPAM plugin for the whole cluster, such as whereabouts, or a range for each node"


def _of_host_local(stock: Stock, reference: str, network: _Nodes, topology: Topology, *, is_link: bool) -> Finding:
    equal = sorted(network.equal)
    level = INFO if is_link else ERROR if equal else WARNING
    where = f"pods on {counted(len(network.nodes), 'node')}"
    if equal:
        verb = "is" if len(equal) == 1 else "are"
        what = f"{listed(equal, NAMED_MAX)} {verb} on several of them"
    else:
        what = "two nodes may give one address"
    when = ", which collide only if the bridges of the nodes are connected" if is_link else ""
    return Finding(
        HOST_LOCAL_NODES,
        level,
        stock.name_of_network(reference),
        f"its IPAM host-local counts on each node for itself, and it has {where}: {what}{when}",
        field="spec.config",
        fix=HOST_LOCAL_FIX,
        properties=(
            ("segment", topology.segment(reference).title), ("nodes", str(len(network.nodes))),
            ("equal", " ".join(equal[:NAMED_MAX])),
        ),
    )  # fmt: skip
