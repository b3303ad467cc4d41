"""The claims of addresses, while pods are added, changed, deleted and listed again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.apiserver import ApiServer
from tests.fakes.objects import pod
from tests.fakes.objectstore import PODS
from webhook.kube.responses import Key
from webhook.snapshot.addresses import CLAIMS_MAX, Addresses
from webhook.snapshot.pods import Pods
from webhook.trees.builder import build
from webhook.trees.manifests import read_bytes

from .observed import Observed


def asking(name: str, *ips: str, mac: str | None = None, namespace: str = "team-a", **more: Any) -> dict[str, Any]:
    element = {"name": "blue", "namespace": "team-a", "ips": list(ips) or None, "mac": mac}
    return pod(name, json.dumps([element]), namespace, **more)


def users(observed: Observed, address: str) -> list[Key]:
    return sorted(observed.source.snapshot().address_users("team-a", "blue").get(address, ()))


def test_pods_are_added_changed_and_deleted(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, asking("a", "10.1.0.5/24", mac="02-00-00-00-00-0A"), asking("b", "::ffff:10.1.0.5", namespace="b"))
    observed.wait(lambda: len(users(observed, "10.1.0.5")) == 2)
    assert users(observed, "10.1.0.5") == [("b", "b"), ("team-a", "a")]
    assert users(observed, "02000000000a") == [("team-a", "a")]
    assert observed.source.snapshot().address_users("team-a", "red") == {}
    api.put(PODS, asking("a", "10.1.0.6/24"))
    observed.wait(lambda: users(observed, "10.1.0.6") == [("team-a", "a")])
    assert users(observed, "10.1.0.5") == [("b", "b")]
    assert users(observed, "02000000000a") == []
    api.put(PODS, asking("a"))
    observed.wait(lambda: users(observed, "10.1.0.6") == [])
    api.delete(PODS, "b", "b")
    observed.wait(lambda: users(observed, "10.1.0.5") == [])


def test_a_finished_pod_claims_nothing(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, asking("a", "10.1.0.5"), asking("b", "10.1.0.5", phase="Failed"), asking("c", "10.1.0.7"))
    observed.wait(lambda: users(observed, "10.1.0.7") == [("team-a", "c")])
    assert users(observed, "10.1.0.5") == [("team-a", "a")]
    api.put(PODS, asking("a", "10.1.0.5", phase="Succeeded"))
    observed.wait(lambda: users(observed, "10.1.0.5") == [])


def test_a_new_list_replaces_all_claims(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, asking("a", "10.1.0.5"), asking("b", "10.1.0.6"))
    observed.wait(lambda: users(observed, "10.1.0.6") == [("team-a", "b")])
    with api.changed:
        api.delete(PODS, "team-a", "a")
        api.put(PODS, asking("b", "10.1.0.7"))
        api.compact()
        api.cut_watches()
    observed.wait(lambda: users(observed, "10.1.0.7") == [("team-a", "b")])
    assert users(observed, "10.1.0.5") == users(observed, "10.1.0.6") == []


def test_only_changed_claims_swap_the_snapshot(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, asking("a", "10.1.0.5"))
    observed.wait(lambda: users(observed, "10.1.0.5") == [("team-a", "a")])
    swaps = observed.swaps
    api.put(PODS, asking("a", "10.1.0.5/24"))
    api.put(PODS, asking("b", "10.1.0.6"))
    observed.wait(lambda: users(observed, "10.1.0.6") == [("team-a", "b")])
    assert observed.swaps == swaps + 1


def test_pods_of_a_tree_claim_addresses() -> None:
    objects = [{"apiVersion": "v1", "kind": "Pod", **asking("a", "10.1.0.5"), "status": {"phase": "Running"}}]
    made = build(read_bytes(json.dumps(objects[0]).encode(), file="a.yaml", problems=[]), [])
    assert made.address_users("team-a", "blue")["10.1.0.5"] == (("team-a", "a"),)


def test_claims_of_one_pod_are_bounded() -> None:
    items = [{"name": f"n{number}", "ips": [f"10.1.0.{host}" for host in range(1, 60)]} for number in range(9)]
    found = Pods("kube-system").read({"k8s.v1.cni.cncf.io/networks": json.dumps(items)}, "a")
    assert found is not None
    assert len(found.claims) == CLAIMS_MAX


CLAIMS = st.lists(st.tuples(st.sampled_from(["a/x", "a/y"]), st.sampled_from(["1", "2", "3"])), unique=True, max_size=4)
STEPS = st.lists(st.tuples(st.sampled_from(["p", "q", "r"]), CLAIMS.map(tuple)), max_size=12)


def expected(claims: Mapping[str, tuple[Key, ...]]) -> dict[Key, set[Key]]:
    found: dict[Key, set[Key]] = {}
    for name, claimed in claims.items():
        for claim in claimed:
            found.setdefault(claim, set()).add(("b", name))
    return found


def indexed(kept: Mapping[str, Mapping[str, tuple[Key, ...]]]) -> dict[Key, set[Key]]:
    return {(network, address): set(users) for network, named in kept.items() for address, users in named.items()}


@given(STEPS)
def test_the_index_equals_the_claims_of_the_pods(steps: list[tuple[str, tuple[Key, ...]]]) -> None:
    """The index is the same after single changes and after a list; a copy never changes."""
    addresses = Addresses()
    now: dict[str, tuple[Key, ...]] = {}
    for name, claims in steps:
        copied = addresses.copy()
        before = indexed(copied)
        changed = addresses.put(("b", name), claims)
        assert changed == (now.get(name, ()) != claims)
        now[name] = claims
        assert indexed(addresses.copy()) == expected(now)
        assert indexed(copied) == before
    at_once = Addresses()
    claimed = {("b", name): claims for name, claims in now.items() if claims}
    assert at_once.replace(dict(claimed)) == bool(claimed)
    assert indexed(at_once.copy()) == expected(now)
    assert not at_once.replace(dict(claimed))
