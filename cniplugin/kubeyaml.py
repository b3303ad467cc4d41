"""The YAML of the kubeconfigs that Multus' installer writes, to mappings, lists and text.

There is no YAML in the standard library, so of YAML this much is read, one line at a time:

    document = ["---"] block
    block    = mapping / list                          ; nested by spaces, not by tabs
    mapping  = 1*( key ":" [" " scalar] / key ":" block )
    list     = 1*( "- " scalar / "- " mapping )        ; also at the indent of its key
    scalar   = "double quoted" / 'single quoted' / plain / "{}" / "[]"      ; each is text, and "#" begins a comment
"""

from __future__ import annotations

import re

from .netspec.errors import show
from .netspec.rawjson import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

DEPTH_MAX = 16
SUPPORTED = "a kubeconfig is JSON, or YAML of block mappings and lists with plain or quoted text in one line"

_ENTRY = re.compile(r"""([A-Za-z0-9_.\-/]+|"[^"\\]+"|'[^']+')\s*:(?:\s+(.*))?""")
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*(?:#.*)?""")
_EMPTY: dict[str, Any] = {"{}": {}, "[]": [], "": ""}


class Lines:
    """The lines of a YAML text that say something: (number, indent, text), in a list that `parse` walks through.

    `refuse` is told what cannot be read, and raises.
    """

    def __init__(self, text: str, *, refuse: Callable[[str], NoReturn]) -> None:
        self._tell = refuse
        self.at = 0
        self.lines: list[tuple[int, int, str]] = []
        for number, line in enumerate(text.split("\n"), start=1):
            said = line.rstrip()
            stripped = said.lstrip(" ")
            if not stripped or stripped.startswith("#") or (said == "---" and not self.lines):
                continue
            self.lines.append((number, len(said) - len(stripped), stripped))

    def parse(self) -> object:
        """Return the value: mappings, lists and text."""
        value = self._block(self.lines[0][1], depth=0) if self.lines else {}
        if self.at < len(self.lines):
            self._refuse()
        return value

    def _refuse(self, why: str = "this line cannot be read") -> NoReturn:
        number, _, text = self.lines[min(self.at, len(self.lines) - 1)]
        # NB: the line may hold a credential, so no more than its key is shown.
        self._tell(f"line {number}: {why}: {show(text.partition(':')[0][:24])}; {SUPPORTED}")

    def _block(self, indent: int, *, depth: int) -> object:
        if depth > DEPTH_MAX:
            self._refuse("the nesting is too deep")
        return self._list_at(indent, depth) if self._is_item(indent) else self._mapping_at(indent, depth)

    def _is_item(self, indent: int) -> bool:
        """Say whether the present line is an item of a list at this indent."""
        if self.at == len(self.lines):
            return False
        _, here, text = self.lines[self.at]
        return here == indent and (text == "-" or text.startswith("- "))

    def _is_deeper(self, indent: int) -> bool:
        return self.at < len(self.lines) and self.lines[self.at][1] > indent

    def _list_at(self, indent: int, depth: int) -> list[object]:
        items: list[object] = []
        while self._is_item(indent):
            number, _, text = self.lines[self.at]
            rest = text[1:].lstrip(" ")
            if rest and not _ENTRY.fullmatch(rest):
                items.append(self._scalar(rest))
                self.at += 1
                continue
            if rest:  # the item's first entry stands on the line of its dash
                self.lines[self.at] = (number, indent + len(text) - len(rest), rest)
            else:
                self.at += 1
            items.append(self._block(self.lines[self.at][1], depth=depth + 1) if self._is_deeper(indent) else "")
        return items

    def _mapping_at(self, indent: int, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while self.at < len(self.lines) and self.lines[self.at][1] == indent and not self._is_item(indent):
            match = _ENTRY.fullmatch(self.lines[self.at][2])
            if not match:
                self._refuse()
            key, rest = match[1].strip("\"'"), match[2] or ""
            if key in found:
                self._refuse("the key stands twice")
            value: object = self._scalar(rest)
            self.at += 1
            if value == "" and (not rest or rest.startswith("#")):
                if self._is_deeper(indent):
                    value = self._block(self.lines[self.at][1], depth=depth + 1)
                elif self._is_item(indent):
                    value = self._list_at(indent, depth + 1)
            found[key] = value
        return found

    def _scalar(self, text: str) -> Any:
        quoted = _QUOTED.fullmatch(text)
        if quoted:
            return self._unquote(quoted[1])
        plain = "" if text.startswith("#") else re.split(r"\s#", text, maxsplit=1)[0].rstrip()
        if plain in _EMPTY:
            return _EMPTY[plain]
        if plain in {"null", "~"}:
            return None
        if plain[0] in "\"'&*!|>%@`{}[],?" or ": " in plain or plain[-1] == ":" or "\t" in plain or plain[:2] == "- ":
            self._refuse()
        return plain

    def _unquote(self, text: str) -> str:
        if text[0] == "'":
            return text[1:-1].replace("''", "'")
        try:
            return str(loads(text))
        except ValueError:
            self._refuse("this escape is not known")
