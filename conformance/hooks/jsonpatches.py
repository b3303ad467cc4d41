"""JSON Patch as an API server applies it: RFC 6902, with the pointers of RFC 6901.

This is the judge of the profile `injection`, so it is strict: an operation that a processor could read in two ways, or
could not carry out, raises PatchError. Documents are JSON values of Python's `json`; `apply` changes none of them.

    patch     = [ *operation ]
    operation = { "op": add / remove / replace / move / copy / test, "path": pointer, "value" or "from": ... }
    pointer   = *( "/" token )                   ; "~1" means "/" and "~0" means "~" (RFC 6901 §3)
    index     = "0" / ( digit1-9 *digit ) / "-"  ; of an array (RFC 6901 §4); "-" only where something is added
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

NEEDS = {
    "add": "value",
    "replace": "value",
    "test": "value",
    "move": "from",
    "copy": "from",
    "remove": None,
}
"""The member that an operation has besides `op` and `path` (RFC 6902 §4)."""
_TOKEN = re.compile(r"(?:[^~/]|~[01])*")
_INDEX = re.compile(r"0|[1-9][0-9]*")


class PatchError(Exception):
    """A patch that an API server answers with an error."""


def tokens_of(pointer: object) -> list[str]:
    """Return the tokens of a pointer. Raises PatchError."""
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise PatchError(f"a pointer is a text that is empty or begins with '/': {pointer!r}")
    raw = pointer.split("/")[1:]
    if not all(_TOKEN.fullmatch(token) for token in raw):
        raise PatchError(f"'~' in a pointer is written ~0 (RFC 6901 §3): {pointer!r}")
    return [token.replace("~1", "/").replace("~0", "~") for token in raw]


def apply(patch: Sequence[Any], document: Any) -> Any:
    """Return the document after all operations, in order. Raises PatchError at the first that cannot be carried out."""
    result = copy.deepcopy(document)
    for number, operation in enumerate(patch):
        try:
            result = _apply_one(operation, result)
        except PatchError as error:
            raise PatchError(f"operation {number}, {operation!r:.300}: {error}") from error
    return result


def _apply_one(operation: Any, document: Any) -> Any:
    if not isinstance(operation, dict):
        raise PatchError("an operation is an object")
    name = operation.get("op")
    if name not in NEEDS:
        raise PatchError(f"op is one of {', '.join(NEEDS)}")
    needed = NEEDS[name]
    if needed is not None and needed not in operation:
        raise PatchError(f"{name} has the member {needed!r}")
    path = tokens_of(operation.get("path"))
    if needed == "from":
        return _transfer(name, document, tokens_of(operation["from"]), path)
    if name == "remove":
        return _remove(document, path)
    return _with_value(name, document, path, operation["value"])


def _with_value(name: str, document: Any, path: Sequence[str], value: Any) -> Any:
    if name == "add":
        return _put(document, path, value, is_new=True)
    known = _get(document, path)
    if name == "replace":
        return _put(document, path, value, is_new=False)
    if known != value:
        raise PatchError("the value differs")
    return document


def _transfer(name: str, document: Any, source: Sequence[str], path: Sequence[str]) -> Any:
    value = copy.deepcopy(_get(document, source))
    if name == "move":
        if path[: len(source)] == source and len(path) > len(source):
            raise PatchError("a value cannot move into itself (RFC 6902 §4.4)")
        document = _remove(document, source)
    return _put(document, path, value, is_new=True)


def _get(document: Any, path: Sequence[str]) -> Any:
    for token in path:
        document = document[_key(document, token)]
    return document


def _key(parent: Any, token: str, *, may_append: bool = False) -> Any:
    """Return the key or the index of an existing member; with `may_append` also that behind the last item."""
    if isinstance(parent, dict):
        if token not in parent and not may_append:
            raise PatchError(f"there is no member {token!r}")
        return token
    if not isinstance(parent, list):
        raise PatchError(f"{token!r} would be inside of {parent!r:.100}")
    if may_append and token == "-":  # noqa: S105 - a token of a pointer
        return len(parent)
    if not _INDEX.fullmatch(token) or int(token) >= len(parent) + may_append:
        raise PatchError(f"there is no item {token!r}: the list has {len(parent)}")
    return int(token)


def _put(document: Any, path: Sequence[str], value: Any, *, is_new: bool) -> Any:
    if not path:
        return copy.deepcopy(value)
    parent = _get(document, path[:-1])
    key = _key(parent, path[-1], may_append=is_new)
    if isinstance(parent, list) and is_new:
        parent.insert(key, copy.deepcopy(value))
    else:
        parent[key] = copy.deepcopy(value)
    return document


def _remove(document: Any, path: Sequence[str]) -> Any:
    if not path:
        raise PatchError("the whole document cannot go")
    parent = _get(document, path[:-1])
    del parent[_key(parent, path[-1])]
    return document
