"""A plan: who is judged, what is alike, and its forms."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tests.paths import ROOT
from webhook.report.changeplan import planjson, planmarkdown, plantext
from webhook.report.changeplan.applying import FieldChange
from webhook.report.changeplan.planned import ChangePlan, ObjectChange, PodEffect, compare, summary_of
from webhook.report.changeplan.podeffects import EFFECTS, Difference, Effect, effect_of
from webhook.report.changeplan.podoutcome import ADMITTED, REFUSED, UNPLANNED, Attached, Outcome, Reason
from webhook.report.changeplan.workloadpods import MadePod, Maker

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "plan.schema.json").read_text())
CONF = {
    "name": "lan",
    "cniVersion": "1.0.0",
    "plugins": [{"type": "macvlan", "master": "eth1", "ipam": {"type": "dhcp"}}],
}


def plain(text: str, _role: str) -> str:
    return text


def maker(name: str, kind: str = "Deployment") -> Maker:
    return Maker("apps", kind, "blue", name)


def attached(network: str = "blue/lan", interface: str = "net1", **changes: Any) -> Attached:
    made = Attached(network, interface, is_default=False, config=CONF, resource="", requests={})
    return made._replace(**changes)


def admitted(*networks: Attached, **more: Any) -> Outcome:
    return Outcome(ADMITTED, attached=networks, **more)


NO = Outcome(REFUSED, (Reason("r", "f", "no"),))
GONE = Outcome(REFUSED, (Reason("network-not-found", "f", "gone"),), ("blue/lan",))
NOWHERE = Outcome(UNPLANNED, (Reason("r", "", "nowhere"),))


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (admitted(attached()), admitted(attached()), "kept"),
        (admitted(attached()), admitted(attached(), warnings=("w",)), "warned"),
        (admitted(attached(), warnings=("w",)), admitted(attached(), warnings=("w",)), "kept"),
        (admitted(attached()), admitted(), "other"),
        (admitted(attached()), NO, "refused"),
        (admitted(attached()), NOWHERE, "refused"),
        (admitted(attached()), GONE, "lost"),
        (NO, admitted(), "admitted"),
        (NOWHERE, admitted(), "admitted"),
        (NO, GONE, "stillRefused"),
        (None, admitted(), "new"),
        (None, GONE, "newRefused"),
    ],
)
def test_the_effect_of_two_outcomes(before: Outcome | None, after: Outcome, kind: str) -> None:
    assert effect_of(before, after).kind == kind


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([attached()], [attached(interface="net2")], [("interface", "blue/lan", "", "net1", "net2")]),
        (
            [attached()],
            [attached("blue/br")],
            [("network", "blue/lan", "", "net1", ""), ("network", "blue/br", "", "", "net1")],
        ),
        ([attached()], [attached(resource="a/b")], [("device", "blue/lan", "resource", "", "a/b")]),
        (
            [attached()],
            [attached(config=None)],
            [("configuration", "blue/lan", "", "spec.config", "a file of the node")],
        ),
        (
            [attached()],
            [attached(requests={"CNI_ARGS": {"mac": "MAC=1"}})],
            [("request", "blue/lan", "CNI_ARGS.mac", "", '"MAC=1"')],
        ),
        (
            [attached(), attached("blue/br")],
            [attached("blue/br"), attached()],
            [("order", "", "", "blue/lan, blue/br", "blue/br, blue/lan")],
        ),
        (
            [attached()],
            [attached(config={**CONF, "plugins": [{"type": "macvlan", "master": "eth2", "ipam": {"type": "static"}}]})],
            [
                ("configuration", "blue/lan", "master", '"eth1"', '"eth2"'),
                ("addresses", "blue/lan", "ipam.type", '"dhcp"', '"static"'),
            ],
        ),
        (
            [attached()],
            [attached(config={**CONF, "plugins": [*CONF["plugins"], {"type": "tuning"}]})],
            [("configuration", "blue/lan", "plugins[1].type", "", '"tuning"')],
        ),
    ],
)
def test_what_a_pod_gets_otherwise(before: list[Attached], after: list[Attached], found: list[tuple[str, ...]]) -> None:
    assert [tuple(one) for one in effect_of(admitted(*before), admitted(*after)).differences] == found


def test_a_network_that_is_attached_twice_is_told_apart() -> None:
    both = [attached(interface="net1"), attached(interface="net2")]
    (one,) = effect_of(admitted(*both), admitted(both[0])).differences
    assert one == Difference("network", "blue/lan", "", "net2", "")


def test_injection_is_compared_by_place() -> None:
    (one,) = effect_of(admitted(injected={"a": "1", "b": "2"}), admitted(injected={"a": "1", "b": "3"})).differences
    assert one == Difference("injection", "", "b", "2", "3")


class Counting:
    """Counts the questions by key."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.asked: list[str] = []

    def __call__(self, one: MadePod) -> Outcome:
        self.asked.append(one.key)
        return self.outcome


def test_each_template_is_judged_once_however_many_pods_it_has() -> None:
    """10,000 workloads of three templates, with a million pods."""
    made = {maker(f"w{n}"): MadePod(maker(f"w{n}"), {}, f"key-{n % 3}", running=100) for n in range(10_000)}
    judges = Counting(admitted(attached())), Counting(NO)
    found = compare(made, made, judges)
    assert sorted(judges[0].asked) == sorted(judges[1].asked) == ["key-0", "key-1", "key-2"]
    plan = ChangePlan(effects=found.effects, judged=found.judged)
    assert (found.judged, plan.number_of("refused")) == (3, (10_000, 1_000_000))
    text = plantext.render_text(plan, plain)
    assert len(text.splitlines()) == 5
    assert "and 9,988 workloads more" in text


def test_a_template_that_changes_is_judged_on_its_own_side() -> None:
    before = {maker("web"): MadePod(maker("web"), {}, "old", running=2)}
    after = {maker("web"): MadePod(maker("web"), {}, "new"), maker("more"): MadePod(maker("more"), {}, "new")}
    judges = Counting(admitted(attached())), Counting(admitted())
    found = compare(before, after, judges)
    assert (judges[0].asked, judges[1].asked) == (["old"], ["new"])
    assert [(one.effect.kind, one.running) for one in found.effects] == [("other", 2)]
    assert found.new == 1


LONG = "x" * 3_000
EVERYTHING = ChangePlan(
    changes=(
        ObjectChange("created", "NetworkAttachmentPolicy", "", "bad", "a.yaml:1", refusals=("spec: no | <b>", "@all")),
        ObjectChange("changed", "Namespace", "", "blue", "a.yaml:9", (FieldChange("metadata.labels.a", '"b"', ""),)),
        ObjectChange("same", "Namespace", "", "green"),
        ObjectChange("deleted", "NetworkAttachmentDefinition", "blue", "lan", warnings=("1 pod uses it",)),
    ),
    effects=tuple(
        PodEffect(
            maker(f"{kind.lower()}{n}"),
            n,
            Effect(kind, (Reason("rule", "field", f"{n} {LONG}"),), is_unplanned=n == 59),
        )
        for kind in EFFECTS
        if kind not in {"kept", "new"}
        for n in range(60)
    ),
    kept=3,
    kept_pods=9,
    new=1,
    judged=5,
    notes=("stage \x1b[2J Observe",),
    unread=("pods: list is forbidden",),
)


def test_markdown_fits_into_a_comment_and_has_no_marks_of_others() -> None:
    text = planmarkdown.render_markdown(EVERYTHING)
    assert len(text.encode()) <= planmarkdown.COMMENT_MAX
    assert text.count("<details") == text.count("</details>")
    assert "of the details did not fit into a comment" in text
    assert "&#64;&#8203;all" in text
    assert "@" not in text
    assert "no &#124; &#60;b&#62;" in text
    assert "\x1b" not in text
    head = text.partition("<details")[0]
    assert len(head) < 1_500
    assert "| ❌ | Refused when created again | 60 | 1,770 |" in head


def test_markdown_neither_mentions_nor_links() -> None:
    text = "@all a@b.example #1 https://example.com WWW.example.com"
    made = planmarkdown.render_markdown(ChangePlan(notes=(text,)))
    broken = "&#64;&#8203;all a&#64;&#8203;b.example &#35;&#8203;1 https:&#8203;//example.com WWW&#8203;.example.com"
    assert broken in made


def test_new_workloads_with_a_warning_are_shown_and_counted_once() -> None:
    effects = (PodEffect(maker("a"), 0, Effect("new", warnings=("careful",))),)
    plan = ChangePlan(effects=effects, new=3)
    lines = plantext.render_text(plan, plain).splitlines()
    assert lines[2:5] == [
        "New, with a warning: 1 workload (0 pods)",
        "  deployment blue/a (0 pods)",
        "    warning: careful",
    ]
    assert "new and admitted: 2 workloads" in lines
    assert json.loads(planjson.render_json(plan))["counts"]["new"] == {"workloads": 3, "pods": 0}
    assert "| ✅ | New, and admitted | 2 |  |" in planmarkdown.render_markdown(plan)


def test_what_is_said_twice_of_a_pod_is_shown_once() -> None:
    effect = Effect("other", differences=(Difference("configuration", "blue/lan", "mtu", "1", "2"),) * 2)
    lines = plantext.render_text(ChangePlan(effects=(PodEffect(maker("a"), 1, effect),)), plain).splitlines()
    assert lines.count("    blue/lan: mtu: 1 -> 2") == 1


def test_an_object_without_a_name_has_the_title_of_its_kind() -> None:
    assert ObjectChange("changed", "NadmitConfiguration", "", "").title == "nadmitconfiguration"


def test_markdown_of_a_small_plan_has_everything() -> None:
    small = EVERYTHING._replace(effects=EVERYTHING.effects[60:61])
    text = planmarkdown.render_markdown(small)
    assert "did not fit" not in text
    assert "pods: list is forbidden" in text
    assert planmarkdown.render_markdown(ChangePlan()) == "### Networks of pods: nothing changes\n"


def test_text_shows_what_would_be_refused_first() -> None:
    lines = plantext.render_text(EVERYTHING, plain).splitlines()
    assert lines[1] == "networkattachmentpolicy bad would be refused (a.yaml:1), so it stays as it is:"
    assert "namespace green" not in "\n".join(lines)
    assert "A network is gone: 60 workloads (1,770 pods)" in lines
    assert "    no node could attach it: field: 59 " + LONG in lines
    assert lines[-2:] == ["  note:    stage ?[2J Observe", "  unread:  pods: list is forbidden"]


def test_json_has_every_effect_and_fits_its_schema() -> None:
    value = json.loads(planjson.render_json(EVERYTHING))
    jsonschema.validate(value, SCHEMA)
    assert len(value["effects"]) == 7 * 60
    assert SCHEMA["properties"]["effects"]["items"]["properties"]["effect"]["enum"] == [
        one for one in EFFECTS if one != "kept"
    ]
    assert set(SCHEMA["properties"]["counts"]["properties"]) == {*EFFECTS}


@pytest.mark.parametrize(
    ("plan", "summary"),
    [
        (ChangePlan(), "nothing changes"),
        (ChangePlan(changes=(ObjectChange("same", "Namespace", "", "a"),), kept=3), "nothing changes"),
        (ChangePlan(effects=(PodEffect(maker("a"), 1, Effect("stillRefused")),)), "nothing changes"),
        (
            ChangePlan(changes=(ObjectChange("created", "Namespace", "", "a"),)),
            "1 object changes, and no pod gets anything else",
        ),
        (
            ChangePlan(effects=(PodEffect(maker("a"), 1, Effect("lost")),)),
            "1 workload (1 pod) would find a network gone",
        ),
    ],
)
def test_the_first_line(plan: ChangePlan, summary: str) -> None:
    assert summary_of(plan) == summary
