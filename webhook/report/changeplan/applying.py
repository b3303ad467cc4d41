"""What `kubectl apply` makes of an object that exists, and what that changes.

kubectl merges three texts: the object in the cluster, the file, and the file of the last time, which is in the
annotation LAST_APPLIED. A field goes away if the last file had it and the new one does not; a field that nobody applied
stays, such as a label that a controller has set. Lists are replaced, except in kinds of Kubernetes itself those whose
items have names, such as containers: each item is merged with the one of its name.

An object that no API server has stored is a file itself, and the new file takes its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cniplugin.netspec.jsontext import join
from cniplugin.netspec.netattachdef import KIND as NETWORK_KIND

Json = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_STORED = ("uid", "resourceVersion", "creationTimestamp")
"""What an API server writes into the metadata of each object."""

_BUILT_IN = frozenset({"", "apps", "batch"})
"""Groups of kinds of Kubernetes itself that have pods."""

CREATED, CHANGED, DELETED, SAME = "created", "changed", "deleted", "same"

FIELDS_MAX = 50
"""Fields of one object that are listed."""


class FieldChange(NamedTuple):
    """One field that changes. `before`, `after`: the value as JSON, "" for a field that is absent."""

    path: str
    before: str
    after: str


def apply(live: Mapping[str, Any] | None, written: Mapping[str, Any]) -> Json:
    """Return the object after `kubectl apply` of `written`; `live` is the object of the base, None without one."""
    if live is None or not is_stored(live):
        return dict(written)
    last = _read(_annotations(live).get(LAST_APPLIED))
    group = str(written["apiVersion"]).rpartition("/")[0]
    merged = _merge(live, written, last if isinstance(last, dict) else {}, by_name=group in _BUILT_IN)
    metadata = {**merged["metadata"], "annotations": {**_annotations(merged), LAST_APPLIED: json.dumps(written)}}
    return {**merged, "apiVersion": written["apiVersion"], "kind": written["kind"], "metadata": metadata}


def is_stored(one: Mapping[str, Any]) -> bool:
    """Say whether an API server has stored an object."""
    metadata = one.get("metadata")
    return isinstance(metadata, dict) and any(metadata.get(key) for key in _STORED)


def _merge(live: Mapping[str, Any], written: Mapping[str, Any], last: Mapping[str, Any], *, by_name: bool) -> Json:
    made = {key: value for key, value in live.items() if key in written or key not in last}
    for key, value in written.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = _merged(live.get(key), value, last.get(key), by_name=by_name)
    return made


def _merged(old: object, value: Any, before: object, *, by_name: bool) -> Any:
    if isinstance(value, dict) and isinstance(old, dict):
        return _merge(old, value, before if isinstance(before, dict) else {}, by_name=by_name)
    if not by_name or not (_have_names(value) and _have_names(old)):
        return value
    olds, befores = _by_name(old), _by_name(before if _have_names(before) else [])
    made = [_merged(olds.get(one["name"]), one, befores.get(one["name"]), by_name=True) for one in value]
    written = _by_name(value)
    return [*made, *(one for name, one in olds.items() if name not in written and name not in befores)]


def _have_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in value)


def _by_name(value: Any) -> dict[str, Json]:
    return {one["name"]: one for one in value}


def _annotations(one: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = one.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}


# What changes


def fields_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Return the fields that change, at most FIELDS_MAX; () if only the form of the text does.

    A configuration is compared as JSON, and bookkeeping of the API server does not count.
    """
    return differences(_content(before), _content(after))


def _content(one: Mapping[str, Any]) -> Json:
    metadata = one.get("metadata")
    kept: Json = {key: value for key, value in one.items() if key not in {"metadata", "status", "apiVersion", "kind"}}
    if isinstance(metadata, dict):
        texts = {key: value for key, value in _annotations(one).items() if key != LAST_APPLIED}
        named = {"labels": metadata.get("labels"), "annotations": texts}
        kept["metadata"] = {key: value for key, value in named.items() if value}
    spec = kept.get("spec")
    if one.get("kind") == NETWORK_KIND and isinstance(spec, dict):
        kept["spec"] = {**spec, "config": content_of(spec.get("config"))}
    return kept


def content_of(text: object) -> object:
    """Return the value of a configuration; the text itself if it cannot be read in one way only."""
    value = _read(text)
    return text if value is None else value


def _read(text: object) -> object:
    if not isinstance(text, str):
        return None
    try:
        value = json.loads(text, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError):
        return None
    return value if _is_shallow(value) else None


DEPTH_MAX = 64
"""Levels of a configuration that are compared; the standard's reader refuses deeper ones."""


def _is_shallow(value: object) -> bool:
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
        if not level:
            return True
    return False


def _unambiguous(pairs: list[tuple[str, object]]) -> Json:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError
    return made


def differences(before: object, after: object) -> tuple[FieldChange, ...]:
    """Return the leaves that differ between two values of JSON, in the order of their paths.

    A map or list that is empty on one side only is none of them: the leaves of the other side say it all.
    """
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    empty = {path for side in (old, new) for path, text in side.items() if text in _EMPTY}
    filled = empty.intersection((*_branches(before), *_branches(after))) if empty else empty
    paths = (path for path in dict.fromkeys((*old, *new)) if path not in filled)
    found = (FieldChange(path, old.get(path, ""), new.get(path, "")) for path in paths)
    return tuple(one for _, one in zip(range(FIELDS_MAX), _changed(found), strict=False))


_EMPTY = frozenset({"{}", "[]"})


def _branches(value: object, path: str = "") -> Iterator[str]:
    """Yield the path of each map and list that has something."""
    if isinstance(value, dict) and value:
        yield path
        for key, inner in value.items():
            yield from _branches(inner, join(path, str(key)))
    elif isinstance(value, list) and value:
        yield path
        for index, inner in enumerate(value):
            yield from _branches(inner, f"{path}[{index}]")


def _changed(fields: Iterable[FieldChange]) -> Iterator[FieldChange]:
    return (one for one in fields if one.before != one.after)


def _leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each leaf. An empty map or list is one: in a policy it may mean everything."""
    if isinstance(value, dict) and (value or not path):
        for key, inner in value.items():
            yield from _leaves(inner, join(path, str(key)))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, json.dumps(value, ensure_ascii=False)
