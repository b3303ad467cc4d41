"""`nadmit serve` as a process, with a file or a ConfigMap that changes while it runs."""

from __future__ import annotations

import base64
import json
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import RECORDINGS, Served, fail, serving
from tests.fakes.apiserver import failure
from tests.fakes.objects import namespace, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES
from tests.fakes.waiting import wait_until

from .configmapserver import NAME, NAMESPACE, PATH, ConfigMapServer
from .texts import BAD, HEAD, HONOR, OFF, TOP_UP

pytestmark = pytest.mark.slow
PATIENCE_S = 20


def configz(server: Served) -> Mapping[str, Any]:
    status, text = server.get("/configz")
    assert status == 200
    return dict(json.loads(text))


def mode(server: Served) -> str:
    injection = configz(server)["configuration"]["injection"]
    return str(injection["mode"]) if injection["enabled"] else "off"


def reload(server: Served) -> dict[str, float]:
    found = re.findall(r"^nadmit_configuration_(\S+) (\S+)$", server.get("/metrics")[1], re.MULTILINE)
    return {name: float(value) for name, value in found}


def replace(path: Path, text: bytes) -> None:
    """Replace the file, as an editor does."""
    new = path.with_suffix(".new")
    new.write_bytes(text)
    new.replace(path)


def test_a_file_is_followed_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(HONOR)
    with serving(tmp_path / "certs", "--config", str(path)) as server:
        assert mode(server) == "honor"
        assert configz(server)["source"] == str(path)
        assert reload(server)["last_reload_successful"] == 1
        replace(path, BAD)
        wait_until(lambda: configz(server)["refused"], lambda: configz(server))
        assert mode(server) == "honor"
        assert reload(server)["last_reload_successful"] == 0
        assert reload(server)['reloads_total{result="error"}'] == 1
        assert server.get("/readyz") == (200, "ready")
        replace(path, OFF)
        wait_until(lambda: mode(server) == "off", lambda: configz(server))
        assert configz(server)["refused"] is None
        assert reload(server)["last_reload_successful"] == 1
        path.unlink()
        wait_until(lambda: configz(server)["unreadable"], lambda: configz(server))
        assert mode(server) == "off"
    assert server.process.returncode == 0
    assert f"nadmit: WARNING: {path}:3:13: injection.mode: unknown value" in server.errors
    assert f"the configuration is refused; what is in force stays: {path}\n" in server.errors
    assert "no such file or directory" in server.errors


def test_a_change_decides_the_next_review(tmp_path: Path) -> None:
    """The answers of /mutate to a pod with a label: before, while the text is wrong, and after."""
    review = json.loads((RECORDINGS / "create-pods-plain.json").read_text())
    review["request"]["object"]["metadata"]["labels"] = {"example.com/uplink": "true"}
    body = json.dumps(review).encode()
    by_label = f"{HEAD}injection: {{annotationsByLabel: {{example.com/uplink: {{example.com/a: b}}}}}}\n".encode()
    path = tmp_path / "config.yaml"
    path.write_bytes(TOP_UP)
    with serving(tmp_path / "certs", "--config", str(path)) as server:
        assert "patch" not in server.post(body, "/mutate")
        replace(path, by_label)
        wait_until(lambda: "patch" in server.post(body, "/mutate"), lambda: configz(server))
        patch = json.loads(base64.b64decode(server.post(body, "/mutate")["patch"]))
        assert [step["value"] for step in patch] in ([{"example.com/a": "b"}], ["b"])
        replace(path, BAD)
        wait_until(lambda: configz(server)["refused"], lambda: configz(server))
        assert "patch" in server.post(body, "/mutate")
        replace(path, OFF)
        wait_until(lambda: "patch" not in server.post(body, "/mutate"), lambda: configz(server))


def test_a_mounted_configmap_is_followed_as_the_kubelet_swaps_it(tmp_path: Path) -> None:
    """The process survives every text, and ends by SIGTERM while the texts change."""
    mount = tmp_path / "mount"
    mount.mkdir()

    def swap(number: int, text: bytes) -> None:
        (mount / f"..{number}").mkdir()
        (mount / f"..{number}" / "config.yaml").write_bytes(text)
        (mount / "..data_tmp").symlink_to(f"..{number}")
        (mount / "..data_tmp").replace(mount / "..data")

    swap(0, HONOR)
    (mount / "config.yaml").symlink_to("..data/config.yaml")
    with serving(tmp_path / "certs", "--config", str(mount / "config.yaml")) as server:
        swap(1, TOP_UP)
        wait_until(lambda: mode(server) == "topUp", lambda: configz(server))
        swap(2, BAD)
        wait_until(lambda: configz(server)["refused"], lambda: configz(server))
        swap(3, OFF)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == 0


def test_without_a_configuration_the_defaults_are_in_force(tmp_path: Path) -> None:
    with serving(tmp_path / "certs") as server:
        shown = configz(server)
        assert reload(server)["last_reload_successful"] == 1
    assert (shown["source"], shown["sha256"], shown["refused"]) == ("defaults", None, None)
    assert shown["configuration"]["injection"]["mode"] == "topUp"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (None, ["the configuration cannot be read: no such file or directory; name a file that this user may read"]),
        (b"", ["it is empty; write at least apiVersion: config.nadmit.io/v1alpha1 and kind: NadmitConfiguration"]),
        (
            f"{HEAD}injection: {{enabled: 7, mode: 7}}".encode(),
            [
                "3:13: injection.enabled: wrong type: 7; allowed: true or false",
                '3:25: injection.mode: unknown value: 7; allowed: "topUp", "honor"',
            ],
        ),
    ],
)
def test_a_start_with_a_file_that_cannot_be_used(tmp_path: Path, text: bytes | None, lines: list[str]) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_bytes(text)
    code, message = fail(tmp_path / "certs", "--config", str(path))
    assert code == 1
    assert message.splitlines() == [f"nadmit: {path}:{' ' if line[0].isalpha() else ''}{line}" for line in lines]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--config", "a", "--config-map", "b"), "--config and --config-map are two ways to one thing: give one."),
        (("--config-map", "A_b"), "'A_b' does not name a ConfigMap; allowed: lower case letters"),
    ],
)
def test_wrong_options(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    code, text = fail(tmp_path / "certs", *words, manifests=None)
    assert code == 2
    assert message in text


def test_a_configmap_belongs_to_a_cluster(tmp_path: Path) -> None:
    code, text = fail(tmp_path / "certs", "--config-map", "nadmit-webhook")
    assert code == 2
    assert "--config-map belongs to --cluster." in text


def test_a_configmap_is_followed(tmp_path: Path) -> None:
    with ConfigMapServer() as api:
        api.put(NAMESPACES, namespace("team-a"))
        api.write(config=HONOR)
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        options = ("--kubeconfig", str(kubeconfig), "--config-map", NAME, "--namespace", NAMESPACE)
        with serving(tmp_path / "certs", *options, manifests=None) as server:
            wait_until(lambda: server.get("/readyz")[0] == 200, lambda: server.get("/readyz"))
            assert mode(server) == "honor"
            api.wait(lambda: "last-good.yaml" in api.texts())
            api.edit(config=BAD)
            api.wait(api.events)
            assert reload(server)["last_reload_successful"] == 0
            with serving(tmp_path / "certs", *options, manifests=None) as young:
                wait_until(lambda: young.get("/readyz")[0] == 200, lambda: young.get("/readyz"))
                assert mode(young) == "honor"
                assert reload(young)["hash"] == reload(server)["hash"]
            assert server.get("/readyz") == (200, "ready")
    assert (server.process.returncode, young.process.returncode) == (0, 0)
    assert "last-good.yaml is in force instead" in young.errors


def test_a_configmap_that_was_never_right_or_readable_keeps_the_server_unready(tmp_path: Path) -> None:
    with ConfigMapServer() as api:
        api.put(NAMESPACES, namespace("team-a"))
        api.write(config=BAD)
        api.instead = lambda request: failure(403) if request.path == PATH else None
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        options = ("--kubeconfig", str(kubeconfig), "--config-map", NAME, "--namespace", NAMESPACE)
        with serving(tmp_path / "certs", *options, manifests=None) as server:
            wait_until(
                lambda: "grant get on configmaps" in server.get("/readyz")[1], what=lambda: server.get("/readyz")
            )
            api.instead = lambda _request: None
            wait_until(
                lambda: "injection.mode: unknown value" in server.get("/readyz")[1], what=lambda: server.get("/readyz")
            )
            assert server.get("/readyz")[0] == 503
            assert server.get("/healthz") == (200, "ok")
            api.edit(config=None)
            wait_until(lambda: server.get("/readyz")[0] == 200, lambda: server.get("/readyz"))
            assert mode(server) == "topUp"
    assert server.process.returncode == 0
