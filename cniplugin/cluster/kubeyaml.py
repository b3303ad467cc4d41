"""The YAML of the kubeconfigs that Multus' installer and common tools write, to mappings, lists and text.

The standard library has no YAML. Of YAML 1.2, this module reads:

    document = ["---"] block
    block    = mapping / list / flow                   ; nested by spaces, not by tabs
    mapping  = 1*( key ":" [" " value] / key ":" block )
    list     = 1*( "- " value / "- " block )           ; also at the indent of its key
    value    = scalar / flow / ( "|" / "|-" / ">" / ">-" ) 1*line       ; lines with a deeper indent
    scalar   = "double quoted" / 'single quoted' / plain                ; in one line, each is text
    flow     = "{" [key ":" [item] *("," key ":" [item]) [","]] "}" / "[" [item *("," item) [","]] "]"
    item     = scalar / flow                           ; on any number of lines
    comment  = "#" to the end of the line, after white space

Everything else is refused with the number of its line: anchors, tags, text that an editor has wrapped, ... No value is
ever guessed, and what is read is read as by libyaml, on which the tools of Kubernetes are built. NB: messages never
quote the line, because every part of a kubeconfig can be a credential, or the second half of one.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

DEPTH_MAX = 16
KEY_MAX = 1_000
"""YAML 1.2 §7.4.3 allows 1,024 for a key with its quotes and the blanks after it."""
SUPPORTED = "a kubeconfig is JSON, or YAML of mappings and lists, with each plain or quoted text in one line"

_SPACE = " \t"
_ENTRY = re.compile(r"""([A-Za-z0-9_.\-/]+|"[^"\\]+"|'[^']+')[ \t]{0,9}:(?:[ \t]+(.*))?""")
_QUOTED_TEXT = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')""")
_QUOTED = re.compile(_QUOTED_TEXT.pattern + r"(?:[ \t]+#.*)?")
_BLOCK_TEXT = re.compile(r"([|>])(-?)(?:[ \t]+#.*)?")
_REST = re.compile(r"[ \t]*(?:[ \t]#.*)?")
_COMMENT = re.compile(r"[ \t]#")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
"""Not printable in YAML 1.2 §5.1, or a line break only in YAML 1.1, on which readers differ."""
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
_ESCAPED = dict(zip('0abtnvfre "/\\N_LP', '\0\a\b\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029', strict=True))
"""YAML 1.2 §5.7."""
_NULLS = frozenset({"null", "Null", "NULL", "~"})
_UNCLOSED = "the quotes do not enclose the whole value; end it with the quote that it begins with"
_NOT_PLAIN = {
    "&": "an anchor is not supported; write the value out",
    "*": "an alias is not supported; write the value out",
    "!": "a tag is not supported; remove it",
    **dict.fromkeys(
        "|>", 'a block of text is not supported here, or in this form; allowed: "|", "|-", ">" and ">-" alone'
    ),
    '"': _UNCLOSED,
    "'": _UNCLOSED,
    "?": "a complex key is not supported",
    **dict.fromkeys("%@`},]", "plain text cannot begin with this character; put the value in quotes"),
}
"""First characters of a value that is not plain text (YAML 1.2 §5.3), each with the problem and what to do."""
_FLOW = "{["
_FLOW_MARKS = ",[]{}?"


class Lines:
    """The lines of a YAML text without empty lines and comments: (number, indent, text).

    `refuse` gets the problem, in one line, and raises.
    """

    def __init__(self, text: str, *, refuse: Callable[[str], NoReturn]) -> None:
        self._report = refuse
        self.at = 0
        self._raw = text.removeprefix("\ufeff").split("\n")
        self._text = ""
        self._column = 0
        self.lines: list[tuple[int, int, str]] = []
        has_begun = False
        for number, line in enumerate(self._raw, start=1):
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
        if self._is_item(indent):
            return self._list_at(indent, depth)
        text = self.lines[self.at][2]
        is_entry = _ENTRY.fullmatch(text) is not None
        if text[0] in _FLOW or (depth and not is_entry):  # a value on a line of its own
            return self._value(text, indent=-1, depth=depth)
        return self._mapping_at(indent, depth)

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
                items.append(self._value(rest, indent=indent, depth=depth))
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
            value: object = "" if is_empty else self._value(rest, indent=indent, depth=depth)
            self.at += is_empty
            if is_empty and self._is_deeper(indent):
                value = self._block(self.lines[self.at][1], depth=depth + 1)
            elif is_empty and self._is_item(indent):
                value = self._list_at(indent, depth + 1)
            mapping[key] = value
        return mapping

    def _value(self, text: str, *, indent: int, depth: int) -> object:
        """Return the value that begins with a text in the current line; go to the line after it.

        `indent` is that of its key or dash, -1 for a value on a line of its own, which is no block of text.
        """
        header = _BLOCK_TEXT.fullmatch(text) if indent >= 0 else None
        if header:
            return self._block_text(indent, is_folded=header[1] == ">", is_stripped=bool(header[2]))
        value = self._flow(text, depth=depth) if text[0] in _FLOW else self._scalar(text)
        self.at += 1
        return value

    def _block_text(self, parent: int, *, is_folded: bool, is_stripped: bool) -> str:
        """Return the lines of a block of text (YAML 1.2 §8.1), which begins after the current line."""
        first = self.lines[self.at][0]
        lines: list[str] = []
        indent = 0
        for number, line in enumerate(self._raw[first:], start=first + 1):
            written = line.removesuffix("\r")
            content = written.lstrip(" ")
            if content and not indent:
                indent = len(written) - len(content)
            if content and (len(written) - len(content) < max(indent, parent + 1)):
                break
            self._check_block_line(number, written, content, indent=indent, is_folded=is_folded)
            lines.append(written[indent:] if content else "")
        last = first + len(lines)
        while lines and not lines[-1]:
            lines.pop()
        if not lines:
            self._refuse("the block of text is empty; write the text in lines with a deeper indent")
        while self.at < len(self.lines) and self.lines[self.at][0] <= last:
            self.at += 1
        is_ended = first + len(lines) < len(self._raw) or self._raw[-1].endswith("\r")
        return (_fold(lines) if is_folded else "\n".join(lines)) + ("\n" if is_ended and not is_stripped else "")

    def _check_block_line(self, number: int, written: str, content: str, *, indent: int, is_folded: bool) -> None:
        """Refuse lines of a block on which readers differ, or that fold in another way."""
        if (not content and len(written) > indent) or content.startswith("\t"):
            self._refuse_line(number, "a line of the block of text begins with more white space; remove it")
        if content and is_folded and written[indent : indent + 1] == " ":
            self._refuse_line(number, 'the indent changes in a folded block of text; begin it with "|" or align it')

    def _scalar(self, text: str) -> object:
        """Return the value of a text that is neither empty nor a comment."""
        quoted = _QUOTED.fullmatch(text)
        if quoted:
            return self._unquote(quoted[1])
        plain = _COMMENT.split(text, maxsplit=1)[0].rstrip(_SPACE)
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
        if "\t" in text:
            self._refuse('the quoted text has a tab; write "\\t"')
        return _ESCAPE.sub(self._unescape, text[1:-1])

    def _unescape(self, match: re.Match[str]) -> str:
        name = match[1]
        if len(name) == 1 and name in _ESCAPED:
            return _ESCAPED[name]
        code = int(name[1:], 16) if len(name) > 1 else -1
        if not (0 <= code < 0xD800 or 0xE000 <= code < 0x110000):
            self._refuse("the quoted text has an escape that is not supported; allowed: the escapes of YAML 1.2")
        return chr(code)

    # Flow style: the cursor is a column of `_text`, which is the current line or its end.

    def _flow(self, text: str, *, depth: int) -> object:
        """Return a collection in brackets. The current line is then that of its end."""
        self._text, self._column = text, 0
        value = self._flow_item(depth)
        if not _REST.fullmatch(self._text, self._column):
            self._refuse("there is text after the closing bracket; write it on the next line")
        return value

    def _flow_item(self, depth: int) -> object:
        if depth > DEPTH_MAX:
            self._refuse(f"the nesting is too deep; allowed: {DEPTH_MAX} levels")
        char = self._next()
        if char == "{":
            return self._flow_mapping(depth + 1)
        if char == "[":
            return self._flow_list(depth + 1)
        return self._flow_scalar()

    def _flow_list(self, depth: int) -> list[object]:
        items: list[object] = []
        self._column += 1
        while self._next() != "]":
            items.append(self._flow_item(depth))
            self._end_item("]")
        self._column += 1
        return items

    def _flow_mapping(self, depth: int) -> dict[str, object]:
        mapping: dict[str, object] = {}
        self._column += 1
        while self._next() != "}":
            key = self._flow_key()
            if key in mapping:
                self._refuse("its key is written twice in one mapping; keep one of them")
            mapping[key] = "" if self._next() in ",}" else self._flow_item(depth)
            self._end_item("}")
        self._column += 1
        return mapping

    def _flow_key(self) -> str:
        """Read a key and its colon, which are in one line."""
        begin = self._column
        if self._text[begin] in _FLOW:
            self._refuse("a collection as a key is not supported")
        key = self._flow_scalar()
        length = self._column - begin
        if length > KEY_MAX:
            self._refuse(f"its key has {length} characters; allowed: {KEY_MAX}")
        while self._text[self._column : self._column + 1] == " ":
            self._column += 1
        if self._text[self._column : self._column + 1] != ":" or not isinstance(key, str) or not key:
            self._refuse('in braces, each entry is "key: value"')
        if key == "<<":
            self._refuse("a merge key is not supported; write the value out")
        self._column += 1
        return key

    def _flow_scalar(self) -> object:
        """Read a text in brackets. NB: plain text ends at more characters than in a block."""
        quoted = _QUOTED_TEXT.match(self._text, self._column)
        if quoted:
            self._column = quoted.end()
            return self._unquote(quoted[0])
        begin, end = self._column, self._plain_end()
        plain = self._text[begin:end].rstrip(" ")
        if not plain or plain[0] in _NOT_PLAIN or plain[0] in "#:" or (plain[0] == "-" and not plain[1:2].isalnum()):
            self._refuse(_NOT_PLAIN.get(plain[:1], "there is no value here; put the text in quotes"))
        self._column = end
        return None if plain in _NULLS else plain

    def _plain_end(self) -> int:
        text = self._text
        for at in range(self._column, len(text)):
            char, following = text[at], text[at + 1 : at + 2]
            if char in ",]}" or (char == ":" and following in ("", " ")) or (char == "#" and text[at - 1] == " "):
                return at
            if char in "[{?\t" or (char == ":" and following in _FLOW_MARKS):
                self._refuse("plain text in brackets has a bracket, a tab or a question mark; put it in quotes")
        return len(text)

    def _end_item(self, closing: str) -> None:
        """Read the comma after an item, or stay before the closing bracket."""
        char = self._next()
        if char == ",":
            self._column += 1
        elif char != closing:
            self._refuse(f'after a value in brackets comes "," or "{closing}"')

    def _next(self) -> str:
        """Skip white space, comments and line ends; return the next character."""
        while True:
            rest = self._text[self._column :]
            stripped = rest.lstrip(_SPACE)
            is_comment = stripped[:1] == "#" and (len(stripped) < len(rest) or not self._column)
            if stripped and not is_comment:
                self._column += len(rest) - len(stripped)
                return stripped[0]
            if self.at + 1 == len(self.lines):
                self._refuse("the bracket is not closed")
            self.at += 1
            self._text, self._column = self.lines[self.at][2], 0


def _fold(lines: list[str]) -> str:
    """Return the lines of a folded block: a line end is a space, and each empty line is a line end (§8.1.3)."""
    folded = ""
    for before, line in zip(["", *lines], lines, strict=False):
        folded += ("\n" if not line else " " if before else "") + line
    return folded


def _begins_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")
