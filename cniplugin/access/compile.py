"""API objects of policies and configuration to the rules in force. Shells call this once per change."""

from __future__ import annotations

from cniplugin.netspec.record import Record

from .judging.ruleindex import MODES_OF, build
from .model.decision import Config, Rules
from .model.policyrules import CONFIG_KIND, CONFIG_NAME, POLICY_KIND
from .reading.policies import read_policy
from .reading.policyconfig import read_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from cniplugin.netspec.errors import SpecError

    from .model.policyrules import Policy


class Policies(Record):
    """The policies of a cluster and its configuration; `config` is None if there is no configuration object."""

    policies: tuple[Policy, ...] = ()
    config: Config | None = None
    config_problems: tuple[SpecError, ...] = ()


NO_POLICIES = Policies()


def read_policies(objects: Iterable[Mapping[str, Any]]) -> Policies:
    """Return the policies of API objects of either kind, sorted by name. Never raises."""
    policies = []
    config: Config | None = None
    problems: tuple[SpecError, ...] = ()
    for value in objects:
        if value.get("kind") == POLICY_KIND:
            policies.append(read_policy(value))
        elif value.get("kind") == CONFIG_KIND and _name(value) == CONFIG_NAME:
            config, problems = read_config(value)
    policies.sort(key=lambda policy: policy.name)
    return Policies(policies=tuple(policies), config=config, config_problems=problems)


def _name(value: Mapping[str, Any]) -> object:
    metadata = value.get("metadata")
    return metadata.get("name") if isinstance(metadata, dict) else None


def compile_rules(policies: Policies, default: Config) -> Rules:
    """Return the rules in force. `default` is the configuration of a cluster without a configuration object."""
    entries = [
        entry
        for policy in policies.policies
        for rule in policy.attachments
        for entry in (*rule.pods, *rule.except_pods)
    ]
    selectors = [entry.pod_selector for entry in entries if entry.pod_selector is not None]
    labels = {requirement.key for selector in selectors for requirement in selector.requirements}
    return Rules(
        config=policies.config or default,
        **{name: build(policies.policies, name) for name in MODES_OF},
        pod_labels=tuple(sorted(labels)),
        reads_accounts=any(entry.service_accounts is not None for entry in entries),
    )
