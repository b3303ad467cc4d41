"""What objects are judged against: another tree, and a cluster as it is now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.fakes.apiserver import ApiServer, failure
from tests.fakes.objects import namespace, write_kubeconfig
from tests.fakes.objects import network as live_network
from tests.fakes.objectstore import NAMESPACES, PODS
from tests.fakes.objectstore import NETWORKS as DEFINITIONS

from .trees import GOOD, NETWORKS, RENAMED, check, network, pod, rules, summary, write

OTHER = GOOD.replace("bridge", "macvlan")


def test_a_tree_is_a_context_and_not_judged() -> None:
    write({"a.yaml": pod("a", "lan"), "cluster/lan.yaml": network("lan", RENAMED), "cluster/b.yaml": pod("b", "b c")})
    assert rules("a.yaml") == [("error", "network-not-found")]
    result = check("--manifests", "cluster", "a.yaml")
    assert (result.exit_code, result.stdout) == (0, "1 object in 1 file (1 judged), 0 problems, 0 warnings\n")


def test_a_file_replaces_the_object_of_the_context() -> None:
    write({"new/lan.yaml": network("lan", '{"type": "../x"}'), "cluster/lan.yaml": network("lan")})
    assert rules("--manifests", "cluster", "new") == [("error", "cni-type-path")]
    assert rules("--manifests", ".", "new") == [("error", "cni-type-path")]


def test_a_change_of_a_network_that_runs_is_told() -> None:
    running = pod("web", "lan") + "status: {phase: Running}\n"
    write({"lan.yaml": network("lan", OTHER), "cluster/all.yaml": f"{network('lan')}---\n{running}"})
    assert rules("lan.yaml") == []
    result = check("--manifests", "cluster", "lan.yaml")
    assert result.exit_code == 0
    assert "1 running pod uses network blue/lan, and this changes p" in result.stdout
    assert "[NetworkInUse]" in result.stdout
    write({"lan.yaml": network("lan")})
    assert rules("--manifests", "cluster", "lan.yaml") == []


def test_an_address_of_a_pod_that_runs_is_taken() -> None:
    static = '{"type": "bridge", "capabilities": {"ips": true}, "ipam": {"type": "static"}}'
    asked = '[{"name": "lan", "ips": ["10.0.0.1/24"]}]'
    running = pod("web", asked) + "status: {phase: Running}\n"
    write({"new.yaml": pod("new", asked), "cluster/all.yaml": f"{network('lan', static)}---\n{running}"})
    assert "NAD611" in {rule for _, rule in rules("--manifests", "cluster", "new.yaml")}
    write({"new.yaml": pod("web", asked)})
    assert "NAD611" not in {rule for _, rule in rules("--manifests", "cluster", "new.yaml")}, "it replaces the pod"


def test_environments_of_a_context_are_told() -> None:
    write({"a.yaml": pod("a", "lan"), "c/dev/lan.yaml": network("lan"), "c/prod/lan.yaml": network("lan")})
    result = check("--manifests", "c", "a.yaml")
    assert result.exit_code == 0
    assert "note: --manifests has environments side by side: c/dev, c/prod; the first counts" in result.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--manifests", "nowhere", "a.yaml"], "nowhere: no such file or directory; name one that exists"),
        (["--manifests", "broken", "a.yaml"], "broken/a.yaml:4:1: not YAML"),
        (["--manifests", "broken"], "Give PATHs, or --cluster."),
        (["--manifests", "broken", "--cluster", "a.yaml"], "--manifests belongs to PATHs, and excludes --cluster."),
    ],
)
def test_a_context_that_cannot_be_used(words: list[str], text: str) -> None:
    write({"a.yaml": pod("a"), "broken/a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {a: [\n"})
    result = check(*words)
    assert (result.exit_code, text in result.stderr) == (2, True), result.stderr


# A cluster


class World:
    def __init__(self, api: ApiServer, directory: Path) -> None:
        self.api = api
        api.has_whole_pods = True
        self.kubeconfig = write_kubeconfig(directory / "kubeconfig", api.url)
        api.put(NAMESPACES, namespace("team-a"))
        api.put(DEFINITIONS, live_network("data-plane"))

    def check(self, *words: str) -> Result:
        return check("--cluster", "--kubeconfig", str(self.kubeconfig), *words)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ApiServer() as api:
        yield World(api, tmp_path)


def running(name: str, networks: str) -> dict[str, Any]:
    metadata = {"namespace": "team-a", "name": name, "uid": name, "annotations": {NETWORKS: networks}}
    return {"metadata": metadata, "spec": {"nodeName": "n", "containers": []}, "status": {"phase": "Running"}}


def test_files_are_judged_against_what_is_live(world: World) -> None:
    write({"a.yaml": pod("a", "data-plane", "team-a"), "b.yaml": pod("b", "data-plain", "team-a")})
    world.api.put(PODS, running("wrong", "[{"))
    result = world.check("-o", "json", ".")
    (found,) = json.loads(result.stdout)["findings"]
    assert (result.exit_code, found["object"], found["rule"]) == (1, "pod team-a/b", "network-not-found")
    assert 'did you mean "data-plane"' in found["message"]
    assert "read networks: 1" in result.stderr
    assert "deployments" not in result.stderr


def test_a_changed_network_counts_every_pod_that_uses_it(world: World) -> None:
    owner = [{"kind": "ReplicaSet", "name": "x", "uid": "x", "controller": True}]
    pods = [running(f"p{number}", "data-plane") for number in range(3)]
    for one in pods:
        one["metadata"]["ownerReferences"] = owner
    world.api.put(PODS, *pods)
    write({"lan.yaml": network("data-plane", OTHER, "team-a")})
    assert "3 running pods use network team-a/data-plane" in world.check("lan.yaml").stdout


def test_pods_that_may_not_be_listed_are_told_and_the_rest_is_judged(world: World) -> None:
    write({"a.yaml": pod("a", "data-plane", "team-a")})
    world.api.answer_always[PODS] = failure(403, "no")
    result = world.check("a.yaml")
    assert (result.exit_code, "read pods: not checked: pods: list is forbidden" in result.stderr) == (0, True)
    world.api.answer_always[DEFINITIONS] = failure(403, "no")
    assert world.check("a.yaml").exit_code == 2


def test_labels_of_a_namespace_count_as_changed_only_if_they_differ(world: World) -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a, labels: {nadmit.io/definitions-enforce: %s}}\n"
    world.api.put(NAMESPACES, namespace("team-a", **{"nadmit.io/definitions-enforce": "Baseline"}))
    write({"ns.yaml": text % "Baseline"})
    assert "NamespaceLabelProtected" not in world.check("--as", "bob", "ns.yaml").stdout
    write({"ns.yaml": text % "Privileged"})
    assert "NamespaceLabelProtected" in world.check("--as", "bob", "ns.yaml").stdout
    assert summary(world.check("ns.yaml")).endswith("0 warnings")
