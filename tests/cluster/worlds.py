"""The cluster that two replicas serve: a real API server, or an in-process one with reviews sent straight to them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.informers.api_server import NAMESPACES, NETWORKS, ApiServer, namespace, network, write_kubeconfig
from tests.realapi.server import RealApiServer

from .senders import NETWORKS as ANNOTATION
from .senders import PodSender, ReviewSender
from .stream import Fate, Sender

RECORDING = Path(__file__).parents[2] / "examples" / "recordings" / "create-pods-alice-pod.json"
NAMESPACE = "stream"
LAN = "lan"
PATIENCE_S = 60.0
CONFIGURATION = "nadmit-stream"


class World(Protocol):
    """What a test does with the cluster. The stream is of pods of one namespace that name one network."""

    kubeconfig: Path

    def register(self, port: int, ca: Path) -> None:
        """Have pods judged at this port of loopback, or not at all."""

    def connect(self, networks: str = LAN) -> Sender:
        """Return a new sender of pods."""

    def put_network(self, name: str) -> None:
        """Make a network."""

    def restart(self) -> None:
        """End the API server, and start it again without the history of what it has."""

    def close(self) -> None:
        """Leave nothing behind."""


def review_of(networks: str) -> dict[str, Any]:
    """Return the review of a pod of the namespace."""
    review: dict[str, Any] = json.loads(RECORDING.read_text())
    request = review["request"]
    metadata = request["object"]["metadata"]
    request["namespace"] = metadata["namespace"] = NAMESPACE
    metadata["annotations"] = {ANNOTATION: networks}
    return review


def until(condition: Callable[[], object]) -> None:
    """Wait until something is true that no event tells."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class InProcessWorld:
    """An in-process API server, which calls nobody."""

    def __init__(self, folder: Path) -> None:
        self._api = ApiServer()
        self._api.put(NAMESPACES, namespace(NAMESPACE))
        self.put_network(LAN)
        self._api.__enter__()
        self.kubeconfig = write_kubeconfig(folder / "kubeconfig", self._api.url)
        self._way: tuple[int, Path] | None = None

    def register(self, port: int, ca: Path) -> None:
        """Remember where reviews go."""
        self._way = (port, ca)

    def connect(self, networks: str = LAN) -> Sender:
        """Return a sender of reviews."""
        assert self._way is not None
        return ReviewSender(*self._way, review_of(networks))

    def put_network(self, name: str) -> None:
        """Make a network."""
        self._api.put(NETWORKS, network(name, NAMESPACE))

    def restart(self) -> None:
        """Start another one at the port, which has the same objects and no history."""
        old = self._api
        old.close()
        self._api = ApiServer(port=old.port)
        self._api.objects, self._api.version = old.objects, old.version + 10
        self._api.compact()
        self._api.__enter__()

    def close(self) -> None:
        """End it."""
        self._api.close()


class RealWorld:
    """A kube-apiserver, which asks the webhook before it takes a pod, and takes none without it."""

    def __init__(self, api: RealApiServer) -> None:
        self._api = api
        self.kubeconfig = api.admin_kubeconfig
        metadata = {"name": "default", "namespace": NAMESPACE}
        api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        self.put_network(LAN)

    def register(self, port: int, ca: Path) -> None:
        """Register the webhook for pods of the namespace, and wait until it is asked."""
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
        bundle = base64.b64encode(ca.read_bytes()).decode()
        hook = {
            "name": "stream.access.nadmit.io",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
            "clientConfig": {"url": f"https://127.0.0.1:{port}/validate", "caBundle": bundle},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
            "rules": [rule],
        }
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
        self._api.put({**kind, "metadata": {"name": CONFIGURATION}, "webhooks": [hook]})
        sender = self.connect("absent")
        until(lambda: sender.send().fate is Fate.REFUSED)
        sender.close()

    def connect(self, networks: str = LAN) -> Sender:
        """Return a sender of pods."""
        return PodSender(self._api, namespace=NAMESPACE, networks=networks)

    def put_network(self, name: str) -> None:
        """Make a network."""
        kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
        config = json.dumps({"cniVersion": "1.0.0", "type": "bridge"})
        self._api.put({**kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"config": config}})

    def restart(self) -> None:
        """Move the revision on, compact all history, and kill kube-apiserver; its cache begins anew after that."""
        kind = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "revision", "namespace": NAMESPACE}}
        for number in range(5):
            self._api.put({**kind, "data": {"number": str(number)}})
        self._api.compact()
        self._api.restart()

    def close(self) -> None:
        """Remove the webhook, and the networks."""
        path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        self._api.ask("DELETE", f"{path}/{CONFIGURATION}")
        networks = "/apis/k8s.cni.cncf.io/v1/namespaces/{}/network-attachment-definitions"
        self._api.must("DELETE", networks.format(NAMESPACE))
