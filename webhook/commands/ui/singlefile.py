"""The page as one file: style, programs and the map inside, and a content policy under which nothing leaves it.

The modules of the page become one script: without their `import` lines and the word `export` they are ordinary
functions, and no two of them declare one name, which a test says. The policy names the hash of each script.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("page")
MODULES = ("dom", "data", "theme", "links", "graph", "overview", "network", "subjects", "canattach", "findings", "main")
"""In an order in which each is declared before the first call."""

_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=function|const|async|class|let)", re.MULTILINE)
_LINKS = re.compile(
    r" *<!-- The id is.*? -->\n *<link rel=\"stylesheet\".*?<script src=\"main\.js\".*?</script>\n", re.DOTALL
)


def render(data: Mapping[str, Any]) -> str:
    """Return a file of HTML that shows a map, as `maptext.to_json` returns it."""
    library = (PAGE / "vendor" / "cytoscape.min.js").read_text(encoding="utf-8")
    program = join_modules()
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_hash(library)} {_hash(program)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'    <style id="__________cytoscape_stylesheet">{style}</style>\n'
    )
    tail = (
        f'<script id="data" type="application/json">{_json(data)}</script>\n'
        f"    <script>{library}</script>\n"
        f'    <script type="module">{program}</script>\n  '
    )
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    page = _LINKS.sub(lambda _found: f"    {head}", page)
    return page.replace("</body>", f"  {tail}</body>")


def join_modules() -> str:
    """Return the modules as one script."""
    texts = [(PAGE / f"{name}.js").read_text(encoding="utf-8") for name in MODULES]
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON in which nothing ends the element: whoever creates a pod can write `</script>` into its status."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
