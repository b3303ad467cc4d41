"""`nadmit test`: files of tests, their mistakes, what they compare, and how the results are printed."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.fakes.apiserver import ApiServer
from tests.fakes.objects import namespace, network, policy, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS, POLICIES
from webhook.cli import nadmit
from webhook.trees.ownkinds import KINDS, TEST_GROUP, TEST_KIND

Json = dict[str, Any]

CLUSTER = """
apiVersion: v1
kind: Namespace
metadata: {name: blue, labels: {tenant: blue}}
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: lan, namespace: blue}
spec: {config: '{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1", "capabilities": {"mac": true}, "ipam": {"type": "dhcp"}}'}
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: storage, namespace: infra}
spec: {config: '{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1", "capabilities": {"mac": true}, "ipam": {"type": "dhcp"}}'}
---
apiVersion: access.nadmit.io/v1alpha1
kind: NetworkAttachmentPolicy
metadata: {name: storage}
spec:
  pods: [{namespaces: [blue], serviceAccounts: [database]}]
  attachments:
  - {name: san, action: Allow, networks: [{namespaces: [infra], names: [storage]}], limits: {mac: {}}}
  - {name: idle, action: Allow, networks: [{namespaces: [other]}]}
"""
POD = {"namespace": "blue"}
DATABASE = {**POD, "serviceAccount": "database"}
OWN: Json = {"name": "own", "pod": POD, "networks": "lan", "expect": "allow"}
SAN: Json = {"name": "san", "pod": DATABASE, "networks": "infra/storage", "expect": "allow", "decidedBy": "storage/san"}


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "cluster.yaml").write_text(CLUSTER)

    def write(self, *tests: Json, name: str = "test.yaml", beside: str = "", **more: Any) -> Path:
        file = self.path / name
        head = {"apiVersion": f"{TEST_GROUP}/{KINDS[TEST_GROUP][TEST_KIND]}", "kind": TEST_KIND}
        value = {**head, "cluster": ["cluster.yaml"], **more, "tests": list(tests)}
        file.write_text(yaml.safe_dump(value, sort_keys=False) + beside)
        return file

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(nadmit, ["test", *words, str(self.path)])


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def fails(result: Result) -> list[str]:
    """Return the lines about failures: what was expected, and what came."""
    return [
        line.strip() for line in result.output.splitlines() if line.startswith("    ") and not line.startswith("      ")
    ]


# What is asked, and what is compared


def test_tests_that_pass(folder: Folder) -> None:
    folder.write(
        OWN,
        SAN,
        {**OWN, "name": "foreign", "networks": "infra/storage", "expect": "deny", "decidedBy": "PostureIsolated"},
    )
    done = folder.run()
    assert (done.exit_code, done.output) == (0, "3 tests in 1 file, 0 failed\n")
    shown = folder.run("-v").output.splitlines()
    assert shown[0].endswith("test.yaml:6:3: ok own: allow, decided by posture Isolated (Posture)")
    assert shown[1].endswith(" ok san: allow, decided by storage/san (AllowRule)")


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"expect": "deny"}, ["expected deny", "got allow, decided by storage/san (AllowRule)"]),
        ({"expect": "warn"}, ["expected warn", "got allow, decided by storage/san (AllowRule)"]),
        ({"pod": POD}, ["expected allow", "got deny, decided by posture Isolated (PostureIsolated)"]),
        ({"decidedBy": "storage/other"}, ["expected allow, decided by storage/other",
                                          "got allow, decided by storage/san (AllowRule)"]),
        ({"decidedBy": "Posture"}, ["expected allow, decided by Posture", "got allow, decided by storage/san (AllowRule)"]),
        ({"decidedBy": "AllowRule"}, []),
        ({"networks": "infra/storage@net9", "decidedBy": "storage/san"}, []),
        ({"networks": ["infra/storage@net9", {"name": "lan", "ips": ["10.1.0.1/24"]}]}, ["expected allow",
                                                                                     "got deny, decided by rule capability-missing"]),
        ({"networks": [{"name": "storage", "namespace": "infra", "mac": "02:00:00:00:00:01"}]}, []),
        ({"networks": [{"name": "storage", "namespace": "infra", "default-route": ["10.1.0.1"]}]},
         ["expected allow", "got deny, decided by storage/san (NotWithinRule)"]),
        ({"defaultNetwork": "infra/storage"}, ["expected allow", "got deny, decided by storage/san (NotWithinRule)"]),
        ({"networks": "infra/storage,lann", "expect": "deny", "decidedBy": "network-not-found"}, []),
        ({"networks": "lan@", "pod": POD, "expect": "warn", "decidedBy": "item-form", "message": 'write "lan"'}, []),
        ({"networks": "lan@", "pod": POD, "expect": "warn", "decidedBy": None, "message": "write none"},
         ["expected the answer to say: write none", "got warn, decided by posture Isolated (Posture), rule item-form"]),
    ],
)  # fmt: skip
def test_one_difference_is_one_failure(folder: Folder, change: Json, lines: list[str]) -> None:
    folder.write({key: value for key, value in {**SAN, **change}.items() if value is not None})
    done = folder.run()
    assert fails(done) == lines
    assert done.exit_code == bool(lines)


def test_a_failure_shows_the_answer(folder: Folder) -> None:
    folder.write({**OWN, "networks": "infra/storage"})
    done = folder.run()
    assert "      - infra/storage (item 1)" in done.output.splitlines()
    assert "      network access denied: pod blue/pod may not attach to infra/storage" in done.output.splitlines()


def test_a_definition_and_its_author(folder: Folder) -> None:
    deny = "apiVersion: access.nadmit.io/v1alpha1\nkind: NetworkAttachmentPolicyConfig\nmetadata: {name: cluster}\n"
    written: Json = {"definition": {"namespace": "blue", "config": {"type": "macvlan", "master": "eth0"}}}
    folder.write(
        {
            "name": "root",
            "user": {"name": "r", "groups": ["system:masters"]},
            **written,
            "expect": "allow",
            "decidedBy": "Exempt",
        },
        {"name": "bob", "user": {"name": "bob"}, **written, "expect": "deny", "decidedBy": "DefinitionDefaultDeny"},
        {
            "name": "text",
            "definition": {"namespace": "blue", "config": "{"},
            "expect": "deny",
            "decidedBy": "json-syntax",
        },
        beside=f"---\n{deny}spec: {{definitions: {{default: Deny}}}}\n",
    )
    assert folder.run().output == "3 tests in 1 file, 0 failed\n"


def test_any_object_and_its_change(folder: Folder) -> None:
    def deployment(networks: str) -> Json:
        template = {"metadata": {"annotations": {"k8s.v1.cni.cncf.io/networks": networks}}, "spec": {"containers": []}}
        metadata = {"name": "web", "namespace": "blue"}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}

    (folder.path / "rollout.json").write_text(
        json.dumps(
            {
                **deployment("infra/storage"),
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Rollout",
            }
        )
    )
    foreign = deployment("infra/storage")
    folder.write(
        {"name": "new", "object": foreign, "expect": "deny", "decidedBy": "PostureIsolated"},
        {"name": "same", "object": foreign, "old": foreign, "expect": "allow"},
        {"name": "less", "object": deployment(""), "old": foreign, "expect": "allow"},
        {"name": "more", "object": deployment("infra/storage,green/x"), "old": foreign, "expect": "deny"},
        {"name": "file", "file": "rollout.json", "expect": "deny", "decidedBy": "PostureIsolated"},
    )
    done = folder.run()
    assert done.output == "5 tests in 1 file, 0 failed\n", done.output


def test_settings_bring_the_rest_of_the_webhook(folder: Folder) -> None:
    (folder.path / "nadmit.yaml").write_text("apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfiguration\n")
    wrong = {"definition": {"namespace": "blue", "config": {"cniVersion": "1.0.0", "type": "macvlan", "mode": "odd"}}}
    folder.write({"name": "access alone", **wrong, "expect": "allow"})
    folder.write(
        {"name": "plugins as well", **wrong, "expect": "deny", "decidedBy": "NAD202"},
        name="b.yaml",
        settings="nadmit.yaml",
    )
    done = folder.run("-v")
    assert done.output.splitlines()[-1] == "2 tests in 2 files, 0 failed", done.output


def test_policies_on_trial_are_named(folder: Folder) -> None:
    trial = {
        "apiVersion": "access.nadmit.io/v1alpha1",
        "kind": "NetworkAttachmentPolicy",
        "metadata": {"name": "trial"},
        "spec": {
            "mode": "Warn",
            "attachments": [{"name": "no-lan", "action": "Deny", "networks": [{"names": ["lan"]}]}],
        },
    }
    folder.write({**OWN, "expect": "warn", "decidedBy": "trial/no-lan"}, beside=f"---\n{yaml.safe_dump(trial)}")
    assert folder.run().exit_code == 0


# Files


def test_tests_are_found_in_folders_and_beside_files_of_others(folder: Folder) -> None:
    (folder.path / "deep" / "er").mkdir(parents=True)
    (folder.path / "values.yaml").write_text("{{ not yaml")
    folder.write(OWN)
    folder.write({**OWN, "name": "b"}, name="deep/er/b.yml", cluster=["../../cluster.yaml"])
    assert folder.run().output == "2 tests in 2 files, 0 failed\n"


def test_a_folder_is_a_cluster_as_well(folder: Folder) -> None:
    (folder.path / "policies").mkdir()
    (folder.path / "cluster.yaml").rename(folder.path / "policies" / "cluster.yaml")
    folder.write(OWN, SAN, cluster=["policies"])
    assert folder.run().output == "2 tests in 1 file, 0 failed\n"


def test_tests_are_chosen_by_name(folder: Folder) -> None:
    folder.write(OWN, {**SAN, "expect": "deny"})
    assert folder.run("--run", "o*").output == "1 test in 1 file, 0 failed\n"
    none = folder.run("--run", "x*")
    assert (none.exit_code, none.output.partition(": ")[2]) == (
        2,
        "no test has a name that matches x*; nadmit test -v lists the names\n",
    )


def test_rules_that_no_test_decides(folder: Folder) -> None:
    folder.write(OWN)
    assert folder.run("--coverage").output.splitlines() == [
        "no test is decided by storage/san",
        "no test is decided by storage/idle",
        "1 test in 1 file, 0 failed",
    ]
    folder.write(OWN, SAN)
    assert folder.run("--coverage").output.splitlines()[0] == "no test is decided by storage/idle"


# Mistakes


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ({"expect": "allow", "pod": POD}, "tests[0].name: it is missing; add it"),
        ({"name": "a", "pod": POD}, "tests[0].expect: it is missing; add it"),
        ({**OWN, "expect": "refuse"}, 'tests[0].expect: unknown value: "refuse"; allowed: allow, warn, deny'),
        (
            {**OWN, "expects": "deny"},
            'tests[0].expects: no such field; did you mean "expect"? allowed: name, pod, networks,',
        ),
        ({**OWN, "pod": {**POD, "label": {}}}, 'tests[0].pod.label: no such field; did you mean "labels"?'),
        ({**OWN, "pod": {"namespace": 5}}, "tests[0].pod.namespace: wrong type: 5; allowed: a string: quote it"),
        ({**OWN, "pod": []}, "tests[0].pod: wrong type: a list; allowed: a mapping"),
        ({**OWN, "networks": 5}, "tests[0].networks: wrong type: 5; allowed: the text of the annotation, or a list"),
        ({**OWN, "networks": [5]}, "tests[0].networks: wrong type: a list; allowed: the text"),
        ({**OWN, "decidedBy": "a/b/c"}, 'tests[0].decidedBy: not a decider: "a/b/c"; allowed: POLICY/RULE, or a code'),
        (
            {**OWN, "definition": {"namespace": "a", "config": ""}},
            "tests[0]: pod and definition are both asked about; write one",
        ),
        (
            {"name": "a", "expect": "allow"},
            "tests[0]: nothing is asked about; write one of pod, definition, object, file",
        ),
        (
            {"name": "a", "expect": "allow", "definition": {"namespace": "a", "config": 5}},
            "tests[0].definition.config: wrong type: 5",
        ),
        (
            {"name": "a", "expect": "allow", "object": {"kind": "Pod"}},
            "tests[0].object: apiVersion and metadata are missing",
        ),
        ({"name": "a", "expect": "allow", "file": "cluster.yaml"}, "tests[0].file: "),
        ({"name": "a", "expect": "allow", "file": "none.yaml"}, "no such file or directory; name one that exists"),
        ({"name": "a", "expect": "allow", "file": "cluster.yaml", "old": {}}, "tests[0].old: this belongs to object"),
        ({"name": "a", "expect": "allow", "object": {}, "networks": "x"}, "tests[0].networks: this belongs to a pod"),
    ],
)
def test_a_mistake_has_its_place(folder: Folder, test: Json, problem: str) -> None:
    folder.write(test)
    done = folder.run()
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert problem in line
    assert line.startswith(str(folder.path))


def test_two_tests_of_one_name(folder: Folder) -> None:
    folder.write(OWN, OWN)
    assert 'tests[1].name: another test of this file is called "own"; rename one of them' in folder.run().stderr


def test_what_is_no_test_at_all(folder: Folder) -> None:
    none = folder.run()
    assert (none.exit_code, none.stderr) == (
        2,
        f"{folder.path}: there is no PolicyTest; nadmit test --help shows one\n",
    )
    folder.write()
    assert "tests: there is no test; add one" in folder.run().stderr
    folder.write(OWN, cluster=5)
    assert "cluster: wrong type: 5; allowed: a list" in folder.run().stderr
    folder.write(OWN, cluster=["none"])
    assert "none: no such file or directory; name one that exists" in folder.run().stderr


def test_a_cluster_with_a_mistake_is_not_judged(folder: Folder) -> None:
    (folder.path / "cluster.yaml").write_text(CLUSTER.replace("names:", "name:"))
    folder.write(OWN)
    done = folder.run()
    assert (done.exit_code, done.stdout) == (2, "")
    assert 'cluster.yaml:22:65: NetworkAttachmentPolicy "storage": spec.attachments[0].networks[0].name' in done.stderr
    (folder.path / "cluster.yaml").write_text(f"{CLUSTER}---\n{CLUSTER}")
    assert "a second Namespace blue" in folder.run().stderr


def test_an_object_that_no_api_server_would_send(folder: Folder) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "annotations": {"a": 5}}}
    folder.write({"name": "a", "object": pod, "expect": "allow"})
    done = folder.run()
    assert done.exit_code == 1
    assert "the object cannot be read: the AdmissionReview cannot be read: wrong type: an integer" in done.output


# Output


def test_json(folder: Folder) -> None:
    folder.write(SAN, {**OWN, "expect": "deny"})
    done = folder.run("-o", "json", "--coverage")
    value = json.loads(done.stdout)
    assert done.exit_code == 1
    assert value["summary"] == {"tests": 2, "failed": 1}
    assert value["idleRules"] == ["storage/idle"]
    first, second = value["tests"]
    assert (first["name"], first["passed"], first["expectedDecider"], first["verdict"]) == (
        "san",
        True,
        "storage/san",
        "allow",
    )
    assert (second["passed"], second["failure"], second["expected"]) == (False, "expected deny", "deny")
    assert "idleRules" not in json.loads(folder.run("-o", "json").stdout)


def test_junit(folder: Folder) -> None:
    folder.write(SAN, {**OWN, "networks": "infra/storage\u0001"})
    folder.write({**OWN, "name": "b"}, name="z.yaml")
    root = ET.fromstring(folder.run("-o", "junit").stdout)  # noqa: S314 - our own output
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "3", "1")
    first, second = root.findall("testsuite")
    assert (first.get("name"), first.get("tests"), first.get("failures")) == (str(folder.path / "test.yaml"), "2", "1")
    assert [case.get("name") for case in first.findall("testcase")] == ["san", "own"]
    failure = first.findall("testcase")[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "expected allow"
    assert second.find("testcase/failure") is None


# A cluster


def test_the_cluster_answers_in_place_of_the_files(folder: Folder) -> None:
    folder.write(
        {**OWN, "pod": {"namespace": "team-a"}, "networks": "data-plane", "decidedBy": "guard/d", "expect": "deny"}
    )
    with ApiServer() as api:
        api.put(NAMESPACES, namespace("team-a"))
        api.put(NETWORKS, network("data-plane"))
        api.put(
            POLICIES,
            policy("guard", {"name": "d", "action": "Deny", "networks": [{"names": ["data-plane"]}]}),
        )
        kubeconfig = write_kubeconfig(folder.path / "kubeconfig", api.url)
        done = folder.run("--cluster", "--kubeconfig", str(kubeconfig))
        assert (done.exit_code, done.output) == (0, "1 test in 1 file, 0 failed\n")
    assert folder.run("--cluster", "--kubeconfig", str(kubeconfig)).exit_code == 2
    assert folder.run("--kubeconfig", str(kubeconfig)).exit_code == 2
