"""What a user does on the page, in a real browser: with the mouse, with the keyboard alone, live, and in one file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from selenium.webdriver.common.keys import Keys

from tests.fakes.apiserver import ApiServer, failure
from tests.fakes.objectstore import NAMESPACES, NETWORKS, PODS

from . import worlds
from .driving import Page, Ui, ui

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_open_search_ask_and_read_the_refusal(page: Page, demo: Ui) -> None:
    page.open(demo.url)
    assert "7 networks on 5 segments, 5 workloads" in page.text
    page.find("#query").send_keys("storage")
    page.wait_for_heading("Search: storage")
    page.find("a[href='#/network/infra/storage']").click()
    page.wait_for_heading("storage")
    for words in ("may attach", "may not attach", "10.100.0.5", "whereabouts", 'rule "san"', "plugins", '"vlan": 100'):
        assert words.lower() in page.text.lower(), words
    page.find("a[href='#/can-attach']").click()
    page.wait_for_heading("May pods attach?")
    page.find("#ask-namespace").send_keys("shop")
    page.find("#ask-network").send_keys("infra/storage")
    page.find("button.primary").click()
    page.wait(lambda: "What the user reads" in page.text)
    assert (
        'Error from server (Forbidden): admission webhook "pods.access.nadmit.io" denied the request: network access '
        "denied: pod shop/my-pod may not attach to infra/storage"
    ) in page.text
    assert page.announced.startswith("no: pod of namespace shop")
    assert page.errors() == []


def test_every_view(page: Page, demo: Ui) -> None:
    page.open(demo.url)
    page.go("#/namespaces", "Namespaces")
    page.go("#/namespace/payments", "payments")
    assert "infra/storage" in page.text
    page.go("#/pod/media/encoder-0", "encoder-0")
    assert "there is no NetworkAttachmentDefinition media/gone" in page.text
    page.go("#/workload/shop/deployment%2Fweb", "deployment/web")
    assert page.text.count("shop/web-6d5f-") == 12
    page.go("#/network/media/stream", "stream")
    assert "NAD303" in page.text
    page.go("#/network/media/none", "This cannot be shown")
    assert 'there is no NetworkAttachmentDefinition "none" in namespace "media"' in page.text
    page.go("#/search?q=203.0.113.5", "Search: 203.0.113.5")
    page.wait(lambda: "shop/web-6d5f-0" in page.text)
    errors = [one for one in page.errors() if "404" not in one]
    assert errors == []


def test_findings(page: Page, demo: Ui) -> None:
    page.open(demo.url)
    page.go("#/findings", "Findings")
    page.wait(lambda: "a subnet has host bits set" in page.text)
    assert "Taken at" in page.announced
    page.find("#finding-text").send_keys("encoder")
    page.wait(lambda: "host bits" not in page.text)
    page.find("main li a").click()
    page.wait_for_heading("encoder-0")
    page.go("#/network/media/stream", "stream")
    assert "Findings of the last stock-taking" in page.text
    assert page.errors() == []


def test_the_table_has_what_the_picture_has(page: Page, demo: Ui) -> None:
    page.open(demo.url)
    page.run("[...document.querySelectorAll('.switch button')][1].click()")
    page.wait(lambda: page.run("return document.querySelectorAll('tbody tr').length") == 7)
    assert page.run("return document.querySelector('tbody th').textContent") == "media/stream"
    page.find("#filter-text").send_keys("whereabouts")
    page.wait(lambda: "1 network on 1 segment" in page.text)
    assert page.announced == "1 network on 1 segment, 2 workloads"
    page.find("#filter-text").send_keys("x")
    page.wait(lambda: "No network matches" in page.text)


def test_the_keyboard_alone(page: Page, demo: Ui) -> None:
    page.open(demo.url)
    page.press(Keys.TAB)
    assert page.focused == "skip"
    page.press(Keys.ENTER)
    assert page.focused == "main"
    page.press("/")
    assert page.focused == "query"
    page.press("ledger")
    page.wait_for_heading("Search: ledger")
    assert page.focused == "query"
    for _ in range(30):
        page.press(Keys.TAB)
        if page.focused == "payments/ledger":
            break
    page.press(Keys.ENTER)
    page.wait_for_heading("ledger")
    assert page.focused == "ledger", "a new view gives the focus to its heading"
    ring = page.run(
        "const one = document.querySelector('main a'); one.focus({focusVisible: true});"
        "return getComputedStyle(one).outlineStyle"
    )
    assert ring == "solid"


def test_the_picture_by_keyboard_and_no_trap(page: Page, demo: Ui) -> None:
    page.open(demo.url)
    page.run("document.querySelector('.canvas').focus()")
    page.press(Keys.ARROW_DOWN)
    assert page.announced == "Segment bridge br-media"
    page.press(Keys.ARROW_DOWN)
    assert page.announced == "Network media/stream, 2 pods, on bridge br-media"
    page.press(Keys.TAB)
    assert page.focused == "+"
    page.press(Keys.SHIFT, Keys.TAB)
    page.run("document.querySelector('.canvas').focus()")
    page.press(Keys.ENTER)
    page.wait_for_heading("stream")


def test_nothing_traps_the_focus(page: Page, demo: Ui) -> None:
    page.open(demo.url)
    page.go("#/can-attach", "May pods attach?")
    seen = []
    for _ in range(50):
        page.press(Keys.TAB)
        seen.append(page.focused)
    assert seen.count("skip") >= 2, "the focus comes round"
    first = seen.index("skip")
    order = seen[first : seen.index("skip", first + 1)]
    assert order.index("query") < order.index("theme") < order.index("ask-namespace") < order.index("ask-network")
    assert len(set(order)) == len(order) - order.count("")


def test_every_control_has_a_name_and_landmarks_are_there(page: Page, demo: Ui) -> None:
    page.open(demo.url)
    for path, heading in (
        ("#/map", "Map"),
        ("#/can-attach", "May pods attach?"),
        ("#/network/infra/storage", "storage"),
    ):
        page.go(path, heading)
        nameless = page.run(
            "return [...document.querySelectorAll('input, select, button, a, [tabindex=\"0\"]')].filter((one) => "
            "!one.closest('[hidden]') && !(one.labels?.length || one.getAttribute('aria-label') || one.textContent.trim()))"
            ".map((one) => one.outerHTML)"
        )
        assert nameless == []
        count = page.run(
            "return ['header', 'nav', 'main', 'footer', 'h1', '[role=search]', '[aria-live]']"
            ".map((one) => document.querySelectorAll(one).length)"
        )
        assert count == [1, 1, 1, 1, 1, 1, 1]
        levels = page.run("return [...document.querySelectorAll('h1, h2, h3')].map((one) => +one.tagName[1])")
        assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_have_contrast(page: Page, demo: Ui, theme: str) -> None:
    """WCAG 2.1 §1.4.3: 4.5 to 1 for texts, against the background that is behind each."""
    page.open(demo.url)
    page.run("document.documentElement.dataset.theme = arguments[0]", theme)
    for path, heading in (("#/network/media/stream", "stream"), ("#/pod/media/encoder-0", "encoder-0")):
        page.go(path, heading)
        assert page.run(CONTRAST) == []


CONTRAST = """
const read = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((one) => one / 255).map((one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
  .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
const behind = (one) => {
  for (; one; one = one.parentElement) {
    const found = read(getComputedStyle(one).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const found = [];
for (const one of document.querySelectorAll('body *')) {
  if (![...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
  if (!one.checkVisibility() || one.closest('.hidden')) continue;
  const pair = [light(read(getComputedStyle(one).color)), light(behind(one))].sort((a, b) => b - a);
  const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${one.outerHTML.slice(0, 120)}`);
}
return found;
"""


def test_the_theme_is_kept(page: Page, demo: Ui, tmp_path: Path) -> None:
    """Also by a server that is started anew, on another port."""
    page.open(demo.url)
    background = "return getComputedStyle(document.body).backgroundColor"
    light = page.run(background)
    page.find("#theme").click()
    assert page.find("#theme").text == "Theme: light"
    page.find("#theme").click()
    assert page.find("#theme").text == "Theme: dark"
    dark = page.run(background)
    assert dark != light
    page.open(demo.url)
    assert (page.find("#theme").text, page.run(background)) == ("Theme: dark", dark)
    with ui(tmp_path, "--manifests", "examples/cluster") as other:
        page.open(other.url)
        assert (page.find("#theme").text, page.run(background)) == ("Theme: dark", dark)
        page.find("#theme").click()
        assert page.run(background) == light


def test_the_page_is_live(page: Page, demo: Ui, api: ApiServer) -> None:
    page.open(demo.url)
    page.wait(lambda: page.find("#live").text == "live")
    api.put(NETWORKS, worlds.network("shop/new", {"type": "ptp"}))
    page.wait(lambda: "8 networks on 6 segments" in page.text)
    page.go("#/network/shop/new", "new")
    api.put(PODS, worlds.pod("shop", "fresh", {"shop/new": ("10.9.9.9", "")}))
    page.wait(lambda: "10.9.9.9" in page.text)
    page.run("document.querySelector('a[href=\"#/pod/shop/fresh\"]').focus()")
    api.delete(PODS, "shop", "fresh")
    api.put(PODS, worlds.pod("shop", "other", {"shop/new": ("10.9.9.8", "")}))
    page.wait(lambda: "10.9.9.8" in page.text and "10.9.9.9" not in page.text)
    api.delete(PODS, "shop", "other")
    api.delete(NETWORKS, "shop", "new")
    page.go("#/map", "Map")
    page.wait(lambda: "7 networks on 5 segments" in page.text)


def test_ctrl_c_ends_it_at_once_and_the_page_says_so(page: Page, tmp_path: Path) -> None:
    with ui(tmp_path, "--manifests", "examples/cluster") as started:
        page.open(started.url)
        assert "5 networks on 4 segments" in page.text
        assert page.find("#live").text == "a copy"
        page.go("#/network/team-a/data-plane", "data-plane")
        assert started.interrupt() == 0
        assert started.errors.read_text() == "Ctrl-C ends it.\n"


def test_ctrl_c_with_an_open_stream(page: Page, api: ApiServer, tmp_path: Path) -> None:
    with ui(tmp_path, "--kubeconfig", worlds.kubeconfig_of(api, tmp_path)) as started:
        page.open(started.url)
        page.wait(lambda: page.find("#live").text == "live")
        assert started.interrupt() == 0
        page.wait(lambda: page.find("#live").text == "not connected")
        page.run("location.hash = '#/network/infra/storage'")
        page.wait_for_heading("This cannot be shown")
        assert "nadmit ui does not answer; if it has ended, start it again" in page.text


def test_one_file_has_the_same_map(page: Page, tmp_path: Path, api: ApiServer) -> None:
    from webhook.cli import nadmit

    words = ["map", "--kubeconfig", worlds.kubeconfig_of(api, tmp_path), "-o", "html"]
    file = tmp_path / "map.html"
    file.write_text(CliRunner().invoke(nadmit, words).stdout, encoding="utf-8")
    page.requested()
    page.open(file.as_uri())
    assert "7 networks on 5 segments, 5 workloads" in page.text
    page.go("#/network/infra/storage", "storage")
    assert "payments statefulset/ledger: 3 pods" in page.text
    page.go("#/search?q=web", "Search: web")
    assert "shop deployment/web" in page.text
    page.go("#/map", "Map")
    page.run("[...document.querySelectorAll('.switch button')][1].click()")
    page.wait(lambda: page.run("return document.querySelectorAll('tbody tr').length") == 7)
    assert page.errors() == []
    assert {one for one in page.requested() if not one.startswith(("data:", "about:"))} == {file.as_uri()}


def test_a_large_cluster_is_shown_by_segment_and_by_neighbourhood(page: Page, tmp_path: Path) -> None:
    """200 namespaces, 2,000 definitions and 20,000 pods; `make bench-page` measures how fast."""
    with ApiServer() as api:
        worlds.fill(api, worlds.large())
        with ui(tmp_path, "--kubeconfig", worlds.kubeconfig_of(api, tmp_path)) as started:
            page.open(started.url)
            assert "2,000 networks on 344 segments, 2,000 workloads" in page.text
            assert "A circle is a segment" in page.text
            page.run("document.querySelector('.canvas').focus()")
            page.press(Keys.ARROW_DOWN, Keys.ENTER)
            page.wait(lambda: page.run("return location.hash") == "#/map?segment=bridge%20br-0%2C%20VLAN%201")
            page.wait(lambda: "14 networks on 1 segment, 18 workloads" in page.text)
            assert "A circle is a segment" not in page.text
            page.find("#query").send_keys("team-042/app-3-6d5f-7")
            page.wait(lambda: "Pods · 1" in page.text)
            page.find("a[href='#/pod/team-042/app-3-6d5f-7']").click()
            page.wait_for_heading("app-3-6d5f-7")
            page.go("#/network/team-000/net-0", "net-0")
            assert "199 namespaces" in page.text
            page.go("#/map", "Map")
            page.run("[...document.querySelectorAll('.switch button')][1].click()")
            page.wait(lambda: page.run("return document.querySelectorAll('tbody tr').length") == 100)
            page.find("button.more").click()
            page.wait(lambda: page.run("return document.querySelectorAll('tbody tr').length") == 600)
            assert page.errors() == []


def test_more_tabs_than_a_browser_has_connections(page: Page, demo: Ui) -> None:
    """A browser opens six connections to a server at most, and each stream takes one."""
    first = page.driver.current_window_handle
    page.driver.set_page_load_timeout(20)
    try:
        for _ in range(8):
            page.driver.switch_to.new_window("tab")
            page.driver.get(demo.url)
            page.wait(lambda: page.find("#live").text == "live")
    finally:
        for handle in page.driver.window_handles:
            if handle != first:
                page.driver.switch_to.window(handle)
                page.driver.close()
        page.driver.switch_to.window(first)


def test_a_tab_that_was_hidden_shows_what_has_changed(page: Page, demo: Ui, api: ApiServer) -> None:
    first = page.driver.current_window_handle
    page.open(demo.url)
    page.wait(lambda: page.find("#live").text == "live")
    page.driver.switch_to.new_window("tab")
    api.put(NETWORKS, worlds.network("shop/new", {"type": "ptp"}))
    page.open(demo.url)
    page.wait(lambda: "8 networks on 6 segments" in page.text)
    page.driver.close()
    page.driver.switch_to.window(first)
    page.wait(lambda: "8 networks on 6 segments" in page.text)
    api.delete(NETWORKS, "shop", "new")
    page.wait(lambda: "7 networks on 5 segments" in page.text)


def test_a_narrow_window(page: Page, demo: Ui) -> None:
    """WCAG 2.1 §1.4.10: 320 px are enough; the picture fits anew, and names in tables stay words."""
    narrow = {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": False}
    page.open(demo.url)
    height = page.run("return document.querySelector('.stage').clientHeight")
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    try:
        page.wait(lambda: page.run("return document.querySelector('.stage').clientHeight") < height)
        for path, heading in (("#/map", "Map"), ("#/network/infra/storage", "storage"), ("#/findings", "Findings")):
            page.go(path, heading)
            assert page.run("return document.documentElement.scrollWidth") == 320
        page.go("#/network/infra/storage", "storage")
        widths = page.run("return [...document.querySelectorAll('tbody th')].map((one) => one.clientWidth)")
        assert min(widths) > 100
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_search_by_its_address_fills_the_field(page: Page, demo: Ui) -> None:
    page.open(f"{demo.url}#/search?q=storage")
    assert page.find("#query").get_attribute("value") == "storage"


def test_a_cluster_without_networks(page: Page, tmp_path: Path) -> None:
    with ApiServer() as api:
        worlds.fill(api, [])
        with ui(tmp_path, "--kubeconfig", worlds.kubeconfig_of(api, tmp_path)) as started:
            page.open(started.url)
            assert "There are no networks: there is no NetworkAttachmentDefinition" in page.text
            page.go("#/findings", "Findings")
            page.wait(lambda: "Nothing is wrong." in page.text)


def test_nothing_is_said_about_what_may_not_be_read(page: Page, tmp_path: Path) -> None:
    """With few rights, no definition is called missing, and no findings are not a good state."""
    with ApiServer() as api:
        worlds.fill(api, worlds.demo())
        closed = {NAMESPACES, NETWORKS, PODS}
        api.instead = lambda request: failure(403, "no") if request.path in closed else None
        with ui(tmp_path, "--kubeconfig", worlds.kubeconfig_of(api, tmp_path), "-n", "shop") as started:
            page.open(f"{started.url}#/network/default/public")
            assert "definition not readable" in page.text
            page.go("#/map", "Map")
            page.run("[...document.querySelectorAll('.switch button')][1].click()")
            page.wait(lambda: "not known: its definition may not be read" in page.text)
            assert "no such definition" not in page.text
            page.run("[...document.querySelectorAll('.switch button')][0].click()")
            page.go("#/findings", "Findings")
            page.wait(lambda: "No finding in what could be read." in page.text)


def test_who_asks_is_in_the_picture_and_in_the_table(page: Page, tmp_path: Path) -> None:
    """Files have no network-status."""
    with ui(tmp_path, "--manifests", "examples/cluster") as started:
        page.open(started.url)
        assert "5 networks on 4 segments, 2 workloads" in page.text
        page.run("document.querySelector('.canvas').focus()")
        page.press(Keys.ARROW_UP)
        assert page.announced == "Workload pod/pod-c of namespace team-a, asks for it"
        page.run("[...document.querySelectorAll('.switch button')][1].click()")
        page.wait(lambda: page.text.count("asks for it") == 4)
        page.go("#/network/team-a/data-plane", "data-plane")
        assert "Asks for it" in page.text
