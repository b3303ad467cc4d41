"""Two idle replicas with everything switched on: what they ask the API server for, counted."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.process import Served, serving
from tests.fakes.apiserver import ApiServer, Request
from tests.fakes.installed import HOOKS, LEASES, SECRETS, install, is_registered, options
from tests.fakes.objects import write_kubeconfig
from tests.fakes.waiting import wait_until

pytestmark = pytest.mark.slow
WINDOW_S = 20.0
REQUESTS_MAX = 10
"""30 a minute. The leader renews the Lease each 5 s, and each replica reads the Secret each 45 s."""
VALIDATING = f"{HOOKS}/validatingwebhookconfigurations/nadmit"


def kinds(requests: list[Request]) -> Counter[str]:
    return Counter(f"{request.method} {request.path.rpartition('/')[2]}" for request in requests)


def test_two_idle_replicas(tmp_path: Path) -> None:
    with ApiServer() as api:
        install(api)
        more = options(write_kubeconfig(tmp_path / "kubeconfig", api.url))
        with (
            serving(tmp_path / "a", *more, manifests=None) as one,
            serving(tmp_path / "b", *more, manifests=None) as two,
        ):
            for replica in (one, two):
                wait_until(partial(is_ready, replica))
            wait_until(lambda: is_registered(api))
            wait_until(lambda: is_quiet(api), lambda: kinds(api.requests))
            before = len(api.requests)
            time.sleep(WINDOW_S)
            idle = api.requests[before:]
            assert len(idle) <= REQUESTS_MAX, kinds(idle)
            assert {request.path for request in idle} <= {f"{LEASES}/nadmit-status", f"{SECRETS}/nadmit-tls"}
            before = len(api.requests)
            api.modify(VALIDATING, lambda value: value["webhooks"][0].update(failurePolicy="Ignore", timeoutSeconds=7))
            wait_until(lambda: api.get(VALIDATING)["webhooks"][0]["timeoutSeconds"] != 7, within_s=5)
    assert one.process.returncode == two.process.returncode == 0, (one.errors, two.errors)


def is_ready(replica: Served) -> bool:
    return replica.get("/readyz")[0] == 200


def is_quiet(api: ApiServer) -> bool:
    """Say whether nothing but the Lease was asked for in the last 12 s: new tokens settle for a minute."""
    api.bookmark_all()
    before = len(api.requests)
    time.sleep(12)
    return {request.path for request in api.requests[before:]} <= {f"{LEASES}/nadmit-status"}
