"""Definitions as people write them: `nadmit check` refuses what fails on the node, and warns of what is lost.

The first line of each vector is the expectation: `error` or `warning`, the rules, and a part of the message.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.paths import VECTORS
from webhook.cli import nadmit

CASES = sorted((VECTORS / "practice" / "definitions").glob("*.yaml"))
_EXPECTED = re.compile(r"# expected: (?:no finding|(error|warning) ([A-Za-z0-9 -]+)(?:, (.*))?)")


def test_there_are_cases() -> None:
    assert len(CASES) > 20


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_verdict_is_that_of_the_first_line(path: Path) -> None:
    expected = _EXPECTED.fullmatch(path.read_text().partition("\n")[0])
    assert expected is not None
    level, rules, words = expected.groups()
    result = CliRunner().invoke(nadmit, ["check", "--posture", "Open", "-o", "json", str(path)], prog_name="nadmit")
    findings = json.loads(result.stdout)["findings"]
    assert [finding["rule"] for finding in findings] == (rules or "").split()
    assert all(finding["level"] == level for finding in findings)
    assert (words or "") in "".join(finding["message"] for finding in findings)
    assert result.exit_code == (level == "error")
