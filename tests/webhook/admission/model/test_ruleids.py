"""The closed list of rule ids is exactly the set of ids in the code."""

from __future__ import annotations

import ast
import json
import re

import pytest

from cniplugin.netspec import annotation
from cniplugin.netspec.attachers import ATTACHERS, MULTUS
from cniplugin.netspec.errors import SpecErrors
from tests.paths import ROOT, VECTORS
from webhook.admission.model.ruleids import ELSEWHERE, OUTCOMES, RULE_IDS, RULES, rule_severity
from webhook.admission.plugins.findings import SEVERITIES, severity_of
from webhook.admission.plugins.outcomes import CODES, ERROR, SEEN, Subject, subject_of

LITERAL = re.compile(r'"([a-z]+(?:-[a-z]+)+|[A-Z][a-zA-Z]+)"')
SOURCES = [
    *sorted(path for path in (ROOT / "cniplugin" / "netspec").glob("*.py") if path.stem not in {"result", "status"}),
    *sorted((ROOT / "cniplugin" / "access").rglob("*.py")),
    *sorted((ROOT / "webhook" / "admission").rglob("*.py")),
]
RULE_PLACES = re.compile(
    r'(?:rule=|code=|rules=\(|problems\.add\(\s*|_refuse\(\s*|SpecError\(\s*|_string_reader\([^"]*)"([A-Za-z-]+)"'
)


def test_every_id_in_the_list_is_in_the_code() -> None:
    texts = "".join(path.read_text() for path in SOURCES if path.name != "ruleids.py")
    assert [rule for rule in sorted(RULE_IDS) if f'"{rule}"' not in texts] == []


def test_every_id_in_the_code_is_in_the_list() -> None:
    found = {rule for path in SOURCES for rule in RULE_PLACES.findall(path.read_text())}
    assert len(found) > 30
    assert sorted(found - RULE_IDS) == []


def test_every_warning_has_a_rule() -> None:
    """`nadmit check` prints it, and a comment or a baseline names it."""
    calls = [
        (path.name, call)
        for path in (ROOT / "webhook").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "AdmissionWarning"
    ]
    assert len(calls) > 25
    without = [
        f"{name}:{call.lineno}"
        for name, call in calls
        if len(call.args) < 3 and not any(keyword.arg == "rule" for keyword in call.keywords)
    ]
    assert without == []


def test_every_lint_of_policies_is_a_rule() -> None:
    names = re.findall(r'name="([a-z-]+)"', (ROOT / "cniplugin/access/lints/lints.py").read_text())
    assert len(names) >= 7
    assert set(names) <= RULES.keys()


def test_every_code_in_the_code_and_in_schemas_is_explained() -> None:
    files = [*(ROOT / "webhook" / "admission").rglob("*.py"), *(ROOT / "webhook" / "plugindata").glob("*.json")]
    written = {code for path in files for code in re.findall(r'"(NAD\d+)"', path.read_text())}
    assert sorted(written) == sorted(SEVERITIES)


def test_every_rule_about_pods_or_definitions_has_an_outcome() -> None:
    assert OUTCOMES["pod"].keys() | OUTCOMES["definition"].keys() == RULE_IDS - ELSEWHERE
    assert RULES.keys() >= ELSEWHERE
    assert {rule for rule in CODES if rule in OUTCOMES[subject_of(rule)]} == CODES.keys()


@pytest.mark.parametrize("subject", OUTCOMES)
def test_an_outcome_says_how_it_was_seen(subject: Subject) -> None:
    assert [rule for rule, outcome in OUTCOMES[subject].items() if not outcome.seen.startswith(tuple(SEEN))] == []


@pytest.mark.parametrize("attacher", ATTACHERS)
def test_a_code_has_one_severity(attacher: str) -> None:
    for code in CODES:
        assert rule_severity(code, subject_of(code), attacher) == severity_of(code, attacher)


def test_a_rule_that_refuses_a_configuration_is_an_error() -> None:
    """The grammar refuses what would fail, and what has two readings."""
    cases = json.loads((VECTORS / "cniconfig.json").read_text())["refused"]
    rules = {rule for case in cases for rule, _path in case["problems"]}
    assert len(rules) > 15
    assert [rule for rule in sorted(rules) if rule_severity(rule, "definition", MULTUS) != ERROR] == []


def _refusals(text: str, namespace: str) -> set[str]:
    try:
        annotation.parse(text, namespace=namespace)
    except SpecErrors as errors:
        return {error.rule for error in errors.errors}
    return set()


def test_what_multus_refuses_in_an_annotation_fails() -> None:
    """The vectors say what Multus makes of each text, by its source."""
    cases = json.loads((VECTORS / "annotation.json").read_text())["cases"]
    broken = {
        case["id"]: rules
        for case in cases
        if case["multus"] in {"error", "panic"} and (rules := _refusals(case["annotation"], case["pod_namespace"]))
    }
    assert len(broken) > 20
    for name, rules in broken.items():
        assert {OUTCOMES["pod"][rule].multus for rule in rules} & {"fails", "not allowed"}, name
