"""ResourceClaims at ADD: the node judges their networks again, with the pod's own labels and account."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.apiserver import Answer, Request, failure
from tests.fakes.objects import policy
from tests.node.api.cluster import Api, misbehaving
from tests.node.api.podnode import POD, Conf, Node

pytestmark = [pytest.mark.root, pytest.mark.slow, misbehaving]

SRIOV = "sriovnetwork.k8snetworkplumbingwg.io"
CLAIM = "/apis/resource.k8s.io/{}/namespaces/blue/resourceclaims/nic"


def opaque(name: str, namespace: str = "", *requests: str, source: str = "FromClaim", driver: str = SRIOV) -> Conf:
    parameters = {"netAttachDefName": name, **({"netAttachDefNamespace": namespace} if namespace else {})}
    return {"source": source, "requests": list(requests), "opaque": {"driver": driver, "parameters": parameters}}


def claim(*config: Conf, request: str = "vf", driver: str = SRIOV) -> Conf:
    """Return a claim with an allocated device."""
    results = [{"request": request, "driver": driver, "pool": "n1", "device": "d"}]
    return {
        "metadata": {"name": "nic"},
        "status": {"allocation": {"devices": {"config": list(config), "results": results}}},
    }


def give(api: Api, value: Conf | None, *, way: str = "claim", version: str = "v1") -> None:
    """Put the claim, and the pod that has it in one of three ways."""
    made = api.get(POD)
    spec: dict[str, Any] = {**made["spec"]}
    status: dict[str, Any] = {}
    if way == "claim":
        spec["resourceClaims"] = [{"name": "c", "resourceClaimName": "nic"}]
    elif way == "template":
        spec["resourceClaims"] = [{"name": "c", "resourceClaimTemplateName": "nics"}]
        status["resourceClaimStatuses"] = [{"name": "c", "resourceClaimName": "nic"}]
    else:
        status["extendedResourceClaimStatus"] = {"resourceClaimName": "nic", "requestMappings": []}
    api.put(POD, {**made, "spec": spec, "status": status})
    if value is not None:
        api.put(CLAIM.format(version), value)


def claims_asked(api: Api) -> list[str]:
    return [line for line in api.asked() if "resourceclaims" in line]


@pytest.mark.parametrize("way", ["claim", "template", "extended"])
def test_a_network_of_others(node: Node, api: Api, way: str) -> None:
    give(api, claim(opaque("storage", "infra", "vf")), way=way)
    text = node.add().refused(100)
    assert "pod blue/web-0 may not attach to infra/storage" in text
    assert "- infra/storage (ResourceClaim blue/nic)" in text
    assert "default posture Isolated" in text
    assert node.left() == []


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_ones_own_network(node: Node, api: Api, version: str) -> None:
    give(api, claim(opaque("lan", "", "vf")), version=version)
    node.add().expect()


def test_a_rule_by_the_labels_of_the_pod(node: Node, api: Api) -> None:
    storage = {"name": "storage", "action": "Allow", "networks": [{"namespaces": ["infra"]}]}
    labelled = {"namespaces": ["blue"], "podSelector": {"matchLabels": {"app": "router"}}}
    api.put_rules(policy("routers", storage, pods=[labelled]))
    give(api, claim(opaque("storage", "infra")))
    node.add().refused(100)
    api.modify(POD, lambda value: value["metadata"].update(labels={"app": "router"}))
    node.add().expect()


@pytest.mark.parametrize(
    ("config", "request_", "is_allowed"),
    [
        ([opaque("storage", "infra", source="FromClass"), opaque("lan", "blue")], "vf", True),
        ([opaque("lan", "blue"), opaque("storage", "infra", source="FromClass")], "vf", True),
        ([opaque("storage", "infra", "other")], "vf", True),
        ([opaque("storage", "infra", "vf")], "vf/a", False),
        ([opaque("storage", "infra", "vf/b")], "vf/a", True),
        ([opaque("storage", "infra", driver="gpu.example.com")], "vf", True),
    ],
)
def test_which_configuration_counts(node: Node, api: Api, config: list[Conf], request_: str, is_allowed: bool) -> None:  # noqa: FBT001
    give(api, claim(*config, request=request_))
    assert (node.add().code == 0) is is_allowed


def test_a_claim_that_says_nothing_of_networks_costs_one_request(node: Node, api: Api) -> None:
    give(api, claim(opaque("storage", "infra"), driver="gpu.example.com"))
    node.add().expect()
    assert len(claims_asked(api)) == 1
    assert not [line for line in api.asked() if "access.nadmit.io" in line]


def test_a_claim_that_is_not_there(node: Node, api: Api) -> None:
    give(api, None)
    node.add().expect()


def test_a_pod_without_claims_requests_no_claim(node: Node, api: Api) -> None:
    node.add().expect()
    assert claims_asked(api) == []


@pytest.mark.parametrize(("status", "is_started"), [(403, True), (500, False)])
def test_a_claim_that_cannot_be_read(node: Node, api: Api, status: int, *, is_started: bool) -> None:
    def answer(request: Request) -> Answer | None:
        return failure(status, "no") if "resourceclaims" in request.path else None

    give(api, claim(opaque("storage", "infra")))
    api.instead = answer
    if is_started:
        node.add().expect()
        assert any(line.startswith("NetworkClaimsUnread: ") for line in api.said())
    else:
        node.add().refused(11)
