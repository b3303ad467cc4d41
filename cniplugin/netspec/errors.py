"""Broken rules as values: `SpecError` is one of them, `SpecErrors` raises all of one text together.

A rule id is stable: tests, metrics and the changelog use it. The wording may improve.
"""

from __future__ import annotations

from .record import PlainRecord, mypyc_attr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Final

PROBLEMS_MAX = 100
"""Problems of one text that are gathered; a message shows 20. A hostile text of 256 KiB has 130,000 of them, and each
takes 5 microseconds."""

REMARKS_MAX = 16
"""Remarks about one text that are kept: the API server shows 4,096 characters of warnings."""

LOOKUPS_MAX = 64
"""Unknown words of one text that are compared with known ones: each takes a tenth of a millisecond."""

SHOWN_VALUE_MAX = 80
"""Characters of an offending value that are quoted; a message has at most 1,024 bytes (Kubernetes events)."""


@mypyc_attr(native_class=False)
class SpecError(PlainRecord):
    """One rule of the standard that a text breaks.

    `rule`: stable id. `source`: the text, such as an annotation's key. `path`: where in it, such as `[1].ips[0]`,
    empty for the whole text. `item`: the position of the list item that `path` is in, None outside of items. `value`:
    the offending JSON value, None where the path is enough. `detail`: what is wrong. `allowed`: what would be right.
    `fix`: what to do, if something helps. `spelling`: how to write the name of a network, shown after the fix.
    `section`: of the standard. `excerpt`: lines with a caret, for syntax errors.
    """

    __slots__ = (  # noqa: RUF023 - in the order of `__init__`
        "rule", "source", "path", "item", "value", "detail", "allowed", "fix", "spelling", "section", "excerpt",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - one argument per field
        self,
        *,
        rule: str,
        source: str = "",
        path: str = "",
        item: int | None = None,
        value: object = None,
        detail: str,
        allowed: str = "",
        fix: str = "",
        spelling: str = "",
        section: str = "",
        excerpt: str = "",
    ) -> None:
        self.rule: Final = rule
        self.source: Final = source
        self.path: Final = path
        self.item: Final = item
        self.value: Final = value
        self.detail: Final = detail
        self.allowed: Final = allowed
        self.fix: Final = fix
        self.spelling: Final = spelling
        self.section: Final = section
        self.excerpt: Final = excerpt


@mypyc_attr(native_class=False)
class SpecErrors(ValueError):  # it holds several
    """Every rule that one text breaks, in input order. Iterable, never empty.

    `readable`: the items of a list, None in the place of an item that cannot be read. With them, one answer can also
    name the problems of the other items.
    """

    def __init__(self, errors: Sequence[SpecError], *, readable: Sequence[Any] = ()) -> None:
        self.errors = tuple(errors)
        self.readable = tuple(readable)
        super().__init__("; ".join(render(error) for error in self.errors[:5]))

    def __iter__(self) -> Iterator[SpecError]:
        return iter(self.errors)

    def __len__(self) -> int:
        return len(self.errors)


@mypyc_attr(native_class=False)
class EnoughProblemsError(Exception):
    """A text has PROBLEMS_MAX problems, and reading stops. Never leaves netspec."""


class Problems:
    """Gathers the problems of one text, in input order; `source` names the text.

    `item`: the position of the list item that is being read. `remarks`: what breaks the letter of the standard and is
    read all the same; the first REMARKS_MAX of them. Adding the last of PROBLEMS_MAX raises EnoughProblemsError.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.item: int | None = None
        self.errors: list[SpecError] = []
        self.remarks: list[SpecError] = []
        self._lookups = LOOKUPS_MAX

    def spend_lookup(self) -> bool:
        """Take one comparison of an unknown word with the known ones, and say whether there was one left."""
        self._lookups -= 1
        return self._lookups >= 0

    @property
    def takes_remarks(self) -> bool:
        """Say whether a further remark would be kept."""
        return len(self.remarks) < REMARKS_MAX

    def at(self, item: int) -> str:
        """Return the path of a list item; the problems from here on are its own."""
        self.item = item
        return f"[{item}]"

    def add(self, rule: str, path: str, detail: str, **more: Any) -> None:
        """Add one problem; the arguments are fields of SpecError."""
        self.add_error(SpecError(rule=rule, path=path, detail=detail, **more))

    def add_error(self, error: SpecError) -> None:
        """Add a problem that another module has made, with the source and the item of this one."""
        self.errors.append(error.replace(source=self.source, item=self.item))
        if len(self.errors) >= PROBLEMS_MAX:
            raise EnoughProblemsError

    def remark(self, rule: str, path: str, detail: str, **more: Any) -> None:
        """Add one remark; the arguments are those of `add`."""
        if self.takes_remarks:
            self.remarks.append(
                SpecError(rule=rule, source=self.source, path=path, item=self.item, detail=detail, **more)
            )

    def add_type(self, path: str, value: object, allowed: str, *, section: str) -> None:
        """Add a value of the wrong JSON type."""
        detail = "wrong JSON type: null" if value is None else "wrong JSON type"
        self.add("wrong-type", path, detail, value=value, allowed=allowed, section=section)


def render(error: SpecError) -> str:
    """Return the line that both ends print: place: problem: value; what to do; allowed: what is right."""
    return f"{error.path}: {describe(error)}" if error.path else describe(error)


def describe(error: SpecError) -> str:
    """Return the line without its place."""
    text = error.detail
    if error.value is not None:
        text += f": {show(error.value)}"
    if error.fix:
        text += f"; {error.fix}"
    if error.spelling:
        text += f': write "{error.spelling}"'
    if error.allowed:
        text += f"{' ' if error.fix.endswith('?') else '; '}allowed: {error.allowed}"
    return text


def show(value: object, *, longest: int = SHOWN_VALUE_MAX) -> str:
    """Return a JSON value as it is quoted in messages: one line, ASCII quotes, a text shortened to `longest`."""
    if isinstance(value, str):
        text = f'"{_show_characters(value[: longest + 1])}"'
        return text if len(text) <= longest else text[: longest - 4] + '..."'
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _show_number(value)


def _show_number(value: object) -> str:
    """NB: `str` of a huge int raises ValueError (CVE-2020-10735 limit), so its size is shown instead."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    return str(value)


def _show_characters(text: str) -> str:
    """Keep printable characters; escape quotes, controls, surrogates and invisible ones."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(map(_show_character, text))


def _show_character(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else f"\\u{ord(char):04x}"
