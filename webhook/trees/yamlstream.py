"""A stream of YAML documents to plain values, as kubectl reads YAML.

kubectl (sigs.k8s.io/yaml, a fork of go-yaml v2) reads YAML 1.1 with differences, and so does this reader. `y`, `on` and
the like are booleans, `010` is octal, `1e3` is a number, sexagesimal numbers and timestamps are strings, and a key that
is a number or boolean becomes a string. As with `--validate=strict`, a key that occurs twice is a problem.

The reader takes one event after the other and builds the values on a stack of its own: the C composer of PyYAML
recurses without a limit, so a file of brackets would end the process. Nesting and the expansion of aliases are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from .problems import ManifestError, Position, Problem

DEPTH_MAX = 256
"""Levels of nesting. The schema of a CustomResourceDefinition may have some fifty; `json.dumps` fails near 1,000."""
EXPANDED_MAX = 1_000_000
"""Values of one document after its aliases are expanded ("billion laughs"); go-yaml stops at ten times its input."""
RENDER = "check the rendered output, such as that of helm template"

_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
"""Plain scalars that are not strings (go-yaml v2, resolve.go, resolveMapList)."""
_INTEGER = re.compile(r"[-+]?(?:0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_DIGITS_MAX = 100


@dataclass(slots=True)
class _Frame:
    """A collection that is being built. `size`: the number of values in it, with aliases expanded."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    size: int = 1
    key: str | None = None
    is_merge: bool = False
    merged: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: object
    size: int


def decode(data: bytes, *, file: str, rule: str) -> str:
    """Return the text of a file, without a byte order mark. Raises ManifestError if it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "ignore")
        position = Position(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        text = f"not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8"
        raise ManifestError([Problem(position, rule, text)]) from error


def read(text: str, *, file: str, problems: list[Problem]) -> Iterator[tuple[int, object]]:
    """Yield line and value of each good document, and add the problems of the others to `problems`.

    A syntax error ends the stream: nothing after it has a reliable meaning.
    """
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                yield from _read_document(loader, file, problems)
    except yaml.MarkedYAMLError as error:
        problems.append(_syntax_problem(text, error, file))
    except yaml.reader.ReaderError as error:
        problems.append(_unreadable_character(text, error, file))
    except ManifestError as error:
        problems.extend(error.problems)
    finally:
        loader.dispose()


def _read_document(loader: Any, file: str, problems: list[Problem]) -> Iterator[tuple[int, object]]:
    first = loader.peek_event()
    builder = _Builder(file)
    while not isinstance(event := loader.get_event(), yaml.DocumentEndEvent):
        builder.take(event)
    if builder.problems:
        problems.extend(builder.problems)
    else:
        yield first.start_mark.line + 1, builder.root


class _Builder:
    """Builds the value of one document from its events."""

    def __init__(self, file: str) -> None:
        self.root: object = None
        self.problems: list[Problem] = []
        self._file = file
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}

    def take(self, event: Any) -> None:
        """Take the next event. Raises ManifestError for a problem that makes the rest meaningless."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._take_scalar(event)
        elif kind is yaml.MappingStartEvent:
            self._open(event, {})
        elif kind is yaml.SequenceStartEvent:
            self._open(event, [])
        elif kind is yaml.AliasEvent:
            self._take_alias(event)
        else:
            self._close(event)

    def _take_scalar(self, event: Any) -> None:
        frame = self._frames[-1] if self._frames else None
        if frame is not None and frame.key is None and not frame.is_merge and type(frame.value) is dict:
            self._take_key(event, frame, frame.value)
            return
        value = self._resolve(event)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, 1 + len(event.value) // 32)
        self._put(value, event, size=1)

    def _take_key(self, event: Any, frame: _Frame, mapping: dict[str, Any]) -> None:
        if event.value == "<<" and event.implicit[0]:
            frame.is_merge = True
            return
        value = self._resolve(event)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, 1)
        if value is None:
            raise self._refusal(event, "yaml-key", "a key is missing before the colon; write a name, or quote it")
        key = ("false", "true")[value] if isinstance(value, bool) else str(value)
        if key in mapping:
            text = f'the key "{key[:80]}" occurs twice in one mapping; keep one of them'
            self.problems.append(self._problem(event, "yaml-duplicate-key", text))
        frame.key = key
        mapping[key] = None

    def _open(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        self._check_place(event)
        if event.tag not in {None, "!", f"{_TAG}map", f"{_TAG}seq"}:
            raise self._refusal(event, "yaml-tag", f"the tag {_short_tag(event.tag)} has no meaning here; remove it")
        if len(self._frames) >= DEPTH_MAX:
            raise self._refusal(event, "yaml-depth", f"it nests more than {DEPTH_MAX} levels; make it flatter")
        if event.anchor:
            self._anchors[event.anchor] = None
        self._frames.append(_Frame(value, event.anchor))

    def _close(self, event: Any) -> None:
        frame = self._frames.pop()
        if type(frame.value) is dict:
            for merged in frame.merged:
                for key, value in merged.items():
                    frame.value.setdefault(key, value)
        if frame.anchor:
            self._anchors[frame.anchor] = _Anchored(frame.value, frame.size)
        self._put(frame.value, event, size=frame.size)

    def _take_alias(self, event: Any) -> None:
        self._check_place(event)
        if event.anchor not in self._anchors:
            raise self._refusal(event, "yaml-alias", f"there is no anchor &{event.anchor} before this alias; add it")
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise self._refusal(event, "yaml-alias", f"the alias *{event.anchor} is inside its own anchor; remove it")
        self._put(anchored.value, event, size=anchored.size)

    def _put(self, value: object, event: Any, *, size: int) -> None:
        """Put a complete value into its collection."""
        if not self._frames:
            self.root = value
            return
        frame = self._frames[-1]
        frame.size += size
        if frame.size > EXPANDED_MAX and self._anchors:
            raise self._refusal(event, "yaml-alias", f"aliases expand to more than {EXPANDED_MAX} values; use fewer")
        if type(frame.value) is list:
            frame.value.append(value)
        elif frame.is_merge:
            frame.merged += self._merged(value, event)
            frame.is_merge = False
        elif type(frame.value) is dict and frame.key is not None:
            frame.value[frame.key] = value
            frame.key = None

    def _merged(self, value: object, event: Any) -> list[dict[str, Any]]:
        values = value if isinstance(value, list) else [value]
        mappings = [mapping for mapping in values if isinstance(mapping, dict)]
        if len(mappings) < len(values):
            raise self._refusal(event, "yaml-merge", "<< merges mappings only; give it an alias of a mapping")
        return mappings

    def _check_place(self, event: Any) -> None:
        """Refuse a collection or an alias in the place of a key."""
        frame = self._frames[-1] if self._frames else None
        if frame is not None and type(frame.value) is dict and frame.key is None and not frame.is_merge:
            is_braces = type(event) is yaml.MappingStartEvent and event.flow_style
            fix = f"quote a template in braces, or {RENDER}" if is_braces else "write a name, or quote it"
            raise self._refusal(event, "yaml-key", f"a key is not a string; {fix}")

    def _resolve(self, event: Any) -> object:
        """Return the value of a scalar (go-yaml v2, resolve.go)."""
        text: str = event.value
        if event.tag not in {None, "!"}:
            return self._resolve_tagged(event)
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text[0] in "+-.0123456789":
            return self._resolve_number(event, text)
        return text

    def _resolve_tagged(self, event: Any) -> object:
        if event.tag in {f"{_TAG}str", f"{_TAG}timestamp"}:
            return event.value
        if event.tag in {f"{_TAG}null", f"{_TAG}bool"} and event.value in _WORDS:
            return _WORDS[event.value]
        if event.tag in {f"{_TAG}int", f"{_TAG}float"}:
            number = self._resolve_number(event, event.value)
            if not isinstance(number, str):
                return number
        text = f"the tag {_short_tag(event.tag)} does not fit this value; remove the tag or quote the value"
        raise self._refusal(event, "yaml-tag", text)

    def _resolve_number(self, event: Any, text: str) -> object:
        plain = text.replace("_", "")
        if len(plain) > _DIGITS_MAX:
            return text
        if _INTEGER.fullmatch(plain):
            return int(re.sub("^([-+]?)0(?=[0-7])", r"\g<1>0o", plain), 0)
        if _NO_JSON.fullmatch(plain):
            raise self._refusal(event, "yaml-number", f"{text} cannot be written in JSON; quote it, or use a number")
        if _FLOAT.fullmatch(plain):
            return float(plain)
        return text

    def _problem(self, event: Any, rule: str, text: str) -> Problem:
        mark = event.start_mark
        return Problem(Position(self._file, mark.line + 1, mark.column + 1), rule, text)

    def _refusal(self, event: Any, rule: str, text: str) -> ManifestError:
        return ManifestError([self._problem(event, rule, text)])


def _short_tag(tag: str) -> str:
    return f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag


_HINTS = (
    ("mapping values are not allowed", "quote the text, or correct the indentation"),
    ("did not find expected key", "correct the indentation, or close the quote or bracket before it"),
    ("did not find expected '-' indicator", "correct the indentation of the list"),
    ("cannot start any token", "quote the text"),
    ("unexpected end of stream", "close the quote or bracket that is open"),
)
"""The advice about the most frequent errors of libyaml."""


def _syntax_problem(text: str, error: yaml.MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(Position(file), "yaml-syntax", "not YAML; correct it")
    reason = str(error.problem or error.context).strip()
    context = f" {error.context}" if error.context and error.problem else ""
    fix = next((hint for words, hint in _HINTS if words in reason), "correct the YAML here")
    if _starts_with_tab(text, mark.line):
        fix = "indent with spaces, not with tabs"
    elif _is_near_template(text, mark.line):
        fix = f"a template in braces is not YAML: {RENDER}"
    return Problem(Position(file, mark.line + 1, mark.column + 1), "yaml-syntax", f"not YAML: {reason}{context}; {fix}")


def _starts_with_tab(text: str, line: int) -> bool:
    return any(re.match(r" *\t", written) for written in text.split("\n")[line : line + 1])


def _is_near_template(text: str, line: int) -> bool:
    """NB: libyaml reports a missing colon at the start of the next line."""
    return any("{{" in written for written in text.split("\n")[max(line - 1, 0) : line + 1])


def _unreadable_character(text: str, error: yaml.reader.ReaderError, file: str) -> Problem:
    """NB: libyaml counts the bytes of its input, which is UTF-8."""
    before = text.encode("utf-8", "surrogatepass")[: error.position].decode("utf-8", "ignore")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    character = error.character if isinstance(error.character, int) else ord(error.character)
    text = f"not YAML: the control character U+{character:04X} is not allowed; remove it, or write it escaped"
    return Problem(Position(file, line, column), "yaml-syntax", text)
