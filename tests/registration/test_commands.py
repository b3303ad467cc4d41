"""`nadmit webhooks`: what the commands read, write, say, and end with."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from certs.authority import issue_ca, make_key, render_certificate, render_key
from tests.informers.api_server import write_kubeconfig
from webhook.cli import nadmit
from webhook.registration.configurations import Service, Url, webhooks

from .api_server import ApiServer, Object

MULTUS = "system:serviceaccount:kube-system:multus"
KEY = make_key()
CA = render_certificate(issue_ca(KEY, now=datetime(2026, 11, 24, tzinfo=UTC)))
REFUSED = 'admission webhook "networks.access.nadmit.io" denied the request: no'


class World:
    def __init__(self, api: ApiServer, directory: Path) -> None:
        self.api = api
        self.kubeconfig = write_kubeconfig(directory / "kubeconfig", api.url)
        api.probe = (403, REFUSED)
        self.register(webhooks(Service("a", "b"), ca_bundle=CA, failure_policy="Ignore", status_writers=[MULTUS]))

    def register(self, hooks: list[Object]) -> None:
        self.api.edit(lambda value: value.update(webhooks=hooks))

    def run(self, *words: str) -> Result:
        given = ["webhooks", *words, "--kubeconfig", str(self.kubeconfig)]
        return CliRunner().invoke(nadmit, given, catch_exceptions=False)

    def policies(self) -> list[str]:
        return [hook["failurePolicy"] for hook in self.api.hooks()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ApiServer() as api:
        yield World(api, tmp_path)


STAGED = ["Fail", "Fail", "Fail", "Ignore", "Ignore", "Fail"]


def test_stage_fail_and_back(world: World) -> None:
    done = world.run("stage", "Fail")
    assert (done.exit_code, done.output) == (0, "nadmit: failurePolicy Fail for 4 webhooks (was Ignore)\n")
    assert world.policies() == STAGED
    assert world.api.object is not None
    assert world.api.object["metadata"]["annotations"] == {"nadmit.io/failure-policy": "Fail"}
    assert world.run("status").exit_code == 0
    world.api.probe = (201, "")
    done = world.run("stage", "Ignore")
    assert (done.exit_code, done.output) == (0, "nadmit: failurePolicy Ignore for 4 webhooks (was Fail)\n")
    assert world.policies() == ["Ignore"] * 6


def test_annotations_of_others_stay(world: World) -> None:
    world.api.edit(lambda value: value["metadata"].update(annotations={"x/y": "z"}))
    assert world.run("stage", "Fail").exit_code == 0
    assert world.api.object is not None
    assert world.api.object["metadata"]["annotations"] == {"x/y": "z", "nadmit.io/failure-policy": "Fail"}


WHAT = "nadmit: not staged: a dry run of creating default/nadmit-probe, which networks.access.nadmit.io must refuse,"
PROBES = {
    "accepted": (201, "", "was accepted: the API server does not reach the webhook; see its log and nadmit's /readyz"),
    "rights": (
        403,
        'User "x" cannot create',
        'was forbidden: User "x" cannot create; use an account that may create NetworkAttachmentDefinitions',
    ),
    "not installed": (404, "not found", "was not possible: not found; install the CustomResourceDefinition"),
    "somebody else": (
        403,
        'admission webhook "x.example.com" denied the request: no',
        'was answered with 403: admission webhook "x.example.com" denied the request: no',
    ),
    "broken": (500, "failed calling webhook", "was answered with 500: failed calling webhook"),
}


@pytest.mark.parametrize("case", PROBES)
def test_stage_fail_wants_to_see_the_webhook_answer(world: World, case: str) -> None:
    status, said, expected = PROBES[case]
    world.api.probe = (status, said)
    done = world.run("stage", "Fail")
    assert (done.exit_code, done.output) == (1, f"{WHAT} {expected}\n")
    assert world.policies() == ["Ignore"] * 6
    assert world.run("stage", "Fail", "--force").exit_code == 0
    assert world.policies() == STAGED


def test_stage_fail_wants_all_webhooks_with_an_authority_and_one_address(world: World) -> None:
    whole = world.api.hooks()
    world.register(whole[2:])
    done = world.run("stage", "Fail")
    assert done.exit_code == 1
    assert done.output.startswith(
        "nadmit: not staged: not registered: pods.access.nadmit.io, bindings.access.nadmit.io; run nadmit "
    )
    other = webhooks(Url("https://x"), ca_bundle=CA, failure_policy="Ignore", status_writers=[])
    blind = {**whole[1], "clientConfig": {"service": whole[1]["clientConfig"]["service"]}}
    world.register([whole[0], blind, *whole[2:5], other[5]])
    done = world.run("stage", "Fail")
    assert (done.exit_code, done.output.splitlines()) == (
        1,
        [
            "nadmit: not staged: without caBundle: bindings.access.nadmit.io; the API server would not know the certificate",
            "nadmit: not staged: of another address than the others: policies.access.nadmit.io; see nadmit webhooks status",
        ],
    )


def test_stage_goes_on_when_somebody_writes_meanwhile(world: World) -> None:
    world.api.before_patch.extend([lambda value: value["metadata"].update(labels={"a": "b"})] * 4)
    assert world.run("stage", "Fail").exit_code == 0
    assert world.policies() == STAGED
    world.api.before_patch.extend([lambda value: value["metadata"].update(labels={"a": "b"})] * 5)
    done = world.run("stage", "Ignore")
    assert done.exit_code == 2
    assert "patch failed with 422" in done.output


@pytest.mark.parametrize("words", [("stage", "Fail"), ("stage", "Ignore"), ("status",)])
def test_no_configuration(world: World, words: tuple[str, ...]) -> None:
    world.api.object = None
    done = world.run(*words)
    assert done.exit_code == 2
    assert done.output == (
        'nadmit: ValidatingWebhookConfiguration "nadmit": there is none; apply the manifests, or create one without '
        "webhooks\n"
    )


def test_status_lists_what_is_registered(world: World) -> None:
    hooks = world.api.hooks()
    hooks[0] = {**hooks[0], "failurePolicy": "Fail", "timeoutSeconds": 30}
    hooks[1] = {**hooks[1], "clientConfig": {"service": hooks[1]["clientConfig"]["service"]}}
    hooks[2] = {**hooks[2], "clientConfig": {**hooks[2]["clientConfig"], "caBundle": "eA=="}}
    twice = base64.b64encode(CA + CA).decode()
    hooks[3] = {**hooks[3], "clientConfig": {**hooks[3]["clientConfig"], "caBundle": twice}}
    world.register([*hooks[:4], {**hooks[4], "name": "other.example.com"}, {**hooks[4], "name": "old.nadmit.io"}])
    done = world.run("status")
    assert (done.exit_code, done.output.splitlines()) == (
        1,
        [
            "WEBHOOK                           FAILURE POLICY  CA BUNDLE UNTIL        DIFFERS IN",
            "pods.access.nadmit.io             Fail            2036-11-21             failurePolicy, timeoutSeconds",
            "bindings.access.nadmit.io         Ignore          none                   clientConfig.caBundle",
            "networks.access.nadmit.io         Ignore          unreadable",
            "networks-in-use.access.nadmit.io  Ignore          2036-11-21 2036-11-21",
            "workloads.access.nadmit.io        -               -                      absent",
            "policies.access.nadmit.io         -               -                      absent",
            "other.example.com                 Ignore          2036-11-21             (foreign)",
            "old.nadmit.io                     Ignore          2036-11-21             unknown",
        ],
    )


def test_status_compares_with_what_is_given(world: World) -> None:
    assert world.run("status").exit_code == 0
    assert world.run("status", "--service", "a/b", "--status-writer", MULTUS).exit_code == 0
    assert "matchConditions" in world.run("status", "--status-writer", "x").output
    assert world.run("status", "--url", "https://x").output.count("clientConfig") == 6
    world.api.edit(lambda value: value["metadata"].update(annotations={"nadmit.io/failure-policy": "no"}))
    done = world.run("status")
    assert done.exit_code == 1
    assert "'no' is no failurePolicy" in done.output


def test_show_is_what_the_server_would_register(world: World, tmp_path: Path) -> None:
    """And a private key in the file stays where it is."""
    (tmp_path / "ca.pem").write_bytes(render_key(KEY) + CA)
    words = ["webhooks", "show", "--service", "a/b", "--status-writer", MULTUS, "--ca-file", str(tmp_path / "ca.pem")]
    done = CliRunner().invoke(nadmit, words)
    shown: dict[str, Any] = yaml.safe_load(done.output)
    assert done.exit_code == 0
    assert shown["webhooks"] == world.api.hooks()
    assert shown["metadata"] == {"name": "nadmit", "annotations": {"nadmit.io/failure-policy": "Ignore"}}
