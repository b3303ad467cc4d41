"""The snapshot: its content, its look-ups, and when it parses."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from webhook.admission.model.requests import NetworkUsers
from webhook.admission.view.decisioncontext import Cluster
from webhook.snapshot.snapshot import EMPTY, Definition, Snapshot
from webhook.trees import builder, manifests
from webhook.trees.problems import Problem

NETWORK = """\
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: {name}
  namespace: {namespace}
  managedFields: [{{manager: kubectl}}]
  labels: {{team: a}}
  annotations:
    k8s.v1.cni.cncf.io/resourceName: intel.com/sriov
    kubectl.kubernetes.io/last-applied-configuration: '{{"a copy": "of everything"}}'
spec:
  config: {config}
---
"""


def network(namespace: str = "blue", name: str = "lan", config: str = """'{"type":"bridge"}'""") -> str:
    return NETWORK.format(namespace=namespace, name=name, config=config)


def build(*texts: str) -> tuple[Snapshot, list[str]]:
    problems: list[Problem] = []
    documents = manifests.read_bytes("".join(texts).encode(), file="a.yaml", problems=problems)
    return builder.build(documents, problems), [str(problem) for problem in problems]


def snapshot(*texts: str) -> Cluster:
    made, problems = build(*texts)
    assert problems == []
    return made


def test_a_definition_is_found_by_namespace_and_name() -> None:
    cluster = snapshot(network())
    found = cluster.network("blue", "lan")
    assert found is not None
    assert (found.namespace, found.name, found.problems) == ("blue", "lan", ())
    assert found.config is not None
    assert found.config.plugins[0].type == "bridge"
    assert found.resource_name == "intel.com/sriov"
    assert dict(found.labels) == {"team": "a"}
    assert cluster.network("blue", "lann") is None
    assert cluster.network("green", "lan") is None


def test_the_annotation_last_applied_configuration_is_not_kept() -> None:
    found = snapshot(network()).network("blue", "lan")
    assert found is not None
    assert set(found.annotations) == {"k8s.v1.cni.cncf.io/resourceName"}


def test_names_are_sorted() -> None:
    cluster = snapshot(network(name="z"), network(name="a"), network(namespace="green", name="m"))
    names: Sequence[str] = cluster.network_names("blue")
    assert names == ("a", "z")
    assert cluster.network_names("nowhere") == ()
    assert cluster.network_names("blue") is names  # sorted once


def test_labels_of_a_namespace_hold_its_name() -> None:
    cluster = snapshot(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: blue, labels: {tenant: blue, kubernetes.io/metadata.name: x}}\n",
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: bare}\n",
    )
    assert cluster.namespace_labels("blue") == {"tenant": "blue", "kubernetes.io/metadata.name": "blue"}
    assert cluster.namespace_labels("bare") == {"kubernetes.io/metadata.name": "bare"}
    assert cluster.namespace_labels("nowhere") == {"kubernetes.io/metadata.name": "nowhere"}


def test_a_used_definition_is_parsed_once_even_after_a_swap() -> None:
    first, second = snapshot(network()), snapshot(network())
    assert first.network("blue", "lan") is first.network("blue", "lan")
    assert first.network("blue", "lan") is second.network("blue", "lan")


def test_a_large_definition_is_parsed_once_too() -> None:
    cluster = snapshot(network(config="""'{"type":"bridge","x":"%s"}'""" % ("x" * 1_400_000)))
    assert cluster.network("blue", "lan") is cluster.network("blue", "lan")


@pytest.mark.parametrize(
    ("config", "is_on_disk"), [("''", True), ("", True), ('"{"', False), ("{type: bridge}", False)]
)
def test_an_unusable_definition_is_a_value_with_problems(config: str, *, is_on_disk: bool) -> None:
    found = snapshot(network(config=config)).network("blue", "lan")
    assert found is not None
    assert found.config is None
    assert found.is_on_disk is is_on_disk
    assert bool(found.problems) is not is_on_disk


def test_a_definition_without_spec_is_on_disk() -> None:
    text = "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: bare}\n"
    found = snapshot(text).network("default", "bare")
    assert found is not None
    assert found.is_on_disk


def test_a_kind_of_another_group_is_no_network() -> None:
    cluster = snapshot(network().replace("k8s.cni.cncf.io/v1", "example.org/v1"))
    assert cluster.network("blue", "lan") is None


def test_two_objects_of_one_name_name_both_places() -> None:
    made, problems = build(network(), network(), network(namespace="green"))
    assert problems == [
        "a.yaml:17:3: a second NetworkAttachmentDefinition blue/lan: the first is at a.yaml:1; remove one of them"
    ]
    assert made.counts() == {"networks": 2, "namespaces": 0, "policies": 0, "policyconfigs": 0, "pods": 0}


def test_two_namespaces_of_one_name() -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: blue}\n---\n"
    _, problems = build(text, text)
    assert problems == [
        "a.yaml:7:12: a second Namespace blue: the first is at a.yaml:3; remove one of them".replace(":3;", ":1;")
    ]


def test_names_still_to_be_generated_are_no_duplicates() -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n---\n"
    assert build(text, text)[1] == []


def test_an_empty_snapshot() -> None:
    assert EMPTY.counts() == {"networks": 0, "namespaces": 0, "policies": 0, "policyconfigs": 0, "pods": 0}
    assert EMPTY.network("a", "b") is None


def test_a_problem_of_a_policy_has_a_place() -> None:
    text = (
        "apiVersion: access.nadmit.io/v1alpha1\nkind: NetworkAttachmentPolicy\nmetadata: {name: a}\n"
        "spec:\n  attachments:\n  - name: x\n    action: Deny\n    networks:\n    - names: 7\n"
    )
    problems: list[Problem] = []
    warnings: list[Problem] = []
    read = manifests.read_bytes(text.encode(), file="p.yaml", problems=problems)
    made = builder.build(read, problems, warnings=warnings)
    assert problems == []
    (warning,) = warnings
    assert str(warning).startswith('p.yaml:9:7: NetworkAttachmentPolicy "a": spec.attachments[0].networks[0].names: ')
    assert warning.rule == "policy-field"
    assert [rule.name for rule in made.policies.policies[0].attachments] == ["x"]


def test_all_namespaces_with_their_labels() -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: blue, labels: {team: a}}\n---\n"
    made, _ = build(text)
    assert made.namespaces() == {"blue": {"team": "a", "kubernetes.io/metadata.name": "blue"}}


# Pods of a tree

POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, annotations: {{k8s.v1.cni.cncf.io/networks: "{networks}"}}}}
status: {{phase: {phase}}}
---
"""


def pod(name: str, networks: str, namespace: str = "blue", phase: str = "Running") -> str:
    return POD.format(name=name, namespace=namespace, networks=networks, phase=phase)


def test_pods_of_a_tree_use_networks() -> None:
    made, problems = build(
        pod("a", "lan"), pod("b", "blue/lan", "green"), pod("c", "lan", phase="Failed"), pod("d", "lan,,")
    )
    assert problems == []
    assert made.network_users("blue", "lan") == NetworkUsers(total=2, own=1, names=("a",))
    assert made.counts()["pods"] == 2


def test_pods_of_a_tree_that_have_not_started() -> None:
    made, _ = build(pod("a", "lan"), pod("b", "lan", phase="Pending"), pod("c", "lan", phase=""))
    assert made.network_users("blue", "lan") == NetworkUsers(total=3, own=3, names=("a", "b", "c"), waiting=2)


def test_a_pod_with_hostnetwork_uses_nothing() -> None:
    text = pod("a", "lan").replace("---", "spec: {hostNetwork: true}\n---")
    made, _ = build(text, pod("b", "lan"))
    assert made.network_users("blue", "lan").names == ("b",)


def test_a_default_network_is_looked_up_in_the_namespace_of_the_nodes() -> None:
    text = POD.format(name="a", namespace="blue", networks="lan", phase="Running").replace(
        "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"
    )
    documents = list(manifests.read_bytes(text.encode(), file="a.yaml", problems=[]))
    for where in ("kube-system", "infra"):
        assert builder.build(documents, [], network_namespace=where).network_users(where, "lan").total == 1


def test_a_namespace_that_is_terminating() -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s%s}\n---\n"
    cluster = snapshot(text % ("blue", ", deletionTimestamp: '2026-11-24T00:00:00Z'"), text % ("green", ""))
    assert cluster.is_terminating("blue")
    assert not cluster.is_terminating("green")
    assert not cluster.is_terminating("unknown")


def test_adding_a_network_does_not_change_the_snapshot() -> None:
    before, _ = build(network())
    made = before.recall("key", object)
    after = before.with_network(Definition("blue", "new", None, (), ()))
    assert (before.network("blue", "new"), before.network_names("blue")) == (None, ("lan",))
    assert (after.network_names("blue"), after.network_names("green")) == (("lan", "new"), ())
    assert after.network("blue", "lan") == before.network("blue", "lan")
    assert after.recall("key", object) is not made


def test_the_default_networks_of_a_namespace() -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s%s}\n---\n"
    cluster = snapshot(text % ("blue", ", annotations: {nadmit.io/default-networks: 'a,b'}"), text % ("green", ""))
    assert cluster.default_networks("blue") == "a,b"
    assert cluster.default_networks("green") is None
    assert cluster.default_networks("unknown") is None
