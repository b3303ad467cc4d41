from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.api_server import nothing_left

from .world import Api, Node, problem


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with nothing_left(), Api(tmp_path) as server:
        server.put("/api/v1/namespaces/blue", {"metadata": {"name": "blue", "labels": {"team": "blue"}}})
        server.put_pod()
        yield server


@pytest.fixture
def node(api: Api, tmp_path: Path) -> Iterator[Node]:
    """A node, from which every test must be able to remove the pod without a trace, with the API server gone."""
    lacking = problem()
    if lacking:
        pytest.skip(lacking)
    made = Node(tmp_path, api)
    made.start()
    try:
        yield made
        (made.seen / "fail-DEL").unlink(missing_ok=True)
        made.delete(kubeconfig=None).expect()
        assert made.left() == []
    finally:
        made.stop()
