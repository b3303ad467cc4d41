"""Trees as people have them: files of other programs, templates, standard input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .trees import NETWORKS, RENAMED, check, findings, network, pod, rules, summary, write

TEMPLATE = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n"
NO_POD = f'apiVersion: v1\nkind: Pod\nmetadata: {{name: b, annotations: {{{NETWORKS}: "b c"}}}}\n'
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: blue}\n"


def test_standard_input_is_checked_with_the_tree() -> None:
    write({"nets/pod.yaml": pod("a")})
    result = check("nets", "-", given=pod("b"))
    assert (result.exit_code, result.stdout) == (0, "2 objects in 2 files (2 judged), 0 problems, 0 warnings\n")


def test_a_problem_of_standard_input_has_its_line() -> None:
    result = check("-", given=NO_POD)
    assert result.exit_code == 1
    assert result.stdout.startswith("<stdin>:3:")


def test_standard_input_without_an_object_is_a_wrong_input() -> None:
    result = check("-")
    assert result.exit_code == 2
    assert "no Kubernetes object is found" in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nmetadata:\n  {{- if .x }}\n  labels: {}\n",
        "metadata:\n  annotations:\n{{ toYaml .a | indent 4 }}\n",
        'a: {{ printf "a: %s" .b }}\n',
    ],
)
def test_yaml_that_a_template_breaks_says_so(text: str) -> None:
    write({"a.yaml": text})
    result = check("a.yaml")
    assert result.exit_code == 2
    assert "helm template" in result.stdout


FOREIGN = {
    "values.yaml": "a: 1\n",
    "patch.json": "[1]",
    "notes.yml": "just words\n",
    "schema.yaml": "type: mine\nkind: main\n",
    "stack.yaml": "Resources:\n  A:\n    Type: AWS::S3::Bucket\n    Name: !Sub '${B}-x'\n",
    "mkdocs.yml": "site_name: x\nmarkdown_extensions:\n  - a: {format: !!python/name:b.c}\n",
    "tsconfig.json": '{\n  // comments\n  "compilerOptions": {"strict": true},\n}\n',
    "playbook.yml": "- hosts: all\n  tasks:\n  - k8s:\n      definition:\n        apiVersion: v1\n        kind: {{ x }}\n",
    "index.yaml": "apiVersion: v1\nentries: {}\n",
    "jinja.yaml": "{% for a in b %}\n{{ a }}: 1\n{% endfor %}\n",
    "twice.yml": "on: push\non: pull\n",
    "latin.yaml": "\xe4: 1\n",
    "vault.yml": "key: !vault |\n  $ANSIBLE_VAULT;1.1\n",
    "grafana.yaml": "apiVersion: 1\nproviders: []\n",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_programs_are_passed_over_in_a_tree_and_read_by_name(name: str) -> None:
    write({"a/pod.yaml": pod("a")})
    Path("a", name).write_bytes(FOREIGN[name].encode("latin-1" if name.startswith("latin") else "utf-8"))
    in_tree = check("-o", "json", "a")
    report = json.loads(in_tree.stdout)
    assert (in_tree.exit_code, report["findings"]) == (0, [])
    (passed,) = report["passedOver"]
    assert (passed["kind"], passed["path"].partition(":")[0]) == ("foreign", f"a/{name}")
    assert check("a", f"a/{name}").exit_code == 2


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("kind: Pod\nmetadata: {name: a}\n", "half-an-object"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a\n", "yaml-syntax"),
        ("apiVersion: v1\nkind: Pod\nmetadata: !x {name: a}\n", "yaml-tag"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, name: b}\n", "yaml-duplicate-key"),
        ('{\n  "apiVersion": "v1", // no\n  "kind": "Pod"\n}\n', "json-syntax"),
        ("- apiVersion: v1\n  kind: Pod\n  metadata: {name: a\n", "yaml-syntax"),
        (f"{pod('a')}---\nx: {{a: [\n", "yaml-syntax"),
    ],
)
def test_a_broken_manifest_is_an_error_wherever_it_is(text: str, rule: str) -> None:
    name = "tree/a.json" if text.startswith("{") else "tree/a.yaml"
    write({name: text, "tree/b.yaml": pod("b")})
    assert check("tree").exit_code == 2
    assert ("error", rule) in rules("tree")


@pytest.mark.parametrize(
    "text",
    [
        TEMPLATE,
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  {% if x %}\n  labels: {}\n  {% endif %}\n",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n{{- with .x }}\n  labels: {{ . }}\n{{- end }}\n",
        pod("a", "{{ nets }}"),
        pod("a", "${NETS}"),
        pod('"{{ name }}"'),
        network("a", '{"type": "{{ kind }}"}'),
    ],
)
def test_a_template_is_passed_over_with_a_note(text: str) -> None:
    write({"tree/a.yaml": text, "tree/b.yaml": pod("b")})
    result = check("--strict", "tree")
    assert result.exit_code == 0
    assert "tree/a.yaml: note: tree/a.yaml:" in result.stdout
    assert "not filled in" in result.stdout
    assert summary(result).endswith("passed over: 1 template (-v lists them)")


def test_braces_that_nobody_judges_are_no_template() -> None:
    text = pod("a", "nowhere").replace("annotations: {", "annotations: {prometheus.io/path: '{{ x }}', ")
    write({"tree/a.yaml": text})
    assert rules("tree") == [("error", "network-not-found")]


def test_a_patch_of_a_kind_that_no_decision_needs_may_repeat_the_object() -> None:
    write({"base/web.yaml": DEPLOYMENT, "ha/web.yaml": DEPLOYMENT})
    assert check(".").exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfiguration\n",
        "apiVersion: v1\nkind: Config\nclusters: []\n",
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n",
    ],
)
def test_a_configuration_of_a_program_needs_no_metadata(text: str) -> None:
    write({"config.yaml": text, "pod.yaml": pod("a")})
    assert check(".").exit_code == 0


def test_what_is_passed_over_is_counted_always_and_listed_by_kind() -> None:
    write({
        "a.yaml": pod("a"), "service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n",
        "mkdocs.yml": "a: 1\n", "node_modules/x/a.yaml": "a: [", ".github/a.yaml": "a: 1\n", ".git/a.yaml": "a: 1\n",
        "test/b.yaml": NO_POD,
    })  # fmt: skip
    Path("out.yaml").symlink_to("/etc/hostname")
    result = check("-v", "--exclude", "test", ".")
    assert result.exit_code == 0
    assert summary(result) == (
        "2 objects in 3 files (1 judged), 0 problems, 0 warnings; passed over: 1 file of another program, 1 folder "
        "node_modules, 1 hidden file or folder, 1 link out of the tree, 1 excluded file or folder (-v lists them)"
    )
    assert result.stderr.splitlines() == [
        "passed over: 1 file of another program",
        "  mkdocs.yml:1:1: not a Kubernetes object: apiVersion and kind are missing; add them",
        "passed over: 1 folder node_modules",
        "  node_modules",
        "passed over: 1 hidden file or folder",
        "  .github",
        "passed over: 1 link out of the tree",
        "  out.yaml",
        "passed over: 1 excluded file or folder",
        "  test",
        "not judged: 1 object of kinds that say nothing about networks",
        "  Service: 1",
    ]
    assert summary(check("--exclude", "test", ".")) == summary(result)
    assert [one["kind"] for one in json.loads(check("-o", "json", ".").stdout)["passedOver"]].count("hidden") == 1


@pytest.mark.parametrize(
    "pattern", ["test", "test/", "./test", "*/b.yaml", "b.yaml", "a/test/*", "**/test/**", "a", "tes?", "a/*/b.yaml"]
)
def test_exclude_takes_names_and_paths(pattern: str) -> None:
    write({"a/test/b.yaml": NO_POD, "c.yaml": pod("c")})
    assert check("--exclude", pattern, ".").exit_code == 0
    assert check("--exclude", pattern, "a/test/b.yaml", "c.yaml").exit_code == 0


@pytest.mark.parametrize("pattern", ["es", "Test", "test/c.yaml", "b", "c/test"])
def test_exclude_leaves_other_files(pattern: str) -> None:
    write({"a/test/b.yaml": NO_POD})
    assert check("--exclude", pattern, ".").exit_code == 1


def test_nothing_left_says_what_was_passed_over() -> None:
    write({"values.yaml": "a: 1\n"})
    result = check(".")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].startswith("values.yaml:1:1: passed over: not a Kubernetes object")
    assert "no Kubernetes object is found" in result.stderr


def test_warnings_count_with_strict() -> None:
    write({"a.yaml": network("a", RENAMED)})
    assert [rule for _, rule in rules(".")] == ["config-name"]
    assert (check(".").exit_code, check("--strict", ".").exit_code) == (0, 1)
    assert check("--strict", "--skip", "config-name", ".").exit_code == 0


def test_skipped_codes_are_counted_and_need_not_be_in_one_case() -> None:
    write({"a.yaml": NO_POD, "b.yaml": network("b", RENAMED)})
    (error, warning) = findings(".")
    result = check("--skip", f"{error['rule'].upper()}, {warning['rule']}", ".")
    assert (result.exit_code, result.stdout) == (
        0,
        "2 objects in 2 files (2 judged), 0 problems, 0 warnings; suppressed: 2 by --skip\n",
    )


def test_a_mistake_in_a_policy_shows_once() -> None:
    policy = (
        "apiVersion: access.nadmit.io/v1alpha1\nkind: NetworkAttachmentPolicy\nmetadata: {name: typos}\n"
        "spec:\n  attachments:\n  - {name: lan, action: Deny, networks: [{name: [lan]}]}\n"
    )
    pods = "---\n".join(pod(f"p{number}", "lan") for number in range(20))
    write({"policy.yaml": policy, "pods.yaml": pods, "lan.yaml": network("lan")})
    result = check(".")
    assert result.exit_code == 1
    assert result.stdout.count("error:") == 1
    assert "[policy-field]" in result.stdout
    assert "passed over: 20 objects that mistakes in policies refuse" in result.stdout
    hidden = check("--skip", "policy-field", ".")
    assert (hidden.exit_code, hidden.stdout.count("error:")) == (1, 20), "a mistake that is hidden hides nothing else"


def test_an_unknown_namespace_is_one_warning() -> None:
    policy = (
        "apiVersion: access.nadmit.io/v1alpha1\nkind: NetworkAttachmentPolicy\nmetadata: {name: labels}\n"
        "spec:\n  pods: [{namespaceSelector: {matchLabels: {tenant: a}}}]\n"
        "  attachments:\n  - {name: lan, action: Deny, networks: [{names: [raw]}]}\n"
    )
    pods = "---\n".join(pod(f"p{number}", "lan") for number in range(5))
    write({"policy.yaml": policy, "pods.yaml": pods, "lan.yaml": network("lan")})
    assert [one["object"] for one in findings(".") if one["rule"] == "namespace-unknown"] == [
        "pod blue/p0 and 4 more objects"
    ]
