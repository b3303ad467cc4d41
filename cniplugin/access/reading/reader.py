"""Reads plain JSON objects by a table of keys, each with one reader. Mistakes become SpecErrors; nothing is raised.

A field with a mistake is left out of the result, and the object is not sound: the code that makes a rule of it decides
what that means (a Deny gets broader, an Allow accepts nothing). null is an absent key, as in Kubernetes.
"""

from __future__ import annotations

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.jsontext import join
from cniplugin.netspec.names import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Read = Callable[["Reader", object, str], Any]

SECTION = "access policy, Kinds"

PROBLEMS_MAX = 5_000
"""Problems of one object that are kept: a policy's status lists those of each of its 128 rules of 32 entries."""

NEAR_MAX = 20
"""Unknown keys of one object that are compared with the known ones; each takes 0.1 ms."""


class Reader:
    """One pass over one object; `problems` are in input order."""

    def __init__(self) -> None:
        self.problems: list[SpecError] = []
        self.count = 0
        """The number of problems, including those that are not kept."""

    def add(self, path: str, detail: str, *, value: object = None, allowed: str = "", fix: str = "") -> None:
        """Add a problem; the first PROBLEMS_MAX are kept."""
        self.count += 1
        if self.count > PROBLEMS_MAX:
            return
        self.problems.append(
            SpecError(
                rule="policy-field",
                path=whole(path),
                value=value,
                detail=detail,
                allowed=allowed,
                fix=fix,
                section=SECTION,
            )
        )

    def sound(self, read: Read, value: object, path: str) -> tuple[Any, bool]:
        """Return the value that a reader makes of a JSON value, and whether it had no problem."""
        before = self.count
        result = read(self, value, path)
        return result, self.count == before

    def members(self, value: object, path: str, readers: Mapping[str, Read]) -> tuple[dict[str, Any], bool]:
        """Return the sound fields of an object by key, and whether all of it is sound."""
        if not isinstance(value, dict):
            self.add(path, "it is missing" if value is None else "wrong JSON type", value=value, allowed="an object")
            return {}, False
        fields: dict[str, Any] = {}
        is_sound = True
        for key, member in value.items():
            if member is None:
                continue
            where = join(path, key) if path else key
            read = readers.get(key)
            if read is None:
                self._add_unknown(key, where, readers)
                is_sound = False
                continue
            field, is_fine = self.sound(read, member, where)
            if is_fine:
                fields[key] = field
            is_sound = is_sound and is_fine
        return fields, is_sound

    def _add_unknown(self, key: str, path: str, known: Iterable[str]) -> None:
        names = list(known)
        near = nearest(key, names) if self.count < NEAR_MAX else None
        fix = f'did you mean "{near}"?' if near else ""
        self.add(path, "unknown key", fix=fix, allowed=", ".join(names) or "no key")

    def items(self, value: object, path: str, *, limit: int, least: int = 0) -> list[tuple[object, str]]:
        """Return the items of a list with their paths; [] if it is not a list, or is too long or too short."""
        if not isinstance(value, list):
            self.add(path, "wrong JSON type", value=value, allowed="a list")
            return []
        if not least <= len(value) <= limit:
            count = f"{len(value)} items" if value else "the list is empty"
            allowed = f"{least} to {limit} items"
            self.add(path, count, allowed=allowed, fix="" if value else "leave the key out for no restriction")
            return []
        return [(item, f"{path}[{index}]") for index, item in enumerate(value)]


def text(*, longest: int, is_right: Callable[[str], object] = lambda _text: True, allowed: str = "") -> Read:
    """Return a reader of a string."""

    def read(reader: Reader, value: object, path: str) -> str:
        if not isinstance(value, str):
            reader.add(path, "wrong JSON type", value=value, allowed="a string")
            return ""
        if len(value) > longest:
            reader.add(path, f"{len(value)} characters", allowed=f"at most {longest}")
        elif whole(value) != value:
            reader.add(path, "half a character (a lone surrogate) cannot be printed", value=value)
        elif not is_right(value):
            reader.add(path, "this value is not allowed", value=value, allowed=allowed)
        return value

    return read


def whole(text: str) -> str:
    """Return a text that can be encoded. JSON can escape half a character, which the API server also replaces."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def choice(*values: str) -> Read:
    """Return a reader of one of some words."""

    def read(reader: Reader, value: object, path: str) -> object:
        if value not in values:
            fix = ""
            if isinstance(value, str) and (near := nearest(value, values)):
                fix = f'did you mean "{near}"?'
            reader.add(path, "this value is not allowed", value=value, allowed=", ".join(values), fix=fix)
        return value

    return read


def texts(*, most: int, least: int = 0, item: Read, is_set: bool = True) -> Read:
    """Return a reader of a list of strings. A set may list each of them once."""

    def read(reader: Reader, value: object, path: str) -> tuple[str, ...]:
        items = reader.items(value, path, limit=most, least=least)
        read_items = tuple(item(reader, one, where) for one, where in items)
        seen: set[str] = set()
        for one, where in items if is_set else ():
            if isinstance(one, str) and one in seen:
                reader.add(where, "it is listed twice", value=one, fix="remove one of them")
            elif isinstance(one, str):
                seen.add(one)
        return read_items

    return read


def flag(reader: Reader, value: object, path: str) -> object:
    """Read true or false."""
    if not isinstance(value, bool):
        reader.add(path, "wrong JSON type", value=value, allowed="true or false")
    return value


def integer(*, least: int, most: int) -> Read:
    """Return a reader of a whole number."""

    def read(reader: Reader, value: object, path: str) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            reader.add(path, "this value is not allowed", value=value, allowed=f"a whole number, {least} to {most}")
        return value

    return read
