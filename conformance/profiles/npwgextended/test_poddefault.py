"""The annotation `v1.multus-cni.io/default-network`: a pod chooses its default network (NPWG 6 leaves that open)."""

from __future__ import annotations

from conformance.clauses import PRACTICE, clause
from conformance.rig.node import ADD, DEFAULT, DEL, Case

NPWG = "npwg-1.3"
SYSTEM = "kube-system"


@clause(NPWG, "6", PRACTICE)
def test_another_default_network(case: Case) -> None:
    """The network of the annotation is attached in place of the node's default network."""
    case.define("special", case.config("special"), namespace=SYSTEM)
    case.pod(default="special")
    case.add().succeeds()
    assert [(call.type, call.ifname) for call in case.calls(ADD)] == [("special", "eth0")]


@clause(NPWG, "6", PRACTICE)
def test_another_default_network_with_its_namespace(case: Case) -> None:
    """The annotation may name the namespace."""
    case.define("special", case.config("special"), namespace=SYSTEM)
    case.pod(default=f"{SYSTEM}/special")
    case.add().succeeds()
    assert [call.type for call in case.calls(ADD)] == ["special"]


@clause(NPWG, "5.2", PRACTICE)
def test_the_status_of_another_default_network(case: Case) -> None:
    """The entry of the chosen network is `default`."""
    case.define("special", case.config("special"), namespace=SYSTEM)
    case.define("one")
    case.pod("one", default="special")
    case.add().succeeds()
    (entry,) = [each for each in case.network_status() if each.get("default")]
    assert entry["name"].rpartition("/")[2] == "special"


@clause(NPWG, "6", PRACTICE)
def test_another_default_network_beside_a_selection(case: Case) -> None:
    """The chosen network comes first, then the selection."""
    case.define("special", case.config("special"), namespace=SYSTEM)
    case.define("one")
    case.pod("one", default="special")
    case.add().succeeds()
    assert [call.type for call in case.calls(ADD)] == ["special", "one"]


@clause(NPWG, "6", PRACTICE)
def test_another_default_network_that_is_missing(case: Case) -> None:
    """A chosen network that does not exist fails the pod; it does not fall back to the node's network."""
    case.pod(default="missing")
    case.add().fails()
    assert case.calls(ADD, DEFAULT) == []


@clause("practice", "del", PRACTICE)
def test_another_default_network_is_detached(case: Case) -> None:
    """DEL detaches the chosen network."""
    case.define("special", case.config("special"), namespace=SYSTEM)
    case.pod(default="special")
    case.add().succeeds()
    case.delete().succeeds()
    assert [call.type for call in case.calls(DEL)] == ["special"]
