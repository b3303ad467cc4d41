"""The options of `nadmit serve --reports`, and the command of a pass that follows from them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from webhook.cli import nadmit
from webhook.commands.scanning.scancommand import scan
from webhook.commands.serve import _JUDGING_NAMES, serve, settings_of
from webhook.compose import ReportSettings
from webhook.openreports.rulenames import name_rule
from webhook.report.titles import TITLES

CLUSTER = ("--cluster", "--write-status")
JUDGING = (
    "--kubeconfig=/k", "--plugin-schemas=/p", "--attached-by=nadmit", "--posture=Consent", "--global-namespaces=",
    "--workload-templates=Warn", "--network-status-mode=Deny", "--status-writer=a", "--status-writer=b",
    "--status-writer-group=c", "--contact=#net", "--network-namespace=infra",
)  # fmt: skip


def context_of(command: click.Command, *words: str) -> click.Context:
    """Parse the words of a command. NB: a command without a parent would keep the help option of click."""
    name = command.name or ""
    parent = nadmit.make_context("nadmit", [name], resilient_parsing=True)
    return command.make_context(name, list(words), parent=parent)


def settings(*words: str) -> ReportSettings:
    made = settings_of(context_of(serve, *CLUSTER, *words).params).cluster.reports
    assert made is not None
    return made


def test_a_pass_judges_as_the_server_does() -> None:
    """Each option about judging is an option of both commands, and has the same value in both."""
    words = settings("--reports", *JUDGING).words
    server, a_pass = context_of(serve, *CLUSTER, *JUDGING).params, context_of(scan, *words[1:]).params
    assert words[0] == "scan"
    assert {name: a_pass[name] for name in _JUDGING_NAMES} == {name: server[name] for name in _JUDGING_NAMES}
    assert (a_pass["write_reports"], a_pass["output"]) == (True, "json")
    of_both = {one.name for one in serve.params} & {one.name for one in scan.params}
    assert of_both - set(_JUDGING_NAMES) == {"cluster", "config", "manifests", "namespace"} & of_both
    assert sum(word.startswith("--status-writer=") for word in words) == 2


def test_the_defaults_are_those_of_the_server() -> None:
    server, a_pass = context_of(serve, *CLUSTER).params, context_of(scan, *settings("--reports").words[1:]).params
    assert {name: a_pass[name] for name in _JUDGING_NAMES} == {name: server[name] for name in _JUDGING_NAMES}


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400)])
def test_how_often(text: str, seconds: float) -> None:
    assert settings("--reports", "--reports-every", text).every_s == seconds


def test_ten_minutes_are_the_default() -> None:
    assert settings("--reports").every_s == 600
    assert settings_of(context_of(serve, *CLUSTER).params).cluster.reports is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cluster", "--reports"), "--reports needs --write-status: the replica that writes the status"),
        ((*CLUSTER, "--reports-every", "5m"), "--reports-every belongs to --reports"),
        ((*CLUSTER, "--reports", "--reports-every", "9s"), "'9s' is not a duration of 10 s or more; write 90s"),
        ((*CLUSTER, "--reports", "--reports-every", "often"), "'often' is not a duration"),
        (("--manifests", "x", "--reports"), "--reports belongs to --cluster"),
    ],
)
def test_wrong_options(words: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(nadmit, ["serve", *words])
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("rule", "title", "category"),
    [
        ("NAD303", "", "IPAM and addresses"),
        ("DenyRule", TITLES["DenyRule"], "access"),
        ("network-not-found", TITLES["network-not-found"], "annotations and definitions"),
        ("network-unused", TITLES["network-unused"], "stock-taking"),
        ("limit-networks", TITLES["limit-networks"], "limits"),
        ("a-rule-of-a-later-version", "a-rule-of-a-later-version", "annotations and definitions"),
    ],
)
def test_what_people_read_about_a_rule(rule: str, title: str, category: str) -> None:
    found = name_rule(rule)
    assert found.category == category
    assert found.title
    assert title in {"", found.title}
