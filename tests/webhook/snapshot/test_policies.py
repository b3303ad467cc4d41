"""Access policies of a cluster: added, changed, deleted; problems in them are logged."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from cniplugin.access.model.decision import Config
from tests.fakes.apiserver import ApiServer, status
from tests.fakes.objects import network, policy, policy_config
from tests.fakes.objectstore import CONFIGS, NETWORKS, POLICIES
from webhook.admission.view.decisioncontext import CompiledRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from .observed import Observed

DENY = {"name": "no-storage", "action": "Deny", "networks": [{"names": ["storage"]}]}
NO_CIDR = {"name": "san", "action": "Allow", "limits": {"ips": {"cidrs": ["ten"]}}}
ABSENT = (404, b"404 page not found\n")


def actions(observed: Observed) -> dict[str, list[str]]:
    """Return the actions of the rules of each policy."""
    policies = observed.source.snapshot().policies.policies
    return {found.name: [rule.action for rule in found.attachments] for found in policies}


def posture(observed: Observed) -> str | None:
    config = observed.source.snapshot().policies.config
    return config.posture if config else None


def test_a_policy_is_added_changed_and_deleted(api: ApiServer, observed: Observed) -> None:
    assert actions(observed) == {}
    api.put(POLICIES, policy("b", DENY), policy("a", DENY))
    observed.wait(lambda: list(actions(observed)) == ["a", "b"])
    assert observed.source.snapshot().counts()["policies"] == 2
    api.put(POLICIES, policy("a", {"name": "x", "action": "Allow"}, generation=2))
    observed.wait(lambda: actions(observed) == {"a": ["Allow"], "b": ["Deny"]})
    api.delete(POLICIES, "", "b")
    observed.wait(lambda: actions(observed) == {"a": ["Allow"]})


def test_the_configuration_is_added_changed_and_deleted(api: ApiServer, observed: Observed) -> None:
    assert posture(observed) is None
    api.put(CONFIGS, policy_config(posture="Strict"))
    observed.wait(lambda: posture(observed) == "Strict")
    assert observed.source.snapshot().counts()["policyconfigs"] == 1
    api.put(CONFIGS, policy_config(posture="Open", generation=2), policy_config("other", posture="Consent"))
    observed.wait(lambda: posture(observed) == "Open")
    api.delete(CONFIGS, "", "other")
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    assert posture(observed) == "Open"
    api.delete(CONFIGS, "", "cluster")
    observed.wait(lambda: posture(observed) is None)


def test_existing_policies_are_in_the_first_snapshot(api: ApiServer, observe: Callable[..., Observed]) -> None:
    api.put(POLICIES, policy("a", DENY))
    api.put(CONFIGS, policy_config(posture="Strict"))
    observed = observe(api.url)
    observed.start()
    observed.wait(lambda: observed.source.problem() is None)
    rules = CompiledRules(Config())(observed.source.snapshot())
    assert rules.config.posture == "Strict"
    assert rules.enforced is not None


@pytest.mark.parametrize("path", [POLICIES, CONFIGS])
def test_it_is_not_ready_before_they_are_listed(api: ApiServer, observe: Callable[..., Observed], path: str) -> None:
    """Without the Deny rules it would admit pods that must be refused."""
    api.answer_always[path] = (403, status(403, "forbidden"))
    observed = observe(api.url)
    observed.start()
    title = f"{path.rpartition('/')[2]}.access.nadmit.io"
    observed.wait(lambda: f"grant list and watch on {title}" in (observed.source.problem() or ""))
    api.wait(lambda: sum(api.watches.values()) == 4)
    assert observed.source.problem() is not None
    del api.answer_always[path]
    observed.wait(lambda: observed.source.problem() is None)


def test_the_policies_are_the_same_object_until_one_changes(api: ApiServer, observed: Observed) -> None:
    """`CompiledRules` compiles the rules again if the object is another one."""
    api.put(POLICIES, policy("a", DENY))
    observed.wait(lambda: actions(observed))
    before = observed.source.snapshot()
    api.put(POLICIES, {**policy("a", DENY), "status": {"observedGeneration": 1}})
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    assert observed.source.snapshot() is not before
    assert observed.source.snapshot().policies is before.policies
    api.compact()
    api.cut_watches()
    api.wait(lambda: len(api.list_requests(POLICIES)) == 2)
    api.put(NETWORKS, network("red"))
    observed.wait_names("blue", "green", "red")
    assert observed.source.snapshot().policies is before.policies
    api.put(POLICIES, policy("a", DENY, generation=2, contact="#net"))
    observed.wait(lambda: observed.source.snapshot().policies is not before.policies)


def test_a_status_alone_swaps_nothing(api: ApiServer, observed: Observed) -> None:
    api.put(POLICIES, policy("a", DENY))
    observed.wait(lambda: actions(observed))
    swaps = observed.swaps
    api.put(POLICIES, {**policy("a", DENY), "status": {"observedGeneration": 1}})
    observed.now += 10
    api.bookmark(POLICIES)
    observed.wait(lambda: observed.source.cache_age_seconds()["policies"] == 0)
    assert observed.swaps == swaps


def test_the_readable_part_of_a_malformed_policy_is_kept(
    api: ApiServer, observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nadmit.cluster")
    broad = {"name": "no-storage", "action": "Deny", "networks": [{"names": 7}]}
    api.put(POLICIES, policy("a", broad, NO_CIDR, {"name": "fine", "action": "Deny"}))
    observed.wait(lambda: "cidrs[0]" in caplog.text)
    (found,) = observed.source.snapshot().policies.policies
    assert [(rule.name, rule.is_broken) for rule in found.attachments] == [
        ("no-storage", False),
        ("san", True),
        ("fine", False),
    ]
    lines = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lines) == 2
    assert lines[0].startswith('NetworkAttachmentPolicy "a": spec.attachments[0].networks[0].names: wrong JSON type')
    assert "covers more if it is a Deny and accepts nothing if it is an Allow" in lines[0]
    assert "spec.attachments[1].limits.ips.cidrs[0]" in lines[1]


def test_a_problem_of_a_policy_is_logged_once_per_generation(
    api: ApiServer, observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nadmit.cluster")

    def put(*changed: dict[str, Any]) -> None:
        swaps = observed.swaps  # counted after the expected log lines
        api.put(POLICIES, *changed)
        observed.wait(lambda: observed.swaps > swaps)

    put(policy("a", NO_CIDR))
    put(policy("b", DENY))
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    assert caplog.text.count("cidrs[0]") == 1
    put(policy("a", NO_CIDR, generation=2, description="as before"))
    assert caplog.text.count("cidrs[0]") == 2
    put(policy("a", DENY, generation=3))
    assert caplog.text.count("cidrs[0]") == 2


def test_a_configuration_that_cannot_be_read_is_logged(
    api: ApiServer, observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(CONFIGS, policy_config(posture="Opne"))
    observed.wait(lambda: 'NetworkAttachmentPolicyConfig "cluster": spec.posture: ' in caplog.text)
    assert posture(observed) == "Strict"
    assert "counts as what grants nothing" in caplog.text


@pytest.mark.parametrize("spec", [None, 7, [], "x", {}, {"attachments": 7}], ids=json.dumps)
def test_a_spec_that_is_not_a_policy_grants_nothing_and_is_logged(
    api: ApiServer, observed: Observed, caplog: pytest.LogCaptureFixture, spec: object
) -> None:
    api.put(POLICIES, {**policy("a"), "spec": spec})
    observed.wait(lambda: 'NetworkAttachmentPolicy "a": spec' in caplog.text)
    assert actions(observed) == {"a": []}


def test_without_their_definitions_there_are_no_policies(
    api: ApiServer, observe: Callable[..., Observed], caplog: pytest.LogCaptureFixture
) -> None:
    """The CustomResourceDefinitions may be installed later. Until then each is reported by one line."""
    caplog.set_level(logging.INFO, "nadmit.cluster")
    api.put(POLICIES, policy("a", DENY))
    api.put(CONFIGS, policy_config(posture="Strict"))
    api.answer_always |= {POLICIES: ABSENT, CONFIGS: ABSENT}
    observed = observe(api.url)
    observed.start()
    observed.wait(lambda: observed.source.problem() is None)
    assert (actions(observed), posture(observed)) == ({}, None)
    for minutes in (1, 2, 3):
        observed.now = 1000.0 + 61 * minutes
        _wait_for_more_lists(api, 3)
    said = [record.message for record in caplog.records if record.message.startswith("policies: ")]
    assert len(said) <= 2, said
    assert said[0].startswith("policies: there are none: networkattachmentpolicies.access.nadmit.io: not served by")
    del api.answer_always[POLICIES]
    observed.wait(lambda: actions(observed) == {"a": ["Deny"]})
    del api.answer_always[CONFIGS]
    observed.wait(lambda: posture(observed) == "Strict")


def _wait_for_more_lists(api: ApiServer, count: int) -> None:
    asked = len(api.list_requests(POLICIES))
    api.wait(lambda: len(api.list_requests(POLICIES)) >= asked + count)


def test_policies_disappear_with_their_definition(api: ApiServer, observed: Observed) -> None:
    api.put(POLICIES, policy("a", DENY))
    observed.wait(lambda: actions(observed))
    api.answer_always[POLICIES] = ABSENT
    api.cut_watches()
    observed.wait(lambda: not actions(observed))
    assert observed.source.problem() is None


def test_a_single_404_keeps_the_policies(api: ApiServer, observed: Observed) -> None:
    """An API server that is starting may answer 404 for a moment. That must not drop a Deny rule."""
    api.put(POLICIES, policy("a", DENY))
    observed.wait(lambda: actions(observed))
    before = observed.source.snapshot().policies
    api.answers[POLICIES].append(ABSENT)
    api.cut_watches()
    api.wait(lambda: len(api.list_requests(POLICIES)) == 2)
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    assert observed.source.snapshot().policies is before


def test_when_the_server_goes_away_the_last_policies_stay(api: ApiServer, observed: Observed) -> None:
    api.put(POLICIES, policy("a", DENY))
    observed.wait(lambda: actions(observed))
    api.close()
    assert actions(observed) == {"a": ["Deny"]}
    assert observed.source.problem() is None
