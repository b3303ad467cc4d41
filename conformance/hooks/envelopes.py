"""The AdmissionReview around an object, as Kubernetes 1.36 sends it (k8s.io/api/admission/v1, types.go)."""

from __future__ import annotations

import copy
import json
import uuid
from typing import Any

from .samples import DEFINITION, POD, Kind, Object

API_VERSION = "admission.k8s.io/v1"
_ALICE = {"username": "alice", "uid": "alice", "groups": ["developers", "system:authenticated"]}


def kind_of(thing: Object) -> Kind:
    """Return the kind of an object of `samples`."""
    return POD if thing["kind"] == POD.kind else DEFINITION


def review(
    thing: Object | None,
    *,
    operation: str = "CREATE",
    old: Object | None = None,
    kind: Kind | None = None,
    **fields: Any,
) -> Object:
    """Return a review of an operation. `fields` replace those of its request."""
    about = thing if thing is not None else old
    if kind is None:
        assert about is not None, "a review without an object needs a kind"
        kind = kind_of(about)
    gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    gvr = {"group": kind.group, "version": kind.version, "resource": kind.resource}
    metadata = (about or {}).get("metadata") or {}
    request = {
        "uid": str(uuid.uuid4()),
        "kind": gvk,
        "resource": gvr,
        "requestKind": gvk,
        "requestResource": gvr,
        "name": metadata.get("name", ""),
        "namespace": metadata.get("namespace", ""),
        "operation": operation,
        "userInfo": _ALICE,
        "object": copy.deepcopy(thing),
        "oldObject": copy.deepcopy(old),
        "dryRun": False,
        "options": {"kind": f"{operation.title()}Options", "apiVersion": "meta.k8s.io/v1"},
    }
    if "subResource" in fields:
        fields = {"requestSubResource": fields["subResource"], **fields}
    return {"kind": "AdmissionReview", "apiVersion": API_VERSION, "request": request | fields}


def encode(value: object) -> bytes:
    """Return compact JSON in UTF-8, as Go writes it; lone surrogates stay escapes."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
