"""`nadmit diff`: who gains and who loses access, and what else changes, between two trees or a cluster and a tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings

from cniplugin.access.compile import compile_rules
from cniplugin.access.judging.judge import judge
from cniplugin.access.model.decision import Config, Item, Subject
from cniplugin.netspec.selection import NetworkSelectionElement
from tests.cniplugin.access.strategies import policy_sets
from tests.fakes.apiserver import ApiServer
from tests.fakes.objects import namespace, network, policy, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS, POLICIES
from webhook.cli import nadmit
from webhook.commands.accessdiff.comparing import Side, compare, key_of
from webhook.report.accesschanges import CHANGES, GAINS, LOSES, NAMES_SHOWN
from webhook.trees import builder, documents
from webhook.trees.problems import Problem

Json = dict[str, Any]
ACCESS = "access.nadmit.io/v1alpha1"


def space(name: str, **labels: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def nad(reference: str, **annotations: str) -> Json:
    where, _, name = reference.partition("/")
    config = '{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1", "ipam": {"type": "dhcp"}}'
    metadata = {"namespace": where, "name": name, "annotations": annotations}
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    return {**kind, "metadata": metadata, "spec": {"config": config}}


def rules(name: str, *attachments: Json, **spec: Any) -> Json:
    spec = {**spec, **({"attachments": list(attachments)} if attachments else {})}
    return {"apiVersion": ACCESS, "kind": "NetworkAttachmentPolicy", "metadata": {"name": name}, "spec": spec}


def config(**spec: Any) -> Json:
    return {
        "apiVersion": ACCESS,
        "kind": "NetworkAttachmentPolicyConfig",
        "metadata": {"name": "cluster"},
        "spec": spec,
    }


def deployment(networks: str, name: str = "web", where: str = "blue") -> Json:
    template = {"metadata": {"annotations": {"k8s.v1.cni.cncf.io/networks": networks}}, "spec": {"containers": []}}
    metadata = {"name": name, "namespace": where}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


WORLD = [space("blue", tenant="blue"), space("infra"), nad("blue/lan"), nad("infra/storage")]
SAN = {"name": "san", "action": "Allow", "networks": [{"namespaces": ["infra"]}]}
BLUE: Json = {"pods": [{"namespaces": ["blue"]}]}
DATABASE: Json = {"pods": [{"namespaces": ["blue"], "serviceAccounts": ["database"]}]}
POSTURE = "yes: posture Isolated; may ask for anything but default-network, deviceID"
BASIC = "interface, bandwidth, ipam-claim-reference"


class Trees:
    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, *objects: Json) -> str:
        file = self.path / f"{name}.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        return str(file)

    def diff(self, old: list[Json], new: list[Json], *words: str, common: list[Json] | None = None) -> Result:
        shared = self.write("common", *(WORLD if common is None else common))
        trees = [
            self.write("old", *(old or [space("blue", tenant="blue")])),
            self.write("new", *(new or [space("blue", tenant="blue")])),
        ]
        return CliRunner().invoke(nadmit, ["diff", "--manifests", shared, *words, *trees])

    def lines(self, old: list[Json], new: list[Json], **more: Any) -> list[str]:
        done = self.diff(old, new, **more)
        assert done.exit_code == 0, done.output
        return done.output.splitlines()


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)


# Who gains, who loses


def test_nothing_changes(trees: Trees) -> None:
    assert trees.lines([rules("a", SAN, **BLUE)], [rules("a", SAN, **BLUE)]) == [
        "0 gains, 0 losses, 0 changes of limits"
    ]


def test_a_rule_for_a_namespace(trees: Trees) -> None:
    expected = ["    before: no: posture Isolated", f"    after:  yes: a/san; may ask for {BASIC}"]
    assert trees.lines([], [rules("a", SAN, **BLUE)]) == [
        "1 gain, 0 losses, 0 changes of limits",
        "gains infra/storage: pods of blue",
        *expected,
    ]
    lost = trees.lines([rules("a", SAN, **BLUE)], [])
    assert lost[:2] == ["0 gains, 1 loss, 0 changes of limits", "loses infra/storage: pods of blue"]


def test_a_rule_for_one_account_is_no_gain_of_the_others(trees: Trees) -> None:
    assert trees.lines([], [rules("a", SAN, **DATABASE)])[1] == "gains infra/storage: pods of blue (account database)"
    by_label = {"pods": [{"namespaces": ["blue"], "podSelector": {"matchLabels": {"app": "router"}}}]}
    assert trees.lines([], [rules("a", SAN, **by_label)])[1] == "gains infra/storage: pods of blue (app=router)"


def test_pods_that_are_excepted_are_named(trees: Trees) -> None:
    deny = {"name": "d", "action": "Deny", "networks": [{"names": ["lan"]}]}
    excepted = {"exceptPods": [{"namespaces": ["blue"], "serviceAccounts": ["ops"]}]}
    lines = trees.lines([], [rules("a", deny, **excepted)])
    assert lines[1:4] == [
        "loses blue/lan: pods of blue (except account ops)",
        f"    before: {POSTURE}",
        "    after:  no: a/d",
    ]


def test_limits(trees: Trees) -> None:
    limited = {**SAN, "limits": {"ips": {"cidrs": ["10.1.0.0/16"]}}}
    lines = trees.lines([rules("a", SAN, **BLUE)], [rules("a", limited, **BLUE)])
    assert lines == [
        "0 gains, 0 losses, 1 change of limits",
        "changes infra/storage: pods of blue",
        f"    before: yes: a/san; may ask for {BASIC}",
        f"    after:  yes: a/san; may ask for ips in 10.1.0.0/16, {BASIC}",
    ]
    deny = {"name": "d", "action": "Deny", "onRequests": ["mac"], "networks": [{"names": ["lan"]}]}
    assert trees.lines([], [rules("a", deny)])[1:] == [
        "changes blue/lan: pods of blue",
        f"    before: {POSTURE}",
        f"    after:  {POSTURE}; but not mac",
    ]


def test_who_decides_is_no_change(trees: Trees) -> None:
    assert trees.lines([rules("a", SAN, **BLUE)], [rules("b", SAN, **BLUE)]) == [
        "0 gains, 0 losses, 0 changes of limits"
    ]


def test_a_bandwidth_that_is_required(trees: Trees) -> None:
    required = {**SAN, "limits": {"bandwidth": {"required": True}}}
    lines = trees.lines([], [rules("a", required, **BLUE)])
    assert lines[1] == "gains infra/storage: pods of blue"
    assert lines[3].startswith("    after:  within limits: a/san; may ask for bandwidth (required)")


def test_networks_and_labels_that_come_and_go(trees: Trees) -> None:
    lines = trees.lines([], [nad("blue/new")])
    assert lines[1:] == ["gains blue/new: pods of blue", "    before: no such network", f"    after:  {POSTURE}"]
    lines = trees.lines([], [nad("default/common")])
    assert lines[1] == "gains default/common: pods of blue, default, infra"
    tenants = {"pods": [{"namespaceSelector": {"matchLabels": {"tenant": "red"}}}]}
    common = [*WORLD[1:], rules("a", SAN, **tenants)]
    lines = trees.lines([space("blue", tenant="blue")], [space("blue", tenant="red")], common=common)
    assert lines[1] == "gains infra/storage: pods of blue"


def test_a_posture(trees: Trees) -> None:
    lines = trees.lines([config(posture="Strict")], [config(posture="Isolated")])
    assert [line for line in lines if not line.startswith(" ")] == [
        "2 gains, 0 losses, 0 changes of limits",
        "gains blue/lan: pods of blue",
        "gains infra/storage: pods of infra",
        "setting posture: Strict -> Isolated",
    ]
    lines = trees.lines([config(posture="Isolated")], [config(posture="Open")])
    assert "changes blue/lan: pods of blue" in lines, "under Open a pod may ask for anything"
    assert "gains infra/storage: pods of blue" in lines


def test_what_is_alike_is_one_row(trees: Trees) -> None:
    many = [space(f"team-{number:02}") for number in range(NAMES_SHOWN + 3)]
    every = {"pods": [{"namespaces": ["team-*"]}]}
    common = [*many, space("infra"), nad("infra/a"), nad("infra/b")]
    lines = trees.lines([], [rules("a", SAN, **every)], common=common)
    assert lines[0] == "1 gain, 0 losses, 0 changes of limits"
    assert lines[1].startswith("gains infra/a, infra/b: pods of team-00, team-01, ")
    assert lines[1].endswith(" and 3 more")


# What else changes


def test_objects_that_are_refused_now(trees: Trees) -> None:
    before, after = [deployment("infra/storage"), rules("a", SAN, **BLUE)], [deployment("infra/storage")]
    lines = trees.lines(before, after)
    assert lines[-1] == (
        'deployment blue/web is refused now: infra/storage: the network belongs to namespace "infra", which namespace '
        '"blue" may not use; decided by default posture Isolated (no rule covers this pod and network); use an allowed '
        "network, or ask a cluster administrator for an Allow rule from blue to infra/storage"
    )
    assert trees.lines(after, before)[-1].startswith("deployment blue/web is admitted now: infra/storage: ")
    assert trees.lines([], after)[1:] == [], "a new object has no access to lose"


def test_rules_about_who_may_write_networks(trees: Trees) -> None:
    def own(master: str) -> Json:
        rule = {"name": "own", "action": "Allow", "config": {"masters": [master]}, "namespaces": ["blue"]}
        return rules("a", definitions=[rule])

    assert trees.lines([], [own("bond1")])[1:] == ["rule about who may write networks added: a/own"]
    assert trees.lines([own("bond1")], [own("bond2")])[1:] == ["rule about who may write networks changed: a/own"]
    assert trees.lines([own("bond1")], [])[1:] == ["rule about who may write networks removed: a/own"]
    lines = trees.lines([], [config(definitions={"default": "Deny", "baseline": {"masters": ["bond1"]}})])
    assert "setting definitionsDefault: Allow -> Deny" in lines
    assert any(line.startswith("setting baseline: ") and "bond1" in line for line in lines)


def test_remarks_about_new_policies(trees: Trees) -> None:
    broad = rules("a", {"name": "all", "action": "Allow"}, **BLUE)
    lines = trees.lines([], [broad])
    assert lines[-1].startswith("remark: a: spec.attachments[0]: it allows the networks of every namespace")
    assert not any(line.startswith("remark") for line in trees.lines([broad], [broad]))


# Output and options


def test_markdown(trees: Trees) -> None:
    before = [deployment("infra/storage"), rules("a", SAN, **BLUE)]
    after = [deployment("infra/storage"), config(posture="Isolated", messages={"contact": "a|b"})]
    assert trees.diff(before, after, "-o", "markdown").output.splitlines() == [
        "### Network access: 0 gains, 1 loss, 0 changes of limits",
        "",
        "| | pods of | networks | before | after |",
        "| --- | --- | --- | --- | --- |",
        f"| **loses** | blue | infra/storage | yes: a/san; may ask for {BASIC} | no: posture Isolated |",
        "",
        "**Refused from now on**",
        "",
        (
            '- deployment blue/web: infra/storage: the network belongs to namespace "infra", which namespace "blue" may '
            "not use; decided by default posture Isolated (no rule covers this pod and network); use an allowed "
            "network, or ask a\\|b for an Allow rule from blue to infra/storage"
        ),
        "",
        "**Settings, and rules about who may write networks**",
        "",
        "- `contact`:  → a\\|b",
    ]


def test_json(trees: Trees) -> None:
    value = json.loads(trees.diff([], [rules("a", SAN, **DATABASE)], "-o", "json").stdout)
    assert value["summary"] == {"gains": 1, "loses": 0, "changes": 0}
    (change,) = value["access"]
    assert (change["namespace"], change["serviceAccount"], change["network"]) == ("blue", "database", "infra/storage")
    assert (change["before"]["state"], change["after"]["state"]) == ("no", "yes")
    assert change["after"]["decided"] == "a/san"


@pytest.mark.parametrize(
    ("old", "new", "fails"),
    [
        ([], [rules("a", SAN, **BLUE)], {"gains", "any"}),
        ([rules("a", SAN, **BLUE)], [], {"losses", "any"}),
        ([rules("a", SAN, **BLUE)], [rules("a", {**SAN, "limits": {"mac": {}}}, **BLUE)], {"any"}),
        ([], [], set()),
    ],
)
def test_exit_codes(trees: Trees, old: list[Json], new: list[Json], fails: set[str]) -> None:
    assert trees.diff(old, new).exit_code == 0
    found = {
        choice for choice in ("gains", "losses", "any") if trees.diff(old, new, "--fail-on", choice).exit_code == 1
    }
    assert found == fails


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a"], "Give OLD and NEW, or --cluster and NEW."),
        (["a", "b", "c"], "Give OLD and NEW, or --cluster and NEW."),
        (["--cluster", "a", "b"], "Give --cluster and NEW."),
        (["--prune", "a", "b"], "--prune belongs to --cluster."),
        (["--kubeconfig", "x", "a", "b"], "--kubeconfig belongs to --cluster."),
        (["a", "b"], "a: no such file or directory; name one that exists"),
    ],
)
def test_wrong_words(words: list[str], text: str) -> None:
    done = CliRunner().invoke(nadmit, ["diff", *words])
    assert done.exit_code == 2
    assert text in done.stderr


def test_trees_that_cannot_be_read(trees: Trees) -> None:
    twice = trees.diff([space("a"), space("a")], [])
    assert (twice.exit_code, twice.stdout) == (2, "")
    assert "a second Namespace a" in twice.stderr
    wrong = trees.diff([], [rules("a", {**SAN, "action": "allow"})])
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert 'did you mean "Allow"?' in wrong.stderr


def test_files_of_other_programs_are_passed_over(trees: Trees) -> None:
    (trees.path / "old").mkdir()
    (trees.path / "new").mkdir()
    for name in ("old", "new"):
        (trees.path / name / "values.json").write_text("{}")
        (trees.path / name / "a.yaml").write_text(yaml.safe_dump_all(WORLD))
    done = CliRunner().invoke(nadmit, ["diff", str(trees.path / "old"), str(trees.path / "new")])
    assert (done.exit_code, done.output) == (0, "0 gains, 0 losses, 0 changes of limits\n")


# A cluster


def test_what_applying_a_tree_would_change(trees: Trees) -> None:
    with ApiServer() as api:
        api.has_whole_pods = True
        kubeconfig = write_kubeconfig(trees.path / "kubeconfig", api.url)
        api.put(NAMESPACES, namespace("team-a"), namespace("team-b"))
        api.put(NETWORKS, network("data-plane"), network("other", "team-b"))
        api.put(POLICIES, policy("old", {"name": "d", "action": "Deny", "networks": [{"names": ["data-plane"]}]}))
        allow = {"name": "b", "action": "Allow", "networks": [{"namespaces": ["team-b"]}]}
        tree = trees.write("new", rules("new", allow, pods=[{"namespaces": ["team-a"]}]))

        def run(*words: str) -> list[str]:
            words = ("diff", "--cluster", "--kubeconfig", str(kubeconfig), *words, tree)
            done = CliRunner().invoke(nadmit, [*words])
            assert done.exit_code == 0, done.output
            return done.stdout.splitlines()

        assert run()[:2] == ["1 gain, 0 losses, 0 changes of limits", "gains team-b/other: pods of team-a"]
        assert [line for line in run("--prune") if line.startswith("gains")] == [
            "gains team-a/data-plane: pods of team-a",
            "gains team-b/other: pods of team-a",
        ]
    assert CliRunner().invoke(nadmit, ["diff", "--cluster", "--kubeconfig", str(kubeconfig), tree]).exit_code == 2


# Every change is found


def side(objects: list[Json]) -> Side:
    problems: list[Problem] = []
    found = list(documents.parse(yaml.safe_dump_all(objects), file="f.yaml", problems=problems))
    cluster = builder.build(found, problems)
    assert problems == []
    return Side(cluster, compile_rules(cluster.policies, Config()), {key_of(one): one for one in found})


def may_attach(of: Side, where: str, reference: str) -> bool:
    """Say whether a plain pod of a namespace may attach without asking for anything."""
    namespace, _, name = reference.partition("/")
    item = Item(
        element=NetworkSelectionElement(namespace=namespace, name=name),
        network=of.cluster.network(namespace, name),
        network_labels=of.cluster.namespace_labels(namespace),
    )
    subject = Subject(namespace=where, namespace_labels=of.cluster.namespace_labels(where))
    return judge(subject, item, of.rules).is_allowed


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(policy_sets, policy_sets)
def test_every_change_of_a_plain_pod_is_found(old: list[Json], new: list[Json]) -> None:
    head = {"apiVersion": ACCESS}
    world = [
        space("blue", tenant="blue"),
        space("green", tenant="green"),
        space("infra"),
        nad("blue/lan"),
        nad("infra/storage"),
    ]
    sides = [side([*world, *({**head, **one} for one in given)]) for given in (old, new)]
    changes = {
        (one.namespace, one.network): one
        for one in compare(*sides).access
        if one.account == "default" and not one.labels
    }
    for where in ("blue", "green", "infra"):
        for reference in ("blue/lan", "infra/storage"):
            could, can = (may_attach(of, where, reference) for of in sides)
            change = changes.get((where, reference))
            direction = change.direction if change is not None else None
            if could and not can:
                assert direction in {LOSES, CHANGES}, "what is left may need a request, such as a bandwidth"
            elif can and not could:
                assert direction in {GAINS, CHANGES}
            elif could:
                assert direction in {None, CHANGES}


def test_two_trees_without_any_object_are_a_mistake(tmp_path: Path) -> None:
    """A wrong path must not pass in CI. One empty tree is fine: everything is new, or gone."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    result = CliRunner().invoke(nadmit, ["diff", str(tmp_path / "a"), str(tmp_path / "b")])
    assert result.exit_code == 2
    assert "no Kubernetes object is found" in result.stderr
