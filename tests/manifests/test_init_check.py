"""The init container of docs/doctor.md: it builds, meets the level restricted, and has the options of the Deployment."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.paths import MANIFESTS, ROOT
from webhook.cli import nadmit
from webhook.commands.doctor.installation import BASE_ARGUMENTS, options_of

from .rendered import build

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs/doctor.md"


def test_the_example_builds_with_the_options_of_the_base(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "kustomization.yaml").write_text(text.replace("../manifests", os.path.relpath(MANIFESTS, tmp_path)))
    (deployment,) = [value for value in yaml.safe_load_all(build(tmp_path)) if value["kind"] == "Deployment"]
    spec = deployment["spec"]["template"]["spec"]
    (check,), (webhook,) = spec["initContainers"], spec["containers"]
    for field in ("image", "imagePullPolicy", "securityContext", "resources", "volumeMounts"):
        assert check[field] == webhook[field], field
    head, words = check["args"][:3], check["args"][3:]
    assert head == ["doctor", "--init", "--"]
    assert options_of(words) == {name: value for name, value in options_of(BASE_ARGUMENTS).items() if name != "cluster"}


def test_the_example_runs_and_ends_with_0_without_a_cluster(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (patch,) = yaml.safe_load(text)["patches"]
    (step,) = yaml.safe_load(patch["patch"])
    words = step["value"][0]["args"]
    done = CliRunner().invoke(nadmit, [words[0], "--kubeconfig", str(tmp_path / "none"), *words[1:]])
    assert done.exit_code == 0, done.output
