"""`cni-args` (NPWG 4.1.2.1.6) and `ipam-claim-reference` (4.1.2.1.11)."""

from __future__ import annotations

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.node import ADD, DEL, Case

NPWG = "npwg-1.3"
ARGS, CLAIM = "4.1.2.1.6", "4.1.2.1.11"


@clause(NPWG, ARGS, MUST)
def test_cni_args_reach_the_plugin(case: Case) -> None:
    """`cni-args` is `args.cni` of the configuration that the plugin gets."""
    case.define("one")
    case.pod([{"name": "one", "cni-args": {"spoofchk": "on"}}])
    case.add().succeeds()
    assert case.the_call(ADD, "one").cni_args == {"spoofchk": "on"}


@clause(NPWG, ARGS, MUST)
def test_cni_args_reach_every_plugin_of_a_list(case: Case) -> None:
    """Each plugin of a list gets the arguments."""
    case.define("lan", case.chain(case.config("one"), case.config("two")))
    case.pod([{"name": "lan", "cni-args": {"spoofchk": "on"}}])
    case.add().succeeds()
    assert [case.the_call(ADD, kind).cni_args for kind in ("one", "two")] == [{"spoofchk": "on"}] * 2


@clause(NPWG, ARGS, MUST)
def test_cni_args_of_any_type(case: Case) -> None:
    """Values of any JSON type pass through."""
    given = {"text": "on", "number": 5, "flag": True, "list": ["a", 1], "map": {"a": {"b": []}}}
    case.define("one")
    case.pod([{"name": "one", "cni-args": given}])
    case.add().succeeds()
    assert case.the_call(ADD, "one").cni_args == given


@clause(NPWG, ARGS, MUST)
def test_args_of_the_configuration_stay(case: Case) -> None:
    """Keys of `args.cni` in the configuration stay beside those of the pod."""
    case.define("one", case.config("one", args={"cni": {"trust": "off"}}))
    case.pod([{"name": "one", "cni-args": {"spoofchk": "on"}}])
    case.add().succeeds()
    assert case.the_call(ADD, "one").cni_args == {"trust": "off", "spoofchk": "on"}


@clause(NPWG, ARGS, MUST)
def test_the_pod_has_priority(case: Case) -> None:
    """Of two values of one key, that of the pod counts."""
    case.define("one", case.config("one", args={"cni": {"spoofchk": "off"}}))
    case.pod([{"name": "one", "cni-args": {"spoofchk": "on"}}])
    case.add().succeeds()
    assert case.the_call(ADD, "one").cni_args["spoofchk"] == "on"


@clause(NPWG, ARGS, SHOULD)
def test_other_args_stay(case: Case) -> None:
    """Keys of `args` beside `cni` stay."""
    case.define("one", case.config("one", args={"labels": [{"key": "a", "value": "b"}]}))
    case.pod([{"name": "one", "cni-args": {"spoofchk": "on"}}])
    case.add().succeeds()
    assert case.the_call(ADD, "one").config["args"]["labels"] == [{"key": "a", "value": "b"}]


@clause(NPWG, ARGS, MUST)
def test_args_without_a_request(case: Case) -> None:
    """`args` of the configuration reach the plugin without `cni-args`."""
    case.define("one", case.config("one", args={"cni": {"trust": "off"}}))
    case.pod("one")
    case.add().succeeds()
    assert case.the_call(ADD, "one").cni_args == {"trust": "off"}


@clause(NPWG, ARGS, MUST)
def test_cni_args_are_of_their_network_alone(case: Case) -> None:
    """Another network does not get the arguments."""
    case.define("one")
    case.define("two")
    case.pod([{"name": "one", "cni-args": {"spoofchk": "on"}}, {"name": "two"}])
    case.add().succeeds()
    assert case.the_call(ADD, "two").cni_args == {}


@clause(NPWG, ARGS, MUST)
def test_cni_args_of_two_attachments(case: Case) -> None:
    """Two attachments to one network have arguments of their own."""
    case.define("one")
    case.pod([{"name": "one", "cni-args": {"vlan": 1}}, {"name": "one", "cni-args": {"vlan": 2}}])
    case.add().succeeds()
    assert sorted(call.cni_args["vlan"] for call in case.calls(ADD, "one")) == [1, 2]


@clause("cni-1.1", "3.deleting", SHOULD)
def test_cni_args_on_detach(case: Case) -> None:
    """DEL has the arguments of ADD."""
    case.define("one")
    case.pod([{"name": "one", "cni-args": {"spoofchk": "on"}}])
    case.add().succeeds()
    case.delete().succeeds()
    assert case.the_call(DEL, "one").cni_args == {"spoofchk": "on"}


@clause(NPWG, ARGS, MUST)
@pytest.mark.parametrize("value", ["on", ["on"], 5], ids=["text", "list", "number"])
def test_cni_args_that_are_no_map(case: Case, value: object) -> None:
    """A value that is not a map attaches nothing that the annotation selects."""
    case.define("one")
    case.pod([{"name": "one", "cni-args": value}])
    case.add()
    assert case.calls(ADD, "one") == []


@clause(NPWG, CLAIM, MUST)
def test_a_claim_is_accepted(case: Case) -> None:
    """`ipam-claim-reference` is a key of the standard; a network of a plugin that ignores it is attached."""
    case.define("one")
    case.pod([{"name": "one", "ipam-claim-reference": "vm123.tenantblue"}])
    case.add().succeeds()
    assert len(case.calls(ADD, "one")) == 1


@clause(NPWG, CLAIM, PRACTICE)
def test_a_claim_reaches_the_plugin(case: Case) -> None:
    """The plugin gets the name of the claim in `args.cni`."""
    case.define("one")
    case.pod([{"name": "one", "ipam-claim-reference": "vm123.tenantblue"}])
    case.add().succeeds()
    assert case.the_call(ADD, "one").cni_args["ipam-claim-reference"] == "vm123.tenantblue"


@clause(NPWG, ARGS, MUST)
def test_cni_args_beside_a_claim(case: Case) -> None:
    """A claim does not replace the `cni-args` of its element."""
    case.define("one")
    case.pod([{"name": "one", "cni-args": {"spoofchk": "on"}, "ipam-claim-reference": "vm123.tenantblue"}])
    case.add().succeeds()
    assert case.the_call(ADD, "one").cni_args.get("spoofchk") == "on"


@clause(NPWG, CLAIM, PRACTICE)
def test_a_claim_reaches_its_network_alone(case: Case) -> None:
    """Another network does not get the name of the claim."""
    case.define("one")
    case.define("two")
    case.pod([{"name": "one", "ipam-claim-reference": "vm123.tenantblue"}, {"name": "two"}])
    case.add().succeeds()
    assert "ipam-claim-reference" not in case.the_call(ADD, "two").cni_args


@clause(NPWG, CLAIM, MUST)
def test_a_claim_beside_addresses(case: Case) -> None:
    """A claim and `ips` in one element are an error."""
    case.define("one", case.config("one", capabilities=["ips"]))
    case.pod([{"name": "one", "ips": ["10.1.1.5/24"], "ipam-claim-reference": "vm123.tenantblue"}])
    case.add()
    assert case.calls(ADD, "one") == []


@clause(NPWG, CLAIM, MUST)
def test_a_claim_that_is_no_text(case: Case) -> None:
    """A reference that is not a text attaches nothing that the annotation selects."""
    case.define("one")
    case.pod([{"name": "one", "ipam-claim-reference": 5}])
    case.add()
    assert case.calls(ADD, "one") == []
