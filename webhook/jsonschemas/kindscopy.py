"""Writes `policykinds.json` from manifests/crds, which a wheel does not have; `make golden` runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .policyschema import KINDS_FILE

CRDS = Path(__file__).parents[2] / "manifests" / "crds"


def render() -> str:
    """Return the text of the file: for each kind its apiVersion, and the schema of its spec."""
    import yaml  # noqa: PLC0415 - commands read the copy, which is JSON

    kinds: dict[str, Any] = {}
    for file in sorted(CRDS.glob("networkattachmentpolic*.yaml")):
        spec = yaml.safe_load(file.read_text())["spec"]
        (version,) = spec["versions"]
        schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        kinds[spec["names"]["kind"]] = [f"{spec['group']}/{version['name']}", schema]
    return json.dumps(kinds, indent=1) + "\n"


if __name__ == "__main__":
    KINDS_FILE.write_text(render())
