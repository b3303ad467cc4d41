"""Helm charts: rendered by helm, or passed over.

`helm` is a script here, which prints what `helm template` prints for the chart: no package brings the program.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from .trees import RENAMED, check, findings, network, pod, rules, summary, write

TEMPLATE = """\
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-web
  namespace: {{ .Values.namespace }}
  annotations:
    k8s.v1.cni.cncf.io/networks: {{ .Values.networks }}
"""
RENDERED = """\
---
# Source: web/templates/lan.yaml
{lan}---
# Source: web/templates/pod.yaml
apiVersion: v1
kind: Pod
metadata:
  name: release-name-web
  namespace: blue
  annotations:
    k8s.v1.cni.cncf.io/networks: b c
"""
CHART = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "web/values.yaml": "networks: b c\nnamespace: blue\n",
    "web/values-prod.yaml": "networks: lan\n",
    "web/templates/pod.yaml": TEMPLATE,
    "web/templates/lan.yaml": network("lan", RENAMED),
    "web/templates/tests/pod.yaml": TEMPLATE,
    "web/charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n",
    "web/charts/db/templates/pod.yaml": TEMPLATE,
    "web/crds/pod.yaml": pod("a"),
    "templates/pod.yaml": pod("b"),
}


class Helm:
    """A helm on PATH that keeps its arguments and prints a text, or fails."""

    def __init__(self, folder: Path) -> None:
        self.called = folder / "called"
        self._program = folder / "helm"
        self._text = folder / "text"

    def prints(self, text: str, *, code: int = 0, error: str = "") -> None:
        self._text.write_text(text)
        self._program.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> {self.called}\necho '{error}' >&2\ncat {self._text}\nexit {code}\n"
        )
        self._program.chmod(self._program.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helm:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return Helm(folder)


@pytest.fixture
def _without_helm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.usefixtures("_without_helm")
def test_without_helm_charts_are_passed_over_with_one_line() -> None:
    more = {f"c{number}/Chart.yaml": f"name: c{number}\n" for number in range(5)}
    write({**CHART, **more})
    result = check("--strict", ".")
    assert result.exit_code == 0
    note, last = result.stdout.splitlines()
    assert note == (
        "c0/Chart.yaml: note: Helm charts c0, c1, c2 and 3 more are passed over, because there is no helm on PATH; "
        "install it, or: helm template c0 | nadmit check - [helm-chart]"
    )
    assert last.startswith("2 objects in ")
    assert last.endswith("0 problems, 0 warnings; passed over: 6 Helm charts (-v lists them)")


@pytest.mark.usefixtures("_without_helm")
def test_nothing_but_a_chart_is_a_wrong_input() -> None:
    write({"Chart.yaml": "apiVersion: v2\nname: web\n", "templates/pod.yaml": TEMPLATE})
    result = check(".")
    assert result.exit_code == 2
    assert "helm template . | nadmit check -" in result.stderr


@pytest.mark.usefixtures("_without_helm")
def test_a_template_that_is_named_is_read() -> None:
    write({"Chart.yaml": "apiVersion: v2\nname: web\n", "templates/pod.yaml": TEMPLATE})
    result = check("templates/pod.yaml")
    assert result.exit_code == 2
    assert "quote a template in braces, or check the rendered output" in result.stdout


def test_a_chart_is_rendered_once_with_its_own_values(helm: Helm) -> None:
    write(CHART)
    helm.prints(RENDERED.format(lan=network("lan", RENAMED)))
    result = check(".")
    assert helm.called.read_text().split() == ["template", "--", "web"]
    assert result.exit_code == 1
    assert "passed over" not in result.stdout
    assert summary(result).startswith("4 objects in ")


def test_a_finding_in_a_chart_has_the_place_of_its_key_in_the_template(helm: Helm) -> None:
    write(CHART)
    helm.prints(RENDERED.format(lan=network("lan", RENAMED)))
    found = {one["rule"]: (one["file"], one["line"], one["column"]) for one in findings("web")}
    assert found["config-name"] == ("web/templates/lan.yaml", 5, 3)
    assert found[next(rule for rule in found if rule != "config-name")] == ("web/templates/pod.yaml", 7, 5)


def test_a_comment_in_a_template_counts(helm: Helm) -> None:
    rule = "config-name"
    text = network("lan", RENAMED).replace("  config: |", f"  config: |  # nadmit: ignore {rule} the cluster's own")
    write({**CHART, "web/templates/lan.yaml": text})
    helm.prints(RENDERED.format(lan=network("lan", RENAMED)))
    assert ("warning", rule) not in rules("web")
    assert json.loads(check("-o", "json", "web").stdout)["summary"]["suppressed"]["comment"] == 1


def test_a_chart_that_needs_values_is_passed_over_with_the_reason(helm: Helm) -> None:
    write(CHART)
    helm.prints("", code=1, error="Error: execution error at (web/templates/pod.yaml:5:3): namespace is required")
    result = check("--strict", ".")
    assert result.exit_code == 0
    assert (
        "web/Chart.yaml: note: the chart is passed over, because helm fails: Error: execution error at "
        "(web/templates/pod.yaml:5:3): namespace is required; give it values: helm template -f VALUES web | nadmit check -"
    ) in result.stdout
    assert "passed over: 1 Helm chart" in result.stdout


def test_a_library_makes_nothing(helm: Helm) -> None:
    write(
        {
            "lib/Chart.yaml": "apiVersion: v2\nname: lib\ntype: library\n",
            "lib/templates/_x.yaml": "{{",
            "a.yaml": pod("a"),
        }
    )
    helm.prints("")
    result = check("-v", ".")
    assert not helm.called.exists()
    assert "  lib: a library, which makes no objects" in result.stderr.splitlines()


def test_charts_side_by_side_with_the_same_objects_are_environments(helm: Helm) -> None:
    write({"one/Chart.yaml": "name: one\n", "two/Chart.yaml": "name: two\n"})
    helm.prints(f"---\n# Source: one/templates/lan.yaml\n{network('lan')}")
    result = check(".")
    assert result.exit_code == 0
    assert "one and two have the same objects" in result.stdout
