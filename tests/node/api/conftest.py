from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.fakes.node_apiserver import nothing_left
from tests.realapi.server import RealApiServer

from .cluster import ACCESS, ACCOUNT, IN_PROCESS, REAL, Api, Cluster, RealCluster
from .world import REPO, Node, problem

ACCESS_CRDS = sorted((REPO / "manifests" / "crds").glob("networkattachmentpolic*.yaml"))


@pytest.fixture(scope="session")
def bearer(real_api: RealApiServer) -> str:
    """The token of the account in our manifest, with the kinds of the access rules installed."""
    for value in (each for path in ACCESS_CRDS for each in yaml.safe_load_all(path.read_text())):
        real_api.put(value)
    for path in ("networkattachmentpolicies", "networkattachmentpolicyconfigs"):
        wait_until_served(real_api, f"/apis/{ACCESS}/{path}")
    for value in yaml.safe_load_all((REPO / "manifests" / "node" / "rbac.yaml").read_text()):
        real_api.put(value)
    return real_api.token_for(*ACCOUNT)


def wait_until_served(server: RealApiServer, path: str, *, within_s: float = 30.0) -> None:
    """NB: for a moment after its installation, a kind is not found."""
    deadline = time.monotonic() + within_s
    while server.ask("GET", path).status != 200:
        assert time.monotonic() < deadline, path
        time.sleep(0.05)


@pytest.fixture(params=[IN_PROCESS, REAL])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """An API server with pod blue/web-0. Each test runs with both, unless it is marked `misbehaving` or `genuine`."""
    if request.param == IN_PROCESS:
        with nothing_left(), Api(tmp_path) as server:
            yield server
    else:
        bearer = request.getfixturevalue("bearer")
        with nothing_left(), RealCluster(request.getfixturevalue("real_api"), bearer=bearer) as cluster:
            yield cluster


@pytest.fixture
def node(api: Cluster, tmp_path: Path) -> Iterator[Node]:
    """A node. After each test, DEL must remove every trace of the pod without the API server."""
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
