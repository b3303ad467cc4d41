"""The staged failures: a recording of objects and events, what is changed in it, and the cause that must be named.

`recordings` are real: Kubernetes 1.36 (API server, controllers, scheduler, kubelet), containerd, the CNI plugins of
Debian, Multus 4 and nadmit, one file for each object that was asked about; names of directories and addresses of the
API server are replaced. A composed case is a recording in which the text of an event, or one fact of an object, is
replaced; `source` says where the words are from.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

RECORDINGS = Path(__file__).parent / "recordings"
REAL = "real"

Object = dict[str, Any]
Change = Callable[[list[Object]], None]

STATUS = "k8s.v1.cni.cncf.io/network-status"
NETWORKS = "k8s.v1.cni.cncf.io/networks"


def keep(_objects: list[Object]) -> None:
    """Change nothing."""


class Case(NamedTuple):
    """One failure. `network`, `item` and `plugin` are those of a CNI error; None where there is none to name."""

    recording: str
    target: str
    cause: str
    network: str | None = None
    item: int | None = None
    plugin: str | None = None
    namespace: str = "shop"
    source: str = REAL
    change: Change = keep
    what: str = ""
    explain: str = ""

    @property
    def id(self) -> str:
        return f"{self.recording}{f' {self.what}' if self.what else ''}"


@cache
def _load(recording: str) -> list[Object]:
    items: list[Object] = yaml.safe_load((RECORDINGS / f"{recording}.yaml").read_text())["items"]
    return items


def objects_of(case: Case) -> list[Object]:
    """Return the objects of a case."""
    objects = copy.deepcopy(_load(case.recording))
    case.change(objects)
    return objects


def one(objects: list[Object], kind: str) -> Object:
    """Return the first object of a kind."""
    return next(item for item in objects if item["kind"] == kind)


# Changes


def words(text: str, *, of: str = "FailedCreatePodSandBox") -> Change:
    """Replace what the plugin says, behind its `failed (add): `, in all events of a reason."""

    def change(objects: list[Object]) -> None:
        for event in _events(objects, of):
            head = event["message"].rpartition(": error adding container to network")[0] or event["message"]
            mark = "failed (add): "
            before, found, _ = event["message"].rpartition(mark)
            if 'error adding container to network "' in event["message"]:
                network = event["message"].split('error adding container to network "')[1].partition('"')[0]
                event["message"] = f'{head}: error adding container to network "{network}": {text}'
            else:
                event["message"] = f"{before}{found}{text}"

    return change


def message(text: str, *, of: str) -> Change:
    """Replace the whole message of all events of a reason."""

    def change(objects: list[Object]) -> None:
        for event in _events(objects, of):
            event["message"] = text
        for item in objects:
            for condition in (item.get("status") or {}).get("conditions") or ():
                if condition["type"] in {"ReplicaFailure", "PodScheduled"} and condition.get("message"):
                    condition["message"] = text

    return change


def _events(objects: list[Object], reason: str) -> list[Object]:
    found = [item for item in objects if item["kind"] == "Event" and item["reason"] == reason]
    assert found
    return found


def pod(**annotations: str) -> Change:
    """Set annotations of the pod; "" removes one."""

    def change(objects: list[Object]) -> None:
        metadata = one(objects, "Pod")["metadata"]
        given = {_KEYS.get(key, key): text for key, text in annotations.items()}
        metadata["annotations"] = {key: text for key, text in {**metadata["annotations"], **given}.items() if text}

    return change


_KEYS = {"networks": NETWORKS, "status": STATUS, "misspelt": "k8s.v1.cni.cncf.io/network"}


def both(*changes: Change) -> Change:
    def change(objects: list[Object]) -> None:
        for each in changes:
            each(objects)

    return change


def without_events(*reasons: str) -> Change:
    """Remove events, as an API server does after an hour; of all reasons without a name."""

    def change(objects: list[Object]) -> None:
        objects[:] = [
            item for item in objects if item["kind"] != "Event" or (reasons and item["reason"] not in reasons)
        ]

    return change


def without_status(objects: list[Object]) -> None:
    for item in objects:
        item.pop("status", None)


def without_definitions(objects: list[Object]) -> None:
    objects[:] = [item for item in objects if item["kind"] != "NetworkAttachmentDefinition"]


def waits(reason: str, message: str) -> Change:
    """Let the containers wait for another reason, as the kubelet writes it."""

    def change(objects: list[Object]) -> None:
        for container in one(objects, "Pod")["status"]["containerStatuses"]:
            container["state"] = {"waiting": {"reason": reason, "message": message}}

    return change


def phase(name: str) -> Change:
    def change(objects: list[Object]) -> None:
        one(objects, "Pod")["status"]["phase"] = name

    return change


def in_new_form(objects: list[Object]) -> None:
    """Write events as events.k8s.io has them."""
    for event in objects:
        if event["kind"] == "Event":
            event |= {"apiVersion": "events.k8s.io/v1", "regarding": event.pop("involvedObject")}
            event |= {"note": event.pop("message"), "deprecatedLastTimestamp": event.pop("lastTimestamp", None)}
            event |= {"reportingController": event.pop("source", {}).get("component", ""), "deprecatedCount": 3}
            event.pop("count", None)


def as_cron_job(objects: list[Object]) -> None:
    """Give the Job a CronJob as its owner."""
    job = one(objects, "Job")
    metadata = {"name": "nightly", "namespace": job["metadata"]["namespace"], "uid": "uid-of-nightly"}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": metadata["uid"], "controller": True}
    job["metadata"]["ownerReferences"] = [owner]
    spec = {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": job["spec"]["template"]}}}
    objects.append({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec})


def as_daemon_set(objects: list[Object]) -> None:
    """Make the StatefulSet a DaemonSet for one node."""
    made = one(objects, "StatefulSet")
    made |= {"kind": "DaemonSet", "status": {"desiredNumberScheduled": 1}}
    made["spec"] = {"selector": made["spec"]["selector"], "template": made["spec"]["template"]}
    for event in objects:
        if event["kind"] == "Event":
            event["involvedObject"]["kind"] = "DaemonSet"
            event["message"] = event["message"].replace(
                "Create Pod db-0 in StatefulSet db failed error: ", "Error creating: "
            )


def as_machine(objects: list[Object]) -> None:
    """Make the StatefulSet a virtual machine of KubeVirt, which asks for the same network."""
    instance = one(objects, "StatefulSet")
    networks = [{"name": "green", "multus": {"networkName": "green/shared"}}]
    spec = {"domain": {"devices": {}}, "networks": networks}
    metadata = {"name": "db", "namespace": "blue", "uid": "uid-of-db"}
    owner = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "name": "db",
        "uid": "uid-of-db",
        "controller": True,
    }
    instance["metadata"]["ownerReferences"] = [owner]
    instance |= {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec}
    instance.pop("status")
    machine = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": metadata}
    objects.append({**machine, "spec": {"runStrategy": "Always", "template": {"spec": spec}}})
    for event in objects:
        if event["kind"] == "Event":
            event["involvedObject"]["kind"] = "VirtualMachineInstance"
            text = event["message"].replace("Create Pod db-0 in StatefulSet db failed error: ", "Error creating pod: ")
            event["message"] = text


def add_event(reason: str, text: str, component: str) -> Change:
    def change(objects: list[Object]) -> None:
        about = one(objects, "Pod")["metadata"]
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{about['name']}.{reason.lower()}", "namespace": about["namespace"]},
                "involvedObject": {
                    "kind": "Pod",
                    "namespace": about["namespace"],
                    "name": about["name"],
                    "uid": about["uid"],
                },
                "reason": reason,
                "message": text,
                "source": {"component": component},
                "lastTimestamp": "2026-11-29T14:00:00Z",
                "count": 1,
            }
        )

    return change


def event_only(reason: str, text: str, component: str = "kubelet") -> Change:
    """Let one event be all that is said of the pod."""
    return both(without_events(), add_event(reason, text, component))


def rejected(reason: str, text: str) -> Change:
    """Let the kubelet not admit the pod."""

    def change(objects: list[Object]) -> None:
        one(objects, "Pod")["status"] = {"phase": "Failed", "reason": reason, "message": text}

    return both(event_only(reason, text), change)


def gated(objects: list[Object]) -> None:
    one(objects, "Pod")["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]


def at_runtime(text: str) -> Change:
    """Replace the whole message of a kubelet by that of another runtime."""
    return message(text, of="FailedCreatePodSandBox")


# The cases

_SANDBOX = "Failed to create pod sandbox: rpc error: code = Unknown desc = "
_LATER_EVENTS = "kubernetes pkg/kubelet, pkg/scheduler: the texts of events"
_LISTED = "webhook/plugindata and the sources of the plugin"

CASES: tuple[Case, ...] = (
    # Refused by the webhook, by each family of rules
    Case("webhook/isolated", "deployment/isolated", "refused-by-rules", namespace="blue", explain="PostureIsolated"),
    Case("webhook/beyond", "deployment/beyond", "refused-by-rules", namespace="blue", explain="NotWithinRule"),
    Case("webhook/denied", "deployment/denied", "refused-by-rules", namespace="blue", explain="DenyRule"),
    Case("webhook/noconsent", "deployment/noconsent", "refused-by-rules", namespace="blue", explain="ConsentMissing"),
    Case("webhook/device", "deployment/device", "refused-by-rules", namespace="blue", explain="PostureDevice"),
    Case("webhook/route", "deployment/route", "refused-by-rules", namespace="blue", explain="DenyRule"),
    Case("webhook/once", "job/once", "refused-by-rules", namespace="blue", explain="PostureIsolated"),
    Case("webhook/db", "sts/db", "refused-by-rules", namespace="blue", explain="PostureIsolated"),
    Case("webhook/broken", "deploy/broken", "definition-unreadable", namespace="blue", explain="BuiltinUnsafeConfig"),
    Case("webhook/missing", "deployment/missing", "network-missing", namespace="blue", explain="network-not-found"),
    Case("webhook/elsewhere", "deployment/elsewhere", "namespace-wrong", namespace="blue", explain="network-not-found"),
    Case("webhook/badjson", "deployment/badjson", "refused-by-standard", namespace="blue", explain="json-syntax"),
    Case("webhook/badmac", "deployment/badmac", "refused-by-standard", namespace="blue", explain="mac-value"),
    Case("webhook/badkey", "deployment/badkey", "refused-by-standard", namespace="blue", explain="unknown-key"),
    Case("webhook/eth0", "deployment/eth0", "refused-by-standard", namespace="blue", explain="interface-reserved"),
    Case("webhook/two", "deployment/two", "refused-by-standard", namespace="blue", explain="NAD617"),
    Case(
        "webhook/isolated",
        "deployment/isolated",
        "refused-by-rules",
        namespace="blue",
        source="real, an hour later: events and conditions are gone",
        change=both(without_events(), without_status),
        what="without events",
        explain="PostureIsolated",
    ),
    # Refused by others
    Case("any/overquota", "deployment/overquota", "quota-exceeded", namespace="full"),
    Case("any/restricted", "deployment/restricted", "pod-security", namespace="strict"),
    Case("any/nosa", "deployment/nosa", "service-account-missing"),
    Case("webhook/unreachable", "deployment/allowed", "webhook-unreachable", namespace="blue"),
    Case(
        "webhook/isolated",
        "deployment/isolated",
        "refused-by-other",
        namespace="blue",
        source="kubernetes apiserver, ToStatusErr, with the name of Kyverno's webhook",
        change=message(
            'Error creating: admission webhook "validate.kyverno.svc-fail" denied the request: resource Pod/blue/x was '
            "blocked due to the following policies",
            of="FailedCreate",
        ),
        what="by Kyverno",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "quota-unspecified",
        namespace="full",
        source="kubernetes/website#641",
        change=message(
            'Error creating: pods "web-0" is forbidden: failed quota: compute: must specify limits.cpu,limits.memory',
            of="FailedCreate",
        ),
        what="quota wants limits",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "limit-range",
        namespace="full",
        source="harn3ss/open-infra#9",
        change=message(
            'Error creating: pods "web-0" is forbidden: maximum memory usage per Container is 4Gi, but limit is 8Gi',
            of="FailedCreate",
        ),
        what="limit range",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "security-policy",
        namespace="full",
        source="pulp/pulp-operator#1319",
        change=message(
            'Error creating: pods "web-0" is forbidden: unable to validate against any security context constraint: [provider "anyuid": Forbidden: not usable by user or serviceaccount]',
            of="FailedCreate",
        ),
        what="OpenShift",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "security-policy",
        namespace="full",
        source="kubernetes/minikube#7314",
        change=message(
            'Error creating: pods "web-0" is forbidden: no providers available to validate pod request',
            of="FailedCreate",
        ),
        what="no PodSecurityPolicy",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "refused-by-policy",
        namespace="full",
        source="kubernetes apiserver, plugin/policy/validating",
        change=message(
            "Error creating: pods \"web-0\" is forbidden: ValidatingAdmissionPolicy 'replicas.example.com' with binding 'all' denied request: failed expression: object.spec.replicas <= 5",
            of="FailedCreate",
        ),
        what="policy of the API server",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "reference-missing",
        namespace="full",
        source="openshift/hypershift#443",
        change=message(
            'Error creating: pods "web-0" is forbidden: no PriorityClass with name control-plane was found',
            of="FailedCreate",
        ),
        what="priority class missing",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "reference-missing",
        namespace="full",
        source="kubernetes plugin/pkg/admission/runtimeclass",
        change=message(
            'Error creating: pods "web-0" is forbidden: pod rejected: RuntimeClass "kata" not found', of="FailedCreate"
        ),
        what="runtime class missing",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "priority-class-refused",
        namespace="full",
        source="openebs-archive/cstor-operators#196",
        change=message(
            "Error creating: insufficient quota to match these scopes: [{PriorityClass In [system-node-critical system-cluster-critical]}]",
            of="FailedCreate",
        ),
        what="priority class guarded",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "namespace-ending",
        namespace="full",
        source="kubernetes plugin/pkg/admission/namespace/lifecycle",
        change=message(
            'Error creating: pods "web-0" is forbidden: unable to create new content in namespace full because it is being terminated',
            of="FailedCreate",
        ),
        what="namespace ends",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "webhook-unreachable",
        namespace="full",
        source="istio/istio#16481",
        change=message(
            'Error creating: Internal error occurred: failed calling admission webhook "sidecar-injector.istio.io": Post https://x: service "istio-sidecar-injector" not found',
            of="FailedCreate",
        ),
        what="old words",
    ),
    Case(
        "any/overquota",
        "deployment/overquota",
        "service-account-missing",
        namespace="full",
        source="kubernetes/kubernetes#135831",
        change=message(
            'Error creating: pods "web-0" is forbidden: error looking up service account full/nope: serviceaccount "nope" not found',
            of="FailedCreate",
        ),
        what="service account",
    ),
    # Not scheduled
    Case("any/devicenone", "devicenone", "device-short"),
    Case("any/selector", "selector", "node-selector"),
    Case("any/cpu", "cpu", "resource-short"),
    Case("any/volume", "volume", "volume-unbound"),
    Case(
        "any/selector",
        "selector",
        "node-taint",
        source=_LATER_EVENTS,
        change=message(
            "0/3 nodes are available: 3 node(s) had untolerated taint {dedicated: dpdk}. preemption: 0/3 nodes are "
            "available: 3 Preemption is not helpful for scheduling.",
            of="FailedScheduling",
        ),
        what="taint",
    ),
    Case(
        "any/selector",
        "selector",
        "claim-unallocated",
        source=_LATER_EVENTS,
        change=message("0/3 nodes are available: 3 cannot allocate all claims.", of="FailedScheduling"),
        what="claim",
    ),
    Case("any/selector", "selector", "scheduling-gate", source=_LATER_EVENTS, change=gated, what="gate"),
    Case(
        "any/selector",
        "selector",
        "host-port",
        source="kubernetes-sigs/kind#1552",
        change=message(
            "0/3 nodes are available: 1 node(s) didn't match node selector, 2 node(s) didn't have free ports for the requested pod ports.",
            of="FailedScheduling",
        ),
        what="host port",
    ),
    Case(
        "any/selector",
        "selector",
        "pod-affinity",
        source="red-hat-storage/ocs-operator#4163",
        change=message(
            "0/6 nodes are available: 1 node(s) had untolerated taint {unschedulable: true}, 2 node(s) didn't match pod topology spread constraints, 3 node(s) had untolerated taint {node-role.kubernetes.io/master: }.",
            of="FailedScheduling",
        ),
        what="other pods",
    ),
    Case(
        "any/selector",
        "selector",
        "device-short",
        source="k8snetworkplumbingwg/sriov-network-operator#302",
        change=message(
            "0/5 nodes are available: 2 Insufficient openshift.io/vfs, 3 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate.",
            of="FailedScheduling",
        ),
        what="device beside other nodes",
    ),
    Case(
        "any/selector",
        "selector",
        "node-selector",
        source="kubevirt/kubevirt#7779",
        change=message(
            "0/3 nodes are available: 1 Insufficient devices.kubevirt.io/kvm, 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 3 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            of="FailedScheduling",
        ),
        what="selector of all nodes",
    ),
    Case(
        "any/selector",
        "selector",
        "resource-short",
        source="kubernetes 1.7 plugin/pkg/scheduler",
        change=message(
            "No nodes are available that match all of the following predicates:: Insufficient cpu (3).",
            of="FailedScheduling",
        ),
        what="old words with one reason",
    ),
    Case(
        "any/selector",
        "selector",
        "resource-short",
        source="pangeo-data/pangeo-cloud-federation#140",
        change=message("0/3 nodes are available: 2 Insufficient cpu, 3 Insufficient memory.", of="FailedScheduling"),
        what="of all nodes first",
    ),
    Case(
        "any/selector",
        "selector",
        "volume-unbound",
        source="kubernetes/kubernetes#119967",
        change=message(
            "0/12 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }, 3 node(s) had volume node affinity conflict, 8 node(s) didn't match Pod's node affinity/selector.",
            of="FailedScheduling",
        ),
        what="volume elsewhere",
    ),
    # Not attached, Multus
    Case("multus/missing", "missing", "network-missing", "shop/nope", 1, "", explain="network-not-found"),
    Case("multus/wrongns", "wrongns", "namespace-wrong", "shop/secret", 1, ""),
    Case("multus/isolation", "crossns", "namespace-isolation", "infra/secret", 1, ""),
    Case("multus/nomaster", "nomaster", "master-missing", "shop/nomaster", 1, "macvlan"),
    Case("multus/novlanmaster", "novlanmaster", "master-missing", "shop/novlanmaster", 1, "vlan"),
    Case("multus/noipvlanmaster", "noipvlanmaster", "master-missing", "shop/noipvlanmaster", 1, "ipvlan"),
    Case("multus/nodevice", "nodevice", "master-missing", "shop/nodevice", 1, "host-device"),
    Case("multus/second", "second", "master-missing", "shop/nomaster", 2, "macvlan"),
    Case("multus/noipam", "noipam", "ipam-missing", "shop/noipam", 1, "bridge"),
    Case("multus/noplugin", "noplugin", "plugin-missing", "shop/noplugin", 1, "ovs"),
    Case("multus/tiny-b", "tiny-b", "range-exhausted", "shop/tiny", 1, "bridge"),
    Case("multus/outside", "outside", "address-outside", "shop/caps", 1, "bridge", explain="NAD601"),
    Case("multus/badsubnet", "badsubnet", "config-refused", "shop/badsubnet", 1, "bridge", explain="NAD303"),
    Case("multus/vlanid", "vlanid", "config-refused", "shop/vlanid", 1, "vlan", explain="NAD201"),
    Case("multus/badjson", "badjson", "definition-unreadable", "shop/badjson", 1, "", explain="json-syntax"),
    Case("multus/notype", "notype", "definition-unreadable", "shop/notype", 1, "", explain="cni-type"),
    Case("multus/ondisk", "ondisk", "file-missing", "shop/ondisk", 1, ""),
    Case("multus/dhcp", "dhcp", "dhcp-daemon-missing", "shop/dhcp", 1, "bridge"),
    Case("multus/oldversion", "oldversion", "version-unsupported", "shop/oldversion", 1, "firewall", explain="NAD112"),
    Case("multus/bigmtu", "bigmtu", "mtu-too-large", "shop/bigmtu", 1, "macvlan"),
    Case("multus/nosysctl", "nosysctl", "sysctl-unknown", "shop/nosysctl", 1, "tuning"),
    Case("multus/vf", "vf", "device-missing", "shop/vf", 1, "host-device"),
    Case("multus/badanno", "badanno", "annotation-unreadable", "", None, "", explain="json-syntax"),
    Case("multus/badmac", "badmac", "annotation-unreadable", "", None, "", explain="mac-value"),
    Case("multus/taken", "taken", "interface-taken", "shop/lan", None, "", explain="interface-reserved"),
    Case("multus/twice", "twice", "interface-taken", "shop/caps", 2, "", explain="interface-duplicate"),
    Case("multus/token", "fine", "token-refused", "", None, ""),
    Case("multus/away", "fine", "api-away", "", None, ""),
    # Not attached, nadmit
    Case("nadmit/missing", "missing", "network-missing", "shop/nope", 1, ""),
    Case("nadmit/wrongns", "wrongns", "namespace-wrong", "shop/secret", 1, ""),
    Case("nadmit/crossns", "crossns", "rules-on-node", "infra/secret", 1, "", explain="PostureIsolated"),
    Case("nadmit/nomaster", "nomaster", "master-missing", "shop/nomaster", 1, "macvlan"),
    Case("nadmit/novlanmaster", "novlanmaster", "master-missing", "shop/novlanmaster", 1, "vlan"),
    Case("nadmit/noipvlanmaster", "noipvlanmaster", "master-missing", "shop/noipvlanmaster", 1, "ipvlan"),
    Case("nadmit/nodevice", "nodevice", "master-missing", "shop/nodevice", 1, "host-device"),
    Case("nadmit/second", "second", "master-missing", "shop/nomaster", 2, "macvlan"),
    Case("nadmit/noipam", "noipam", "ipam-missing", "shop/noipam", 1, "bridge"),
    Case("nadmit/noplugin", "noplugin", "plugin-missing", "shop/noplugin", 1, "ovs"),
    Case("nadmit/tiny-b", "tiny-b", "range-exhausted", "shop/tiny", 1, "bridge"),
    Case("nadmit/outside", "outside", "address-outside", "shop/caps", 1, "bridge"),
    Case("nadmit/badsubnet", "badsubnet", "config-refused", "shop/badsubnet", 1, "bridge", explain="NAD303"),
    Case("nadmit/vlanid", "vlanid", "config-refused", "shop/vlanid", 1, "vlan", explain="NAD201"),
    Case("nadmit/badjson", "badjson", "definition-unreadable", "shop/badjson", 1, "", explain="json-syntax"),
    Case("nadmit/notype", "notype", "definition-unreadable", "shop/notype", 1, "", explain="cni-type"),
    Case("nadmit/ondisk", "ondisk", "file-missing", "shop/ondisk", 1, ""),
    Case("nadmit/dhcp", "dhcp", "dhcp-daemon-missing", "shop/dhcp", 1, "bridge"),
    Case("nadmit/oldversion", "oldversion", "version-unsupported", "shop/oldversion", 1, "firewall"),
    Case("nadmit/bigmtu", "bigmtu", "mtu-too-large", "shop/bigmtu", 1, "macvlan"),
    Case("nadmit/nosysctl", "nosysctl", "sysctl-unknown", "shop/nosysctl", 1, "tuning"),
    Case("nadmit/vf", "vf", "device-missing", "shop/vf", 1, "host-device"),
    Case("nadmit/badanno", "badanno", "annotation-unreadable", "", None, ""),
    Case("nadmit/badmac", "badmac", "annotation-unreadable", "", 1, ""),
    Case("nadmit/taken", "taken", "interface-taken", "", 1, ""),
    Case("nadmit/twice", "twice", "interface-taken", "shop/caps", 2, ""),
    Case("nadmit/token", "fine", "token-refused", "", None, ""),
    Case("nadmit/nometa", "fine", "attacher-missing", "", None, "nadmitt"),
    Case(
        "nadmit/token",
        "fine",
        "api-away",
        "",
        None,
        "",
        source="real, from an event of another pod of that run",
        change=words("pod shop/fine: API server https://10.96.0.1:6999: the time is over: Connection refused"),
        what="API server away",
    ),
    Case(
        "nadmit/token",
        "fine",
        "right-missing",
        "",
        None,
        "",
        source="cniplugin/cluster/kubeapi.py, 403",
        change=words(
            "pod shop/fine: API server https://10.96.0.1:443: this account may not get pods in namespace shop: "
            '"pods \\"fine\\" is forbidden"; grant it'
        ),
        what="right missing",
    ),
    Case(
        "nadmit/vf",
        "vf",
        "device-missing",
        "shop/vf",
        1,
        "host-device",
        source="cniplugin/attach/devices.py, 101",
        change=words(
            'pod shop/vf: network shop/vf (net1): there is no device of resource "example.com/vf" left: the kubelet gave '
            "the pod none of it, and 1 attachment needs one (net1)"
        ),
        what="no device left",
    ),
    # Not attached, the same with other programs
    Case(
        "multus/tiny-b",
        "tiny-b",
        "range-exhausted",
        "shop/tiny",
        1,
        "bridge",
        source="whereabouts pkg/allocate, pkg/storage",
        change=words(
            "error at storage engine: Could not allocate IP in range: ip: 10.9.5.10 / - 10.9.5.10 / range: 10.9.5.0/24"
        ),
        what="whereabouts",
    ),
    Case(
        "multus/dhcp",
        "dhcp",
        "dhcp-silent",
        "shop/dhcp",
        1,
        "bridge",
        source="containernetworking/plugins, ipam/dhcp",
        change=words("error calling DHCP.Allocate: no more tries"),
        what="no server",
    ),
    Case(
        "multus/tiny-b",
        "tiny-b",
        "address-taken",
        "shop/tiny",
        1,
        "bridge",
        source="containernetworking/plugins, host-local backend/allocator",
        change=words("requested IP address 10.9.5.10 is not available in range set 10.9.5.10-10.9.5.10"),
        what="address in use",
    ),
    Case(
        "multus/tiny-b",
        "tiny-b",
        "address-taken",
        "shop/tiny",
        1,
        "bridge",
        source="containernetworking/plugins, pkg/ip SettleAddresses",
        change=words("link net1 still has tentative addresses after 10 seconds"),
        what="duplicate address detection",
    ),
    Case(
        "multus/vf",
        "vf",
        "device-missing",
        "shop/vf",
        1,
        "host-device",
        source="sriov-cni pkg/config",
        change=at_runtime(
            f'{_SANDBOX}failed to setup network for sandbox "7a": plugin type="multus" name="multus" failed (add): '
            '[shop/vf/5d4c:vf]: error adding container to network "vf": SRIOV-CNI failed to load netconf: LoadConf(): VF '
            "pci addr is required"
        ),
        what="SR-IOV",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "master-missing",
        "shop/nomaster",
        1,
        "macvlan",
        source="Multus 4 cmd/multus-shim and pkg/server, the daemon",
        change=at_runtime(
            f'{_SANDBOX}failed to setup network for sandbox "7a": plugin type="multus-shim" name="multus-cni-network" '
            'failed (add): CmdAdd (shim): CNI request failed with status 400: \'ContainerID:"7a" Netns:"/var/run/netns/x" '
            'IfName:"eth0" Args:"K8S_POD_NAME=nomaster" Path:"" ERRORED: error configuring pod [shop/nomaster] '
            'networking: [shop/nomaster/5d4c:nomaster]: error adding container to network "nomaster": Link not found\n\': '
            'StdinData: {"cniVersion":"1.0.0"}'
        ),
        what="Multus with a daemon",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "master-missing",
        "shop/nomaster",
        1,
        "macvlan",
        source="kubelet before 1.24 with Docker, Multus 3.7",
        change=at_runtime(
            f'{_SANDBOX}[failed to set up sandbox container "7a" network for pod "nomaster": networkPlugin cni failed to set '
            'up pod "nomaster_shop" network: [shop/nomaster:nomaster]: error adding container to network "nomaster": Link '
            'not found, failed to clean up sandbox container "7a" network for pod "nomaster": networkPlugin cni failed to '
            'teardown pod "nomaster_shop" network: delegateDel: error invoking DelegateDel - "macvlan": Link not found]'
        ),
        what="Docker",
    ),
    Case(
        "multus/noplugin",
        "noplugin",
        "plugin-missing",
        "shop/noplugin",
        1,
        "ovs",
        source="kubelet before 1.24 with Docker, Multus 3.2",
        change=at_runtime(
            'Failed create pod sandbox: rpc error: code = Unknown desc = [failed to set up sandbox container "7a" network '
            'for pod "noplugin": NetworkPlugin cni failed to set up pod "noplugin_shop" network: Multus: Err adding pod to '
            'network "noplugin": Multus: error in invoke Delegate add - "ovs": failed to find plugin "ovs" in path '
            '[/opt/cni/bin], failed to clean up sandbox container "7a" network for pod "noplugin": x]'
        ),
        what="old Multus",
    ),
    Case(
        "multus/vf",
        "vf",
        "device-unusable",
        "shop/vf",
        1,
        "sriov",
        source="kubelet before 1.24 with Docker, Multus 3.4, sriov-cni",
        change=at_runtime(
            f'{_SANDBOX}[failed to set up sandbox container "7a" network for pod "vf": networkPlugin cni failed to set up '
            'pod "vf_shop" network: Multus: [shop/vf]: error adding container to network "vf": delegateAdd: error invoking '
            'DelegateAdd - "sriov": error in getting result from AddNetwork: SRIOV-CNI failed to configure VF "failed to '
            'set vf 2 link state to 1: operation not supported", failed to clean up sandbox container "7a" network for pod '
            '"vf": x]'
        ),
        what="a driver that cannot do it",
    ),
    Case(
        "multus/vf",
        "vf",
        "device-unusable",
        "shop/vf",
        1,
        "host-device",
        source="sriov-cni pkg/config",
        change=at_runtime(
            f'{_SANDBOX}failed to setup network for sandbox "7a": plugin type="multus" name="multus" failed (add): '
            '[shop/vf/:vf]: error adding container to network "vf": SRIOV-CNI failed to load netconf: LoadConf(): failed to '
            'get VF information: "lstat /sys/bus/pci/devices/0000:01:00.1/physfn/net: no such file or directory"'
        ),
        what="a device without a kernel interface",
    ),
    Case(
        "multus/tiny-b",
        "tiny-b",
        "ipv6-off",
        "shop/tiny",
        1,
        "bridge",
        source="containernetworking/plugins pkg/ipam",
        change=words('failed to add IP addr {IP:fd00::5 Mask:ffff Gateway:fd00::1} to "net1": permission denied'),
        what="IPv6 off",
    ),
    Case(
        "multus/tiny-b",
        "tiny-b",
        "ipv6-off",
        "shop/tiny",
        1,
        "bridge",
        source="containernetworking/plugins pkg/ip",
        change=words("open /proc/sys/net/ipv6/conf/net1/accept_dad: no such file or directory"),
        what="a kernel without IPv6",
    ),
    Case(
        "multus/token",
        "fine",
        "pod-not-found",
        "",
        None,
        "",
        source="Multus 4 pkg/multus",
        change=words('Multus: [shop/fine/5d4c]: error waiting for pod: pod "fine" not found'),
        what="pod not found",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "request-refused",
        "shop/nomaster",
        1,
        "macvlan",
        source="containernetworking/plugins, macvlan with a multicast MAC address",
        change=words("failed to create macvlan: cannot assign requested address"),
        what="multicast MAC address",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "master-missing",
        "shop/nomaster",
        1,
        "macvlan",
        source="macvtap-cni",
        change=words('failed to lookup device "eth0Mvp8": Link not found'),
        what="macvtap",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "attachment-failed",
        "shop/nomaster",
        1,
        "macvlan",
        source="spiderpool: not an interface of the node",
        change=words(
            "failed to ip checking: failed to init arp client: listen packet 0a:d7:2d:a6:81:62: bind: no such device"
        ),
        what="no such device",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "plugin-crashed",
        "shop/nomaster",
        1,
        "macvlan",
        source="libcni pkg/invoke",
        change=words("netplugin failed with no error message: signal: killed"),
        what="plugin crashed",
    ),
    Case(
        "multus/badsubnet",
        "badsubnet",
        "config-refused",
        "shop/badsubnet",
        1,
        "bridge",
        source="containernetworking/plugins, meta plugins",
        change=words("must be called as chained plugin"),
        what="not chained",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "daemon-away",
        "",
        None,
        "",
        source="Multus 4 cmd/multus-shim",
        change=at_runtime(
            f'{_SANDBOX}failed to setup network for sandbox "7a": plugin type="multus-shim" name="multus-cni-network" '
            'failed (add): CmdAdd (shim): failed to send CNI request: Post "http://dummy/cni": dial unix '
            "/run/multus/multus.sock: connect: connection refused"
        ),
        what="daemon of Multus away",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "master-missing",
        "shop/nomaster",
        1,
        "macvlan",
        source="CRI-O internal/ocicni",
        change=at_runtime(
            f"{_SANDBOX}failed to create pod network sandbox k8s_nomaster_shop_5d4c_0(7a): error adding pod shop_nomaster "
            'to CNI network "multus-cni-network": plugin type="multus" name="multus-cni-network" failed (add): '
            '[shop/nomaster/5d4c:nomaster]: error adding container to network "nomaster": Link not found'
        ),
        what="CRI-O",
    ),
    Case(
        "multus/token",
        "fine",
        "default-network-not-ready",
        "",
        None,
        "",
        source="Multus 4 pkg/multus",
        change=words(
            "Multus: [shop/fine/5d4c]: have you checked that your default network is ready? still waiting for "
            "readinessindicatorfile @ /run/flannel/subnet.env. pollimmediate error: timed out waiting for the condition"
        ),
        what="readiness file",
    ),
    # Not attached, from public bug reports
    Case(
        "multus/nomaster",
        "nomaster",
        "master-busy",
        "shop/nomaster",
        1,
        "macvlan",
        source="k8snetworkplumbingwg/multus-cni#715",
        change=words("device or resource busy"),
        what="interface busy",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "bridge-address",
        "shop/nomaster",
        1,
        "macvlan",
        source="kubernetes/kubernetes#76070",
        change=words('failed to set bridge addr: "cni0" already has an IP address different from 10.244.1.1/24'),
        what="bridge with another address",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "kernel-unable",
        "shop/nomaster",
        1,
        "macvlan",
        source="k8snetworkplumbingwg/multus-cni#884",
        change=words('failed to create bridge "cni0": could not add "cni0": protocol not available'),
        what="kernel",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "packet-filter",
        "shop/nomaster",
        1,
        "macvlan",
        source="kubernetes-sigs/kind#550",
        change=words(
            "unable to setup DNAT: running [/sbin/iptables -t nat -A CNI-HOSTPORT-DNAT --wait]: exit status 1"
        ),
        what="iptables",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "node-exhausted",
        "shop/nomaster",
        1,
        "macvlan",
        source="containernetworking/plugins plugins/ipam/host-local",
        change=words("open /var/lib/cni/networks/nomaster/lock: no space left on device"),
        what="disk full",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "address-unset",
        "shop/nomaster",
        1,
        "macvlan",
        source="k8snetworkplumbingwg/multus-cni#278",
        change=words("IPAM plugin returned missing IP config"),
        what="no address",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "pool-missing",
        "shop/nomaster",
        1,
        "macvlan",
        source="kubesphere/kubesphere#5036",
        change=words("cannot find a qualified ippool"),
        what="no pool",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "route-taken",
        "shop/nomaster",
        1,
        "macvlan",
        source="k8snetworkplumbingwg/multus-cni#241",
        change=words("failed to add IPv4 route for 0.0.0.0/0 via 169.254.1.1: file exists"),
        what="route",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "kubeconfig-missing",
        "shop/nomaster",
        1,
        "macvlan",
        source="k8snetworkplumbingwg/whereabouts#54",
        change=words("stat /etc/cni/net.d/whereabouts.d/whereabouts.kubeconfig: no such file or directory"),
        what="kubeconfig of the IPAM plugin",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "netns-unseen",
        "shop/nomaster",
        1,
        "macvlan",
        source="networkop/meshnet-cni#19",
        change=words('failed to Statfs "/proc/6702/ns/net": no such file or directory'),
        what="network namespace",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "plugin-daemon-away",
        "shop/nomaster",
        1,
        "macvlan",
        source="k8snetworkplumbingwg/ovs-cni#119",
        change=words("failed to connect to ovsdb error: Invalid socket file"),
        what="agent",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "token-refused",
        "shop/nomaster",
        1,
        "macvlan",
        source="projectcalico/calico#9215",
        change=words("error getting ClusterInformation: connection is unauthorized: Unauthorized"),
        what="credentials of the plugin",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "pod-resources-away",
        "",
        None,
        "",
        source="k8snetworkplumbingwg/sriov-network-device-plugin#388",
        change=at_runtime(
            f'{_SANDBOX}failed to setup network for sandbox "7a": plugin type="multus" name="multus-cni-network" failed (add): [shop/nomaster/5d4c]: error loading k8s delegates k8s args: getKubernetesDelegate: failed to get a ResourceClient instance: getK8sResourceClient'
        ),
        what="devices of the kubelet",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "attacher-loops",
        "multus-cni-network",
        None,
        "",
        source="k8snetworkplumbingwg/ovs-cni#274",
        change=at_runtime(
            f'{_SANDBOX}failed to setup network for sandbox "7a": plugin type="multus" name="multus-cni-network" failed (add): [shop/nomaster/5d4c:multus-cni-network]: error adding container to network "multus-cni-network": CmdAdd (shim): failed to send CNI request: Post "http://dummy/cni": dial unix /run/multus/multus.sock: connect: connection refused'
        ),
        what="Multus in itself",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "controller-silent",
        "shop/nomaster",
        1,
        "macvlan",
        source="ovn-kubernetes/ovn-kubernetes#3859",
        change=at_runtime(
            f'{_SANDBOX}failed to setup network for sandbox "7a": plugin type="multus" name="multus-cni-network" failed (add): [shop/nomaster/5d4c:nomaster]: error adding container to network "nomaster": CNI request failed with status 400: \'[shop/nomaster 7a network l2 NAD shop/l2] failed to get pod annotation: timed out waiting for annotations\''
        ),
        what="OVN-Kubernetes",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "plugin-daemon-away",
        "",
        None,
        "azure-vnet",
        source="Azure/AKS#4342",
        change=at_runtime(
            f"{_SANDBOX}failed to setup network for sandbox '7a': plugin type='azure-vnet' failed (add): Post 'http://localhost:10090/network/x': dial tcp 127.0.0.1:10090: connect: connection refused"
        ),
        what="quotes of another kind",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "default-network-not-ready",
        "",
        None,
        "flannel",
        source="flannel-io/flannel#2253",
        change=at_runtime(
            f'{_SANDBOX}failed to setup network for sandbox "7a": plugin type="flannel" failed (add): loadFlannelSubnetEnv failed: open /run/flannel/subnet.env: no such file or directory'
        ),
        what="default network",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "right-missing",
        "",
        None,
        "",
        source="projectcalico/calico#3776",
        change=at_runtime(
            f'{_SANDBOX}failed to create pod network sandbox k8s_nomaster_shop_5d4c_0(7a): ipamconfigs.crd.projectcalico.org "default" is forbidden: User "system:serviceaccount:kube-system:canal" cannot get resource "ipamconfigs" in API group "crd.projectcalico.org"'
        ),
        what="CRI-O without a plugin",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "master-missing",
        "shop/nomaster",
        1,
        "macvlan",
        source="crc-org/crc#1462",
        change=at_runtime(
            f'{_SANDBOX}failed to create pod network sandbox k8s_nomaster_shop_5d4c_0(7a): Multus: [shop/nomaster]: error adding container to network "nomaster": delegateAdd: error invoking confAdd - "macvlan": error in getting result from AddNetwork: failed to lookup master "eth9": Link not found'
        ),
        what="list of old Multus",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "api-away",
        "",
        None,
        "",
        source="k8snetworkplumbingwg/multus-cni#943",
        change=at_runtime(
            f'{_SANDBOX}failed to set up sandbox container "7a" network for pod "nomaster": networkPlugin cni failed to set up pod "nomaster_shop" network: Multus: Err in loading K8s Delegates k8s args: Multus: Get "https://10.96.0.1:443/api/v1/namespaces/shop/pods/nomaster": dial tcp 10.96.0.1:443: i/o timeout'
        ),
        what="Multus loading networks",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "sandbox-failed",
        source="containerd/cri#239",
        change=at_runtime(
            f'{_SANDBOX}failed to get sandbox image "pause:3.0": failed to pull image "pause:3.0": locked: unavailable'
        ),
        what="image of the sandbox",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "attempt-hangs",
        source="k8snetworkplumbingwg/whereabouts#19",
        change=at_runtime(
            "Failed create pod sandbox: rpc error: code = DeadlineExceeded desc = context deadline exceeded"
        ),
        what="deadline",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "claim-unprepared",
        source="kubernetes-sigs/dra-driver-nvidia-gpu#814",
        change=event_only(
            "FailedPrepareDynamicResources",
            "Failed to prepare dynamic resources: prepare dynamic resources: DRA driver x.example.com is not registered",
        ),
        what="claim",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "sandbox-failed",
        source="kubernetes/kubernetes#103542",
        change=event_only(
            "FailedCreatePodContainer",
            "unable to ensure pod container exists: failed to create container for [kubepods burstable pod5d4c]",
        ),
        what="cgroup",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "network-missing",
        source="kumahq/kuma#4224",
        change=event_only(
            "NoNetworkFound",
            "cannot find a network-attachment-definition (nope) in namespace (shop): not found",
            "multus",
        ),
        what="event of Multus",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "kubelet-refused",
        source="k8snetworkplumbingwg/multus-cni#413",
        change=rejected("TopologyAffinityError", "Pod Resources cannot be allocated with Topology locality"),
        what="topology",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "kubelet-refused",
        source="kubernetes/kubernetes#97131",
        change=rejected(
            "UnexpectedAdmissionError", "Pod Allocate failed due to device plugin GetPreferredAllocation rpc failed"
        ),
        what="device plugin",
    ),
    Case("any/nocni", "fine", "node-without-cni"),
    Case("any/noconfigmap", "noconfigmap", "volume-missing"),
    # Attached other than asked
    Case("multus/hostnet", "hostnet", "host-network"),
    Case("nadmit/hostnet", "hostnet", "host-network"),
    Case("multus/later", "plain", "changed-later"),
    Case("nadmit/later", "plain", "changed-later"),
    Case("any/ontemplate", "deployment/ontemplate", "annotation-place", explain="annotation-place"),
    Case(
        "multus/plain",
        "plain",
        "annotation-name",
        source="real, with a misspelt annotation",
        change=pod(misspelt="lan"),
        what="annotation misspelt",
        explain="annotation-name",
    ),
    Case(
        "multus/fine",
        "fine",
        "request-ignored",
        source="real, asking for another address",
        change=pod(networks='[{"name": "lan", "ips": ["10.9.0.77/24"]}]'),
        what="other address",
    ),
    Case(
        "nadmit/fine",
        "fine",
        "request-ignored",
        source="real, asking for another MAC address",
        change=pod(networks='[{"name": "lan", "mac": "02:23:45:67:89:77"}]'),
        what="other MAC address",
    ),
    Case(
        "multus/fine",
        "fine",
        "no-attacher",
        source="real, as on a node without Multus",
        change=both(pod(status=""), without_events("AddedInterface")),
        what="no attacher",
    ),
    Case(
        "nadmit/fine",
        "fine",
        "status-missing",
        source="cniplugin/attach/reporting.py",
        change=both(
            pod(status=""),
            without_events("AddedInterface"),
            add_event(
                "NetworkStatusNotWritten", "API server https://10.96.0.1:443: this account may not patch pods", "nadmit"
            ),
        ),
        what="status not written",
    ),
    # Attached, and not running
    Case("any/crash", "crash", "container-ends"),
    Case("any/noimage", "noimage", "image-missing"),
    Case(
        "any/noimage",
        "noimage",
        "container-config",
        source=_LATER_EVENTS,
        change=waits("CreateContainerConfigError", 'secret "nope" not found'),
        what="secret missing",
    ),
    Case("multus/fine", "fine", "ended", source="real, after its end", change=phase("Succeeded"), what="ended"),
    Case(
        "multus/nomaster",
        "nomaster",
        "starting",
        source="real, before the first attempt",
        change=without_events("FailedCreatePodSandBox"),
        what="before the first attempt",
    ),
    # Other forms of the same
    Case(
        "multus/nomaster",
        "nomaster",
        "master-missing",
        "shop/nomaster",
        1,
        "macvlan",
        source="real, written as events.k8s.io",
        change=in_new_form,
        what="events of the new API",
    ),
    Case(
        "webhook/once",
        "cronjob/nightly",
        "refused-by-rules",
        namespace="blue",
        source="real, of a CronJob",
        change=as_cron_job,
        what="of a CronJob",
        explain="PostureIsolated",
    ),
    Case(
        "webhook/db",
        "daemonset/db",
        "refused-by-rules",
        namespace="blue",
        source="kubernetes pkg/controller/daemon",
        change=as_daemon_set,
        what="of a DaemonSet",
        explain="PostureIsolated",
    ),
    Case(
        "webhook/db",
        "vm/db",
        "refused-by-rules",
        namespace="blue",
        source="kubevirt pkg/virt-controller/watch/vmi",
        change=as_machine,
        what="of a virtual machine",
        explain="PostureIsolated",
    ),
    # Fine
    Case("multus/fine", "fine", "fine"),
    Case("nadmit/fine", "fine", "fine"),
    Case("multus/plain", "plain", "no-networks"),
    Case("nadmit/plain", "plain", "no-networks"),
    # Words that nobody knows, and a mistake that the webhook knows
    Case(
        "multus/badsubnet",
        "badsubnet",
        "config-refused",
        "shop/badsubnet",
        1,
        "bridge",
        source="real, with words that nobody knows",
        change=words("frobnication error 0x17"),
        what="by the webhook's verdict",
        explain="NAD303",
    ),
    Case(
        "multus/outside",
        "outside",
        "request-refused",
        "shop/caps",
        1,
        "bridge",
        source="real, with words that nobody knows",
        change=words("frobnication error 0x17"),
        what="by the webhook's verdict",
        explain="NAD601",
    ),
    # Not known, and said so
    Case(
        "any/noimage",
        "noimage",
        "not-running",
        source="invented: a runtime",
        change=waits("TheMoonIsFull", "wait for the sun"),
        what="a reason that nobody knows",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "attachment-failed",
        "shop/nomaster",
        1,
        "macvlan",
        source="invented: a plugin of nobody",
        change=words("frobnication error 0x17 in the vendor fabric"),
        what="words that nobody knows",
    ),
    Case(
        "any/selector",
        "selector",
        "unschedulable",
        source="argoproj/argo-workflows#190",
        change=message(
            "No nodes are available that match all of the following predicates:: Insufficient cpu (9), Insufficient "
            "memory (15), MatchNodeSelector (18).",
            of="FailedScheduling",
        ),
        what="old words with several reasons",
    ),
    Case(
        "any/selector",
        "selector",
        "unschedulable",
        source="invented: a scheduler plugin",
        change=message("0/1 nodes are available: 1 the moon is full.", of="FailedScheduling"),
        what="words of a scheduler that nobody knows",
    ),
    Case(
        "multus/nomaster",
        "nomaster",
        "no-evidence",
        source="real, an hour later",
        change=without_events(),
        what="events gone",
    ),
    Case(
        "webhook/isolated",
        "deployment/isolated",
        "create-failed",
        namespace="blue",
        source="invented: another plugin of the API server",
        change=message('Error creating: pods "x" is forbidden: the moon is full', of="FailedCreate"),
        what="words of an API server that nobody knows",
    ),
)
