"""MkDocs makes a site of the pages: without a warning, without anything from elsewhere, and usable from a folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from tests.paths import ROOT

pytestmark = pytest.mark.slow

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
"""Element -> its attribute that makes a browser load something."""


class Page(HTMLParser):
    """The addresses and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.headings: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag in LOADED and LOADED[tag] in given and given.get("rel") != "canonical":
            self.loaded.append(given[LOADED[tag]])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(given.get("id", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    # NB: with --quiet, --strict sees no warnings.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr
    return target


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}


def test_every_page_of_the_project_is_in_the_site(site: Path) -> None:
    written = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    wanted = {path.parent / ("index" if path.stem == "README" else path.stem) for path in written}
    made = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    assert made == wanted | {Path(name) for name in ("404", "index", "changelog", "contributing")}
    assert not [*site.rglob("*.py")]


def test_a_page_loads_only_files_of_the_site(site: Path, pages: dict[Path, Page]) -> None:
    assert sum(len(page.loaded) for page in pages.values()) > len(pages)
    missing = [
        f"{path.relative_to(site)}: {address}"
        for path, page in pages.items()
        for address in page.loaded
        if not (path.parent / unquote(address)).is_file()
    ]
    assert missing == []


def test_style_sheets_load_only_files_of_the_site(site: Path) -> None:
    sheets = sorted(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        for address in re.findall(r"url\(['\"]?([^'\")]+)", sheet.read_text()):
            assert address.startswith("data:") or (sheet.parent / re.sub("[?#].*", "", address)).is_file(), sheet


def test_every_link_inside_of_the_site_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            address, anchor = urldefrag(link)
            if re.match(r"\w+:", address) or not link:
                continue
            target = (path.parent / unquote(address)).resolve() if address else path
            if not target.is_file() or (anchor and target in pages and unquote(anchor) not in pages[target].anchors):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


def test_the_pages_are_read_as_on_github(site: Path) -> None:
    """Code inside of a list, a list without an empty line before it, and anchors with underscores and two hyphens."""
    operations = (site / "operations.html").read_text()
    first_day = operations.partition('id="the-first-day"')[2].partition("<h2")[0]
    assert first_day.count("<ol>") == 1
    assert '<pre><code class="language-console">$ nadmit webhooks would-refuse' in first_day
    (tmp := Page((site / "certificates.html").read_text())).close()
    assert "--tls-secret" in tmp.headings
    assert "<p>- " not in "".join(path.read_text() for path in site.rglob("*.html"))


def test_a_page_has_what_its_scripts_look_for(site: Path, pages: dict[Path, Page]) -> None:
    """The theme's switch to dark fails without the elements that it names."""
    named = set(re.findall(r"getElementById\('([^']+)'\)", (site / "js/darkmode.js").read_text()))
    assert named
    assert [path.name for path, page in pages.items() if not named <= page.anchors] == []


def test_search_works_in_a_folder(site: Path) -> None:
    """A browser reads no other file from a page in a folder, but it loads scripts: docs/offline.js."""
    script = (site / "search/search_index.js").read_text()
    index = json.loads(script.removeprefix("window.searchIndex = ").removesuffix(";\n"))
    assert index == json.loads((site / "search/search_index.json").read_text())
    page = (site / "from-multus/containerd.html").read_text()
    assert page.index("../offline.js") < page.index("../search/main.js")


def test_search_finds_a_refusal_by_its_words(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text())
    found = [doc["location"] for doc in index["docs"] if "there is no NetworkAttachmentDefinition" in doc["title"]]
    assert found == ["refused.html#there-is-no-networkattachmentdefinition"]
