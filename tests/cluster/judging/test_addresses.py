"""Two pods ask for one address at a real API server: the warning that kubectl prints, and when it stops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.rig.registered import CONTAINERS, NETWORKS, Object, cluster, create, staged
from tests.fakes.waiting import wait_until
from tests.realapi.server import MERGE_PATCH, RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

HERE, THERE = "registered", "elsewhere"
CONFIG = {
    "cniVersion": "1.0.0",
    "type": "bridge",
    "capabilities": {"ips": True, "mac": True},
    "ipam": {"type": "static"},
}
FIELD = f"metadata.annotations[{NETWORKS}][0]"


@pytest.fixture(scope="module")
def api(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApiServer]:
    """The webhook is registered; both namespaces share the network, which is in `default`."""
    with cluster(real_api), staged(real_api, tmp_path_factory.mktemp("webhook") / "certs"):
        for namespace in (THERE, "default"):
            real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            own = {"name": "default", "namespace": namespace}
            real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": own})
        definition = {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": "lan", "namespace": "default"},
            "spec": {"config": json.dumps(CONFIG)},
        }
        real_api.put(definition)
        wait_until(lambda: create(real_api, pod("probe", "192.0.2.1/24"), "--dry-run=server").returncode == 0)
        yield real_api
        real_api.ask("DELETE", "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions/lan")
        real_api.kubectl("delete", "pods", "-n", THERE, "--all", "--grace-period=0", "--force")


def pod(name: str, *ips: str, namespace: str = HERE, **more: Any) -> Object:
    element = {"name": "lan", "namespace": "default", "ips": list(ips) or None, **more}
    metadata = {"name": name, "namespace": namespace, "annotations": {NETWORKS: json.dumps([element])}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": CONTAINERS}


def warned(api: RealApiServer, value: Object) -> str:
    """Return the messages of a dry run of a pod."""
    done = create(api, value, "--dry-run=server")
    assert done.returncode == 0, done.stderr
    return done.stderr.strip()


def test_another_pod_has_the_address(api: RealApiServer) -> None:
    first, second = pod("first", "10.1.0.5/24", mac="02:00:00:00:00:01"), pod("second", "::ffff:10.1.0.5/120")
    assert create(api, first).stderr == ""
    wait_until(lambda: warned(api, second))
    words = "asks for this address of the network as well"
    assert warned(api, second) == (
        f'Warning: {FIELD}.ips[0]: NAD611: pod first {words}: "::ffff:10.1.0.5/120"; ask for another one'
    )
    same_mac = pod("third", "10.1.0.7/24", mac="02-00-00-00-00-01")
    assert "NAD612: pod first asks for this MAC address of the network as well" in warned(api, same_mac)
    assert warned(api, pod("third", "10.1.0.6/24", mac="02:00:00:00:00:02")) == ""
    assert f"NAD611: another pod {words}" in warned(api, pod("third", "10.1.0.5/24", namespace=THERE))
    annotated = api.kubectl("annotate", "pod", "first", "-n", HERE, "note=x")
    assert (annotated.returncode, annotated.stderr) == (0, "")
    assert api.kubectl("delete", "pod", "first", "-n", HERE, "--grace-period=0", "--force").returncode == 0
    wait_until(lambda: not warned(api, second))


def test_a_pod_that_has_ended_gives_its_address_back(api: RealApiServer) -> None:
    job, other = pod("job", "10.1.0.9/24"), pod("other", "10.1.0.9/24")
    assert create(api, job).stderr == ""
    wait_until(lambda: warned(api, other))
    path = f"{api.path_of(job)}/status"
    api.must("PATCH", path, {"status": {"phase": "Succeeded"}}, kind=MERGE_PATCH)
    wait_until(lambda: not warned(api, other))
