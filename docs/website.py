"""Hooks of MkDocs, which makes the site from these pages: `make docs`.

The pages are written for GitHub's reading of Markdown: lists without an empty line before them, code inside of lists,
anchors with underscores. Python-Markdown, the parser of MkDocs, reads them otherwise. So markdown-it parses them, and
Python-Markdown gets the result as a tree; MkDocs' own steps, which check links and make the table of contents, work on
that.

README.md, CHANGELOG.md and CONTRIBUTING.md are outside of docs/ and become pages as well. The site has no source files,
so a link to one becomes its text.
"""

from __future__ import annotations

import posixpath
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

from markdown import Extension, Markdown
from markdown.blockparser import BlockParser
from markdown_it import MarkdownIt
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""File outside of docs/ -> page."""
LINK = re.compile(r"\[([^\]\[]*)\]\((?!https?:)([^)\s#]+)(#[^)\s]*)?\)")


class GitHubParser(BlockParser):
    """Parses a whole page with markdown-it."""

    def parseDocument(self, lines: Iterable[str]) -> ET.ElementTree:  # noqa: N802 - the name of Python-Markdown
        """Return the tree of a page."""
        page = MarkdownIt("commonmark", {"html": True, "xhtmlOut": True}).enable("table").render("\n".join(lines))
        self.root = ET.fromstring(f"<{self.md.doc_tag}>{page}</{self.md.doc_tag}>")  # noqa: S314 - our own page
        for table in self.root.iter("table"):
            table.set("class", "table table-sm table-striped")
        return ET.ElementTree(self.root)


class GitHubMarkdown(Extension):
    """Puts markdown-it in the place of the block and inline parsers."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - the name of Python-Markdown
        """Take the parsers out that have nothing left to do."""
        md.parser = GitHubParser(md)
        for name in ("normalize_whitespace", "html_block"):
            md.preprocessors.deregister(name)
        for name in ("inline", "prettify"):
            md.treeprocessors.deregister(name)


def slug(heading: str, _separator: str) -> str:
    """Return the anchor of a heading, as GitHub makes it. `tests/test_pages.py` has the same rule."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def on_config(config: MkDocsConfig) -> None:
    """Read the pages as GitHub does."""
    config.markdown_extensions[:] = ["toc"]
    config.mdx_configs["toc"] = {"slugify": slug, "toc_depth": "2-3"}
    config.markdown_extensions.append(GitHubMarkdown())  # type: ignore[arg-type]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are outside of docs/."""
    for name, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text()))


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let links of a page lead to pages of the site; a link to a source file becomes its text."""
    written = {target: source for source, target in OUTSIDE.items()}.get(page.file.src_uri)
    here = posixpath.dirname(written or f"docs/{page.file.src_uri}")

    def lead(link: re.Match[str]) -> str:
        text, path, anchor = link[1], posixpath.normpath(posixpath.join(here, link[2])), link[3] or ""
        path = f"{path}/README.md" if (ROOT / path / "README.md").is_file() else path
        target = OUTSIDE.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else "")
        if not target:
            return text
        start = posixpath.dirname(page.file.src_uri)
        return f"[{text}]({posixpath.relpath(target, start or '.')}{anchor})"

    return LINK.sub(lead, markdown)


def on_post_page(output: str, **_: object) -> str:
    """Give the script that switches to dark what it looks for: the style sheets of the highlighter, which is off."""
    return output.replace("</head>", '<style id="hljs-light"></style><style id="hljs-dark"></style></head>', 1)


def on_post_build(config: MkDocsConfig) -> None:
    """Write the index of the search as a script as well, for offline.js."""
    search = Path(config.site_dir) / "search"
    (search / "search_index.js").write_text(f"window.searchIndex = {(search / 'search_index.json').read_text()};\n")
