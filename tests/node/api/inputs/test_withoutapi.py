"""Which pods start without the API server, which do not, and what STATUS says meanwhile (attach/withoutapi)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.apiserver import failure
from tests.node.api.cluster import Api, misbehaving
from tests.node.api.podnode import DEFAULT, NETWORKS, POD, STATUS, Node, Outcome

pytestmark = [pytest.mark.root, pytest.mark.slow, misbehaving]

KEY = "io.kubernetes.cri.pod-annotations"
USUAL = {"kubernetes.io/config.seen": "2026-01-31T12:00:00Z", "kubernetes.io/config.source": "api"}
"""The annotations that the kubelet adds to every pod."""
WRONG, AGAIN, NOT_AVAILABLE = 7, 11, 50


@pytest.fixture(autouse=True)
def kubelet(node: Node) -> Path:
    """The directory of a kubelet that knows no claims."""
    path = node.directory / "kubelet"
    path.mkdir()
    return path


def of(node: Node) -> Api:
    assert isinstance(node.api, Api)
    return node.api


def with_ended_token(node: Node) -> None:
    """The DaemonSet that renews it is gone, or its image cannot be pulled (rke2#9313)."""
    of(node).token = "renewed elsewhere"


def without_server(node: Node) -> None:
    node.write_kubeconfig("https://127.0.0.1:1")


def with_errors(node: Node) -> None:
    of(node).instead = lambda _request: failure(500)


def without_kubeconfig(node: Node) -> None:
    node.kubeconfig.unlink()


def with_token_file_gone(node: Node) -> None:
    value = json.loads(node.kubeconfig.read_text())
    value["users"][0]["user"] = {"tokenFile": "/nowhere/token"}
    node.kubeconfig.write_text(json.dumps(value))


def without_rights(node: Node) -> None:
    of(node).answer_always[POD] = failure(403, "forbidden")


AWAY = [with_ended_token, without_server, with_errors, without_kubeconfig, with_token_file_gone, without_rights]


def told(annotations: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the keys of a configuration to which the runtime adds the pod's annotations."""
    return {
        "capabilities": {KEY: True},
        "runtimeConfig": {KEY: {**USUAL, **(annotations or {})}},
        "deadline": 6,
        **changes,
    }


def started(node: Node, outcome: Outcome) -> None:
    outcome.expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"]}
    assert "the API server cannot be asked; the pod starts with the networks of the node" in outcome.err
    assert STATUS not in of(node).annotations()


@pytest.mark.parametrize("happens", AWAY)
def test_a_pod_fails_if_nobody_says_what_it_asks_for(node: Node, happens: Callable[[Node], None]) -> None:
    happens(node)
    outcome = node.add(deadline=2)
    assert (outcome.code, outcome.out["code"] in {AGAIN, 7}) == (1, True)
    assert node.left() == []


@pytest.mark.parametrize("happens", AWAY)
def test_a_pod_of_which_the_runtime_says_that_it_asks_for_nothing(node: Node, happens: Callable[[Node], None]) -> None:
    happens(node)
    begin = time.monotonic()
    started(node, node.add(**told()))
    assert time.monotonic() - begin < 5
    node.delete().expect()


@pytest.mark.parametrize("happens", AWAY)
def test_by_setting(node: Node, happens: Callable[[Node], None]) -> None:
    happens(node)
    started(node, node.add(onApiUnavailable="DefaultNetwork", deadline=6))


ASKS = [{NETWORKS: "lan"}, {NETWORKS: '[{"name": "lan"}]'}, {DEFAULT: "lan"}, {NETWORKS: " "}, {NETWORKS: 7}]


@pytest.mark.parametrize("setting", ["Fail", "DefaultNetwork"])
@pytest.mark.parametrize("annotations", ASKS)
def test_a_pod_with_networks_never_starts_without_them(node: Node, annotations: dict[str, Any], setting: str) -> None:
    with_ended_token(node)
    node.add(**told(annotations, onApiUnavailable=setting)).refused(AGAIN)
    assert node.left() == []


@pytest.mark.parametrize("annotations", [{NETWORKS: ""}, {DEFAULT: ""}, {STATUS: "[]"}])
def test_an_empty_annotation_asks_for_nothing(node: Node, annotations: dict[str, str]) -> None:
    with_ended_token(node)
    started(node, node.add(**told(annotations)))


@pytest.mark.parametrize("value", [None, "lan", []])
def test_annotations_of_another_type_are_unknown(node: Node, value: object) -> None:
    with_ended_token(node)
    node.add(**told(runtimeConfig={KEY: value})).refused(AGAIN)


# An API server that answers is not away


def test_a_pod_that_does_not_exist(node: Node) -> None:
    """The pod was deleted, or the mirror pod of a static pod is late."""
    node.api.delete_pod()
    begin = time.monotonic()
    node.add(**told(onApiUnavailable="DefaultNetwork", deadline=3)).refused(AGAIN)
    assert time.monotonic() - begin < 2.5
    node.api.put_pod()


def test_a_pod_that_was_created_anew(node: Node) -> None:
    assert "it was created anew" in node.add(**told(onApiUnavailable="DefaultNetwork"), uid="another").refused(AGAIN)


def test_an_api_server_that_answers_is_asked_for_everything(node: Node) -> None:
    """What it says counts: the runtime may have an older pod."""
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod("lan")
    node.add(**told(onApiUnavailable="DefaultNetwork")).expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"], "net1": ["10.77.98.2/24"]}
    assert len(node.api.status()) == 2


# Claims


def states(uid: str) -> Iterator[str]:
    """Return the state file of the kubelet, in the form of 1.30 and in that of 1.34."""
    claims = [{"ClaimUID": "x", "ClaimName": "c", "Namespace": "blue", "PodUIDs": {uid: {}}}]
    yield json.dumps({"version": "v1", "entries": claims, "checksum": 1})
    yield json.dumps({"data": json.dumps({"kind": "DRAManagerState", "claimInfoStateList": claims}), "checksum": 1})


@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize("changes", [told(), {"onApiUnavailable": "DefaultNetwork", "deadline": 6}])
def test_a_pod_with_claims_does_not_start(node: Node, kubelet: Path, changes: dict[str, Any], form: int) -> None:
    """The node judges the networks of claims, and cannot read them."""
    (kubelet / "dra_manager_state").write_text(list(states(node.api.uid))[form])
    with_ended_token(node)
    assert "the pod has ResourceClaims, whose networks the node must judge" in node.add(**changes).refused(AGAIN)


def test_a_pod_without_claims_beside_others(node: Node, kubelet: Path) -> None:
    (kubelet / "dra_manager_state").write_text(next(states("of-another-pod")))
    with_ended_token(node)
    started(node, node.add(**told()))


def test_claims_that_cannot_be_read(node: Node, kubelet: Path) -> None:
    os.mkfifo(kubelet / "dra_manager_state")
    with_ended_token(node)
    assert "whether the pod has ResourceClaims is unknown: " in node.add(**told()).refused(AGAIN)


def test_a_node_where_claims_cannot_be_seen(node: Node, kubelet: Path) -> None:
    kubelet.rmdir()
    with_ended_token(node)
    outcome = node.add(**told())
    started(node, outcome)
    assert f"kubeletDir {kubelet} does not exist; networks of ResourceClaims of the pod, if it has any" in outcome.err
    node.delete().expect()
    assert "CNI_ARGS have no K8S_POD_UID" in node.add(**told(), uid="").err


# The node's own networks


def test_a_default_network_that_is_a_definition_needs_the_api_server(node: Node) -> None:
    """A file of the same name may be another network."""
    (node.conf_dir / "10.conflist").write_text(json.dumps({**node.chain("b"), "name": "cluster"}))
    with_ended_token(node)
    node.add(**told(clusterNetwork="cluster")).refused(AGAIN)
    node.add(**told(defaultNetworks=["cluster"])).refused(AGAIN)
    assert node.left() == []


@pytest.mark.parametrize("system", [["kube-system"], ["blue"]])
def test_further_networks_of_the_node(node: Node, system: list[str]) -> None:
    path = node.conf_dir / "10.conf"
    path.write_text(json.dumps(node.bridge_conf("b")))
    with_ended_token(node)
    node.add(**told(defaultNetworks=[str(path)], systemNamespaces=system)).expect()
    assert list(node.addresses()) == (["eth0"] if system == ["blue"] else ["eth0", "net1"])


# The annotations of the runtime


def test_annotations_reach_only_plugins_that_want_them(node: Node) -> None:
    wanting = {"type": "passthru", "capabilities": {KEY: True}}
    default = node.chain("a", {"type": "recorder", "capabilities": {"portMappings": True}}, wanting)
    further = node.chain("b", {"type": "recorder", "capabilities": {KEY: True}})
    node.add(**told({"secret": "hunter2"}, delegates=[default, further])).expect()
    assert "runtimeConfig" not in node.record("ADD", "eth0")["conf"]
    assert node.record("ADD", "eth0", "passthru")["conf"]["runtimeConfig"][KEY]["secret"] == "hunter2"
    assert "runtimeConfig" not in node.record("ADD", "net1")["conf"]


def test_annotations_are_not_recorded(node: Node) -> None:
    outcome = node.add(**told({"secret": "hunter2"}, logLevel="debug"))
    outcome.expect()
    [record] = (node.directory / "records").glob("*.journal")
    assert "hunter2" not in record.read_text() + outcome.err


# STATUS


def status(node: Node, **changes: Any) -> Outcome:
    environ = {"CNI_CONTAINERID": "", "CNI_NETNS": "", "CNI_IFNAME": "", "CNI_ARGS": ""}
    return node.call("STATUS", node.conf(cniVersion="1.1.0", **changes), **environ)


def test_status_costs_one_request(node: Node) -> None:
    status(node).expect()
    assert of(node).asked() == ["GET /version"]


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (with_ended_token, NOT_AVAILABLE),
        (without_kubeconfig, WRONG),
        (with_token_file_gone, WRONG),
    ],
)
def test_status_says_that_no_pod_can_start(node: Node, happens: Callable[[Node], None], code: int) -> None:
    happens(node)
    assert status(node).refused(code).startswith("no pod can start: ")


@pytest.mark.parametrize("changes", [{"capabilities": {KEY: True}}, {"onApiUnavailable": "DefaultNetwork"}])
def test_status_if_some_pods_can_start(node: Node, changes: dict[str, Any]) -> None:
    with_ended_token(node)
    outcome = status(node, **changes)
    outcome.expect()
    assert "error STATUS - - pods that ask for networks cannot start: " in outcome.err


@pytest.mark.parametrize("happens", [without_server, with_errors])
def test_status_while_the_api_server_is_away(node: Node, happens: Callable[[Node], None]) -> None:
    """An error would make each node of the cluster not ready."""
    happens(node)
    begin = time.monotonic()
    outcome = status(node)
    outcome.expect()
    assert time.monotonic() - begin < 4
    assert "error STATUS - - pods that ask for networks cannot start: " in outcome.err


def test_status_of_an_account_that_may_not_read_the_version(node: Node) -> None:
    of(node).answer_always["/version"] = failure(403, "forbidden")
    outcome = status(node)
    outcome.expect()
    assert "error" not in outcome.err


def test_status_without_an_api_server(node: Node) -> None:
    status(node, kubeconfig=None).expect()
    assert of(node).asked() == []
