"""The kinds: their CustomResourceDefinitions are installed, served, and as this version of the program knows them.

`_kinds.json` has the fields and the permitted values of manifests/crds. A test compares both, and writes the file
(`make golden`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cniplugin.netspec.netattachdef import GROUP as NETWORK_GROUP
from webhook.kube.apierrors import ForbiddenError
from webhook.kube.resources import ObjectPath, Resource

from .asking import CRDS, Asking
from .results import Result, error, listed, ok, unknown, warning

CHECK = "kinds"
APPLY = "kubectl apply -k manifests/crds"
KNOWN = Path(__file__).with_name("_kinds.json")

Object = dict[str, Any]


@cache
def known_kinds() -> dict[str, Object]:
    """Return version and fields of each kind, by the name of its CustomResourceDefinition."""
    kinds: dict[str, Object] = json.loads(KNOWN.read_bytes())
    return kinds


def check(asking: Asking) -> Iterator[Result]:
    """Compare each kind with the one that this program knows."""
    for name, known in known_kinds().items():
        try:
            definition = asking.get(ObjectPath(CRDS, "", name))
        except ForbiddenError as forbidden:
            yield _served(asking, name, known["version"], f"its schema was not compared: {forbidden.message}")
        else:
            yield from _compare(name, known, definition)


def check_served(asking: Asking) -> Iterator[Result]:
    """Ask only whether each kind is served, which needs no right on CustomResourceDefinitions."""
    for name, known in known_kinds().items():
        yield _served(asking, name, known["version"], "its schema is not compared here")


def _served(asking: Asking, name: str, version: str, remark: str) -> Result:
    plural, _, group = name.partition(".")
    try:
        is_served = asking.is_served(Resource(plural, group, version, plural))
    except ForbiddenError as forbidden:
        return unknown(CHECK, f"{name}: {forbidden}")
    if is_served:
        return ok(CHECK, f"{name}: {version} is served; {remark}")
    return error(CHECK, f"{name}: {version} is not served", APPLY)


def _compare(name: str, known: Object, definition: Object | None) -> Iterator[Result]:
    version = known["version"]
    if definition is None:
        yield error(CHECK, f"{name}: not installed", APPLY)
        return
    served = {one["name"]: one for one in definition["spec"]["versions"] if one.get("served")}
    if version not in served:
        names = listed(sorted(served)) or "nothing"
        yield error(CHECK, f"{name}: {version} is not served, but {names}; this program reads {version}", APPLY)
        return
    conditions = {one["type"]: one for one in (definition.get("status") or {}).get("conditions") or ()}
    established = conditions.get("Established", {})
    if established.get("status") != "True":
        reason = established.get("message") or "the API server has not accepted it yet"
        yield error(CHECK, f"{name}: not established: {reason}", f"kubectl describe crd {name}")
        return
    installed = fields_of((served[version].get("schema") or {}).get("openAPIV3Schema") or {})
    missing = sorted(field for field in known["fields"] if not _has(installed, field))
    more = sorted(installed - set(known["fields"]))
    if missing:
        yield error(
            CHECK, f"{name}: older than this program: without {listed(missing)}; the API server drops them", APPLY
        )
    elif more and not name.endswith(NETWORK_GROUP):
        yield warning(CHECK, f"{name}: newer than this program: it has {listed(more)} as well", "use the newer nadmit")
    else:
        yield ok(CHECK, f"{name}: {version}, as this program knows it")


def _has(installed: frozenset[str], field: str) -> bool:
    """Say whether a schema has a field, or keeps everything below a field above it."""
    if field in installed:
        return True
    parts = field.partition("=")[0].split(".")
    return any(".".join(parts[:end]) + ".*" in installed for end in range(len(parts)))


def fields_of(schema: Object, path: str = "") -> frozenset[str]:
    """Return the paths of a schema below `spec` and `status`, and their permitted values as `path=value`.

    `path.*` means that all fields below it are kept.
    """
    found: set[str] = set()
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        found.add(f"{path}.*")
    found.update(f"{path}={value}" for value in schema.get("enum") or ())
    for name, below in (schema.get("properties") or {}).items():
        if path or name in {"spec", "status"}:
            inner = f"{path}.{name}" if path else name
            found |= {inner, *fields_of(below, inner)}
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(key), dict):
            found |= fields_of(schema[key], path + mark)
    return frozenset(found)
