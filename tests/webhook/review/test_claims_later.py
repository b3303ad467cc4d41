"""Pods with unknown claims: the review asks the cluster for the claims, then for their classes, then for networks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

from cniplugin.access.model.decision import Config, Rules
from tests.webhook.admission.dra.claimobjects import (
    BY_CLAIM,
    MACVLAN,
    TENANT,
    Json,
    claim,
    cluster_of,
    device_class,
    network,
    opaque,
    pod,
    request,
    vf,
)
from webhook.admission.dra.claims import CLAIM, CLASS, DeviceKey, DeviceSpec
from webhook.admission.model.requests import Decision, Request
from webhook.admission.view.decisioncontext import Cluster, Configuration
from webhook.commands.judging import admission_review
from webhook.driverdata.driverfiles import default_drivers
from webhook.review.reviews import Reviews
from webhook.snapshot.devicespecs import read_spec
from webhook.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from webhook.serving.http import Later

NIC, FAST = DeviceKey(CLAIM, "blue", "nic"), DeviceKey(CLASS, "", "fast")


def spec_of(value: Json) -> DeviceSpec:
    return read_spec(value["kind"], json.dumps(value["spec"]).encode())


class Devices:
    """Finds the given objects; None if the API server does not answer in time."""

    def __init__(self, known: Mapping[DeviceKey, DeviceSpec] | None) -> None:
        self.known = known
        self.asked: list[list[DeviceKey]] = []

    async def find(
        self, unknown: Sequence[DeviceKey], *, seconds: float
    ) -> Mapping[DeviceKey, DeviceSpec | None] | None:
        assert 0 <= seconds <= 1
        self.asked.append(list(unknown))
        return None if self.known is None else {key: self.known.get(key) for key in unknown}

    def put(self, cluster: Cluster, found: Mapping[DeviceKey, DeviceSpec | None]) -> Cluster:
        assert isinstance(cluster, Snapshot)
        more = {key: spec for key, spec in found.items() if spec is not None}
        return cluster.with_devices(cluster.devices.with_more(more, frozenset(found) - frozenset(more)))


class Lookups:
    """Finds the network blue/new."""

    def may_find_namespaces(self, _unknown: Sequence[str]) -> bool:
        return False

    def may_find_networks(self, missing: Sequence[tuple[str, str]]) -> bool:
        return list(missing) == [("blue", "new")]

    async def find_namespaces(self, _unknown: Sequence[str], *, seconds: float, over: object = None) -> Cluster | None:
        raise AssertionError((seconds, over))

    async def find_networks(
        self, _missing: Sequence[tuple[str, str]], *, seconds: float, over: object = None
    ) -> Cluster | None:
        assert (seconds >= 0, over) == (True, None)
        return cluster_of(network("blue/new", MACVLAN))


class Nobody:
    def review(self, _path: str, _request: Request, _decision: Decision, _seconds: float) -> None:
        """Implements `Observer`."""


def answer(asked: Json, devices: Devices) -> tuple[Json, bool]:
    """Return the response, and whether it had to wait."""
    reviews = Reviews(
        snapshot=cluster_of,
        problem=lambda: None,
        rules=lambda _cluster: Rules(config=Config()),
        configuration=lambda: Configuration(injection=None, drivers=default_drivers()),
        network_namespace="kube-system",
        observer=Nobody(),
        live=Lookups(),
        live_devices=devices,
    )
    made = reviews("/validate", admission_review(asked, namespace="blue", user=TENANT))
    is_late = not isinstance(made, bytes)
    body = made if isinstance(made, bytes) else asyncio.run(_await(made))
    response: Json = json.loads(body)["response"]
    return response, is_late


async def _await(later: Later) -> bytes:
    return await later(5.0)


def test_a_claim_that_is_found_is_judged() -> None:
    for parameters, is_allowed in ((vf("lan", "blue"), True), (vf("secret", "infra"), False)):
        devices = Devices(
            {NIC: spec_of(claim(opaque(parameters))), DeviceKey(CLASS, "", "plain"): spec_of(device_class())}
        )
        response, is_late = answer(pod(BY_CLAIM), devices)
        assert (response["allowed"], is_late) == (is_allowed, True)
        assert devices.asked[0] == [NIC]


def test_then_its_class_is_asked_for() -> None:
    by_class = claim(requests=[request("vf", "fast")])
    devices = Devices({NIC: spec_of(by_class), FAST: spec_of(device_class(opaque(vf("secret", "infra")), name="fast"))})
    response, _ = answer(pod(BY_CLAIM), devices)
    assert not response["allowed"]
    assert "DeviceClass fast" in response["status"]["message"]
    assert devices.asked == [[NIC], [FAST]]


def test_then_its_network_is_sought() -> None:
    plain = DeviceKey(CLASS, "", "plain")
    devices = Devices({NIC: spec_of(claim(opaque(vf("new")))), plain: spec_of(device_class())})
    assert answer(pod(BY_CLAIM), devices)[0]["allowed"]
    absent = Devices({NIC: spec_of(claim(opaque(vf("absent")))), plain: spec_of(device_class())})
    assert answer(pod(BY_CLAIM), absent)[0]["status"]["code"] == 422


def test_a_claim_that_is_not_there_is_allowed() -> None:
    """As in Kubernetes, the pod is pending, and the claim is judged when it is written."""
    devices = Devices({})
    assert answer(pod(BY_CLAIM), devices)[0]["allowed"]
    assert devices.asked == [[NIC]]


def test_a_pod_with_unknown_claims_is_refused_for_now() -> None:
    response, _ = answer(pod(BY_CLAIM), Devices(None))
    assert (response["allowed"], response["status"]["code"]) == (False, 503)
    assert "ResourceClaim blue/nic" in response["status"]["message"]
    assert "try again" in response["status"]["message"]


@pytest.mark.parametrize("resources", [None, {"nvidia.com/gpu": "1"}])
def test_a_pod_without_claims_does_not_wait(resources: dict[str, str] | None) -> None:
    devices = Devices({})
    assert answer(pod(resources=resources), devices) == ({**answer(pod(), devices)[0]}, False) or resources
    assert devices.asked == []
