"""docs/scan.md lists the rules of stock-taking with their levels, and levels and rules fit the values of findings."""

from __future__ import annotations

import re

from tests.paths import ROOT
from webhook.report import stockrules
from webhook.report.scan import finding
from webhook.report.stockrules import STOCK_RULES

ROW = re.compile(r"^\| \[`([a-z-]+)`\]\(messages\.md#([a-z-]+)\) \| ([a-z, ]+) \| (.+) \|$", re.MULTILINE)


def test_the_table_has_every_rule() -> None:
    rows = ROW.findall((ROOT / "docs" / "scan.md").read_text())
    assert [(rule, levels, title) for rule, _, levels, title in rows] == [
        (rule, ", ".join(one.levels), one.title) for rule, one in STOCK_RULES.items()
    ]
    assert all(rule == anchor for rule, anchor, _, _ in rows)


def test_levels_are_those_of_findings() -> None:
    assert (stockrules.ERROR, stockrules.WARNING, stockrules.INFO) == finding.LEVELS
