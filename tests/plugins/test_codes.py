"""Each code's own example has exactly that finding."""

from __future__ import annotations

import pytest

from tests.plugins.checking import CHECKS, REFUSING, found
from webhook.admission.plugins.codes import CODES, ERROR, WARNING


@pytest.mark.parametrize("code", CODES)
def test_the_example_has_this_code_and_no_other(code: str) -> None:
    checks = REFUSING if code == "NAD108" else CHECKS
    assert [finding.code for finding in found(CODES[code].example, checks=checks)] == [code]


def test_codes_are_well_formed() -> None:
    assert list(CODES) == sorted(CODES)
    for name, code in CODES.items():
        assert name.startswith("NAD")
        assert len(name) == 6
        assert code.severity in {ERROR, WARNING}
        assert code.meaning.endswith(".")
        assert code.fix.endswith(".")
        assert not code.title.endswith(".")
