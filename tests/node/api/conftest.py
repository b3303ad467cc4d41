from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.node.api_server import nothing_left
from tests.realapi.server import RealApiServer

from .cluster import ACCOUNT, IN_PROCESS, REAL, Api, Cluster, RealCluster
from .world import REPO, Node, problem


@pytest.fixture(scope="session")
def bearer(real_api: RealApiServer) -> str:
    """A token of the account that our manifest describes."""
    for value in yaml.safe_load_all((REPO / "manifests" / "node" / "rbac.yaml").read_text()):
        real_api.put(value)
    return real_api.token_for(*ACCOUNT)


@pytest.fixture(params=[IN_PROCESS, REAL])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """An API server with pod blue/web-0: each test asks both, unless it is marked `misbehaving` or `genuine`."""
    if request.param == IN_PROCESS:
        with nothing_left(), Api(tmp_path) as server:
            yield server
    else:
        bearer = request.getfixturevalue("bearer")
        with nothing_left(), RealCluster(request.getfixturevalue("real_api"), bearer=bearer) as cluster:
            yield cluster


@pytest.fixture
def node(api: Cluster, tmp_path: Path) -> Iterator[Node]:
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
