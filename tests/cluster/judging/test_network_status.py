"""Who may write `network-status` at a real API server, by the conditions that it evaluates and by the webhook.

The requests come from the accounts of a real cluster, with the facts that the API server reads from their tokens.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
import yaml

from cniplugin.netspec.selection import NETWORK_STATUS, NETWORK_STATUS_KEYS
from tests.cluster.rig.registered import NETWORKS, Object, hooks, reviews
from tests.cluster.rig.tenants import Tenants, config_of, pod, tenants
from tests.fakes.waiting import wait_until
from tests.paths import MANIFESTS
from tests.realapi.server import MERGE_PATCH, RealApiServer
from webhook.admission.model.injection import INJECT

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

PODS = "/api/v1/namespaces/blue/pods"
LAN = config_of("macvlan", master="bond1")
NODE_MANIFEST = MANIFESTS / "node" / "rbac.yaml"
NODE_NAME = "authentication.kubernetes.io/node-name"


class Sender(NamedTuple):
    """The identity that the administrator impersonates: a user, groups, and the node of the token's pod."""

    user: str
    groups: tuple[str, ...] = ()
    node: str = ""


BOB = Sender("bob", ("tenants",))
NODE = Sender("system:node:n1", ("system:nodes",))
OWN = Sender("system:serviceaccount:kube-system:nadmit-node")
MULTUS = Sender("system:serviceaccount:kube-system:multus")
THICK_MULTUS = Sender("system:multus:n1", ("system:multus",))
OPENSHIFT = Sender("system:serviceaccount:openshift-multus:multus", node="n1")
ELSEWHERE = Sender("system:serviceaccount:openshift-multus:multus", node="n2")
NOBODY = Sender("system:serviceaccount:openshift-multus:multus")


@pytest.fixture(scope="module")
def served(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with tenants(real_api, tmp_path_factory.mktemp("status") / "certs") as world:
        for value in yaml.safe_load_all(NODE_MANIFEST.read_text()):
            real_api.put(value)
        _grant(real_api, "status-writers", "system:authenticated")
        yield world
        for kind in ("clusterrolebindings", "clusterroles"):
            for name in ("status-writers", "nadmit-node"):
                real_api.ask("DELETE", f"/apis/rbac.authorization.k8s.io/v1/{kind}/{name}")


@pytest.fixture
def world(served: Tenants) -> Iterator[Tenants]:
    served.settle(networks={"blue/lan": LAN})
    yield served
    served.clear()


def _grant(api: RealApiServer, name: str, group: str) -> None:
    """Let a group write pods everywhere, so that only the webhook refuses."""
    rbac = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["pods", "pods/status"], "verbs": ["get", "patch", "create"]}]
    head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": name}}
    api.put({**head, "kind": "ClusterRole", "rules": rules})
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": name}
    subjects = [{"apiGroup": rbac, "kind": "Group", "name": group}]
    api.put({**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": subjects})


class Said(NamedTuple):
    """The answer of the API server: status, message, warnings, and the number of calls of the webhook."""

    status: int
    message: str
    warnings: str
    calls: int


def send(world: Tenants, sender: Sender, method: str, path: str, body: Object) -> Said:
    headers = {"Impersonate-User": sender.user, "Accept": "application/json"}
    if sender.node:
        headers[f"Impersonate-Extra-{NODE_NAME.replace('/', '%2F')}"] = sender.node
    before = reviews(world.server)
    connection = world.api.connect()
    try:
        text = json.dumps(body).encode()
        connection.putrequest(method, path)
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        for key, value in (*headers.items(), ("Content-Type", kind), ("Content-Length", str(len(text)))):
            connection.putheader(key, value)
        for group in (*sender.groups, "system:authenticated"):
            connection.putheader("Impersonate-Group", group)
        connection.endheaders(text)
        answer = connection.getresponse()
        value = json.loads(answer.read())
        said = " ".join(answer.headers.get_all("Warning") or ())
        return Said(answer.status, str(value.get("message", "")), said, reviews(world.server) - before)
    except http.client.HTTPException as error:
        raise AssertionError(error) from error
    finally:
        connection.close()


def write(world: Tenants, sender: Sender, text: str | None, *, part: str = "/status") -> Said:
    return send(world, sender, "PATCH", f"{PODS}/web{part}", {"metadata": {"annotations": {NETWORK_STATUS: text}}})


def stored(world: Tenants, name: str = "web") -> Mapping[str, str]:
    found: Mapping[str, str] = world.api.must("GET", f"{PODS}/{name}")["metadata"].get("annotations", {})
    return found


WRITERS = {"node": NODE, "ours": OWN, "multus": MULTUS, "thick multus": THICK_MULTUS, "openshift": OPENSHIFT}


@pytest.mark.parametrize("name", WRITERS)
def test_plugins_of_the_node_write_it_without_a_call(world: Tenants, name: str) -> None:
    """A webhook that does not answer cannot stop them. The accounts have the rights of their manifests."""
    world.running("web", networks="lan", nodeName="n1")
    assert write(world, WRITERS[name], "[]") == Said(200, "", "", 0)
    assert stored(world)[NETWORK_STATUS] == "[]"
    assert write(world, WRITERS[name], "") == Said(200, "", "", 0)


@pytest.mark.parametrize(("node", "is_writer"), [("n1", True), ("n2", False)])
def test_the_token_of_a_pod_names_its_node(world: Tenants, node: str, *, is_writer: bool) -> None:
    """The kubelet gets such a token for a plugin's DaemonSet, and the plugin copies it to the node."""
    api = world.api
    world.running("web", networks="lan", nodeName="n1")
    agent = pod(name="agent", namespace="infra", nodeName=node)
    uid = api.must("POST", "/api/v1/namespaces/infra/pods", agent)["metadata"]["uid"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "agent", "uid": uid}
    path = "/api/v1/namespaces/infra/serviceaccounts/default/token"
    token = api.must("POST", path, {"spec": {"boundObjectRef": bound}})["status"]["token"]
    kubeconfig = api._write_kubeconfig({"token": token})
    patch = json.dumps({"metadata": {"annotations": {NETWORK_STATUS: "[]"}}})
    words = ("patch", "pod", "web", "-n", "blue", "--subresource=status", "--type=merge", "-p", patch)
    done = api.kubectl(*words, kubeconfig=kubeconfig)
    assert (done.returncode, "sets the network status" in done.stderr) == (0, not is_writer), done.stderr


@pytest.mark.parametrize(
    ("sender", "part"),
    [(BOB, "/status"), (BOB, ""), (NOBODY, "/status"), (ELSEWHERE, "/status"), (MULTUS, ""), (OPENSHIFT, "")],
    ids=["bob", "bob, pods", "no node", "another node", "multus, pods", "openshift, pods"],
)
def test_others_are_warned(world: Tenants, sender: Sender, part: str) -> None:
    world.running("web", networks="lan", nodeName="n1")
    said = write(world, sender, "[]", part=part)
    assert (said.status, said.calls) == (200, 1)
    assert f"user {sender.user} sets the network status; only nodes and status writers may" in said.warnings
    assert stored(world)[NETWORK_STATUS] == "[]"


@pytest.mark.parametrize("key", NETWORK_STATUS_KEYS)
@pytest.mark.parametrize(
    "more",
    [{}, {NETWORKS: "lan"}, {INJECT: "false"}, {INJECT: "false", NETWORKS: "lan"}],
    ids=["plain", "networks", "opted out", "opted out, networks"],
)
@pytest.mark.parametrize("spec", [{}, {"hostNetwork": True}], ids=["", "host network"])
def test_a_new_pod_cannot_have_a_status(world: Tenants, key: str, more: dict[str, str], spec: dict[str, Any]) -> None:
    made = pod(name="web", more={**more, key: '[{"name":"infra/storage"}]'}, **spec)
    said = send(world, BOB, "POST", PODS, made)
    assert said.status == 201, said.message
    assert f"metadata.annotations[{key}]: dropped" in said.warnings
    assert stored(world) == more


def test_a_pod_that_claims_to_be_static_cannot_have_a_status(world: Tenants) -> None:
    more = {"kubernetes.io/config.mirror": "x", NETWORK_STATUS: "[]"}
    said = send(world, BOB, "POST", PODS, pod(name="web", more=more, nodeName="n1"))
    assert said.status == 201, said.message
    assert NETWORK_STATUS not in stored(world)


def test_listed_accounts_may_write_it(world: Tenants) -> None:
    world.settle(config={"statusWriters": ["bob"], "statusWriterGroups": ["backup"]})
    for sender in (BOB, Sender("velero", ("backup",))):
        name = sender.user
        said = send(world, sender, "POST", PODS, pod(name=name, more={NETWORK_STATUS: "[]"}))
        assert (said.status, said.warnings) == (201, "")
        assert stored(world, name)[NETWORK_STATUS] == "[]"


def test_mode_deny_refuses_others(world: Tenants) -> None:
    """The webhook that may fail closed refuses it, once its condition is registered."""
    world.settle(config={"networkStatusMode": "Deny"})
    wait_until(lambda: NETWORK_STATUS in hooks(world.api)["pods.access.nadmit.io"]["matchConditions"][0]["expression"])
    world.running("web", networks="lan", nodeName="n1")
    wait_until(lambda: 'webhook "pods.access' in write(world, BOB, "[7]").message)
    for sender in (BOB, NOBODY, ELSEWHERE):
        said = write(world, sender, "[]")
        assert (said.status, said.calls) == (403, 1)
        assert "may not change the network status of pod blue/web" in said.message
    for sender in WRITERS.values():
        assert write(world, sender, "[]") == Said(200, "", "", 0)
    said = send(world, BOB, "POST", PODS, pod(name="other", more={NETWORK_STATUS: "[]"}))
    assert (said.status, NETWORK_STATUS in stored(world, "other")) == (201, False)
