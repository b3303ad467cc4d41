"""The API server that a subject sees: one pod, the definitions of a test, and faults on command.

It answers any client, also Go's: it reads protobuf, serves any list and watch of pods and definitions, and refuses the
streamed lists of newer client-go, which then lists as before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from . import protobuf
from .apiserver import CUT, DROP, Answer, ApiServer, Request, Watch, failure
from .certificates import make_keys
from .objectstore import NAMESPACES, NETWORKS, PODS, Object, Place, merge

TOKEN = "conformance-token"  # noqa: S105 - of a server in this process
NAMESPACE = "blue"
POD = "web-0"
NETWORKS_KEY = "k8s.v1.cni.cncf.io/networks"
STATUS_KEY = "k8s.v1.cni.cncf.io/network-status"
DEFAULT_KEY = "v1.multus-cni.io/default-network"

WHAT: Mapping[str, str] = {
    "all": "",
    "pods": r"GET /api/v1/namespaces/[^/]+/pods/",
    "definitions": r"GET /apis/k8s.cni.cncf.io/",
    "namespaces": r"GET /api/v1/namespaces/[^/]+$",
    "status": r"(PUT|PATCH) /api/v1/namespaces/[^/]+/pods/",
    "events": r"POST .*/events",
    "access": r"GET /apis/access\.",
}
"""The requests that a fault is about, as patterns of method and path."""

Fault = Answer
AWAY = Answer(DROP)
"""The connection ends before the answer."""
CUT_OFF = Answer(CUT)
"""The connection ends within the answer."""


class ClusterServer(ApiServer):
    """`fail` makes requests fail until `heal`. A write is in `requests` with the object that it sent as `body`."""

    def __init__(self) -> None:
        super().__init__(keys=make_keys())
        self.token = TOKEN
        self.has_any_list = True
        self.faults: list[tuple[re.Pattern[str], Answer, list[int]]] = []
        self.instead = self._fault
        self._pods = 0
        self.reset()

    def reset(self) -> None:
        """Forget the objects and faults of a test, but not the watches. Serve an empty cluster."""
        with self.changed:
            self.heal()
            self.requests.clear()
            for path in (*self.objects,):
                for namespace, name in tuple(self.objects[path]):
                    self.delete(path, namespace, name)
            for name in ("default", "kube-system", NAMESPACE):
                self.put_namespace(name)

    # Objects

    def put_namespace(self, name: str, **labels: str) -> None:
        """Store a namespace."""
        value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        self.put(NAMESPACES, {**value, "status": {"phase": "Active"}})

    def put_definition(
        self, name: str, config: object, *, namespace: str = NAMESPACE, annotations: Mapping[str, str] | None = None
    ) -> None:
        """Store a definition. A configuration of None is absent; one that is not a text becomes JSON."""
        if ("", namespace) not in self.names(NAMESPACES):
            self.put_namespace(namespace)
        spec = {} if config is None else {"config": config if isinstance(config, str) else json.dumps(config)}
        metadata = {"name": name, "namespace": namespace, "annotations": dict(annotations or {})}
        kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
        self.put(NETWORKS, {**kind, "metadata": metadata, "spec": spec})

    def put_pod(self, annotations: Mapping[str, str], *, name: str = POD, **fields: Any) -> str:
        """Store a pod and return its uid; each call makes another pod, also of the same name."""
        self._pods += 1
        uid = f"00000000-0000-4000-8000-{self._pods:012}"
        metadata = {"name": name, "namespace": NAMESPACE, "uid": uid, "annotations": dict(annotations)}
        containers = [{"name": "main", "image": "example.com/none"}]
        spec = {"nodeName": "node-1", "serviceAccountName": "builder", "containers": containers}
        value = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}
        self.put(PODS, merge(value, fields))
        return uid

    def pod(self) -> Object:
        """Return the pod as it is stored."""
        return self.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{POD}")

    # Faults

    def fail(self, what: str, answer: Answer | int, *, times: int = 0) -> None:
        """Answer the requests of a row of `WHAT` with a fault: a status code or an answer; `times` 0 is always."""
        made = failure(answer, "the conformance suite says no") if isinstance(answer, int) else answer
        with self.changed:
            self.faults.append((re.compile(WHAT[what]), made, [times]))

    def heal(self) -> None:
        """End all faults."""
        with self.changed:
            self.faults.clear()

    def _fault(self, request: Request) -> Answer | None:
        for pattern, answer, left in self.faults:
            if pattern.match(f"{request.method} {request.path}"):
                if left[0] == 1:
                    self.faults = [one for one in self.faults if one[2] is not left]
                left[0] -= 1
                return answer if answer.status is not None else self._slow(request, answer)
        return None

    def _slow(self, request: Request, answer: Answer) -> Answer:
        true = self._from_store(request)
        return answer if isinstance(true, Watch) else true._replace(after_s=answer.after_s)

    # Requests

    def within(self, seconds: float, condition: Callable[[], bool]) -> bool:
        """Wait for a request that makes a condition true; say whether it came. A daemon writes when it likes to."""
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    def writes(self, matches: Callable[[Request], bool] = lambda _: True) -> list[Request]:
        """Return the requests that would write."""
        return [request for request in self.written() if matches(request)]

    def _from_store(self, request: Request) -> Answer | Watch:
        if "sendInitialEvents" in request.query:
            return failure(422, "sendInitialEvents is forbidden for watch", reason="Invalid")
        return super()._from_store(request)

    def _watch(self, request: Request, place: Place) -> Answer | Watch:
        request.query.setdefault("resourceVersion", "0")
        return super()._watch(request, place)

    def _one(self, request: Request, place: Place) -> Answer:
        if request.method == "POST" and isinstance(request.body, dict):
            metadata = request.body.setdefault("metadata", {})
            metadata.setdefault("name", f"{metadata.get('generateName', 'made')}{self.version}")
        if request.method == "PUT" and place.subresource == "status":
            return self._put_status(request, place)
        return super()._one(request, place)

    def _put_status(self, request: Request, place: Place) -> Answer:
        """Replace the annotations and the status, as the registry of pods does for its subresource `status`."""
        known, sent = self.find(place), request.body["metadata"]
        version = sent.get("resourceVersion")
        if version and version != known["metadata"]["resourceVersion"]:
            return failure(409, "the object has been modified; please apply your changes to the latest version")
        made = {**known, "metadata": {**known["metadata"], "annotations": sent.get("annotations", {})}}
        return Answer(200, json.dumps(self.store(place, made)).encode())

    def decode(self, body: bytes, content_type: str) -> Any:
        """Read a body, also protobuf."""
        if body.startswith(protobuf.MAGIC):
            return protobuf.read_object(body)
        return super().decode(body, content_type)
