"""The API server of the node's bench: a real one if KUBEBUILDER_ASSETS names its programs, else the in-process one.

Both have pod team-a/web, which asks for two networks, the definitions of these, and the kinds of the access rules.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.fakes.apiserver import ApiServer
from tests.fakes.certificates import make_keys
from tests.fakes.objects import pod_with_account, write_kubeconfig
from tests.fakes.waiting import wait_until
from tests.paths import MANIFESTS
from tests.realapi.assets import find_assets
from tests.realapi.server import RealApiServer

Object = dict[str, Any]

NAMESPACE = "team-a"
POD = f"/api/v1/namespaces/{NAMESPACE}/pods/web"
STATUS = "k8s.v1.cni.cncf.io/network-status"
MULTUS_RIGHTS = (
    {"apiGroups": ["k8s.cni.cncf.io"], "resources": ["*"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["pods", "pods/status"], "verbs": ["get", "list", "update", "watch"]},
    {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]},
)


class Cluster(ABC):
    """`uid` is that of the pod. `is_real`: whether it reads what Multus writes, which is protobuf."""

    is_real: bool
    uid: str

    @abstractmethod
    def host_and_port(self) -> tuple[str, int]: ...

    @abstractmethod
    def ca(self) -> str: ...

    @abstractmethod
    def token(self, account: str) -> str:
        """Return the token of `nadmit-node` or `multus`."""

    @abstractmethod
    def pod(self) -> Object: ...

    @abstractmethod
    def clear_status(self) -> None:
        """Remove network-status from the pod."""

    def kubeconfig(self, folder: Path, account: str) -> Path:
        """Write a kubeconfig of an account."""
        authority = folder / "ca.crt"
        authority.write_text(self.ca())
        host, port = self.host_and_port()
        path, user = folder / f"{account}.kubeconfig", {"token": self.token(account)}
        return write_kubeconfig(path, f"https://{host}:{port}", user, **{"certificate-authority": str(authority)})

    def attached(self) -> list[str]:
        """Return the interfaces in the pod's network-status."""
        text = self.pod()["metadata"].get("annotations", {}).get(STATUS, "[]")
        return [line.get("interface", "") for line in json.loads(text)]


class _InProcess(Cluster):
    is_real = False
    uid = "uid-1"

    def __init__(self, api: ApiServer, networks: Mapping[str, Object], asked: str) -> None:
        self._api = api
        for name, config in networks.items():
            key = f"/apis/k8s.cni.cncf.io/v1/namespaces/{NAMESPACE}/network-attachment-definitions/{name}"
            api.put(key, {"spec": {"config": json.dumps(config)}})
        api.put(POD, pod_with_account(annotations={"k8s.v1.cni.cncf.io/networks": asked}))
        api.put(f"/api/v1/namespaces/{NAMESPACE}", {})

    def host_and_port(self) -> tuple[str, int]:
        return "127.0.0.1", self._api.port

    def ca(self) -> str:
        return self._api.ca

    def token(self, account: str) -> str:  # noqa: ARG002  # the server takes any
        return "t"

    def pod(self) -> Object:
        return self._api.get(POD)

    def clear_status(self) -> None:
        self._api.modify(POD, lambda value: value["metadata"]["annotations"].pop(STATUS, None))


class _Real(Cluster):
    is_real = True

    def __init__(self, server: RealApiServer, networks: Mapping[str, Object], asked: str) -> None:
        self._server = server
        self._install()
        server.put(_object("v1", "Namespace", NAMESPACE))
        server.put(_object("v1", "ServiceAccount", "builder", namespace=NAMESPACE))
        for name, config in networks.items():
            made = _object("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", name, namespace=NAMESPACE)
            server.put({**made, "spec": {"config": json.dumps(config)}})
        made = pod_with_account(annotations={"k8s.v1.cni.cncf.io/networks": asked})
        del made["metadata"]["uid"]
        made["spec"]["containers"] = [{"name": "main", "image": "none.example/none"}]
        self.uid = str(server.put(made)["metadata"]["uid"])

    def _install(self) -> None:
        """Install the kinds of the access rules, and both accounts with their roles."""
        for path in (*sorted((MANIFESTS / "crds").glob("networkattachmentpolic*.yaml")), MANIFESTS / "node/rbac.yaml"):
            for value in yaml.safe_load_all(path.read_text()):
                self._server.put(value)
        for kind in ("networkattachmentpolicies", "networkattachmentpolicyconfigs"):
            path_of_kind = f"/apis/access.nadmit.io/v1alpha1/{kind}"
            wait_until(lambda path=path_of_kind: self._server.ask("GET", path).status == 200)  # type: ignore[misc]
        self._server.put(_object("v1", "ServiceAccount", "multus", namespace="kube-system"))
        role = _object("rbac.authorization.k8s.io/v1", "ClusterRole", "multus")
        self._server.put({**role, "rules": list(MULTUS_RIGHTS)})
        binding = _object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "multus")
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "multus"}
        subject = {"kind": "ServiceAccount", "name": "multus", "namespace": "kube-system"}
        self._server.put({**binding, "roleRef": reference, "subjects": [subject]})

    def host_and_port(self) -> tuple[str, int]:
        return "127.0.0.1", self._server.port

    def ca(self) -> str:
        return self._server.ca

    def token(self, account: str) -> str:
        return self._server.token_for("kube-system", account)

    def pod(self) -> Object:
        return self._server.must("GET", POD)

    def clear_status(self) -> None:
        body = {"metadata": {"annotations": {STATUS: None}}}
        self._server.must("PATCH", f"{POD}/status", body, kind="application/merge-patch+json")


def _object(version: str, kind: str, name: str, **metadata: str) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}}


@contextmanager
def running(networks: Mapping[str, Object], asked: Sequence[str]) -> Iterator[Cluster]:
    """Run an API server with these definitions and the pod, which asks for some of them."""
    assets = find_assets()
    if assets is None:
        with ApiServer(keys=make_keys()) as api:
            yield _InProcess(api, networks, ",".join(asked))
    else:
        with RealApiServer(assets) as server:
            yield _Real(server, networks, ",".join(asked))
