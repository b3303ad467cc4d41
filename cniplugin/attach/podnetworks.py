"""Which networks a pod gets: configuration, annotations and definitions to a `Plan`, judged by the access rules.

Order (node.md, decision 2): the default network, further default networks, the selected ones. A network that is no
NetworkAttachmentDefinition (a delegate of the configuration, a file of the node) has no namespace and its own name.

    default   = v1.multus-cni.io/default-network of the pod / delegates[0] / clusterNetwork
    further   = delegates[1:], defaultNetworks (not in systemNamespaces), auxiliaryCNIChainName
    selected  = k8s.v1.cni.cncf.io/networks of the pod
"""

from __future__ import annotations

import os

from cniplugin.cluster import objects
from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError
from cniplugin.netspec import annotation
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.plan import plan
from cniplugin.netspec.record import Record
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS, NetworkSelectionElement

from . import confdir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cniplugin.cluster.accessrules import Remark
    from cniplugin.cluster.objects import Pod, Reader, Server
    from cniplugin.netspec.cniconfig import NetworkConfigList
    from cniplugin.netspec.plan import Plan
    from cniplugin.protocol.netconf import NetConf

    from .podclaims import Claimed

    Tell = Callable[[Remark], None]
    """Takes what is to be told of the pod, whatever becomes of it."""

LOCAL = ""
"""The namespace of networks that are no objects of the API."""


class DefaultNetworks(Record):
    """The networks that the node gives: `first` becomes CNI_IFNAME, `more` follow."""

    first: NetworkSelectionElement
    more: tuple[NetworkSelectionElement, ...] = ()


class Catalogue:
    """Looks definitions up: the node's own by name, all others in the cluster; each once."""

    def __init__(self, conf: NetConf, client: Reader | None) -> None:
        self._conf = conf
        self._client = client
        self._local: dict[str, NetworkAttachmentDefinition] = {}

    def add(self, config: NetworkConfigList) -> NetworkSelectionElement:
        """Take a network of the node; return the element that selects it.

        NB: two networks may have one name (delegates without a name have ours), so a number sets the element apart.
        """
        key = f"{config.name}#{len(self._local)}" if config.name in self._local else config.name
        self._local[key] = NetworkAttachmentDefinition(namespace=LOCAL, name=config.name, config=config)
        return NetworkSelectionElement(name=key, namespace=LOCAL)

    def look_up(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        """Return a definition as the cluster, or the node's configuration, has it; None without one."""
        if namespace == LOCAL:
            return self._local.get(name)
        return objects.fetch_network(self._client, namespace, name) if self._client else None

    def find(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        """Return a definition with its configuration, from the node's disk if it has none itself; None without it."""
        network = self.look_up(namespace, name)
        if network is None or not network.is_on_disk:
            return network
        config = confdir.load_network(self._conf.conf_dir, name)
        if config is None:
            where = f"{self._conf.conf_dir} has no CNI configuration of that name"
            raise CniError(INVALID_NETWORK_CONFIG, f"network {network.reference}: spec.config is empty, and {where}")
        return network.replace(config=config)

    def resolve(self, value: str) -> NetworkSelectionElement:
        """Return the element for a value of `clusterNetwork` or `defaultNetworks`.

        A path is a file or a directory; a name is a definition of `multusNamespace`, then a file of `confDir`.
        """
        if "/" in value:
            is_directory = os.path.isdir(value)  # noqa: PTH112  # pathlib costs 5 ms
            return self.add(confdir.load_directory(value) if is_directory else confdir.load_file(value))
        namespace = self._conf.multus_namespace
        if self._client is not None and self.find(namespace, value) is not None:
            return NetworkSelectionElement(name=value, namespace=namespace)
        config = confdir.load_network(self._conf.conf_dir, value)
        if config is None:
            where = f"neither a NetworkAttachmentDefinition of {namespace} nor a file of {self._conf.conf_dir}"
            raise CniError(INVALID_NETWORK_CONFIG, f"default network {value}: there is {where} of that name")
        return self.add(config)


def node_defaults(conf: NetConf, catalogue: Catalogue, *, pod_namespace: str) -> DefaultNetworks:
    """Return the default networks of the node's configuration."""
    if conf.delegates:
        first, *more = (catalogue.add(config) for config in conf.delegates)
    else:
        first, more = catalogue.resolve(conf.cluster_network), []
    if pod_namespace not in conf.system_namespaces:
        more += [catalogue.resolve(value) for value in conf.default_networks]
    if conf.auxiliary_cni_chain_name and "/" in conf.cluster_network:
        directory = os.path.dirname(conf.cluster_network)  # noqa: PTH120
        chain = confdir.load_chain(directory, conf.auxiliary_cni_chain_name)
        more += [catalogue.add(chain)] if chain else []
    return DefaultNetworks(first=first, more=tuple(more))


def plan_networks(
    conf: NetConf, raw: Mapping[str, Any], pod: Pod | None, client: Server | None, *, ifname: str, uid: str, tell: Tell
) -> Plan:
    """Return the plan for a pod; without a pod (no API server), the node's own networks.

    `uid` is the pod's as the runtime tells it, "" if it does not. Raises SpecErrors for what cannot be read or planned,
    CniError 100 for a refused attachment, and what `devices` and `devicefiles` raise.
    """
    found = _plan_networks(conf, raw, pod, client, ifname=ifname, tell=tell)
    if any(item.network.resource_name or item.element.device_id for item in found.attachments):
        return _choose_devices(conf, found, pod, uid)
    return found


def _choose_devices(conf: NetConf, found: Plan, pod: Pod | None, uid: str) -> Plan:
    """NB: the kubelet counts by its own uid, which for a static pod is not that of the API."""
    from cniplugin.access.judging.reasons import Refusal  # noqa: PLC0415  # as above

    from . import devicefiles, devices, permission  # noqa: PLC0415  # few pods have devices

    is_needed = any(item.network.resource_name for item in found.attachments)
    own = devicefiles.load_own(conf.kubelet_dir, uid or (pod.uid if pod else "")) if is_needed else {}
    refusals = [
        Refusal(reference=item.network.reference, item=item.item, verdict=devices.refuse_foreign(item, own))
        for item in devices.find_foreign(found, own)
    ]
    if refusals:
        raise permission.denied(refusals, pod, judged=len(found.attachments))
    return devices.assign(found, own)


def _plan_networks(
    conf: NetConf, raw: Mapping[str, Any], pod: Pod | None, client: Server | None, *, ifname: str, tell: Tell
) -> Plan:
    catalogue = Catalogue(conf, client)
    defaults = node_defaults(conf, catalogue, pod_namespace=pod.namespace if pod else "")
    if pod is None or client is None:
        return plan((), catalogue.find, default=defaults.first, more_defaults=defaults.more, default_interface=ifname)
    selected = annotation.parse(pod.annotations.get(NETWORKS, ""), namespace=pod.namespace)
    chosen = annotation.parse_default_network(pod.annotations.get(DEFAULT_NETWORK, ""), namespace=conf.multus_namespace)
    asked: list[tuple[int | None, NetworkSelectionElement]] = [
        *([(None, chosen)] if chosen else []),
        *enumerate(selected),
    ]
    claimed: tuple[Claimed, ...] = ()
    if pod.claims:
        from . import podclaims  # noqa: PLC0415  # few pods have claims

        claimed = podclaims.find(pod, client, catalogue.look_up, tell)
    if asked or claimed:
        # Most pods ask for nothing, and need no rules.
        from cniplugin.cluster import accessrules  # noqa: PLC0415

        from . import permission  # noqa: PLC0415

        standing = accessrules.load(conf, raw, pod.namespace, client)
        for remark in standing.remarks:
            tell(remark)
        for remark in permission.check(pod, asked, standing, catalogue, client, claimed=claimed):
            tell(remark)
    return plan(
        selected,
        catalogue.find,
        default=chosen or defaults.first,
        more_defaults=defaults.more,
        default_interface=ifname,
    )
