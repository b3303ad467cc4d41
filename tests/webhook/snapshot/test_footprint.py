"""What a cached object costs, in bytes that Python allocates. The bounds are 15% above what was counted."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from sys import intern

import msgspec
import pytest

from webhook.kube.responses import Values, parse_item
from webhook.snapshot.caches import Caches, _share_config
from webhook.snapshot.pods import Pods

NAMESPACES = 100
CONFIG = '{"cniVersion": "1.0.0", "name": "lan-%d", "type": "bridge", "ipam": {"type": "host-local", "subnet": "%s"}}'


@pytest.fixture(autouse=True)
def counted() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


def kept(make: Callable[[], object]) -> tuple[int, int]:
    """Return the bytes that a call has left allocated, and the most bytes at one time in it. Its result stays alive."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    result = make()
    peak = tracemalloc.get_traced_memory()[1]
    gc.collect()
    left = tracemalloc.get_traced_memory()[0] - before
    del result
    return left, peak - before


def texts(count: int, render: Callable[[int], dict[str, object]]) -> list[bytes]:
    return [json.dumps(render(number)).encode() for number in range(count)]


def definition(number: int, config: str) -> dict[str, object]:
    metadata = {
        "namespace": f"tenant-{number % NAMESPACES}",
        "name": f"network-{number}",
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"k8s.v1.cni.cncf.io/resourceName": "example.com/vfs"},
        "managedFields": [{"manager": "helm", "fieldsV1": {"f:spec": {}}}] * 10,
    }
    return {"metadata": metadata, "spec": {"config": config}}


def pod(number: int) -> dict[str, object]:
    space = number % NAMESPACES
    metadata = {
        "namespace": f"tenant-{space}",
        "name": f"web-7b9fbb666b-{number:05}",
        "labels": {"app": f"web-{number}"},
        "annotations": {
            "k8s.v1.cni.cncf.io/networks": f"network-{space},network-{space + NAMESPACES}",
            "k8s.v1.cni.cncf.io/network-status": json.dumps([{"ips": [f"10.0.{number >> 8}.{number & 255}"]}]),
        },
    }
    return {"metadata": metadata}


def fill(cache: object, listed: list[bytes]) -> Caches:
    """Do what an informer does with the objects of a list."""
    values: Values[object] = {}
    for text in listed:
        item = parse_item(msgspec.Raw(text))
        value = cache.make(item)  # type: ignore[attr-defined]  # a Cache of any value
        values.setdefault(intern(item.metadata.namespace), {})[item.metadata.name] = value
    cache.replace(values)  # type: ignore[attr-defined]
    return cache  # type: ignore[return-value]


def test_a_definition_costs_little_more_than_its_text() -> None:
    count = 4_000
    listed = texts(count, lambda number: definition(number, CONFIG % (number, f"10.1.{number % 250}.0/24")))
    left, peak = kept(lambda: fill(Caches(None).networks, listed))
    size = len(CONFIG % (count, "10.1.100.0/24"))
    assert left / count < size + 335
    assert peak < 1.1 * left


def test_equal_configurations_are_one_text() -> None:
    """Each tenant has the same forty networks."""
    _share_config.cache_clear()
    count = 40 * NAMESPACES
    listed = texts(count, lambda number: definition(number, CONFIG % (number // NAMESPACES, "10.1.0.0/24")))
    assert len({text for text in listed if b'"network-0"' in text}) == 1
    left, _ = kept(lambda: fill(Caches(None).networks, sorted(listed, key=lambda text: text[24:40])))
    assert left / count < 246


def test_a_pod_costs_its_name_and_a_slot() -> None:
    """The pods of a ReplicaSet name the same networks, whatever their labels and their status are."""
    count = 10_000
    listed = texts(count, pod)
    left, peak = kept(lambda: fill(Pods("kube-system"), listed))
    assert left / count < 133
    assert peak < 1.15 * left, "no second copy while they are gathered"
