"""The answers that a diagnosis asks for: the webhook's own verdict about an object, and who may attach to a network.

The verdict is that of `nadmit review`: the object goes through /mutate and /validate as if somebody created it now. It
cannot be made without the definitions and the access rules of the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cniplugin.access.model.decision import Item, Subject
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.model.requests import Decision
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.admission.view.permissions import permission_of
from webhook.commands.check.runningpods import as_created
from webhook.commands.judging import Webhook, is_judged
from webhook.commands.options import rules_in_force
from webhook.report.diagnosis.objectset import Json
from webhook.report.diagnosis.world import Right
from webhook.serving.http import RequestError
from webhook.snapshot.snapshot import Snapshot
from webhook.trees.documents import Document
from webhook.trees.positions import Source


class Asking:
    """Judges objects of one cluster."""

    def __init__(
        self, cluster: Snapshot, configuration: Configuration, given: Mapping[str, Any], *, network_namespace: str
    ) -> None:
        rules = rules_in_force(given, cluster)
        self._cluster = cluster
        self._context = DecisionContext(cluster, rules, configuration, network_namespace)
        self._webhook = Webhook(context=self._context)
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
        if not is_judged(document, self._context.configuration.workloads):
            return None
        try:
            return self._webhook.judge(document).decision
        except RequestError:
            return None

    def rights(self, namespace: str, name: str) -> Sequence[Right]:
        """Return for each known namespace whether a pod without labels may attach to a network, its own one first."""
        network = self._cluster.network(namespace, name)
        element = NetworkSelectionElement(name=name, namespace=namespace)
        item = Item(
            element=element,
            network=network,
            network_labels=self._cluster.namespace_labels(namespace),
            replaces_default=False,
        )
        names = dict.fromkeys((namespace, *sorted(self._cluster.namespaces())))
        return [self._right(where, item) for where in names]

    def _right(self, namespace: str, item: Item) -> Right:
        labels = self._cluster.namespace_labels(namespace)
        subject = Subject(namespace=namespace, namespace_labels=labels, labels={}, service_account="default")
        permission = permission_of(subject, item, self._context)
        verdict = permission.verdict
        return Right(namespace, verdict.is_allowed or permission.needs_limits, verdict.decided, verdict.reason)
