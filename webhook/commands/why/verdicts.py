"""The answers that a diagnosis asks for: the webhook's own verdict about an object, and who may attach to a network.

The verdict is that of `nadmit review`: the object goes through /mutate and /validate as if somebody created it now. It
cannot be made without the definitions and the access rules of the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from webhook.admission.model.requests import Decision
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.commands.check.runningpods import as_created
from webhook.commands.judging import Webhook, is_judged
from webhook.commands.options import rules_in_force
from webhook.report.diagnosis.objectset import Json
from webhook.report.diagnosis.world import Right
from webhook.report.topology.accessrights import rights_of
from webhook.serving.http import RequestError
from webhook.snapshot.snapshot import Snapshot
from webhook.trees.documents import Document
from webhook.trees.positions import Source


class Asking:
    """Judges objects of one cluster. `webhook` judges others as well, and `context` is what it decides by."""

    def __init__(
        self, cluster: Snapshot, configuration: Configuration, given: Mapping[str, Any], *, network_namespace: str
    ) -> None:
        rules = rules_in_force(given, cluster)
        self._cluster = cluster
        self.context = DecisionContext(cluster, rules, configuration, network_namespace)
        self.webhook = Webhook(context=self.context)
        self._decisions: dict[int, tuple[Json, Decision | None]] = {}

    def judge(self, one: Json) -> Decision | None:
        """Return the decision about an object; None for one that is not judged or cannot be read.

        NB: a decision is remembered with its object, because the id of an object that is gone may be another's.
        """
        if id(one) not in self._decisions:
            self._decisions[id(one)] = one, self._judge(one)
        return self._decisions[id(one)][1]

    def _judge(self, one: Json) -> Decision | None:
        document = as_created(Document(Source("cluster", ""), dict(one), 0, 0))
        if not is_judged(document, self.context.configuration.workloads):
            return None
        try:
            return self.webhook.judge(document).decision
        except RequestError:
            return None

    def rights(self, namespace: str, name: str) -> Sequence[Right]:
        """Return for each known namespace whether a pod without labels may attach to a network, its own one first."""
        names = dict.fromkeys((namespace, *sorted(self._cluster.namespaces())))
        return list(rights_of(namespace, name, list(names), self.context))
