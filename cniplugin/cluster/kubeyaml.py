"""The YAML of the kubeconfigs that Multus' installer writes, to mappings, lists and text.

The standard library has no YAML. Of YAML 1.2, this module reads one line at a time:

    document = ["---"] block
    block    = mapping / list                          ; nested by spaces, not by tabs
    mapping  = 1*( key ":" [" " scalar] / key ":" block )
    list     = 1*( "- " scalar / "- " block )          ; also at the indent of its key
    scalar   = "double quoted" / 'single quoted' / plain / "{}" / "[]"      ; each is text; "#" begins a comment

Everything else is refused with the number of its line; no value is ever guessed. NB: messages never quote the line,
because every part of a kubeconfig can be a credential, or the second half of one that an editor has wrapped.
"""

from __future__ import annotations

import re

from cniplugin.netspec.rawjson import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

DEPTH_MAX = 16
KEY_MAX = 1_000
"""YAML 1.2 §7.4.3 allows 1,024 for a key with its quotes and the blanks after it."""
SUPPORTED = "a kubeconfig is JSON, or YAML of block mappings and lists with plain or quoted text in one line"

_SPACE = " \t"
_ENTRY = re.compile(r"""([A-Za-z0-9_.\-/]+|"[^"\\]+"|'[^']+')[ \t]{0,9}:(?:[ \t]+(.*))?""")
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')(?:[ \t]+#.*)?""")
_COMMENT = re.compile(r"[ \t]#")
_SURROGATE_ESCAPE = re.compile(r"(?:\\[^u]|\\u[^dD]|\\u[dD][0-7]|[^\\])*\\u[dD][89a-fA-F]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
"""Not printable in YAML 1.2 §5.1, or a line break only in YAML 1.1, on which readers differ."""
_NULLS = frozenset({"null", "Null", "NULL", "~"})
_NOT_PLAIN = {
    "&": "an anchor is not supported; write the value out",
    "*": "an alias is not supported; write the value out",
    "!": "a tag is not supported; remove it",
    "|": "a block of text is not supported; write the text in one line",
    ">": "a block of text is not supported; write the text in one line",
    "{": "a mapping in braces is not supported; write one key on each line",
    "[": "a list in brackets is not supported; write one item on each line",
    '"': "the quotes do not enclose the whole value; end it with the quote that it begins with",
    "'": "the quotes do not enclose the whole value; end it with the quote that it begins with",
    "?": "a complex key is not supported",
    **dict.fromkeys("%@`},]", "plain text cannot begin with this character; put the value in quotes"),
}
"""First characters of a value that is not plain text (YAML 1.2 §5.3), each with the problem and what to do."""


class Lines:
    """The lines of a YAML text without empty lines and comments: (number, indent, text).

    `refuse` gets the problem, in one line, and raises.
    """

    def __init__(self, text: str, *, refuse: Callable[[str], NoReturn]) -> None:
        self._report = refuse
        self.at = 0
        self.lines: list[tuple[int, int, str]] = []
        has_begun = False
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
            written = line.removesuffix("\r").rstrip(_SPACE)
            stripped = written.lstrip(" ")
            if _CONTROL.search(written):
                self._refuse_line(number, "a control character is not supported; remove it")
            if not stripped or stripped.startswith("#"):
                continue
            if written[:3] == "---" and written[3:4] in ("", *_SPACE):
                self._check_start(number, written[3:].strip(_SPACE), has_begun=has_begun)
            else:
                self._check_line(number, written, stripped)
                self.lines.append((number, len(written) - len(stripped), stripped))
            has_begun = True

    def _check_start(self, number: int, rest: str, *, has_begun: bool) -> None:
        if has_begun:
            self._refuse_line(number, "a second document begins here; keep one")
        if rest and not rest.startswith("#"):
            self._refuse_line(number, 'there is text after "---"; write it on the next line')

    def _check_line(self, number: int, written: str, stripped: str) -> None:
        """Refuse YAML that the rest of this module would misread."""
        if stripped.startswith("\t"):
            self._refuse_line(number, "a tab indents this line; use spaces")
        if written[:3] == "..." and written[3:4] in ("", *_SPACE):
            self._refuse_line(number, 'the document ends here, with "..."; remove the line')
        if written.startswith("%"):
            self._refuse_line(number, "a directive is not supported; remove it")

    def parse(self) -> object:
        """Return the value: mappings, lists, text, and None for null."""
        value = self._block(self.lines[0][1], depth=0) if self.lines else {}
        if self.at < len(self.lines):
            self._refuse(self._problem_of_indent())
        return value

    def _problem_of_indent(self) -> str:
        before, here = self.lines[self.at - 1][1] if self.at else 0, self.lines[self.at][1]
        if here > before:
            return "this line continues the value above it; write each value in one line"
        return "no line above has this indent with something of this kind; align it with its siblings"

    def _refuse(self, why: str) -> NoReturn:
        self._refuse_line(self.lines[min(self.at, len(self.lines) - 1)][0], why)

    def _refuse_line(self, number: int, why: str) -> NoReturn:
        self._report(f"line {number}: {why}; {SUPPORTED}")

    def _block(self, indent: int, *, depth: int) -> object:
        if depth > DEPTH_MAX:
            self._refuse(f"the nesting is too deep; allowed: {DEPTH_MAX} levels")
        return self._list_at(indent, depth) if self._is_item(indent) else self._mapping_at(indent, depth)

    def _is_item(self, indent: int) -> bool:
        """Say whether the current line is an item of a list at this indent."""
        if self.at == len(self.lines):
            return False
        _, here, text = self.lines[self.at]
        return here == indent and _begins_item(text)

    def _is_deeper(self, indent: int) -> bool:
        return self.at < len(self.lines) and self.lines[self.at][1] > indent

    def _list_at(self, indent: int, depth: int) -> list[object]:
        items: list[object] = []
        while self._is_item(indent):
            number, _, text = self.lines[self.at]
            rest = text[1:].lstrip(" ")
            if rest.startswith("\t"):
                self._refuse("a tab follows the dash; use spaces")
            if rest and not rest.startswith("#") and not _begins_item(rest) and not _ENTRY.fullmatch(rest):
                items.append(self._scalar(rest))
                self.at += 1
                continue
            if rest and not rest.startswith("#"):  # the first entry of the item is on the line of the dash
                self.lines[self.at] = (number, indent + len(text) - len(rest), rest)
            else:
                self.at += 1
            items.append(self._block(self.lines[self.at][1], depth=depth + 1) if self._is_deeper(indent) else "")
        return items

    def _mapping_at(self, indent: int, depth: int) -> dict[str, object]:
        mapping: dict[str, object] = {}
        while self.at < len(self.lines) and self.lines[self.at][1] == indent and not self._is_item(indent):
            match = _ENTRY.fullmatch(self.lines[self.at][2])
            if not match:
                self._refuse('this line is neither "key: value" nor "- item"')
            key, rest = match[1], match[2] or ""
            if len(key) > KEY_MAX:
                self._refuse(f"its key has {len(key)} characters; allowed: {KEY_MAX}")
            key = key[1:-1] if key[0] in "\"'" else key
            if key in mapping:
                self._refuse("its key is written twice in one mapping; keep one of them")
            if key == "<<":
                self._refuse("a merge key is not supported; write the value out")
            is_empty = not rest or rest.startswith("#")
            value: object = "" if is_empty else self._scalar(rest)
            self.at += 1
            if is_empty and self._is_deeper(indent):
                value = self._block(self.lines[self.at][1], depth=depth + 1)
            elif is_empty and self._is_item(indent):
                value = self._list_at(indent, depth + 1)
            mapping[key] = value
        return mapping

    def _scalar(self, text: str) -> object:
        """Return the value of a text that is neither empty nor a comment."""
        quoted = _QUOTED.fullmatch(text)
        if quoted:
            return self._unquote(quoted[1])
        plain = _COMMENT.split(text, maxsplit=1)[0].rstrip(_SPACE)
        if plain in ("{}", "[]"):
            return {} if plain == "{}" else []
        if plain in _NULLS:
            return None
        if plain[0] in _NOT_PLAIN:
            self._refuse(_NOT_PLAIN[plain[0]])
        if ": " in plain or plain[-1] == ":" or "\t" in plain or _begins_item(plain):
            self._refuse('plain text has ": ", a tab, or the dash of a list; put the value in quotes')
        return plain

    def _unquote(self, text: str) -> str:
        if text[0] == "'":
            return text[1:-1].replace("''", "'")
        unescaped = None if _SURROGATE_ESCAPE.match(text) else _loads_or_none(text)
        if unescaped is None:
            self._refuse("the quoted text has a tab or an escape that is not supported; allowed: the escapes of JSON")
        return unescaped


def _loads_or_none(text: str) -> str | None:
    """Return the text of a JSON string, None if it is not one; JSON allows no tabs in strings."""
    try:
        return str(loads(text))
    except ValueError:
        return None


def _begins_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")
