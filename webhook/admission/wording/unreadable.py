"""What of the policies cannot be read, and what that means: one line per problem, for logs and standard error.

A Deny that cannot be read gets broader, an Allow accepts nothing of what it selects, a configuration falls to the side
that grants nothing (`cniplugin.access.reading`). The server goes on, and this is what it logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cniplugin.access.compile import Policies
from cniplugin.access.model.policyrules import CONFIG_KIND, CONFIG_NAME, POLICY_KIND
from cniplugin.netspec.errors import SpecError, render

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
        """Return the line: which object, where in it, what is wrong, what that means."""
        return f'{self.kind} "{self.name}": {render(self.error)}; {_meaning(self)}'


def find(policies: Policies) -> Iterator[Unreadable]:
    """Yield every problem: policies by name, in the order of their text, then the configuration's."""
    for policy in policies.policies:
        own = {id(error) for error in policy.own_problems}
        for error in policy.problems:
            yield Unreadable(POLICY_KIND, policy.name, policy.generation, error, is_of_rule=id(error) not in own)
    for error in policies.config_problems:
        yield Unreadable(CONFIG_KIND, CONFIG_NAME, 0, error)


def _meaning(found: Unreadable) -> str:
    if found.kind == CONFIG_KIND:
        return _CONFIG
    return _RULE if found.is_of_rule else _POLICY
