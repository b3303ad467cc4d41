"""The JSON Patch from one document to another, and its application (RFC 6902; pointers: RFC 6901).

    pointer = *( "/" token )          ; RFC 6901 §3: in a token, "~1" means "/" and "~0" means "~"

Only the operations that `diff` makes are known: add, remove and replace; in a list, add appends. Documents are JSON
values of Python's `json` and never change: `apply` copies each object and list on the operations' way once, and shares
the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any

from cniplugin.netspec.record import mypyc_attr
from webhook.admission.model.requests import Operation

BEHIND_THE_LAST = "-"


@mypyc_attr(native_class=False)
class PatchError(ValueError):
    """A patch does not apply to a document."""


def render_pointer(tokens: Sequence[str]) -> str:
    """Return the pointer of tokens; "" for the whole document. `~` is escaped before `/` (§3)."""
    return "".join(f"/{_token(token)}" for token in tokens)


def _token(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")


def parse_pointer(text: str) -> list[str]:
    """Return the tokens of a pointer that `render_pointer` made. `~1` is unescaped before `~0` (§4)."""
    return [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]]


_ABSENT = object()
"""The value of an absent member."""


def equal(one: object, other: object) -> bool:
    """Say whether two JSON values are equal (§4.6): true is not a number, and the order of members does not count.

    NB: documents share most of their values, and identical values need no comparison.
    """
    if one is other:
        return True
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        if len(one) != len(other):
            return False
        differing = [key for key, value in one.items() if other.get(key, _ABSENT) is not value]
        return all(key in other and equal(one[key], other[key]) for key in differing)
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return False
        return all(map(is_, one, other)) or all(map(equal, one, other))
    return one == other


# Application


class _Draft:
    """A changing document. It changes its own copies in place, and copies parts that it shares with the original."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._own: dict[int, Any] = {}

    def change(self, operation: Operation) -> None:
        """Carry out one operation."""
        tokens = parse_pointer(operation["path"])
        if not tokens:
            self.document = operation["value"]
            return
        self.document = parent = self._owned(self.document)
        for token in tokens[:-1]:
            key = token if isinstance(parent, dict) else int(token)
            child = self._owned(parent[key])
            parent[key] = child
            parent = child
        is_list, last = isinstance(parent, list), tokens[-1]
        if is_list and operation["op"] == "add":
            parent.append(operation["value"])
        elif operation["op"] == "remove":
            del parent[int(last) if is_list else last]
        else:
            parent[int(last) if is_list else last] = operation["value"]

    def _owned(self, value: Any) -> Any:
        if not isinstance(value, dict | list) or id(value) in self._own:
            return value
        made = value.copy()
        self._own[id(made)] = made  # kept alive, so no other value gets its id
        return made


def apply(operations: Sequence[Operation], document: Any) -> Any:
    """Return the document after all operations of `diff`, in order (§5). Raises PatchError if one does not apply."""
    draft = _Draft(document)
    for operation in operations:
        try:
            draft.change(operation)
        except (LookupError, TypeError, ValueError) as error:
            raise PatchError(f"the patch does not apply at {operation['path']}") from error
    return draft.document


# Difference


def diff(before: Any, after: Any) -> list[Operation]:
    """Return the operations that turn one document into the other; [] if they are equal.

    They change the deepest places that differ, in the order of the documents: first members that are removed, then
    members in the order of `after`; in a list the items from the first on, then removals from the end or additions at
    the end. Identical objects are not compared.
    """
    found: list[Operation] = []
    if before is not after:
        _add_differences(before, after, "", found)
    return found


def _add_differences(before: Any, after: Any, path: str, found: list[Operation]) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        if not before.keys() <= after.keys():
            found.extend({"op": "remove", "path": f"{path}/{_token(key)}"} for key in before if key not in after)
        for key, value in after.items():
            known = before.get(key, _ABSENT)
            if known is value:
                continue
            inner = f"{path}/{_token(key) if '/' in key or '~' in key else key}"
            if known is _ABSENT:
                found.append({"op": "add", "path": inner, "value": value})
            else:
                _add_differences(known, value, inner, found)
    elif isinstance(before, list) and isinstance(after, list):
        _add_item_differences(before, after, path, found)
    elif not equal(before, after):
        found.append({"op": "replace", "path": path, "value": after})


def _add_item_differences(before: list[Any], after: list[Any], path: str, found: list[Operation]) -> None:
    if not all(map(is_, before, after)):
        for index, (old, new) in enumerate(zip(before, after, strict=False)):
            if old is not new:
                _add_differences(old, new, f"{path}/{index}", found)
    if len(before) > len(after):
        found.extend(
            {"op": "remove", "path": f"{path}/{index}"} for index in range(len(before) - 1, len(after) - 1, -1)
        )
    elif len(before) < len(after):
        found.extend(
            [{"op": "add", "path": f"{path}/{BEHIND_THE_LAST}", "value": value} for value in after[len(before) :]]
        )
