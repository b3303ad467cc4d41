"""Explanations of codes: docs/messages.md, `nadmit explain` and SARIF have the same texts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import webhook
from cniplugin.access.content.facts import KINDS
from cniplugin.access.model.contentfields import FIELDS
from cniplugin.netspec.attachers import MULTUS, NADMIT
from tests import golden_files as golden
from webhook.admission.model.ruleids import ELSEWHERE, RULES
from webhook.admission.plugins.outcomes import ERROR, WARNING, Outcome
from webhook.plugindata.codes import load_codes
from webhook.report import docspages, effects, explained, sarif
from webhook.report.lint import Finding, Report
from webhook.report.titles import TITLES, page_of
from webhook.trees.problems import Position

CODES = load_codes()
WEBHOOK = Path(webhook.__file__).parent


def test_golden_docs_messages() -> None:
    golden.compare("../../docs/messages.md", docspages.render_messages())


def test_golden_docs_touches() -> None:
    golden.compare("../../docs/touches.md", docspages.render_touches())


def test_the_page_has_every_kind_of_fact_with_its_field() -> None:
    assert set(docspages.FIELDS) <= KINDS.keys()
    fields = {name for names in docspages.FIELDS.values() for name in names.split(", ")}
    assert fields == {field.key for field in FIELDS}


@pytest.mark.parametrize("rule", ["cni-ipam-program", "cni-meta-plugin", "cni-runtime", "cni-type-path"])
def test_the_page_of_a_built_in_check_has_it(rule: str) -> None:
    page = page_of(rule)
    assert page == "docs/access.md"
    assert f"| `{rule}` |" in (WEBHOOK.parent / page).read_text()


@pytest.mark.parametrize("code", CODES)
def test_the_output_of_kubectl_has_the_code_and_its_severity(code: str) -> None:
    one = explained.explain(code)
    assert one.output.count(f"{code}: ") == one.output.count("NAD") == 1
    assert one.output.startswith("The " if one.severity == ERROR else "Warning: ")
    assert "\n" not in one.output


def test_every_code_is_in_the_contents_and_has_a_section() -> None:
    page = docspages.render_messages()
    assert re.findall(r"^\| \[(NAD\d+)\]\(#nad\d+\)", page, re.MULTILINE) == list(CODES)
    assert re.findall(r"^### (NAD\d+)$", page, re.MULTILINE) == list(CODES)
    assert re.findall(r"^## (NAD\d)xx", page, re.MULTILINE) == sorted({code[:4] for code in CODES})


def test_the_list_has_one_line_for_each() -> None:
    codes, rules = explained.render_list(lambda text, _role: text).split("\n\nOther rules:\n")
    assert [line.split()[0] for line in codes.splitlines()] == list(CODES)
    assert [line.split()[0] for line in rules.splitlines()] == list(TITLES)


def test_every_rule_of_a_file_has_a_title() -> None:
    sources = [
        path.read_text()
        for folder in ("trees", "trees/builds", "snapshot", "commands", "commands/check")
        for path in (WEBHOOK / folder).glob("*.py")
    ]
    written = {rule for text in sources for rule in re.findall(r'(?:[Pp]roblem|_refusal)\([^"]*"([a-z-]+)"', text)}
    assert len(written) > 12, written
    assert written - {"no-file", "no-objects", "nothing-to-judge"} <= set(TITLES)


def test_a_rule_names_the_page_that_says_more() -> None:
    rules = json.loads(explained.render_json(["PostureStrict", "inject-into", "NetworkInUse", "mac-value", "yaml-key"]))
    assert [rule["page"].removeprefix("docs/") for rule in rules] == [
        "access.md", "injection.md", "webhook.md", "conformance.md", "",
    ]  # fmt: skip
    assert all((WEBHOOK.parent / rule["page"]).exists() for rule in rules)


@pytest.mark.parametrize("rule", RULES)
def test_the_page_has_what_each_rule_would_do(rule: str) -> None:
    rows = re.findall(rf"^\| \[`{rule}`\]\(#[\w-]+\) \| (\w+) \| (.+?) \| ", docspages.render_messages(), re.MULTILINE)
    assert rows == [(one.subject, one.severity) for one in effects.judged(rule)]
    assert bool(rows) == (rule not in ELSEWHERE)


def test_two_severities_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value is made here, because it should not depend on a code that has two."""
    outcome = Outcome("fails", "attaches", "run")
    one = effects.Judged("pod", outcome, {NADMIT: ERROR, MULTUS: WARNING})
    assert one.severity == "error with nadmit, warning with Multus"
    assert effects.on_the_node(outcome) == (
        "On the node: the pod does not start (nadmit); the pod starts, and nothing is lost (Multus). Seen: run."
    )
    monkeypatch.setattr(effects, "judged", lambda _code: (one,))
    assert effects.of_code("NAD601").endswith(" Seen: run. Severity: error with nadmit, warning with Multus.")


def test_the_outcomes_are_in_json() -> None:
    code, rule, other = json.loads(explained.render_json(["NAD608", "capability-missing", "AllowRule"]))
    assert code["outcomes"]["pod"]["multus"] == {"effect": "attaches without it", "severity": "error"}
    assert rule["outcomes"]["pod"]["nadmit"] == {"effect": "fails", "severity": "error"}
    assert other["outcomes"] == {}


def test_json_can_be_read() -> None:
    read = json.loads(explained.render_json(["NAD101", "NAD611"]))
    assert [sorted(one["example"]) for one in read] == [["config"], ["config", "otherPod", "pod"]]


def test_sarif_explains_codes_and_other_rules() -> None:
    rules = ("NAD101", "mac-value", "ips-empty", "yaml-key")
    findings = tuple(Finding(Position("f.yaml", 1, 1), ERROR, rule, "...") for rule in rules)
    log = json.loads(sarif.render(Report(findings=findings, files=1, objects=1, judged=1), version="1"))
    code, other, empty, file = log["runs"][0]["tool"]["driver"]["rules"]
    assert code["shortDescription"]["text"] == CODES["NAD101"].title
    assert CODES["NAD101"].fix in code["help"]["text"]
    assert code["defaultConfiguration"] == {"level": "error"}
    assert other["shortDescription"] == {"text": TITLES["mac-value"]}
    assert "docs/conformance.md" in other["help"]["text"]
    assert other["defaultConfiguration"] == {"level": "error"}
    assert empty["defaultConfiguration"] == {"level": "warning"}
    assert "defaultConfiguration" not in file


def test_sarif_names_the_program_and_helps_with_every_rule() -> None:
    """SARIF 2.1.0 §3.19.4, §3.49.12; GitHub shows the markdown."""
    findings = tuple(Finding(Position("f.yaml", 1, 1), ERROR, rule, "...") for rule in (*CODES, *TITLES))
    log = json.loads(sarif.render(Report(findings=findings, files=1, objects=1, judged=1), version="1"))
    driver = log["runs"][0]["tool"]["driver"]
    assert driver["informationUri"].startswith("https://")
    assert len(driver["rules"]) == len(CODES) + len(TITLES)
    for rule in driver["rules"]:
        assert rule["fullDescription"]["text"]
        assert f"`nadmit explain {rule['id']}`" in rule["help"]["text"]
        assert "**Fix:** " in rule["help"]["markdown"]
        assert "```" in rule["help"]["markdown"]
