"""The causes that can be named, each with a title, a fix and the stage at which a pod stops; and a diagnosis.

The id of a cause never changes: scripts and the manual use it. Titles and fixes are templates; `Diagnosis` fills them
with the names that the evidence has. A fact that the evidence lacks is worded by FACTS.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

REFUSED = "refused"
UNSCHEDULED = "not scheduled"
UNATTACHED = "not attached"
DIFFERENT = "attached other than asked"
NOT_RUNNING = "attached, and not running"
FINE = "fine"
UNKNOWN = "not known"
STAGES = (REFUSED, UNSCHEDULED, UNATTACHED, DIFFERENT, NOT_RUNNING, FINE, UNKNOWN)
"""What became of the object, in the order of a pod's life."""


class Cause(NamedTuple):
    """One cause. `is_about_networks`: whether nadmit, a definition or a CNI plugin is concerned."""

    stage: str
    title: str
    fix: str
    is_about_networks: bool = True


CAUSES: Mapping[str, Cause] = {
    # The API server created no pod.
    "refused-by-rules": Cause(
        REFUSED,
        "the access rules do not let it use {network}",
        "do what the refusal says; `nadmit rules -n {namespace}` lists the networks that pods there may use",
    ),
    "refused-by-standard": Cause(
        REFUSED,
        "what it asks of its networks cannot be done",
        "correct what the refusal names; `nadmit review FILE` says the same about a file before you apply it",
    ),
    "refused-by-other": Cause(
        REFUSED, "another admission webhook, {value}, refuses its pods", "ask the owners of {value}", False
    ),
    "webhook-unreachable": Cause(
        REFUSED,
        "the API server cannot reach the webhook {value}",
        "look at the webhook's pods and its Service; `nadmit webhooks status` shows what is registered, and "
        "`nadmit webhooks stage Ignore` lets pods through meanwhile",
    ),
    "quota-exceeded": Cause(
        REFUSED,
        "the quota {value} of its namespace is used up",
        "free some of it, or ask for more: kubectl describe resourcequota -n {namespace}",
        False,
    ),
    "quota-unspecified": Cause(
        REFUSED,
        "the quota {value} of its namespace wants requests or limits that its containers do not state",
        "set resources in the pod template, or give the namespace a LimitRange with defaults",
        False,
    ),
    "limit-range": Cause(
        REFUSED,
        "a LimitRange of its namespace does not allow what its containers ask for",
        "change resources in the pod template, or the limits: kubectl describe limitrange -n {namespace}",
        False,
    ),
    "pod-security": Cause(
        REFUSED,
        "Pod Security of its namespace refuses its pods",
        "change the fields that the message names, or the label pod-security.kubernetes.io/enforce of the namespace",
        False,
    ),
    "security-policy": Cause(
        REFUSED,
        "no SecurityContextConstraints or PodSecurityPolicy allows its pods",
        "change the fields that the message names, or let its service account use one that allows them; in OpenShift: "
        "oc adm policy who-can use scc",
        False,
    ),
    "refused-by-policy": Cause(
        REFUSED,
        "the ValidatingAdmissionPolicy {value} refuses its pods",
        "do what the message says, or ask the owners of the policy",
        False,
    ),
    "service-account-missing": Cause(
        REFUSED,
        "there is no service account {value} in its namespace",
        "create it, or correct serviceAccountName in the pod template",
        False,
    ),
    "reference-missing": Cause(
        REFUSED,
        "its pods name a thing that does not exist: {value}",
        "create it, or correct the pod template",
        False,
    ),
    "priority-class-refused": Cause(
        REFUSED,
        "its priority class may not be used in its namespace",
        "use another priorityClassName; where quotas guard the class, a ResourceQuota with that scope allows it",
        False,
    ),
    "namespace-ending": Cause(
        REFUSED,
        "its namespace is being deleted, so nothing new can be created in it",
        "use another namespace, or see what keeps this one: kubectl get namespace {namespace} -o yaml",
        False,
    ),
    "kubelet-refused": Cause(
        REFUSED,
        "the kubelet of {node} does not admit it: {value}",
        "correct what the message names, such as a device, NUMA alignment or a sysctl; then delete the pod: the "
        "kubelet does not try it again",
    ),
    # The scheduler found no node.
    "device-short": Cause(
        UNSCHEDULED,
        "no node has a free device of resource {value}",
        "look at what nodes have (kubectl describe node, Allocatable); free a device, or see why the device plugin of "
        "{value} offers none",
    ),
    "node-selector": Cause(
        UNSCHEDULED,
        "no node has the labels that it asks for",
        "label a node, or correct nodeSelector and affinity: {value}; a selector may come from the annotation "
        "k8s.v1.cni.cncf.io/nodeSelector of a definition",
    ),
    "node-taint": Cause(
        UNSCHEDULED, "every node that fits has a taint", "tolerate the taint, or remove it from a node", False
    ),
    "resource-short": Cause(
        UNSCHEDULED, "no node has enough {value} left", "request less, or free or add nodes", False
    ),
    "host-port": Cause(
        UNSCHEDULED,
        "no node has its host port free",
        "use another hostPort or none, or fewer such pods than nodes",
        False,
    ),
    "pod-affinity": Cause(
        UNSCHEDULED,
        "no node fits its rules about other pods, or those of other pods about it",
        "correct podAffinity, podAntiAffinity or topologySpreadConstraints, or add nodes",
        False,
    ),
    "volume-unbound": Cause(
        UNSCHEDULED,
        "a volume of it is missing, not bound, or on another node",
        "look at its PersistentVolumeClaims: kubectl get pvc -n {namespace}",
        False,
    ),
    "claim-unallocated": Cause(
        UNSCHEDULED,
        "a ResourceClaim of it gets no device",
        "look at the claim and at what drivers offer: kubectl get resourceclaims,resourceslices -n {namespace}",
    ),
    "scheduling-gate": Cause(
        UNSCHEDULED, "a scheduling gate holds it back: {value}", "wait for the controller that removes the gate", False
    ),
    "unschedulable": Cause(UNKNOWN, "the scheduler finds no node", "read what the scheduler says", False),
    # A node could not attach it.
    "network-missing": Cause(
        UNATTACHED,
        "there is no NetworkAttachmentDefinition {network}",
        "create it, or correct the annotation; kubectl get net-attach-def -n {namespace} lists what there is",
    ),
    "namespace-wrong": Cause(
        UNATTACHED,
        "{network} does not exist; the definition is in another namespace",
        "write {value} in the annotation",
    ),
    "annotation-unreadable": Cause(
        UNATTACHED,
        "the annotation about its networks cannot be read",
        "correct the annotation of the pod, or of the template that makes it; `nadmit review FILE` points at the place",
    ),
    "definition-unreadable": Cause(
        UNATTACHED,
        "the configuration in the definition {network} cannot be read",
        "correct spec.config; `nadmit review FILE` points at the place",
    ),
    "file-missing": Cause(
        UNATTACHED,
        "the definition {network} is empty, and {node} has no file for it",
        "write spec.config, or put a CNI configuration of that name on the node",
    ),
    "config-refused": Cause(
        UNATTACHED,
        "{plugin} refuses the configuration of {network}",
        "correct the definition as the plugin says; `nadmit review FILE` points at the key",
    ),
    "request-refused": Cause(
        UNATTACHED,
        "{plugin} cannot give the pod what it asks of {network}",
        "correct the annotation of the pod; `nadmit review FILE` points at the key",
    ),
    "version-unsupported": Cause(
        UNATTACHED,
        "{plugin} does not speak the CNI version of {network}",
        "write a cniVersion that every plugin of the definition speaks",
    ),
    "plugin-missing": Cause(
        UNATTACHED,
        "{node} has no CNI plugin {value}",
        "install the plugin on every node, in the directory that the message names, or correct the type in {network}",
    ),
    "ipam-missing": Cause(
        UNATTACHED,
        "{node} has no IPAM plugin {value}",
        "install the plugin on every node, in the directory that the message names, or correct ipam.type in {network}",
    ),
    "master-missing": Cause(
        UNATTACHED,
        "{node} has no interface {value}",
        "correct the interface in {network}, create it on the node, or keep such pods on nodes that have it",
    ),
    "master-busy": Cause(
        UNATTACHED,
        "the interface {value} of {node} is in use in a way that {plugin} cannot share",
        "an interface serves macvlan, ipvlan, a bridge or a bond, and not two of them: name another one in {network}",
    ),
    "bridge-address": Cause(
        UNATTACHED,
        "the bridge {value} on {node} has another address than {network} gives it",
        "correct the range in the definition; if the address is a remainder and no pod uses the bridge, delete the "
        "bridge on the node",
    ),
    "mtu-too-large": Cause(
        UNATTACHED,
        "the MTU of {network} is larger than that of its interface on {node}",
        "lower mtu in the definition, or raise that of the node's interface",
    ),
    "sysctl-unknown": Cause(
        UNATTACHED,
        "{node} does not have a sysctl that {network} sets",
        "correct the name in sysctl, or load the kernel module that brings it",
    ),
    "kernel-unable": Cause(
        UNATTACHED,
        "the kernel of {node} cannot do what {network} needs",
        "load the kernel module that {plugin} needs, such as bridge, macvlan, 8021q or vrf, or use another kernel",
    ),
    "packet-filter": Cause(
        UNATTACHED,
        "{plugin} cannot write rules of iptables or nftables on {node}",
        "compare iptables of the node with what else writes rules there (legacy or nf_tables), and load the kernel "
        "modules that the message misses",
    ),
    "node-exhausted": Cause(
        UNATTACHED,
        "{node} has run out of something: {value}",
        "free it on the node; the directories of CNI plugins below /var/lib/cni and /run are a place to look",
    ),
    "range-exhausted": Cause(
        UNATTACHED,
        "{network} has no free address",
        "delete pods that need none, widen the range in the definition, or free addresses of pods that are gone "
        "(`nadmit gc` on the node)",
    ),
    "address-taken": Cause(
        UNATTACHED,
        "somebody else has the address that the pod asks for on {network}",
        "choose another address, or find who has it: duplicate address detection, or the IPAM, refuses",
    ),
    "address-outside": Cause(
        UNATTACHED,
        "{network} does not hand out the address that the pod asks for",
        "ask for an address of the range in the definition",
    ),
    "address-unset": Cause(
        UNATTACHED,
        "nobody gives the pod an address on {network}",
        "write addresses in ipam; or let the pod ask with ips, and give {plugin} the capability ips",
    ),
    "pool-missing": Cause(
        UNATTACHED,
        "no pool of addresses fits the pod on {network}",
        "create a pool of the network's IPAM that fits the pod's namespace and node, or name one in the annotations "
        "that this IPAM reads",
    ),
    "interface-taken": Cause(
        UNATTACHED,
        "the pod has an interface of the name {value} already",
        "ask for another name, or for none; eth0 is the default network's",
    ),
    "route-taken": Cause(
        UNATTACHED,
        "the pod has a route already that {network} would add",
        "let one network only add it: correct routes or isDefaultGateway in the definition, or default-route in the "
        "annotation",
    ),
    "dhcp-daemon-missing": Cause(
        UNATTACHED,
        "the DHCP daemon does not run on {node}",
        "run the daemon of the IPAM plugin dhcp on every node",
    ),
    "dhcp-silent": Cause(
        UNATTACHED, "no DHCP server answers on {network}", "check the server, the VLAN and the interface of the network"
    ),
    "device-missing": Cause(
        UNATTACHED,
        "the kubelet gave the pod no device for {network}",
        "request the resource that the definition names, in resources.limits of a container; nadmit's webhook does "
        "that if resource injection is on",
    ),
    "pod-resources-away": Cause(
        UNATTACHED,
        "{attacher} on {node} cannot ask the kubelet which devices the pod has",
        "give {attacher} the directory /var/lib/kubelet/pod-resources, and a version that speaks the kubelet's API",
    ),
    "claim-unprepared": Cause(
        UNATTACHED,
        "the driver of a ResourceClaim does not prepare its device on {node}",
        "look at the pod of the driver on that node, and at the claim: kubectl get resourceclaims -n {namespace}",
    ),
    "device-unusable": Cause(
        UNATTACHED,
        "the device for {network} cannot be used on {node}",
        "look at the device's driver and at the configuration of its device plugin: a kernel interface and DPDK need "
        "different drivers, and not every driver can do what the definition asks for",
    ),
    "ipv6-off": Cause(
        UNATTACHED,
        "IPv6 is switched off on {node}, and {network} has IPv6 addresses",
        "switch IPv6 on (sysctl net.ipv6.conf.all.disable_ipv6, the kernel's ipv6.disable), or use IPv4 addresses",
    ),
    "pod-not-found": Cause(
        UNATTACHED,
        "{attacher} on {node} does not find the pod at the API server",
        "if the pod is not being deleted, restart the pod of {attacher} on that node: it may have lost its watch",
    ),
    "token-refused": Cause(
        UNATTACHED,
        "the API server refuses the credentials of {attacher} on {node}",
        "renew its kubeconfig: restart the pod of {attacher} on that node",
    ),
    "kubeconfig-missing": Cause(
        UNATTACHED,
        "{attacher} has no kubeconfig on {node}",
        "restart the pod of {attacher} on that node, which writes it, or correct its path",
    ),
    "right-missing": Cause(
        UNATTACHED,
        "{attacher} on {node} may not read what it needs",
        "grant what the message names to its account; manifests/node/rbac.yaml has the rights of nadmit's",
    ),
    "api-away": Cause(
        UNATTACHED,
        "{attacher} on {node} cannot reach the API server",
        "check the server in its kubeconfig, and the way from that node; if the runtime uses an HTTP proxy, NO_PROXY "
        "needs the addresses of Services",
    ),
    "rules-on-node": Cause(
        UNATTACHED,
        "the access rules do not let it use {network}, so the node refuses",
        "do what the refusal says; the pod is older than the rule, or the webhook did not judge it",
    ),
    "namespace-isolation": Cause(
        UNATTACHED,
        "Multus' namespaceIsolation keeps it from {network}",
        "use a network of its own namespace, or put that namespace into globalNamespaces of Multus; with multusGate "
        "nadmit says so at admission",
    ),
    "attacher-missing": Cause(
        UNATTACHED,
        "{node} has no program of the plugin {value}, which attaches all pods",
        "install it again: `nadmit show` on the node names what is missing, or remove its file from the CNI directory",
    ),
    "daemon-away": Cause(
        UNATTACHED,
        "the daemon of {attacher} does not answer on {node}",
        "look at its pod on that node",
    ),
    "attacher-loops": Cause(
        UNATTACHED,
        "Multus on {node} has itself as its default network",
        "on that node, name the file of the real default network in Multus' configuration, and remove files of other "
        "installations of Multus from the CNI directory",
    ),
    "plugin-daemon-away": Cause(
        UNATTACHED,
        "the daemon that {plugin} asks does not answer on {node}",
        "look at the pods of that network on that node, such as its agent or Open vSwitch; a daemon that is starting "
        "answers later",
    ),
    "controller-silent": Cause(
        UNATTACHED,
        "the controller of {network} has not set the pod up",
        "read the events about the pod, and the log of that controller, such as ovnkube-control-plane, ovnkube-node or "
        "kube-ovn-controller",
    ),
    "netns-unseen": Cause(
        UNATTACHED,
        "{plugin} does not find the pod's network namespace on {node}",
        "give daemons that work on it (DHCP, Multus) /run/netns with mountPropagation HostToContainer; if it happens "
        "once, the pod had ended meanwhile",
    ),
    "node-without-cni": Cause(
        UNATTACHED,
        "{node} has no CNI configuration, so no pod starts there",
        "install the default network of the cluster, or look at its pod on that node",
    ),
    "default-network-not-ready": Cause(
        UNATTACHED,
        "the default network is not ready on {node}",
        "look at the pod of the default network on that node, which writes the file that is missing",
    ),
    "plugin-crashed": Cause(
        UNATTACHED,
        "{plugin} ended on {node} without an error message",
        "run the plugin's version on the node, look into its log and the runtime's: it crashed, or is not a CNI plugin",
    ),
    "attempt-hangs": Cause(
        UNATTACHED,
        "an attempt to set the pod up does not end on {node}",
        "find the plugin that does not answer in the runtime's log on that node; earlier events may name it",
    ),
    "sandbox-failed": Cause(
        UNATTACHED,
        "the runtime on {node} cannot make the pod's sandbox; no network is the reason",
        "read what the runtime says, and look at its log on that node",
        False,
    ),
    "attachment-failed": Cause(
        UNKNOWN, "{plugin} fails for {network}, for a reason that nadmit does not know", "read what the plugin says"
    ),
    # It runs, with other networks than asked for.
    "host-network": Cause(
        DIFFERENT,
        "it uses the node's network, so nobody attaches the networks that it asks for",
        "remove hostNetwork, or the annotation",
    ),
    "annotation-place": Cause(
        DIFFERENT,
        "the annotation is on {value}, where nobody reads it, and not on its pods",
        "move it to spec.template.metadata.annotations of {value}",
    ),
    "annotation-name": Cause(
        DIFFERENT,
        "no program reads an annotation of it, whose name resembles one that asks for networks",
        "correct the name of the annotation: {value}",
    ),
    "changed-later": Cause(
        DIFFERENT,
        "its annotation asks for other networks than it had when it started",
        "create the pod again: networks are attached when a pod starts",
    ),
    "no-attacher": Cause(
        DIFFERENT,
        "nobody on {node} attached the networks that it asks for",
        "install nadmit's node plugin or Multus on that node, and create the pod again",
    ),
    "status-missing": Cause(
        DIFFERENT,
        "the node could not write network-status, so its networks are not known here",
        "grant patch on pods/status to the account of {attacher}; the pod itself may have all its networks",
    ),
    "request-ignored": Cause(
        DIFFERENT,
        "it has {network}, and not as it asks: {value}",
        "let a plugin of the definition read the request: declare its capability, or use another IPAM",
    ),
    # It has its networks.
    "image-missing": Cause(NOT_RUNNING, "its image cannot be pulled", "correct the image or its registry", False),
    "container-ends": Cause(
        NOT_RUNNING, "a container of it ends again and again", "read its log: kubectl logs --previous", False
    ),
    "volume-missing": Cause(
        UNATTACHED, "a volume of it cannot be mounted", "create what the message names, or correct the volume", False
    ),
    "container-config": Cause(NOT_RUNNING, "a container of it cannot be made", "correct what the message names", False),
    # A network.
    "definition-refused": Cause(
        REFUSED,
        "the webhook would refuse the definition {network}",
        "correct the definition as the refusal says",
    ),
    "nobody-may": Cause(
        REFUSED,
        "no namespace that is known may use {network}",
        "write an Allow rule, or share the network: docs/access.md",
    ),
    "fine": Cause(FINE, "it has what it asks for", ""),
    "network-fine": Cause(FINE, "nothing keeps pods from it", ""),
    "no-networks": Cause(FINE, "it asks for no further network", ""),
    "no-pods": Cause(FINE, "it asks for no pods", ""),
    "ended": Cause(FINE, "it has ended", ""),
    "starting": Cause(FINE, "it is starting, and nothing has failed", "ask again in some seconds"),
    "not-running": Cause(UNKNOWN, "it has its networks, and does not run", "read what the kubelet says", False),
    "create-failed": Cause(UNKNOWN, "the API server creates no pod of it", "read what the API server says", False),
    "events-unread": Cause(
        UNKNOWN, "its events may not be read", "get the right that the answer names, and ask again", False
    ),
    "no-evidence": Cause(
        UNKNOWN,
        "nothing says why",
        "events are kept for an hour. If the answer says what is refused now, correct that first; then have the pod "
        "made again, by its controller if it has one, and ask again",
    ),
}
"""Every cause by its id."""

FACTS: Mapping[str, str] = MappingProxyType(
    {
        "network": "the network",
        "namespace": "NAMESPACE",
        "node": "the node",
        "plugin": "a CNI plugin",
        "attacher": "the CNI plugin",
        "value": "(not named)",
    }
)
"""The words for facts that the evidence lacks."""


class Evidence(NamedTuple):
    """One thing that somebody said. `source`: event, condition, status, webhook, record or definition.

    `about`: the object, as kind/name. `times` and `last` are those of an event; `last` is a time as in RFC 3339.
    """

    source: str
    text: str
    about: str = ""
    reason: str = ""
    by: str = ""
    times: int = 0
    last: str = ""


class Attachment(NamedTuple):
    """One network of a pod: as asked for (`item`, from 1; 0 for one that is not asked for), and as it is.

    `interface` and `addresses` are those of network-status. `is_attached`: network-status has it.
    """

    reference: str
    item: int = 0
    interface: str = ""
    addresses: tuple[str, ...] = ()
    is_attached: bool = False


class Failure(NamedTuple):
    """A CNI error, taken apart: the network, its item in the annotation, its interface, the plugin, what that says.

    `attacher`: the delegating plugin. `item` is 0 if it is not known. `is_default`: the cluster's default network.
    """

    text: str
    attacher: str = ""
    network: str = ""
    item: int = 0
    interface: str = ""
    plugin: str = ""
    is_default: bool = False


class Said(NamedTuple):
    """What the webhook says now. `of`: the object, as kind/name. `text`: the refusal."""

    of: str
    is_allowed: bool
    text: str = ""
    rules: tuple[str, ...] = ()


class Diagnosis(NamedTuple):
    """The answer about one object. `cause` is a key of CAUSES.

    `facts` fill the templates of the cause. `explain`: rules and codes that `nadmit explain` knows. `notes`: what else
    is true. `then`: the refusal by the webhook as an event or a condition quotes it. `unread`: rights that are missing,
    as sentences. `parts`: the pods that it is about, each with its own. `at` replaces the stage of the cause.
    """

    kind: str
    namespace: str
    name: str
    cause: str
    facts: Mapping[str, str] = MappingProxyType({})
    evidence: tuple[Evidence, ...] = ()
    failure: Failure | None = None
    attachments: tuple[Attachment, ...] = ()
    now: Said | None = None
    explain: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    parts: tuple[Diagnosis, ...] = ()
    then: str = ""
    at: str = ""

    @property
    def stage(self) -> str:
        """What became of it, one of STAGES. `at` replaces that of the cause: a webhook refuses what a node would."""
        return self.at or CAUSES[self.cause].stage

    @property
    def title(self) -> str:
        """The cause as a sentence."""
        return self._fill(CAUSES[self.cause].title)

    @property
    def fix(self) -> str:
        """What to do, "" for nothing."""
        return self._fill(CAUSES[self.cause].fix)

    @property
    def is_fine(self) -> bool:
        """Whether nothing is wrong."""
        return self.stage == FINE

    @property
    def is_known(self) -> bool:
        """Whether the cause is named."""
        return self.stage != UNKNOWN

    def _fill(self, template: str) -> str:
        given = {key: text for key, text in self.facts.items() if text}
        return template.format_map({**FACTS, "namespace": self.namespace or FACTS["namespace"], **given})
