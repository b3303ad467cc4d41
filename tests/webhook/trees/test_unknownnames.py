"""Names in policies that no object of a tree has, at their place."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from webhook.cli import nadmit
from webhook.trees import documents, unknownnames
from webhook.trees.problems import Problem

Json = dict[str, Any]
NAMESPACES = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("blue", "infra")]
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "database", "namespace": "blue"}}
NETWORKS = [
    {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"config": '{"cniVersion": "1.0.0", "type": "bridge", "ipam": {}}'},
    }
    for namespace, name in (("infra", "storage"), ("blue", "lan"))
]
EVERYTHING = [*NAMESPACES, ACCOUNT, *NETWORKS]


def policy(**spec: Any) -> Json:
    head = {"apiVersion": "access.nadmit.io/v1alpha1", "kind": "NetworkAttachmentPolicy", "metadata": {"name": "mine"}}
    return {**head, "spec": spec}


def config(**spec: Any) -> Json:
    kind = "NetworkAttachmentPolicyConfig"
    return {"apiVersion": "access.nadmit.io/v1alpha1", "kind": kind, "metadata": {"name": "cluster"}, "spec": spec}


def rule(**network: Any) -> Json:
    return {"name": "a", "action": "Allow", "networks": [network]}


def find(value: Json, tree: list[Json] = EVERYTHING) -> dict[str, str]:
    problems: list[Problem] = []
    text = yaml.safe_dump_all([*tree, value])
    found = unknownnames.find(documents.parse(text, file="f.yaml", problems=problems))
    assert problems == []
    return {one.field: one.text for one in found}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (policy(pods=[{"namespaces": ["blue", "bleu"]}], attachments=[rule(namespaces=["infra"])]),
         {"spec.pods[0].namespaces[1]": 'no file has a namespace "bleu"; did you mean "blue"?'}),
        (policy(exceptPods=[{"namespaces": ["other"]}], attachments=[rule(namespaces=["infra"])]),
         {"spec.exceptPods[0].namespaces[0]": 'no file has a namespace "other"; correct it, or add the namespace'}),
        (policy(attachments=[rule(namespaces=["infar"])]),
         {"spec.attachments[0].networks[0].namespaces[0]": 'no file has a namespace "infar"; did you mean "infra"?'}),
        (policy(attachments=[rule(namespaces=["infra"], names=["storage", "storge"])]),
         {"spec.attachments[0].networks[0].names[1]":
          'no file has a network "storge" in namespace "infra"; did you mean "storage"?'}),
        (policy(attachments=[rule(namespaces=["infra"], names=["lan"])]),
         {"spec.attachments[0].networks[0].names[0]":
          'no file has a network "lan" in namespace "infra"; correct it, or add the network'}),
        (policy(attachments=[rule(names=["lan", "wan"])]),
         {"spec.attachments[0].networks[0].names[1]": 'no file has a network "wan"; did you mean "lan"?'}),
        (policy(pods=[{"namespaces": ["blue"], "serviceAccounts": ["databse", "default"]}],
                attachments=[rule(namespaces=["infra"])]),
         {"spec.pods[0].serviceAccounts":
          'no file has a service account "databse" in namespace "blue"; did you mean "database"?'}),
        (policy(definitions=[{"name": "a", "action": "Deny", "namespaces": ["gren"]}]),
         {"spec.definitions[0].namespaces[0]": 'no file has a namespace "gren"; correct it, or add the namespace'}),
        (policy(definitions=[{"name": "a", "action": "Deny", "exceptAuthors": {"serviceAccounts": ["blue/ci", "gitops/*"]}}]),
         {"spec.definitions[0].exceptAuthors.serviceAccounts":
          'no file has a namespace "gitops"; correct it, or add the namespace'}),
        (config(globalNamespaces=["default", "infar"], exemptNamespaces=["kube-system"]),
         {"spec.globalNamespaces[1]": 'no file has a namespace "infar"; did you mean "infra"?'}),
        # nothing is missing
        (policy(pods=[{"namespaces": ["b*", "default"], "serviceAccounts": ["database"]}],
                attachments=[rule(namespaces=["infra", "blue"], names=["lan", "storage", "vm-*"])],
                definitions=[{"name": "b", "action": "Deny", "authors": {"serviceAccounts": ["blue/*", "blue/database"]}}]),
         {}),
        (config(), {}),
    ],
)  # fmt: skip
def test_names_that_exist_nowhere(value: Json, expected: dict[str, str]) -> None:
    assert find(value) == expected


@pytest.mark.parametrize("tree", [[], NAMESPACES, NETWORKS, [ACCOUNT]])
def test_a_tree_without_a_kind_leaves_its_names_to_others(tree: list[Json]) -> None:
    value = policy(
        pods=[{"namespaces": ["x"], "serviceAccounts": ["x"]}], attachments=[rule(namespaces=["x"], names=["x"])]
    )
    missing = {text.split()[4] for text in find(value, tree).values()}
    kinds = {str(one["kind"]) for one in tree}
    assert missing == {
        word
        for word, kind in (
            ("namespace", "Namespace"),
            ("network", "NetworkAttachmentDefinition"),
            ("service", "ServiceAccount"),
        )
        if kind in kinds
    }


def test_a_namespace_that_other_objects_are_in_exists() -> None:
    pod = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "green"}}
    assert find(policy(attachments=[rule(namespaces=["green"])]), [*EVERYTHING, pod]) == {}


def test_a_policy_that_cannot_be_read_is_looked_at_as_far_as_it_can_be() -> None:
    assert list(find(policy(attachments=[{**rule(namespaces=["infar"]), "message": 5}]))) == [
        "spec.attachments[0].networks[0].namespaces[0]"
    ]
    assert find({**config(), "spec": 5}) == {}
    assert find(policy(attachments=5, pods=[5])) == {}


def test_check_warns_at_the_line_of_the_name() -> None:
    text = yaml.safe_dump_all([*EVERYTHING, policy(attachments=[rule(namespaces=["infar"])])])
    line = next(number for number, written in enumerate(text.splitlines(), 1) if "infar" in written)
    done = CliRunner().invoke(nadmit, ["check", "-"], input=text)
    assert done.exit_code == 0
    assert [found for found in done.output.splitlines() if "unknown-name" in found] == [
        (
            f"<stdin>:{line}:9: warning: networkattachmentpolicy mine: spec.attachments[0].networks[0].namespaces[0]: "
            'no file has a namespace "infar"; did you mean "infra"? [unknown-name]'
        )
    ]
