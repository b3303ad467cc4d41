"""Each code's own example has exactly that finding."""

from __future__ import annotations

import pytest

from tests.webhook.admission.plugins.checking import found
from tests.webhook.admission.plugins.pods import codes, judge
from webhook.admission.plugins.codes import CODES, ERROR, WARNING
from webhook.report.explained import example_checks


@pytest.mark.parametrize("code", CODES)
def test_the_example_has_this_code_and_no_other(code: str) -> None:
    known = CODES[code]
    findings = found(known.example, checks=example_checks(code))
    if not known.pod:
        assert [finding.code for finding in findings] == [code]
    else:
        assert not any(finding.is_error for finding in findings)
        decision = judge(known.example, known.pod, *filter(None, [known.other_pod]))
        assert codes(decision) == [code]
        assert decision.is_allowed == (known.severity == WARNING)
        assert f"{code}: " in "".join([decision.message, *map(str, decision.warnings)])


def test_codes_are_well_formed() -> None:
    assert list(CODES) == sorted(CODES)
    for name, code in CODES.items():
        assert name.startswith("NAD")
        assert len(name) == 6
        assert code.severity in {ERROR, WARNING}
        assert code.meaning.endswith(".")
        assert code.fix.endswith(".")
        assert not code.title.endswith(".")
