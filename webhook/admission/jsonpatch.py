"""JSON Patch: apply one, and make the one between two documents (RFC 6902; pointers and their escapes: RFC 6901).

    pointer = *( "/" token )          ; RFC 6901 §3: "~1" in a token stands for "/", "~0" for "~"
    index   = "0" / ( "1"-"9" *DIGIT ) ; RFC 6901 §4, ASCII; "-" is the place behind the last item

Documents are JSON values of Python's `json` and are never changed: `apply` copies what is on an operation's way and
shares the rest. Where the standard leaves a choice: the whole document cannot be removed; members that an operation
does not define are ignored, as §4 asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cniplugin.netspec.errors import show
from webhook.admission.model import Operation

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


def equal(one: object, other: object) -> bool:
    """Say whether two JSON values are equal: true is no number, the order of an object's members does not count."""
    if one is other:
        return True
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(key in other and equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


# Applying


def apply(operations: object, document: Any) -> Any:
    """Return the document after all operations, in order (§5). Raises PatchError, and nothing has happened then."""
    if not isinstance(operations, list):
        raise PatchError(f"a patch is a list of operations: {show(operations)}")
    for position, operation in enumerate(operations):
        try:
            document = _apply_one(operation, document)
        except PatchError as problem:
            raise PatchError(f"operation [{position}]: {problem}") from None
    return document


def _apply_one(operation: object, document: Any) -> Any:
    if not isinstance(operation, dict):
        raise PatchError(f"an operation is an object: {show(operation)}")
    name = operation.get("op")
    if not isinstance(name, str) or name not in _OPERATIONS:
        raise PatchError(f"unknown op: {show(name)}; allowed: {', '.join(_OPERATIONS)}")
    return _OPERATIONS[name](operation, document)


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


Change = Callable[[Any, str], Any]
"""(parent, last token) -> the parent as it becomes; the given one stays as it is."""


def _at(document: Any, tokens: Tokens, change: Change) -> Any:
    """Return the document with one parent changed; what is on the way is copied."""
    *way, last = tokens
    parents = [document]
    for token in way:
        parents.append(_child(parents[-1], token))
    changed = change(parents[-1], last)
    for parent, token in zip(reversed(parents[:-1]), reversed(way), strict=True):
        changed = _put(parent, token, changed)
    return changed


def _put(parent: Any, token: str, value: Any) -> Any:
    """Return a parent with another value at a place that it has."""
    _child(parent, token)
    if isinstance(parent, dict):
        return {**parent, token: value}
    index = _index(token, len(parent))
    return [*parent[:index], value, *parent[index + 1 :]]


def _insert(parent: Any, token: str, value: Any) -> Any:
    """Return a parent with a value added: a member, or an item before the one that stands there (§4.1)."""
    if isinstance(parent, dict):
        return {**parent, token: value}
    if isinstance(parent, list):
        index = len(parent) if token == BEHIND_THE_LAST else _index(token, len(parent) + 1)
        return [*parent[:index], value, *parent[index:]]
    raise PatchError(f"nothing can be added to {show(parent)}: {show(token)}")


def _without(parent: Any, token: str) -> Any:
    _child(parent, token)
    if isinstance(parent, dict):
        return {key: value for key, value in parent.items() if key != token}
    index = _index(token, len(parent))
    return [*parent[:index], *parent[index + 1 :]]


def _place(document: Any, tokens: Tokens, value: Any) -> Any:
    if not tokens:
        return value
    return _at(document, tokens, lambda parent, token: _insert(parent, token, value))


def _take(document: Any, tokens: Tokens) -> Any:
    if not tokens:
        raise PatchError("the whole document cannot be removed")
    return _at(document, tokens, _without)


def _add(operation: Mapping[str, Any], document: Any) -> Any:
    return _place(document, _pointer(operation, "path"), _value(operation))


def _remove(operation: Mapping[str, Any], document: Any) -> Any:
    return _take(document, _pointer(operation, "path"))


def _replace(operation: Mapping[str, Any], document: Any) -> Any:
    tokens, value = _pointer(operation, "path"), _value(operation)
    if not tokens:
        return value
    return _at(document, tokens, lambda parent, token: _put(parent, token, value))


def _move(operation: Mapping[str, Any], document: Any) -> Any:
    tokens, source = _pointer(operation, "path"), _pointer(operation, "from")
    value = _get(document, source)
    if tokens == source:
        return document
    if tokens[: len(source)] == source:
        raise PatchError("a value cannot be moved into itself (§4.4)")
    return _place(_take(document, source), tokens, value)


def _copy(operation: Mapping[str, Any], document: Any) -> Any:
    tokens = _pointer(operation, "path")
    return _place(document, tokens, _get(document, _pointer(operation, "from")))


def _test(operation: Mapping[str, Any], document: Any) -> Any:
    tokens, value = _pointer(operation, "path"), _value(operation)
    found = _get(document, tokens)
    if not equal(found, value):
        raise PatchError(f"{show(operation['path'])} is {show(found)}, not {show(value)}")
    return document


_OPERATIONS: dict[str, Callable[[Mapping[str, Any], Any], Any]] = {
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
    for key in before:
        if key not in after:
            yield {"op": "remove", "path": render_pointer((*tokens, key))}
    for key, value in after.items():
        if key in before:
            yield from _differences(before[key], value, (*tokens, key))
        else:
            yield {"op": "add", "path": render_pointer((*tokens, key)), "value": value}


def _item_differences(before: list[Any], after: list[Any], tokens: Tokens) -> Iterator[Operation]:
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        yield from _differences(old, new, (*tokens, str(index)))
    for index in range(len(before) - 1, len(after) - 1, -1):
        yield {"op": "remove", "path": render_pointer((*tokens, str(index)))}
    for value in after[len(before) :]:
        yield {"op": "add", "path": render_pointer((*tokens, BEHIND_THE_LAST)), "value": value}
