"""A new installation at a real API server: it judges everything, refuses nothing, lists it, and then refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cluster.rig.registered import (
    NAMESPACE,
    READ,
    REGISTER,
    account,
    cluster,
    create,
    hooks,
    is_in_order,
    network,
    pod,
    policies,
    registering,
    run_webhooks,
)
from tests.e2e.process import Served
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from webhook.cli import nadmit

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

MAP = "nadmit-would-refuse"
LIST = ("--system-namespace", NAMESPACE)
OF_THE_LIST = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [MAP], "verbs": ["get", "patch"]}
WARN = "apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfiguration\nobserve: {warnings: true}\n"


@pytest.fixture
def world(real_api: RealApiServer) -> Iterator[RealApiServer]:
    with cluster(real_api, stage="") as api:
        api.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MAP, "namespace": NAMESPACE}})
        yield api
        api.must("DELETE", f"/api/v1/namespaces/{NAMESPACE}/configmaps/{MAP}")


@pytest.fixture
def server(world: RealApiServer, tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "config.yaml").write_text(WARN)
    rights = account(world, [*READ, *REGISTER, OF_THE_LIST])
    given = ("--namespace", NAMESPACE, "--would-refuse-map", MAP, "--config", str(tmp_path / "config.yaml"))
    with registering(tmp_path / "certs", rights, *given) as served:
        wait_until(lambda: is_in_order(served))
        # The API server learns of its new webhooks by a watch; the first warning shows that it calls them.
        wait_until(lambda: "would be refused" in create(world, pod("probe", "none"), "--dry-run=server").stderr)
        yield served


def would_refuse(server: Served) -> str:
    return "".join(line for line in server.get("/metrics")[1].splitlines(True) if "nadmit_would_refuse_total{" in line)


def test_observe_then_refuse(world: RealApiServer, server: Served) -> None:
    assert {hook["clientConfig"]["url"].split("/")[4] for hook in hooks(world).values()} == {"observe"}
    bad = create(world, network("bad", plugin="../x"))
    assert (bad.returncode, "would be refused" in bad.stderr) == (0, True)
    missing = create(world, pod("missing", "nowhere"))
    assert (missing.returncode, "there is no NetworkAttachmentDefinition" in missing.stderr) == (0, True)
    assert create(world, network("lan")).returncode == 0
    wait_until(lambda: create(world, pod("good", "lan"), "--dry-run=server").stderr == "")
    assert 'rule="cni-type-path"' in would_refuse(server)
    assert (
        'nadmit_webhooks_stage{kind="ValidatingWebhookConfiguration",stage="Observe"} 1.0' in server.get("/metrics")[1]
    )

    refused = run_webhooks(world, "stage", "Fail", *LIST)
    assert (refused.exit_code, "the stage is Observe" in refused.output) == (1, True)
    status = run_webhooks(world, "status")
    assert (status.exit_code, status.stdout.splitlines()[-1].startswith("stage Observe: ")) == (0, True)

    done = run_webhooks(world, "stage", "Ignore", *LIST)
    assert (done.exit_code, done.output.splitlines()[-1]) == (
        0,
        "nadmit: stage Ignore, failurePolicy Ignore, for 17 webhooks (was Observe)",
    )
    began = time.monotonic()
    wait_until(lambda: create(world, pod("missing2", "nowhere"), "--dry-run=server").returncode == 1)
    assert time.monotonic() - began < 5, "the replica learns nothing; the API server calls another path"
    wait_until(lambda: is_in_order(server))
    assert set(policies(world).values()) == {"Ignore"}
    assert run_webhooks(world, "stage", "Fail", *LIST).exit_code == 0
    assert run_webhooks(world, "stage", "Observe", *LIST).exit_code == 0
    wait_until(lambda: create(world, pod("missing3", "nowhere")).returncode == 0)


def test_the_list_is_there_after_the_server_has_ended(world: RealApiServer, tmp_path: Path) -> None:
    rights = account(world, [*READ, *REGISTER, OF_THE_LIST])
    with registering(tmp_path / "certs", rights, "--namespace", NAMESPACE, "--would-refuse-map", MAP) as server:
        wait_until(lambda: is_in_order(server))

        def is_observed() -> bool:
            assert create(world, network("bad", plugin="../x"), "--dry-run=server").returncode == 0
            return bool(would_refuse(server))

        wait_until(is_observed)
        assert create(world, pod("missing", "nowhere")).returncode == 0
    listed = run_webhooks(world, "would-refuse", "-o", "json", *LIST)
    assert listed.exit_code == 0, listed.output
    (row,) = json.loads(listed.output)["rows"]
    assert (row["namespace"], row["kind"], row["name"], row["count"]) == (NAMESPACE, "Pod", "missing", 1)
    assert run_webhooks(world, "would-refuse", "-n", "other", *LIST).output == "nothing would have been refused\n"
    checked = CliRunner().invoke(nadmit, ["check", "--cluster", "--kubeconfig", str(world.admin_kubeconfig)])
    assert checked.exit_code == 1, checked.output
    assert f"cluster: error: pod {NAMESPACE}/missing: " in checked.stdout
    assert "not checked" not in checked.stderr
