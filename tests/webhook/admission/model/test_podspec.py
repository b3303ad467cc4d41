from __future__ import annotations

from fractions import Fraction

import pytest

from webhook.admission.model.podspec import parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("1", 1),
        ("+1", 1),
        ("-1", -1),
        ("1.", 1),
        (".5", Fraction(1, 2)),
        ("1.25", Fraction(5, 4)),
        ("2000m", 2),
        ("1u", Fraction(1, 10**6)),
        ("1n", Fraction(1, 10**9)),
        ("1k", 1000),
        ("1M", 10**6),
        ("1E", 10**18),
        ("1E3", 1000),
        ("1e-3", Fraction(1, 1000)),
        ("1Ki", 1024),
        ("2Gi", 2 * 1024**3),
        ("1Ei", 1024**6),
        (7, 7),
        (1.5, Fraction(3, 2)),
    ],
)
def test_read(text: object, number: Fraction) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize(
    "text",
    ["", " ", "1 ", "a", "1K", "1ki", "1mi", "1e", "1e999", "1.2.3", "--1", ".", "١", "1" * 65, "inf", "nan", True, None, [], {}, float("inf")],
)  # fmt: skip
def test_not_a_quantity(text: object) -> None:
    assert parse_quantity(text) is None
