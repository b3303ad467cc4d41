"""The ConfigMap of the manifests at a real API server: kubectl edits it, and replicas follow."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.rig.installation import NAMESPACE, apply, installed_server, webhook_options
from tests.e2e.process import Served, serving
from tests.fakes.waiting import wait_until
from tests.paths import MANIFESTS, ROOT
from tests.realapi.server import RealApiServer
from tests.webhook.configuration.texts import BAD, HONOR, OFF

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]
NAME = "nadmit-webhook"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"


@pytest.fixture(scope="module")
def server() -> Iterator[RealApiServer]:
    with installed_server() as server:
        yield server


def write(server: RealApiServer, text: bytes | None) -> None:
    """Change the key, as a user does."""
    patch = json.dumps({"data": {"config.yaml": None if text is None else text.decode()}})
    done = server.kubectl("-n", NAMESPACE, "patch", "configmap", NAME, "--type=merge", "-p", patch)
    assert done.returncode == 0, done.stderr


def texts(server: RealApiServer) -> dict[str, str]:
    return dict(server.must("GET", PATH).get("data") or {})


def shown(served: Served) -> dict[str, Any]:
    return dict(json.loads(served.get("/configz")[1]))


def mode(served: Served) -> str:
    injection = shown(served)["configuration"]["injection"]
    return str(injection["mode"]) if injection["enabled"] else "off"


def reasons(server: RealApiServer) -> list[str]:
    items = server.must("GET", EVENTS)["items"]
    return sorted(item["reason"] for item in items if item["regarding"]["kind"] == "ConfigMap")


def ready(served: Served) -> None:
    wait_until(lambda: served.get("/readyz")[0] == 200, lambda: served.get("/readyz"))


def test_the_life_of_a_configuration(server: RealApiServer, tmp_path: Path) -> None:
    """Two replicas follow a text that is empty, right, wrong, right and removed; a third starts while it is wrong."""
    options = webhook_options(server, "https://127.0.0.1:1")
    with (
        serving(tmp_path / "a", *options, manifests=None) as a,
        serving(tmp_path / "b", *options, manifests=None) as b,
    ):
        ready(a)
        ready(b)
        assert shown(a)["source"] == f"defaults: ConfigMap {NAMESPACE}/{NAME} has no config.yaml"
        write(server, HONOR)
        wait_until(lambda: mode(a) == mode(b) == "honor", lambda: (shown(a), shown(b)))
        wait_until(lambda: texts(server).get("last-good.yaml") == HONOR.decode(), lambda: texts(server))
        write(server, BAD)
        wait_until(lambda: shown(a)["refused"] and shown(b)["refused"], lambda: (shown(a), shown(b)))
        wait_until(lambda: reasons(server) == ["ConfigurationRefused"], lambda: reasons(server))
        with serving(tmp_path / "c", *options, manifests=None) as c:
            ready(c)
            assert mode(a) == mode(b) == mode(c) == "honor"
        described = server.kubectl("-n", NAMESPACE, "describe", "configmap", NAME).stdout
        assert "ConfigurationRefused" in described
        assert 'injection.mode: unknown value: "honour"; did you mean "honor"?' in described
        assert apply(server, ".").returncode == 0
        assert texts(server) == {"config.yaml": BAD.decode(), "last-good.yaml": HONOR.decode()}
        write(server, OFF)
        wait_until(lambda: mode(a) == mode(b) == "off", lambda: (shown(a), shown(b)))
        wait_until(
            lambda: reasons(server) == ["ConfigurationAccepted", "ConfigurationRefused"], lambda: reasons(server)
        )
        assert server.kubectl("-n", NAMESPACE, "delete", "configmap", NAME).returncode == 0
        wait_until(lambda: mode(a) == mode(b) == "topUp", lambda: (shown(a), shown(b)))
        assert a.get("/readyz")[0] == b.get("/readyz")[0] == 200
        assert apply(server, ".").returncode == 0
    assert (a.process.returncode, b.process.returncode, c.process.returncode) == (0, 0, 0)
    assert "orbidden" not in a.errors + b.errors + c.errors


def test_a_file_that_kubectl_takes_for_binary_is_refused(server: RealApiServer, tmp_path: Path) -> None:
    """kubectl puts a text that is not UTF-8 into `binaryData`; it must not count as an absent configuration."""
    (tmp_path / "config.yaml").write_bytes(b"kind: \xff\n")
    words = ("-n", NAMESPACE, "create", "configmap", NAME, f"--from-file={tmp_path / 'config.yaml'}")
    made = server.kubectl(*words, "--dry-run=client", "-o", "yaml").stdout
    done = server.kubectl("replace", "-f", "-", stdin=made)
    assert done.returncode == 0, done.stderr
    options = webhook_options(server, "https://127.0.0.1:1")
    with serving(tmp_path / "certs", *options, manifests=None) as served:
        wait_until(lambda: "not UTF-8: byte 0xff" in served.get("/readyz")[1], lambda: served.get("/readyz"))
        assert server.kubectl("-n", NAMESPACE, "delete", "configmap", NAME).returncode == 0
        ready(served)
    assert apply(server, ".").returncode == 0


def test_an_edit_by_kubectl_survives_the_next_installation(server: RealApiServer, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(HONOR)
    words = ("-n", NAMESPACE, "create", "configmap", NAME, f"--from-file={tmp_path / 'config.yaml'}")
    made = server.kubectl(*words, "--dry-run=client", "-o", "yaml").stdout
    done = server.kubectl("apply", "--server-side", "--field-manager=admin", "-f", "-", stdin=made)
    assert done.returncode == 0, done.stderr
    for _ in range(2):
        assert apply(server, ".").returncode == 0
        assert texts(server)["config.yaml"] == HONOR.decode()


def test_a_kustomization_may_contain_the_configuration(server: RealApiServer, tmp_path: Path) -> None:
    """A kustomization as in docs/configuration.md; the text that the program keeps beside it stays."""
    manual = (ROOT / "docs" / "configuration.md").read_text()
    (generator,) = re.findall(r"^```yaml\n(configMapGenerator:\n.*?)^```", manual, re.DOTALL | re.MULTILINE)
    (tmp_path / "config.yaml").write_bytes(OFF)
    base = os.path.relpath(MANIFESTS / "base", tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(f"resources: [{base}]\n{generator}")
    patch = json.dumps({"data": {"last-good.yaml": HONOR.decode()}})
    server.kubectl("-n", NAMESPACE, "patch", "configmap", NAME, "--type=merge", "-p", patch)
    for _ in range(2):
        done = server.kubectl("apply", "-k", str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert texts(server) == {"config.yaml": OFF.decode(), "last-good.yaml": HONOR.decode()}
