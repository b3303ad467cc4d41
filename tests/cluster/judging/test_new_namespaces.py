"""A namespace, a network and a pod are created right after each other: rules about labels apply to the first pod."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest

from tests.cluster.rig.registered import ACCOUNT, NAMESPACE, READ, REGISTER, Object, account
from tests.cluster.rig.tenants import K8S_CNI, Tenants, config_of, network, pod, policy, tenants
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

LAN = config_of("macvlan", master="bond1")
NOT_DEV = policy(
    "dev",
    pods=[{"namespaceSelector": {"matchLabels": {"env": "dev"}}}],
    attachments=[{"name": "none", "action": "Deny"}],
    definitions=[
        {
            "name": "none",
            "action": "Deny",
            "namespaceSelector": {"matchLabels": {"env": "dev"}},
            "config": {"pluginTypes": ["host-device"]},
        }
    ],
)
TIMES = 15
TRIES_MAX = 60


@pytest.fixture(scope="module")
def world(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with tenants(real_api, tmp_path_factory.mktemp("new") / "certs") as world:
        world.settle(NOT_DEV, config={"definitions": {"exemptGroups": []}})
        yield world
        now = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        for each in real_api.must("GET", "/api/v1/namespaces")["items"]:
            name = each["metadata"]["name"]
            if name.startswith(("dev-", "prod-", "late-")):
                real_api.must("DELETE", f"/api/v1/namespaces/{name}/pods", now)
                real_api.must("DELETE", f"{K8S_CNI}/namespaces/{name}/network-attachment-definitions", now)


def begin(world: Tenants, name: str, env: str) -> None:
    """Create a namespace and the objects that its pods need. NB: no step waits for a watch."""
    metadata = {"name": name, "labels": {"env": env}}
    world.api.must("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    account = {"metadata": {"name": "default", "namespace": name}}
    world.api.must("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account)


def put_network(world: Tenants, name: str, spec: Object) -> int:
    path = f"{K8S_CNI}/namespaces/{name}/network-attachment-definitions"
    return world.api.ask("POST", path, network(f"{name}/lan", spec)).status


def post_all(world: Tenants, values: Sequence[tuple[str, Object]]) -> list[int]:
    """Create objects over one connection, each right after the other; return the answers."""
    found = []
    connection = world.api.connect()
    try:
        for path, value in values:
            connection.request("POST", path, json.dumps(value), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
    finally:
        connection.close()
    return found


def test_the_first_objects_of_a_namespace_are_judged_with_its_labels(world: Tenants) -> None:
    offset = world.api.audit_offset()
    for number in range(TIMES):
        for env in ("dev", "prod"):
            name = f"{env}-{number}"
            begin(world, name, env)
            assert put_network(world, name, config_of("host-device", device="eth3")) == (403 if env == "dev" else 201)
            if env == "dev":
                assert put_network(world, name, LAN) == 201
            answer = world.api.ask("POST", f"/api/v1/namespaces/{name}/pods", pod("lan", name="web", namespace=name))
            assert answer.status == (403 if env == "dev" else 201), answer.value
            if env == "dev":
                assert 'rule "none" (Deny)' in answer.value["message"]
    user = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    asked = [each for each in world.api.requests(offset=offset, user=user) if each.verb == "get"]
    namespaces = [each.uri for each in asked if each.resource == "namespaces"]
    assert namespaces, "the watch was always faster: this run shows nothing"
    reviews = TIMES * (4 + 3)  # two networks and a pod under two webhooks; one network and a pod under two webhooks
    assert len(namespaces) <= reviews


def test_without_the_right_to_ask_the_api_server_tries_again(world: Tenants) -> None:
    """After an upgrade of the image alone the right is missing: reviews get 503 with Retry-After until the watch has brought the namespace."""
    user = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    rules = [{**rule, "verbs": ["list", "watch"]} if "namespaces" in rule["resources"] else rule for rule in READ]
    account(world.api, rules + REGISTER)
    wait_until(lambda: world.api.kubectl("auth", "can-i", "get", "namespaces", "--as", user).stdout.strip() == "no")
    try:
        for number in range(TRIES_MAX):
            name = f"late-{number}"
            made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"env": "dev"}}}
            refused = network(f"{name}/eth", config_of("host-device", device="eth3"))
            networks = f"{K8S_CNI}/namespaces/{name}/network-attachment-definitions"
            assert post_all(world, [("/api/v1/namespaces", made), (networks, refused)]) == [201, 403]
            if 'nadmit_live_lookups_total{result="failed"}' in world.server.get("/metrics")[1]:
                break
        else:
            raise AssertionError("the watch was always faster: this run shows nothing")
    finally:
        account(world.api, READ + REGISTER)
