"""docs/refused.md and docs/troubleshooting.md quote messages as the program writes them."""

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
    sent = quote.removeprefix("The ")  # kubectl writes the article
    found = [path.name for path in sorted(GOLDEN.rglob("*.txt")) if sent in path.read_text()]
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


OURS = (
    "NetworkAccessDenied",
    "the node cannot read the access rules from the API server",
    "failed to find plugin",
    "no such path",
)
"""What troubleshooting.md quotes of nadmit; the other messages are those of the API server, the kubelet and the plugins."""


@pytest.mark.parametrize("words", OURS)
def test_troubleshooting_quotes_the_program(words: str) -> None:
    assert words in (ROOT / "docs/troubleshooting.md").read_text()
    sources = [path for folder in ("webhook", "cniplugin") for path in (ROOT / folder).rglob("*.py")]
    assert any(words in path.read_text() for path in sources)
