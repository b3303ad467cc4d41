"""The rules in force: those of a snapshot's policies over the settings, compiled once per change of the policies."""

from __future__ import annotations

from cniplugin.access.compile import Policies, compile_rules
from cniplugin.access.model.decision import Config, Rules
from webhook.admission.view.listers import Cluster


class RulesInForce:
    """Gives the rules of a snapshot. Called from one thread; `default` holds without a configuration object."""

    def __init__(self, default: Config) -> None:
        self._default = default
        self._policies: Policies | None = None
        self._rules = Rules(config=default)

    def __call__(self, cluster: Cluster) -> Rules:
        """Return the rules; the same object as long as the policies are the same."""
        policies = cluster.policies
        if policies is not self._policies:
            self._rules = compile_rules(policies, self._default)
            self._policies = policies
        return self._rules
