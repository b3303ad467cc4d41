"""The cluster of two replicas: a real API server, or the in-process one with reviews that go straight to the replicas."""

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
    """The operations of a test on the cluster. All pods of the stream are in one namespace and name one network."""

    ca: Path
    """The authority of the replicas' certificates; the file is there once pods are judged."""

    def options(self, port: int) -> list[str]:
        """Return the options of replicas behind a service at this port of loopback."""

    def wait_judged(self) -> None:
        """Wait until replicas judge all pods."""

    def path(self) -> str:
        """Return the path for reviews."""

    def connect(self, networks: str = LAN) -> Sender:
        """Return a new sender of pods."""

    def put_network(self, name: str) -> None:
        """Create a network."""

    def restart(self) -> None:
        """Restart the API server with the same objects and without history."""

    def close(self) -> None:
        """Remove everything that was created."""


def review_of(networks: str) -> dict[str, Any]:
    """Return the review of a pod of the namespace."""
    review: dict[str, Any] = json.loads(RECORDING.read_text())
    request = review["request"]
    metadata = request["object"]["metadata"]
    request["namespace"] = metadata["namespace"] = NAMESPACE
    metadata["annotations"] = {ANNOTATION: networks}
    return review


class InProcessWorld:
    """The in-process API server, which calls no webhook."""

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
        """Remember the port for reviews. The first replica makes the certificate, in a directory."""
        self._port = port
        files = ["--cert-dir", str(self._certs), "--cert-name", "127.0.0.1"]
        return ["--kubeconfig", str(self._kubeconfig), "--no-watch-pods", *files]

    def wait_judged(self) -> None:
        """Return at once, because reviews go straight to the replicas."""

    def path(self) -> str:
        """Return the plain path, because no webhook is registered."""
        return "/validate"

    def connect(self, networks: str = LAN) -> Sender:
        """Return a sender of reviews."""
        return ReviewSender(self._port, self.ca, review_of(networks))

    def put_network(self, name: str) -> None:
        """Create a network."""
        self._api.put(NETWORKS, network(name, NAMESPACE))

    def restart(self) -> None:
        """Start another server at the port, with the same objects and no history."""
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

    They make their certificates and register themselves. failurePolicy is Fail, so that no pod is created without them.
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
        """Wait until the replicas are registered and the API server asks them."""
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
        """Return the registered path."""
        hooks = self._api.must("GET", CONFIGURATION)["webhooks"]
        return str(urlsplit(hooks[0]["clientConfig"]["url"]).path)

    def connect(self, networks: str = LAN) -> Sender:
        """Return a sender of pods."""
        return PodSender(self._api, namespace=NAMESPACE, networks=networks)

    def put_network(self, name: str) -> None:
        """Create a network."""
        kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
        config = json.dumps({"cniVersion": "1.0.0", "type": "bridge"})
        self._api.put({**kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"config": config}})

    def restart(self) -> None:
        """Raise the revision, compact all history, and kill kube-apiserver, which starts with an empty cache."""
        kind = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "revision", "namespace": NAMESPACE}}
        for number in range(5):
            self._api.put({**kind, "data": {"number": str(number)}})
        self._api.compact()
        self._api.restart()

    def close(self) -> None:
        """Remove the networks and all objects of the replicas, so that the next test begins as after an installation."""
        for path in (INJECTION, CONFIGURATION, SECRET, LEASE):
            assert self._api.ask("DELETE", path).status in {200, 404}
        networks = "/apis/k8s.cni.cncf.io/v1/namespaces/{}/network-attachment-definitions"
        self._api.must("DELETE", networks.format(NAMESPACE))
