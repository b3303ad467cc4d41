"""Definitions (NPWG 3): where the configuration comes from, and what delegates get of it."""

from __future__ import annotations

import json

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.node import ADD, CNI_VERSION, DEFAULT, DEL, Case


def put_on_disk(case: Case, file: str, value: object) -> None:
    """Write a configuration into the folder of the node."""
    (case.node.conf_dir / file).write_text(json.dumps(value), encoding="utf-8")


@clause("npwg-1.3", "3.4.1", MUST)
def test_the_configuration_of_the_definition(case: Case) -> None:
    """`spec.config` is what is executed."""
    case.define("lan", case.config("one", color="blue"))
    case.pod("lan")
    case.add().succeeds()
    assert case.the_call(ADD, "one").config["color"] == "blue"


@clause("npwg-1.3", "3.4.1", MUST)
def test_the_configuration_of_the_definition_comes_first(case: Case) -> None:
    """`spec.config` counts, also if the node has a file of that name."""
    put_on_disk(case, "10-lan.conflist", case.chain(case.config("disk"), name="lan"))
    case.define("lan", case.config("one"))
    case.pod("lan")
    case.add().succeeds()
    assert [call.type for call in case.calls(ADD)] == [DEFAULT, "one"]


@clause("npwg-1.3", "3.4.1", MUST)
def test_a_list_on_disk(case: Case) -> None:
    """Without `spec.config` a list of plugins on the node counts, by the name in it."""
    put_on_disk(case, "10-other-name.conflist", case.chain(case.config("disk"), name="lan"))
    case.define("lan", None)
    case.pod("lan")
    case.add().succeeds()
    assert [call.type for call in case.calls(ADD)] == [DEFAULT, "disk"]


@clause("npwg-1.3", "3.4.1", MUST)
def test_a_single_configuration_on_disk(case: Case) -> None:
    """Without `spec.config` and a list, a configuration of one plugin on the node counts."""
    put_on_disk(case, "10-other-name.conf", case.config("disk", name="lan"))
    case.define("lan", None)
    case.pod("lan")
    case.add().succeeds()
    assert [call.type for call in case.calls(ADD)] == [DEFAULT, "disk"]


@clause("npwg-1.3", "3.4.1", MUST)
def test_a_list_on_disk_comes_before_a_single_configuration(case: Case) -> None:
    """A list on the node counts before a configuration of one plugin of the same name."""
    put_on_disk(case, "10-a.conf", case.config("single", name="lan"))
    put_on_disk(case, "20-b.conflist", case.chain(case.config("listed"), name="lan"))
    case.define("lan", None)
    case.pod("lan")
    case.add().succeeds()
    assert [call.type for call in case.calls(ADD)] == [DEFAULT, "listed"]


@clause("npwg-1.3", "3.4.1", MUST)
@clause("npwg-1.3", "3.2", MUST)
def test_no_configuration_at_all(case: Case) -> None:
    """Without `spec.config` and without a file the pod fails."""
    put_on_disk(case, "10-other.conf", case.config("other", name="other"))
    case.define("lan", None)
    case.pod("lan")
    case.add().fails()


@clause("npwg-1.3", "3.4.1", PRACTICE)
def test_a_broken_file_hides_no_good_one(case: Case) -> None:
    """A file on the node that cannot be read does not hide the others."""
    (case.node.conf_dir / "05-broken.conf").write_text("{", encoding="utf-8")
    put_on_disk(case, "10-good.conf", case.config("disk", name="lan"))
    case.define("lan", None)
    case.pod("lan")
    case.add().succeeds()
    assert [call.type for call in case.calls(ADD)] == [DEFAULT, "disk"]


@clause("npwg-1.3", "3.4.2", MUST)
def test_a_name_is_put_in(case: Case) -> None:
    """A configuration without a name gets the name of its definition."""
    case.define("lan", case.config("one"))
    case.pod("lan")
    case.add().succeeds()
    assert case.the_call(ADD, "one").config["name"] == "lan"


@clause("npwg-1.3", "3.4.2", MUST)
def test_a_name_is_put_into_a_list(case: Case) -> None:
    """Each plugin of a list without a name gets the name of the definition."""
    case.define("lan", case.chain(case.config("one"), case.config("two")))
    case.pod("lan")
    case.add().succeeds()
    assert [case.the_call(ADD, kind).config["name"] for kind in ("one", "two")] == ["lan", "lan"]


@clause("npwg-1.3", "3.4.3", MUST)
def test_a_name_that_differs_stays(case: Case) -> None:
    """The name in a configuration may differ from that of the definition, and stays."""
    case.define("lan", case.config("one", name="storage"))
    case.pod("lan")
    case.add().succeeds()
    assert case.the_call(ADD, "one").config["name"] == "storage"


@clause("npwg-1.3", "3.4", MUST)
def test_unknown_keys_pass_through(case: Case) -> None:
    """A delegate gets the keys of its configuration unchanged, of any JSON type."""
    keys = {"text": "a\u00e9b", "number": 1500, "big": 2**53 - 1, "flag": False, "none": None, "list": [1, {"a": []}]}
    case.define("lan", {**case.config("one"), **keys})
    case.pod("lan")
    case.add().succeeds()
    config = case.the_call(ADD, "one").config
    assert {key: config[key] for key in keys} == keys


@clause("npwg-1.3", "3.4", PRACTICE)
def test_large_integers_pass_through(case: Case) -> None:
    """An integer that a floating-point number cannot hold reaches the delegate as it was written."""
    case.define("lan", case.config("one", identifier=2**53 + 1))
    case.pod("lan")
    case.add().succeeds()
    assert case.the_call(ADD, "one").config["identifier"] == 2**53 + 1


@clause("npwg-1.3", "3.4", MUST)
def test_a_list_is_executed_in_order(case: Case) -> None:
    """The plugins of a list are executed in order, each with the result of the one before."""
    case.define("lan", case.chain(case.config("one"), case.config("two"), case.config("three")))
    case.pod("lan")
    case.add().succeeds()
    assert [call.type for call in case.calls(ADD)] == [DEFAULT, "one", "two", "three"]
    assert case.the_call(ADD, "one").prev_result is None
    assert case.the_call(ADD, "three").prev_result is not None


@clause("npwg-1.3", "7.1", MUST)
def test_version_and_name_of_a_list(case: Case) -> None:
    """`cniVersion` and `name` of a list are put into the configuration of each plugin."""
    case.define("lan", case.chain(case.config("one"), case.config("two"), name="storage"))
    case.pod("lan")
    case.add().succeeds()
    for kind in ("one", "two"):
        config = case.the_call(ADD, kind).config
        assert (config["cniVersion"], config["name"]) == (CNI_VERSION, "storage")


@clause("npwg-1.3", "7.1", MUST)
@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_versions_of_a_network(case: Case, version: str) -> None:
    """A network may have another version than the node's configuration; its plugins get that version."""
    case.define("lan", {**case.config("one"), "cniVersion": version})
    case.pod("lan")
    case.add().succeeds()
    assert case.the_call(ADD, "one").config["cniVersion"] == version


@clause("npwg-1.3", "7.1", MUST)
@clause("npwg-1.3", "3.4", MUST)
def test_detaching_uses_the_same_configuration(case: Case) -> None:
    """DEL gives a plugin the configuration that ADD gave it."""
    case.define("lan", case.config("one", color="blue"))
    case.pod("lan")
    case.add().succeeds()
    case.delete().succeeds()
    assert case.the_call(DEL, "one").config["color"] == "blue"
    assert case.the_call(DEL, "one").config["name"] == "lan"


@clause("npwg-1.3", "3.4.1", MUST)
@pytest.mark.parametrize("text", ["{", "[]", '"one"', "{}"], ids=["cut", "list", "text", "empty"])
def test_a_configuration_that_cannot_be_executed(case: Case, text: str) -> None:
    """A configuration that is no CNI configuration fails the pod."""
    case.define("lan", text)
    case.pod("lan")
    case.add().fails()


@clause("npwg-1.3", "3.4.3", SHOULD)
def test_two_definitions_of_one_configuration_name(case: Case) -> None:
    """Two definitions whose configurations have one name are two networks."""
    case.define("lan", case.config("one", name="shared"))
    case.define("wan", case.config("two", name="shared"))
    case.pod("lan,wan")
    case.add().succeeds()
    case.delete().succeeds()
    assert {call.type for call in case.calls(DEL)} == {DEFAULT, "one", "two"}
