"""The words of plugins: each quote is found for its own plugin, and for no other words."""

from __future__ import annotations

import pytest

from webhook.plugindata import refusals
from webhook.plugindata.refusals import QUOTE_MIN, is_refusal, quotes_of

QUOTES = [(content["type"], quote) for content in refusals.load_files() for quote in dict.fromkeys(quotes_of(content))]


def test_there_are_quotes() -> None:
    assert len(QUOTES) > 150


@pytest.mark.parametrize(("kind", "quote"), QUOTES)
def test_a_quote_is_found_in_a_longer_message(kind: str, quote: str) -> None:
    said = quote.replace("{value}", "17").replace("...", "something")
    is_long = len(quote.replace("{value}", "").replace("...", "")) >= QUOTE_MIN
    assert is_refusal(["", kind], f"failed: {said}; more") is is_long


@pytest.mark.parametrize("words", ["", "Link not found", "operation not supported", "frobnication error 0x17"])
def test_other_words_are_none(words: str) -> None:
    assert not is_refusal({kind for kind, _ in QUOTES}, words)


def test_the_words_of_another_plugin_are_none() -> None:
    assert is_refusal(["bond"], "bonding requires at least two links, we have 0")
    assert not is_refusal(["bridge", "host-local"], "bonding requires at least two links, we have 0")


def test_another_name_of_a_plugin_counts() -> None:
    also = [(name, content) for content in refusals.load_files() for name in content.get("also", ())]
    name, content = next((name, content) for name, content in also if any(quotes_of(content)))
    quote = max(quotes_of(content), key=len).replace("{value}", "17")
    assert is_refusal([name], quote)
