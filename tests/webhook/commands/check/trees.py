"""Files of a test's tree, and `nadmit check` run on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from webhook.cli import nadmit

GOOD = '{"type": "bridge", "ipam": {"type": "dhcp"}}'
RENAMED = '{"name": "other", "type": "bridge", "ipam": {"type": "dhcp"}}'
"""Configurations: one without a finding, one with the warning `config-name`."""

NETWORKS = "k8s.v1.cni.cncf.io/networks"


def write(files: dict[str, str]) -> None:
    """Write files below the current directory."""
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def check(*words: str, given: str = "") -> Result:
    result = CliRunner().invoke(nadmit, ["check", *words], input=given, prog_name="nadmit", env={"NO_COLOR": "1"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def findings(*words: str) -> list[dict[str, Any]]:
    """Return the findings of a run in JSON."""
    found: list[dict[str, Any]] = json.loads(check("-o", "json", *words).stdout)["findings"]
    return found


def rules(*words: str) -> list[tuple[str, str]]:
    """Return level and rule of each finding."""
    return [(one["level"], one["rule"]) for one in findings(*words)]


def summary(result: Result) -> str:
    """Return the last line of a run."""
    return result.stdout.splitlines()[-1]


def pod(name: str, networks: str = "", namespace: str = "blue") -> str:
    annotations = f", annotations: {{{NETWORKS}: '{networks}'}}" if networks else ""
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}{annotations}}}\n"


def network(name: str, config: str = GOOD, namespace: str = "blue") -> str:
    return (
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  config: |\n    {config}\n"
    )
