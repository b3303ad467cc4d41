"""The objects on one side of a change, and what they make of a decision: snapshot, rules, configuration, webhook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from webhook.admission.model.kinds import CLUSTER_SCOPED, GroupKind
from webhook.admission.model.requests import User
from webhook.admission.templates.workloadtable import CLUSTER_KINDS
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.commands.check.authors import AnyAuthor
from webhook.commands.judging import NOBODY, Webhook
from webhook.commands.options import rules_in_force
from webhook.configuration import parsing, sections
from webhook.configuration.sections import NadmitConfiguration
from webhook.report.changeplan.podoutcome import REFUSED, Answer, Outcome, Reason, outcome_of
from webhook.report.changeplan.workloadpods import MadePod, Maker, name_of
from webhook.serving.http import RequestError
from webhook.trees import builder
from webhook.trees.documents import Document
from webhook.trees.positions import Source

Key = tuple[str, str, str, str]
"""Group, kind, namespace ("" for kinds of the whole cluster) and name of an object."""


def key_of(document: Document) -> Key:
    """Return what no two objects of a cluster share."""
    kind = GroupKind(document.group, document.kind)
    is_global = kind in CLUSTER_SCOPED or kind in CLUSTER_KINDS
    return document.group, document.kind, "" if is_global else document.namespace, name_of(document.object)


@dataclass(slots=True)
class State:
    """The objects of one side. `users`: pods that use networks; `made`: what makes pods, with the pods that run."""

    objects: dict[Key, Document] = field(default_factory=dict)
    users: dict[tuple[str, str], Document] = field(default_factory=dict)
    made: dict[Maker, MadePod] = field(default_factory=dict)

    def copied(self) -> State:
        """Return a state that can change alone."""
        return State(dict(self.objects), dict(self.users), dict(self.made))


class Settings(NamedTuple):
    """A NadmitConfiguration, and the value that decisions use."""

    written: NadmitConfiguration
    value: Configuration


def settings_of(data: bytes | None, where: str, *, plugin_schemas: Path | None, attached_by: str) -> Settings:
    """Return the settings of a text, None for the defaults. Raises ManifestError."""
    from webhook.configuration.schemafiles import load_directory  # noqa: PLC0415 - few have schemas

    own = load_directory(plugin_schemas) if plugin_schemas is not None else {}
    written = sections.defaults() if data is None else parsing.read(data, where=where)
    return Settings(written, replace(written.to_value(own, attached_by), finds_by_shape=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How both sides are judged. `given`: the options about rules. `is_author_known`: rules about authors count."""

    given: Mapping[str, Any]
    network_namespace: str
    network_in_use: str
    user: User = NOBODY
    is_author_known: bool = False

    def webhook(self, state: State, settings: Settings) -> Webhook:
        """Return a webhook that judges against a state."""
        others = (one for one in state.objects.values() if one.kind != "Pod")
        cluster = builder.build((*others, *state.users.values()), [], network_namespace=self.network_namespace)
        context = DecisionContext(
            cluster,
            rules_in_force(self.given, cluster),
            settings.value,
            self.network_namespace,
            self.network_in_use,
        )
        rules_for = None if self.is_author_known else AnyAuthor([]).rules_for
        return Webhook(context=context, user=self.user, rules_for=rules_for)


class PodJudge:
    """Says what becomes of pods on one side. `asked`: how many it was asked about."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = replace(webhook, user=NOBODY, rules_for=None)  # controllers make the pods
        self.asked = 0

    def __call__(self, one: MadePod) -> Outcome:
        """Return the outcome of one pod."""
        self.asked += 1
        document = Document(_NO_FILE, one.created, 0, 0)
        try:
            judged = self._webhook.judge(document)
        except RequestError as error:
            return Outcome(REFUSED, (Reason("unreadable-object", "", error.text),))
        answer = Answer(judged.decision, judged.operations, judged.changed_object)
        return outcome_of(answer, document.namespace, self._webhook.context)


_NO_FILE = Source("", "")
