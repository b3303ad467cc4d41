"""The selection annotation (NPWG 4): which networks, in which order, with which interfaces."""

from __future__ import annotations

from conformance.clauses import MUST, clause
from conformance.rig.node import ADD, Case
from conformance.rig.recorder import order


@clause("npwg-1.3", "4.1.1", MUST)
def test_comma_form(case: Case) -> None:
    """A list of names with commas selects networks of the pod's namespace."""
    case.define("one")
    case.define("two")
    case.pod("one,two")
    case.add().succeeds()
    assert [kind for kind, _ in order(case.calls(ADD))] == ["cluster", "one", "two"]
