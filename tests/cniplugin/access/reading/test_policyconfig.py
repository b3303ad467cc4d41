"""The cluster's configuration: defaults, every field, and the value of a field that cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.model import matchers
from cniplugin.access.model.decision import Config, MultusGate, NamespaceLabels
from cniplugin.access.model.levels import BaselineLists, ClusterLevels
from cniplugin.access.model.policyrules import AuthorMatch
from cniplugin.access.reading.policyconfig import read_config
from cniplugin.netspec.errors import render

ALL_RESTRICTED = ClusterLevels(enforce="Restricted", warn="Restricted", audit="Restricted")


def config(**spec: Any) -> tuple[Config, list[str]]:
    found, problems = read_config({"metadata": {"name": "cluster"}, "spec": spec})
    return found, [render(problem) for problem in problems]


@pytest.mark.parametrize(
    "value",
    [
        {"metadata": {"name": "cluster"}, "spec": {}},
        {"metadata": {"name": "cluster"}, "spec": {"posture": None, "definitions": {}, "node": {}, "messages": {}}},
    ],
    ids=repr,
)
def test_the_meaning_of_an_empty_object(value: dict[str, Any]) -> None:
    """An empty object means the same as an absent one."""
    assert read_config(value) == (Config(), ())


@pytest.mark.parametrize("spec", [{}, {"spec": None}], ids=["missing", "null"])
def test_a_missing_spec_is_reported(spec: dict[str, Any]) -> None:
    found, problems = read_config({"metadata": {"name": "cluster"}, **spec})
    assert found == Config()
    assert [(problem.path, problem.detail) for problem in problems] == [("spec", "it is missing")]


def test_every_field() -> None:
    found, problems = config(
        posture="Consent",
        globalNamespaces=["infra"],
        exemptNamespaces=["kube-system"],
        workloadTemplates="Warn",
        networkStatusMode="Audit",
        protectNetworkStatus=False,
        statusWriters=["w"],
        statusWriterGroups=["g"],
        definitions={
            "default": "Deny",
            "exemptUsers": ["u"],
            "exemptGroups": [],
            "metaPluginTypes": ["meta"],
            "levels": {"enforce": "Baseline", "warn": "Restricted"},
            "baseline": {"masters": ["bond1", "bond1.*"], "addresses": ["10.1.0.0/16"]},
        },
        namespaceLabels={"mode": "Deny", "writers": {"groups": ["platform"]}},
        node={"onUnavailable": "Allow", "snapshotMaxAgeSeconds": 60},
        multusGate={"namespaceIsolation": False, "globalNamespaces": []},
        messages={"contact": "c", "listAllowed": False, "maxListed": 0},
    )
    assert problems == []
    assert found == Config(
        posture="Consent",
        global_namespaces=("infra",),
        exempt_namespaces=("kube-system",),
        workload_templates="Warn",
        network_status_mode="Audit",
        status_writers=("w",),
        status_writer_groups=("g",),
        definitions_default="Deny",
        exempt_users=("u",),
        exempt_groups=(),
        meta_plugin_types=("meta", "nadmit"),
        levels=ClusterLevels(enforce="Baseline", warn="Restricted"),
        baseline=BaselineLists(
            masters=matchers.names(["bond1", "bond1.*"]),
            addresses=matchers.Cidrs(texts=("10.1.0.0/16",), blocks=((32, 16, 10 * 256 + 1),)),
        ),
        namespace_labels=NamespaceLabels(mode="Deny", writers=AuthorMatch(groups=frozenset({"platform"}))),
        on_unavailable="Allow",
        snapshot_max_age_s=60,
        multus_gate=MultusGate(namespace_isolation=False, global_namespaces=()),
        contact="c",
        list_allowed=False,
        max_listed=0,
    )


@pytest.mark.parametrize(
    ("spec", "mode"),
    [
        ({}, "Warn"),
        ({"protectNetworkStatus": True}, "Warn"),
        ({"protectNetworkStatus": False}, "Off"),
        ({"protectNetworkStatus": True, "networkStatusMode": "Off"}, "Off"),
        ({"protectNetworkStatus": False, "networkStatusMode": "Deny"}, "Deny"),
    ],
)
def test_the_deprecated_flag_is_read_as_long_as_there_is_no_mode(spec: dict[str, Any], mode: str) -> None:
    """NB: `true` was the default of the schema, so the API server wrote it into every object without the key."""
    found, problems = config(**spec)
    assert (found.network_status_mode, problems) == (mode, [])


def test_this_plugin_is_always_a_delegating_one() -> None:
    assert config(definitions={"metaPluginTypes": []})[0].meta_plugin_types == ("nadmit",)


@pytest.mark.parametrize(
    ("spec", "changes", "problem"),
    [
        ({"posture": "open"}, {"posture": "Strict"}, "spec.posture: "),
        ({"posture": 7}, {"posture": "Strict"}, "spec.posture: "),
        ({"globalNamespaces": ["A"]}, {"global_namespaces": ()}, "spec.globalNamespaces[0]: "),
        ({"globalNamespaces": 7}, {"global_namespaces": ()}, "spec.globalNamespaces: "),
        ({"exemptNamespaces": [7]}, {}, "spec.exemptNamespaces[0]: "),
        ({"workloadTemplates": 7}, {}, "spec.workloadTemplates: "),
        ({"protectNetworkStatus": "no"}, {}, "spec.protectNetworkStatus: "),
        ({"networkStatusMode": "deny"}, {}, "spec.networkStatusMode: "),
        ({"networkStatusMode": "deny", "protectNetworkStatus": False}, {}, "spec.networkStatusMode: "),
        ({"statusWriters": [""]}, {}, "spec.statusWriters[0]: "),
        ({"statusWriterGroups": 7}, {}, "spec.statusWriterGroups: "),
        (
            {"definitions": 7},
            {"definitions_default": "Deny", "exempt_groups": (), "levels": ALL_RESTRICTED},
            "spec.definitions: ",
        ),
        (
            {"definitions": {"levels": {"enforce": "baseline"}}},
            {"definitions_default": "Deny", "exempt_groups": (), "levels": ALL_RESTRICTED},
            "spec.definitions.levels.enforce: ",
        ),
        (
            {"definitions": {"levels": {"warn": "Baseline"}, "baseline": {"masters": [7]}}},
            {"definitions_default": "Deny", "exempt_groups": (), "levels": ALL_RESTRICTED},
            "spec.definitions.baseline.masters[0]: ",
        ),
        (
            {"namespaceLabels": {"mode": "Off", "writers": {}}},
            {"namespace_labels": NamespaceLabels(mode="Deny")},
            "spec.namespaceLabels.writers: no user is named; ",
        ),
        (
            {"definitions": {"default": "allow"}},
            {"definitions_default": "Deny", "exempt_groups": ()},
            "spec.definitions.default: ",
        ),
        ({"node": {"onUnavailable": 7}}, {"on_unavailable": "Deny"}, "spec.node.onUnavailable: "),
        ({"node": {"snapshotMaxAgeSeconds": 59}}, {"on_unavailable": "Deny"}, "spec.node.snapshotMaxAgeSeconds: "),
        (
            {"multusGate": 7},
            {"multus_gate": MultusGate(namespace_isolation=True, global_namespaces=())},
            "spec.multusGate: ",
        ),
        (
            {"multusGate": {"globalNamespaces": ["a"]}},
            {"multus_gate": MultusGate(namespace_isolation=True, global_namespaces=())},
            "spec.multusGate.namespaceIsolation: it is missing; ",
        ),
        ({"messages": {"maxListed": 21}}, {}, "spec.messages.maxListed: "),
        ({"messages": 7}, {}, "spec.messages: "),
        ({"postures": "Open"}, {}, 'spec.postures: unknown key; did you mean "posture"? '),
    ],
    ids=repr,
)
def test_a_field_that_cannot_be_read_grants_nothing(
    spec: dict[str, Any], changes: dict[str, object], problem: str
) -> None:
    found, problems = config(**spec)
    assert found == Config().replace(**changes)
    (told,) = problems
    assert told.startswith(problem)


def test_a_configuration_that_is_no_object_grants_nothing() -> None:
    found, problems = read_config({"metadata": {"name": "cluster"}, "spec": []})
    assert (found.posture, found.global_namespaces, found.definitions_default) == ("Strict", (), "Deny")
    assert (found.exempt_groups, found.on_unavailable) == ((), "Deny")
    assert [render(problem) for problem in problems] == ["spec: wrong JSON type: a list; allowed: an object"]


@pytest.mark.parametrize("metadata", [None, 7, {}, {"name": "other"}], ids=repr)
def test_another_name_is_reported(metadata: object) -> None:
    _, problems = read_config({"metadata": metadata, "spec": {}})
    assert [problem.path for problem in problems] == ["metadata.name"]
