"""Which requests the page's server answers."""

from __future__ import annotations

import pytest

from webhook.commands.ui.guard import HEADERS, Guard

GUARD = Guard(8100, token="secret", once="first")
OWN = {"host": "127.0.0.1:8100"}


def test_the_browser_of_this_machine_is_answered() -> None:
    assert GUARD.refuse("GET", OWN) is None
    assert GUARD.refuse("HEAD", {"host": "localhost:8100"}) is None
    same = {**OWN, "origin": "http://127.0.0.1:8100", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert GUARD.refuse("GET", same) is None


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:8100", "127.0.0.1", "127.0.0.1:81", "127.0.0.1:8100.evil.example"]
)
def test_another_host_is_refused(host: str) -> None:
    """A name of another site that leads to this address: DNS rebinding."""
    refused = GUARD.refuse("GET", {"host": host})
    assert refused is not None
    assert refused[0] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8100", "http://127.0.0.1:8101"])
def test_another_origin_is_refused(origin: str) -> None:
    refused = GUARD.refuse("GET", {**OWN, "origin": origin})
    assert refused is not None
    assert refused[0] == 403


def test_a_request_of_another_site_is_refused_and_a_link_is_followed() -> None:
    other = {**OWN, "sec-fetch-site": "cross-site"}
    refused = GUARD.refuse("GET", {**other, "sec-fetch-mode": "no-cors"})
    assert refused is not None
    assert refused[0] == 403
    assert GUARD.refuse("GET", {**other, "sec-fetch-mode": "navigate"}) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_but_reading(method: str) -> None:
    refused = GUARD.refuse(method, OWN)
    assert refused is not None
    assert refused[0] == 405


@pytest.mark.parametrize(
    "path", ["/", "/secret", "/secre/", "/secretx/", "//secret/", "/first/", "/Secret/", "/sécret/"]
)
def test_without_the_token_there_is_nothing(path: str) -> None:
    assert GUARD.inner_path(path) is None


def test_the_path_below_the_token() -> None:
    assert GUARD.inner_path("/secret/") == ""
    assert GUARD.inner_path("/secret/api/map") == "api/map"


def test_the_first_visit_is_once() -> None:
    guard = Guard(8100)
    assert not guard.take_once("/open/")
    assert not guard.take_once(f"/open/{guard.token}")
    assert guard.take_once(f"/open/{guard.once}")
    assert not guard.take_once("/open/")


def test_tokens_are_long_and_differ() -> None:
    one, other = Guard(1), Guard(1)
    assert len({one.token, one.once, other.token, other.once}) == 4
    assert len(one.token) >= 43


def test_no_header_opens_the_answers_to_others() -> None:
    assert not any(name.lower().startswith("access-control") for name in HEADERS)
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
