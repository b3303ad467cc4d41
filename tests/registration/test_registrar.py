"""The thread that keeps the configuration, against an API server that others write to as well."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.informers.api_server import write_kubeconfig
from webhook.cluster.apierrors import ClusterError
from webhook.registration.api import Api
from webhook.registration.comparison import bundle_of
from webhook.registration.configurations import Service
from webhook.registration.registrar import Registrar

from .api_server import NAME, ApiServer, Object

PERIOD_S = 0.005


class World:
    """An API server, and registrars that ask it."""

    def __init__(self, api: ApiServer, directory: Path) -> None:
        self.api = api
        self.bundle: bytes | None = b"pem"
        self.kubeconfig = write_kubeconfig(directory / "kubeconfig", api.url)

    @contextmanager
    def registrar(self, **more: Any) -> Iterator[Registrar]:
        given: dict[str, Any] = {
            "target": Service("nadmit-system", "nadmit-webhook"),
            "is_ready": lambda: True,
            "ca_bundle": lambda: self.bundle,
            "status_writers": tuple,
            "random": lambda: 0.5,
            "period_s": PERIOD_S,
            **more,
        }
        registrar = Registrar(Api(NAME, self.kubeconfig, environ={}), **given)
        registrar.start()
        try:
            yield registrar
        finally:
            registrar.stop()


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    caplog.set_level(logging.INFO, "nadmit.registration")
    with ApiServer() as api:
        yield World(api, tmp_path)


def measured(registrar: Registrar) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(registrar)
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_it_waits_for_readiness_and_writes_once(world: World) -> None:
    gets_seen: list[int] = []

    def is_ready() -> bool:
        gets_seen.append(world.api.gets)
        return len(gets_seen) == 3

    with world.registrar(is_ready=is_ready) as registrar:
        world.api.wait(lambda: world.api.patches)
        world.api.wait_for_gets(3)
        assert gets_seen == [0, 0, 0]
        assert len(world.api.patches) == 1
        assert len(world.api.hooks()) == 6
        assert {bundle_of(hook) for hook in world.api.hooks()} == {b"pem"}
        assert measured(registrar) == {
            "nadmit_webhooks_registered": 1,
            "nadmit_registrations_total ok": 1,
            "nadmit_registrations_total error": 0,
        }
        assert registrar.problem() is None


def test_an_edit_is_put_back(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with world.registrar():
        world.api.wait(lambda: world.api.patches)
        before = world.api.hooks()

        def edit(value: Object) -> None:
            value["webhooks"] = [{**value["webhooks"][0], "failurePolicy": "Fail"}]

        world.api.edit(edit)
        world.api.wait(lambda: len(world.api.patches) == 2)
        assert world.api.hooks() == before
    assert "nadmit.io: failurePolicy; bindings.access.nadmit.io: absent" in caplog.text


def test_the_stage_is_followed(world: World) -> None:
    with world.registrar():
        world.api.wait(lambda: world.api.patches)
        for said in ("Fail", "Ignore"):
            annotations = {"nadmit.io/failure-policy": said}
            world.api.edit(lambda value: value["metadata"].update(annotations=annotations))  # noqa: B023 - called now
            world.api.wait(lambda: world.api.hooks()[0]["failurePolicy"] == said)  # noqa: B023 - called now


def test_a_change_between_get_and_patch_is_not_lost(world: World) -> None:
    """Another writer puts an authority in meanwhile: it stays."""

    def rotate(value: Object) -> None:
        value["webhooks"] = [{"name": "pods.access.nadmit.io", "clientConfig": {"caBundle": "bmV3"}}]

    world.api.before_patch.append(rotate)
    with world.registrar():
        world.api.wait(lambda: world.api.patches)
        assert bundle_of(world.api.hooks()[0]) == b"new"
        assert len(world.api.patches) == 1


def test_replicas_converge(world: World) -> None:
    with world.registrar() as first, world.registrar() as second, world.registrar() as third:
        world.api.wait(lambda: world.api.patches)
        world.api.wait_for_gets(12)
        assert len(world.api.patches) == 1
        world.api.edit(lambda value: value.pop("webhooks"))
        world.api.wait(lambda: len(world.api.patches) == 2)
        world.api.wait_for_gets(12)
        assert len(world.api.patches) == 2
        assert sum(measured(one)["nadmit_registrations_total ok"] for one in (first, second, third)) == 2


def test_nothing_is_registered_without_an_authority(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.bundle = None
    with world.registrar() as registrar:
        world.api.wait_for_gets(3)
        assert world.api.patches == []
        assert measured(registrar)["nadmit_webhooks_registered"] == 0
        world.bundle = b"pem"
        world.api.wait(lambda: world.api.patches)
    (line,) = warnings(caplog)
    assert line == (
        'ValidatingWebhookConfiguration "nadmit": not filled in: the authority of the certificate is not known; wait '
        "for it, or name it with --ca-file"
    )


def test_an_absent_configuration_is_said_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    value, world.api.object = world.api.object, None
    with world.registrar():
        world.api.wait_for_gets(3)
        with world.api.changed:
            world.api.object = value
        world.api.wait(lambda: world.api.patches)
    assert warnings(caplog) == [
        'ValidatingWebhookConfiguration "nadmit": there is none; apply the manifests, or create one without webhooks'
    ]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "get is forbidden: no; grant get on validatingwebhookconfigurations of this name to this account"),
        (500, "get failed with 500: no; see the log of the API server"),
        (401, "the credentials are refused; renew the token or certificate of this account"),
    ],
)
def test_a_refusal_is_said_and_got_over(world: World, caplog: pytest.LogCaptureFixture, status: int, said: str) -> None:
    world.api.answers.append((status, "no"))
    with world.registrar() as registrar:
        world.api.wait(lambda: world.api.patches)
        assert measured(registrar)["nadmit_registrations_total error"] == 1
    (line,) = warnings(caplog)
    assert line.endswith(said)


def test_a_bug_ends_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    broken: list[Callable[[], Any]] = [lambda: 1 / 0]

    def writers() -> tuple[str, ...]:
        if broken:
            broken.pop()()
        return ()

    with world.registrar(status_writers=writers):
        world.api.wait(lambda: world.api.patches)
    assert "internal error: the webhook configuration is not kept this time" in caplog.text


def test_a_kubeconfig_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no such kubeconfig"):
        Api(NAME, tmp_path / "none", environ={}).open()


def test_the_client_is_imported_for_a_cluster_only() -> None:
    import subprocess

    code = "import sys, webhook.cli, webhook.commands.webhooks_status, webhook.commands.webhooks_stage; print('kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
