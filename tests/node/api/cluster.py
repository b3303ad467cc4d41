"""The cluster of a node with one pod, blue/web-0: an in-process API server, which can fail on demand, or a real one."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, Self

import pytest

from tests.fakes.apiserver import ApiServer
from tests.fakes.certificates import make_keys
from tests.fakes.objects import pod_with_account
from tests.fakes.objectstore import CONFIGS, NAMESPACES, POLICIES
from tests.realapi.server import MERGE_PATCH, RealApiServer

from .podnode import DEFAULT, NETWORKS, POD, STATUS, UID, Conf

ACCESS = "access.nadmit.io/v1alpha1"
DEFINITIONS = "network-attachment-definitions"
CLAIM_VERSION = "resource.k8s.io/v1"
CLAIMS = f"/apis/{CLAIM_VERSION}/namespaces/blue/resourceclaims"
SLICES = f"/apis/{CLAIM_VERSION}/resourceslices"
NODE = "n1"
ACCOUNT = ("kube-system", "nadmit-node")
ACCOUNT_NAME = f"system:serviceaccount:{':'.join(ACCOUNT)}"
"""The rights of the plugin in manifests/node/rbac.yaml."""

IN_PROCESS = "in-process"
REAL = pytest.param("kube-apiserver", marks=pytest.mark.kube_apiserver)

misbehaving = pytest.mark.parametrize("api", [IN_PROCESS], indirect=True)
"""For tests in which the API server fails on demand or shows its traffic, which a real one cannot."""
genuine = pytest.mark.parametrize("api", [REAL], indirect=True)
"""For tests of decisions that only a real one makes, such as RBAC."""


class Cluster(ABC):
    """A test's access to a cluster, with all rights. The plugin's token is `bearer`."""

    uid: str
    """Of the pod."""
    bearer: str

    @property
    @abstractmethod
    def url(self) -> str: ...

    @property
    @abstractmethod
    def ca(self) -> str: ...

    @abstractmethod
    def put_network(self, namespace: str, name: str, config: object, **metadata: Any) -> None:
        """Put a definition. A configuration of None is absent; one that is not a string becomes JSON."""

    @abstractmethod
    def delete_network(self, namespace: str, name: str) -> None: ...

    @abstractmethod
    def put_rules(self, *values: Conf) -> None:
        """Put objects of access.nadmit.io, and install their kinds."""

    @abstractmethod
    def delete_rules(self) -> None:
        """Delete all of them."""

    @abstractmethod
    def label_namespace(self, name: str = "blue", /, **labels: str) -> None:
        """Replace the labels of a namespace."""

    @abstractmethod
    def put_pod(self, networks: object = None, *, default: str | None = None, **annotations: str) -> None:
        """Put pod blue/web-0; an annotation that is not a string becomes JSON."""

    @abstractmethod
    def put_pod_on_node(self, networks: object, *, spec: Conf, status: Conf) -> None:
        """Put pod blue/web-0 on node n1, with more fields of its spec and of its status."""

    @abstractmethod
    def put_claim(self, name: str, status: Conf) -> None:
        """Put ResourceClaim blue/`name` with requests for `status`, its status."""

    @abstractmethod
    def put_slice(self, name: str, spec: Conf) -> None:
        """Put a ResourceSlice."""

    @abstractmethod
    def delete_pod(self) -> None: ...

    @abstractmethod
    def annotations(self) -> dict[str, str]: ...

    @abstractmethod
    def events(self) -> list[Conf]:
        """Return the events of blue in the order in which they were created."""

    @abstractmethod
    def asked(self) -> list[str]:
        """Return the plugin's requests, such as `GET /api/v1/namespaces/blue`."""

    def replace_pod(self) -> None:
        """Delete the pod and create another one with its name and another uid."""
        self.delete_pod()
        self.put_pod()

    def said(self) -> list[str]:
        return [f"{event['reason']}: {event['message']}" for event in self.events()]

    def status(self) -> list[Conf]:
        found = json.loads(self.annotations()[STATUS])
        assert isinstance(found, list)
        return found


class Api(ApiServer, Cluster):
    """An API server with scripted answers to requests; None is the true answer."""

    def __init__(self) -> None:
        super().__init__(keys=make_keys())
        self.has_strict_namespaces = True
        for path in (POLICIES, CONFIGS):
            del self.objects[path]  # these kinds are not installed
        self.serve(SLICES)
        self.uid = UID
        self.bearer = self.token = "secret"
        self.put("/api/v1/namespaces/blue", {"metadata": {"labels": {"team": "blue"}}})
        self.put_pod()

    def put_network(self, namespace: str, name: str, config: object, **metadata: Any) -> None:
        if ("", namespace) not in self.names(NAMESPACES):
            self.put(f"/api/v1/namespaces/{namespace}", {})
        self.put(_path_of_network(namespace, name), _network(namespace, name, config, metadata))

    def delete_network(self, namespace: str, name: str) -> None:
        self.delete(_path_of_network(namespace, name))

    def put_rules(self, *values: Conf) -> None:
        self.serve(*{POLICIES, CONFIGS} - set(self.objects))
        for value in values:
            self.put(_path_of_rules(value), value)

    def delete_rules(self) -> None:
        self.serve(*{POLICIES, CONFIGS} & set(self.objects))

    def label_namespace(self, name: str = "blue", /, **labels: str) -> None:
        self.modify(f"/api/v1/namespaces/{name}", lambda value: value["metadata"].update(labels=labels))

    def put_pod(self, networks: object = None, *, default: str | None = None, **annotations: str) -> None:
        self.put(
            POD, pod_with_account("web-0", "blue", self.uid, annotations=_annotations(networks, default, annotations))
        )

    def put_pod_on_node(self, networks: object, *, spec: Conf, status: Conf) -> None:
        self.put_pod(networks)

        def change(value: Conf) -> None:
            value["spec"] |= {"nodeName": NODE, **spec}
            value["status"] = status

        self.modify(POD, change)

    def put_claim(self, name: str, status: Conf) -> None:
        self.put(_path_of_claim(name), {"status": status})

    def put_slice(self, name: str, spec: Conf) -> None:
        self.put(f"{SLICES}/{name}", {"spec": spec})

    def delete_pod(self) -> None:
        self.delete(POD)

    def replace_pod(self) -> None:
        self.uid = "uid-2"
        super().replace_pod()

    def annotations(self) -> dict[str, str]:
        return dict(self.get(POD)["metadata"]["annotations"])


class RealCluster(Cluster):
    """A kube-apiserver, for `with`; the block leaves no pod, event or network."""

    def __init__(self, server: RealApiServer, *, bearer: str) -> None:
        self.server = server
        self.bearer = bearer
        self.offset = server.audit_offset()
        self.namespaces: set[str] = set()

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def ca(self) -> str:
        return self.server.ca

    def __enter__(self) -> Self:
        self._put_namespace("blue", team="blue")
        self.server.put(_object("v1", "ServiceAccount", "builder", "blue"))
        self.put_pod()
        return self

    def __exit__(self, *error: object) -> None:
        now = {"gracePeriodSeconds": 0}
        self.server.must("DELETE", "/api/v1/namespaces/blue/pods", now)
        self.server.must("DELETE", "/api/v1/namespaces/blue/events", now)
        self.server.must("DELETE", CLAIMS, now)
        self.server.must("DELETE", SLICES, now)
        self.delete_rules()
        for namespace in self.namespaces:
            self.server.must("DELETE", f"/apis/k8s.cni.cncf.io/v1/namespaces/{namespace}/{DEFINITIONS}", now)

    def put_network(self, namespace: str, name: str, config: object, **metadata: Any) -> None:
        self._put_namespace(namespace)
        self.server.put(_network(namespace, name, config, metadata))

    def delete_network(self, namespace: str, name: str) -> None:
        self.server.must("DELETE", _path_of_network(namespace, name))

    def put_rules(self, *values: Conf) -> None:
        for value in values:
            self.server.put(value)

    def delete_rules(self) -> None:
        for kind in ("networkattachmentpolicies", "networkattachmentpolicyconfigs"):
            self.server.must("DELETE", f"/apis/access.nadmit.io/v1alpha1/{kind}")

    def label_namespace(self, name: str = "blue", /, **labels: str) -> None:
        self.server.put(_object("v1", "Namespace", name, labels=labels))

    def put_pod(self, networks: object = None, *, default: str | None = None, **annotations: str) -> None:
        self._put_pod(_annotations(networks, default, annotations), {})

    def put_pod_on_node(self, networks: object, *, spec: Conf, status: Conf) -> None:
        self.delete_pod()  # its node and its claims cannot be changed
        self._put_pod(_annotations(networks, None, {}), {"nodeName": NODE, **spec})
        self.server.must("PATCH", f"{POD}/status", {"status": status}, kind=MERGE_PATCH)

    def _put_pod(self, annotations: dict[str, str], spec: Conf) -> None:
        value = _object("v1", "Pod", "web-0", "blue", annotations=annotations)
        value["spec"] = {
            "serviceAccountName": "builder",
            "containers": [{"name": "main", "image": "none.example/none"}],
            **spec,
        }
        self.uid = self.server.put(value)["metadata"]["uid"]

    def put_claim(self, name: str, status: Conf) -> None:
        value = _object(CLAIM_VERSION, "ResourceClaim", name, "blue")
        results = status.get("allocation", {"devices": {"results": []}})["devices"]["results"]
        names = {result["request"].partition("/")[0] for result in results} or {"any"}
        requests = [{"name": one, "exactly": {"deviceClassName": "any"}} for one in sorted(names)]
        self.server.put({**value, "spec": {"devices": {"requests": requests}}})
        self.server.must("PATCH", f"{_path_of_claim(name)}/status", {"status": status}, kind=MERGE_PATCH)

    def put_slice(self, name: str, spec: Conf) -> None:
        self.server.put({**_object(CLAIM_VERSION, "ResourceSlice", name), "spec": spec})

    def delete_pod(self) -> None:
        self.server.must("DELETE", POD, {"gracePeriodSeconds": 0})

    def annotations(self) -> dict[str, str]:
        found = self.server.must("GET", POD)["metadata"].get("annotations", {})
        assert isinstance(found, dict)
        return found

    def events(self) -> list[Conf]:
        found = self.server.must("GET", "/api/v1/namespaces/blue/events")["items"]
        return sorted(found, key=lambda event: int(event["metadata"]["resourceVersion"]))

    def asked(self) -> list[str]:
        return [request.line for request in self.server.requests(offset=self.offset, user=ACCOUNT_NAME)]

    def _put_namespace(self, name: str, **labels: str) -> None:
        """NB: namespaces stay, because no controller runs that would remove them."""
        if name not in self.namespaces:
            self.server.put(_object("v1", "Namespace", name, labels=labels))
            self.namespaces.add(name)


def _object(version: str, kind: str, name: str, namespace: str | None = None, **metadata: Any) -> Conf:
    where = {} if namespace is None else {"namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": {**where, "name": name, **metadata}}


def _network(namespace: str, name: str, config: object, metadata: dict[str, Any]) -> Conf:
    value = _object("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", name, namespace, **metadata)
    spec = {} if config is None else {"config": config if isinstance(config, str) else json.dumps(config)}
    return {**value, "spec": spec}


def _path_of_rules(value: Conf) -> str:
    kind = {"NetworkAttachmentPolicy": "networkattachmentpolicies"}.get(value["kind"], "networkattachmentpolicyconfigs")
    return f"/apis/{ACCESS}/{kind}/{value['metadata']['name']}"


def _path_of_claim(name: str) -> str:
    return f"{CLAIMS}/{name}"


def _path_of_network(namespace: str, name: str) -> str:
    return f"/apis/k8s.cni.cncf.io/v1/namespaces/{namespace}/{DEFINITIONS}/{name}"


def _annotations(networks: object, default: str | None, more: dict[str, str]) -> dict[str, str]:
    given = {NETWORKS: networks if isinstance(networks, str) or networks is None else json.dumps(networks)}
    return {key: text for key, text in {**given, DEFAULT: default, **more}.items() if text is not None}
