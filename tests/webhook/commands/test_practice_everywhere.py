"""What people write, by every way that a judgement goes: `check`, `review`, and HTTPS, with one verdict.

The first line of each file of `tests/vectors/practice/requests` is the expectation: the level and the rule of each
finding. The files of the other folders have tests of their own; here all of them get the same verdict everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from certs.certfiles import bootstrap
from cniplugin.access.model.decision import Config
from tests.cniplugin.access.served import Unobserved
from tests.paths import VECTORS
from tests.webhook.serving.harness import Client, client_context, running
from webhook.admission.view.decisioncontext import CompiledRules, Configuration, DecisionContext
from webhook.cli import nadmit
from webhook.commands.judging import Judgement, Webhook, admission_review, judge
from webhook.commands.options import configuration_of
from webhook.review.reviews import Reviews
from webhook.snapshot.snapshot import Snapshot
from webhook.trees import manifests
from webhook.trees.builder import build

PRACTICE = VECTORS / "practice"
REQUESTS = sorted((PRACTICE / "requests").glob("*.yaml"))
FILES = sorted(PRACTICE.rglob("*.yaml"))
_FINDING = re.compile(r"(error|warning) ([A-Za-z0-9-]+)")
OPEN = ["--posture", "Open"]


def name_of(path: Path) -> str:
    return str(path.relative_to(PRACTICE).with_suffix(""))


def test_there_are_files() -> None:
    assert len(REQUESTS) > 20
    assert len(FILES) > 60


def run(command: str, path: Path) -> Any:
    result = CliRunner().invoke(nadmit, [command, *OPEN, "-o", "json", str(path)], prog_name="nadmit")
    return json.loads(result.stdout)


@pytest.mark.parametrize("path", REQUESTS, ids=name_of)
def test_the_findings_are_those_of_the_first_line(path: Path) -> None:
    expected = path.read_text().partition("\n")[0].removeprefix("# expected: ").partition(": ")[0]
    found = [(one["level"], one["rule"]) for one in run("check", path)["findings"]]
    assert sorted(found) == sorted(_FINDING.findall(expected))
    assert found or expected == "no finding"


class Served(NamedTuple):
    """A server whose cluster each test replaces."""

    client: Client
    cluster: list[Snapshot]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    pki = tmp_path_factory.mktemp("pki")
    bootstrap(pki, ("localhost", "127.0.0.1"), datetime.now(UTC))
    cluster: list[Snapshot] = []
    reviews = Reviews(
        snapshot=lambda: cluster[-1],
        problem=lambda: None,
        rules=CompiledRules(Config(posture="Open")),
        configuration=lambda: CONFIGURATION,
        network_namespace="kube-system",
        observer=Unobserved(),
    )
    with running(pki, review=reviews) as server, Client(server.addresses.webhook, client_context(pki)) as client:
        yield Served(client, cluster)


CONFIGURATION: Configuration = configuration_of(None, None, "multus")


def judged(path: Path) -> tuple[Snapshot, list[Judgement]]:
    documents = list(manifests.read_bytes(path.read_bytes(), file=path.name, problems=[]))
    cluster = build(documents, [])
    context = DecisionContext(cluster, CompiledRules(Config(posture="Open"))(cluster), CONFIGURATION)
    return cluster, list(judge(documents, Webhook(context=context), []))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_check_review_and_https_have_one_verdict(path: Path, served: Served) -> None:
    cluster, judgements = judged(path)
    served.cluster.append(cluster)
    errors = [one["object"] for one in run("check", path)["findings"] if one["level"] == "error"]
    reviewed = run("review", path)
    assert len(reviewed) == len(judgements)
    for judgement, answer in zip(judgements, reviewed, strict=True):
        request, decision = judgement.request, judgement.decision
        place = "/mutate" if judgement.is_mutation else "/validate"
        written = judgement.object if judgement.is_mutation else judgement.changed_object
        sent = served.client.post(admission_review(written, namespace=request.namespace), path=place)
        response = json.loads(sent.body)["response"]
        assert (sent.status, response["allowed"]) == (200, decision.is_allowed)
        assert (answer["allowed"], answer["message"]) == (decision.is_allowed, decision.message)
        assert response.get("status", {}).get("message", "") == decision.message
        assert not decision.is_allowed or set(response.get("warnings", [])) <= set(map(str, decision.warnings))
        assert decision.is_allowed is (
            f"{request.kind.kind.lower()} {request.namespace}/{request.object_name}" not in errors
        )
