"""docs/refused.md quotes messages as the program writes them, and names rules that exist."""

from __future__ import annotations

import re

import pytest

from tests.golden_files import ROOT as GOLDEN
from tests.paths import ROOT

PAGE = (ROOT / "docs/refused.md").read_text()
QUOTES = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_quotes_messages() -> None:
    assert len(QUOTES) > 12


@pytest.mark.parametrize("quote", QUOTES, ids=lambda quote: quote.split(": ")[-1][:30])
def test_a_message_is_one_of_the_golden_files(quote: str) -> None:
    found = [path.name for path in sorted(GOLDEN.rglob("*.txt")) if quote in path.read_text()]
    assert found, "the program no longer says this"


def test_a_heading_has_words_of_the_message_below_it() -> None:
    """People search for the first words of what they see."""
    sections = [
        (heading, quote)
        for heading, below in re.findall(r"^#+ (.+)\n((?:(?!#).*\n?)*)", PAGE, re.MULTILINE)
        for quote in re.findall(r"^```text\n(.*?)^```$", below, re.MULTILINE | re.DOTALL)[:1]
    ]
    assert len(sections) > 10
    for heading, quote in sections:
        words = [part.strip() for part in re.split(r"\.\.\.|,|\(Deny\)", heading)]
        if heading not in {"Warnings", "NAD601 and other codes"}:
            assert any(word and word in quote for word in words), heading
