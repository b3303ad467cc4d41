"""`can-attach` and `rules`: they answer as the webhook does, and list a cluster once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cniplugin.access.compile import compile_rules
from cniplugin.access.model.decision import Config
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from tests.fakes import objectstore
from tests.fakes.apiserver import ApiServer, status
from tests.fakes.objects import namespace, network, policy, policy_config, write_kubeconfig
from tests.fakes.objectstore import CONFIGS, NAMESPACES, PATHS, PODS, POLICIES
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import POD
from webhook.admission.model.requests import Object, Request, User
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.cli import nadmit
from webhook.trees import manifests

HERE = Path(__file__).parent
ASKED = (
    '{"name": "lan"}',
    '{"name": "lann"}',
    '{"name": "raw"}',
    '{"name": "lan", "ips": ["10.1.0.1/24"]}',
    '{"name": "lan", "default-route": ["10.1.0.1"]}',
    '{"name": "lan", "deviceID": "0000:01:00.0"}',
    '{"name": "lan", "cni-args": {"mac": "02:23:45:67:89:01"}}',
    '{"name": "internet", "namespace": "default"}',
    '{"name": "shared", "namespace": "green"}',
    '{"name": "nope", "namespace": "green"}',
    '{"name": "storage", "namespace": "infra"}',
    '{"name": "storage", "namespace": "infra", "ips": ["10.1.4.7/16"]}',
    '{"name": "storage", "namespace": "infra", "ips": ["10.9.4.7/16"]}',
    '{"name": "storage", "namespace": "infra", "cni-args": {"IPs": "10.9.4.7"}}',
    '{"name": "storage", "namespace": "infra", "interface": "san0"}',
    '{"name": "backup", "namespace": "infra"}',
    '{"name": "backup", "namespace": "infra", "bandwidth": {"ingressRate": 1000, "ingressBurst": 1}}',
)


@pytest.fixture(autouse=True)
def _in_this_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(nadmit, arguments, prog_name="nadmit")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


# The same answer as the webhook


@pytest.mark.parametrize("is_default", [False, True], ids=["networks", "default-network"])
@pytest.mark.parametrize("namespace", ["blue", "green", "infra"])
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("labels", [{}, {"app": "router"}], ids=["plain", "router"])
def test_can_attach_answers_as_the_webhook(
    asked: str, namespace: str, labels: dict[str, str], *, is_default: bool
) -> None:
    cluster = manifests.load_snapshot("guarded")
    key = DEFAULT_NETWORK if is_default else NETWORKS
    pod = Object(name="web", annotations={key: f"[{asked}]"}, labels=labels)
    request = Request(
        uid="u", kind=POD, operation="CREATE", namespace=namespace, name="web", user=User("a", ()), object=pod
    )
    decision = evaluate(request, DecisionContext(cluster, compile_rules(cluster.policies, Config())))
    more = ["--default-network"] if is_default else []
    more += ["-l", "app=router"] if labels else []
    result = run("can-attach", "-n", namespace, f"[{asked}]", "--manifests", "guarded", "-o", "json", *more)
    if result.exit_code == 2:
        assert decision.code == 422
        assert is_default
        assert "interface" in asked
        return
    answer = json.loads(result.stdout)
    assert result.exit_code == (0 if answer["allowed"] else 1)
    assert answer["allowed"] is (decision.code != 403)
    if decision.code == 403:
        assert answer["reason"] in decision.message
        assert answer["decided"] in decision.message
        assert answer["fix"] in decision.message
    else:
        assert decision.is_allowed is (answer["exists"] and not answer["problems"])
    if decision.is_allowed:
        assert [trial["mode"] for trial in answer["onTrial"]] == [text.partition(":")[0] for text in decision.trials]


def test_rules_and_can_attach_agree() -> None:
    listed = json.loads(run("rules", "-n", "blue", "-o", "json", "--manifests", "guarded").stdout)
    assert len(listed["networks"]) == 6
    for one in listed["networks"]:
        asked = run("can-attach", "-n", "blue", one["network"], "-o", "json", "--manifests", "guarded")
        answer = json.loads(asked.stdout)
        assert {key: answer[key] for key in one} == one


def test_the_options_apply_only_without_a_configuration_object() -> None:
    open_ = ("can-attach", "-n", "blue", "infra/storage", "--posture", "Open", "--manifests")
    assert run(*open_, "tree").exit_code == 0
    assert run("can-attach", "-n", "green", "blue/lan", "--posture", "Open", "--manifests", "guarded").exit_code == 1
    contact = ("can-attach", "-n", "green", "blue/lan", "--contact", "#us", "--manifests")
    assert "ask #us" in run(*contact, "tree").stdout
    assert "ask #net-team" in run(*contact, "guarded").stdout
    infra = ("can-attach", "-n", "blue", "infra/storage", "--global-namespaces", "infra", "--manifests", "tree")
    assert run(*infra).exit_code == 0


def test_every_policy_on_trial_has_a_line(tmp_path: Path) -> None:
    """Two have mode Warn and one has mode Audit. A fourth refuses nothing and has no line."""
    deny = {"name": "no", "action": "Deny"}
    policies = [
        policy("warn-a", deny, mode="Warn"),
        policy("warn-b", deny, mode="Warn"),
        policy("warn-c", {**deny, "networks": [{"names": ["other"]}]}, mode="Warn"),
        policy("audit", deny, mode="Audit"),
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": [network("lan", "blue"), *policies]}
    (tmp_path / "all.json").write_text(json.dumps(listed))
    result = run("can-attach", "-n", "blue", "lan", "--manifests", str(tmp_path))
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if line.startswith("on trial: ")]
    on_trial = [(line.split()[3].rstrip(":"), line.split('"')[1]) for line in lines]
    assert on_trial == [("Warn", "warn-a"), ("Warn", "warn-b"), ("Audit", "audit")]


def test_policies_on_trial_that_allow_together_have_no_line(tmp_path: Path) -> None:
    """One governs the pair and would refuse it alone; the other accepts it."""
    narrow = {"name": "narrow", "action": "Allow", "limits": {"bandwidth": {"required": True}}}
    policies = [policy("narrow", narrow, mode="Warn"), policy("wide", {"name": "a", "action": "Allow"}, mode="Warn")]

    def ask(*kept: dict[str, Any]) -> str:
        listed = {"apiVersion": "v1", "kind": "List", "items": [network("lan", "blue"), *kept]}
        (tmp_path / "all.json").write_text(json.dumps(listed))
        return run("can-attach", "-n", "blue", "lan", "--manifests", str(tmp_path)).stdout

    assert "on trial" not in ask(*policies)
    assert 'rule "narrow" (Allow, limits, mode Warn)' in ask(policies[0])


# A cluster


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.put(NAMESPACES, namespace("blue"))
        server.put(objectstore.NETWORKS, network("lan", "blue"), network("storage", "infra"))
        yield server


@pytest.fixture
def ask(api: ApiServer, tmp_path: Path) -> Callable[..., Result]:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)

    def ask(command: str, *arguments: str) -> Result:
        return run(command, "-n", "blue", "--cluster", "--kubeconfig", str(kubeconfig), *arguments)

    return ask


SAN = {
    "name": "san",
    "action": "Allow",
    "networks": [{"namespaces": ["infra"]}],
    "limits": {"ips": {"cidrs": ["10.1.0.0/16"]}},
}


def test_a_cluster_is_listed_once(api: ApiServer, ask: Callable[..., Result]) -> None:
    api.put(POLICIES, policy("blue-storage", SAN))
    api.put(CONFIGS, policy_config(posture="Strict"))
    result = ask("can-attach", "infra/storage")
    assert (result.exit_code, result.stderr) == (0, "")
    assert 'NetworkAttachmentPolicy "blue-storage" rule "san" (Allow)' in result.stdout
    assert ask("can-attach", "lan").exit_code == 1
    for path in PATHS:
        assert len(api.list_requests(path)) == (0 if path == PODS else 2)
        assert api.watch_requests(path) == []


def test_a_large_cluster_comes_in_pages(api: ApiServer, ask: Callable[..., Result]) -> None:
    api.put(objectstore.NETWORKS, *(network(f"n{number:04}", "blue") for number in range(1200)))
    listed = json.loads(ask("rules", "-o", "json").stdout)
    assert len(listed["networks"]) == 1202
    assert len(api.list_requests(objectstore.NETWORKS)) == 3


def test_history_that_goes_between_two_pages_is_listed_again(api: ApiServer, ask: Callable[..., Result]) -> None:
    api.put(objectstore.NETWORKS, *(network(f"n{number:04}", "blue") for number in range(600)))

    def expire() -> None:
        if len(api.list_requests(objectstore.NETWORKS)) == 1:
            api.answers[objectstore.NETWORKS].append((410, status(410, "too old")))

    api.on_page = expire
    assert len(json.loads(ask("rules", "-o", "json").stdout)["networks"]) == 602


def test_a_cluster_without_the_definitions_has_no_policies(api: ApiServer, ask: Callable[..., Result]) -> None:
    for path in (objectstore.NETWORKS, POLICIES, CONFIGS):
        api.answer_always[path] = (404, b"404 page not found\n")
    result = ask("can-attach", "lan")
    assert (result.exit_code, result.stderr) == (0, "")
    assert 'there is no NetworkAttachmentDefinition "lan"' in result.stdout
    assert "posture: Isolated (no NetworkAttachmentPolicyConfig)" in ask("rules").stdout


@pytest.mark.parametrize(
    ("path", "answer", "part"),
    [
        (POLICIES, (403, status(403, "no")), "list is forbidden: no; grant list and watch on networkattachmentpol"),
        (NAMESPACES, (404, b""), "namespaces: not served by"),
        (CONFIGS, (410, b""), "networkattachmentpolicyconfigs.access.nadmit.io: list: the history is compacted"),
        (CONFIGS, (200, b"<html>"), "not what an API server answers"),
        (POLICIES, (500, status(500, "tired")), "list failed with 500: tired"),
    ],
)
def test_a_kind_that_cannot_be_listed_ends_the_command(
    api: ApiServer, ask: Callable[..., Result], path: str, answer: tuple[int, bytes], part: str
) -> None:
    api.answer_always[path] = answer
    for command in (("can-attach", "lan"), ("rules",)):
        result = ask(*command)
        assert (result.exit_code, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith("nadmit: ")
        assert part in line


def test_a_server_that_is_down_ends_the_command(api: ApiServer, ask: Callable[..., Result]) -> None:
    api.close()
    result = ask("can-attach", "lan")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot be reached: connection refused" in result.stderr


def test_a_missing_kubeconfig_ends_the_command() -> None:
    result = run("rules", "-n", "blue", "--cluster", "--kubeconfig", "nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("nadmit: nowhere: no such kubeconfig")


def test_unreadable_policies_of_a_cluster_are_warnings(api: ApiServer, ask: Callable[..., Result]) -> None:
    broken: dict[str, Any] = {**SAN, "limits": {"ips": {"cidrs": ["ten"]}}}
    api.put(POLICIES, policy("blue-storage", broken))
    result = ask("can-attach", "infra/storage")
    assert result.exit_code == 1
    assert "(Allow, unreadable)" in result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith('warning: NetworkAttachmentPolicy "blue-storage": spec.attachments[0].limits.ips.cidrs[0]: ')


def test_an_unknown_namespace_is_a_warning(api: ApiServer, ask: Callable[..., Result]) -> None:
    api.delete(NAMESPACES, "", "blue")
    api.put(NAMESPACES, namespace("red"))
    assert ask("rules").stderr.startswith('warning: there is no namespace "blue"')


@pytest.mark.parametrize("is_told", [True, False])
def test_an_unknown_namespace_is_a_warning_if_rules_read_its_labels(
    api: ApiServer, ask: Callable[..., Result], *, is_told: bool
) -> None:
    """A tree of policies alone has no namespaces, and needs none unless a rule selects by their labels."""
    api.delete(NAMESPACES, "", "blue")
    entry = {"namespaceSelector": {"matchLabels": {"env": "dev"}}} if is_told else {"namespaces": ["blue"]}
    value = policy("dev", {"name": "d", "action": "Deny"})
    api.put(POLICIES, {**value, "spec": {**value["spec"], "pods": [entry]}})
    assert ask("rules").stderr.startswith('warning: there is no namespace "blue"') is is_told
