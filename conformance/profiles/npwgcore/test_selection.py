"""The selection annotation (NPWG 4): which networks, in which order."""

from __future__ import annotations

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.node import ADD, DEFAULT, DEL, Case

ELSEWHERE = "green"


def attached(case: Case) -> list[str]:
    """Return the types of the recorders that got ADD, in order."""
    return [call.type for call in case.calls(ADD)]


def attaches_nothing_selected(case: Case) -> None:
    """Check that no selected network was attached.

    NB: whether ADD fails is left open: an annotation that is "invalid and ignored" may fail the pod, or start it with
    its default network.
    """
    case.add()
    assert [kind for kind in attached(case) if kind != DEFAULT] == []


@clause("npwg-1.3", "4.1.1", MUST)
def test_comma_form(case: Case) -> None:
    """Names with commas select networks of the pod's namespace."""
    case.define("one")
    case.define("two")
    case.pod("one,two")
    case.add().succeeds()
    assert sorted(attached(case)) == sorted([DEFAULT, "one", "two"])


@clause("npwg-1.3", "4.1.1", MUST)
def test_comma_form_with_a_namespace(case: Case) -> None:
    """`namespace/name` selects a network of another namespace."""
    case.define("one", namespace=ELSEWHERE)
    case.pod(f"{ELSEWHERE}/one")
    case.add().succeeds()
    assert attached(case) == [DEFAULT, "one"]


@clause("npwg-1.3", "4.1.1", MUST)
def test_a_bare_name_is_of_the_pods_namespace(case: Case) -> None:
    """A bare name does not select a network of another namespace."""
    case.define("one", namespace=ELSEWHERE)
    case.pod("one")
    case.add().fails()
    assert "one" not in attached(case)


@clause("npwg-1.3", "4.1.1", MUST)
def test_the_same_name_in_two_namespaces(case: Case) -> None:
    """A name in the pod's namespace and the same name in another one are two networks."""
    case.define("one", case.config("here"))
    case.define("one", case.config("there"), namespace=ELSEWHERE)
    case.pod(f"one,{ELSEWHERE}/one")
    case.add().succeeds()
    assert sorted(attached(case)) == sorted([DEFAULT, "here", "there"])


@clause("npwg-1.3", "4.1.1", PRACTICE)
def test_comma_form_with_spaces(case: Case) -> None:
    """Spaces around the names do not count."""
    case.define("one")
    case.define("two")
    case.pod("one, two")
    case.add().succeeds()
    assert sorted(attached(case)) == sorted([DEFAULT, "one", "two"])


@clause("npwg-1.3", "4.1.2", MUST)
def test_json_form(case: Case) -> None:
    """A JSON list of maps selects networks."""
    case.define("one")
    case.define("two")
    case.pod([{"name": "one"}, {"name": "two"}])
    case.add().succeeds()
    assert sorted(attached(case)) == sorted([DEFAULT, "one", "two"])


@clause("npwg-1.3", "4.1.2.1.2", MUST)
def test_namespace_key(case: Case) -> None:
    """`namespace` names the namespace of the definition."""
    case.define("one", case.config("here"))
    case.define("one", case.config("there"), namespace=ELSEWHERE)
    case.pod([{"name": "one", "namespace": ELSEWHERE}])
    case.add().succeeds()
    assert attached(case) == [DEFAULT, "there"]


@clause("npwg-1.3", "4.1.2.1.1", MUST)
@pytest.mark.parametrize("more", [{}, {"namespace": ""}], ids=["missing", "empty"])
def test_without_a_namespace(case: Case, more: dict[str, str]) -> None:
    """A missing or empty `namespace` means the pod's."""
    case.define("one")
    case.pod([{"name": "one", **more}])
    case.add().succeeds()
    assert attached(case) == [DEFAULT, "one"]


@clause("npwg-1.3", "4.1.2.1.1", MUST)
@pytest.mark.parametrize(
    "element", [{}, {"name": ""}, {"interface": "net9"}], ids=["empty-map", "empty-name", "no-name"]
)
def test_name_is_required(case: Case, element: dict[str, str]) -> None:
    """An element without a name selects nothing."""
    case.define("one")
    case.pod([element])
    attaches_nothing_selected(case)


@clause("npwg-1.3", "4.1", MUST)
def test_no_annotation(case: Case) -> None:
    """A pod without the annotation gets its default network alone."""
    case.define("one")
    case.add().succeeds()
    assert attached(case) == [DEFAULT]


@clause("npwg-1.3", "4.1", PRACTICE)
@pytest.mark.parametrize("text", ["", "[]"], ids=["empty", "empty-list"])
def test_an_empty_selection(case: Case, text: str) -> None:
    """An empty selection is a pod with its default network alone."""
    case.define("one")
    case.pod(text)
    case.add().succeeds()
    assert attached(case) == [DEFAULT]


@clause("npwg-1.3", "4.1.2", MUST)
@pytest.mark.parametrize(
    "text",
    ['[{"name": "one"', '{"name": "one"}', '["one"]', '[{"name": 1}]', '[[{"name": "one"}]]'],
    ids=["cut", "map", "texts", "number", "nested"],
)
def test_json_that_is_not_a_list_of_maps(case: Case, text: str) -> None:
    """Text that is not a JSON list of maps selects nothing."""
    case.define("one")
    case.pod(text)
    attaches_nothing_selected(case)


@clause("npwg-1.3", "4.1.1", MUST)
@pytest.mark.parametrize("text", ["a/b/one", "/one/", "one/"], ids=["two-slashes", "slashes", "no-name"])
def test_references_that_are_not_names(case: Case, text: str) -> None:
    """A reference that is neither a name nor `namespace/name` selects nothing."""
    case.define("one")
    case.pod(text)
    attaches_nothing_selected(case)


@clause("npwg-1.3", "4", MUST)
@clause("npwg-1.3", "7.2", MUST)
def test_a_network_that_does_not_exist(case: Case) -> None:
    """A selected network without a definition fails the pod."""
    case.pod("none")
    case.add().fails()


@clause("npwg-1.3", "4", MUST)
def test_the_order_of_the_selection(case: Case) -> None:
    """Networks are attached one by one; the later ones see the interfaces of the earlier ones taken."""
    for name in ("three", "one", "two"):
        case.define(name)
    case.pod("three,one,two")
    case.add().succeeds()
    assert len({call.ifname for call in case.calls(ADD)}) == 4


@clause("npwg-1.3", "4", PRACTICE)
def test_networks_are_attached_in_order(case: Case) -> None:
    """Selected networks are attached in the order of the annotation."""
    for name in ("three", "one", "two"):
        case.define(name)
    case.pod("three,one,two")
    case.add().succeeds()
    assert attached(case) == [DEFAULT, "three", "one", "two"]


@clause("npwg-1.3", "4.1.2.1", MUST)
def test_a_key_with_a_dot_is_not_reserved(case: Case) -> None:
    """A key in reverse domain notation does no harm."""
    case.define("one")
    case.pod([{"name": "one", "org.example.color": "blue"}])
    case.add().succeeds()
    assert attached(case) == [DEFAULT, "one"]


@clause("npwg-1.3", "4.2", MUST)
def test_one_network_twice(case: Case) -> None:
    """A network that is selected twice is attached twice, with different interfaces."""
    case.define("one")
    case.pod("one,one")
    case.add().succeeds()
    calls = case.calls(ADD, "one")
    assert len(calls) == 2
    assert calls[0].ifname != calls[1].ifname


@clause("npwg-1.3", "4.2", MUST)
@clause("npwg-1.3", "4.2.1", MUST)
def test_one_network_twice_is_detached_twice(case: Case) -> None:
    """Each attachment to one network is detached, with its own interface."""
    case.define("one")
    case.pod("one,one")
    case.add().succeeds()
    case.delete().succeeds()
    added, deleted = case.calls(ADD, "one"), case.calls(DEL, "one")
    assert sorted(call.ifname for call in deleted) == sorted(call.ifname for call in added)


@clause("npwg-1.3", "4.2", MUST)
def test_one_network_twice_has_two_entries(case: Case) -> None:
    """Each attachment to one network has its entry in network-status."""
    case.define("one")
    case.pod("one,one")
    case.add().succeeds()
    entries = [entry for entry in case.network_status() if entry["name"].endswith("/one")]
    assert len({entry["interface"] for entry in entries}) == 2


@clause("npwg-1.3", "7.4", SHOULD)
def test_a_refused_network_fails_the_pod(case: Case) -> None:
    """A network that the API server does not let the plugin read fails the pod."""
    case.define("one")
    case.pod("one")
    case.api.fail("definitions", 403)
    case.add().fails()
    assert "one" not in attached(case)
