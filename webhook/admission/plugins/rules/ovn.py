"""Networks that a controller of the cluster makes: OVN-Kubernetes, Kube-OVN, Antrea.

    subnets of layer3 = entry *( "," entry )      ; entry = CIDR [ "/" prefix of each node's part ]
    other lists       = CIDR *( "," CIDR )        ; white space around an item does not count

OVN-Kubernetes (go-controller/pkg/util/multi_network.go ValidateNetConf, newNetInfo, SubnetOverlapCheck;
pkg/config/cni.go ValidateNetConfNameFields; pkg/config/utils.go ParseClusterSubnetEntriesWithDefaults) drops a
definition that it cannot read, with an event; the plugin on the node then waits for a network that never comes, and
pods stay in ContainerCreating.

Kube-OVN (pkg/controller/pod.go, pkg/daemon/handler.go) allocates under NAME.NAMESPACE.ovn of the definition, or
NAME.NAMESPACE for the IPAM of another plugin, and the daemon on the node waits for an address under `provider`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Literal, NamedTuple

from cniplugin.netspec.cniconfig import PluginConfig
from cniplugin.netspec.names import trim
from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import read_address, read_cidr
from webhook.admission.plugins.intervals import Network
from webhook.admission.plugins.placement import Placed

LAYER2, LAYER3, LOCALNET = "layer2", "layer3", "localnet"
RESERVED_NAMES = ("default", "ovn-kubernetes")
"""Names of the default network of the cluster."""
VLAN_MAX = 4095
"""OVN's northbound schema: Logical_Switch_Port, tag_request."""
ANTREA_VLAN_MAX = 4094

NODE_PREFIX = {4: 24, 6: 64}
"""Topology layer3: the prefix of a node's part that is not written; of IPv6 it is the only one."""
JOIN_SUBNETS = ("100.65.0.0/16", "fd99::/64")
"""The value of `joinSubnet`, by family, where it is not written (pkg/types/const.go)."""
CLUSTER_SUBNETS = {
    "100.64.0.0/16": "join",
    "fd98::/64": "join",
    "169.254.169.0/29": "masquerade",
    "fd69::/125": "masquerade",
}
"""Subnets that OVN-Kubernetes has for itself unless the cluster's settings move them (pkg/config/config.go)."""
TRANSIT_SUBNETS = {"100.88.0.0/16": "transit", "fd97::/64": "transit"}
"""The same, and only networks of topology layer3 are compared with them."""

_LISTS = ("excludeSubnets", "reservedSubnets", "infrastructureSubnets", "joinSubnet", "transitSubnet")
_FEATURE_LISTS = frozenset({"reservedSubnets", "infrastructureSubnets"})
"""Read only where the feature for preconfigured addresses is on."""
_READ_BY = {
    LAYER2: frozenset(_LISTS),
    LAYER3: frozenset({"joinSubnet"}),
    LOCALNET: frozenset({"excludeSubnets"}),
}
"""The lists of _LISTS that each topology reads."""

SUBNETS_MAX = 16
"""Items of one list that are checked. Each is compared with each of the subnets; people write one or two."""


class Subnet(NamedTuple):
    """One item of a list. `length`: the prefix of each node's part, None where there is none."""

    text: str
    network: Network
    length: int | None = None


Reading = Generator[PluginFinding, None, Sequence[Subnet] | None]
"""Findings, and then the items of a list; None if one of them cannot be read."""

# OVN-Kubernetes

RequestedIps = Literal["refused", "with prefix"]
"""What OVN-Kubernetes makes of the `ips` of a pod: it refuses all of them, or takes those with a prefix."""


def requested_ips(plugin: PluginConfig) -> RequestedIps | None:
    """Return what a plugin's network makes of the `ips` of pods; None if it is not known.

    A network with subnets takes none, unless it is the primary one of its namespace (pkg/allocator/pod
    pod_annotation.go validateStaticIPRequest). One without subnets sets them as they are (ParseIPNets).
    """
    conf = plugin.conf
    if plugin.type != "ovn-k8s-cni-overlay" or conf.get("topology") not in (LAYER2, LAYER3, LOCALNET):
        return None
    if conf.get("role") == "primary":
        return None
    return "refused" if conf.get("subnets") else "with prefix"


def network_findings(placed: Placed) -> Findings:
    """Yield a definition that OVN-Kubernetes drops for its name, its place in a list or its VLAN.

    Without `topology` it is the default network of the cluster, which has no name of its own.
    """
    values = placed.values
    if not values.get("topology"):
        return
    if placed.network.size > 1:
        detail = "OVN-Kubernetes takes no other plugin in the list, and drops this network; its pods wait for it"
        refusal = "CNI plugin chaining is not supported"
        yield PluginFinding(code="NAD214", path=placed.path, detail=detail, fix="remove the others", refusal=refusal)
    yield from _name_findings(placed)
    written = values.get("netAttachDefName")
    if written and (wrong := _other_definition(placed, written)):
        refusal = f"net-attach-def name ({wrong}) is inconsistent with config ({{value}})"
        yield _of_another(placed, "netAttachDefName", written, fix=f'write "{wrong}"', refusal=refusal)
    vlan = values.get("vlanID") or 0
    if values.get("topology") == LOCALNET and not 0 <= vlan <= VLAN_MAX:
        detail = f"OVN takes VLANs 0 to {VLAN_MAX}, so the network is not made and its pods wait for it"
        yield PluginFinding(code="NAD201", path=placed.where("vlanID"), detail=detail, value=vlan)


def _name_findings(placed: Placed) -> Findings:
    """NB: OVN-Kubernetes reads the text itself, so the name of the definition does not stand in for a missing one."""
    name = placed.network.name
    if not placed.network.origin.name or (name and name not in RESERVED_NAMES):
        return
    detail = f"{name} is the default network of the cluster" if name else "OVN-Kubernetes needs the network's name"
    yield PluginFinding(
        code="NAD210",
        path="name",
        detail=detail,
        value=name or None,
        fix="write another name" if name else 'add "name"; definitions with one name are one network',
        refusal=f"invalid name in in secondary network netconf ({name})",
    )


def _other_definition(placed: Placed, written: str) -> str:
    """Return the name of the definition if `written` is that of another one, as NAMESPACE/NAME, else ""."""
    namespace, name = placed.network.origin
    if not name:
        return ""
    if not namespace:  # kubectl adds it
        return "" if written.partition("/")[2] == name else f"NAMESPACE/{name}"
    own = f"{namespace}/{name}"
    return "" if written == own else own


def _of_another(placed: Placed, key: str, written: str, *, fix: str, refusal: str) -> PluginFinding:
    return PluginFinding(
        code="NAD209",
        path=placed.where(key),
        detail="this is not the definition itself, so its pods wait for a network that is never made",
        value=written,
        fix=fix,
        refusal=refusal,
    )


def subnet_findings(placed: Placed) -> Findings:
    """Yield subnets that OVN-Kubernetes cannot read, that are outside `subnets`, or that overlap."""
    topology = placed.values.get("topology")
    if topology not in _READ_BY:
        return
    subnets = yield from _read(placed, "subnets", has_parts=topology == LAYER3)
    lists: dict[str, Sequence[Subnet] | None] = {}
    for key in _LISTS:
        is_read = key in _READ_BY[topology] and (key != "transitSubnet" or placed.values.get("role") == "primary")
        lists[key] = (yield from _read(placed, key)) if is_read else ()
    if subnets is None:
        return
    for key in ("excludeSubnets", *sorted(_FEATURE_LISTS)):
        yield from _outside(placed, key, lists[key] or (), subnets)
    yield from _transit_findings(placed)
    yield from _gateway_findings(placed)
    if topology != LOCALNET:
        yield from _overlaps(placed, topology, subnets, lists)


def _read(placed: Placed, key: str, *, has_parts: bool = False) -> Reading:
    """Read a list. `has_parts`: an item may have the prefix of each node's part."""
    text = placed.values.get(key) or ""
    if not trim(text):
        return ()
    found: list[Subnet] = []
    problem = ""
    for item in map(trim, text.split(",", SUBNETS_MAX)[:SUBNETS_MAX]):
        subnet, problem = _parse(item, has_parts=has_parts)
        if subnet is None:
            break
        found.append(subnet)
    lengths = {subnet.length for subnet in found if subnet.network.version == 4}
    if not problem and has_parts and len(lengths) > 1:
        problem = "all IPv4 cluster subnet entries must have the same host subnet length"
    if not problem:
        return found
    is_certain = key not in _FEATURE_LISTS
    yield PluginFinding(
        code="NAD211" if is_certain else "NAD506",
        path=placed.where(key),
        detail="OVN-Kubernetes cannot read this list"
        if is_certain
        else "OVN-Kubernetes cannot read this list where its feature for preconfigured addresses is on",
        value=text,
        allowed="subnets with commas between them, such as 10.128.0.0/16/24"
        if has_parts
        else "subnets with commas between them, such as 10.1.0.0/24",
        refusal=problem,
    )
    return None


def _parse(item: str, *, has_parts: bool) -> tuple[Subnet | None, str]:
    """Return one item, or None and the error of OVN-Kubernetes (ParseClusterSubnetEntriesWithDefaults)."""
    parts = item.split("/")
    if len(parts) not in (2, 3) or (len(parts) == 3 and not has_parts):
        return None, f"CIDR '{item[:60]}' not properly formatted"
    read = read_cidr("/".join(parts[:2]))
    if read is None:
        return None, f"invalid CIDR address: {'/'.join(parts[:2])[:60]}"
    network = read.network
    if not has_parts:
        return Subnet(item, network), ""
    length = NODE_PREFIX[network.version] if len(parts) == 2 else _number(parts[2])
    if length is None:
        return None, f"strconv.Atoi: parsing '{parts[2][:20]}': invalid syntax"
    if network.version == 6 and length != NODE_PREFIX[6]:
        return None, "IPv6 only supports /64 host subnets"
    if network.version == 4 and length > network.max_prefixlen:
        return None, "invalid host subnet, IPv4 subnet must be < 32"
    if length <= network.prefixlen:
        return (
            None,
            f"cannot use a host subnet length mask shorter than or equal to the cluster subnet mask ({item[:60]})",
        )
    return Subnet(item, network, length), ""


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None


def _outside(placed: Placed, key: str, items: Sequence[Subnet], subnets: Sequence[Subnet]) -> Findings:
    for item in items:
        if not any(_contains(subnet.network, item.network) for subnet in subnets):
            yield PluginFinding(
                code="NAD506" if key in _FEATURE_LISTS else "NAD212",
                path=placed.where(key),
                detail=f"{item.text} is outside the subnets of the network"
                if subnets
                else "the network has no subnets to which this could belong",
                value=placed.values[key],
                fix='write a part of "subnets", or remove it',
                refusal=f"the provided network subnets do not contain {item.network}",
            )
            return


def _contains(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # one version


def _transit_findings(placed: Placed) -> Findings:
    """NB: the newest source cuts `subnets` at the commas alone to find a transit subnet."""
    values = placed.values
    is_primary = values.get("topology") == LAYER2 and values.get("role") == "primary"
    text = values.get("subnets") or ""
    if is_primary and not values.get("transitSubnet") and any(part != trim(part) for part in text.split(",")):
        detail = "some versions of OVN-Kubernetes take no white space in the subnets of a primary network"
        refusal = "can't generate transit subnets: failed to parse CIDR"
        yield PluginFinding(
            code="NAD506", path=placed.where("subnets"), detail=detail, value=text, fix="remove it", refusal=refusal
        )


def _gateway_findings(placed: Placed) -> Findings:
    text = placed.values.get("defaultGatewayIPs") or ""
    if placed.values.get("topology") != LAYER2 or not trim(text):
        return
    for part in map(trim, text.split(",", SUBNETS_MAX)[:SUBNETS_MAX]):
        if read_address(part) is None:
            detail = "OVN-Kubernetes cannot read this list where its feature for preconfigured addresses is on"
            yield PluginFinding(
                code="NAD506",
                path=placed.where("defaultGatewayIPs"),
                detail=detail,
                value=text,
                allowed="addresses with commas between them",
                refusal="invalid default gateway IPs",
            )
            return


class _Part(NamedTuple):
    """A subnet that no other one may overlap.

    `key`: under which it is written, "" for one that OVN-Kubernetes has without being told; `words` then say what it
    is. `certain`: no setting of the cluster moves it.
    """

    network: Network
    words: str
    key: str = ""
    certain: bool = True


def _overlaps(
    placed: Placed, topology: str, subnets: Sequence[Subnet], lists: Mapping[str, Sequence[Subnet] | None]
) -> Findings:
    """Yield the first overlap of two subnets, one of which is written.

    NB: a subnet inside an excluded one does not count (SubnetOverlapCheck).
    """
    joined, transit, excluded = lists["joinSubnet"], lists["transitSubnet"], lists["excludeSubnets"]
    if joined is None or transit is None or excluded is None:
        return
    parts = [
        part
        for part in _parts(topology, {"subnets": subnets, "joinSubnet": joined, "transitSubnet": transit})
        if not any(_contains(one.network, part.network) for one in excluded)
    ]
    for index, later in enumerate(parts):
        for earlier in parts[:index]:
            if (earlier.key or later.key) and _meets(earlier.network, later.network):
                yield _overlap(placed, *((earlier, later) if earlier.key else (later, earlier)))
                return


def _parts(topology: str, written: Mapping[str, Sequence[Subnet]]) -> Iterator[_Part]:
    """Yield the subnets of a network, and then those of the cluster."""
    for key, items in written.items():
        yield from (_Part(item.network, f"{key}: {item.text}", key) for item in items)
        if key == "joinSubnet":
            families = {item.network.version for item in items}
            usual = (_Part(ip_network(text), f"{text}, the default joinSubnet") for text in JOIN_SUBNETS)
            yield from (part for part in usual if part.network.version not in families)
    for text, use in {**CLUSTER_SUBNETS, **(TRANSIT_SUBNETS if topology == LAYER3 else {})}.items():
        yield _Part(ip_network(text), f"{text}, the {use} subnet of the cluster unless it is moved", certain=False)


def _meets(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _overlap(placed: Placed, part: _Part, other: _Part) -> PluginFinding:
    return PluginFinding(
        code="NAD213" if other.certain else "NAD508",
        path=placed.where(part.key),
        detail=f"{part.network} overlaps {other.words}",
        value=placed.values[part.key],
        fix="write subnets that do not overlap",
        refusal="pod or join subnet overlaps with already configured internal subnets",
    )


# Kube-OVN


def provider_findings(placed: Placed) -> Findings:
    """Yield a provider of Kube-OVN that is not the one of the definition."""
    yield from _provider(placed, ".ovn")


def ipam_provider_findings(placed: Placed) -> Findings:
    """Yield a provider of IPAM kube-ovn that is not the one of the definition."""
    yield from _provider(placed, "")


def _provider(placed: Placed, ending: str) -> Findings:
    """NB: `ovn` is the default network of the cluster, and so is an absent provider."""
    namespace, name = placed.network.origin
    written = placed.values.get("provider") or ""
    if "provider" in placed.values.unreadable:
        return
    if written in ("", "ovn"):
        detail = "without a provider the interface has the addresses of the default network, those of eth0"
        fix = f'add "provider": "{name or "NAME"}.{namespace or "NAMESPACE"}{ending}"'
        yield PluginFinding(code="NAD505", path=placed.where("provider"), detail=detail, value=written or None, fix=fix)
        return
    own = f"{name}.{namespace}{ending}"
    is_own = written == own if namespace else written.startswith(f"{name}.") and written.endswith(ending)
    if name and not is_own:
        own = own if namespace else f"{name}.NAMESPACE{ending}"
        refusal = "no address allocated to pod ... provider {value}"
        yield _of_another(placed, "provider", written, fix=f'write "{own}"', refusal=refusal)


# Antrea


def antrea_findings(placed: Placed) -> Findings:
    """Yield a VLAN that the agent of Antrea refuses, and a network of devices without a resource."""
    values = placed.values
    kind, vlan = values.get("networkType"), values.get("vlan") or 0
    if kind == "vlan" and not 0 <= vlan <= ANTREA_VLAN_MAX:
        yield PluginFinding(
            code="NAD201",
            path=placed.where("vlan"),
            detail=f"the plugin antrea takes 0 to {ANTREA_VLAN_MAX}; pods start without this interface",
            value=vlan,
            refusal="invalid VLAN ID {value}",
        )
    if kind == "sriov" and not placed.network.has_resource:
        detail = "nothing gives the plugin antrea a device: the network names no resource"
        fix = "add the annotation k8s.v1.cni.cncf.io/resourceName"
        refusal = "missing annotation: k8s.v1.cni.cncf.io/resourceName"
        yield PluginFinding(code="NAD406", path=placed.path, detail=detail, fix=fix, refusal=refusal)


def antrea_pool_findings(placed: Placed) -> Findings:
    """Yield IPAM antrea without a pool and without an address."""
    values = placed.values
    if not values.unreadable and not values.get("ippools") and not values.get("addresses"):
        yield PluginFinding(
            code="NAD308",
            path=placed.path,
            detail="without ippools or addresses there is nothing to hand out",
            fix='add "ippools"',
            refusal="at least one Antrea IPPool or static address must be specified",
        )
