"""The networks of a pod: configuration, annotations and definitions to a `Plan`, judged by the access rules.

The order is: the default network, further default networks, the selected ones. A network without a
NetworkAttachmentDefinition (a delegate of the configuration, a file of the node) has no namespace.

    default   = v1.multus-cni.io/default-network of the pod / delegates[0] / clusterNetwork
    further   = delegates[1:], defaultNetworks (not in systemNamespaces), auxiliaryCNIChainName
    selected  = k8s.v1.cni.cncf.io/networks of the pod

The objects of the cluster that these depend on are asked for in as few flights as possible, before they are needed:

    1  the pod, and the node's own networks that are definitions
    2  its claims, the access rules, the definitions that its annotations name in its own namespace
    3  the definitions of other namespaces, once the rules say that their content matters (`permission`)

If the runtime passes the pod's annotations on, flight 2 goes out with the first. These annotations are a guess: the pod
that the API server returns decides what is looked up, and each wrong guess costs one request.
"""

from __future__ import annotations

import os

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError
from cniplugin.netspec.attachers import NADMIT, STRICT
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.names import DELEGATING_TYPES
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.plan import plan
from cniplugin.netspec.selection import NetworkSelectionElement
from cniplugin.protocol.netconf import POD_ANNOTATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cniplugin.cluster.accessrules import Remark
    from cniplugin.cluster.objects import Pod, Reader, Server
    from cniplugin.netspec.annotation import PodSelections
    from cniplugin.netspec.cniconfig import NetworkConfigList
    from cniplugin.netspec.plan import Plan
    from cniplugin.protocol.netconf import NetConf

    from .podclaims import Claimed

    Report = Callable[[Remark], None]
    """Takes a remark for an event about the pod; the pod may start or not."""

LOCAL = ""
"""The namespace of networks that are not objects of the API."""


class Catalogue:
    """Looks up definitions: networks of the node by name, all others in the cluster, each once."""

    def __init__(self, conf: NetConf, client: Reader | None) -> None:
        self._conf = conf
        self._client = client
        self._local: dict[str, NetworkAttachmentDefinition] = {}

    def add(self, config: NetworkConfigList) -> NetworkSelectionElement:
        """Add a network of the node; return the element that selects it.

        NB: two networks may have the same name, because delegates without a name have ours. So the element's name
        gets a number.
        """
        _refuse_nesting(config, config.name)
        key = f"{config.name}#{len(self._local)}" if config.name in self._local else config.name
        self._local[key] = NetworkAttachmentDefinition(namespace=LOCAL, name=config.name, config=config)
        return NetworkSelectionElement(name=key, namespace=LOCAL)

    def look_up(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        """Return a definition of the cluster or a network of the node as it is; None without one."""
        if namespace == LOCAL:
            return self._local.get(name)
        if self._client is None:
            return None
        from cniplugin.cluster.objects import fetch_network  # noqa: PLC0415  # for a node with an API server

        return fetch_network(self._client, namespace, name)

    def find(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        """Return a definition with its configuration, from the node's disk if it has none itself. None without one."""
        network = self.look_up(namespace, name)
        if network is not None and network.config is not None:
            _refuse_nesting(network.config, network.reference)
        if network is None or not network.is_on_disk:
            return network
        from .confdir import load_network  # noqa: PLC0415  # for networks on disk

        config = load_network(self._conf.conf_dir, name)
        if config is None:
            where = f"{self._conf.conf_dir} has no CNI configuration of that name"
            raise CniError(INVALID_NETWORK_CONFIG, f"network {network.reference}: spec.config is empty, and {where}")
        _refuse_nesting(config, network.reference)
        return network.replace(config=config)

    def resolve(self, value: str) -> NetworkSelectionElement:
        """Return the element for a value of `clusterNetwork` or `defaultNetworks`.

        A path is a file or a directory. A name is a definition of `multusNamespace`, else a file of `confDir`.
        """
        from . import confdir  # noqa: PLC0415  # as above

        if "/" in value:
            is_directory = os.path.isdir(value)  # noqa: PTH112  # pathlib costs 5 ms
            return self.add(confdir.load_directory(value) if is_directory else confdir.load_file(value))
        namespace = self._conf.multus_namespace
        if self._client is not None and self.find(namespace, value) is not None:
            return NetworkSelectionElement(name=value, namespace=namespace)
        config = confdir.load_network(self._conf.conf_dir, value)
        if config is None:
            where = f"neither a NetworkAttachmentDefinition of {namespace} nor a file of {self._conf.conf_dir}"
            raise CniError(INVALID_NETWORK_CONFIG, f"default network {value}: {where} has that name")
        return self.add(config)


def _refuse_nesting(config: NetworkConfigList, name: str) -> None:
    """Raise CniError 7 for a network of a delegating plugin.

    NB: nadmit itself would wait for the lock of its own container, and Multus would attach this network again.
    """
    kind = next((kind for kind in DELEGATING_TYPES if kind in config.types), None)
    if kind is not None:
        what = f'its plugin "{kind}" attaches all networks of a pod, so it cannot be a delegate'
        raise CniError(INVALID_NETWORK_CONFIG, f"network {name}: {what}; name the plugin that makes the attachment")


def node_defaults(
    conf: NetConf, catalogue: Catalogue, *, pod_namespace: str
) -> tuple[NetworkSelectionElement, list[NetworkSelectionElement]]:
    """Return the node's default network, whose interface is CNI_IFNAME, and the further ones."""
    if conf.delegates:
        first, *more = (catalogue.add(config) for config in conf.delegates)
    else:
        first, more = catalogue.resolve(conf.cluster_network), []
    if pod_namespace not in conf.system_namespaces:
        more += [catalogue.resolve(value) for value in conf.default_networks]
    if conf.auxiliary_cni_chain_name and "/" in conf.cluster_network:
        directory = os.path.dirname(conf.cluster_network)  # noqa: PTH120
        from .confdir import load_chain  # noqa: PLC0415  # as above

        chain = load_chain(directory, conf.auxiliary_cni_chain_name)
        more += [catalogue.add(chain)] if chain else []
    return first, more


def ask_ahead(conf: NetConf, client: Server, pod_namespace: str, pod_name: str) -> None:
    """Ask for the pod, and for the objects that are known to be needed before it is read (flight 1).

    NB: this loads modules that are needed later anyway, because the API server works in the meantime.
    """
    from cniplugin.cluster.objects import paths_of_networks, paths_of_pod  # noqa: PLC0415  # not for every node

    client.ask(*paths_of_pod(pod_namespace, pod_name))
    from cniplugin.netspec.annotation import read_pod, texts_of  # noqa: PLC0415  # as above

    names = [] if conf.delegates else [conf.cluster_network]
    names += () if pod_namespace in conf.system_namespaces else conf.default_networks
    paths = paths_of_networks(client, [(conf.multus_namespace, name) for name in names])
    guess = _texts(conf.runtime_config.get(POD_ANNOTATIONS))
    if guess:
        selections = read_pod(*texts_of(guess), namespace=pod_namespace, network_namespace=conf.multus_namespace)
        paths += _paths_of_selected(client, selections, pod_namespace)
    client.ask(*paths)


def _texts(value: object) -> dict[str, str]:
    given = value if isinstance(value, dict) else {}
    return {key: text for key, text in given.items() if isinstance(text, str)}


def _paths_of_selected(client: Server, selections: PodSelections, namespace: str) -> list[str]:
    """Return the paths of the access rules and of the pod's own definitions; none for a pod that selects nothing.

    NB: definitions of other namespaces are left out. A refusal must not depend on whether they exist, not even in time.
    """
    from cniplugin.cluster import objects  # noqa: PLC0415  # as above

    elements = [element for _, element in selections.elements]
    if not elements:
        return []
    own = [(element.namespace, element.name) for element in elements if element.namespace == namespace]
    labels = objects.paths_of_namespaces(client, [namespace])
    return [*labels, *objects.paths_of_rules(), *objects.paths_of_networks(client, own)]


def plan_networks(
    conf: NetConf, pod: Pod | None, client: Server | None, *, namespace: str, ifname: str, uid: str, report: Report
) -> Plan:
    """Return the plan for a pod; without a pod (no API server), that of the node's own networks.

    `namespace` and `uid` are those of the pod in CNI_ARGS, or "". Raises SpecErrors for an annotation that cannot be
    read or planned, CniError 100 for a refused attachment, and the errors of `devices`.
    """
    planned = _plan_networks(conf, pod, client, namespace=namespace, ifname=ifname, report=report)
    if any(item.network.resource_name or item.element.device_id for item in planned.attachments):
        return _choose_devices(conf, planned, pod, client, uid=uid)
    return planned


def _choose_devices(conf: NetConf, planned: Plan, pod: Pod | None, client: Server | None, *, uid: str) -> Plan:
    """Read the devices of claims only if those of the kubelet do not suffice.

    NB: the kubelet uses its own uid, which for a static pod is not that of the API.
    """
    from cniplugin.access.judging.reasons import Refusal  # noqa: PLC0415  # few pods have devices

    from . import devices, permission  # noqa: PLC0415  # as above

    is_needed = any(item.network.resource_name for item in planned.attachments)
    own = devices.load_devices(conf.kubelet_dir, uid or (pod.uid if pod else "")) if is_needed else {}
    claims = None
    if is_needed and pod is not None and pod.claims and client is not None and devices.is_short(planned, own):
        from . import claimdevices  # noqa: PLC0415  # as above

        claims = claimdevices.find(pod, client)
        own = devices.join(planned, own, claims)
    refusals = [
        Refusal(reference=item.network.reference, item=item.item, verdict=devices.refuse_foreign(item, own, claims))
        for item in devices.find_foreign(planned, own)
    ]
    if refusals:
        raise permission.denied(refusals, pod, judged=len(planned.attachments))
    return devices.assign(planned, own, claims)


def _plan_networks(
    conf: NetConf, pod: Pod | None, client: Server | None, *, namespace: str, ifname: str, report: Report
) -> Plan:
    catalogue = Catalogue(conf, client)
    first, more = node_defaults(conf, catalogue, pod_namespace=pod.namespace if pod else namespace)
    if pod is None or client is None:
        return plan((), catalogue.find, default=first, more_defaults=more, default_interface=ifname)
    from cniplugin.netspec.annotation import read_pod, texts_of  # noqa: PLC0415  # for a node with an API server

    selections = read_pod(*texts_of(pod.annotations), namespace=pod.namespace, network_namespace=conf.multus_namespace)
    if selections.problems:
        source = selections.problems[-1].source  # the error names one annotation
        raise SpecErrors([problem for problem in selections.problems if problem.source == source])
    asked = selections.elements
    from cniplugin.cluster.objects import paths_of_claims  # noqa: PLC0415  # as above

    client.ask(*paths_of_claims(pod.namespace, pod.claims), *_paths_of_selected(client, selections, pod.namespace))
    if asked:
        from . import execution, reporting  # noqa: F401, PLC0415  # needed later; the API server works in the meantime
    claimed: tuple[Claimed, ...] = ()
    if pod.claims:
        from . import podclaims  # noqa: PLC0415  # few pods have claims

        claimed = podclaims.find(pod, client, catalogue.look_up, report)
    if asked or claimed:
        # Most pods ask for nothing and need no rules.
        from cniplugin.cluster import accessrules  # noqa: PLC0415

        from . import permission  # noqa: PLC0415

        in_effect = accessrules.load(conf, pod.namespace, client)
        for remark in in_effect.remarks:
            report(remark)
        for remark in permission.check(pod, asked, in_effect, catalogue, client, claimed=claimed):
            report(remark)

    def look_up(namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        network = catalogue.find(namespace, name)
        if network is None:
            report(_not_found(namespace, name))
        return network

    return plan(
        selections.networks,
        look_up,
        default=selections.default or first,
        more_defaults=more,
        default_interface=ifname,
        attached_by=STRICT if conf.strict else NADMIT,
    )


def _not_found(namespace: str, name: str) -> Remark:
    """Return Multus' event about a definition that does not exist, because people grep for it."""
    from cniplugin.cluster.accessrules import Remark  # noqa: PLC0415  # as above
    from cniplugin.cluster.objects import NO_NETWORK  # noqa: PLC0415  # as above

    reason = f'network-attachment-definitions.k8s.cni.cncf.io "{name}" not found'
    text = f"cannot find a network-attachment-definition ({name}) in namespace ({namespace}): {reason}"
    return Remark(reason=NO_NETWORK, message=text)
