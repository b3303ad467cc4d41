"""network-resources-injector's cases through /mutate and then /validate; each difference is listed with a reason."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cniplugin.netspec import netattachdef
from tests.paths import ROOT, VECTORS
from tests.webhook.admission.mutation.injecting import cluster_of, create
from tests.webhook.admission.world import FakeCluster, rules
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import Injection, read_node_selector
from webhook.admission.mutate import answer_mutation
from webhook.admission.mutation import jsonpatch
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

CASES = json.loads((VECTORS / "resource_injection.json").read_text())["cases"]
DEVIATIONS = json.loads((VECTORS / "resource_injection_deviations.json").read_text())["cases"]
OPEN = rules(posture="Open")
"""NRI knows no access rules."""


def world_of(case: dict[str, Any]) -> FakeCluster:
    return cluster_of(
        *(
            netattachdef.build(
                namespace=nad["metadata"]["namespace"],
                name=nad["metadata"]["name"],
                config=nad["spec"]["config"],
                annotations=nad["metadata"].get("annotations"),
            )
            for nad in case["nads"]
        )
    )


def injection_of(case: dict[str, Any]) -> Injection:
    """The settings that correspond to NRI's flags and ConfigMap."""
    config = case["config"] or {}
    hugepages = case["flags"].get("injectHugepageDownApi", False)
    by_label = config.get("user-defined-injections", {})
    return Injection(
        mode="honor" if case["flags"].get("honor-resources") else "topUp",
        exposes_hugepages=config.get("features", {}).get("enableHugePageDownApi", hugepages),
        annotations_by_label={label: injection["value"] for label, injection in by_label.items()},
    )


def outcome(case: dict[str, Any]) -> tuple[str | None, Any]:
    """Return the webhook that refuses the pod, and the pod after the patch."""
    world, injection, pod = world_of(case), injection_of(case), case["pod"]
    namespace = case["request_namespace"]
    answer = answer_mutation(
        create(pod, namespace=namespace), DecisionContext(world, OPEN, Configuration(injection=injection))
    )
    after = jsonpatch.apply(list(answer.operations), pod)
    if not answer.is_allowed:
        return "/mutate", after
    judged = evaluate(
        create(after, namespace=namespace), DecisionContext(world, OPEN, Configuration(injection=injection))
    )
    return None if judged.is_allowed else "/validate", after


def test_there_are_cases() -> None:
    ids = [case["id"] for case in CASES]
    assert len(ids) == len(set(ids)) == 43
    assert set(DEVIATIONS) <= set(ids)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_case(case: dict[str, Any]) -> None:
    refused_by, after = outcome(case)
    known = DEVIATIONS.get(case["id"])
    if known is not None:
        assert (refused_by, after) == (known["refused_by"], known["pod"])
        assert (refused_by, after) != (None, case.get("expected_pod"))
    elif case["expected_response"].get("allowed"):
        assert (refused_by, after) == (None, case["expected_pod"])
    else:
        assert refused_by is not None
        assert after == case["pod"]


def test_the_manual_has_a_reason_for_each_that_differs() -> None:
    manual = (ROOT / "docs" / "conformance.md").read_text().partition("## Resource injection")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", manual, re.MULTILINE)) == set(DEVIATIONS)


@pytest.mark.parametrize("text", ["zone=a", " zone = a ", "zone\t=\u00a0a"])
def test_white_space_around_the_sign_of_a_node_selector(text: str) -> None:
    assert read_node_selector(text) == ("zone", "a")


@pytest.mark.parametrize("text", ["zone\x1c=a", "zo ne=a", "zone=a=b", "", "="])
def test_texts_that_are_not_a_node_selector(text: str) -> None:
    assert read_node_selector(text) is None
