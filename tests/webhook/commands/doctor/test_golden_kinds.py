"""The kinds that `nadmit doctor` knows are those of manifests/crds. `make golden` writes the file again."""

from __future__ import annotations

import json
import os

import pytest
import yaml

from tests.paths import MANIFESTS
from webhook.commands.doctor.installedkinds import KNOWN, fields_of

CRDS = sorted((MANIFESTS / "crds").glob("net*.yaml"))


def test_golden_kinds() -> None:
    known = {}
    for file in CRDS:
        definition = yaml.safe_load(file.read_text())
        (version,) = definition["spec"]["versions"]
        fields = sorted(fields_of(version["schema"]["openAPIV3Schema"]))
        known[definition["metadata"]["name"]] = {"version": version["name"], "fields": fields}
    text = json.dumps(known, indent=1) + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        KNOWN.write_text(text)
    assert KNOWN.read_text() == text, "run make golden and read the diff"


@pytest.mark.parametrize("file", CRDS, ids=lambda file: file.stem)
def test_fields_have_lists_maps_and_permitted_values(file: object) -> None:
    names = set(json.loads(KNOWN.read_text()))
    assert len(names) == len(CRDS) == 3
    fields = set(json.loads(KNOWN.read_text())["networkattachmentpolicyconfigs.access.nadmit.io"]["fields"])
    assert {"spec.posture", "spec.posture=Isolated", "spec.globalNamespaces", "status.attachedBy"} <= fields
