"""A change carried out on a state, object by object, as the API server would: asked, and stored if it is admitted.

The objects come in the order in which they were read, and each is judged against what the earlier ones have made, as
with `kubectl apply`. An object that would be refused stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from cniplugin.access.model.decision import NAME_LABEL
from webhook.admission.model.kinds import DEVICE_KINDS, NAMESPACE, NETWORK, POD, POLICIES, GroupKind
from webhook.admission.model.requests import Decision
from webhook.commands.judging import Webhook, is_judged
from webhook.configuration import sections
from webhook.report.changeplan import applying
from webhook.report.changeplan.planned import ObjectChange, counted_of, who_of
from webhook.report.changeplan.workloadpods import WorkloadPods
from webhook.report.diagnosis.objectset import controller_of
from webhook.serving.http import RequestError
from webhook.trees.documents import Document
from webhook.trees.problems import ManifestError

from .livestate import CONFIG_KEY, user_of
from .plannedstate import Judging, Key, Settings, State, key_of, settings_of

_RULES = frozenset({NAMESPACE, *POLICIES})
_SETTINGS = GroupKind(sections.API_VERSION.partition("/")[0], sections.KIND)
_DECIDING = frozenset({NETWORK, *_RULES, *DEVICE_KINDS})
"""The kinds of objects that decisions about others read; pods as well, if they use networks."""
_NEEDS: Mapping[GroupKind, frozenset[GroupKind]] = {
    NETWORK: _RULES | {_SETTINGS, POD},
    NAMESPACE: frozenset({*POLICIES, _SETTINGS}),
    **dict.fromkeys(POLICIES, frozenset({_SETTINGS})),
}
"""The kinds whose changes a decision about a kind must know. NB: a snapshot of a large cluster takes a second, so it is
not made anew for each of a thousand definitions. A decision about any other kind must know all changes."""


_UNNAMED = "kubectl apply needs metadata.name; the object counts as if kubectl create made it"

_TEMPLATE = "spec.template.metadata.annotations"
_FIXED = "the API server refuses another template for a Job that exists; delete the Job first"

_Words = tuple[tuple[str, ...], tuple[str, ...]]
"""Why the webhook would refuse, and its warnings."""
_NOTHING: _Words = ((), ())


class ConfigSource(NamedTuple):
    """How the text of a NadmitConfiguration is read: the options beside it, and the ConfigMap that has it."""

    options: Mapping[str, Any]
    config_map: tuple[str, str]


def settings_text(document: Document, config_map: tuple[str, str]) -> bytes | None:
    """Return the text of a NadmitConfiguration, which is the document itself or in this ConfigMap; else None."""
    if GroupKind(document.group, document.kind) == _SETTINGS:
        return json.dumps(document.object).encode()
    if not _is_settings_map(document, config_map):
        return None
    data = document.object.get("data")
    text = data.get(CONFIG_KEY) if isinstance(data, dict) else None
    return text.encode() if isinstance(text, str) else None


def _is_settings_map(document: Document, config_map: tuple[str, str]) -> bool:
    key = (document.group, document.kind, document.namespace, document.name)
    return key == ("", "ConfigMap", *config_map)


class Change:
    """The state after the change, as far as it is carried out."""

    def __init__(self, state: State, settings: Settings, judging: Judging, source: ConfigSource) -> None:
        self.before = state
        self.state = state.copied()
        self.settings = settings
        self.changes: list[ObjectChange] = []
        self.notes: list[str] = []
        self._judging = judging
        self._source = source
        self._first: Webhook | None = None
        self._webhook: Webhook | None = None
        self._stale: set[GroupKind] = set()
        self._are_settings_applied = False
        self._gone_namespaces: set[str] = set()
        spaces = (one for key, one in state.objects.items() if key[:2] == NAMESPACE)
        self._are_namespaces_known = any(applying.is_stored(one.object) for one in spaces)

    def apply(self, documents: Iterable[Document]) -> None:
        """Apply objects, one after the other. Pods of controllers, which a copy may have, are applied by nobody."""
        for document in documents:
            if (document.group, document.kind) == POD and controller_of(document.object) is not None:
                continue
            text = settings_text(document, self._source.config_map)
            if text is not None or _is_settings_map(document, self._source.config_map):
                self._apply_settings(document, self._settings_text(document))
            elif isinstance(document.object.get("metadata"), dict) and self._is_concerned(document):
                self._note(document, key_of(document))
                self._apply_object(document)

    def _is_concerned(self, document: Document) -> bool:
        return is_judged(document, self.settings.value.workloads) or _is_namespace(document)

    def _note(self, document: Document, key: Key) -> None:
        """Note why kubectl would not even ask about an object."""
        if not document.name:
            self.notes.append(f"{document.place}: {_UNNAMED}")
        if key[2] and self._are_namespaces_known and (*NAMESPACE, "", key[2]) not in self.state.objects:
            self.notes.append(f"{document.place}: at this point there is no namespace {key[2]}; create it first")

    def _note_absent(self, key: Key) -> None:
        name = f"{key[2]}/{key[3]}" if key[2] else key[3]
        self.notes.append(f"{key[1].lower()} {name} is to be deleted, and the base does not have it")

    def delete(self, keys: Iterable[Key]) -> None:
        """Delete objects, one after the other. Those of a deleted namespace go with it."""
        for key in dict.fromkeys(keys):
            document = self.state.objects.get(key)
            if self._names_settings(key):
                self._delete_settings(key)
            elif key[2] in self._gone_namespaces:
                continue
            elif document is None:
                self._note_absent(key)
            elif self._is_concerned(document):
                self._delete_object(key, document)

    def first_webhook(self) -> Webhook:
        """Return the webhook that judges against the state before the change. It is made before the first step."""
        if self._first is None:
            self._first = self._webhook = self._judging.webhook(self.before, self.settings)
        return self._first

    def webhook(self) -> Webhook:
        """Return a webhook that judges against the state as it is now."""
        return self._webhook_for(None)

    # Objects

    def _apply_object(self, document: Document) -> None:
        key, kind = key_of(document), GroupKind(document.group, document.kind)
        old = self.state.objects.get(key)
        made = replace(document, object=_placed(applying.apply(old.object if old else None, document.object), key))
        before = None if old is None else _placed(old.object, key)
        fields = () if before is None else applying.fields_changed(before, made.object)
        what = applying.CREATED if old is None else applying.CHANGED if fields else applying.SAME
        refusals, warnings = _NOTHING
        if before is None or _text(before) != _text(made.object):
            refusals, warnings = self._ask(made, before)
        if (kind.group, kind.kind) == ("batch", "Job") and any(one.path.startswith(_TEMPLATE) for one in fields):
            warnings = (*warnings, _FIXED)
        shown = warnings if what != applying.SAME else ()
        self._add(ObjectChange(what, document.kind, key[2], key[3], document.place, fields, refusals, shown))
        if not refusals:
            self.state.objects[key] = made
            if what != applying.SAME:
                self._stale |= {kind} & _DECIDING
                self._make_pods(made, key)
                if kind == POD:
                    self._use_networks(key, user_of(made))

    def _ask(self, made: Document, old: Mapping[str, Any] | None) -> _Words:
        """Return why the webhook would refuse an object, and its warnings."""
        webhook = self._webhook_for(GroupKind(made.group, made.kind))
        if not is_judged(made, webhook.context.configuration.workloads):
            return _NOTHING
        try:
            decision = webhook.judge(made, old=old).decision
        except RequestError as error:
            return (error.text,), ()
        return _answer_of(decision)

    def _delete_object(self, key: Key, document: Document) -> None:
        kind = GroupKind(document.group, document.kind)
        refusals, warnings = _NOTHING
        if kind == NETWORK:
            try:
                refusals, warnings = _answer_of(self._webhook_for(NETWORK).judge_deletion(document).decision)
            except RequestError as error:
                refusals = (error.text,)
        if kind == NAMESPACE:
            warnings = (*warnings, *self._inside(key[3]))
        self._add(ObjectChange(applying.DELETED, document.kind, key[2], key[3], "", (), refusals, warnings))
        if refusals:
            return
        self._stale |= {kind} & _DECIDING
        del self.state.objects[key]
        self._forget(key)
        self._forget_dependents(key)
        if kind == POD:
            self._use_networks(key, None)
        if kind == NAMESPACE:
            self._gone_namespaces.add(key[3])
            for other in [one for one in self.state.objects if one[2] == key[3]]:
                del self.state.objects[other]
            self._stale.add(NETWORK)
            self.state.made = {maker: one for maker, one in self.state.made.items() if maker.namespace != key[3]}
            self.state.users = {name: one for name, one in self.state.users.items() if name[0] != key[3]}

    def _make_pods(self, made: Document, key: Key) -> None:
        """Put what an object makes of pods in the place of what it made before."""
        known = self.state.made
        pods = WorkloadPods(self.settings.value.workloads)
        if (made.group, made.kind) == POD:
            pods.add_pod(made.object, key[2], is_single=True)
        else:
            pods.add_workload(made.object, key[2])
        found = pods.finish()
        if found or GroupKind(*key[:2]) not in _DECIDING:
            self._forget(key)
        for maker, one in found.items():
            before = known.get(maker)
            if before is not None:
                one = one._replace(running=before.running).running_as(before.runs_as)  # noqa: PLW2901
            self.state.made[maker] = one

    def _forget(self, key: Key) -> None:
        """Leave out the pods that an object makes."""
        self.state.made = {maker: one for maker, one in self.state.made.items() if maker[:4] != key}

    def _forget_dependents(self, key: Key) -> None:
        """Leave out what belongs to a deleted object, such as older ReplicaSets of a Deployment: it goes with it."""
        gone = {key}
        while more := {maker[:4] for maker, one in self.state.made.items() if one.owner[:4] in gone} - gone:
            gone |= more
        self.state.made = {maker: one for maker, one in self.state.made.items() if maker[:4] not in gone}

    def _use_networks(self, key: Key, user: Document | None) -> None:
        """Put the networks that a pod uses in the place of those of before. `user`: None if it uses none."""
        if user is not None:
            self.state.users[key[2:]] = user
        elif self.state.users.pop(key[2:], None) is None:
            return
        self._stale.add(POD)

    def _inside(self, namespace: str) -> Iterator[str]:
        """Yield what goes with a namespace, if there is anything."""
        makers = [one for maker, one in self.state.made.items() if maker.namespace == namespace]
        networks = sum(key[:2] == NETWORK and key[2] == namespace for key in self.state.objects)
        if makers or networks:
            who = who_of(len(makers), sum(one.running for one in makers))
            yield f"with it go {who} and {counted_of(networks, 'network')}"

    def _add(self, change: ObjectChange) -> None:
        self.changes.append(change)

    # The NadmitConfiguration

    def _settings_text(self, document: Document) -> bytes | None:
        """Return the text that is in force after `kubectl apply` of a document; None for the defaults."""
        old = self.state.objects.get(key_of(document))
        if old is None or document.kind != "ConfigMap":
            return settings_text(document, self._source.config_map)
        made = replace(document, object=applying.apply(old.object, document.object))
        return settings_text(made, self._source.config_map)

    def _names_settings(self, key: Key) -> bool:
        return key[:2] == _SETTINGS or key == ("", "ConfigMap", *self._source.config_map)

    def _delete_settings(self, key: Key) -> None:
        """Put the defaults in force. NB: the change may have the settings in another object."""
        if self._are_settings_applied:
            return
        before, after = self.settings.written, settings_of(None, "", **self._source.options)
        fields = applying.differences(_plain(before), _plain(after.written))
        if not fields and key not in self.state.objects:
            self._note_absent(key)
            return
        namespace = key[2] if key[1] == "ConfigMap" else ""
        self._add(ObjectChange(applying.DELETED, sections.KIND, namespace, key[3], "", fields))
        self.settings = after
        self._stale.add(_SETTINGS)

    def _apply_settings(self, document: Document, text: bytes | None) -> None:
        kind, name = sections.KIND, document.name
        namespace = document.namespace if document.kind == "ConfigMap" else ""
        self._are_settings_applied = True
        before = _plain(self.settings.written)
        try:
            settings = settings_of(text, CONFIG_KEY, **self._source.options)
        except ManifestError as error:
            is_text = document.kind == "ConfigMap"  # else the position would be that of no text that anybody wrote
            refusals = tuple(str(problem) if is_text else problem.text for problem in error.problems)
            self._add(ObjectChange(applying.CHANGED, kind, namespace, name, document.place, (), refusals))
            return
        fields = applying.differences(before, _plain(settings.written))
        what = applying.CHANGED if fields else applying.SAME
        self._add(ObjectChange(what, kind, namespace, name, document.place, fields))
        self.settings = settings
        self._stale.add(_SETTINGS)

    # The webhook

    def _webhook_for(self, kind: GroupKind | None) -> Webhook:
        needs = self._stale if kind is None else self._stale & _NEEDS.get(kind, frozenset(self._stale))
        if self._webhook is None or needs:
            self._webhook = self._judging.webhook(self.state, self.settings)
            self._stale.clear()
        return self._webhook


def _plain(settings: sections.NadmitConfiguration) -> dict[str, Any]:
    return settings.model_dump(mode="json", by_alias=True)


def _is_namespace(document: Document) -> bool:
    return (document.group, document.kind) == NAMESPACE


def _answer_of(decision: Decision) -> _Words:
    warnings = tuple(dict.fromkeys(map(str, decision.warnings)))
    if decision.is_allowed:
        return (), warnings
    causes = [f"{one.field}: {one.message}" if one.field else one.message for one in decision.causes]
    lines = [text.partition("\n")[0] for text in causes or [decision.message]]
    return tuple(lines), warnings


def _placed(one: Mapping[str, Any], key: Key) -> dict[str, Any]:
    """Return an object as the API server stores it: with its namespace, and a namespace with the label of its name."""
    metadata = one["metadata"]
    if key[:2] == NAMESPACE:
        return {**one, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), NAME_LABEL: key[3]}}}
    return {**one, "metadata": {**metadata, "namespace": key[2]}} if key[2] else dict(one)


def _text(one: Mapping[str, Any]) -> str:
    """Return what the API server would store, without its own bookkeeping."""
    content = {key: value for key, value in one.items() if key != "status"}
    metadata = content.get("metadata") or {}
    named = {key: value for key, value in metadata.items() if key in {"labels", "annotations"}}
    annotations = {key: text for key, text in (named.get("annotations") or {}).items() if key != applying.LAST_APPLIED}
    return json.dumps({**content, "metadata": {**named, "annotations": annotations}}, sort_keys=True, default=str)
