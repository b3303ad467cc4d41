"""How values of a request are shown."""

from __future__ import annotations

import pytest

from webhook.admission.model.requests import AdmissionWarning


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a" * 300, "a" * 253 + "..."),
        ("one; " + "b" * 300, "one; ..."),
        ('one; it would fail with "x; ' + "b" * 300 + '"', "one; ..."),
        ('one; "two"; ' + "b" * 300, 'one; "two"; ...'),
    ],
)
def test_a_long_warning_has_whole_sentences_and_quotes(text: str, shown: str) -> None:
    assert str(AdmissionWarning("", text)) == shown
