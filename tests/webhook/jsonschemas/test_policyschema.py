"""The schema of policies is that of the kinds: it agrees with our readers at every place, CEL aside."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cniplugin.access.reading.policies import read_policy
from cniplugin.access.reading.policyconfig import read_config
from tests.cniplugin.access.reading import schema as kinds
from tests.paths import ROOT, VECTORS
from webhook.commands.editorschema import COMMENT
from webhook.jsonschemas import kindscopy
from webhook.jsonschemas.policyschema import ALLOWED, KINDS_FILE, load_kinds, policy_schema

from .judged import is_valid_schema, mistakes, objects, patterns, run

SCHEMA = policy_schema()
PROBES = [probe for kind in (kinds.POLICY, kinds.CONFIG) for probe in kinds.probes(kind)]


def is_right(value: Any) -> bool:
    """Say whether our readers have nothing to say."""
    return not (read_config(value)[1] if value["kind"] == kinds.CONFIG else read_policy(value).problems)


def test_the_copy_of_the_kinds_is_up_to_date() -> None:
    assert KINDS_FILE.read_text() == kindscopy.render(), "run make golden"


def test_it_is_a_schema() -> None:
    assert is_valid_schema(SCHEMA)


def test_each_pattern_is_explained() -> None:
    assert set(patterns({name: kind.spec for name, kind in load_kinds().items()})) == set(ALLOWED)


def test_what_is_right_is_never_refused() -> None:
    right = [kinds.put(probe) for probe in PROBES if probe.is_right]
    assert len(right) > 300
    assert [(value, wrong) for value in right if (wrong := mistakes(SCHEMA, value))] == []


def test_most_that_is_wrong_is_refused() -> None:
    """What is left are rules of CEL, and a line break at the end of a text, which Python's `$` passes."""
    wrong = [probe for probe in PROBES if not probe.is_right]
    missed = [probe for probe in wrong if not mistakes(SCHEMA, kinds.put(probe))]
    assert len(missed) < len(wrong) * 0.2, [probe.id for probe in missed]


def test_objects_of_examples_and_vectors() -> None:
    found = [
        value
        for folder in ("examples", "tests/vectors", "manifests")
        for _, value in objects(below=folder)
        if value["apiVersion"].startswith("access.nadmit.io/") and "spec" in value
    ]
    cases = json.loads((VECTORS / "policy_cases.json").read_text())["cases"]
    for case in cases:
        for policy in case["policies"]:
            named = {"metadata": {"name": policy["name"]}, "spec": policy["spec"]}
            found.append({"apiVersion": kinds.API_VERSION, "kind": kinds.POLICY, **named})
    right = [value for value in found if is_right(value)]
    assert len(right) > 30
    assert [(value, wrong) for value in right if (wrong := mistakes(SCHEMA, value))] == []


POLICY = kinds.policy({"attachments": [{"name": "san", "action": "Allow"}]})
TYPOS: dict[str, tuple[dict[str, Any], str]] = {
    "a field": ({**POLICY, "spec": {**POLICY["spec"], "mod": "Warn"}}, "'mod' was unexpected"),
    "a value": ({**POLICY, "spec": {**POLICY["spec"], "mode": "warn"}}, "$.spec.mode: 'warn' is not one of"),
    "a kind": ({**POLICY, "kind": "NetworkAttachementPolicy"}, "$.kind"),
    "a group": ({**POLICY, "apiVersion": "acces.nadmit.io/v1alpha1"}, "$.apiVersion"),
    "no spec": ({key: value for key, value in POLICY.items() if key != "spec"}, "'spec' is a required property"),
    "a field of the object": ({**POLICY, "sepc": {}}, "'sepc' was unexpected"),
}


@pytest.mark.parametrize(("value", "said"), TYPOS.values(), ids=TYPOS)
def test_typos(value: dict[str, Any], said: str) -> None:
    found = mistakes(SCHEMA, value)
    assert any(said in one for one in found), found


def test_other_objects_of_a_file_pass() -> None:
    assert mistakes(SCHEMA, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}}) == []


def test_the_example_of_the_page() -> None:
    """An editor reads the comment, which the command prints."""
    page = (ROOT / "docs" / "packages.md").read_text()
    (text,) = re.findall(r"```yaml\n(# yaml-language-server: .*?)```", page, re.DOTALL)
    assert text.startswith(f"{COMMENT}policy.schema.json\n")
    value = yaml.safe_load(text)
    assert is_right(value)
    assert mistakes(SCHEMA, value) == []


def test_the_command(tmp_path: Path) -> None:
    code, text = run("schema", "policy")
    assert (code, json.loads(text)) == (0, SCHEMA)
    target = tmp_path / "policy.schema.json"
    code, line = run("schema", "policy", "--out", str(target))
    assert (code, line) == (0, f"# yaml-language-server: $schema={target}\n")
    assert json.loads(target.read_text()) == SCHEMA
