"""The cluster that two replicas serve: a real API server, or an in-process one with reviews sent straight to them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from tests.fakes.apiserver import ApiServer
from tests.fakes.objects import namespace, network, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS
from tests.fakes.waiting import wait_until
from tests.paths import EXAMPLES
from tests.realapi.server import MERGE_PATCH, RealApiServer

from .installation import apply, webhook_options
from .senders import NETWORKS as ANNOTATION
from .senders import PodSender, ReviewSender
from .stream import Fate, Sender

RECORDING = EXAMPLES / "recordings" / "create-pods-alice-pod.json"
NAMESPACE = "stream"
LAN = "lan"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATION = f"{REGISTRATION}/validatingwebhookconfigurations/nadmit"
INJECTION = f"{REGISTRATION}/mutatingwebhookconfigurations/nadmit"
SECRET = "/api/v1/namespaces/nadmit-system/secrets/nadmit-tls"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/nadmit-system/leases/nadmit-status"


class World(Protocol):
    """What a test does with the cluster. The stream is of pods of one namespace that name one network."""

    ca: Path
    """Who signs the certificates of replicas; there is something in it once pods are judged."""

    def options(self, port: int) -> list[str]:
        """Return what replicas are started with, behind a service at this port of loopback."""

    def wait_judged(self) -> None:
        """Wait until pods are judged by replicas, or not created."""

    def path(self) -> str:
        """Return where reviews are judged."""

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


class InProcessWorld:
    """An in-process API server, which calls nobody."""

    def __init__(self, folder: Path) -> None:
        self._api = ApiServer()
        self._api.put(NAMESPACES, namespace(NAMESPACE))
        self.put_network(LAN)
        self._api.__enter__()
        self._kubeconfig = write_kubeconfig(folder / "kubeconfig", self._api.url)
        self._certs = folder / "certs"
        self.ca = self._certs / "ca.crt"
        self._port = 0

    def options(self, port: int) -> list[str]:
        """Remember where reviews go. The certificate is that of a directory, made by the first replica."""
        self._port = port
        files = ["--cert-dir", str(self._certs), "--cert-name", "127.0.0.1"]
        return ["--kubeconfig", str(self._kubeconfig), "--no-watch-pods", *files]

    def wait_judged(self) -> None:
        """Return: reviews are sent straight to the replicas."""

    def path(self) -> str:
        """Return the plain path: nothing is registered."""
        return "/validate"

    def connect(self, networks: str = LAN) -> Sender:
        """Return a sender of reviews."""
        return ReviewSender(self._port, self.ca, review_of(networks))

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
    """A kube-apiserver with the manifests applied. Replicas run with the Deployment's arguments and its account.

    They make their certificates and register themselves; failurePolicy is Fail, so that there is no pod without them.
    """

    def __init__(self, api: RealApiServer, folder: Path) -> None:
        self._api = api
        self.ca = folder / "ca.crt"
        done = apply(api, ".")
        assert done.returncode == 0, done.stderr
        stage = {"metadata": {"annotations": {"nadmit.io/failure-policy": "Fail"}}}
        for path in (INJECTION, CONFIGURATION):
            api.must("PATCH", path, stage, kind=MERGE_PATCH)
        metadata = {"name": "default", "namespace": NAMESPACE}
        labels = {"nadmit.io/definitions-enforce": "Privileged"}  # the posture enforces Baseline
        api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
        api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        self.put_network(LAN)

    def options(self, port: int) -> list[str]:
        """Return the Deployment's arguments."""
        return webhook_options(self._api, f"https://127.0.0.1:{port}")

    def wait_judged(self) -> None:
        """Wait until the replicas have registered themselves, and are asked."""
        wait_until(lambda: self._api.must("GET", CONFIGURATION).get("webhooks"))
        hooks = {hook["name"]: hook for hook in self._api.must("GET", CONFIGURATION)["webhooks"]}
        assert hooks["pods.access.nadmit.io"]["failurePolicy"] == "Fail"
        injecting = {hook["name"]: hook for hook in self._api.must("GET", INJECTION)["webhooks"]}
        assert injecting["pods.inject.nadmit.io"]["failurePolicy"] == "Fail"
        self.ca.write_bytes(base64.b64decode(self._api.must("GET", SECRET)["data"]["ca.crt"]))
        sender = self.connect("absent")
        wait_until(lambda: sender.send().fate is Fate.REFUSED)
        sender.close()

    def path(self) -> str:
        """Return the path that is registered."""
        hooks = self._api.must("GET", CONFIGURATION)["webhooks"]
        return str(urlsplit(hooks[0]["clientConfig"]["url"]).path)

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
        """Remove what replicas have written, so that others begin as after an installation; and the networks."""
        for path in (INJECTION, CONFIGURATION, SECRET, LEASE):
            assert self._api.ask("DELETE", path).status in {200, 404}
        networks = "/apis/k8s.cni.cncf.io/v1/namespaces/{}/network-attachment-definitions"
        self._api.must("DELETE", networks.format(NAMESPACE))
