"""Where pod templates are: at the paths of a table, and by their shape."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.dra.claims import IMPLICIT_RESOURCE
from webhook.admission.model.requests import ClaimReference
from webhook.admission.templates import podtemplates
from webhook.admission.templates.podtemplates import (
    DEPTH_MAX,
    TEMPLATES_MAX,
    find_by_paths,
    find_by_shape,
    object_of,
    parse_path,
    render_path,
)

Json = dict[str, Any]

CONTAINERS: Json = {"containers": [{"name": "c", "image": "i"}]}


def template(networks: str = "lan", **spec: Any) -> Json:
    return {"metadata": {"annotations": {NETWORKS: networks}}, "spec": {**CONTAINERS, **spec}}


def at(*steps: str | int, value: object) -> Any:
    """Return an object, or a list, that has a value at a place."""
    for step in reversed(steps):
        value = [*[{}] * step, value] if isinstance(step, int) else {step: value}
    return value


def paths(value: Json) -> list[str]:
    return [one.place.path for one in find_by_shape(value)]


# Paths


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("spec.template", ("spec", "template")),
        ("spec.tasks[*].template", ("spec", "tasks", "[*]", "template")),
        ("spec.mpiReplicaSpecs.*.template", ("spec", "mpiReplicaSpecs", "*", "template")),
        ("template", ("template",)),
        ("spec.a-b_c1", ("spec", "a-b_c1")),
    ],
)
def test_a_path(text: str, steps: tuple[str, ...]) -> None:
    assert parse_path(text) == steps
    assert render_path(steps) == text


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "a[0]", "a[*", "a[*]b", "[*]", "a.[*]", "a b", "a/b", "$.a", "a.**", "*a", "ä"],
)
def test_what_is_not_a_path(text: str) -> None:
    assert parse_path(text) is None


@given(st.lists(st.sampled_from(["spec", "a-b", "*", "x[*]"]), min_size=1))
def test_each_path_is_its_own_text(steps: list[str]) -> None:
    path = parse_path(".".join(steps))
    assert path is not None
    assert render_path(path) == ".".join(steps)


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("spec.template", at("spec", "template", value=template()), ["spec.template."]),
        (
            "spec.tasks[*].template",
            {"spec": {"tasks": [{"template": template()}, {}, {"template": template()}]}},
            ["spec.tasks[0].template.", "spec.tasks[2].template."],
        ),
        (
            "spec.replicas.*.template",
            {"spec": {"replicas": {"Worker": {"template": template()}, "a.b": {"template": template()}}}},
            ["spec.replicas.Worker.template.", 'spec.replicas["a.b"].template.'],
        ),
        ("spec.template", {"spec": {"template": [template()]}}, []),
        ("spec.template", {"spec": ["template"]}, []),
        ("spec.tasks[*].template", {"spec": {"tasks": {"a": {"template": template()}}}}, []),
        ("spec.template", {}, []),
    ],
)
def test_templates_at_a_path(path: str, value: Json, found: list[str]) -> None:
    steps = parse_path(path)
    assert steps is not None
    assert [one.place.path for one in find_by_paths(value, [steps])] == found


# Shape


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (at("spec", "template", value=template()), ["spec.template."]),
        (at("spec", "a", 1, "b", value=template()), ["spec.a[1].b."]),
        (at("template", value=template()), ["template."]),
        (at("spec", "pods", "x/y", value=template()), ["spec.pods.x/y."]),
        (at("spec", "pods", "x.y", value=template()), ['spec.pods["x.y"].']),
        (at("spec", "template", value={"spec": CONTAINERS}), ["spec.template."]),
        (at("spec", "podMetadata", "annotations", NETWORKS, value="lan"), ["spec.podMetadata."]),
        (
            at("spec", "kafka", "pod", "metadata", "annotations", DEFAULT_NETWORK, value="lan"),
            ["spec.kafka.pod.metadata."],
        ),
    ],
)
def test_what_has_the_shape_of_a_template(value: Json, found: list[str]) -> None:
    assert paths(value) == found


@pytest.mark.parametrize(
    "value",
    [
        template(),  # the object itself is a pod or resembles one
        {"metadata": {"annotations": {NETWORKS: "lan"}}, "spec": {}},
        {"metadata": {}, "status": {"template": template()}},
        # a schema, as in a CustomResourceDefinition
        at("spec", "properties", "spec", value={"properties": {"containers": {"type": "array"}}}),
        at("spec", "template", value={"spec": {"containers": []}}),
        at("spec", "template", value={"spec": {"containers": ["c"]}}),
        # an object for another API server, or for later
        at("spec", "manifests", 0, value={"apiVersion": "v1", "kind": "Pod", **template()}),
        at(
            "spec",
            "forProvider",
            "manifest",
            value={"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template()}},
        ),
        at("spec", "podMetadata", "annotations", NETWORKS, value=""),
        at("spec", "podMetadata", "annotations", NETWORKS, value="{{workflow.parameters.net}}"),
        at("spec", "podMetadata", "annotations", NETWORKS, value=["lan"]),
    ],
)
def test_what_has_not_the_shape_of_a_template(value: Json) -> None:
    assert paths(value) == []


def test_the_account_around_metadata_is_that_of_its_pods() -> None:
    """As in a Workflow of Argo: the pods of all templates have the account of the spec."""
    inner = {"metadata": {"annotations": {NETWORKS: "lan"}, "labels": {"a": "b"}}, "container": {"image": "i"}}
    for spec, account in (
        ({"serviceAccountName": "robot", "templates": [inner]}, "robot"),
        ({"serviceAccountName": "robot", "templates": [{"serviceAccountName": "own", **inner}]}, "own"),
        ({"templates": [inner]}, "default"),
    ):
        (found,) = find_by_shape({"spec": spec})
        pod = object_of(found, {}, own={})
        assert (pod.service_account, pod.labels, pod.annotations) == (account, {"a": "b"}, {NETWORKS: "lan"})
        assert pod.sent is None
        assert found.place.field(NETWORKS, "[0].mac") == f"spec.templates[0].metadata.annotations[{NETWORKS}][0].mac"


def test_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {"spec": {"tasks": [{"template": template()}] * (TEMPLATES_MAX + 5)}}
    assert len(paths(many)) == TEMPLATES_MAX
    steps = parse_path("spec.tasks[*].template")
    assert steps is not None
    assert len(find_by_paths(many, [steps])) == TEMPLATES_MAX
    assert len(paths(at(*["a"] * DEPTH_MAX, value=template()))) == 1
    assert paths(at(*["a"] * (DEPTH_MAX + 1), value=template())) == []
    monkeypatch.setattr(podtemplates, "VALUES_MAX", 100)
    assert paths({"spec": {"filler": [{}] * 100, "template": template()}}) == []
    assert paths({"spec": {"filler": [{}] * 90, "template": template()}}) == ["spec.template."]


def test_a_refusal_tells_templates_apart() -> None:
    (alone,) = find_by_shape(at("spec", "template", value=template()))
    assert (alone.place.item(1), alone.place.item(None)) == ("", "")
    first, _ = find_by_shape({"spec": {"a": template(), "b": template()}})
    assert (first.place.item(1), first.place.item(None)) == ("spec.a, item 2", "spec.a, default-network")


# The pod


def test_the_pod_of_a_template() -> None:
    devices: Json = {
        "serviceAccountName": "robot",
        "hostNetwork": True,
        "resourceClaims": [{"resourceClaimName": "a"}, {"resourceClaimTemplateName": "b"}, "odd"],
        "containers": [{"resources": {"limits": {"example.com/vf": 1, "cpu": 1}, "requests": None}}],
        "initContainers": [{"resources": {"requests": {f"{IMPLICIT_RESOURCE}fast": 1}}}, {"resources": 5}],
    }
    (found,) = find_by_shape(at("spec", "template", value=template(**devices)))
    pod = object_of(
        found, {"metadata": {"name": "web", "generateName": "w-"}}, own={"metadata.annotations": {"a": "b"}}
    )
    assert (pod.name, pod.generate_name, pod.service_account, pod.is_host_network) == ("web", "w-", "robot", True)
    assert pod.own_annotations == {"metadata.annotations": {"a": "b"}}
    assert pod.sent is not None
    assert pod.sent.read() == found.pod
    assert pod.devices is not None
    assert pod.devices.claims() == (ClaimReference("a"), ClaimReference(template="b"))
    assert pod.devices.resources() == (f"{IMPLICIT_RESOURCE}fast", "example.com/vf")
    assert pod.devices.resources(prefix=IMPLICIT_RESOURCE) == (f"{IMPLICIT_RESOURCE}fast",)


@pytest.mark.parametrize("metadata", [None, {}, {"annotations": None, "labels": 5}, {"annotations": {NETWORKS: 5}}])
def test_metadata_of_other_types_names_nothing(metadata: object) -> None:
    (found,) = find_by_shape(
        {"spec": {"template": {"metadata": metadata, "spec": {**CONTAINERS, "serviceAccountName": 5}}}}
    )
    pod = object_of(found, {"metadata": metadata}, own={})
    assert (pod.labels, pod.annotations, pod.service_account, pod.name) == ({}, {}, "default", "")
