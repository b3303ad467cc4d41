"""Interface names (NPWG 4.1.2.1.5, 4.2.1): given, generated, kept."""

from __future__ import annotations

import pytest

from conformance.clauses import MUST, PRACTICE, clause
from conformance.rig.container import ip
from conformance.rig.node import ADD, CHECK, DEFAULT, DEL, Case

NPWG = "npwg-1.3"


@clause(NPWG, "4.1.2.1.5", MUST)
def test_the_interface_is_given(case: Case) -> None:
    """The name in `interface` is CNI_IFNAME of each plugin of the network."""
    case.define("lan", case.chain(case.config("one"), case.config("two")))
    case.pod([{"name": "lan", "interface": "data0"}])
    case.add().succeeds()
    assert [case.the_call(ADD, kind).ifname for kind in ("one", "two")] == ["data0", "data0"]


@clause(NPWG, "4.1.2.1.5", MUST)
def test_the_longest_interface_name(case: Case) -> None:
    """A name of 15 bytes is a valid name of an interface."""
    case.define("one")
    case.pod([{"name": "one", "interface": "a23456789012345"}])
    case.add().succeeds()
    assert case.the_call(ADD, "one").ifname == "a23456789012345"


@clause(NPWG, "4.1.2.1.5", PRACTICE)
def test_the_comma_form_with_an_interface(case: Case) -> None:
    """`name@interface` names the interface, as most implementations read it."""
    case.define("one")
    case.pod("one@data0")
    case.add().succeeds()
    assert case.the_call(ADD, "one").ifname == "data0"


@clause(NPWG, "4.1.2.1.5", MUST)
@pytest.mark.parametrize(
    "name", ["a234567890123456", "a/b", "a b", ".", ".."], ids=["16-bytes", "slash", "space", "dot", "dots"]
)
def test_a_name_that_no_link_can_have(case: Case, name: str) -> None:
    """An annotation with a name that the kernel refuses attaches nothing that it selects."""
    case.define("one")
    case.pod([{"name": "one", "interface": name}])
    case.add()
    assert case.calls(ADD, "one") == []


@clause(NPWG, "4.1.2.1.5", MUST)
def test_a_name_that_is_used_twice(case: Case) -> None:
    """A name that an earlier attachment has fails the pod, also if that one has made no link of the kernel."""
    case.define("one")
    case.define("two")
    case.pod([{"name": "one", "interface": "data0"}, {"name": "two", "interface": "data0"}])
    case.add().fails()


@clause(NPWG, "4.1.2.1.5", MUST)
def test_a_link_that_is_there_already(case: Case) -> None:
    """A name whose link an earlier attachment has made fails the pod."""
    for name in ("one", "two"):
        case.define(name)
        case.delegates.script(name, ADD, {"link": True})
    case.pod([{"name": "one", "interface": "data0"}, {"name": "two", "interface": "data0"}])
    case.add().fails()


@clause(NPWG, "4.1.2.1.5", MUST)
def test_the_name_of_the_default_network(case: Case) -> None:
    """The name of the default network's interface is used already."""
    case.define("one")
    case.pod([{"name": "one", "interface": "eth0"}])
    case.add().fails()


@clause(NPWG, "4.1.2.1.5", MUST)
def test_a_name_that_exists_in_the_pod(case: Case) -> None:
    """A real plugin that finds its name taken fails the pod."""
    case.container.run("link", "add", "data0", "type", "bridge")
    case.define("lan", {"cniVersion": "1.0.0", "type": "bridge", "bridge": "br-conf"})
    case.pod([{"name": "lan", "interface": "data0"}])
    case.add().fails()


@clause(NPWG, "4.2.1", MUST)
def test_generated_names_are_unique(case: Case) -> None:
    """Names of one network that nobody asked for differ from each other, and from those that were asked for."""
    case.define("one")
    case.pod([{"name": "one"}, {"name": "one", "interface": "net1"}, {"name": "one"}])
    case.add().succeeds()
    names = [call.ifname for call in case.calls(ADD, "one")]
    assert len(set(names)) == 3
    assert "net1" in names


@clause(NPWG, "4.2.1", PRACTICE)
def test_generated_names_count_the_selection(case: Case) -> None:
    """The name of element k is `net<k>`, as users of Multus know it."""
    case.define("one")
    case.define("two")
    case.pod("one,two")
    case.add().succeeds()
    assert [case.the_call(ADD, kind).ifname for kind in ("one", "two")] == ["net1", "net2"]


@clause(NPWG, "4.2.1", MUST)
def test_the_same_tuple_on_detach(case: Case) -> None:
    """DEL has the container, the network name and the interface of ADD."""
    case.define("one")
    case.define("two")
    case.pod("one,two")
    case.add().succeeds()
    case.delete().succeeds()
    for kind in (DEFAULT, "one", "two"):
        added, deleted = case.the_call(ADD, kind), case.the_call(DEL, kind)
        assert deleted.ifname == added.ifname
        assert deleted.config["name"] == added.config["name"]
        assert deleted.environ["CNI_CONTAINERID"] == added.environ["CNI_CONTAINERID"] == case.container_id


@clause(NPWG, "4.2.1", MUST)
def test_the_same_tuple_after_the_annotation_changed(case: Case) -> None:
    """DEL has the interface of ADD, also if the selection changed in between."""
    case.define("one")
    case.define("two")
    case.pod("one,two")
    case.add().succeeds()
    case.pod([{"name": "two", "interface": "other0"}])
    case.delete().succeeds()
    assert {call.type: call.ifname for call in case.calls(DEL)} == {c.type: c.ifname for c in case.calls(ADD)}


@clause(NPWG, "4.2.1", MUST)
def test_the_same_tuple_on_check(case: Case) -> None:
    """CHECK of the default network has the interface of ADD."""
    case.add().succeeds()
    case.check().succeeds()
    assert case.the_call(CHECK, DEFAULT).ifname == "eth0"


@clause(NPWG, "4.2.1", MUST)
def test_the_container_of_the_runtime(case: Case) -> None:
    """Every delegate gets the container ID and the namespace of the runtime."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    for call in case.calls(ADD):
        assert call.environ["CNI_CONTAINERID"] == case.container_id
        assert call.environ["CNI_NETNS"] == case.container.path


@clause(NPWG, "4.1.2.1.5", PRACTICE)
def test_the_link_has_the_name(case: Case) -> None:
    """A real plugin makes its link with the name, and DEL removes it."""
    case.define("lan", {"cniVersion": "1.0.0", "type": "bridge", "bridge": "br-conf"})
    case.pod([{"name": "lan", "interface": "data0"}])
    case.add().succeeds()
    assert "data0" in case.container.links()
    case.delete().succeeds()
    assert case.container.links() == []
    assert "br-conf" in ip("link", "show")
