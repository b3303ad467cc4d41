"""What `kubectl apply` makes of an object, and which fields change by that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webhook.report.changeplan.applying import LAST_APPLIED, FieldChange, apply, differences, fields_changed

Json = dict[str, Any]


def live(spec: Json, last: Json | None = None, **metadata: Any) -> Json:
    annotations = {} if last is None else {LAST_APPLIED: json.dumps({"metadata": {}, "spec": last})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"uid": "1", "annotations": annotations, **metadata},
        "spec": spec,
    }


def written(spec: Json, version: str = "apps/v1") -> Json:
    return {"apiVersion": version, "kind": "Deployment", "metadata": {}, "spec": spec}


@pytest.mark.parametrize(
    ("stored", "last", "new", "made"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 3}, {"a": 3}),
        ({"a": 1, "own": 2}, {"a": 1}, {"a": 1}, {"a": 1, "own": 2}),
        ({"a": 1, "b": 2}, None, {"a": 3}, {"a": 3, "b": 2}),
        ({"m": {"x": 1, "y": 2}}, {"m": {"x": 1}}, {"m": {"z": 3}}, {"m": {"y": 2, "z": 3}}),
        ({"l": [1, 2]}, {"l": [1, 2]}, {"l": [3]}, {"l": [3]}),
        ({"a": 1}, {}, {"a": None}, {}),
        ({"m": 1}, {}, {"m": {"x": 1}}, {"m": {"x": 1}}),
    ],
)
def test_fields_of_nobody_stay(stored: Json, last: Json | None, new: Json, made: Json) -> None:
    assert apply(live(stored, last), written(new))["spec"] == made


def test_named_items_are_merged_in_kinds_of_kubernetes() -> None:
    stored = {"containers": [{"name": "a", "image": "1", "pull": "Always"}, {"name": "sidecar"}, {"name": "old"}]}
    last = {"containers": [{"name": "a", "image": "1"}, {"name": "old"}]}
    new = {"containers": [{"name": "a", "image": "2"}]}
    merged = [{"name": "a", "image": "2", "pull": "Always"}, {"name": "sidecar"}]
    assert apply(live(stored, last), written(new))["spec"]["containers"] == merged
    of_others = apply(live(stored, last), written(new, "access.nadmit.io/v1alpha1"))
    assert of_others["spec"]["containers"] == new["containers"]


def test_what_was_applied_is_kept_for_the_next_time() -> None:
    first = apply(live({"a": 1}, {"a": 1}), written({"a": 1, "b": 2}))
    assert apply(first, written({"a": 1}))["spec"] == {"a": 1}


def test_a_file_takes_the_place_of_a_file() -> None:
    old = {**written({"a": 1, "b": 2}), "metadata": {"name": "x"}}
    assert apply(old, written({"a": 3})) == written({"a": 3})
    assert apply(None, written({"a": 3})) == written({"a": 3})


def test_a_last_text_that_cannot_be_read_removes_nothing() -> None:
    stored = live({"a": 1})
    stored["metadata"]["annotations"][LAST_APPLIED] = "{"
    assert apply(stored, written({}))["spec"] == {"a": 1}


def definition(config: object) -> Json:
    return {
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"annotations": {LAST_APPLIED: str(config)}},
        "spec": {"config": config},
    }


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ('{"a": 1, "b": [1]}', '{\n"b": [1], "a": 1}', []),
        ('{"a": 1}', '{"a": 1.0}', ["spec.config.a"]),
        ('{"a": 1}', '{"a": true}', ["spec.config.a"]),
        ('{"a": 1}', '{"a": 1, "a": 1}', ["spec.config.a", "spec.config"]),
        ('{"a": {}}', "{}", ["spec.config.a"]),
        ('{"a"', '{"a" ', ["spec.config"]),
        ("[" * 5000, "[", ["spec.config"]),
        (json.dumps([1]), "[" * 100 + "]" * 100, ["spec.config[0]", "spec.config"]),
        ('{"a": 1}', None, ["spec.config.a", "spec.config"]),
    ],
)
def test_a_configuration_is_compared_as_json(before: str, after: object, paths: list[str]) -> None:
    assert [one.path for one in fields_changed(definition(before), definition(after))] == paths


def test_bookkeeping_is_no_change_and_labels_are() -> None:
    old = live({}, resourceVersion="1", labels={"a": "b"})
    new = live({}, {"x": 1}, resourceVersion="2", labels={"a": "c"})
    assert fields_changed(old, {**new, "status": {"x": 1}}) == (FieldChange("metadata.labels.a", '"b"', '"c"'),)


def test_a_map_that_is_filled_is_said_once() -> None:
    assert [one.path for one in differences({"a": {}, "b": []}, {"a": {"x": 1}, "b": [1]})] == ["a.x", "b[0]"]
    assert [one.path for one in differences({"a": {"x": 1}}, {"a": {}})] == ["a.x"]
    assert [one.path for one in differences({"a": {}}, {})] == ["a"]
    assert [one.path for one in differences({"a": {}}, {"a": []})] == ["a"]


def test_the_list_of_fields_is_bounded() -> None:
    assert len(differences({}, {str(number): number for number in range(1000)})) == 50
