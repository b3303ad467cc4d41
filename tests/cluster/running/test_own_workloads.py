"""A kind that an admin describes in the configuration is registered and judged, and no more when it is taken out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.rig.foreignkinds import definition, installed, made
from tests.cluster.rig.registered import (
    NAMESPACE,
    NETWORKS,
    READ,
    REGISTER,
    Object,
    account,
    cluster,
    create,
    hooks,
    is_in_order,
    network,
    registering,
    run_webhooks,
)
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

DATABASE = ("example.com", "Database", "databases")
CONFIG = """
apiVersion: config.nadmit.io/v1alpha1
kind: NadmitConfiguration
workloads:
- group: example.com
  kind: Database
  templates:
  - "spec.shards[*].template"
"""


def database(networks: str) -> Object:
    template = {"metadata": {"annotations": {NETWORKS: networks}}, "spec": {"containers": [{"name": "c"}]}}
    value = made(*DATABASE[:2], {"shards": [{"template": template}]})
    return {**value, "metadata": {**value["metadata"], "namespace": NAMESPACE}}


def asks(api: RealApiServer) -> bool:
    """Say whether the API server asks about a Database with a network that is not its own."""
    return "may not attach to infra/storage" in create(api, database("infra/storage"), "--dry-run=server").stderr


def test_a_kind_of_the_configuration(real_api: RealApiServer, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    with cluster(real_api), installed(real_api, definition(*DATABASE)):
        options = ("--config", str(config))
        with registering(tmp_path / "certs", account(real_api, READ + REGISTER), *options) as server:
            wait_until(lambda: is_in_order(server))
            (rule,) = hooks(real_api)["own-workloads.access.nadmit.io"]["rules"]
            assert (rule["apiGroups"], rule["resources"]) == (["example.com"], ["databases"])
            assert run_webhooks(real_api, "status").exit_code == 0
            assert create(real_api, network("lan")).returncode == 0
            wait_until(lambda: asks(real_api))
            wait_until(lambda: create(real_api, database("lan"), "--dry-run=server").stderr == "")
            config.write_text(CONFIG.partition("workloads")[0])
            wait_until(lambda: not hooks(real_api)["own-workloads.access.nadmit.io"].get("rules"))
            wait_until(lambda: create(real_api, database("infra/storage"), "--dry-run=server").returncode == 0)
            wait_until(lambda: is_in_order(server))
            assert run_webhooks(real_api, "status").exit_code == 0
