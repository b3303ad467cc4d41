"""One pod: what became of it, and why.

The steps follow a pod's life: it ended, it waits for a node, for its volumes and networks, for its containers; it runs,
with or without the networks that it asks for. The first step that has an answer gives it. Of the events, only the
latest about the step counts, because a pod that is tried again may fail for another reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cniplugin.netspec.annotation import PodSelections
from webhook.admission.model.requests import Decision
from webhook.admission.wording.answers import distinct

from . import attachments, cnicauses, cnimessages, placement
from .causes import CAUSES, UNKNOWN, Diagnosis, Evidence, Failure
from .objectset import Json, Note, items, part, text, texts
from .world import Recorded, World, evidence_of, explainable, said

KIND = "Pod"
ENDED = ("Succeeded", "Failed")
WAITING_FOR_SANDBOX = frozenset({"", "ContainerCreating", "PodInitializing"})
MOUNTS = frozenset({"FailedMount", "FailedAttachVolume"})
NOT_READY = "NetworkNotReady"
STATUS_NOT_WRITTEN = "NetworkStatusNotWritten"
ADDED = "AddedInterface"
_WAITS = {
    "ImagePullBackOff": "image-missing",
    "ErrImagePull": "image-missing",
    "ErrImageNeverPull": "image-missing",
    "InvalidImageName": "image-missing",
    "CrashLoopBackOff": "container-ends",
    "CreateContainerConfigError": "container-config",
    "CreateContainerError": "container-config",
    "RunContainerError": "container-config",
}
"""Reasons of waiting containers (kubernetes pkg/kubelet/kuberuntime, pkg/kubelet/images), and their causes."""


def diagnose(pod: Json, world: World) -> Diagnosis:
    """Return the diagnosis of a pod that exists."""
    return _Pod(pod, world).diagnose()


class _Pod:
    """One pod with what is known of it."""

    def __init__(self, pod: Json, world: World) -> None:
        self.pod = pod
        self.world = world
        self.namespace = text(pod, "metadata", "namespace")
        self.name = text(pod, "metadata", "name")
        self.selections: PodSelections = attachments.selections_of(pod, world.network_namespace)
        self.notes = world.objects.notes(pod)
        self.node = text(pod, "spec", "nodeName")
        self.phase = text(pod, "status", "phase")
        self.judged: Decision | None = world.judge(pod)
        self.recorded = world.records(self.namespace, self.name, text(pod, "metadata", "uid"))

    def diagnose(self) -> Diagnosis:
        found = next(filter(None, (step(self) for step in _STEPS)))
        return self._with_judgement(found)

    def answer(self, cause: str, *evidence: Evidence, value: str = "", **facts: str) -> Diagnosis:
        """Return a diagnosis with what is known in any case."""
        node = f"node {self.node}" if self.node else ""
        return Diagnosis(
            kind=KIND,
            namespace=self.namespace,
            name=self.name,
            cause=cause,
            facts={"namespace": self.namespace, "node": node, "value": value, **facts},
            evidence=(*evidence, *map(_of_record, self.recorded)),
            attachments=attachments.match(self.pod, self.selections),
            unread=tuple(self.world.objects.unread.values()),
        )

    def latest(self, *reasons: frozenset[str]) -> Note | None:
        """Return the latest event with one of these reasons."""
        wanted = frozenset().union(*reasons)
        return next((note for note in self.notes if note.reason in wanted), None)

    @property
    def is_host_network(self) -> bool:
        return part(self.pod, "spec").get("hostNetwork") is True

    @property
    def has_sandbox(self) -> bool:
        """Whether its networks are attached: the kubelet reports addresses, or a container that got further."""
        if text(self.pod, "status", "podIP") or self.phase == "Running":
            return True
        return any(reason not in WAITING_FOR_SANDBOX for reason, _ in self.waits())

    def waits(self) -> Iterator[tuple[str, str]]:
        """Yield reason and message of each container that waits."""
        for key in ("initContainerStatuses", "containerStatuses"):
            for one in items(self.pod, "status", key):
                if waiting := part(one, "state", "waiting"):
                    yield text(waiting, "reason"), text(waiting, "message")

    def _with_judgement(self, found: Diagnosis) -> Diagnosis:
        """Add what the webhook says now, if it refuses, and the rules that explain a failure."""
        refused = self.judged is not None and not self.judged.is_allowed
        network = found.failure.network if found.failure else ""
        definition = self._definition_judged(network) if found.stage != "fine" else None
        rules = explainable(definition, self.judged) if not found.is_fine else ()
        notes = found.notes
        if refused and found.is_fine:
            notes = (*notes, "the webhook would refuse it if it were created now")
            rules = explainable(self.judged)
        if definition is not None and not definition.is_allowed:
            notes = (*notes, f"the webhook would refuse the definition {network} now")
        now = said(self.judged, self.pod) if refused else None
        return found._replace(now=now, explain=distinct((*found.explain, *rules)), notes=notes)

    def _definition_judged(self, reference: str) -> Decision | None:
        namespace, _, name = reference.partition("/")
        definition = self.world.objects.get("NetworkAttachmentDefinition", namespace, name) if name else None
        return self.world.judge(definition) if definition is not None else None

    # The steps

    def ended(self) -> Diagnosis | None:
        return self.answer("ended") if self.phase in ENDED else None

    def unscheduled(self) -> Diagnosis | None:
        if self.node:
            return None
        if gates := placement.gates(self.pod):
            return self.answer("scheduling-gate", value=gates)
        condition = next((one for one in items(self.pod, "status", "conditions") if _is_unscheduled(one)), None)
        note = self.latest(frozenset({"FailedScheduling"}))
        message = note.message if note else text(condition, "message")
        if not message:
            return self.answer("no-evidence")
        cause, value = placement.find(message, self.pod)
        evidence = (
            evidence_of(note)
            if note
            else Evidence("condition", message, f"pod/{self.name}", text(condition, "reason"), "scheduler")
        )
        found = self.answer(cause, evidence, value=value)
        names = [one.reference for one in found.attachments if self._resource_of(one.reference) == value]
        if cause == "device-short" and names:
            return found._replace(notes=(f"the network {', '.join(names)} names that resource",))
        return found

    def _resource_of(self, reference: str) -> str:
        namespace, _, name = reference.partition("/")
        definition = self.world.objects.get("NetworkAttachmentDefinition", namespace, name)
        return texts(definition, "metadata", "annotations").get("k8s.v1.cni.cncf.io/resourceName", "")

    def unattached(self) -> Diagnosis | None:
        if self.has_sandbox or self.phase != "Pending":
            return None
        note = self.latest(cnimessages.REASONS, MOUNTS, frozenset({NOT_READY}))
        if note is None:
            return self._of_records() or self.answer("starting" if self.notes else "no-evidence")
        if note.reason in MOUNTS:
            return self.answer("volume-missing", evidence_of(note))
        if note.reason == NOT_READY:
            return self.answer("node-without-cni", evidence_of(note))
        message = cnimessages.split(note.message)
        failure = message.failure
        if failure.is_default and message.kind not in cnimessages.DELEGATING and "failed to find plugin" in failure.text:
            return self._failed(failure, evidence_of(note), cause="attacher-missing", value=message.kind)
        return self._failed(failure, evidence_of(note))

    def _of_records(self) -> Diagnosis | None:
        """Answer from the node's record when the events are gone."""
        failed = next((one for one in self.recorded if one.failure), None)
        if failed is None:
            return None
        rest = cnimessages.split(failed.failure).failure
        failure = rest._replace(
            attacher="nadmit", network=failed.network, item=failed.item, interface=failed.interface, is_default=False
        )
        return self._failed(failure)

    def _failed(self, failure: Failure, *evidence: Evidence, cause: str = "", value: str = "") -> Diagnosis:
        failure = self._placed(failure)
        parts = self._parts_of(failure.network)
        if not cause:
            cause, value = cnicauses.find(failure, parts.ipam)
        if cause == "network-missing":
            cause, failure, value = self._missing(failure, value)
        if cause == "namespace-isolation" and not failure.network:
            failure = self._in_namespace(failure, value)
        plugin = failure.plugin or parts.plugin
        if cause == "master-missing":
            value = value or parts.master
        network = f"{failure.network} (item {failure.item})" if failure.item else failure.network
        found = self.answer(
            cause,
            *evidence,
            value=value,
            network=network,
            plugin=f"the plugin {plugin}" if plugin else "",
            attacher=_ATTACHERS.get(failure.attacher, ""),
        )
        unknown = (
            ("the failing network is the cluster's default one, not one that the pod asks for",)
            if failure.is_default and CAUSES[cause].stage == UNKNOWN
            else ()
        )
        return found._replace(failure=failure._replace(plugin=plugin), notes=unknown)

    def _missing(self, failure: Failure, name: str) -> tuple[str, Failure, str]:
        """Return the cause of a missing network, with the network: another namespace may have one of its name."""
        failure = failure if failure.network else self._named(failure, name)
        wanted = failure.network.partition("/")[2] or name
        places = [text(one, "metadata", "namespace") for one in self._definitions() if _name(one) == wanted]
        if places:
            return "namespace-wrong", failure, " or ".join(f"{place}/{wanted}" for place in sorted(places))
        return "network-missing", failure, ""

    def _definitions(self) -> Iterator[Json]:
        return self.world.objects.of_kind("NetworkAttachmentDefinition")

    def _placed(self, failure: Failure) -> Failure:
        """Return a failure with the item and the reference of its network: Multus names the configuration only."""
        if failure.item and not failure.network:
            elements = {number: one for number, one in self.selections.elements}  # noqa: C416
            element = elements.get(failure.item - 1)
            return failure._replace(network=attachments.reference_of(element)) if element else failure
        if failure.network and "/" not in failure.network:
            return self._named(failure, failure.network)
        return failure

    def _named(self, failure: Failure, name: str) -> Failure:
        """Return a failure with the selected network whose definition or configuration has this name."""
        for position, element in self.selections.elements:
            reference = attachments.reference_of(element)
            if name in {element.name, self._parts_of(reference).name}:
                item = 0 if position is None else position + 1
                interface = failure.interface or element.interface or (f"net{item}" if item else "")
                return failure._replace(network=reference, item=item, interface=interface)
        return failure._replace(is_default=bool(failure.network))

    def _in_namespace(self, failure: Failure, namespace: str) -> Failure:
        for position, element in self.selections.elements:
            if element.namespace == namespace and position is not None:
                return failure._replace(network=attachments.reference_of(element), item=position + 1)
        return failure

    def _parts_of(self, reference: str) -> attachments.Definition:
        namespace, _, name = reference.partition("/")
        return attachments.definition_of(self.world.objects.get("NetworkAttachmentDefinition", namespace, name))

    def without_attachment(self) -> Diagnosis | None:
        if self.is_host_network and self.selections.size:
            return self.answer("host-network")
        if self.selections.size or not self.has_sandbox:
            return None
        return self._misplaced()

    def _misplaced(self) -> Diagnosis | None:
        """Find the annotation that its author wrote elsewhere: under another name, or on the owner."""
        for one, decision in self._chain():
            for warning in decision.warnings if decision else ():
                if warning.rule in {"annotation-place", "annotation-name"}:
                    owner = f"{text(one, 'kind').lower()}/{_name(one)}"
                    value = owner if warning.rule == "annotation-place" else warning.message
                    evidence = Evidence("webhook", str(warning), owner, warning.rule)
                    return self.answer(warning.rule, evidence, value=value)._replace(explain=(warning.rule,))
        return None

    def _chain(self) -> Iterator[tuple[Json, Decision | None]]:
        yield self.pod, self.judged
        one, seen = self.world.objects.owner_of(self.pod), 0
        while one is not None and seen < _OWNERS_MAX:
            yield one, self.world.judge(one)
            one, seen = self.world.objects.owner_of(one), seen + 1

    def different(self) -> Diagnosis | None:
        if not self.selections.size or not self.has_sandbox:
            return None
        asked = attachments.match(self.pod, self.selections)
        if all(one.is_attached for one in asked) and not self.selections.problems:
            return self._ignored()
        if attachments.status_of(self.pod) is not None:
            return self.answer("changed-later", self._status())
        if note := self.latest(frozenset({STATUS_NOT_WRITTEN})):
            return self.answer("status-missing", evidence_of(note), attacher=_ATTACHERS["nadmit"])
        added = self.latest(frozenset({ADDED}))
        if added is not None:
            return self.answer("status-missing", evidence_of(added))
        return self.answer("no-attacher")

    def _ignored(self) -> Diagnosis | None:
        found = attachments.ignored(self.pod, self.selections)
        if found is None:
            return None
        network, how = found
        return self.answer("request-ignored", self._status(), network=network, value=how)

    def _status(self) -> Evidence:
        has = [f"{one.interface} {one.name} {' '.join(one.addresses)}".strip() for one in self._has()]
        return Evidence("status", "; ".join(has) or "network-status is empty", f"pod/{self.name}", "network-status")

    def _has(self) -> list[attachments.Has]:
        return attachments.status_of(self.pod) or []

    def not_running(self) -> Diagnosis | None:
        for reason, message in self.waits():
            if reason in WAITING_FOR_SANDBOX:
                continue
            note = next((one for one in self.notes if one.reason in _CONTAINER_EVENTS), None)
            evidence = [Evidence("status", message or reason, f"pod/{self.name}", reason, "kubelet")]
            evidence += [evidence_of(note)] if note else []
            return self.answer(_WAITS.get(reason, "not-running"), *evidence)
        return None

    def fine(self) -> Diagnosis | None:
        return self.answer("fine" if self.selections.size else "no-networks")


_OWNERS_MAX = 8
_CONTAINER_EVENTS = frozenset({"BackOff", "Failed"})
_ATTACHERS: Mapping[str, str] = {"multus": "Multus", "nadmit": "nadmit's node plugin", "": ""}
_STEPS = (
    _Pod.ended,
    _Pod.unscheduled,
    _Pod.unattached,
    _Pod.without_attachment,
    _Pod.not_running,
    _Pod.different,
    _Pod.fine,
)


def _is_unscheduled(condition: Json) -> bool:
    return text(condition, "type") == "PodScheduled" and text(condition, "status") == "False"


def _name(one: Json) -> str:
    return text(one, "metadata", "name")


def _of_record(one: Recorded) -> Evidence:
    return Evidence("record", one.line, one.network, "failed" if one.failure else "recorded", "nadmit's node plugin")
