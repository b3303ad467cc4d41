"""The status of a policy is right and stable, and the CRD permits it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.access.lints.policystatus import config_status, count_namespaces, statuses
from cniplugin.access.model.levels import ClusterLevels
from cniplugin.access.reading.policies import read_policy
from cniplugin.access.reading.policyconfig import read_config
from tests.cniplugin.access.reading import schema

NOW, LATER = "2026-11-23T19:00:00Z", "2026-11-23T20:00:00Z"
NAMESPACES = {
    "blue": {"kubernetes.io/metadata.name": "blue", "tenant": "blue"},
    "green": {"kubernetes.io/metadata.name": "green", "tenant": "green"},
    "infra": {"kubernetes.io/metadata.name": "infra"},
}
ALLOW: dict[str, Any] = {"name": "a", "action": "Allow"}
SAN: dict[str, Any] = {**ALLOW, "networks": [{"namespaces": ["infra"]}]}
DENY: dict[str, Any] = {"name": "d", "action": "Deny"}


def raw(spec: Any, name: str = "mine", generation: int = 3) -> dict[str, Any]:
    return {"metadata": {"name": name, "generation": generation}, "spec": spec}


def status(
    spec: Any, *, loaded: int | None = 3, previous: Any = None, now: str = NOW, others: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    found = statuses(
        [read_policy(value) for value in (raw(spec), *others)],
        NAMESPACES,
        loaded={} if loaded is None else {"mine": loaded},
        previous={} if previous is None else {"mine": previous},
        now=now,
    )["mine"]
    assert errors(schema.schema_of(schema.POLICY)["properties"]["status"], found) == []
    return found


def errors(of: schema.Schema, value: Any, path: str = "status") -> list[str]:
    """Return the errors of the schema about a value."""
    kind = of["type"]
    types: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int}
    if not isinstance(value, types[kind]):
        return [f"{path}: {type(value)}"]
    if kind == "string":
        return [] if schema.fits(of, value) and value in of.get("enum", [value]) else [f"{path}: {value[:40]}"]
    if kind == "integer":
        return [] if value >= of.get("minimum", 0) else [f"{path}: {value}"]
    if kind == "array":
        names = [tuple(item[key] for key in of["x-kubernetes-list-map-keys"]) for item in value]
        found = [f"{path}: {len(value)} items"] if len(value) > of["maxItems"] or len(set(names)) < len(names) else []
        return found + [
            text for index, item in enumerate(value) for text in errors(of["items"], item, f"{path}[{index}]")
        ]
    found = [f"{path}.{key}: missing" for key in of.get("required", ()) if key not in value]
    for key, inner in value.items():
        known = of["properties"].get(key)
        found += errors(known, inner, f"{path}.{key}") if known else [f"{path}.{key}: unknown"]
    return found


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    (one,) = (one for one in found["conditions"] if one["type"] == kind)
    return dict(one)


def test_a_readable_object_in_force() -> None:
    assert status({"pods": [{"namespaces": ["blue"]}], "attachments": [SAN]}) == {
        "observedGeneration": 3,
        "matchedNamespaces": 1,
        "conditions": [
            {
                "type": "Accepted",
                "status": "True",
                "observedGeneration": 3,
                "lastTransitionTime": NOW,
                "reason": "Readable",
                "message": "everything can be read",
            },
            {
                "type": "Enforced",
                "status": "True",
                "observedGeneration": 3,
                "lastTransitionTime": NOW,
                "reason": "Loaded",
                "message": "generation 3 decides",
            },
        ],
        "rules": [],
    }


@pytest.mark.parametrize(
    ("mode", "loaded", "expected"),
    [
        ("Enforce", 3, ("True", "Loaded")),
        ("Enforce", 2, ("False", "NotLoaded")),
        ("Enforce", None, ("False", "NotLoaded")),
        ("Warn", 3, ("False", "ModeWarn")),
        ("Audit", 3, ("False", "ModeAudit")),
        ("Warn", 2, ("False", "NotLoaded")),
    ],
)
def test_enforced(mode: str, loaded: int | None, expected: tuple[str, str]) -> None:
    found = condition(status({"mode": mode, "attachments": [DENY]}, loaded=loaded), "Enforced")
    assert (found["status"], found["reason"]) == expected
    assert str(loaded or "none") in found["message"]


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({"attachments": [ALLOW]}, 3),
        ({"pods": [{"namespaces": ["b*", "gone"]}], "attachments": [ALLOW]}, 1),
        ({"pods": [{"namespaceSelector": {"matchExpressions": [{"key": "tenant", "operator": "Exists"}]}}], "attachments": [ALLOW]}, 2),
        ({"exceptPods": [{"namespaces": ["blue"]}], "attachments": [ALLOW]}, 2),
        ({"exceptPods": [{"namespaces": ["blue"], "serviceAccounts": ["x"]}], "attachments": [ALLOW]}, 3),
        ({"definitions": [{**DENY, "namespaces": ["blue"]}]}, 1),
        ({"definitions": [{**DENY, "namespaceSelector": {"matchLabels": {"tenant": "green"}}}]}, 1),
        ({"pods": [{"namespaces": ["blue"]}], "attachments": [ALLOW], "definitions": [{**DENY, "namespaces": ["infra", "blue"]}]}, 2),
    ],
)  # fmt: skip
def test_matched_namespaces(spec: Any, count: int) -> None:
    assert count_namespaces(read_policy(raw(spec)), NAMESPACES) == count


def test_a_policy_with_unreadable_rules() -> None:
    spec = {
        "attachments": [
            {**ALLOW, "networks": [{"names": ["A"]}]},
            {**ALLOW, "name": "b", "limits": {"ips": {"max": 0}}},
            {**DENY, "networks": [{"names": ["A"]}]},
            {**DENY, "name": "fine", "networks": [{"names": ["a"]}]},
        ]
    }
    found = status(spec)
    accepted = condition(found, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "Unreadable")
    assert accepted["message"].count("\n") == 2
    assert "spec.attachments[1].limits.ips.max: this value is not allowed: 0; allowed: a whole number, 1 to 64" in accepted["message"]  # fmt: skip
    told = {rule["name"]: (rule["state"], rule["message"].splitlines()[-1]) for rule in found["rules"]}
    assert told == {
        "attachments/a": ("Invalid", "so it accepts nothing of what it selects"),
        "attachments/b": ("Invalid", "so it accepts nothing of what it selects"),
        "attachments/d": ("Invalid", "so it denies at least what it was meant to"),
        "attachments/fine": told["attachments/fine"],
    }
    assert told["attachments/fine"][0] == "Shadowed"


def test_an_allow_of_a_policy_whose_pods_cannot_be_read() -> None:
    found = status({"pods": [{"namespace": ["blue"]}], "attachments": [ALLOW]})
    assert [(rule["name"], rule["state"]) for rule in found["rules"]] == [("attachments/a", "Invalid")]
    assert "accepts nothing" in found["rules"][0]["message"]


def test_two_rules_of_one_name_are_one_entry() -> None:
    found = status({"attachments": [{**ALLOW, "networks": [{"selector": {}}]}, ALLOW]})
    assert [(rule["name"], rule["state"]) for rule in found["rules"]] == [("attachments/a", "Invalid")]


def test_problems_of_both_rules_of_one_name_are_reported() -> None:
    found = status(
        {"attachments": [{**ALLOW, "networks": [{"names": ["A"]}]}, {**ALLOW, "networks": [{"names": ["B"]}]}]}
    )
    (told,) = found["rules"]
    assert (told["name"], told["state"]) == ("attachments/a", "Invalid")
    assert "attachments[0].networks[0].names[0]" in told["message"]
    assert "attachments[1].networks[0].names[0]" in told["message"]


def test_a_shadowed_rule_and_one_with_lints() -> None:
    spec = {
        "attachments": [
            {**ALLOW, "networks": [{"namespaces": ["infra"]}]},
            {**ALLOW, "name": "b", "networks": [{"selector": {}}]},
            {**SAN, "name": "c", "networks": [{"namespaces": ["default"]}]},
        ]
    }
    guard = raw({"attachments": [{**DENY, "networks": [{"namespaces": ["infra"]}]}]}, name="guard")
    found = status(spec, others=(guard,))
    assert [(rule["name"], rule["state"]) for rule in found["rules"]] == [
        ("attachments/a", "Shadowed"),
        ("attachments/b", "Active"),
    ]
    assert 'Deny rule "d" of "guard"' in found["rules"][0]["message"]
    assert condition(found, "Accepted")["status"] == "True"


def test_computing_it_again_changes_nothing() -> None:
    spec = {"mode": "Warn", "pods": [{"podSelector": {"matchLabels": {"a": "b"}}}], "attachments": [ALLOW, DENY]}
    first = status(spec)
    assert status(spec, previous=first, now=LATER) == first


def test_only_what_changes_gets_a_new_time() -> None:
    before = status({"attachments": [DENY]}, loaded=2)
    after = status({"attachments": [DENY]}, previous=before, now=LATER)
    times = {one["type"]: one["lastTransitionTime"] for one in after["conditions"]}
    assert times == {"Accepted": NOW, "Enforced": LATER}


@pytest.mark.parametrize(
    "previous", [{}, {"conditions": None}, {"conditions": [{"type": "Accepted"}, {"type": "Other"}]}]
)
def test_a_previous_status_by_another_writer(previous: Any) -> None:
    found = status({"attachments": [DENY]}, previous=previous, now=LATER)
    assert {one["lastTransitionTime"] for one in found["conditions"]} == {LATER}


JUNK = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(["a", "*", "Allow", "Deny", "Warn"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["mode", "pods", "exceptPods", "attachments", "definitions", "name", "action", "namespaces", "networks", "selector"]),
        inner,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JUNK, st.none() | st.integers(0, 4))
def test_any_spec_has_a_status(spec: Any, loaded: int | None) -> None:
    found = status(spec, loaded=loaded)
    assert status(spec, loaded=loaded, previous=found, now=LATER) == found


def test_the_largest_policy_fits() -> None:
    """128 rules, each with the longest message; the CRD bounds both."""
    rules = [
        {"name": f"r{number}", "action": "Allow", "networks": [{"names": ["é" * 60]}] * 32} for number in range(64)
    ]
    found = status({"attachments": rules, "definitions": [{**rule, "x": "y" * 3000} for rule in rules]})
    assert len(found["rules"]) == 128
    assert max(len(rule["message"]) for rule in found["rules"]) > 600


# The configuration


@pytest.mark.parametrize(
    ("spec", "is_loaded", "expected"),
    [
        ({"posture": "Strict"}, True, {"Accepted": "True Readable", "Enforced": "True Loaded"}),
        ({"posture": "?"}, True, {"Accepted": "False Unreadable", "Enforced": "True Loaded"}),
        ({"posture": "Strict"}, False, {"Accepted": "True Readable", "Enforced": "False NotLoaded"}),
    ],
)
def test_the_configuration(*, spec: Any, is_loaded: bool, expected: dict[str, str]) -> None:
    _, problems = read_config({"metadata": {"name": "cluster"}, "spec": spec})
    given: dict[str, Any] = {"is_loaded": is_loaded, "levels": ClusterLevels(), "namespaces": {}}
    found = config_status(problems, generation=3, previous={}, now=NOW, **given)
    told = {one["type"]: f"{one['status']} {one['reason']}" for one in found["conditions"]}
    assert told == {**expected, "LevelsReadable": "True Readable"}
    assert found["observedGeneration"] == 3
    fields = set(schema.schema_of(schema.CONFIG)["properties"]["status"]["properties"])
    assert set(found) == fields - {"attachedBy"}, "webhook.policystatus adds attachedBy"
    again = config_status(problems, generation=4, previous=found, now=LATER, **given)
    assert {one["lastTransitionTime"] for one in again["conditions"]} == {NOW}


def level_status(levels: ClusterLevels, namespaces: dict[str, dict[str, str]]) -> dict[str, Any]:
    return config_status((), generation=1, is_loaded=True, levels=levels, namespaces=namespaces, previous={}, now=NOW)


def test_the_levels_of_namespaces() -> None:
    label = "nadmit.io/definitions-enforce"
    namespaces = {
        "blue": {label: "Baseline"},
        "green": {label: "privileged"},
        "red": {},
        "odd": {label: "strict", "nadmit.io/definitions-warn": "x"},
    }
    found = level_status(ClusterLevels(enforce="Baseline"), namespaces)
    assert found["namespacesByLevel"] == {"Privileged": 1, "Baseline": 2, "Restricted": 1}
    condition = found["conditions"][2]
    assert (condition["status"], condition["reason"]) == ("False", "UnreadableLabels")
    assert condition["message"] == (
        "these labels do not name a level, so it is Restricted: namespace odd (nadmit.io/definitions-enforce), odd (nadmit.io/definitions-warn); "
        "allowed: Privileged, Baseline, Restricted"
    )


def test_many_unreadable_labels_are_counted() -> None:
    namespaces = {f"n{number:02}": {"nadmit.io/definitions-audit": "x"} for number in range(25)}
    assert level_status(ClusterLevels(), namespaces)["conditions"][2]["message"].count("definitions-audit") == 20
    assert " and 5 more; " in level_status(ClusterLevels(), namespaces)["conditions"][2]["message"]
