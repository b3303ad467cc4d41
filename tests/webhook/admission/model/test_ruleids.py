"""The closed list of rule ids is exactly the set of ids in the code."""

from __future__ import annotations

import re

from tests.paths import ROOT
from webhook.admission.model.ruleids import RULE_IDS
from webhook.admission.plugins.findings import SEVERITIES

LITERAL = re.compile(r'"([a-z]+(?:-[a-z]+)+|[A-Z][a-zA-Z]+)"')
SOURCES = [
    *sorted(path for path in (ROOT / "cniplugin" / "netspec").glob("*.py") if path.stem not in {"result", "status"}),
    *sorted((ROOT / "cniplugin" / "access").glob("*.py")),
    *sorted((ROOT / "webhook" / "admission").rglob("*.py")),
]
RULE_PLACES = re.compile(
    r'(?:rule=|code=|rules=\(|problems\.add\(\s*|_refuse\(\s*|SpecError\(\s*|_string_reader\([^"]*)"([A-Za-z-]+)"'
)


def test_every_id_in_the_list_is_in_the_code() -> None:
    texts = "".join(path.read_text() for path in SOURCES if path.name != "rules.py")
    assert [rule for rule in sorted(RULE_IDS) if f'"{rule}"' not in texts] == []


def test_every_id_in_the_code_is_in_the_list() -> None:
    found = {rule for path in SOURCES for rule in RULE_PLACES.findall(path.read_text())}
    assert len(found) > 30
    assert sorted(found - RULE_IDS) == []


def test_every_code_in_the_code_and_in_schemas_is_explained() -> None:
    files = [*(ROOT / "webhook" / "admission").rglob("*.py"), *(ROOT / "webhook" / "plugindata").glob("*.json")]
    written = {code for path in files for code in re.findall(r'"(NAD\d+)"', path.read_text())}
    assert sorted(written) == sorted(SEVERITIES)
