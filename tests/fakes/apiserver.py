"""The API server of the conformance suite, which the other tests use too."""

from __future__ import annotations

from conformance.rig.apiserver import (
    CUT,
    DROP,
    METADATA_ONLY,
    RAW,
    SELECTED,
    Answer,
    ApiServer,
    Request,
    Watch,
    failure,
    status,
)

__all__ = [
    "CUT",
    "DROP",
    "METADATA_ONLY",
    "RAW",
    "SELECTED",
    "Answer",
    "ApiServer",
    "Request",
    "Watch",
    "failure",
    "status",
]
