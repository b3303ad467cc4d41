"""The example of each code has exactly this finding."""

from __future__ import annotations

import json

import pytest

from cniplugin.netspec.attachers import MULTUS
from tests.webhook.admission.plugins.checking import findings_of
from tests.webhook.admission.plugins.pods import codes, judge
from webhook.admission.plugins.findings import SEVERITIES
from webhook.admission.plugins.outcomes import WARNING
from webhook.plugindata.codes import load_codes
from webhook.report.explained import example_checks, explain


@pytest.mark.parametrize("code", SEVERITIES)
def test_the_example_has_only_this_code(code: str) -> None:
    known = load_codes()[code]
    findings = findings_of(known.example, checks=example_checks(known))
    if known.other_network:
        assert findings == []
        assert [name for name in SEVERITIES if f" {name}: " in explain(code).output] == [code]
    elif not known.pod:
        assert [finding.code for finding in findings] == [code]
    else:
        assert not any(finding.is_error(MULTUS) for finding in findings)
        others = map(json.dumps, filter(None, [known.other_pod]))
        decision = judge(known.example, json.dumps(known.pod), *others, checks=example_checks(known))
        assert codes(decision) == [code]
        assert decision.is_allowed == (SEVERITIES[code] == WARNING)
        assert f"{code}: " in "".join([decision.message, *map(str, decision.warnings)])


def test_codes_are_well_formed() -> None:
    assert list(load_codes()) == list(SEVERITIES) == sorted(SEVERITIES)
    for name, code in load_codes().items():
        assert name.startswith("NAD")
        assert len(name) == 6
        assert code.meaning.endswith(".")
        assert code.fix.endswith(".")
        assert not code.title.endswith(".")
