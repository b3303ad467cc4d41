"""Pods and workloads as people write them: each file of `tests/vectors/practice/pods` gets exactly what is right for it.

The first line of a file has the findings, each with its rule, and then the reason.
"""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.paths import VECTORS
from tests.webhook.admission.world import rules
from webhook.admission.model.requests import Decision, Request
from webhook.admission.mutation import jsonpatch
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration
from webhook.cli import nadmit
from webhook.commands.judging import admission_review
from webhook.plugindata.pluginfiles import load_schemas
from webhook.review.reviews import Reviews
from webhook.trees import builder, manifests

FILES = sorted((VECTORS / "practice" / "pods").glob("*.yaml"))
HEAD = "# expected: "


def expected_of(path: Path) -> list[str]:
    """Return the findings of the first line, such as `warning host-network`."""
    line = path.read_text().partition("\n")[0]
    assert line.startswith(HEAD)
    found, _, reason = line.removeprefix(HEAD).partition(": ")
    assert reason
    return [] if found == "nothing" else sorted(found.split(", "))


def test_there_are_files() -> None:
    assert len(FILES) > 15


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_check(path: Path) -> None:
    done = CliRunner().invoke(nadmit, ["check", "--posture", "Open", "-o", "json", str(path)], prog_name="nadmit")
    findings = json.loads(done.stdout)["findings"]
    found = [f"{one['level']} {one['rule']}" for one in findings]
    assert sorted(found) == expected_of(path)


class Unwatched:
    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Forget the review."""


def answer(reviews: Reviews, path: str, body: bytes) -> dict[str, Any]:
    given = reviews(path, body)
    assert isinstance(given, bytes)
    response: dict[str, Any] = json.loads(given)["response"]
    return response


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_reviews(path: Path) -> None:
    """Each object goes through /mutate and /validate, from bytes to bytes."""
    documents = list(manifests.read_bytes(path.read_bytes(), file=path.name, problems=[]))
    cluster = builder.build(documents, [])
    configuration = Configuration(plugins=PluginChecks(schemas=load_schemas()))
    reviews = Reviews(
        snapshot=lambda: cluster,
        problem=lambda: None,
        rules=lambda _cluster: rules(posture="Open"),
        configuration=lambda: configuration,
        network_namespace="kube-system",
        observer=Unwatched(),
    )
    refused, warnings = 0, 0
    for document in documents:
        mutated = answer(reviews, "/mutate", admission_review(document.object, namespace="blue"))
        assert mutated["allowed"], mutated
        operations = json.loads(jsonpatch_of(mutated))
        changed = jsonpatch.apply(operations, document.object)
        validated = answer(reviews, "/validate", admission_review(changed, namespace="blue"))
        refused += not validated["allowed"]
        warnings += len([*mutated.get("warnings", []), *validated.get("warnings", [])])
    levels = [finding.split()[0] for finding in expected_of(path)]
    assert (refused, warnings) == (levels.count("error"), levels.count("warning"))


def jsonpatch_of(response: dict[str, Any]) -> bytes:
    """Return the patch of an answer as JSON."""
    return b64decode(response.get("patch", "W10="))
