"""Texts about access policies: warnings to their author, and log lines about policies that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cniplugin.access.compile import Policies
from cniplugin.access.lints.lints import Lint
from cniplugin.access.model.policyrules import CONFIG_KIND, CONFIG_NAME, POLICY_KIND
from cniplugin.netspec.errors import SpecError, render
from webhook.admission.model.requests import AdmissionWarning


def lint_warning(lint: Lint) -> AdmissionWarning:
    """Warn of something that works in a policy, though few authors mean it."""
    return AdmissionWarning(lint.path, lint.text, rule=lint.name)


def pools_unlimited() -> AdmissionWarning:
    """Warn that tenants share the listed interfaces, and that no list says who owns which addresses."""
    return AdmissionWarning(
        "spec.definitions.baseline",
        "masters are listed and addresses are not: at level Baseline, definitions may hand out any pool of addresses "
        "on them; list the ranges that tenants have",
        rule="baseline-pools",
    )


_RULE = "until it is corrected, the rule covers more if it is a Deny and accepts nothing if it is an Allow"
_POLICY = "until it is corrected, the policy's Deny rules may cover more and its Allow rules accept nothing"
_CONFIG = "until it is corrected, what cannot be read counts as what grants nothing"


class Unreadable(NamedTuple):
    """One problem of one object. `generation` is 0 where it is not known."""

    kind: str
    name: str
    generation: int
    error: SpecError
    is_of_rule: bool = False

    def __str__(self) -> str:
        """Return one line: the object, the place in it, the problem, the effect."""
        return f'{self.kind} "{self.name}": {render(self.error)}; {_effect(self)}'


def find_unreadable(policies: Policies) -> Iterator[Unreadable]:
    """Yield every problem: policies by name, in the order of their text, then the configuration's."""
    for policy in policies.policies:
        own = {id(error) for error in policy.own_problems}
        for error in policy.problems:
            yield Unreadable(POLICY_KIND, policy.name, policy.generation, error, is_of_rule=id(error) not in own)
    for error in policies.config_problems:
        yield Unreadable(CONFIG_KIND, CONFIG_NAME, 0, error)


def _effect(problem: Unreadable) -> str:
    """Return the effect of a problem on decisions (`cniplugin.access.reading`)."""
    if problem.kind == CONFIG_KIND:
        return _CONFIG
    return _RULE if problem.is_of_rule else _POLICY
