"""A real API server of its own with manifests/ applied by kubectl, as an operator would: its session-wide sibling stays
as other tests expect it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from tests.manifests.rendered import KUBECTL, MANIFESTS
from tests.realapi.assets import HOW_TO, Assets, find_assets
from tests.realapi.server import RealApiServer

Object = dict[str, Any]


@contextmanager
def empty_server() -> Iterator[RealApiServer]:
    """Run a server with no more than every cluster has; without its programs the test is skipped."""
    assets = find_assets()
    if assets is None:
        pytest.skip(HOW_TO)
    with RealApiServer(Assets(assets.kube_apiserver, assets.etcd, KUBECTL)) as server:
        yield server


def apply(server: RealApiServer, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `kubectl apply -k` of a directory of manifests/."""
    return server.kubectl("apply", "-k", str(MANIFESTS / name), *words)


def apply_objects(server: RealApiServer, objects: Sequence[Object], *words: str) -> subprocess.CompletedProcess[str]:
    """Run `kubectl apply` of objects."""
    return server.kubectl("apply", "-f", "-", *words, stdin=yaml.safe_dump_all(objects))


def versions(server: RealApiServer, objects: Sequence[Object]) -> dict[str, str]:
    """Return the resourceVersion of each object: it changes with every write that changes anything."""
    return {path: str(server.must("GET", path)["metadata"]["resourceVersion"]) for path in map(server.path_of, objects)}
