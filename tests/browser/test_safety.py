"""No request of the page leaves this machine, and no text of the cluster runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from click.testing import CliRunner

from tests.fakes.apiserver import ApiServer

from . import worlds
from .driving import Page, Ui, ui

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def hostile_api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        worlds.fill(server, worlds.hostile())
        yield server


@pytest.fixture(scope="module")
def hostile(hostile_api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    directory = tmp_path_factory.mktemp("hostile")
    with ui(directory, "--kubeconfig", worlds.kubeconfig_of(hostile_api, directory)) as started:
        yield started


INTERNAL = ("data:", "about:", "blob:", "chrome:")
"""Addresses that no request leaves for; a new window of chromium shows a page of its own."""

VIEWS = (
    ("#/map", "Map"),
    ("#/namespaces", "Namespaces"),
    ("#/namespace/shop", "shop"),
    ("#/network/shop/lan", "lan"),
    ("#/pod/shop/web", "web"),
    ("#/findings", "Findings"),
    ("#/can-attach?namespace=shop&network=shop%2Flan", "May pods attach?"),
)


def is_attacked(page: Page) -> bool:
    return bool(
        page.run("return window.attacked !== undefined || document.querySelector('main img, main script') !== null")
    )


def test_no_request_leaves_this_machine(page: Page, demo: Ui) -> None:
    page.requested()
    page.open(demo.url)
    for path, heading in (
        ("#/map", "Map"),
        ("#/network/infra/storage", "storage"),
        ("#/pod/shop/web-6d5f-0", "web-6d5f-0"),
    ):
        page.go(path, heading)
    asked = [one for one in page.requested() if not one.startswith(INTERNAL)]
    assert len(asked) > 10
    assert {urlsplit(one).netloc for one in asked} == {urlsplit(demo.url).netloc}
    seen = page.run("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert {urlsplit(one).netloc for one in seen if not one.startswith("data:")} == {urlsplit(demo.url).netloc}


def test_the_policy_stops_what_would_leave(page: Page, demo: Ui) -> None:
    """The content policy is there: what a script of somebody else would do fails."""
    page.open(demo.url)
    tried = page.run(
        "const image = new Image(); image.src = 'http://127.0.0.2:9/x.png';"
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.attacked=1\">');"
        "return fetch('http://127.0.0.2:9/').then(() => 'sent', (error) => error.message)"
    )
    assert tried == "Failed to fetch"
    page.wait(lambda: sum("Content Security Policy" in one for one in page.errors()) >= 1)
    assert page.run("return window.attacked") is None


@pytest.mark.parametrize(("path", "heading"), VIEWS)
def test_hostile_texts_do_not_run(page: Page, hostile: Ui, path: str, heading: str) -> None:
    page.open(hostile.url)
    page.go(path, heading)
    if path.startswith("#/network"):
        assert worlds.ATTACK[:40] in page.text
    assert not is_attacked(page)
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.run("[...document.querySelectorAll('.switch button')].at(-1)?.click()")
    assert not is_attacked(page)
    assert page.errors() == []


def test_hostile_addresses_of_the_page(page: Page, hostile: Ui) -> None:
    page.open(hostile.url)
    attack = quote(worlds.ATTACK, safe="")
    page.go(f"#/search?q={attack}", f"Search: {worlds.ATTACK}")
    assert not is_attacked(page)
    page.go(f"#/map?segment={attack}", worlds.ATTACK)
    assert not is_attacked(page)
    page.go(f"#/network/{attack}/x", "This cannot be shown")
    assert not is_attacked(page)
    page.go("#/network/%E0%A4%A/x", "This cannot be shown")
    page.go("#/map", "Map")


def test_hostile_texts_in_one_file(page: Page, hostile_api: ApiServer, tmp_path: Path) -> None:
    from webhook.cli import nadmit

    words = ["map", "--kubeconfig", worlds.kubeconfig_of(hostile_api, tmp_path), "-o"]
    for form in ("html", "svg"):
        file = tmp_path / f"map.{form}"
        file.write_text(CliRunner().invoke(nadmit, [*words, form]).stdout, encoding="utf-8")
        page.visit(file.as_uri())
        page.wait(lambda: worlds.ATTACK[:8] in page.run("return document.documentElement.textContent"))
        assert page.run("return window.attacked") is None
        assert page.run("return document.querySelector('main img')") is None
        assert page.errors() == []
