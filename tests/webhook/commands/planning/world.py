"""A cluster in which a change is predicted, then carried out, and then every pod is created again.

Nothing of the plan is used for the second part: the objects are in the store of the in-process API server, reviews go to
`Reviews` over the caches that watch this server, and the attachments are those that the node's own planner makes.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from cniplugin.access.model.decision import Config
from cniplugin.attach import podnetworks
from cniplugin.cluster.objects import Pod
from cniplugin.cnierrors import CniError, NotFoundError
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.plan import Attachment
from cniplugin.protocol import netconf
from tests.fakes.apiserver import ApiServer
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import locate
from webhook.admission.model.requests import Decision, Request
from webhook.admission.mutation import jsonpatch
from webhook.admission.view.decisioncontext import CompiledRules, Configuration
from webhook.cli import nadmit
from webhook.configuration import parsing, sections
from webhook.configuration.texts import ConfigurationError
from webhook.kube.connection import Connection
from webhook.kube.informers import Informer, Timing
from webhook.review.reviews import Reviews
from webhook.snapshot.caches import Caches
from webhook.snapshot.pods import Pods
from webhook.snapshot.snapshot import Snapshot
from webhook.snapshot.source import caches_of

Json = dict[str, Any]

NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
LAST = "kubectl.kubernetes.io/last-applied-configuration"
SETTINGS = "/api/v1/configmaps"
PATHS = {
    "NetworkAttachmentDefinition": "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions",
    "NetworkAttachmentPolicy": "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicies",
    "NetworkAttachmentPolicyConfig": "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicyconfigs",
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/pods",
    "Deployment": "/apis/apps/v1/deployments",
    "ReplicaSet": "/apis/apps/v1/replicasets",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "CronJob": "/apis/batch/v1/cronjobs",
    "VirtualMachine": "/apis/kubevirt.io/v1/virtualmachines",
    "ConfigMap": SETTINGS,
}
RESOURCES = {kind: path.rpartition("/")[2] for kind, path in PATHS.items()}
GLOBAL = ("Namespace", "NetworkAttachmentPolicy", "NetworkAttachmentPolicyConfig")
HASH = "pod-template-hash"


class Fate(NamedTuple):
    """What became of one pod. `networks`: what plugins would get, by network; `pod`: as it was stored, and `asked`."""

    verdict: str
    networks: tuple[tuple[str, str], ...] = ()
    asked: str = ""
    pod: str = ""
    causes: tuple[str, ...] = ()


class _Observer:
    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Take a review."""


def _listed(kubeconfig: Path) -> Snapshot:
    """Return the snapshot of caches that have listed the server as it is now."""
    connection = Connection(kubeconfig, environ={})
    connection.open()
    caches = Caches(pods=Pods("kube-system"))
    try:
        for resource, cache in caches_of(caches):
            Informer(
                connection, resource, cache, timing=Timing(), clock=time.monotonic, jitter=random.random
            ).list_once()
    finally:
        connection.close()
    return caches.snapshot()


class Webhook:
    """The review path over caches that have listed the server."""

    def __init__(self, kubeconfig: Path, settings: Configuration) -> None:
        snapshot = _listed(kubeconfig)
        self._reviews = Reviews(
            snapshot=lambda: snapshot,
            problem=lambda: None,
            rules=CompiledRules(Config()),
            configuration=lambda: settings,
            network_namespace="kube-system",
            observer=_Observer(),
        )

    def ask(self, path: str, one: Json, *, operation: str = "CREATE", old: Json | None = None) -> Json:
        """Return the response about an object."""
        group, _, version = one["apiVersion"].rpartition("/")
        metadata = one["metadata"]
        request = {
            "uid": "u",
            "kind": {"group": group, "version": version, "kind": one["kind"]},
            "resource": {"group": group, "version": version, "resource": RESOURCES.get(one["kind"], "others")},
            "operation": operation,
            "name": metadata.get("name", ""),
            "namespace": metadata.get("namespace", ""),
            "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
            "object": None if operation == "DELETE" else one,
            "oldObject": old,
        }
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        answer = self._reviews(path, json.dumps(body).encode())
        assert isinstance(answer, bytes)
        response: Json = json.loads(answer)["response"]
        return response

    def create(self, pod: Json) -> tuple[Json | None, Json]:
        """Return the pod as it would be stored, None if it is refused, and the last response."""
        response = self.ask("/mutate", pod)
        if not response["allowed"]:
            return None, response
        if "patch" in response:
            pod = jsonpatch.apply(json.loads(base64.b64decode(response["patch"])), pod)
        response = self.ask("/validate", pod)
        return (pod if response["allowed"] else None), response


class Reader:
    """The API server for the node's planner. `find`: a path to what is there, None if there is nothing."""

    def __init__(self, find: Callable[[str], Json | None]) -> None:
        self.memo: dict[tuple[str, ...], object] = {}
        self.server = "https://192.0.2.1:6443"
        self._find = find

    def ask(self, *paths: str) -> None:
        """Without a connection there is nothing to send ahead."""

    def left_s(self) -> float:
        return 30.0

    def limit(self, seconds: float) -> None:
        """Without a connection there is no waiting."""

    def get(self, path: str, *, appears_within_s: float = 0.0) -> Json:  # noqa: ARG002  # as in the protocol
        found = self._find(path.partition("?")[0])
        if found is None:
            raise NotFoundError(11, f"{path} is not found")
        return found


def node_plan(pod: Json, find: Callable[[str], Json | None]) -> list[tuple[str, str]]:
    """Return the networks that a node attaches for a pod, and what their plugins get. Raises SpecErrors and CniError."""
    metadata = pod["metadata"]
    asked = Pod(
        namespace=metadata["namespace"],
        name=metadata.get("name", "made"),
        uid="u",
        labels=metadata.get("labels", {}),
        annotations=metadata.get("annotations", {}),
        service_account=pod["spec"].get("serviceAccountName", "default"),
        is_static=False,
    )
    with tempfile.TemporaryDirectory() as directory:
        on_disk = {"cniVersion": "1.0.0", "name": "chain", "type": "bridge"}
        (Path(directory) / "chain.conf").write_text(json.dumps(on_disk))
        raw: Json = {"cniVersion": "1.0.0", "name": "n", "delegates": [{"type": "bridge"}]}
        raw |= {"recordDir": directory, "confDir": directory, "kubeletDir": directory}
        conf, _ = netconf.parse(raw)
        # NB: devices are chosen by the kubelet, which is not here.
        plan = podnetworks._plan_networks(conf, asked, Reader(find), namespace="", ifname="eth0", report=_ignore)
    return [(one.network.reference, _what(one)) for one in plan.attachments if one.network.namespace]


class World:
    """The cluster. `settings`: the text of the NadmitConfiguration, "" for none."""

    def __init__(self, folder: Path, objects: Sequence[Json], settings: str) -> None:
        self.folder = folder
        self.api = ApiServer()
        self.api.has_whole_pods = True
        self.api.serve(*PATHS.values())
        self.api.__enter__()
        self.kubeconfig = write_kubeconfig(folder / "kubeconfig", self.api.url)
        for one in objects:
            self._store(one)
        if settings:
            self._store(config_map(settings))
        self._run_pods()

    def close(self) -> None:
        self.api.close()

    def _store(self, written: Json) -> None:
        """Store an object as `kubectl apply` does; the annotation of the last time keeps its text."""
        made = copy.deepcopy(written)
        old = self._find(written)
        annotations = made["metadata"].setdefault("annotations", {})
        annotations[LAST] = json.dumps(written)
        if made["kind"] == "Namespace":
            made["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = made["metadata"]["name"]
        if old is not None:
            made["metadata"]["uid"] = old["metadata"]["uid"]
        self.api.put(PATHS[made["kind"]], made)

    def _find(self, one: Json) -> Json | None:
        metadata = one["metadata"]
        found = self.api.objects.get(PATHS[one["kind"]], {})
        return found.get((metadata.get("namespace", ""), metadata["name"]))

    def webhook(self) -> Webhook:
        """Return the webhook as it is after all caches have listed."""
        return Webhook(self.kubeconfig, self._settings())

    def _settings(self) -> Configuration:
        stored = self.api.objects[SETTINGS].get(("nadmit-system", "nadmit-webhook"))
        if stored is None:
            return sections.defaults().to_value({})
        return parsing.read(stored["data"]["config.yaml"].encode(), where="map").to_value({})

    # Pods

    def makers(self) -> dict[str, tuple[Json, int]]:
        """Return the pod of each maker, by its title, and how many run at first."""
        found: dict[str, tuple[Json, int]] = {}
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "CronJob"):
            for (namespace, name), one in self.api.objects[PATHS[kind]].items():
                steps = ("jobTemplate", "spec", "template") if kind == "CronJob" else ("template",)
                template = one["spec"]
                for step in steps:
                    template = template[step]
                metadata = {**copy.deepcopy(template.get("metadata", {})), "generateName": f"{name}-"}
                pod = _pod({**metadata, "namespace": namespace}, template["spec"])
                found[f"{kind.lower()} {namespace}/{name}"] = pod, one["spec"].get("replicas", 1)
        for (namespace, name), one in self.api.objects[PATHS["VirtualMachine"]].items():
            found[f"virtualmachine {namespace}/{name}"] = (
                _launcher(namespace, name, one["spec"]),
                int(one["spec"]["running"]),
            )
        for (namespace, name), one in self.api.objects[PATHS["Pod"]].items():
            if not one["metadata"].get("ownerReferences"):
                kept = {key: one["metadata"][key] for key in ("labels", "annotations") if key in one["metadata"]}
                annotations = {key: text for key, text in kept.get("annotations", {}).items() if key != STATUS}
                metadata = {**kept, "annotations": annotations, "name": name, "namespace": namespace}
                found[f"pod {namespace}/{name}"] = _pod(metadata, one["spec"]), 1
        return found

    def _run_pods(self) -> None:
        """Create the pods of all workloads, as controllers do, and the pods of the store as their authors did."""
        webhook = self.webhook()
        for title, (pod, replicas) in self.makers().items():
            made, _ = webhook.create(pod)
            kind, _, reference = title.partition(" ")
            namespace, _, name = reference.partition("/")
            if kind == "pod":
                self._run(made, namespace, name, owner=None)
                continue
            if kind == "deployment":
                self._revise(namespace, name, pod)
            for number in range(replicas):
                self._run(made, namespace, f"{name}-{number}", owner=(kind, name))

    def _revise(self, namespace: str, name: str, pod: Json) -> None:
        """Create the ReplicaSet of a Deployment."""
        template = {"metadata": {**pod["metadata"]}, "spec": pod["spec"]}
        template["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), HASH: "5d8f"}
        for key in ("generateName", "namespace"):
            template["metadata"].pop(key)
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": "d", "controller": True}
        metadata = {"namespace": namespace, "name": f"{name}-5d8f", "ownerReferences": [owner]}
        made = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": {"template": template}}
        self.api.put(PATHS["ReplicaSet"], made)

    def _run(self, pod: Json | None, namespace: str, name: str, *, owner: tuple[str, str] | None) -> None:
        if pod is None:
            if owner is None:
                self.api.delete(PATHS["Pod"], namespace, name)
            return
        made = copy.deepcopy(pod)
        metadata = made["metadata"]
        metadata.pop("generateName", None)
        metadata |= {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}"}
        if metadata.get("annotations", {}).get(NETWORKS):
            metadata["annotations"][STATUS] = "[]"
        if owner is not None:
            kind, of = owner
            kinds = {
                "virtualmachine": "VirtualMachineInstance",
                "statefulset": "StatefulSet",
                "daemonset": "DaemonSet",
                "cronjob": "Job",
                "deployment": "ReplicaSet",
            }
            named = {"kind": kinds[kind], "name": f"{of}-5d8f" if kind == "deployment" else of, "controller": True}
            group = {"cronjob": "batch/v1", "virtualmachine": "kubevirt.io/v1"}.get(kind, "apps/v1")
            metadata["ownerReferences"] = [{**named, "apiVersion": group, "uid": of}]
            if kind == "deployment":
                metadata.setdefault("labels", {})[HASH] = "5d8f"
        made["spec"].setdefault("nodeName", "node-1")
        self.api.put(PATHS["Pod"], {**made, "status": {"phase": "Running"}})

    def recreate(self) -> dict[str, Fate]:
        """Create the pod of every maker again, and return what becomes of it. Nothing is stored."""
        webhook = self.webhook()
        return {title: self._recreate(webhook, pod) for title, (pod, _) in self.makers().items()}

    def _recreate(self, webhook: Webhook, pod: Json) -> Fate:
        made, response = webhook.create(pod)
        if made is None:
            causes = tuple(cause["message"] for cause in response["status"].get("details", {}).get("causes", []))
            is_missing = bool(causes) and all(one.startswith("there is no NetworkAttachment") for one in causes)
            return Fate("missing" if is_missing else "refused", causes=causes)
        try:
            # NB: a runtime calls no plugin for a pod in the node's network namespace.
            networks = () if made["spec"].get("hostNetwork") else tuple(node_plan(made, self._look_up))
        except (SpecErrors, CniError) as error:
            return Fate("unplanned", causes=(str(error),))
        return Fate("admitted", networks, _form(pod), _form(made))

    def _look_up(self, path: str) -> Json | None:
        place = locate(path)
        assert place is not None, path
        found = self.api.objects.get(place.collection, {})
        if place.name:
            return found.get(place.key)
        return {"items": [one for key, one in found.items() if place.namespace in ("", key[0])]}

    # Predicting and doing

    def predict(self, files: Mapping[str, Sequence[Json]], *words: str) -> Json:
        """Run `nadmit plan` on files of objects."""
        names = []
        for name, objects in files.items():
            path = self.folder / name
            path.write_text("\n---\n".join(json.dumps(one) for one in objects))
            names.append(str(path))
        command = ["plan", "--kubeconfig", str(self.kubeconfig), "-o", "json", *names, *words]
        done = CliRunner().invoke(nadmit, command, catch_exceptions=False)
        assert done.exit_code in (0, 1), done.output
        found: Json = json.loads(done.stdout)
        assert done.exit_code == int(found["breaks"])
        return found

    def apply(self, one: Json) -> bool:
        """Ask the webhook about an object, and store it if it is admitted."""
        if one["kind"] == "NadmitConfiguration":
            return self._apply_settings(json.dumps(one))
        if one["kind"] == "ConfigMap":
            return self._apply_settings(one["data"]["config.yaml"])
        old = self._find(one)
        operation = "CREATE" if old is None else "UPDATE"
        response = self.webhook().ask("/validate", one, operation=operation, old=old)
        if response["allowed"]:
            self._store(one)
        return bool(response["allowed"])

    def _apply_settings(self, text: str) -> bool:
        with suppress(ConfigurationError):
            parsing.read(text.encode(), where="new")
            self._store(config_map(text))
            return True
        return False

    def delete(self, kind: str, namespace: str, name: str) -> bool:
        """Ask the webhook about a deletion, and delete the object if it is admitted."""
        old = self.api.objects[PATHS[kind]][namespace, name]
        response = self.webhook().ask("/validate", old, operation="DELETE", old=old)
        if response["allowed"]:
            self.api.delete(PATHS[kind], namespace, name)
        return bool(response["allowed"])


def config_map(text: str) -> Json:
    """Return the ConfigMap with a NadmitConfiguration."""
    metadata = {"namespace": "nadmit-system", "name": "nadmit-webhook"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config.yaml": text}}


def _pod(metadata: Json, spec: Json) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": copy.deepcopy(spec)}


def _what(one: Attachment) -> str:
    """Return what the plugins of an attachment would get."""
    config = one.network.config
    assert config is not None
    head = {"name": config.name, "cniVersion": config.cni_version}
    plugins = [{**plugin.conf, **head} for plugin in config.plugins]
    asked = [one.runtime_config, one.cni_args, one.arguments, one.element.default_route]
    resources = one.network.annotations.get("k8s.v1.cni.cncf.io/resourceName", "")
    return json.dumps([one.interface, one.is_default, plugins, asked, resources], sort_keys=True)


def _launcher(namespace: str, name: str, spec: Json) -> Json:
    """Return the pod that KubeVirt makes for a machine (pkg/network/multus/annotation.go)."""
    asked = []
    for one in spec["template"]["spec"]["networks"]:
        hashed = hashlib.sha256(one["name"].encode()).hexdigest()[:11]
        network = one["multus"]["networkName"]
        where, _, of = network.rpartition("/")
        asked.append({"name": of, "namespace": where or namespace, "interface": f"pod{hashed}"})
    labels = {"kubevirt.io": "virt-launcher", "vm.kubevirt.io/name": name}
    metadata = {"generateName": f"virt-launcher-{name}-", "namespace": namespace, "labels": labels}
    metadata["annotations"] = {NETWORKS: json.dumps(asked)}
    return _pod(metadata, {"containers": [{"name": "compute"}]})


def _form(pod: Json) -> str:
    return json.dumps({key: pod[key] for key in ("metadata", "spec")}, sort_keys=True)


def _ignore(_remark: object) -> None:
    """Take a remark for an event."""
