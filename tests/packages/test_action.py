"""The GitHub action: its shell steps run here, as the runner runs them, with its variables and its inputs."""

from __future__ import annotations

import json
import re
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.paths import ROOT

from .console import environment, install_scripts, run
from .sources import copy_sources

pytestmark = pytest.mark.slow

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: dict[str, dict[str, Any]] = {step["id"]: step for step in ACTION["runs"]["steps"]}
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: team-a
  annotations:
    k8s.v1.cni.cncf.io/networks: a/b/c
"""


def variables(step: str, inputs: dict[str, str]) -> dict[str, str]:
    """Return the `env` of a step with inputs in place of `${{ inputs.name }}`, which is all that it may use."""
    given = {name: one.get("default", "") for name, one in ACTION["inputs"].items()} | inputs
    found = {}
    for name, text in STEPS[step]["env"].items():
        asked = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", text)
        assert asked, text
        found[name] = given[asked[1]]
    return found


def step(name: str, folder: Path, /, **more: str) -> tuple[int, str, dict[str, str]]:
    """Run a step with bash; return its exit code, what it printed, and its outputs.

    `more`: inputs in lower case, with "_" for "-", and variables in upper case.
    """
    inputs = {key.replace("_", "-"): text for key, text in more.items() if key.islower()}
    extra = {key: text for key, text in more.items() if key.isupper()}
    outputs = folder.parent / "outputs"
    outputs.write_text("")
    runner = {
        "RUNNER_TEMP": str(folder.parent / "temp"),
        "GITHUB_OUTPUT": str(outputs),
        "GITHUB_ACTION_PATH": str(ROOT),
    }
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
    done = run(words, folder, environment(**{**runner, **variables(name, inputs), **extra}))
    found = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
    return done.returncode, done.stdout + done.stderr, found


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checked out repository with a wrong pod, where nadmit is installed already."""
    folder = tmp_path / "work"
    (folder / "deploy dir").mkdir(parents=True)
    (folder / "deploy dir" / "pod.yaml").write_text(POD)
    (folder / "right.yaml").write_text(POD.replace("a/b/c", '"[]"').replace("web", "idle"))
    (tmp_path / "temp" / "nadmit").mkdir(parents=True)
    install_scripts(tmp_path / "temp" / "nadmit" / "bin")
    return folder


def test_findings_are_workflow_commands(workspace: Path) -> None:
    code, output, found = step("check", workspace)
    assert (code, found) == (1, {"exit-code": "1"})
    assert output.startswith("::error file=deploy dir/pod.yaml,line=7,")


def test_right_files_pass(workspace: Path) -> None:
    code, output, found = step("check", workspace, paths="right.yaml\n\n")
    assert (code, found) == (0, {"exit-code": "0"}), output


def test_sarif_is_written_although_there_are_problems(workspace: Path) -> None:
    code, _, found = step("check", workspace, format="sarif", sarif_file="out.sarif", paths="deploy dir\n")
    assert (code, found) == (1, {"exit-code": "1", "sarif-file": "out.sarif"})
    (made,) = json.loads((workspace / "out.sarif").read_text())["runs"]
    assert [one["ruleId"] for one in made["results"]] == ["network-name"]


def test_options_are_words_and_not_shell(workspace: Path) -> None:
    mark = workspace / "mark"
    code, output, _ = step("check", workspace, args="--skip=network-name\n--exclude=$(touch mark)\n; touch mark")
    assert code == 2, output
    assert not mark.exists()
    assert step("check", workspace, args="--skip=network-name\n\n--strict")[0] == 0


@pytest.mark.parametrize("given", [{"format": "text"}, {"paths": "nowhere"}])
def test_wrong_inputs(workspace: Path, given: dict[str, str]) -> None:
    code, output, _ = step("check", workspace, **given)
    assert code == 2
    assert "allowed: github, sarif" in output or "nowhere" in output


def test_it_installs_the_project(tmp_path: Path) -> None:
    """Without an index: what the project needs, and setuptools, come from the environment of the tests."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "pod.yaml").write_text(POD)
    libraries = sysconfig.get_path("purelib")
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": libraries}
    sources = copy_sources(tmp_path / "action")
    python = {"python": sys.executable}
    code, output, _ = step("install", folder, GITHUB_ACTION_PATH=str(sources), **python, **offline)
    assert code == 0, output
    scripts = tmp_path / "temp" / "nadmit" / "bin"
    assert {"nadmit", "kubectl-nadmit", "kubectl_complete-nadmit"} <= {path.name for path in scripts.iterdir()}
    code, output, _ = step("check", folder, PYTHONPATH=libraries)
    assert code == 1
    assert output.startswith("::error file=pod.yaml,line=7,")


def test_an_old_python_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    old = tmp_path / "python3.10"
    program = "import collections, sys; sys.version_info = collections.namedtuple('V', 'a b c')(3, 10, 0)"
    old.write_text(f"#!{sys.executable}\nimport sys\n{program}\nexec(sys.argv[2])\n")
    old.chmod(0o755)
    code, output, _ = step("install", folder, python=str(old))
    assert code == 1
    assert "is Python 3.10; allowed: 3.11 or later" in output
    assert not (tmp_path / "temp").exists()


def test_inputs_and_outputs_are_described() -> None:
    for part in (*ACTION["inputs"].values(), *ACTION["outputs"].values()):
        assert part["description"].endswith(".")
    assert len(ACTION["description"]) < 200
    used = {
        name for one in STEPS.values() for text in one["env"].values() for name in re.findall(r"inputs\.([\w-]+)", text)
    }
    assert used == set(ACTION["inputs"])
    assert all("${{" not in one["run"] for one in STEPS.values()), "an input in a script would be run as shell"
