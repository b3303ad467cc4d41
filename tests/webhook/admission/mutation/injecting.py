"""Pods through /mutate and then /validate, as the API server sends them."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any

from cniplugin.netspec import netattachdef
from cniplugin.netspec.netattachdef import DEVICES_FROM, RESOURCE_NAME, NetworkAttachmentDefinition
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from tests.webhook.admission.world import MACVLAN, RULES, FakeCluster, request
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import INJECT, INJECT_INTO, NODE_SELECTOR, Injection
from webhook.admission.model.requests import NOTHING, Decision, Object, Read, Request, SentPod
from webhook.admission.mutate import answer_mutation
from webhook.admission.mutation import jsonpatch
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.review import wire
from webhook.serving.http import RequestError

Json = dict[str, Any]
VF = "intel.com/sriov"
HONOR = Injection(mode="honor")
BARE = Injection(exposes_netinfo=False)
PODNETINFO = {"name": "podnetinfo", "readOnly": True, "mountPath": "/etc/podnetinfo"}
ANNOTATIONS = {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}


def network(name: str, *, namespace: str = "blue", **annotations: str) -> NetworkAttachmentDefinition:
    """A definition; `resource`, `selector`, `inject` and `devices_from` are its annotations."""
    keys = {
        "resource": RESOURCE_NAME,
        "selector": NODE_SELECTOR,
        "inject": INJECT,
        "devices_from": DEVICES_FROM,
    }
    return netattachdef.build(
        namespace=namespace,
        name=name,
        config=MACVLAN,
        annotations={keys[key]: text for key, text in annotations.items()},
    )


def cluster_of(*networks: NetworkAttachmentDefinition, defaults: Mapping[str, str] = NOTHING) -> FakeCluster:
    return FakeCluster({(known.namespace, known.name): known for known in networks}, defaults=dict(defaults))


def pod_of(networks: str | None, *containers: Json, labels: Mapping[str, str] = NOTHING, **spec: Any) -> Json:
    """A pod as the API server sends it: with `resources`, and without empty maps and lists."""
    metadata: Json = {"name": "web-0"}
    if labels:
        metadata["labels"] = dict(labels)
    if networks is not None:
        metadata["annotations"] = {NETWORKS: networks}
    some = [{"resources": {}, **container} for container in containers or ({"name": "app"},)]
    return {"metadata": metadata, "spec": {"containers": some, **spec}}


READ = Injection().read
"""The labels and annotations that the default settings read."""


def sketch(pod: Json, read: Read = READ) -> Hashable | None:
    """The sketch that the wire makes of a pod's bytes."""
    return sketch_of(json.dumps(pod).encode(), read)


def sketch_of(text: bytes, read: Read = READ) -> Hashable | None:
    """The sketch of a pod's bytes; None for a pod that the wire refuses."""
    sent = _read(text)
    return sent.sketch(read) if sent else None


def _read(text: bytes) -> SentPod | None:
    kind = b'{"group":"","version":"v1","kind":"Pod"}'
    request = b'{"uid":"u","kind":%b,"operation":"CREATE","object":%b}' % (kind, text)
    try:
        read = wire.decode(b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":%b}' % request)
    except RequestError:
        return None
    return read.object.sent if read.object else None


def sketch_requests(pod: Json) -> Hashable | None:
    """The sketch of a pod's requests."""
    sent = _read(json.dumps(pod).encode())
    return sent.sketch_requests() if sent else None


class Sent:
    """A pod as it was sent, with the sketch that the wire makes of its bytes."""

    def __init__(self, pod: Json) -> None:
        self._pod = pod

    def read(self) -> Json:
        return self._pod

    def read_parts(self) -> Json | None:
        sent = _read(json.dumps(self._pod).encode())
        return sent.read_parts() if sent else None

    def sketch(self, read: Read) -> Hashable | None:
        return sketch(self._pod, read)

    def sketch_requests(self) -> Hashable | None:
        return sketch_requests(self._pod)


def create(pod: Json, *, namespace: str = "blue") -> Request:
    """The creation of a pod, as the wire reads it."""
    metadata = pod.get("metadata") or {}
    known = Object(
        name=metadata.get("name", ""),
        labels=metadata.get("labels") or NOTHING,
        annotations=metadata.get("annotations") or NOTHING,
        sent=Sent(pod),
    )
    return request(known)._replace(namespace=namespace)


def ask_mutate(
    pod: Json, world: FakeCluster, injection: Injection | None = None, *, namespace: str = "blue"
) -> Decision:
    return answer_mutation(
        create(pod, namespace=namespace),
        DecisionContext(world, RULES, Configuration(injection=injection or Injection())),
    )


def ask_validate(
    pod: Json, world: FakeCluster, injection: Injection | None = None, *, namespace: str = "blue"
) -> Decision:
    return evaluate(
        create(pod, namespace=namespace),
        DecisionContext(world, RULES, Configuration(injection=injection or Injection())),
    )


def patched(pod: Json, world: FakeCluster, injection: Injection | None = None, *, namespace: str = "blue") -> Json:
    """The pod after /mutate, which allows it."""
    answer = ask_mutate(pod, world, injection, namespace=namespace)
    assert answer.is_allowed, answer.message
    after: Json = jsonpatch.apply(list(answer.operations), pod)
    return after


def sriov() -> FakeCluster:
    return cluster_of(network("a", resource=VF), network("b", resource=VF), network("plain"))


def app(name: str = "app", *, asks: object = None, **more: Any) -> Json:
    figures = {} if asks is None else {"requests": {VF: asks}, "limits": {VF: asks}}
    return {"name": name, "resources": figures, **more}


def sidecar(name: str = "proxy", *, asks: object = None) -> Json:
    return app(name, asks=asks, restartPolicy="Always")


def annotated(pod: Json, **annotations: str) -> Json:
    keys = {"inject": INJECT, "inject_into": INJECT_INTO, "default_network": DEFAULT_NETWORK}
    more = {keys[key]: text for key, text in annotations.items()}
    metadata = pod["metadata"]
    return {**pod, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **more}}}


def figures(pod: Json, index: int = 0, key: str = "containers") -> object:
    resources = pod["spec"][key][index].get("resources") or {}
    return resources.get("requests", {}).get(VF), resources.get("limits", {}).get(VF)
