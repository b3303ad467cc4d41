"""The account of manifests/node/rbac.yaml has exactly the rights that the plugin uses."""

from __future__ import annotations

import itertools

import pytest
import yaml

from cniplugin.cnierrors import CniError
from tests.fakes.cni_plugin import Plugins
from tests.realapi.server import RealApiServer

from .claims.claimed import ETH, put_claim, put_kubelet, put_network, put_pod, put_vfs
from .cluster import ACCOUNT_NAME, DEFINITIONS, RealCluster, genuine
from .podnode import REPO, STATUS, Node
from .test_answers import about_the_pod, connect

VF = "0000:03:02.0"
RESULT = '{"cniVersion": "1.0.0", "interfaces": [], "ips": []}'

pytestmark = [pytest.mark.root, pytest.mark.slow, genuine]


def granted() -> set[tuple[str, str, str]]:
    """Return (group, resource, verb) of the role."""
    objects = yaml.safe_load_all((REPO / "manifests" / "node" / "rbac.yaml").read_text())
    rules = next(value["rules"] for value in objects if value["kind"] == "ClusterRole")
    return {
        combination
        for rule in rules
        for combination in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


@pytest.fixture
def poor(api: RealCluster) -> str:
    """A token of an account without any right."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "poor", "namespace": "kube-system"}}
    api.server.put(account)
    return api.server.token_for("kube-system", "poor")


def test_the_role_is_what_the_plugin_asks_for(node: Node, api: RealCluster) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod("infra/storage")
    node.add().refused(100)
    node.api.put_pod("lan")
    node.add().expect()
    node.delete().expect()
    put_network(node, "eth", ETH)
    put_kubelet(node)
    put_pod(api, "eth")
    put_vfs(api, VF)
    put_claim(api, VF)
    plugins = Plugins(node.bin_dir)
    plugins.tell("vf", "ADD", stdout=RESULT)
    node.add().expect()
    asked = api.server.requests(offset=api.offset, user=ACCOUNT_NAME)
    assert {(request.group, request.resource, request.verb) for request in asked} == granted()


def test_an_account_that_may_not_read(node: Node, poor: str) -> None:
    """Nothing is attached, and the error names the missing right."""
    node.write_kubeconfig(node.api.url, bearer=poor)
    text = node.add().refused(11)
    assert 'this account may not get pods in namespace "blue"' in text
    assert 'its role needs the verb "get" on "pods"' in text
    assert node.left() == []


def test_an_account_that_may_only_read(node: Node, api: RealCluster, poor: str) -> None:
    """The pod works; the log says which report failed."""
    grant(api.server, "poor")
    node.write_kubeconfig(node.api.url, bearer=poor)
    outcome = node.add()
    outcome.expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"]}
    assert 'its role needs the verb "patch" on "pods/status"' in outcome.err
    assert 'its role needs the verb "create" on "events"' in outcome.err
    assert (api.events(), STATUS in api.annotations()) == ([], False)


def grant(server: RealApiServer, account: str, *, networks: bool = False, claims: bool = False) -> None:
    """Let an account of kube-system read pods, namespaces, networks, and claims and rules."""
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["get"]}]
    if networks:
        rules.append({"apiGroups": ["k8s.cni.cncf.io"], "resources": [DEFINITIONS], "verbs": ["get"]})
    if claims:
        rules.append({"apiGroups": ["access.nadmit.io"], "resources": ["*"], "verbs": ["get", "list"]})
        rules.append({"apiGroups": ["resource.k8s.io"], "resources": ["resourceclaims"], "verbs": ["get"]})
    metadata = {"name": f"{account}-reads"}
    server.put({"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules})
    server.put(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": metadata["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "kube-system"}],
        }
    )


def test_a_namespace_that_is_being_deleted(api: RealCluster) -> None:
    """The error quotes the server, because not only RBAC forbids. NB: the namespace stays so, as no controller runs."""
    server = api.server
    server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ending"}})
    server.must("DELETE", "/api/v1/namespaces/ending")
    with connect(api) as client, pytest.raises(CniError) as caught:
        client.create_event(about_the_pod("Add net1", namespace="ending"))
    assert 'this account may not create events in namespace "ending": "events ' in caught.value.msg
    assert "because it is being terminated" in caught.value.msg


def test_status_by_what_an_account_may_do(node: Node, poor: str) -> None:
    """Every account may read the version; of a token that ended, no pod can start."""
    conf = node.conf(cniVersion="1.1.0")
    outside = {"CNI_CONTAINERID": "", "CNI_NETNS": "", "CNI_IFNAME": "", "CNI_ARGS": ""}
    node.call("STATUS", conf, **outside).expect()
    node.write_kubeconfig(node.api.url, bearer=poor)
    node.call("STATUS", conf, **outside).expect()
    node.write_kubeconfig(node.api.url, bearer="ended")
    assert "it rejects our credentials (401)" in node.call("STATUS", conf, **outside).refused(50)
