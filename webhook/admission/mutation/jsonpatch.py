"""JSON Patch: apply one, and make the one between two documents (RFC 6902; pointers and their escapes: RFC 6901).

    pointer = *( "/" token )          ; RFC 6901 §3: "~1" in a token stands for "/", "~0" for "~"
    index   = "0" / ( "1"-"9" *DIGIT ) ; RFC 6901 §4, ASCII; "-" is the place behind the last item

Documents are JSON values of Python's `json` and are never changed: `apply` copies what is on the operations' way, once
for all of them, and shares the rest. Where the standard leaves a choice: the whole document cannot be removed; members
that an operation does not define are ignored, as §4 asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any

from cniplugin.netspec.errors import show
from webhook.admission.model.requests import Operation

Tokens = tuple[str, ...]
BEHIND_THE_LAST = "-"


class PatchError(ValueError):
    """A patch or pointer that is none, or a patch that does not apply: `apply` names the operation by its position."""


# Pointers, RFC 6901


def render_pointer(tokens: Sequence[str]) -> str:
    """Return the pointer of tokens; "" for the whole document. `~` is escaped before `/` (§3)."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def parse_pointer(text: str) -> Tokens:
    """Return the tokens of a pointer. Raises PatchError for a text that is none."""
    if not text:
        return ()
    if not text.startswith("/"):
        raise PatchError(f"a pointer starts with '/': {show(text)}")
    return tuple(_unescape(token) for token in text[1:].split("/"))


def _unescape(token: str) -> str:
    first, *others = token.split("~")
    if any(part[:1] not in {"0", "1"} for part in others):
        raise PatchError(f"'~' stands before 0 or 1 only: {show(token)}")
    return first + "".join(("~" if part[0] == "0" else "/") + part[1:] for part in others)


# Equality, RFC 6902 §4.6

_ABSENT = object()
"""The value of a member that is not there. NB: documents share most of what they hold, which need not be compared."""


def equal(one: object, other: object) -> bool:
    """Say whether two JSON values are equal: true is no number, the order of an object's members does not count."""
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


# Applying


class _Draft:
    """A document in the making. What it has copied it changes in place; what it has not is somebody else's."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._own: dict[int, Any] = {}

    def parent(self, tokens: Tokens) -> Any:
        """Return the parent of a place, to be changed."""
        self.document = here = self._owned(self.document)
        for token in tokens[:-1]:
            child = self._owned(_child(here, token))
            here[token if isinstance(here, dict) else int(token)] = child
            here = child
        return here

    def _owned(self, value: Any) -> Any:
        if not isinstance(value, dict | list) or id(value) in self._own:
            return value
        made = value.copy()
        self._own[id(made)] = made  # kept, so that no other value gets its id
        return made

    def disown(self) -> None:
        """Take everything for somebody else's: a value may be in two places now."""
        self._own.clear()


def apply(operations: object, document: Any) -> Any:
    """Return the document after all operations, in order (§5). Raises PatchError, and nothing has happened then.

    Each object and list on the way is copied once, however many operations change it.
    """
    if not isinstance(operations, list):
        raise PatchError(f"a patch is a list of operations: {show(operations)}")
    draft = _Draft(document)
    for position, operation in enumerate(operations):
        try:
            _apply_one(operation, draft)
        except PatchError as problem:
            raise PatchError(f"operation [{position}]: {problem}") from None
    return draft.document


def _apply_one(operation: object, draft: _Draft) -> None:
    if not isinstance(operation, dict):
        raise PatchError(f"an operation is an object: {show(operation)}")
    name = operation.get("op")
    if not isinstance(name, str) or name not in _OPERATIONS:
        raise PatchError(f"unknown op: {show(name)}; allowed: {', '.join(_OPERATIONS)}")
    _OPERATIONS[name](operation, draft)


def _pointer(operation: Mapping[str, Any], member: str) -> Tokens:
    text = operation.get(member)
    if not isinstance(text, str):
        raise PatchError(f'"{member}" is not a pointer: {show(text)}')
    return parse_pointer(text)


def _value(operation: Mapping[str, Any]) -> Any:
    if "value" not in operation:
        raise PatchError('"value" is missing')
    return operation["value"]


def _index(token: str, length: int) -> int:
    """Return the index that a token is, below `length`. NB: `int` reads more than the standard's digits."""
    if not (token.isascii() and token.isdigit()) or (len(token) > 1 and token[0] == "0"):
        raise PatchError(f"this is no index of a list: {show(token)}")
    if len(token) > len(str(length)) or int(token) >= length:
        raise PatchError(f"the list ends before {show(token)}")
    return int(token)


def _child(parent: Any, token: str) -> Any:
    if isinstance(parent, dict):
        if token not in parent:
            raise PatchError(f"there is no member {show(token)}")
        return parent[token]
    if isinstance(parent, list):
        return parent[_index(token, len(parent))]
    raise PatchError(f"there is nothing below {show(parent)}: {show(token)}")


def _get(document: Any, tokens: Tokens) -> Any:
    for token in tokens:
        document = _child(document, token)
    return document


def _place(draft: _Draft, tokens: Tokens, value: Any) -> None:
    """Add a value: a member, or an item before the one that is there (§4.1)."""
    if not tokens:
        draft.document = value
        return
    parent, token = draft.parent(tokens), tokens[-1]
    if isinstance(parent, dict):
        parent[token] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if token == BEHIND_THE_LAST else _index(token, len(parent) + 1), value)
    else:
        raise PatchError(f"nothing can be added to {show(parent)}: {show(token)}")


def _take(draft: _Draft, tokens: Tokens) -> None:
    if not tokens:
        raise PatchError("the whole document cannot be removed")
    parent, token = draft.parent(tokens), tokens[-1]
    _child(parent, token)
    del parent[token if isinstance(parent, dict) else int(token)]


def _add(operation: Mapping[str, Any], draft: _Draft) -> None:
    _place(draft, _pointer(operation, "path"), _value(operation))


def _remove(operation: Mapping[str, Any], draft: _Draft) -> None:
    _take(draft, _pointer(operation, "path"))


def _replace(operation: Mapping[str, Any], draft: _Draft) -> None:
    tokens, value = _pointer(operation, "path"), _value(operation)
    if not tokens:
        draft.document = value
        return
    parent, token = draft.parent(tokens), tokens[-1]
    _child(parent, token)
    parent[token if isinstance(parent, dict) else int(token)] = value


def _move(operation: Mapping[str, Any], draft: _Draft) -> None:
    tokens, source = _pointer(operation, "path"), _pointer(operation, "from")
    value = _get(draft.document, source)
    if tokens == source:
        return
    if tokens[: len(source)] == source:
        raise PatchError("a value cannot be moved into itself (§4.4)")
    _take(draft, source)
    _place(draft, tokens, value)


def _copy(operation: Mapping[str, Any], draft: _Draft) -> None:
    tokens = _pointer(operation, "path")
    _place(draft, tokens, _get(draft.document, _pointer(operation, "from")))
    draft.disown()


def _test(operation: Mapping[str, Any], draft: _Draft) -> None:
    tokens, value = _pointer(operation, "path"), _value(operation)
    found = _get(draft.document, tokens)
    if not equal(found, value):
        raise PatchError(f"{show(operation['path'])} is {show(found)}, not {show(value)}")


_OPERATIONS: dict[str, Callable[[Mapping[str, Any], _Draft], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


# Making a patch


def diff(before: Any, after: Any) -> list[Operation]:
    """Return the operations that turn one document into the other; [] if they are equal.

    Only add, remove and replace, at the deepest place that differs. The order is that of the documents: members that
    go, then members as `after` has them; items of a list from the first, what goes from the end, what comes at `-`.
    What the documents share as objects is not looked at.
    """
    return list(_differences(before, after, ()))


def _differences(before: Any, after: Any, tokens: Tokens) -> Iterator[Operation]:
    if before is after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _member_differences(before, after, tokens)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _item_differences(before, after, tokens)
    elif not equal(before, after):
        yield {"op": "replace", "path": render_pointer(tokens), "value": after}


def _member_differences(before: dict[str, Any], after: dict[str, Any], tokens: Tokens) -> Iterator[Operation]:
    for key in [key for key in before if key not in after]:
        yield {"op": "remove", "path": render_pointer((*tokens, key))}
    for key in [key for key, value in after.items() if before.get(key, _ABSENT) is not value]:
        if key in before:
            yield from _differences(before[key], after[key], (*tokens, key))
        else:
            yield {"op": "add", "path": render_pointer((*tokens, key)), "value": after[key]}


def _item_differences(before: list[Any], after: list[Any], tokens: Tokens) -> Iterator[Operation]:
    if not all(map(is_, before, after)):
        for index, (old, new) in enumerate(zip(before, after, strict=False)):
            if old is not new:
                yield from _differences(old, new, (*tokens, str(index)))
    for index in range(len(before) - 1, len(after) - 1, -1):
        yield {"op": "remove", "path": render_pointer((*tokens, str(index)))}
    for value in after[len(before) :]:
        yield {"op": "add", "path": render_pointer((*tokens, BEHIND_THE_LAST)), "value": value}
