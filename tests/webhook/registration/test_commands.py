"""`nadmit webhooks`: the requests, the output and the exit codes of the commands."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from certs.authority import issue_ca, make_key, render_certificate, render_key
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import Object
from webhook.cli import nadmit
from webhook.registration.conditions import StatusProtection
from webhook.registration.configurations import STAGES, Service, Url, registered_stage, webhooks
from webhook.registration.tables import KINDS, MUTATING_KIND, VALIDATING_KIND

from .webhookserver import Stored, WebhookServer

PROTECTION = StatusProtection("Deny", ("system:serviceaccount:net:agent",), ("agents",))
WORDS = (
    "--network-status-mode", "Deny", "--status-writer", PROTECTION.users[0], "--status-writer-group", "agents"
)  # fmt: skip
KEY = make_key()
CA = render_certificate(issue_ca(KEY, now=datetime(2026, 11, 24, tzinfo=UTC)))
REFUSED = 'admission webhook "networks.access.nadmit.io" denied the request: no'


class World:
    def __init__(self, api: WebhookServer, directory: Path) -> None:
        self.api = api
        self.kubeconfig = write_kubeconfig(directory / "kubeconfig", api.url)
        api.answer_probe(403, REFUSED)
        for kind in KINDS:
            hooks = webhooks(kind, Service("a", "b"), ca_bundle=CA, stage="Ignore", protection=PROTECTION)
            self.register(hooks, at=api.stored(kind))

    def register(self, hooks: list[Object], *, at: Stored) -> None:
        at.edit(lambda value: value.update(webhooks=hooks))

    def run(self, *words: str) -> Result:
        given = ["webhooks", *words, "--kubeconfig", str(self.kubeconfig)]
        return CliRunner().invoke(nadmit, given, catch_exceptions=False)

    def policies(self) -> list[str]:
        """Return the failurePolicies of injection, then those of validation."""
        return [hook["failurePolicy"] for kind in KINDS for hook in self.api.stored(kind).hooks()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with WebhookServer() as api:
        yield World(api, tmp_path)


STAGED = [
    "Fail",
    "Ignore",
    *["Fail", "Fail", "Fail", "Ignore", "Ignore", "Fail", "Ignore", "Fail", "Ignore", "Fail", "Ignore", "Ignore"],
    *["Ignore", "Ignore", "Ignore"],
]
OPEN = ["Ignore"] * 17


def test_stage_fail_and_back(world: World) -> None:
    done = world.run("stage", "Fail")
    assert (done.exit_code, done.output) == (
        0,
        "nadmit: stage Fail, failurePolicy Fail, for 17 webhooks (was Ignore)\n",
    )
    assert world.policies() == STAGED
    for stored in (world.api.mutating, world.api.validating):
        assert stored.value["metadata"]["annotations"] == {"nadmit.io/failure-policy": "Fail"}
    assert world.run("status").exit_code == 0
    world.api.answer_probe(201, "")
    done = world.run("stage", "Ignore")
    assert (done.exit_code, done.output) == (
        0,
        "nadmit: stage Ignore, failurePolicy Ignore, for 17 webhooks (was Fail)\n",
    )
    assert world.policies() == OPEN


def test_annotations_of_others_stay(world: World) -> None:
    world.api.validating.edit(lambda value: value["metadata"].update(annotations={"x/y": "z"}))
    assert world.run("stage", "Fail").exit_code == 0
    assert world.api.validating.value["metadata"]["annotations"] == {"x/y": "z", "nadmit.io/failure-policy": "Fail"}


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
def test_stage_fail_requires_an_answer_of_the_webhook(world: World, case: str) -> None:
    status, said, expected = PROBES[case]
    world.api.answer_probe(status, said)
    done = world.run("stage", "Fail")
    assert (done.exit_code, done.output) == (1, f"{WHAT} {expected}\n")
    assert world.policies() == OPEN
    assert world.run("stage", "Fail", "--force").exit_code == 0
    assert world.policies() == STAGED


def test_stage_fail_requires_all_webhooks_with_an_authority_and_one_address(world: World) -> None:
    whole = world.api.validating.hooks()
    world.register(whole[2:], at=world.api.validating)
    done = world.run("stage", "Fail")
    assert done.exit_code == 1
    assert done.output.startswith(
        "nadmit: not staged: not registered: pods.access.nadmit.io, bindings.access.nadmit.io; run nadmit "
    )
    other = webhooks(VALIDATING_KIND, Url("https://x"), ca_bundle=CA, stage="Ignore", protection=StatusProtection())
    blind = {**whole[1], "clientConfig": {"service": whole[1]["clientConfig"]["service"]}}
    world.register([whole[0], blind, *whole[2:5], other[5], *whole[6:]], at=world.api.validating)
    done = world.run("stage", "Fail")
    assert (done.exit_code, done.output.splitlines()) == (
        1,
        [
            "nadmit: not staged: without caBundle: bindings.access.nadmit.io; the API server would not know the certificate",
            "nadmit: not staged: of another address than the others: policies.access.nadmit.io; see nadmit webhooks status",
        ],
    )


def test_stage_fail_requires_injection_if_its_configuration_exists(world: World) -> None:
    whole = world.api.mutating.hooks()
    world.register(whole[1:], at=world.api.mutating)
    done = world.run("stage", "Fail")
    assert done.exit_code == 1
    assert done.output.startswith("nadmit: not staged: not registered: pods.inject.nadmit.io; run nadmit ")
    other = webhooks(MUTATING_KIND, Url("https://x"), ca_bundle=CA, stage="Ignore", protection=StatusProtection())
    world.register(other, at=world.api.mutating)
    done = world.run("stage", "Fail")
    elsewhere = "pods.inject.nadmit.io, defaults.inject.nadmit.io"
    said = f"nadmit: not staged: of another address than the others: {elsewhere}; see nadmit webhooks status\n"
    assert (done.exit_code, done.output) == (1, said)
    assert world.policies() == OPEN


NO_INJECTION = (
    'warning: MutatingWebhookConfiguration "nadmit": there is none; apply the manifests, or create one without '
    "webhooks; nothing is injected into pods\n"
)


def test_the_configuration_of_injection_is_optional(world: World) -> None:
    world.api.mutating.delete()
    done = world.run("stage", "Fail")
    said = "nadmit: stage Fail, failurePolicy Fail, for 15 webhooks (was Ignore)\n"
    assert (done.exit_code, done.output) == (0, NO_INJECTION + said)
    assert [hook["failurePolicy"] for hook in world.api.validating.hooks()] == STAGED[2:]
    done = world.run("status")
    assert (done.exit_code, done.stderr) == (1, NO_INJECTION)
    assert [line.split() for line in done.stdout.splitlines()[1:3]] == [
        ["pods.inject.nadmit.io", "-", "-", "-", "absent"],
        ["defaults.inject.nadmit.io", "-", "-", "-", "absent"],
    ]


def test_two_stages_are_a_difference(world: World) -> None:
    """The stages differ if one object is deleted and created again, which begins with Ignore."""
    assert world.run("stage", "Fail").exit_code == 0
    hooks = webhooks(MUTATING_KIND, Service("a", "b"), ca_bundle=CA, stage="Ignore", protection=StatusProtection())
    world.api.mutating.edit(lambda value: value["metadata"].pop("annotations"))
    world.register(hooks, at=world.api.mutating)
    stages = "MutatingWebhookConfiguration Ignore, ValidatingWebhookConfiguration Fail"
    said = f"warning: the configurations have different stages: {stages}; run nadmit webhooks stage again\n"
    done = world.run("status")
    assert (done.exit_code, done.stderr) == (1, said)


def test_stage_tries_again_after_a_conflict(world: World) -> None:
    world.api.validating.before_patch.extend([lambda value: value["metadata"].update(labels={"a": "b"})] * 4)
    assert world.run("stage", "Fail").exit_code == 0
    assert world.policies() == STAGED
    world.api.validating.before_patch.extend([lambda value: value["metadata"].update(labels={"a": "b"})] * 5)
    done = world.run("stage", "Ignore")
    assert done.exit_code == 2
    assert "patch failed, another writer was first" in done.output


@pytest.mark.parametrize("words", [("stage", "Fail"), ("stage", "Ignore"), ("status",)])
def test_no_configuration(world: World, words: tuple[str, ...]) -> None:
    world.api.validating.delete()
    done = world.run(*words)
    assert done.exit_code == 2
    assert done.output == (
        'nadmit: ValidatingWebhookConfiguration "nadmit": there is none; apply the manifests, or create one without '
        "webhooks\n"
    )


def test_status_lists_what_is_registered(world: World) -> None:
    hooks = world.api.validating.hooks()
    hooks[0] = {**hooks[0], "failurePolicy": "Fail", "timeoutSeconds": 30}
    hooks[1] = {**hooks[1], "clientConfig": {"service": hooks[1]["clientConfig"]["service"]}}
    hooks[2] = {**hooks[2], "clientConfig": {**hooks[2]["clientConfig"], "caBundle": "eA=="}}
    twice = base64.b64encode(CA + CA).decode()
    hooks[3] = {**hooks[3], "clientConfig": {**hooks[3]["clientConfig"], "caBundle": twice}}
    more = [{**hooks[4], "name": "other.example.com"}, {**hooks[4], "name": "old.nadmit.io"}]
    service = {**hooks[4]["clientConfig"]["service"], "path": "/validate/0123456789abcdef"}
    more[1] = {**more[1], "clientConfig": {**hooks[4]["clientConfig"], "service": service}}
    world.register([*hooks[:4], *more], at=world.api.validating)
    done = world.run("status")
    assert (done.exit_code, done.output.splitlines()) == (
        1,
        [
            "WEBHOOK                            FAILURE POLICY  PATH           CA BUNDLE UNTIL        DIFFERS IN",
            "pods.inject.nadmit.io              Ignore          /mutate        2036-11-21",
            "defaults.inject.nadmit.io          Ignore          /mutate        2036-11-21",
            "pods.access.nadmit.io              Fail            /validate      2036-11-21             failurePolicy, timeoutSeconds",
            "bindings.access.nadmit.io          Ignore          /validate      none                   clientConfig.caBundle",
            "networks.access.nadmit.io          Ignore          /validate      unreadable",
            "networks-in-use.access.nadmit.io   Ignore          /validate      2036-11-21 2036-11-21",
            "workloads.access.nadmit.io         -               -              -                      absent",
            "policies.access.nadmit.io          -               -              -                      absent",
            "network-status.access.nadmit.io    -               -              -                      absent",
            "namespaces.access.nadmit.io        -               -              -                      absent",
            "namespace-labels.access.nadmit.io  -               -              -                      absent",
            "claims.access.nadmit.io            -               -              -                      absent",
            "devices.access.nadmit.io           -               -              -                      absent",
            "other-claims.access.nadmit.io      -               -              -                      absent",
            "other-workloads.access.nadmit.io   -               -              -                      absent",
            "machines.access.nadmit.io          -               -              -                      absent",
            "own-workloads.access.nadmit.io     -               -              -                      absent",
            "other.example.com                  Ignore                         2036-11-21             (foreign)",
            "old.nadmit.io                      Ignore          /validate/...  2036-11-21             unknown",
            "stage Ignore: while no replica answers, everything is allowed",
        ],
    )


def test_status_compares_with_what_is_given(world: World) -> None:
    assert world.run("status").exit_code == 0
    assert world.run("status", "--service", "a/b", *WORDS).exit_code == 0
    assert "matchConditions" in world.run("status", "--status-writer", "x").output
    assert world.run("status", "--url", "https://x").output.count("clientConfig") == 17
    world.api.validating.edit(lambda value: value["metadata"].update(annotations={"nadmit.io/failure-policy": "no"}))
    done = world.run("status")
    assert done.exit_code == 1
    assert "'no' is not a stage" in done.output


def test_show_prints_the_webhooks_that_the_server_registers(world: World, tmp_path: Path) -> None:
    """A private key in the same file is not printed."""
    (tmp_path / "ca.pem").write_bytes(render_key(KEY) + CA)
    words = ["webhooks", "show", "--service", "a/b", *WORDS, "--ca-file", str(tmp_path / "ca.pem")]
    done = CliRunner().invoke(nadmit, words)
    shown: list[dict[str, Any]] = list(yaml.safe_load_all(done.output))
    assert done.exit_code == 0
    assert [value["kind"] for value in shown] == ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
    for value, kind in zip(shown, KINDS, strict=True):
        assert value["webhooks"] == world.api.stored(kind).hooks()
        assert value["metadata"] == {"name": "nadmit", "annotations": {"nadmit.io/failure-policy": "Ignore"}}


def observe(world: World) -> None:
    for kind in KINDS:
        hooks = webhooks(kind, Service("a", "b"), ca_bundle=CA, stage="Observe", protection=PROTECTION)
        world.register(hooks, at=world.api.stored(kind))


def test_from_observe_to_ignore_and_back(world: World) -> None:
    observe(world)
    done = world.run("status")
    assert done.exit_code == 0
    assert done.output.splitlines()[1].split()[:3] == ["pods.inject.nadmit.io", "Ignore", "/mutate/observe"]
    assert done.output.splitlines()[-1] == (
        "stage Observe: everything is judged, nothing is refused; see nadmit webhooks would-refuse"
    )
    done = world.run("stage", "Ignore")
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [
            (
                "how much would have been refused is not known: there is no ConfigMap nadmit-system/nadmit-would-refuse; "
                "apply the manifests, or name another with --would-refuse-map"
            ),
            "nadmit: stage Ignore, failurePolicy Ignore, for 17 webhooks (was Observe)",
        ],
    )
    assert world.run("status").output.splitlines()[1].split()[2] == "/mutate"
    done = world.run("stage", "Observe")
    assert done.output == "nadmit: stage Observe, failurePolicy Ignore, for 17 webhooks (was Ignore)\n"
    assert world.run("status").exit_code == 0
    assert world.policies() == OPEN


def test_the_stage_is_left_with_a_look_at_the_list(world: World) -> None:
    observe(world)
    row = {"rule": "mac-value", "namespace": "blue", "mutated": 0, "validated": 2, "first": "1", "last": "2"}
    table = {"version": 1, "since": "1", "dropped": 3, "rows": [{**row, "kind": "Pod", "name": "p", "field": ""}]}
    world.api.serve("/api/v1/configmaps")
    metadata = {"namespace": "nadmit-system", "name": "nadmit-would-refuse"}
    world.api.put("/api/v1/configmaps", {"metadata": metadata, "data": {"would-refuse.json": json.dumps(table)}})
    assert world.run("stage", "Ignore").output.splitlines()[0] == (
        "2 refusals would have been made since 1, by 1 rule in 1 namespace; 3 more of rows that were dropped"
    )


def test_fail_comes_after_ignore(world: World) -> None:
    observe(world)
    done = world.run("stage", "Fail")
    assert (done.exit_code, done.output) == (
        1,
        "nadmit: not staged: the stage is Observe, in which nothing is refused; run nadmit webhooks stage Ignore first\n",
    )
    assert world.policies() == OPEN
    assert world.run("stage", "Fail", "--force").exit_code == 0
    assert world.policies() == STAGED


def test_show_prints_observe_for_registration_by_manifest(world: World) -> None:
    words = ["webhooks", "show", "--service", "a/b", *WORDS, "--stage"]
    shown = {stage: list(yaml.safe_load_all(CliRunner().invoke(nadmit, [*words, stage]).output)) for stage in STAGES}
    for stage, values in shown.items():
        for value in values:
            assert value["metadata"]["annotations"] == {"nadmit.io/failure-policy": stage}
            assert registered_stage(value["webhooks"]) == stage
    older = CliRunner().invoke(nadmit, [*words[:-1], "--failure-policy", "Fail"]).output
    assert list(yaml.safe_load_all(older)) == shown["Fail"]
