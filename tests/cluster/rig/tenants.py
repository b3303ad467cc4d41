"""A cluster of tenants: the webhook is registered at a real API server in stage Fail, and users run kubectl.

The administrator writes rules and networks by `Tenants.settle`, which returns when the webhook applies them. User bob, of
group `tenants`, may only write pods, workloads and networks in his namespaces.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.e2e.process import Served
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

from .registered import CONTAINERS, NETWORKS, Object, cluster, staged

NAMESPACES: dict[str, dict[str, str]] = {
    "blue": {"tenant": "blue"},
    "green": {"tenant": "green"},
    "evil": {"tenant": "evil"},
    "infra": {},
    "default": {},
    "old": {},
}
"""All but infra and default are bob's. Objects in `old` are older than the webhook and stay for all tests."""
BOBS = ("blue", "green", "evil", "old")
CANARY = "canary"
TENANTS = "tenants"
NODES = "system:nodes"
BOB = ("--as", "bob", "--as-group", TENANTS)
NODE = ("--as", "system:node:n1", "--as-group", NODES)
ADMIN = ()
ACCESS = "access.nadmit.io/v1alpha1"
K8S_CNI = "/apis/k8s.cni.cncf.io/v1"
RBAC = "rbac.authorization.k8s.io"
WRITE = ["get", "list", "create", "update", "patch", "delete"]
TENANT_RULES = [
    {"apiGroups": [""], "resources": ["pods", "pods/status", "pods/resize", "pods/binding"], "verbs": WRITE},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": WRITE},
    {"apiGroups": ["k8s.cni.cncf.io"], "resources": ["network-attachment-definitions"], "verbs": WRITE},
    {"apiGroups": ["resource.k8s.io"], "resources": ["resourceclaims", "resourceclaimtemplates"], "verbs": WRITE},
]


class Tenants:
    """`clear` removes the objects of a test; `server` is the webhook's process."""

    def __init__(self, api: RealApiServer, server: Served) -> None:
        self.api = api
        self.server = server
        self._numbers = itertools.count(1)

    def settle(
        self,
        *policies: Object,
        config: Mapping[str, Any] | None = None,
        networks: Mapping[str, Object] | None = None,
    ) -> None:
        """Write rules and networks (`namespace/name`: its spec), by default in posture Isolated; wait for the webhook.

        A watch brings the changes of a kind in order, so the last change shows that all earlier ones have come. It is
        a network with a new master, a rule that denies this master, and a contact in the refusal.
        """
        last = f"canary{next(self._numbers)}"
        canary = {"pluginTypes": ["macvlan"], "masters": [last]}
        for reference, spec in {**(networks or {}), f"{CANARY}/{CANARY}": config_of("macvlan", master=last)}.items():
            self.api.put(network(reference, spec))
        for rules in (*policies, policy(CANARY, attachments=[{"name": last, "action": "Deny", "networks": [canary]}])):
            self.api.put(rules)
        spec = {"posture": "Isolated", "globalNamespaces": ["default"], **(config or {}), "messages": {"contact": last}}
        self.api.put(
            {
                "apiVersion": ACCESS,
                "kind": "NetworkAttachmentPolicyConfig",
                "metadata": {"name": "cluster"},
                "spec": spec,
            }
        )
        probe = pod(CANARY, namespace=CANARY)

        def is_seen() -> bool:
            said = self.create(probe, "--dry-run=server", user=ADMIN).stderr
            return f'rule "{last}" (Deny)' in said and f"ask {last} " in said

        wait_until(is_seen)

    def kubectl(self, *words: str, user: tuple[str, ...] = BOB, stdin: str = "") -> CompletedProcess[str]:
        """Run kubectl as a user."""
        return self.api.kubectl(*words, *user, stdin=stdin)

    def create(self, value: Object, *words: str, user: tuple[str, ...] = BOB) -> CompletedProcess[str]:
        """Run kubectl create."""
        return self.kubectl("create", "-f", "-", *words, user=user, stdin=json.dumps(value))

    def apply(self, value: Object, user: tuple[str, ...] = BOB) -> CompletedProcess[str]:
        """Run kubectl apply."""
        return self.kubectl("apply", "-f", "-", user=user, stdin=json.dumps(value))

    def running(self, name: str, **given: Any) -> Object:
        """Create a pod as bob and return it; it must be admitted."""
        value = pod(name=name, **given)
        done = self.create(value)
        assert done.returncode == 0, done.stderr
        return self.api.must("GET", self.api.path_of(value))

    def clear(self) -> None:
        """Remove pods, workloads, networks and policies."""
        now = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        for namespace in NAMESPACES:
            self.api.must("DELETE", f"/api/v1/namespaces/{namespace}/pods", now)
            self.api.must("DELETE", f"/apis/apps/v1/namespaces/{namespace}/deployments", now)
            for plural in ("resourceclaims", "resourceclaimtemplates"):
                self.api.must("DELETE", f"/apis/resource.k8s.io/v1/namespaces/{namespace}/{plural}", now)
            if namespace != "old":
                self.api.must("DELETE", f"{K8S_CNI}/namespaces/{namespace}/network-attachment-definitions", now)
        self.api.must("DELETE", "/apis/resource.k8s.io/v1/deviceclasses", now)
        self.api.must("DELETE", f"/apis/{ACCESS}/networkattachmentpolicies", now)


@contextmanager
def tenants(api: RealApiServer, certs: Path, *, old: Mapping[str, Object] | None = None) -> Iterator[Tenants]:
    """Run the webhook, registered in stage Fail. `old` are networks that are older than the webhook."""
    with cluster(api):
        for name, labels in {**NAMESPACES, CANARY: {}}.items():
            api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
            own = {"name": "default", "namespace": name}
            api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": own})
        _grant(api)
        for reference, spec in (old or {}).items():
            api.put(network(reference, spec))
        with staged(api, certs) as server:
            world = Tenants(api, server)
            yield world
        world.clear()
        for namespace in ("old", CANARY):
            api.must("DELETE", f"{K8S_CNI}/namespaces/{namespace}/network-attachment-definitions")


def _grant(api: RealApiServer) -> None:
    """Let bob write in his namespaces, and nodes in blue."""
    api.put({"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": TENANTS}, "rules": TENANT_RULES})
    for namespace, group in (*((one, TENANTS) for one in BOBS), ("blue", NODES)):
        binding = {"name": group.replace(":", "-"), "namespace": namespace}
        role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": TENANTS}
        subjects = [{"apiGroup": RBAC, "kind": "Group", "name": group}]
        head = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": binding}
        api.put({**head, "roleRef": role, "subjects": subjects})


def policy(name: str, **spec: Any) -> Object:
    """Return a NetworkAttachmentPolicy."""
    return {"apiVersion": ACCESS, "kind": "NetworkAttachmentPolicy", "metadata": {"name": name}, "spec": spec}


def config_of(plugin: str, **more: Any) -> Object:
    """Return the spec of a network of one plugin."""
    return {"config": json.dumps({"cniVersion": "1.0.0", "type": plugin, **more})}


def network(reference: str, spec: Object, labels: Mapping[str, str] | None = None) -> Object:
    """Return a NetworkAttachmentDefinition."""
    namespace, _, name = reference.partition("/")
    metadata = {"namespace": namespace, "name": name, "labels": dict(labels or {})}
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    return {**kind, "metadata": metadata, "spec": spec}


def pod(
    networks: str | None = None,
    *,
    name: str = "",
    namespace: str = "blue",
    labels: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """Return a pod; without a name the API server chooses one. `more` are further annotations."""
    annotations = {**({} if networks is None else {NETWORKS: networks}), **(more or {})}
    named = {"name": name} if name else {"generateName": "web-"}
    metadata = {**named, "namespace": namespace, "labels": dict(labels or {}), "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**CONTAINERS, **spec}}


def admitted(done: CompletedProcess[str]) -> bool:
    """Return whether kubectl succeeded; any failure but a webhook's refusal is an AssertionError."""
    assert done.returncode == 0 or "admission webhook" in done.stderr, done.stderr
    return done.returncode == 0


def refused(done: CompletedProcess[str], *words: str, by: str = "pods") -> bool:
    """Return whether one of our webhooks refused it with these words; else print the answer."""
    wanted = (f'admission webhook "{by}.access.nadmit.io" denied the request: ', *words)
    missing = [word for word in wanted if word not in done.stderr]
    assert (done.returncode, missing) == (1, []), done.stderr
    return True


def annotate(world: Tenants, name: str, values: Mapping[str, str | None], **more: Any) -> CompletedProcess[str]:
    """Patch the annotations of a pod of blue; `subresource` and `user` may be given."""
    words = [f"--subresource={more.pop('subresource')}"] if "subresource" in more else []
    patch = json.dumps({"metadata": {"annotations": values}})
    return world.kubectl("patch", "pod", name, "-n", "blue", *words, "--type=merge", "-p", patch, **more)
