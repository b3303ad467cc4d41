"""Real trees: charts, patches of kustomize, files of other programs, and the output of their builds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from webhook.cli import nadmit

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: blue}\n"
TEMPLATE = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n"
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: blue}\n"
NO_POD = 'apiVersion: v1\nkind: Pod\nmetadata: {name: b, annotations: {k8s.v1.cni.cncf.io/networks: "b c"}}\n'


@pytest.fixture(autouse=True)
def _in_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def check(*paths: str, given: str = "") -> Result:
    return CliRunner().invoke(nadmit, ["check", *paths], input=given, prog_name="nadmit", env={"NO_COLOR": "1"})


def test_standard_input_is_checked_with_the_tree() -> None:
    write({"nets/pod.yaml": POD})
    result = check("nets", "-", given=POD.replace("name: a", "name: b"))
    assert (result.exit_code, result.stdout) == (0, "2 objects in 2 files (2 judged), 0 problems, 0 warnings\n")


def test_a_problem_of_standard_input_has_its_line() -> None:
    result = check("-", given=NO_POD)
    assert result.exit_code == 1
    assert result.stdout.startswith("<stdin>:3:")


def test_standard_input_without_an_object_is_a_wrong_input() -> None:
    result = check("-")
    assert result.exit_code == 2
    assert "no Kubernetes object is found" in result.stderr


def test_a_chart_is_skipped_with_a_warning() -> None:
    write({
        "web/Chart.yaml": "apiVersion: v2\nname: web\n",
        "web/values.yaml": "a: 1\n",
        "web/values-prod.yaml": "a: 2\n",
        "web/templates/pod.yaml": TEMPLATE,
        "web/templates/tests/pod.yaml": TEMPLATE,
        "web/crds/pod.yaml": POD,
        "templates/pod.yaml": POD.replace("name: a", "name: b"),
    })  # fmt: skip
    result = check(".")
    assert result.exit_code == 0
    assert result.stdout == (
        "web/Chart.yaml: warning: the templates of a Helm chart are passed over; check what Helm makes of them: "
        "helm template web | nadmit check - [helm-chart]\n"
        "2 objects in 2 files (2 judged), 0 problems, 1 warning\n"
    )


def test_nothing_but_a_chart_is_a_wrong_input() -> None:
    write({"Chart.yaml": "apiVersion: v2\nname: web\n", "templates/pod.yaml": TEMPLATE})
    result = check(".")
    assert result.exit_code == 2
    assert "helm template . | nadmit check -" in result.stderr


def test_a_template_that_is_named_is_read() -> None:
    write({"Chart.yaml": "apiVersion: v2\nname: web\n", "templates/pod.yaml": TEMPLATE})
    result = check("templates/pod.yaml")
    assert result.exit_code == 2
    assert "quote a template in braces, or check the rendered output" in result.stdout


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
    assert "helm template" in check("a.yaml").stdout


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("values.yaml", "a: 1\n"),
        ("patch.json", "[1]"),
        ("notes.yml", "just words\n"),
        ("schema.yaml", "type: mine\nkind: main\n"),
    ],
)
def test_files_of_other_programs_are_a_warning_in_a_tree_and_an_error_by_name(name: str, text: str) -> None:
    write({f"tree/{name}": text, "tree/pod.yaml": POD})
    in_tree = check("-o", "json", "tree")
    (finding,) = json.loads(in_tree.stdout)["findings"]
    assert (in_tree.exit_code, finding["level"], finding["rule"]) == (0, "warning", "not-an-object")
    assert check("tree", f"tree/{name}").exit_code == 2


def test_half_an_object_is_an_error_wherever_it_is() -> None:
    write({"tree/a.yaml": "kind: Pod\nmetadata: {name: a}\n", "tree/b.yaml": POD})
    result = check("tree")
    assert result.exit_code == 2
    assert "apiVersion is missing; add it [half-an-object]" in result.stdout


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
    write({"config.yaml": text, "pod.yaml": POD})
    assert check(".").exit_code == 0
