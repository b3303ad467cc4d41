"""`nadmit serve --cluster --write-status` as a process, against the in-process API server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.process import serving
from tests.fakes.objects import namespace, policy, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, POLICIES

from .statusserver import StatusServer

pytestmark = pytest.mark.slow
DENY = {"name": "no", "action": "Deny"}


def test_it_writes_counts_and_gives_the_lease_back(tmp_path: Path) -> None:
    with StatusServer() as api:
        api.put(NAMESPACES, namespace("team-a"))
        api.put(POLICIES, policy("a", DENY), policy("b", {**DENY, "action": "?"}))
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        options = ("--kubeconfig", str(kubeconfig), "--write-status", "--namespace", "nadmit-system")
        with serving(tmp_path / "certs", *options, manifests=None) as server:
            api.wait(lambda: len(api.statuses()) == 2)
            metrics = server.get("/metrics")[1]
        assert api.holder == ""
    assert server.process.returncode == 0
    assert "nadmit_status_writer 1.0" in metrics
    assert re.search(r'nadmit_status_writes_total\{result="ok",what="event"\} 3.0', metrics)
    assert "status: this replica writes the status of policies" in server.errors


def test_without_the_option_nothing_is_written(tmp_path: Path) -> None:
    with StatusServer() as api:
        api.put(POLICIES, policy("a", DENY))
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        with serving(tmp_path / "certs", "--kubeconfig", str(kubeconfig), manifests=None) as server:
            api.wait(lambda: api.watches[POLICIES] == 1)
            assert "nadmit_status_writer" not in server.get("/metrics")[1]
    assert api.written() == []
