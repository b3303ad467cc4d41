from __future__ import annotations

from typing import Any

import pytest

from . import known
from .cases import NAMESPACE, Case, load
from .comparing import disagreement, lacks
from .known import Known
from .reading import read, wishes
from .runs import runs
from .trying import Attached
from .verdicts import Verdict, judge

MAC = "02:00:00:00:00:05"
ATTACHED = Attached(interfaces={"eth0": {"mac": "", "ips": []}, "net1": {"mac": MAC, "ips": ["10.1.0.5/24"]}})
FAILED = Attached(error="no")
ALLOWED, WARNED, REFUSED = Verdict("allowed"), Verdict("warned"), Verdict("refused")


def case(**asked: Any) -> Case:
    return Case(id="x", subject="pod", definitions=(), namespace=NAMESPACE, annotations={}, asked=asked)


@pytest.mark.parametrize(
    ("verdict", "asked", "node", "kind"),
    [
        (ALLOWED, {"net1": {}}, ATTACHED, ""),
        (ALLOWED, {"net1": {}}, FAILED, "admitted, fails"),
        (ALLOWED, {"net1": {"ips": ["10.1.0.6"]}}, ATTACHED, "admitted, attached otherwise"),
        (WARNED, {"net1": {"ips": ["10.1.0.6"]}}, ATTACHED, ""),
        (WARNED, {"net1": {}}, ATTACHED, ""),
        (WARNED, {"net1": {}}, FAILED, "warned of, fails"),
        (WARNED._replace(differs=True), {"net1": {}}, FAILED, ""),
        (REFUSED, {"net1": {}}, FAILED, ""),
        (REFUSED, {"net1": {}}, ATTACHED, "refused, would run"),
        (REFUSED, {"net1": {"mac": "02:00:00:00:00:06"}}, ATTACHED, ""),
        (REFUSED._replace(by_access=True), {"net1": {}}, ATTACHED, ""),
    ],
)
def test_what_a_disagreement_is(verdict: Verdict, asked: dict[str, Any], node: Attached, kind: str) -> None:
    assert disagreement(verdict, case(**asked), node) == kind


@pytest.mark.parametrize(
    ("wish", "missing"),
    [
        ({"ips": ["10.1.0.5"], "mac": "0200.0000.0005"}, []),
        ({"ips": ["10.1.0.5/24", "fd00::1"]}, ["net1 has 10.1.0.5, not fd00::1"]),
        ({"mac": "02:00:00:00:00:06"}, [f"net1 has {MAC}, not 02:00:00:00:00:06"]),
        ({"subnet": "10.2.0.0/24"}, ["net1 has 10.1.0.5, not one of 10.2.0.0/24"]),
        ({"gateways": ["10.1.0.1"]}, ["the default route is absent, not net1 via 10.1.0.1"]),
        ({"ports": [80]}, ["no host port 80"]),
        ({"bandwidth": True}, ["no limit of the rate of net1"]),
        ({"guid": "24:8a:07:03:00:8d:ae:2f"}, ["net1 is no InfiniBand device"]),
    ],
)
def test_what_a_pod_lacks(wish: dict[str, Any], missing: list[str]) -> None:
    assert lacks(case(net1=wish), ATTACHED) == missing


def test_a_generated_name_may_be_another_one() -> None:
    assert lacks(case(net7={}), ATTACHED) == []
    assert lacks(case(data={}), ATTACHED) == ["no interface data"]
    assert lacks(case(net1={}, net2={}), ATTACHED) == ["no interface net2"]


def test_annotations_are_read_leniently() -> None:
    assert wishes(read(" a , b/c@x ", "blue")) == {"net1": {}, "x": {}}
    text = '[{"Name": "a", "IPs": "10.1.0.5", "macRequest": "m", "default-route": []}, {"name": "b", "interface": "d"}]'
    assert wishes(read(text, "blue")) == {"net1": {"ips": ["10.1.0.5"], "mac": "m"}, "d": {}}
    assert [(one.namespace, one.name) for one in read("b/c", "blue")] == [("b", "c")]
    assert read('[{"name": "a"', "blue") == []


def test_a_known_disagreement_covers_its_runs_and_kind_alone() -> None:
    entries = [Known("pods/a multus", "admitted, fails", "why"), Known("pods/b", "refused, would run", "why")]
    found = {
        "pods/a multus Open": "admitted, fails",
        "pods/a nadmit Open": "admitted, fails",
        "pods/bc multus Open": "x",
    }
    assert known.unlisted(found, entries) == ["pods/a nadmit Open", "pods/bc multus Open"]
    assert known.stale(found, entries, ["pods/a multus Open", "pods/b multus Open"]) == [entries[1]]
    assert known.stale(found, entries, ["pods/a multus Open"]) == []


def test_lines_to_paste_leave_out_the_posture_where_it_does_not_matter() -> None:
    found = {f"pods/a: b multus {posture}": "admitted, fails" for posture in ("Open", "Isolated")}
    assert known.lines_to_paste(found, found).splitlines() == [
        '- kind: "admitted, fails"',
        '  reason: ""',
        "  runs:",
        "  - 'pods/a: b multus'",
    ]


def test_every_known_disagreement_names_a_case_and_a_reason() -> None:
    ids = {case.id for case in load()}
    for entry in known.load():
        words = entry.run.split()
        while words and words[-1] in {"Open", "Isolated", "nadmit", "multus"}:
            words.pop()
        assert " ".join(words) in ids, entry


def test_the_table_is_large() -> None:
    tried = {run.case.id: run.case.subject for run in runs("", has_multus=False)}
    assert len(tried) >= 150
    assert set(tried.values()) == {"pod", "definition"}


def test_verdicts_depend_on_the_posture() -> None:
    (wanted,) = [case for case in load() if case.id == "pods/defnetns"]
    assert judge(wanted, attacher="nadmit", posture="Open").word == "allowed"
    isolated = judge(wanted, attacher="nadmit", posture="Isolated")
    assert (isolated.word, isolated.by_access) == ("refused", True)
