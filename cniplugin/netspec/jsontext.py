"""Strict JSON (RFC 8259), as both ends read it, so that no text has two readings.

Stricter than `json.loads`: an object must not repeat a key, NaN and Infinity are refused, a number must fit, a string
must be encodable as UTF-8, nesting and size are bounded. Integers and the order of keys are kept as written. Every
failure is a `SpecErrors`; a syntax error has the line, the column, and the text of the line with a caret under it.
"""

from __future__ import annotations

from .errors import PROBLEMS_MAX, SHOWN_VALUE_MAX, SpecError, SpecErrors, show
from .rawjson import WHITE_SPACE, Decoder, dumps
from .record import mypyc_attr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NoReturn

    Trail = tuple[Any, ...]
    """The trail of the parent and the last step; () at the top. NB: a type that names itself crashes mypyc."""

DEPTH_MAX = 64
"""Deepest nesting of arrays and objects. Real CNI configurations nest less than 10; Go stops at 10,000, and Python's
own limit depends on the caller's stack, so the two ends could disagree."""

INTEGER_DIGITS_MAX = 100
"""Digits of an integer that are kept. Python refuses more than 4,300 (CVE-2020-10735), Go more than 19 or 20."""

RULES = frozenset({"json-size", "json-syntax", "json-number", "json-depth", "json-encoding", "json-duplicate-key"})
"""The rules of this module: a text that breaks one of them is not JSON."""

_EXCERPT_WIDTH = 76
_SYNTAX = {
    "Expecting value": "a value is expected",
    "Expecting property name enclosed in double quotes": "a key in double quotes is expected",
    "Illegal trailing comma before end of object": "there is a comma before the closing '}'",
    "Illegal trailing comma before end of array": "there is a comma before the closing ']'",
    "Expecting ':' delimiter": "a ':' is expected after the key",
    "Expecting ',' delimiter": "a ',' or the closing bracket is expected",
    "Extra data": "text follows the end of the JSON value",
    "Unterminated string starting at": "this string has no closing quote",
    "Invalid control character at": "there is a line break or control character inside a string",
    "Invalid \\escape": "this escape is not known",
    "Invalid \\uXXXX escape": "\\u needs four hexadecimal digits",
}


@mypyc_attr(native_class=False)
class _NotJsonError(ValueError):
    """A number or constant that `json` reads and RFC 8259 or Go does not. Its arguments are (detail, text)."""


@mypyc_attr(native_class=False)
class Repeating(dict[str, object]):
    """An object that repeats keys; its values are the last ones. `twice` lists the keys, `pairs` has all as written."""

    twice: tuple[str, ...] = ()
    pairs: tuple[tuple[str, object], ...] = ()


def pairs_of(value: dict[str, object]) -> Iterable[tuple[str, object]]:
    """Return the keys and values of an object as written."""
    return value.pairs if isinstance(value, Repeating) else value.items()


def parse(text: str, *, what: str, bytes_max: int, section: str = "RFC 8259", may_repeat: bool = False) -> object:
    """Return the JSON value of `text`: dict, list, str, int, float, bool or None.

    `what` names the text in messages ("the annotation"). Raises SpecErrors with one of the rules `json-size`,
    `json-syntax`, `json-number`, `json-depth`, `json-encoding`, `json-duplicate-key` (the first PROBLEMS_MAX).
    `may_repeat`: an object may repeat a key; it is `Repeating` then, and the caller judges it. Linear in the length of
    the text.
    """
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > bytes_max:
        _refuse("json-size", f"{what} has {size} bytes", allowed=f"at most {bytes_max} bytes", section=section)
    if text.count("[") + text.count("{") > DEPTH_MAX and _depth(text) > DEPTH_MAX:
        _refuse("json-depth", f"{what} nests too deeply", allowed=f"at most {DEPTH_MAX} levels", section=section)
    reader = _spare.pop() if _spare else _Reader()
    try:
        value = reader.read(text)
    except _NotJsonError as error:
        detail, value = error.args
        _refuse("json-number", f"{what} is not JSON: {detail}", value=value, section=section)
    except ValueError as malformed:  # json.JSONDecodeError, which is not imported
        raise SpecErrors([_syntax_error(text, malformed, what=what, section=section)]) from None
    if "\\u" in text or not text.isascii():
        _check_encoding(value, what=what, section=section)
    if reader.has_duplicates and not may_repeat:
        raise SpecErrors(list(duplicate_errors(value, section=section)))
    if not reader.has_duplicates:
        _spare.append(reader)
    return value


def quote(value: object) -> str:
    """Return the JSON text of a value in one line, keys in their order."""
    return dumps(value)


def position(text: str, offset: int) -> tuple[int, int]:
    """Return line and column of an offset, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _refuse(rule: str, detail: str, *, value: object = None, allowed: str = "", section: str = "") -> NoReturn:
    raise SpecErrors([SpecError(rule=rule, detail=detail, value=value, allowed=allowed, section=section)])


def _depth(text: str) -> int:
    """Return how deep brackets nest outside strings; only for texts with many brackets, so imports are late.

    NB: all other characters are removed, and C sums up the rest: a match for each bracket took ten times as long.
    """
    from itertools import accumulate  # noqa: PLC0415

    if '"' in text:
        import re  # noqa: PLC0415

        text = re.sub(r'"(?:[^"\\]|\\.)*+"?', "", text, flags=re.DOTALL)
    data = text.encode("ascii", "ignore")
    steps = memoryview(data.translate(_STEPS, _NO_BRACKETS)).cast("b")
    return max(accumulate(steps), default=0)


_STEPS = bytes({ord("["): 1, ord("{"): 1}.get(byte, 255) for byte in range(256))
"""The depth that a bracket adds: 1, or -1 as a signed byte."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class _Reader:
    """A decoder that marks objects with duplicate keys. Making one costs more than reading a small text."""

    def __init__(self) -> None:
        self.has_duplicates = False
        self.read = Decoder(
            object_pairs_hook=self._object,
            parse_int=_parse_int,
            parse_float=_parse_float,
            parse_constant=_parse_constant,
        ).decode

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        self.has_duplicates = True
        seen: set[str] = set()
        again: dict[str, None] = {}
        for key, _ in pairs:
            if key in seen:
                again[key] = None
            seen.add(key)
        marked = Repeating(value)
        marked.twice = tuple(again)
        marked.pairs = tuple(pairs)
        return marked


_spare: list[_Reader] = []
"""Readers to use again; `pop` and `append` are atomic, so threads never share one. A reader that failed is dropped."""


def _parse_int(text: str) -> int:
    if len(text) > INTEGER_DIGITS_MAX:
        raise _NotJsonError(f"a number has {len(text)} digits, at most {INTEGER_DIGITS_MAX} are read", text)
    return int(text)


_INFINITE = (float("inf"), float("-inf"))


def _parse_float(text: str) -> float:
    value = float(text)
    if value in _INFINITE:
        raise _NotJsonError("a number is out of range", text)
    return value


def _parse_constant(text: str) -> NoReturn:
    raise _NotJsonError("this is not a JSON number", text)


def _syntax_error(text: str, error: Any, *, what: str, section: str) -> SpecError:
    line, column = position(text, error.pos)
    reason = next((text for start, text in _SYNTAX.items() if error.msg.startswith(start)), error.msg)
    if text.startswith("\ufeff"):
        reason, line, column = "it starts with a byte order mark (U+FEFF)", 1, 1
    return SpecError(
        rule="json-syntax",
        detail=f"{what} is not JSON: line {line} column {column}: {reason}",
        fix=_syntax_hint(text, error),
        section=section,
        excerpt=_excerpt(text, error.pos),
    )


_CURLY_QUOTES = frozenset("\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb")
"""Quotes that word processors and web pages put in the place of straight ones."""
_STARTS: tuple[tuple[str, str], ...] = (
    ("{{", "a template was not rendered: write the value in place of {{ ... }}"),
    ("{%", "a template was not rendered: write the value in place of {% ... %}"),
    ("$", "a variable was not replaced: write its value"),
    ("//", "JSON has no comments: remove it"),
    ("/*", "JSON has no comments: remove it"),
    ("#", "JSON has no comments: remove it"),
    ("True", "write true, false and null in small letters"),
    ("False", "write true, false and null in small letters"),
    ("None", "write null"),
    ("\u00a0", "this is a no-break space: write an ordinary one"),
)
"""What a text begins with where a key or a value is expected, and what to do about it."""


def _syntax_hint(text: str, error: Any) -> str:
    """Name the usual cause, if the place alone does not show it."""
    return _foreign_hint(text, error) or _quote_hint(text, error)


def _foreign_hint(text: str, error: Any) -> str:
    """Return what to do about a text that is meant for another reader: YAML, a template, a word processor; or ""."""
    here: int = error.pos
    if not text[:here].strip(WHITE_SPACE) and _is_yaml(text[here:]):
        return "this is YAML: write JSON, with { } around all keys, and keys and texts in double quotes"
    if not _CURLY_QUOTES.isdisjoint(_open_text(text, error) or text[here : here + 1]):
        return 'write straight quotes " in place of curly ones'
    if not error.msg.startswith(("Expecting value", "Expecting property name")):
        return ""
    opened = here - 1 if text[here - 1 : here + 1] in {"{{", "{%"} else here
    return next((hint for start, hint in _STARTS if text.startswith(start, opened)), "")


def _open_text(text: str, error: Any) -> str:
    """Return the rest of a line with a string that does not end; "" if another thing is wrong."""
    if error.msg.startswith("Invalid control character"):
        return text[: error.pos].rpartition('"')[2]
    return text[error.pos :].partition("\n")[0] if error.msg.startswith("Unterminated string") else ""


def _is_yaml(text: str) -> bool:
    """Say whether a text begins as a mapping, a list, a document or a comment of YAML does."""
    line = text.partition("\n")[0].rstrip(WHITE_SPACE)
    key, colon, value = line.partition(":")
    is_mapping = bool(colon) and (not value or value.startswith(" ")) and key.replace("_", "").isalnum()
    return is_mapping or line == "---" or line.startswith("- ")


def _quote_hint(text: str, error: Any) -> str:
    """Return what to do about quotes and commas; "" if the place shows it."""
    before = text[: error.pos].rstrip(WHITE_SPACE)
    if "control character" in error.msg or error.msg.startswith("Unterminated"):
        return "a quote may be missing before it"
    if error.msg.startswith("Expecting ':'"):
        return 'a quote " may be missing in the key before it'
    if error.msg.startswith("Expecting ',' delimiter") and text[error.pos : error.pos + 1].isalnum():
        return 'a quote " may be missing near it'
    if before.endswith(",") and text[error.pos : error.pos + 1] in {"]", "}"}:
        return "remove the comma before it"
    if text[error.pos : error.pos + 1] == "'":
        return 'use double quotes "'
    if error.msg.startswith("Expecting property name") and text[error.pos : error.pos + 1].isalpha():
        return "write the key in double quotes"
    if error.msg.startswith("Expecting value") and text[error.pos : error.pos + 1].isalpha():
        return "write a text in double quotes"
    return ""


def _excerpt(text: str, offset: int) -> str:
    """Return the line of `offset`, cut to a terminal's width, and a caret under it."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    line_end = len(text) if end < 0 else end
    left = max(start, offset - _EXCERPT_WIDTH // 2)
    shown = text[left : min(line_end, left + _EXCERPT_WIDTH)]
    clean = "".join(char if char.isprintable() else " " for char in shown)
    return f"{clean}\n{' ' * (offset - left)}^"


def walk(value: object) -> Iterator[tuple[Trail, object]]:
    """Yield every value below and including `value` with its trail, in input order; iterative."""
    todo: list[tuple[Trail, object]] = [((), value)]
    while todo:
        trail, item = todo.pop()
        yield trail, item
        if isinstance(item, dict):
            todo.extend(((trail, key), child) for key, child in reversed(item.items()))
        elif isinstance(item, list):
            todo.extend(((trail, index), item[index]) for index in range(len(item) - 1, -1, -1))


def path_of(trail: Trail) -> str:
    """Return a trail as text: `plugins[1].type`. NB: made on demand, because a long key would make `walk` quadratic."""
    steps: list[str | int] = []
    while trail:
        trail, step = trail
        steps.append(step)
    path = ""
    for step in reversed(steps):
        path = f"{path}[{step}]" if isinstance(step, int) else join(path, step)
    return path


def join(path: str, key: str) -> str:
    """Return the path of a key: `[1].ips`; one with dots or brackets, or a long one, is quoted: `[1]["a.b"]`."""
    # NB: most keys are of letters alone, and a path is made for each key of a configuration.
    if len(key) <= SHOWN_VALUE_MAX and (key.isalnum() or _is_step(key)):
        return f"{path}.{key}" if path else key
    return f"{path}[{show(key)}]"


def _is_step(key: str) -> bool:
    return bool(key) and key.isprintable() and not any(char in '.[]" ' for char in key)


def _check_encoding(value: object, *, what: str, section: str) -> None:
    """NB: Go replaces a lone surrogate by U+FFFD, so two different keys would become one."""
    for trail, item in walk(value):
        texts = tuple(item) if isinstance(item, dict) else (item,)
        for text in texts:
            if isinstance(text, str) and _has_surrogate(text):
                detail = f"{what} holds half of a surrogate pair, which is not text"
                path = path_of(trail)
                raise SpecErrors(
                    [SpecError(rule="json-encoding", path=path, detail=detail, value=text, section=section)]
                )


_SURROGATES = (chr(0xD800), chr(0xDFFF))
"""NB: not as literals, which C has no form for."""


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any(_SURROGATES[0] <= char <= _SURROGATES[1] for char in text)


def duplicate_errors(value: object, *, section: str, path: str = "") -> Iterator[SpecError]:
    """Yield a problem for each repeated key below and including `value`, which is at `path`; PROBLEMS_MAX at most."""
    duplicates = ((trail, key) for trail, item in walk(value) if isinstance(item, Repeating) for key in item.twice)
    for (trail, key), _ in zip(duplicates, range(PROBLEMS_MAX), strict=False):
        yield duplicate_error(join(_below(path, path_of(trail)), key), section=section)


def duplicate_error(path: str, *, section: str) -> SpecError:
    """Return the problem of a key that an object has more than once, in any letter case."""
    return SpecError(
        rule="json-duplicate-key",
        path=path,
        detail="the object has this key more than once, and readers differ on which one counts",
        fix="keep one of them",
        section=section,
    )


def _below(path: str, inner: str) -> str:
    return f"{path}{'' if not path or not inner or inner.startswith('[') else '.'}{inner}"
