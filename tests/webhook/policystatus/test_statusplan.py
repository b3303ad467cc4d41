"""The statuses and events that follow from the policies in use and the stored objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND
from webhook.kube.events import Event, render_event
from webhook.policystatus.statusplan import Stored, reference_of

from .planning import BROKEN, DENY, LATER, NOW, World, conditions, config, policy, reasons

MINE = (POLICY_KIND, "mine")
CONFIG = (CONFIG_KIND, "cluster")
MODES = st.sampled_from(["Enforce", "Warn", "Audit"])


def test_a_new_policy() -> None:
    world = World(policy())
    (write,) = world.write().writes
    assert write.status["matchedNamespaces"] == 2
    assert conditions(world.stored[MINE]) == {"Accepted": "True Readable", "Enforced": "True Loaded"}
    assert [(event.type, event.reason, event.note) for event in write.events] == [
        ("Normal", "PolicyEnforced", "generation 1 decides")
    ]


@given(st.lists(st.tuples(st.booleans(), MODES), min_size=1, max_size=5))
def test_a_written_status_is_not_planned_again(policies: list[tuple[bool, str]]) -> None:
    objects = [
        policy(f"p{number}", BROKEN if is_broken else DENY, mode=mode)
        for number, (is_broken, mode) in enumerate(policies)
    ]
    world = World(*objects, config(posture="Strict"))
    assert len(world.write().writes) == len(objects) + 1
    assert world.plan(now=LATER).writes == ()


@pytest.mark.slow
@given(st.lists(st.tuples(st.booleans(), MODES), min_size=2, max_size=8))
def test_each_change_has_one_event(changes: list[tuple[bool, str]]) -> None:
    """The events follow from the change alone."""
    world, was = World(), (None, None)
    for generation, (is_broken, mode) in enumerate(changes, start=1):
        value = policy("mine", BROKEN if is_broken else DENY, mode=mode, generation=generation)
        world.put(value)
        world.load(value)
        expected = []
        if is_broken and was[0] is not True:
            expected.append("mine PolicyUnreadable")
        if not is_broken and was[0] is True:
            expected.append("mine PolicyReadable")
        if mode != was[1]:
            expected.append("mine PolicyEnforced" if mode == "Enforce" else "mine PolicyOnTrial")
        assert reasons(world.write()) == expected
        was = is_broken, mode  # type: ignore[assignment]


def event_body(event: Event, stored: Stored, *, now: str, instance: str) -> dict[str, Any]:
    about = reference_of(stored)
    return render_event(event, about, namespace="default", controller="tests", now=now, instance=instance)


def test_an_unreadable_policy_says_what_and_what_to_do() -> None:
    (write,) = World(policy("mine", BROKEN)).plan().writes
    warning = write.events[0]
    assert (warning.type, warning.reason) == ("Warning", "PolicyUnreadable")
    assert warning.note == (
        'cannot be read: spec.attachments[0].networks[0].names[0]: this value is not allowed: "A"; allowed: a name in '
        "lower case letters, digits and '-', a prefix with '*' behind it, or '*'; 1 more in its status; until it is corrected, Deny rules may cover more and "
        "Allow rules accept nothing; kubectl get networkattachmentpolicy mine -o yaml shows the status, "
        "kubectl edit networkattachmentpolicy mine corrects it"
    )


def test_a_note_has_at_most_1024_bytes() -> None:
    name = "n" * 253
    rule = {"name": "é" * 200, "action": "x" * 500}
    (write,) = World(policy(name, rule)).plan().writes
    body = event_body(write.events[0], write.stored, now=NOW, instance="i" * 300)
    assert len(body["note"].encode()) <= 1024
    assert len(body["metadata"]["name"]) <= 253
    assert len(body["reportingInstance"]) == 128
    assert "corrects it" in body["note"] or body["note"].endswith("...")


def test_the_name_of_an_event() -> None:
    """Two replicas give the event of one change the same name. Another change has another name."""
    world = World(policy())
    (write,) = world.plan().writes
    (event,) = write.events
    assert event.identity == "1/PolicyEnforced"
    first = event_body(event, write.stored, now=NOW, instance="a")
    assert first["metadata"] == {"namespace": "default", "name": first["metadata"]["name"]}
    assert first["regarding"]["uid"] == "uid-of-mine"
    names = {
        event_body(changed, stored, now=LATER, instance="b")["metadata"]["name"]
        for changed, stored in (
            (event, write.stored),
            (event._replace(identity="1/PolicyOnTrial"), write.stored),
            (event._replace(identity="2/PolicyEnforced"), write.stored),
            (event, write.stored._replace(uid="another")),
        )
    }
    assert first["metadata"]["name"] in names
    assert len(names) == 4


@pytest.mark.parametrize("name", ["a." * 126 + "a", "a-" * 126 + "a"])
def test_the_name_of_an_event_is_a_subdomain(name: str) -> None:
    (write,) = World(policy(name)).plan().writes
    made = event_body(write.events[0], write.stored, now=NOW, instance="a")["metadata"]["name"]
    assert len(made) <= 253
    assert ".." not in made
    assert "-." not in made


# Stored objects that the watch has not reported yet


def test_the_plan_waits_for_a_policy_that_is_not_loaded() -> None:
    world = World(policy())
    world.write()
    world.put(policy(generation=2, mode="Warn"))
    made = world.plan()
    assert made.writes == ()
    assert made.waiting == {MINE}


@pytest.mark.parametrize("found", ["none of this policy", "generation 1"])
def test_a_policy_that_is_late(found: str) -> None:
    world = World(policy())
    world.write()
    world.put(policy(generation=2))
    if found.startswith("none"):
        world.load()
    made = world.write(MINE)
    assert made.waiting == frozenset()
    assert reasons(made) == ["mine PolicyNotLoaded"]
    assert conditions(world.stored[MINE])["Enforced"] == "False NotLoaded"
    assert world.stored[MINE].status["observedGeneration"] == 2
    assert found in json.dumps(world.stored[MINE].status)
    assert world.plan(MINE).writes == ()
    world.load(policy(generation=2))
    assert reasons(world.write(MINE)) == ["mine PolicyEnforced"]


def test_a_loaded_policy_that_is_deleted_gets_no_status() -> None:
    world = World(policy(), policy("other"))
    del world.stored[MINE]
    assert [write.stored.name for write in world.plan().writes] == ["other"]


def test_a_policy_that_is_not_loaded_still_counts_for_the_status_of_others() -> None:
    """If it did not count, each change of the policy would change the status of the others twice."""
    allow = {"name": "yes", "action": "Allow"}
    world = World(policy("deny"), policy("mine", allow))
    world.write()
    assert world.stored[MINE].status["rules"][0]["state"] == "Shadowed"
    world.put(policy("deny", generation=2))
    assert world.plan().writes == ()


def test_a_label_changes_the_number_of_namespaces_and_nothing_else() -> None:
    world = World(policy(pods=[{"namespaceSelector": {"matchLabels": {"tenant": "blue"}}}]))
    world.write()
    before = dict(world.stored[MINE].status)
    world.namespaces = {**world.namespaces, "white": {"tenant": "blue"}}
    made = world.write(now=LATER)
    assert reasons(made) == []
    assert {**before, "matchedNamespaces": 2} == world.stored[MINE].status


# Changes by others


def test_conditions_of_others_stay() -> None:
    foreign = {"type": "example.com/Seen", "status": "True"}
    world = World()
    world.put(policy(), conditions=[foreign])
    world.load(policy())
    world.write()
    assert foreign in world.stored[MINE].status["conditions"]
    assert world.plan().writes == ()


@pytest.mark.parametrize("change", [{"matchedNamespaces": 9}, {"conditions": []}, {"observedGeneration": 7}])
def test_a_foreign_status_is_corrected(change: dict[str, Any]) -> None:
    world = World(policy())
    world.write()
    right = world.stored[MINE].status
    world.stored[MINE] = world.stored[MINE]._replace(status={**right, **change})
    world.write()
    assert world.stored[MINE].status == right


# The configuration


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"posture": "Strict"}, {"Accepted": "True Readable", "Enforced": "True Loaded"}),
        ({"posture": "?"}, {"Accepted": "False Unreadable", "Enforced": "True Loaded"}),
    ],
)
def test_the_configuration(spec: dict[str, Any], expected: dict[str, str]) -> None:
    world = World(config(**spec))
    made = world.write()
    assert conditions(world.stored[CONFIG]) == {**expected, "LevelsReadable": "True Readable"}
    assert "cluster PolicyEnforced" in reasons(made)
    assert ("cluster PolicyUnreadable" in reasons(made)) is (spec["posture"] == "?")


def test_the_configuration_says_who_attaches() -> None:
    world = World(config(posture="Open"))
    world.write()
    assert world.stored[CONFIG].status["attachedBy"] == "multus"
    world.attached_by = "nadmit"
    (written,) = world.write().writes
    assert (written.status["attachedBy"], written.events) == ("nadmit", ())
    assert world.plan().writes == ()


def test_a_configuration_that_is_late() -> None:
    world = World(config(posture="Open"))
    world.write()
    world.put(config(posture="Strict", generation=2))
    assert world.plan().waiting == {CONFIG}
    assert world.plan().writes == ()
    assert reasons(world.write(CONFIG)) == ["cluster PolicyNotLoaded"]
    assert conditions(world.stored[CONFIG])["Enforced"] == "False NotLoaded"
    assert world.plan(CONFIG).waiting == frozenset()
