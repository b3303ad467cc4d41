"""Codes in words: docs/messages.md, which `nadmit explain` and SARIF say, too."""

from __future__ import annotations

import json
import re

import pytest

from tests import golden_files as golden
from webhook.admission.plugins.codes import CODES, ERROR
from webhook.cluster.problems import Position
from webhook.report import explained, explainedtext, manual, sarif
from webhook.report.findings import Finding, Report


def test_golden_docs_messages() -> None:
    golden.compare("../../docs/messages.md", manual.render())


@pytest.mark.parametrize("code", CODES)
def test_what_kubectl_says_has_the_code_as_its_severity_has_it(code: str) -> None:
    one = explained.explain(code)
    assert one.said.count(f"{code}: ") == one.said.count("NAD") == 1
    assert one.said.startswith("The " if one.severity == ERROR else "Warning: ")
    assert "\n" not in one.said


def test_every_code_is_in_the_contents_and_has_a_section() -> None:
    page = manual.render()
    assert re.findall(r"^\| \[(NAD\d+)\]\(#nad\d+\)", page, re.MULTILINE) == list(CODES)
    assert re.findall(r"^### (NAD\d+)$", page, re.MULTILINE) == list(CODES)
    assert re.findall(r"^## (NAD\d)xx", page, re.MULTILINE) == sorted({code[:4] for code in CODES})


def test_the_list_has_one_line_for_each() -> None:
    lines = explainedtext.render_list(lambda text, _role: text).splitlines()
    assert [line.split()[0] for line in lines] == list(CODES)


def test_json_can_be_read() -> None:
    read = json.loads(explained.to_json([explained.explain("NAD101"), explained.explain("NAD611")]))
    assert [sorted(one["example"]) for one in read] == [["config"], ["config", "otherPod", "pod"]]


def test_sarif_explains_a_code_and_names_other_rules() -> None:
    findings = tuple(Finding(Position("f.yaml", 1, 1), ERROR, rule, "...") for rule in ("NAD101", "mac-value"))
    log = json.loads(sarif.render(Report(findings=findings, files=1, objects=1, judged=1), version="1"))
    code, other = log["runs"][0]["tool"]["driver"]["rules"]
    assert code["shortDescription"]["text"] == CODES["NAD101"].title
    assert CODES["NAD101"].fix in code["help"]["text"]
    assert code["defaultConfiguration"] == {"level": "error"}
    assert other["help"] == {"text": "nadmit rule mac-value"}
