"""The registrar, against an API server to which others write as well.

Most tests run for each kind, while the configuration of the other kind exists and is in order.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.fakes.apiserver import failure
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import Object
from webhook.kube.apierrors import ClusterError
from webhook.kube.connection import Connection
from webhook.registration.conditions import StatusProtection
from webhook.registration.configurations import Service, bundle_of, registered_stage, webhooks
from webhook.registration.registered import RegisteredWebhooks
from webhook.registration.registrar import Registrar
from webhook.registration.tables import KINDS, MUTATING_KIND, VALIDATING_KIND, Kind

from .webhookserver import NAME, WebhookServer

PERIOD_S = 0.005
TARGET = Service("nadmit-system", "nadmit-webhook")


class World:
    """An API server, and registrars of it."""

    def __init__(self, api: WebhookServer, directory: Path, kind: Kind) -> None:
        self.api = api
        self.kind = kind
        self.stored = api.stored(kind)
        self.first = kind.hooks[0].name
        self.bundle: bytes | None = b"pem"
        self.kubeconfig = write_kubeconfig(directory / "kubeconfig", api.url)

    @contextmanager
    def registrar(self, **more: Any) -> Iterator[Registrar]:
        given: dict[str, Any] = {
            "target": TARGET,
            "is_ready": lambda: True,
            "ca_bundle": lambda: self.bundle,
            "protection": StatusProtection,
            "path_token": lambda _present: "",
            "random": lambda: 0.5,
            "period_s": PERIOD_S,
            **more,
        }
        registrar = Registrar(RegisteredWebhooks(Connection(self.kubeconfig, environ={}), NAME), **given)
        registrar.start()
        try:
            yield registrar
        finally:
            registrar.stop()


@pytest.fixture(params=KINDS, ids=lambda kind: kind.path.strip("/"))
def world(request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    caplog.set_level(logging.INFO, "nadmit.registration")
    with WebhookServer() as api:
        yield World(api, tmp_path, request.param)


def measured(registrar: Registrar, kind: Kind) -> dict[str, float]:
    """Return the samples of a kind."""
    registry = CollectorRegistry()
    registry.register(registrar)
    return {
        " ".join([sample.name, sample.labels.get("result", sample.labels.get("stage", ""))]).strip(): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.labels["kind"] == kind.name
    }


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_it_waits_for_readiness_and_writes_once(world: World) -> None:
    gets_seen: list[int] = []

    def is_ready() -> bool:
        gets_seen.append(world.stored.gets)
        return len(gets_seen) == 3

    with world.registrar(is_ready=is_ready) as registrar:
        world.stored.wait(lambda: world.stored.patches)
        world.stored.wait_for_gets(3)
        assert gets_seen == [0, 0, 0]
        assert len(world.stored.patches) == 1
        assert [hook["name"] for hook in world.stored.hooks()] == [hook.name for hook in world.kind.hooks]
        assert {bundle_of(hook) for hook in world.stored.hooks()} == {b"pem"}
        assert measured(registrar, world.kind) == {
            "nadmit_webhooks_registered": 1,
            "nadmit_webhooks_stage Observe": 1,
            "nadmit_webhooks_stage Ignore": 0,
            "nadmit_webhooks_stage Fail": 0,
            "nadmit_registrations_total ok": 1,
            "nadmit_registrations_total error": 0,
        }
        assert registrar.problem() is None


def test_an_edit_is_put_back(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with world.registrar():
        world.stored.wait(lambda: world.stored.patches)
        before = world.stored.hooks()

        def edit(value: Object) -> None:
            value["webhooks"] = [{**value["webhooks"][0], "failurePolicy": "Fail"}]

        world.stored.edit(edit)
        world.stored.wait(lambda: len(world.stored.patches) == 2)
        assert world.stored.hooks() == before
    second = world.kind.hooks[1].name
    assert f'{world.kind.name} "nadmit": written, stage Observe: {world.first}: failurePolicy; {second}: absent' in (
        caplog.text
    )


def test_the_stage_is_followed(world: World) -> None:
    with world.registrar():
        world.stored.wait(lambda: world.stored.patches)
        for said in ("Fail", "Ignore", "Observe", "Fail"):
            annotations = {"nadmit.io/failure-policy": said}
            world.stored.edit(lambda value: value["metadata"].update(annotations=annotations))  # noqa: B023 - called now
            world.stored.wait(lambda: registered_stage(world.stored.hooks()) == said)  # noqa: B023 - called now


def stages(world: World) -> set[str]:
    return {registered_stage(world.api.stored(kind).hooks()) for kind in KINDS}


def test_a_new_installation_begins_with_observe(world: World) -> None:
    with world.registrar() as registrar:
        world.stored.wait(lambda: all(world.api.stored(kind).patches for kind in KINDS))
        assert stages(world) == {"Observe"}
        assert measured(registrar, world.kind)["nadmit_webhooks_stage Observe"] == 1
        assert measured(registrar, world.kind)["nadmit_webhooks_stage Ignore"] == 0
    with world.registrar():  # after a restart, and without the annotation
        world.stored.wait_for_gets(3)
        assert stages(world) == {"Observe"}


def test_an_upgrade_keeps_the_stage(world: World) -> None:
    """An installation from before Observe has no annotation in stage Ignore."""
    for kind in KINDS:
        hooks = webhooks(kind, TARGET, ca_bundle=b"pem", stage="Ignore", protection=StatusProtection())
        world.api.stored(kind).edit(lambda value: value.update(webhooks=hooks[1:]))  # noqa: B023 - called now
    with world.registrar():
        world.stored.wait(lambda: all(world.api.stored(kind).patches for kind in KINDS))
        world.stored.wait_for_gets(3)
        assert stages(world) == {"Ignore"}


@pytest.mark.parametrize("stage", ["Ignore", "Fail"])
def test_a_configuration_that_is_created_again_refuses_if_the_other_one_does(world: World, stage: str) -> None:
    """Also for a replica that has just started. Deleting an object must not switch refusals off."""
    (other,) = (kind for kind in KINDS if kind is not world.kind)
    hooks = webhooks(other, TARGET, ca_bundle=b"pem", stage=stage, protection=StatusProtection())
    annotations = {"nadmit.io/failure-policy": stage}
    world.api.stored(other).edit(
        lambda value: value.update(webhooks=hooks, metadata={**value["metadata"], "annotations": annotations})
    )
    with world.registrar():
        world.stored.wait(lambda: world.stored.patches)
        assert registered_stage(world.stored.hooks()) == "Ignore"


def test_configurations_that_are_created_again_refuse_if_they_did(world: World) -> None:
    for kind in KINDS:
        annotations = {"nadmit.io/failure-policy": "Fail"}
        world.api.stored(kind).edit(lambda value: value["metadata"].update(annotations=annotations))  # noqa: B023 - called now
    with world.registrar():
        world.stored.wait(lambda: all(world.api.stored(kind).patches for kind in KINDS))
        for kind in KINDS:
            world.api.stored(kind).delete()
        world.stored.wait_for_gets(2)
        for kind in KINDS:
            world.api.stored(kind).create()
        world.stored.wait(lambda: all(world.api.stored(kind).hooks() for kind in KINDS))
        assert stages(world) == {"Ignore"}


def test_a_change_between_get_and_patch_is_not_lost(world: World) -> None:
    """An authority that another writer adds meanwhile stays."""

    def rotate(value: Object) -> None:
        value["webhooks"] = [{"name": world.first, "clientConfig": {"caBundle": "bmV3"}}]

    world.stored.before_patch.append(rotate)
    with world.registrar():
        world.stored.wait(lambda: world.stored.patches)
        assert bundle_of(world.stored.hooks()[0]) == b"new"
        assert len(world.stored.patches) == 1


def test_replicas_converge(world: World) -> None:
    with world.registrar() as first, world.registrar() as second, world.registrar() as third:
        world.stored.wait(lambda: world.stored.patches)
        world.stored.wait_for_gets(12)
        assert len(world.stored.patches) == 1
        world.stored.edit(lambda value: value.pop("webhooks"))
        world.stored.wait(lambda: len(world.stored.patches) == 2)
        world.stored.wait_for_gets(12)
        assert len(world.stored.patches) == 2
        assert sum(measured(one, world.kind)["nadmit_registrations_total ok"] for one in (first, second, third)) == 2


def test_nothing_is_registered_without_an_authority(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.bundle = None
    with world.registrar() as registrar:
        world.stored.wait_for_gets(3)
        assert world.stored.patches == []
        assert measured(registrar, world.kind)["nadmit_webhooks_registered"] == 0
        world.bundle = b"pem"
        world.stored.wait(lambda: world.stored.patches)
    assert warnings(caplog) == [
        f'{kind.name} "nadmit": not filled in: the authority of the certificate is not known; wait for it, or name it '
        "with --ca-file"
        for kind in KINDS
    ]


def test_an_absent_configuration_is_logged_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The other kind is registered without it."""
    (other,) = (kind for kind in KINDS if kind is not world.kind)
    world.stored.delete()
    with world.registrar() as registrar:
        world.stored.wait_for_gets(3)
        assert (measured(registrar, world.kind)["nadmit_webhooks_registered"], world.stored.patches) == (0, [])
        assert measured(registrar, other)["nadmit_webhooks_registered"] == 1
        world.stored.create()
        world.stored.wait(lambda: world.stored.patches)
    assert warnings(caplog) == [
        f'{world.kind.name} "nadmit": there is none; apply the manifests, or create one without webhooks'
    ]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (403, "{what} nadmit: get is forbidden: no; grant get on {what} of this name to this account in a ClusterRole"),
        (500, "{what} nadmit: get failed with 500: no; see the log of the API server at {server}"),
        (401, "{server}: the credentials are refused: no; renew the token or the certificate of this account"),
    ],
)
def test_a_refusal_is_logged_once_and_the_next_round_writes(
    world: World, caplog: pytest.LogCaptureFixture, status: int, text: str
) -> None:
    world.stored.answer(failure(status, "no"))
    with world.registrar() as registrar:
        world.stored.wait(lambda: world.stored.patches)
        # To know the stage of a new object, a replica reads the other one as well.
        assert sum(measured(registrar, kind)["nadmit_registrations_total error"] for kind in KINDS) == 1
    (line,) = warnings(caplog)
    what = f"{world.kind.resource}.admissionregistration.k8s.io"
    assert line == text.format(what=what, server=world.api.url)


def test_a_bug_does_not_end_the_thread(world: World, caplog: pytest.LogCaptureFixture) -> None:
    broken: list[Callable[[], Any]] = [lambda: 1 / 0]

    def protection() -> StatusProtection:
        if broken:
            broken.pop()()
        return StatusProtection()

    with world.registrar(protection=protection):
        world.stored.wait(lambda: world.stored.patches)
    assert f"internal error: the {KINDS[0].name} is not kept this time" in caplog.text


def test_injection_is_registered_before_judgement(world: World) -> None:
    """In the other order, a pod would be refused before injection could change it."""
    with world.registrar():
        world.stored.wait(lambda: world.api.validating.patches)
    assert world.api.patched() == [MUTATING_KIND.name, VALIDATING_KIND.name]


def test_a_wrong_stage_is_logged_with_its_kind(world: World, caplog: pytest.LogCaptureFixture) -> None:
    annotations = {"nadmit.io/failure-policy": "no"}
    world.stored.edit(lambda value: value["metadata"].update(annotations=annotations))
    with world.registrar():
        world.stored.wait(lambda: world.stored.patches)
        world.stored.wait_for_gets(3)
    (line,) = warnings(caplog)
    assert line.startswith(f"{world.kind.name} \"nadmit\": annotation nadmit.io/failure-policy: 'no' is not a ")


def test_an_unusable_kubeconfig_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no such kubeconfig"):
        RegisteredWebhooks(Connection(tmp_path / "none", environ={}), NAME).connection.open()


def test_the_client_is_imported_for_a_cluster_only() -> None:
    import subprocess

    code = "import sys, webhook.cli, webhook.commands.webhooks.status, webhook.commands.webhooks.stage; print('kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
