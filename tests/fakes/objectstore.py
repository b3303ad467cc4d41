"""The objects of the conformance suite's API server, which the other tests use too."""

from __future__ import annotations

from conformance.rig.objectstore import (
    CONFIGS,
    JSON_PATCH,
    NAMESPACES,
    NETWORKS,
    PATHS,
    PATIENCE_S,
    PODS,
    POLICIES,
    Line,
    Object,
    ObjectStore,
    Place,
    RefusedError,
    apply_patch,
    locate,
    merge,
    place_of,
)

__all__ = [
    "CONFIGS",
    "JSON_PATCH",
    "NAMESPACES",
    "NETWORKS",
    "PATHS",
    "PATIENCE_S",
    "PODS",
    "POLICIES",
    "Line",
    "Object",
    "ObjectStore",
    "Place",
    "RefusedError",
    "apply_patch",
    "locate",
    "merge",
    "place_of",
]
