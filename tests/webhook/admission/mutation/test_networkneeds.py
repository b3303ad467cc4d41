"""The needs of networks: which ones a server keeps. What is kept is what would be decided: `test_podsketch`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webhook.admission.mutation.injecting import HONOR, VF, Json, cluster_of, network, pod_of
from tests.webhook.admission.world import RULES
from webhook.admission.model.injection import Injection
from webhook.admission.mutation.networkneeds import KEPT_CHARACTERS_MAX, NetworkNeeds, find_needs
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.review.decisioncache import DecisionCache

WORLD = cluster_of(
    network("a", resource=VF, selector="rack=1"),
    network("b", resource="nameless"),
    network("long", resource=f"example.com/{'x' * KEPT_CHARACTERS_MAX}"),
    network("unusable", resource="memory"),
    network("elsewhere", selector="rack=2"),
)


def find(names: str, injection: Injection | None = None, **spec: Any) -> tuple[NetworkNeeds, list[NetworkNeeds]]:
    """The needs of networks, and those that are kept after they were asked for twice."""
    injection = injection or Injection()
    configuration = Configuration(injection=injection)
    memory = DecisionCache(configuration)
    context = DecisionContext(WORLD, RULES, configuration, memory=memory)
    pod: Json = pod_of(names, **spec)
    references = tuple(("blue", name) for name in names.split(","))
    made = [find_needs(pod, context, injection, namespace="blue", references=references) for _ in range(2)]
    assert made[0] is not None
    assert made[1] is not None
    assert made[0]._replace(networks=()) == made[1]._replace(networks=())
    return made[0], list(memory.values())


@pytest.mark.parametrize("names", ["a", "a,a", "a,b", "b", "elsewhere"])
def test_needs_are_kept_without_the_definitions(names: str) -> None:
    """NB: a parsed configuration takes far more room than its needs, and `parsecache` bounds that room."""
    made, kept = find(names)
    assert made.networks
    assert kept == [made._replace(networks=())]


@pytest.mark.parametrize("names", ["long", "a,absent", "unusable", "a,elsewhere"])
def test_needs_with_a_problem_or_without_a_bound_are_not_kept(names: str) -> None:
    assert find(names)[1] == []


def test_needs_that_depend_on_more_are_not_kept() -> None:
    assert find("a", HONOR)[1] == []
    assert find("a", resourceClaims=[{"name": "gpu"}])[1] == []


def test_needs_of_texts_that_nobody_has_read_are_not_kept() -> None:
    configuration = Configuration(injection=Injection())
    memory = DecisionCache(configuration)
    context = DecisionContext(WORLD, RULES, configuration, memory=memory)
    assert find_needs(pod_of("a"), context, Injection(), namespace="blue") is not None
    assert not memory
