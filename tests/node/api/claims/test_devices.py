"""Devices of ResourceClaims, from their allocation and the ResourceSlices to the delegates.

No scheduler and no driver runs: the tests write the status of claims and pods, and the slices. At a real API server
they show that it stores these, that its field selectors find the slices, and that the account may read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from cniplugin.netspec.netattachdef import DEVICES_FROM
from tests.fakes.apiserver import Answer, Request, failure
from tests.fakes.cni_plugin import Plugins
from tests.node.api.cluster import CLAIMS, NODE, SLICES, Api, Cluster, RealCluster, genuine, misbehaving
from tests.node.api.podnode import Conf, Node
from tests.node.api.test_account import grant
from tests.node.api.test_devices import RESULT, VF, A, put_checkpoint, put_info, told

from .claimed import (
    BY_NAME,
    COUNTED,
    DEVICE_ID,
    ETH,
    FAST,
    GPU,
    RESOURCE,
    SRIOV,
    allocated,
    attributes,
    by_extended,
    by_template,
    name_of,
    put_claim,
    put_kubelet,
    put_network,
    put_pod,
    put_slice,
    put_vfs,
    reserved,
)

pytestmark = [pytest.mark.root, pytest.mark.slow]

LIST_SLICES = "this account may not list resourceslices"


@pytest.fixture
def plugins(node: Node) -> Plugins:
    made = Plugins(node.bin_dir)
    made.tell("vf", "ADD", stdout=RESULT)
    return made


@pytest.fixture
def prepared(node: Node, plugins: Plugins) -> Plugins:
    """Networks `eth` and `eth2` of one resource, on a node without device plugins."""
    for name in ("eth", "eth2"):
        put_network(node, name, ETH)
    put_kubelet(node)
    return plugins


def given(plugins: Plugins, verb: str = "ADD") -> list[tuple[str, object]]:
    """Return interface and device of each call of a verb."""
    return [(call[0], call[2]) for call in told(plugins, verb)]


def slices_asked(api: Cluster) -> list[str]:
    return [line for line in api.asked() if "resourceslices" in line]


# Whose devices


def test_the_devices_of_a_claim(node: Node, api: Cluster, prepared: Plugins) -> None:
    """Two devices of one request, in the order of their IDs; DEL works from the record."""
    spec, status = by_template("nic")
    put_pod(api, "eth,eth2@dpdk0", spec, **status)
    put_vfs(api, *VF)
    put_claim(api, VF[3], VF[1])
    put_info(node, ETH, VF[1])
    node.add().expect()
    assert given(prepared) == [("net1", VF[1]), ("dpdk0", VF[3])]
    assert told(prepared, "ADD")[1][2:] == (VF[3], VF[3], {"deviceID": VF[3], "CNIDeviceInfoFile": infos(node)[0]})
    assert [entry.get("device-info", {}).get("pci", {}).get("pci-address") for entry in api.status()[1:]] == [
        VF[1],
        None,
    ]
    node.call("CHECK").expect()
    node.delete(kubeconfig=None).expect()
    assert given(prepared, "CHECK") == given(prepared)
    assert given(prepared, "DEL") == given(prepared)[::-1]


def infos(node: Node) -> list[str]:
    return [f"{node.directory}/devinfo/cni/blue-eth2-{node.container}_dpdk0"]


def test_several_claims_and_the_kubelet(node: Node, api: Cluster, prepared: Plugins) -> None:
    """One claim by name, one from a template, one device of a device plugin; all of one resource, each device once."""
    spec, status = by_template("other")
    put_pod(api, "eth,eth,eth", {"resourceClaims": [*BY_NAME["resourceClaims"], *spec["resourceClaims"]]}, **status)
    put_vfs(api, *VF)
    put_claim(api, VF[2])
    put_claim(api, VF[4], VF[1], name="other")
    put_checkpoint(node, (ETH, [VF[1]]), (A, [VF[0]]))
    node.add().expect()
    assert given(prepared) == [("net1", VF[1]), ("net2", VF[2]), ("net3", VF[4])]
    node.delete().expect()
    put_pod(api, "eth,eth,eth,eth", {"resourceClaims": [*BY_NAME["resourceClaims"], *spec["resourceClaims"]]}, **status)
    put_claim(api, VF[2])
    put_claim(api, VF[4], VF[1], name="other")
    text = node.add().refused(101)
    assert "the kubelet and the ResourceClaims gave the pod 3 of it" in text
    assert "request 4 of the resource in resources.limits of the pod's containers or by its resourceClaims" in text


def test_a_device_by_its_id(node: Node, api: Cluster, prepared: Plugins) -> None:
    put_pod(api, [{"name": "eth"}, {"name": "eth", "deviceID": VF[0]}])
    put_vfs(api, *VF)
    put_claim(api, VF[0], VF[1])
    node.add().expect()
    assert given(prepared) == [("net1", VF[1]), ("net2", VF[0])]


def test_a_device_that_another_claim_has(node: Node, api: Cluster, prepared: Plugins) -> None:
    put_pod(api, [{"name": "eth", "deviceID": VF[4]}])
    put_vfs(api, *VF)
    put_claim(api, VF[0])
    put_claim(api, VF[4], name="of-another", uid="another")
    text = node.add().refused(100)
    assert f'device "{VF[4]}" is not one that the pod has of resource "{ETH}"' in text
    assert f"decided: the kubelet and the ResourceClaims, which gave the pod these: {VF[0]}" in text
    assert prepared.calls() == []


@pytest.mark.parametrize("way", ["by name", "template"])
def test_a_claim_of_another_pod(node: Node, api: Cluster, prepared: Plugins, way: str) -> None:
    """A pod may name any claim of its namespace. The claim must be reserved for this pod, not for one of its name."""
    spec, status = (BY_NAME, {}) if way == "by name" else by_template("nic")
    put_pod(api, "eth", spec, **status)
    put_vfs(api, *VF)
    put_claim(api, VF[0], uid="another")
    text = node.add().refused(101)
    assert f"ResourceClaim blue/nic: it is not reserved for this pod, whose uid is {api.uid}" in text
    assert (prepared.calls(), node.left()) == ([], [])


@pytest.mark.parametrize("is_mapped", [True, False])
def test_a_claim_of_extended_resources(node: Node, api: Cluster, plugins: Plugins, *, is_mapped: bool) -> None:
    """The resource of the device must be the one that the container requests."""
    put_network(node, "fast", FAST)
    put_kubelet(node)
    spec, status = by_extended(("container-0-request-0", FAST))
    put_pod(api, "fast", spec, **status)
    put_vfs(api, VF[2], resource=FAST if is_mapped else "example.com/slow")
    put_claim(api, VF[2], request="container-0-request-0")
    if is_mapped:
        node.add().expect()
        assert given(plugins) == [("net1", VF[2])]
        return
    text = node.add().refused(101)
    assert (
        f'device "{name_of(VF[2])}" has the resource "example.com/slow", and the status of the pod maps its request '
        f'"container-0-request-0" to "{FAST}"'
    ) in text
    assert plugins.calls() == []


def test_requests_of_an_extended_claim_that_are_not_mapped(node: Node, api: Cluster, plugins: Plugins) -> None:
    put_network(node, "fast", FAST)
    put_kubelet(node)
    spec, status = by_extended(("container-0-request-0", FAST))
    put_pod(api, "fast,fast", spec, **status)
    put_vfs(api, *VF, resource=FAST)
    first, second = (allocated(name_of(VF[one]), request=f"container-0-request-{one}") for one in range(2))
    results = [one["allocation"]["devices"]["results"][0] for one in (first, second)]
    api.put_claim("nic", reserved(api, {"allocation": {"devices": {"results": results}}}))
    text = node.add().refused(101)
    assert "gave the pod 1 of it" in text
    assert 'maps its request "container-0-request-1" to no resource' in text


# Which devices are for CNI


UNFIT: list[tuple[str, Callable[[Cluster], None], str]] = [
    (
        "without a device ID",
        lambda api: put_slice(api, ("d", attributes("", ETH))),
        f'device "d" of driver "{SRIOV}" is not one for CNI: its ResourceSlice has no string {DEVICE_ID}',
    ),
    (
        "without a resource",
        lambda api: put_slice(api, ("d", attributes(VF[0]))),
        f"its ResourceSlice has no string {RESOURCE}",
    ),
    (
        "a number",
        lambda api: put_slice(api, ("d", {DEVICE_ID: {"int": 7}, RESOURCE: {"string": ETH}})),
        f"its ResourceSlice has no string {DEVICE_ID}",
    ),
    (
        "names of the driver's own domain",
        lambda api: put_slice(api, ("d", {"deviceID": {"string": VF[0]}, "resourceName": {"string": ETH}})),
        f"its ResourceSlice has no string {DEVICE_ID}",
    ),
    (
        "another node",
        lambda api: put_slice(api, ("d", attributes(VF[0], ETH)), node="n2"),
        f'device "d" of driver "{SRIOV}" is in no ResourceSlice of node n1',
    ),
    (
        "another driver",
        lambda api: put_slice(api, ("d", attributes(VF[0], ETH)), driver=GPU),
        "is in no ResourceSlice of node n1",
    ),
    (
        "another device",
        lambda api: put_slice(api, ("e", attributes(VF[0], ETH))),
        "is in no ResourceSlice of node n1",
    ),
    (
        "another resource",
        lambda api: put_slice(api, ("d", attributes(VF[0], "eth1_resource"))),
        f'the claims give devices of other resources: "eth1_resource" ({VF[0]})',
    ),
]


@pytest.mark.parametrize(("put", "text"), [case[1:] for case in UNFIT], ids=[case[0] for case in UNFIT])
def test_a_device_that_is_not_for_the_network(
    node: Node, api: Cluster, prepared: Plugins, put: Callable[[Cluster], None], text: str
) -> None:
    """The resource has no domain, so only a claim can give it. Error 101 says why it does not."""
    put_pod(api, "eth")
    put(api)
    api.put_claim("nic", reserved(api, allocated("d")))
    refused = node.add().refused(101)
    assert refused.startswith(f'pod blue/web-0: network blue/eth (net1): there is no device of resource "{ETH}" left: ')
    assert text in refused
    assert (prepared.calls(), node.left(), api.said()) == ([], [], [])


CLAIMLESS: list[tuple[str, Callable[[Cluster], None], str]] = [
    ("absent", lambda _api: None, "ResourceClaim blue/nic: it does not exist"),
    ("not allocated", lambda api: api.put_claim("nic", {}), "ResourceClaim blue/nic: it is not allocated"),
]


@pytest.mark.parametrize(("put", "text"), [case[1:] for case in CLAIMLESS], ids=[case[0] for case in CLAIMLESS])
@pytest.mark.parametrize("resource", [ETH, "intel.com/vf"])
def test_a_claim_without_devices(
    node: Node, api: Cluster, plugins: Plugins, resource: str, put: Callable[[Cluster], None], text: str
) -> None:
    """Nobody knows what it would give. So it is the source of a resource that no container requests."""
    put_network(node, "net", resource)
    put_kubelet(node)
    spec, status = by_template("nic")
    put_pod(api, "net", spec, **status)
    put(api)
    assert text in node.add().refused(101)
    assert plugins.calls() == []


def test_a_claim_that_is_none_of_the_networks(node: Node, api: Cluster, plugins: Plugins) -> None:
    """A GPU beside networks of counted resources, of which one has a domain that nobody knows."""
    put_network(node, "br", COUNTED)
    put_network(node, "places", "example.com/places")
    put_kubelet(node)
    put_pod(api, "br,places")
    put_slice(api, ("gpu-0", {"model": {"string": "x"}}), driver=GPU)
    api.put_claim("nic", reserved(api, allocated("gpu-0", driver=GPU)))
    node.add().expect()
    assert given(plugins) == [("net1", None), ("net2", None)]


def test_a_definition_that_names_the_source(node: Node, api: Cluster, plugins: Plugins) -> None:
    put_network(node, "vf", "intel.com/vf", **{DEVICES_FROM: "ResourceClaim"})
    put_kubelet(node)
    put_pod(api, "vf")
    put_slice(api, ("gpu-0", {"model": {"string": "x"}}), driver=GPU)
    api.put_claim("nic", reserved(api, allocated("gpu-0", driver=GPU)))
    assert f'device "gpu-0" of driver "{GPU}" is not one for CNI' in node.add().refused(101)
    assert plugins.calls() == []


def test_the_newest_generation_of_a_pool(node: Node, api: Cluster, prepared: Plugins) -> None:
    """While a driver replaces its slices, a device may be in an old and in a new one, on several pages."""
    put_pod(api, "eth,eth2")
    put_slice(api, ("d", attributes(VF[0], ETH)), name="s-1", generation=2)
    put_slice(api, ("d", attributes(VF[4], ETH)), ("e", attributes(VF[1], ETH)), name="s-2", generation=1)
    for number in range(11):
        put_slice(api, (f"x{number}", attributes()), name=f"r-{number}")
    api.put_claim("nic", reserved(api, allocated("d", "e")))
    node.add().expect()
    assert given(prepared) == [("net1", VF[0]), ("net2", VF[1])]
    assert len(slices_asked(api)) == 2


# What is asked, and failures


@misbehaving
@pytest.mark.parametrize(
    ("networks", "entries", "count"),
    [("eth,eth2,fast", [], 2), ("fast,fast", [VF[3], VF[4]], 0), ("br", [], 0), ("plain", [], 0)],
)
def test_the_requests(node: Node, api: Api, prepared: Plugins, networks: str, entries: list[str], count: int) -> None:
    """One list for each driver of a claim, and only if the devices of the kubelet do not suffice."""
    put_network(node, "fast", A)
    put_network(node, "br", COUNTED)
    api.put_network("blue", "plain", {"cniVersion": "1.0.0", "name": "plain", "type": "vf"})
    put_checkpoint(node, (A, entries or [VF[3]]))
    put_pod(api, networks)
    put_vfs(api, *VF)
    results = [*_results(allocated(*map(name_of, VF[:2]))), *_results(allocated("gpu-0", driver=GPU))]
    api.put_claim("nic", reserved(api, {"allocation": {"devices": {"results": results}}}))
    node.add().expect()
    assert len(prepared.calls()) == len(networks.split(","))
    assert len([line for line in api.asked() if "resourceclaims" in line]) == 1
    assert slices_asked(api) == [
        f"GET {SLICES}?limit=10&fieldSelector=spec%2Edriver%3D{_escaped(driver)}%2Cspec%2EnodeName%3Dn1"
        for driver in (SRIOV, GPU)[:count]
    ]


def _results(status: Conf) -> Iterable[Conf]:
    return status["allocation"]["devices"]["results"]  # type: ignore[no-any-return]  # JSON


def _escaped(name: str) -> str:
    return name.replace(".", "%2E").replace("-", "%2D")


@misbehaving
def test_administrative_access_is_no_possession(node: Node, api: Api, prepared: Plugins) -> None:
    """Such a claim may see a device that another pod has."""
    put_pod(api, "eth")
    put_vfs(api, *VF)
    put_claim(api, VF[0], adminAccess=True)
    assert "is allocated for administrative access, so another pod may have it" in node.add().refused(101)
    assert prepared.calls() == []


@misbehaving
@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_older_versions(node: Node, api: Api, prepared: Plugins, version: str) -> None:
    put_pod(api, "eth")
    del api.objects[SLICES]
    device: Conf = {"attributes": attributes(VF[0], ETH)}
    device = {"name": "d", **({"basic": device} if version == "v1beta1" else device)}
    pool = {"name": NODE, "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": SRIOV, "nodeName": NODE, "pool": pool, "devices": [device]}
    api.put(SLICES.replace("v1", version) + "/s", {"spec": spec})
    api.put(CLAIMS.replace("v1", version) + "/nic", {"status": reserved(api, allocated("d"))})
    node.add().expect()
    assert given(prepared) == [("net1", VF[0])]


def answering(resource: str, status: int) -> Callable[[Request], Answer | None]:
    return lambda request: failure(status, "no") if f"/{resource}" in request.path else None


@misbehaving
@pytest.mark.parametrize(
    ("resource", "status", "text"),
    [
        ("resourceslices", 403, LIST_SLICES),
        ("resourceslices", 404, "it serves no resourceslices of resource.k8s.io in v1, v1beta2, v1beta1"),
        ("resourceclaims", 403, 'this account may not get resourceclaims in namespace "blue"'),
    ],
)
@pytest.mark.parametrize("name", ["eth", "vf"])
def test_what_may_not_be_read(
    node: Node, api: Api, prepared: Plugins, name: str, resource: str, status: int, text: str
) -> None:
    """The network that needs the device is refused. The error and the log say why."""
    put_network(node, "vf", "intel.com/vf")
    put_pod(api, name)
    put_vfs(api, *VF)
    put_claim(api, VF[0])
    api.instead = answering(resource, status)
    outcome = node.add()
    assert f"ResourceClaim blue/nic: API server {api.url}: {text}" in outcome.refused(101)
    assert outcome.err.count(f"devices of claims are not known: API server {api.url}: {text}") == 1
    assert (prepared.calls(), node.left()) == ([], [])


@misbehaving
@pytest.mark.parametrize("status", [403, 404])
def test_pods_that_need_no_device_of_a_claim_start(node: Node, api: Api, prepared: Plugins, status: int) -> None:
    """Devices of the kubelet, counted resources, and one that a container requests and nobody else gives."""
    put_network(node, "fast", A)
    put_network(node, "br", COUNTED)
    put_network(node, "places", "example.com/places")
    api.put_network("blue", "plain", {"cniVersion": "1.0.0", "name": "plain", "type": "vf"})
    put_checkpoint(node, (A, [VF[3]]))
    resources = {"requests": {"example.com/places": "0"}}
    containers = [{"name": "main", "image": "none.example/none", "resources": resources}]
    put_pod(api, "fast,br,places,plain", {**BY_NAME, "containers": containers})
    put_vfs(api, *VF)
    put_claim(api, VF[0])
    api.instead = answering("resourceslices", status)
    node.add().expect()
    assert given(prepared) == [("net1", VF[3]), ("net2", None), ("net3", None), ("net4", None)]


@misbehaving
def test_slices_that_cannot_be_read_for_now(node: Node, api: Api, prepared: Plugins) -> None:
    put_pod(api, "eth")
    put_vfs(api, *VF)
    put_claim(api, VF[0])
    api.instead = answering("resourceslices", 500)
    node.add(deadline=1).refused(11)
    assert prepared.calls() == []


@genuine
def test_an_account_without_the_right(node: Node, api: RealCluster, prepared: Plugins) -> None:
    """As after an upgrade of the plugin without its role."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "older", "namespace": "kube-system"}}
    api.server.put(account)
    grant(api.server, "older", networks=True, claims=True)
    node.write_kubeconfig(api.url, bearer=api.server.token_for("kube-system", "older"))
    put_pod(api, "eth")
    put_vfs(api, *VF)
    put_claim(api, VF[0])
    text = node.add().refused(101)
    assert f'{LIST_SLICES}: "' in text
    assert 'its role needs the verb "list" on "resourceslices"' in text
    assert prepared.calls() == []
