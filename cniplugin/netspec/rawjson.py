"""JSON by the interpreter's own scanner and encoder, without the package around them.

`import json` loads `re`, `enum` and `functools`: 8 ms of a process that lives 25. `_json` is the C module that `json`
itself runs; its two callables have had this form since Python 3.1. If an interpreter lacks it, or a text has an error,
`json` is imported and does the work, so that results and messages are the same.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Pairs = Callable[[list[tuple[str, object]]], object]

fast: Any
try:
    import _json as fast
except ImportError:  # PyPy and others
    fast = None

WHITE_SPACE = " \t\n\r"
"""RFC 8259 §2."""


class Decoder:
    """Reads texts; the hooks are those of `json.JSONDecoder`. `decode` raises json.JSONDecodeError, a ValueError."""

    strict = True
    object_hook = None
    memo: dict[str, str]

    def __init__(
        self,
        *,
        object_pairs_hook: Pairs | None = None,
        parse_int: Callable[[str], object] = int,
        parse_float: Callable[[str], object] = float,
        parse_constant: Callable[[str], object] = float,
    ) -> None:
        self.object_pairs_hook = object_pairs_hook
        self.parse_int = parse_int
        self.parse_float = parse_float
        self.parse_constant = parse_constant
        self.memo = {}
        self._scan = fast.make_scanner(self) if fast else None

    def decode(self, text: str) -> Any:
        """Return the value of a whole text."""
        if self._scan is not None and not text.startswith("\ufeff"):
            start = len(text) - len(text.lstrip(WHITE_SPACE))
            try:
                value, end = self._scan(text, start)
            except (StopIteration, SystemError):
                # No value begins here, or the scanner cannot raise the error of `json.decoder`: up to Python 3.12 it
                # fails if that module is not loaded. `json` raises the error with its place.
                return self._decode_slowly(text)
            if not text[end:].strip(WHITE_SPACE):
                return value
        return self._decode_slowly(text)

    def _decode_slowly(self, text: str) -> Any:
        import json  # noqa: PLC0415  # the very import that this module avoids

        return json.loads(
            text,
            object_pairs_hook=self.object_pairs_hook,
            parse_int=self.parse_int,
            parse_float=self.parse_float,
            parse_constant=self.parse_constant,
        )


def loads(text: str | bytes) -> Any:
    """Return the value of a text; bytes are UTF-8. Raises ValueError, also for NaN."""
    decoder = Decoder(parse_constant=_refuse_constant)
    return decoder.decode(text if isinstance(text, str) else str(text, "utf-8"))


def dumps(value: object, *, is_ascii: bool = False) -> str:
    """Return the text of a value in one line without spaces; `is_ascii` escapes all other characters.

    Raises TypeError for a value that is not JSON, ValueError for NaN and for a value that contains itself.
    """
    if fast is None:
        import json  # noqa: PLC0415

        return json.dumps(value, ensure_ascii=is_ascii, separators=(",", ":"), allow_nan=False)
    write = fast.encode_basestring_ascii if is_ascii else fast.encode_basestring
    chunks: Iterable[str] = fast.make_encoder({}, _refuse, write, None, ":", ",", False, False, False)(value, 0)
    return "".join(chunks)


def dumps_indented(value: object, *, width: int = 4, _depth: int = 0) -> str:
    """Return the text of a value over several lines, as `json.dumps(value, indent=width, ensure_ascii=False)` does.

    Raises as `dumps`. NB: not for values of others, which may nest deeper than Python's stack.
    """
    if isinstance(value, dict):
        texts = [
            f"{dumps(key)}: {dumps_indented(member, width=width, _depth=_depth + 1)}" for key, member in value.items()
        ]
        opening, closing = "{}"
    elif isinstance(value, list | tuple):
        texts = [dumps_indented(item, width=width, _depth=_depth + 1) for item in value]
        opening, closing = "[]"
    else:
        return dumps(value)
    if not texts:
        return opening + closing
    line = "\n" + " " * (width * _depth)
    inner = line + " " * width
    return f"{opening}{inner}{f',{inner}'.join(texts)}{line}{closing}"


def _refuse(value: object) -> object:
    raise TypeError(f"a {type(value).__name__} is not JSON")


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")
