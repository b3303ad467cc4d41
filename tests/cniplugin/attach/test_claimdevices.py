"""Devices of ResourceClaims: which of them a pod has, and which networks need one.

`tests/node/api/claims/test_devices.py` shows the same from ADD to the delegates, at a real API server, too.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.attach import claimdevices, devices
from cniplugin.attach.devices import ClaimDevices
from cniplugin.cluster.kubeapi import RefusedError
from cniplugin.cluster.objects import Pod, fetch_claim, fetch_pod
from cniplugin.cnierrors import CniError, NotFoundError
from cniplugin.netspec import annotation, netattachdef
from cniplugin.netspec.netattachdef import DEVICES_FROM, RESOURCE_NAME
from cniplugin.netspec.plan import Plan, plan

ETH, VF, COUNTED = "eth0_resource", "intel.com/vf", "bridge.network.kubevirt.io/br1"
IDS = [f"0000:03:02.{number}" for number in range(4)]
DRIVER, NODE, UID = "vf.example.com", "n1", "u"
GROUP = "/apis/resource.k8s.io/v1"

Conf = dict[str, Any]


class Server:
    """The claims of namespace `ns`, by name, and ResourceSlices by their specs. A status instead of them is an error."""

    server = "https://api"

    def __init__(self, claims: dict[str, Conf] | int, slices: list[Conf] | int) -> None:
        self.memo: dict[tuple[str, ...], object] = {}
        self.claims = claims
        self.slices = slices
        self.asked: list[str] = []

    def left_s(self) -> float:
        return 1.0

    def limit(self, seconds: float) -> None:
        """Do nothing: no test depends on time."""

    def ask(self, *paths: str) -> None:
        """Send nothing ahead."""

    def get(self, path: str, *, appears_within_s: float = 0.0) -> Conf:  # noqa: ARG002 - as the client
        self.asked.append(path)
        split = urlsplit(path)
        what = self.slices if split.path == f"{GROUP}/resourceslices" else self.claims
        if isinstance(what, int):
            raise RefusedError(what, f"it answers {what}")
        if isinstance(what, list):
            fields = dict(part.split("=") for part in parse_qs(split.query)["fieldSelector"][0].split(","))
            assert set(fields) == {"spec.driver", "spec.nodeName"}
            return {"items": [{"spec": spec} for spec in what]}  # as if it ignored the selector
        name = path.rpartition("/")[2]
        if path != f"{GROUP}/namespaces/ns/resourceclaims/{name}" or name not in what:
            raise NotFoundError(11, f"{path} is not found")
        return what[name]


def claim(*names: str, uid: str = UID, resource: str = "pods", **more: Any) -> Conf:
    results = [{"request": "r", "driver": DRIVER, "pool": "p", "device": name, **more} for name in names]
    return {
        "status": {
            "allocation": {"devices": {"results": results}},
            "reservedFor": [{"resource": resource, "name": "web", "uid": uid}],
        }
    }


def slice_of(*found: tuple[str, str, str], node: str = NODE, generation: object = 1, **more: Any) -> Conf:
    """Return a slice with devices of this name, ID and resource."""
    keys = (claimdevices.DEVICE_ID, claimdevices.RESOURCE_NAME)
    made = [
        {"name": name, "attributes": {key: {"string": text} for key, text in zip(keys, texts, strict=True)}}
        for name, *texts in found
    ]
    pool = {"name": "p", "generation": generation}
    return {"driver": DRIVER, "nodeName": node, "pool": pool, "devices": made, **more}


def pod(*claims: str, **changes: Any) -> Pod:
    made = Pod(
        namespace="ns",
        name="web",
        uid=UID,
        labels={},
        annotations={},
        service_account="a",
        is_static=False,
        claims=claims,
        node=NODE,
    )
    return made.replace(**changes)


ALL = slice_of(*((f"d{number}", one, ETH) for number, one in enumerate(IDS)))
NEVER = slice_of(("d0", IDS[0], ETH), driver="other.example.com")


# Which devices a pod has

UNOWNED: list[tuple[Conf, str]] = [
    ({}, "it is not allocated"),
    ({"status": None}, "it is not allocated"),
    ({"status": {"allocation": None}}, "it is not allocated"),
    (claim("d0", uid="v"), "it is not reserved for this pod, whose uid is u"),
    (claim("d0", uid=""), "it is not reserved for this pod"),
    (claim("d0", resource="podgroups"), "it is not reserved for this pod"),
    ({"status": {"allocation": {"devices": {"results": []}}, "reservedFor": None}}, "it is not reserved"),
]


@pytest.mark.parametrize(("value", "text"), UNOWNED)
def test_a_claim_that_is_not_the_pods(value: Conf, text: str) -> None:
    found = claimdevices.find(pod("c"), Server({"c": value}, [ALL]))
    assert (found.devices, found.is_unknown) == ({}, True)
    (gap,) = found.gaps
    assert gap.startswith(f"ResourceClaim ns/c: {text}")


def test_a_pod_without_a_uid_owns_nothing() -> None:
    found = claimdevices.find(pod("c", uid=""), Server({"c": claim("d0", uid="")}, [ALL]))
    assert found.devices == {}


@pytest.mark.parametrize(
    "slices",
    [
        [],
        [NEVER],
        [slice_of(("d0", IDS[0], ETH), node="n2")],
        [slice_of(("d0", IDS[0], ETH), nodeName=None, allNodes=True)],
        [slice_of(("d0", IDS[0], ETH), pool={"name": "q", "generation": 1})],
        [slice_of(("d0", IDS[0], ETH), pool=None)],
        [slice_of(("d0", "", ETH))],
        [slice_of(("d0", IDS[0], ""))],
        [slice_of(devices=None)],
        [slice_of(devices=[{"name": "d0"}])],
        [slice_of(devices=[{"name": "d0", "attributes": {claimdevices.DEVICE_ID: {"string": 5}}}])],
    ],
)
def test_slices_that_do_not_have_it(slices: list[Conf]) -> None:
    """The server does not select. Slices of another node or driver do not count all the same."""
    found = claimdevices.find(pod("c"), Server({"c": claim("d0")}, slices))
    assert (found.devices, found.is_unknown, len(found.gaps)) == ({}, False, 1)


@pytest.mark.parametrize(
    ("first", "second", "expected"), [(1, 2, IDS[1]), (2, 1, IDS[0]), (1, 1, IDS[0]), (None, 1, IDS[1])]
)
def test_generations(first: object, second: object, expected: str) -> None:
    slices = [
        slice_of(("d0", one, ETH), generation=generation) for one, generation in zip(IDS, (first, second), strict=False)
    ]
    assert claimdevices.find(pod("c"), Server({"c": claim("d0")}, slices)).devices == {ETH: (expected,)}


def test_the_domain_of_a_driver() -> None:
    """A name of an attribute without a domain has that of the driver (resource.k8s.io, QualifiedName)."""
    attributes = {"deviceID": {"string": IDS[0]}, "resourceName": {"string": ETH}}
    for driver, expected in (("k8s.cni.cncf.io", {ETH: (IDS[0],)}), (DRIVER, {})):
        spec = slice_of(driver=driver, devices=[{"name": "d0", "attributes": attributes}])
        server = Server({"c": claim("d0", driver=driver)}, [spec])
        assert claimdevices.find(pod("c"), server).devices == expected


@pytest.mark.parametrize(("driver", "node"), [("a,spec.nodeName=n2", NODE), (DRIVER, "n1,x=y"), (DRIVER, "")])
def test_names_that_would_change_the_selector(driver: str, node: str) -> None:
    server = Server({"c": claim("d0", driver=driver)}, [ALL])
    found = claimdevices.find(pod("c", node=node), server)
    assert (found.devices, len(found.gaps)) == ({}, 1)
    assert not [path for path in server.asked if "resourceslices" in path]


def test_each_claim_and_each_driver_is_asked_once() -> None:
    server = Server({"c": claim("d0", "d1"), "e": claim("d1", "d3")}, [ALL])
    fetch_claim(server, "ns", "c")  # as for the networks that it names
    found = claimdevices.find(pod("c", "e"), server)
    assert found.devices == {ETH: (IDS[0], IDS[1], IDS[3])}
    assert len(server.asked) == 3


@pytest.mark.parametrize(("claims", "slices"), [(403, [ALL]), ({"c": claim("d0")}, 403)])
def test_what_may_not_be_read(claims: dict[str, Conf] | int, slices: list[Conf] | int) -> None:
    found = claimdevices.find(pod("c", "c2"), Server(claims, slices))
    assert (found.devices, found.is_unknown) == ({}, True)
    assert found.gaps[0] == "ResourceClaim ns/c: it answers 403"


@pytest.mark.parametrize(("claims", "slices"), [(500, [ALL]), ({"c": claim("d0")}, 429)])
def test_what_cannot_be_read_for_now(claims: dict[str, Conf] | int, slices: list[Conf] | int) -> None:
    with pytest.raises(CniError) as caught:
        claimdevices.find(pod("c"), Server(claims, slices))
    assert caught.value.code == 11


@given(
    st.dictionaries(
        st.sampled_from(["c", "e", "f"]),
        st.tuples(st.lists(st.sampled_from(["d0", "d1", "d2", "d3"])), st.sampled_from([UID, "v"])),
    ),
    st.lists(st.sampled_from(["c", "e", "f"])),
    st.sets(st.sampled_from(range(4))),
)
def test_only_devices_of_claims_that_are_reserved_for_the_pod(
    claims: dict[str, tuple[list[str], str]], names: list[str], published: set[int]
) -> None:
    server = Server(
        {name: claim(*one, uid=uid) for name, (one, uid) in claims.items()},
        [slice_of(*((f"d{number}", IDS[number], ETH) for number in sorted(published)))],
    )
    found = claimdevices.find(pod(*names), server)
    own = {one for name in names if name in claims and claims[name][1] == UID for one in claims[name][0]}
    expected = sorted(IDS[number] for number in published if f"d{number}" in own)
    assert found.devices == ({ETH: tuple(expected)} if expected else {})


# The fields of a pod


def test_the_claims_of_a_pod() -> None:
    value: Conf = {
        "metadata": {"uid": UID},
        "spec": {
            "nodeName": NODE,
            "resourceClaims": [
                {"name": "a", "resourceClaimName": "c"},
                {"name": "b", "resourceClaimTemplateName": "t"},
            ],
            "containers": [{"resources": {"limits": {VF: "1"}}}, {}, {"resources": None}],
            "initContainers": [{"resources": {"requests": {COUNTED: "0"}}}],
        },
        "status": {
            "resourceClaimStatuses": [{"name": "b", "resourceClaimName": "web-b-x"}, {"name": "a"}],
            "extendedResourceClaimStatus": {
                "resourceClaimName": "web-x",
                "requestMappings": [{"containerName": "m", "requestName": "r", "resourceName": VF}],
            },
        },
    }

    class One(Server):
        def get(self, path: str, *, appears_within_s: float = 0.0) -> Conf:  # noqa: ARG002 - as the client
            return value

    found = fetch_pod(One({}, []), "ns", "web", UID)
    assert (found.claims, found.node) == (("c", "web-b-x", "web-x"), NODE)
    assert (found.extended_claim, found.extended_requests) == ("web-x", (("r", VF),))
    assert found.requested == {VF, COUNTED}


# Which networks need one


def made(text: str, resource: str = VF, **annotations: str) -> Plan:
    """Return the plan of networks `a` with a resource, and `plain` without one."""
    known = {
        name: netattachdef.build(
            namespace="ns",
            name=name,
            config='{"cniVersion": "1.0.0", "type": "sriov"}',
            annotations={**annotations, **({RESOURCE_NAME: resource} if name == "a" else {})},
        )
        for name in ("a", "plain")
    }
    return plan(annotation.parse(text, namespace="ns"), lambda _namespace, name: known.get(name))


NOTHING: dict[str, tuple[str, ...]] = {}
NEEDS: list[tuple[str, str, dict[str, str], ClaimDevices, bool]] = [
    ("a domain", VF, {}, ClaimDevices(devices={}), False),
    ("no domain", ETH, {}, ClaimDevices(devices={}), True),
    ("the source", VF, {DEVICES_FROM: "ResourceClaim"}, ClaimDevices(devices={}), True),
    ("the other source", VF, {DEVICES_FROM: "DevicePlugin"}, ClaimDevices(devices={}), False),
    ("mapped", VF, {}, ClaimDevices(devices={}, mapped=frozenset({VF})), True),
    ("unknown", VF, {}, ClaimDevices(devices={}, is_unknown=True), True),
    ("unknown, requested", VF, {}, ClaimDevices(devices={}, is_unknown=True, requested=frozenset({VF})), False),
    ("unknown, counted", COUNTED, {}, ClaimDevices(devices={}, is_unknown=True), False),
]


@pytest.mark.parametrize(
    ("resource", "annotations", "claims", "is_needed"), [case[1:] for case in NEEDS], ids=[case[0] for case in NEEDS]
)
def test_whether_a_claim_should_give_it(
    resource: str, annotations: dict[str, str], claims: ClaimDevices, *, is_needed: bool
) -> None:
    planned = made("a,plain", resource, **annotations)
    own = devices.join(planned, NOTHING, claims)
    assert own == ({resource: ()} if is_needed else {})
    if is_needed:
        with pytest.raises(CniError, match="the kubelet and the ResourceClaims gave the pod none of it"):
            devices.assign(planned, own, claims)
    else:
        assert [item.device for item in devices.assign(planned, own, claims).attachments] == [None, None]


SHORT: list[tuple[str, str, dict[str, tuple[str, ...]], bool]] = [
    ("plain", VF, {}, False),
    ("a", VF, {}, True),
    ("a", COUNTED, {}, False),
    ("a", VF, {VF: ()}, True),
    ("a", VF, {VF: (IDS[0],)}, False),
    ("a,a", VF, {VF: (IDS[0],)}, True),
    ('[{"name": "a", "deviceID": "0000:03:02.1"}]', VF, {VF: (IDS[0],)}, True),
    ('[{"name": "a", "deviceID": "0000:03:02.0"}]', VF, {VF: (IDS[0],)}, False),
    ('[{"name": "a", "deviceID": "x"}, {"name": "a", "deviceID": "x"}]', VF, {}, True),
    ('[{"name": "plain", "deviceID": "0000:03:02.1"}]', VF, {}, False),
]


@pytest.mark.parametrize(("text", "resource", "own", "is_short"), SHORT)
def test_when_claims_are_read(text: str, resource: str, own: dict[str, tuple[str, ...]], *, is_short: bool) -> None:
    assert devices.is_short(made(text, resource), own) is is_short


def test_the_devices_of_both_are_one_list() -> None:
    claims = ClaimDevices(devices={VF: (IDS[0], IDS[2]), ETH: (IDS[3],)})
    own = devices.join(made("a"), {VF: (IDS[1], IDS[2]), COUNTED: ()}, claims)
    assert own == {VF: (IDS[0], IDS[1], IDS[2]), ETH: (IDS[3],), COUNTED: ()}


def test_what_error_101_says_of_claims() -> None:
    gaps = tuple(f"ResourceClaim ns/c: gap {number}" for number in range(7))
    claims = ClaimDevices(devices={ETH: tuple(IDS)}, gaps=gaps)
    with pytest.raises(CniError) as refused:
        devices.assign(made("a"), {VF: ()}, claims)
    assert refused.value.code == 101
    assert "request 1 of the resource in resources.limits of the pod's containers or by its resourceClaims" in (
        refused.value.msg
    )
    assert refused.value.details.splitlines() == [
        f'the claims give devices of other resources: "{ETH}" ({", ".join(IDS)})',
        *gaps[:5],
        "and 2 more devices or claims that give nothing",
    ]
