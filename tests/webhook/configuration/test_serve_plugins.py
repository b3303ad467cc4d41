"""`nadmit serve` as a process: schemas of plugins from a directory and from a file that changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import Served, fail, serving
from tests.fakes.waiting import wait_until

from .test_serve import configz, replace
from .texts import HEAD

pytestmark = pytest.mark.slow

MINE = "type: my-plugin\nkind: main\nsource: me\nkeys: {speed: {type: integer, maximum: 10}}\n"


def review(server: Served, **config: Any) -> dict[str, Any]:
    """Return the response to the creation of a network."""
    kind = {"group": "k8s.cni.cncf.io", "version": "v1", "kind": "NetworkAttachmentDefinition"}
    made = {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": kind["kind"],
        "metadata": {"name": "lan", "namespace": "team-a"},
        "spec": {"config": json.dumps(config)},
    }
    request = {
        "uid": "1",
        "kind": kind,
        "resource": {"group": kind["group"], "version": "v1", "resource": "network-attachment-definitions"},
        "operation": "CREATE",
        "name": "lan",
        "namespace": "team-a",
        "userInfo": {"username": "bob"},
        "object": made,
    }
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return dict(server.post(json.dumps(body).encode(), "/validate"))


def causes(answer: dict[str, Any]) -> list[str]:
    return [cause["message"][:7] for cause in answer["status"]["details"]["causes"]]


def test_plugins_are_known_from_the_start(tmp_path: Path) -> None:
    with serving(tmp_path / "certs") as server:
        assert causes(review(server, cniVersion="1.0.0", type="bridge", vlan=4095)) == ["NAD201:"]
        warned = review(server, type="my-plugin", speed=11)
        assert warned["allowed"]
        assert [text[:19] for text in warned["warnings"]] == ["spec.config.type: N"]
        assert configz(server)["pluginTypes"]["vlan"] == "nadmit"
        assert 'rule="NAD201"' in server.get("/metrics")[1]


def test_schemas_of_a_directory_and_settings_that_change(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my-plugin.yaml").write_text(MINE)
    path = tmp_path / "config.yaml"
    path.write_text(HEAD)
    with serving(tmp_path / "certs", "--config", str(path), "--plugin-schemas", str(tmp_path / "mine")) as server:
        assert causes(review(server, type="my-plugin", speed=11)) == ["NAD201:"]
        assert configz(server)["pluginTypes"]["my-plugin"] == "--plugin-schemas"
        replace(path, f"{HEAD}plugins: {{unknownTypes: Refuse, exempt: [my-plugin]}}\n".encode())
        wait_until(lambda: review(server, type="my-plugin", speed=11)["allowed"], lambda: configz(server))
        assert causes(review(server, type="your-plugin")) == ["NAD108:"]
        replace(path, f"{HEAD}plugins: {{schemas: [{{type: my-plugin, kind: mian, source: me}}]}}\n".encode())
        wait_until(lambda: configz(server)["refused"], lambda: configz(server))
        assert causes(review(server, type="your-plugin")) == ["NAD108:"]
        replace(path, f"{HEAD}plugins: {{schemas: [{{type: my-plugin, kind: ipam, source: me}}]}}\n".encode())
        wait_until(lambda: review(server, type="your-plugin")["allowed"], lambda: configz(server))
        assert "NAD403" in review(server, type="my-plugin", speed=11)["warnings"][0]
        assert configz(server)["pluginTypes"]["my-plugin"] == "plugins.schemas"
    assert ": plugins.schemas[0].kind: unknown value" in server.errors


def test_a_start_with_schemas_that_cannot_be_used(tmp_path: Path) -> None:
    code, said = fail(tmp_path / "certs", "--plugin-schemas", str(tmp_path / "nowhere"))
    assert code == 1
    assert said == (
        f"nadmit: {tmp_path}/nowhere: it cannot be read: no such file or directory; name what this user may read\n"
    )
