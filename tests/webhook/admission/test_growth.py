"""Work grows at most linearly with the text. The tests count calls, not milliseconds.

Each kind of `hostile` is judged at one, two and four times a size. Limits that refuse nothing make every loop run: a
quadratic one would need 16 times the calls. The default limits show that a refusal comes before the work.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from cniplugin.access.judging.judge import judge
from cniplugin.access.model.decision import Rules
from tests.bench import hostile
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import Injection
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits
from webhook.admission.mutate import answer_mutation
from webhook.admission.plugins import goparsing
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.admission.view.parsecache import PARSED
from webhook.plugindata.pluginfiles import load_schemas
from webhook.review import wire
from webhook.serving.http import RequestError
from webhook.snapshot.snapshot import Definition, Snapshot

if TYPE_CHECKING:
    from types import FrameType

OF_ONE_SIZE = {"policy: selectors", "policy: 64 definitions rules", "policy: spec is nested"}
BOUNDLESS = ReviewLimits(*[1_000_000_000] * len(DEFAULTS))
SIZE = 2_048
MACVLAN = '{"cniVersion":"1.0.0","type":"macvlan","master":"bond1"}'
RULES, INJECTION = Rules(), Injection()
CHECKS = PluginChecks(schemas=load_schemas())

CALLS_ALLOWED = 3_000
"""Calls in a review that a limit refuses, of any size; most are for the first use of something."""


CALLS_TO_COUNT = 60_000
"""The same for a policy, whose values are counted: as many as the limit, with three calls each."""


def snapshot() -> Snapshot:
    annotations = {
        "lan": (),
        "hl": (),
        "vf": (("k8s.v1.cni.cncf.io/resourceName", "example.com/vf"),),
        "sel": (("k8s.v1.cni.cncf.io/nodeSelector", "rack=a"),),
    }
    found = {name: Definition("blue", name, MACVLAN, (), texts) for name, texts in annotations.items()}
    return Snapshot({"blue": found}, {"blue": {"kubernetes.io/metadata.name": "blue"}})


def calls_of(one: hostile.Hostile, size: int, limits: ReviewLimits) -> tuple[int, tuple[str, ...]]:
    """Return the number of calls in one uncached review, and its rules."""
    body, cluster = hostile.body(one, size), snapshot()
    PARSED.clear()
    goparsing.forget()
    count = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    rules: tuple[str, ...] = ()
    sys.setprofile(note)
    try:
        request = wire.decode(body)
        if one.path == "/mutate":
            decision = answer_mutation(
                request, DecisionContext(cluster, RULES, Configuration(injection=INJECTION, limits=limits))
            )
        else:
            decision = evaluate(
                request,
                DecisionContext(cluster, RULES, Configuration(injection=INJECTION, plugins=CHECKS, limits=limits)),
            )
        wire.encode(request, decision)
        rules = decision.rules
    except RequestError:
        rules = ("unreadable",)
    finally:
        sys.setprofile(None)
    return count, rules


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(hostile.CASES) - set(hostile.STORED) - OF_ONE_SIZE))
def test_calls_grow_with_the_text_at_most_in_proportion(name: str) -> None:
    one = hostile.CASES[name]
    least = 4 * SIZE if name.startswith("policy") else SIZE  # lints compare pairs of rules, up to a bound
    calls_of(one, least, BOUNDLESS)  # imports and tables that are made at the first use
    calls = [calls_of(one, factor * least, BOUNDLESS)[0] for factor in (1, 2, 4)]
    if not _are_proportional(*calls):  # a text that is wrong from some length on has 100 problems, which count once
        calls = [calls_of(one, factor * least, BOUNDLESS)[0] for factor in (4, 8, 16)]
    assert _are_proportional(*calls), calls


def _are_proportional(once: int, twice: int, four_times: int) -> bool:
    return twice <= 2.5 * once + 1_000 and four_times <= 4.5 * once + 1_000


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(hostile.CASES) - set(hostile.STORED)))
def test_a_limit_refuses_before_the_work(name: str) -> None:
    one = hostile.CASES[name]
    _, rules = calls_of(one, SIZE, DEFAULTS)
    calls, rules = calls_of(one, min(one.size, 200_000), DEFAULTS)
    if any(rule.startswith("limit-") and rule != "limit-containers" for rule in rules):
        assert rules[0].startswith("limit-")
        assert calls < (CALLS_TO_COUNT if rules == ("limit-policy-values",) else CALLS_ALLOWED)


@pytest.mark.plain
def test_one_network_64_times_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def note(*arguments: Any, **more: Any) -> Any:
        judged.append(arguments[1].reference)
        return judge(*arguments, **more)

    monkeypatch.setattr("webhook.admission.checks.podnetworks.judge", note)
    request = wire.decode(hostile.body(hostile.PODS["networks: lan,lan,.."], 64 * 4 - 1))
    assert evaluate(request, DecisionContext(snapshot(), RULES)).is_allowed
    assert judged == ["blue/lan"]
