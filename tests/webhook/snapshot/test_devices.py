"""Claims, templates and classes of a cluster: watched in the served version, and looked up live."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.apiserver import ApiServer, status
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import PATIENCE_S
from tests.fakes.waiting import wait_until
from tests.webhook.admission.dra.claimobjects import CNI, claim, device_class, opaque, vf
from webhook.admission.dra.claims import CLAIM, CLASS, ClaimSpec, DeviceClass, DeviceKey
from webhook.kube.connection import Connection
from webhook.kube.informers import Timing
from webhook.snapshot.devicespecs import KEPT_BYTES_MAX
from webhook.snapshot.livelookups import DEVICES_MAX, LiveDevices
from webhook.snapshot.source import ClusterSource

from .conftest import QUICK

GROUP = "/apis/resource.k8s.io"
NIC = DeviceKey(CLAIM, "blue", "nic")
KNOWN = {"sriovnetwork.k8snetworkplumbingwg.io"}


def paths(version: str) -> tuple[str, ...]:
    return tuple(f"{GROUP}/{version}/{one}" for one in ("resourceclaims", "resourceclaimtemplates", "deviceclasses"))


@pytest.fixture
def source(api: ApiServer, tmp_path: Path) -> Iterator[ClusterSource]:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
    made = ClusterSource(
        kubeconfig,
        is_read=KNOWN.__contains__,
        timing=Timing(**QUICK),  # type: ignore[arg-type]  # of two types
        jitter=lambda: 0.5,
        environ={},
    )
    yield made
    made.stop()


def found(source: ClusterSource, key: DeviceKey = NIC) -> Any:
    return source.snapshot().devices.find(key)


def test_a_cluster_without_the_group_is_ready(api: ApiServer, source: ClusterSource) -> None:
    source.start()
    wait_until(lambda: source.problem() is None)
    assert found(source) is None
    assert not source.snapshot().devices.has_extended_resources


@pytest.mark.parametrize("version", ["v1", "v1beta2", "v1beta1"])
def test_a_group_that_is_served_later_is_found(api: ApiServer, source: ClusterSource, version: str) -> None:
    source.start()
    wait_until(lambda: source.problem() is None)
    api.serve(*paths(version))
    api.put(paths(version)[0], claim(opaque(vf("lan")), version=version))
    api.put(paths(version)[2], device_class(opaque(vf("lan")), name="fast", extendedResourceName="example.com/fast"))
    wait_until(lambda: found(source) and source.snapshot().devices.has_extended_resources)
    assert found(source).requests[0].classes == (("", "plain"),)
    assert found(source).configs[0].parameters is not None
    assert source.snapshot().devices.classes_of("example.com/fast") == ("fast",)
    api.delete(paths(version)[0], "blue", "nic")
    wait_until(lambda: found(source) is None)


def test_which_parameters_are_kept(api: ApiServer, source: ClusterSource) -> None:
    """Those of known drivers, if they are not too large; of all others only the names are kept."""
    api.serve(*paths("v1"))
    large = opaque({**vf("lan"), "x": "y" * KEPT_BYTES_MAX})
    api.put(paths("v1")[0], claim(opaque(vf("lan")), opaque({"config": {}}, driver=CNI)), claim(large, name="large"))
    source.start()
    wait_until(lambda: found(source))
    assert [config.parameters is None for config in found(source).configs] == [False, True]
    assert [config.parameters for config in found(source, DeviceKey(CLAIM, "blue", "large")).configs] == [None]


def test_claims_keep_what_a_snapshot_remembers(api: ApiServer, source: ClusterSource) -> None:
    api.serve(*paths("v1"))
    source.start()
    wait_until(lambda: source.problem() is None)
    source.snapshot().recall("key", lambda: "made")
    api.put(paths("v1")[0], claim())
    wait_until(lambda: found(source))
    assert source.snapshot().recall("key", lambda: "anew") == "made"
    assert source.snapshot().counts()["resourceclaims"] == 1


# Live look-ups


class Live:
    """LiveDevices of an API server. `now` is its clock, `results` has its results."""

    def __init__(self, api: ApiServer, folder: Path) -> None:
        self.now = 100.0
        self.results: list[str] = []
        self.connection = Connection(write_kubeconfig(folder / "live", api.url), environ={})
        self.live = LiveDevices(self.connection, clock=lambda: self.now, on_result=self.results.append)

    def find(self, *keys: DeviceKey) -> Any:
        return asyncio.run(self.live.find(keys, seconds=PATIENCE_S))


@pytest.fixture
def live(api: ApiServer, tmp_path: Path) -> Iterator[Live]:
    made = Live(api, tmp_path)
    yield made
    made.live.close()
    made.connection.close()


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_an_object_is_found_in_the_served_version(api: ApiServer, live: Live, version: str) -> None:
    api.serve(*paths(version))
    api.put(paths(version)[0], claim(opaque(vf("lan")), version=version))
    api.put(paths(version)[2], device_class(name="fast"))
    got = live.find(NIC, DeviceKey(CLASS, "", "fast"))
    assert isinstance(got[NIC], ClaimSpec)
    assert isinstance(got[DeviceKey(CLASS, "", "fast")], DeviceClass)
    assert live.results == ["found", "found"]


def test_an_answer_is_kept_for_a_second(api: ApiServer, live: Live) -> None:
    api.serve(*paths("v1"))
    assert live.find(NIC) == {NIC: None}
    api.put(paths("v1")[0], claim())
    asked = len(api.requests)
    assert live.find(NIC) == {NIC: None}
    assert len(api.requests) == asked
    live.now += 1.1
    assert live.find(NIC)[NIC] is not None


def test_a_failed_get_is_not_an_answer(api: ApiServer, live: Live) -> None:
    api.answer_always[f"{paths('v1')[0].rpartition('/')[0]}/namespaces/blue/resourceclaims/nic"] = (
        500,
        status(500, "x"),
    )
    assert live.find(NIC) is None
    assert live.results == ["failed"]


def test_too_many_objects_for_one_review(api: ApiServer, live: Live) -> None:
    asked = len(api.requests)
    many = [DeviceKey(CLAIM, "blue", f"c{number}") for number in range(DEVICES_MAX + 1)]
    assert live.find(*many) is None
    assert (live.results, len(api.requests)) == (["busy"], asked)
    assert live.find(*many[:DEVICES_MAX]) == dict.fromkeys(many[:DEVICES_MAX])
