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

from . import cnicauses, cnimessages, nodesearch, podstatus
from .causes import CAUSES, UNKNOWN, Diagnosis, Evidence, Failure
from .failednetwork import NETWORK_KIND, PodNetworks
from .objectset import Json, Note, items, part, text
from .world import Recorded, World, evidence_of, explainable, meant, said, title_of, without_evidence

KIND = "Pod"
ENDED = ("Succeeded", "Failed")
WAITING_FOR_SANDBOX = frozenset({"", "ContainerCreating", "PodInitializing"})
_UNATTACHED = {
    "FailedMount": "volume-missing",
    "FailedAttachVolume": "volume-missing",
    "FailedMapVolume": "volume-missing",
    "NetworkNotReady": "node-without-cni",
    "FailedPrepareDynamicResources": "claim-unprepared",
    "FailedCreatePodContainer": "sandbox-failed",
}
"""Reasons of events of the kubelet about a pod without a sandbox, beside those of cnimessages, and their causes."""

_OF_CONTROLLERS = frozenset({"ErrorAddingLogicalPort", "AcquireAddressFailed"})
"""Reasons of events of OVN-Kubernetes and Kube-OVN, which say what their plugins only wait for."""

_REJECTIONS = frozenset({"UnexpectedAdmissionError", "TopologyAffinityError", "SMTAlignmentError", "SysctlForbidden"})
_REJECTED = ("OutOf", "Pod was rejected")
"""How reason and message of a pod begin that the kubelet does not admit (kubernetes pkg/kubelet/lifecycle)."""

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
        self.selections: PodSelections = podstatus.selections_of(pod, world.network_namespace)
        self.networks = PodNetworks(self.namespace, self.selections, world.objects, self._is_refused)
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
            attachments=podstatus.match(self.pod, self.selections),
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
        """Add what the webhook says now, and the rules that explain a failure.

        A failure in words that nobody knows is the mistake that the webhook finds in the definition or in the pod.
        """
        pod_refused = self.judged is not None and not self.judged.is_allowed
        now = said(self.judged, self.pod) if pod_refused else None
        if found.is_fine:
            more = ("the webhook would refuse it if it were created now",) if pod_refused else ()
            return found._replace(now=now, explain=explainable(self.judged), notes=(*found.notes, *more))
        network = found.failure.network if found.failure else ""
        definition = self._definition_judged(network)
        notes = found.notes
        if definition is not None and not definition.is_allowed:
            notes = (*notes, f"the webhook would refuse the definition {network} now")
        if found.cause == "attachment-failed" and definition is not None and not definition.is_allowed:
            found = found._replace(cause="config-refused")
        elif found.cause == "attachment-failed" and pod_refused:
            found = found._replace(cause="request-refused")
        rules = explainable(definition, self.judged)
        return found._replace(now=now, explain=distinct((*found.explain, *rules)), notes=notes)

    def _definition_judged(self, reference: str) -> Decision | None:
        namespace, _, name = reference.partition("/")
        definition = self.world.objects.get(NETWORK_KIND, namespace, name) if name else None
        return self.world.judge(definition) if definition is not None else None

    def _is_refused(self, reference: str) -> bool:
        decision = self._definition_judged(reference)
        return decision is not None and not decision.is_allowed

    # The steps

    def ended(self) -> Diagnosis | None:
        if self.phase not in ENDED:
            return None
        reason, message = text(self.pod, "status", "reason"), text(self.pod, "status", "message")
        if reason in _REJECTIONS or reason.startswith(_REJECTED) or message.startswith(_REJECTED):
            evidence = Evidence("status", message or reason, f"pod/{self.name}", reason, "kubelet")
            return self.answer("kubelet-refused", evidence, value=reason)
        return self.answer("ended")

    def unscheduled(self) -> Diagnosis | None:
        if self.node:
            return None
        if gates := nodesearch.gates(self.pod):
            return self.answer("scheduling-gate", value=gates)
        condition = next((one for one in items(self.pod, "status", "conditions") if _is_unscheduled(one)), None)
        note = self.latest(frozenset({"FailedScheduling"}))
        message = note.message if note else text(condition, "message")
        if not message:
            return self.answer(without_evidence(self.world.objects))
        cause, value = nodesearch.find(message, self.pod)
        evidence = (
            evidence_of(note)
            if note
            else Evidence("condition", message, f"pod/{self.name}", text(condition, "reason"), "scheduler")
        )
        found = self.answer(cause, evidence, value=value)
        names = [one.reference for one in found.attachments if self.networks.resource_of(one.reference) == value]
        if cause == "device-short" and names:
            return found._replace(notes=(f"the network {', '.join(names)} names that resource",))
        return found

    def unattached(self) -> Diagnosis | None:
        if self.has_sandbox or self.phase != "Pending":
            return None
        note = self.latest(cnimessages.REASONS, frozenset(_UNATTACHED))
        if note is None:
            return self._of_records() or self.answer("starting" if self.notes else without_evidence(self.world.objects))
        if note.reason in _UNATTACHED:
            return self.answer(_UNATTACHED[note.reason], evidence_of(note))
        message = cnimessages.split(note.message)
        if message.is_of_runtime and (cause := cnicauses.find_of_runtime(message.failure.text)):
            return self.answer(cause, evidence_of(note))
        found = self._failed(message.failure, evidence_of(note))
        controller = self.latest(_OF_CONTROLLERS)
        if found.cause == "controller-silent" and controller is not None:
            return found._replace(evidence=(evidence_of(controller), *found.evidence))
        return found

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

    def _failed(self, failure: Failure, *evidence: Evidence) -> Diagnosis:
        failure = self.networks.placed(failure)
        parts = self.networks.parts_of(failure.network)
        cause, value = cnicauses.find(failure, parts.ipam)
        if cause == "attachment-failed":
            types = (failure.plugin, parts.plugin, parts.ipam)
            cause = "config-refused" if self.world.is_refusal(types, failure.text) else cause
        if cause == "network-missing":
            cause, failure, value = self.networks.missing(failure, value)
        if cause == "namespace-isolation" and not failure.network:
            failure = self.networks.in_namespace(failure, value)
        if not failure.network and cause in _OF_A_DEFINITION:
            failure = self.networks.guessed(failure, cause)
            parts = self.networks.parts_of(failure.network)
        plugin = failure.plugin or ("" if cause in _BEFORE_PLUGINS else parts.plugin)
        if cause in _OF_AN_INTERFACE:
            value = value or parts.master
        caller = f"the plugin {plugin}" if plugin else f"the plugin of {failure.network}" if failure.network else ""
        found = self.answer(
            cause,
            *evidence,
            value=value,
            network=failure.network,
            plugin=caller,
            attacher=caller or _ATTACHERS.get(failure.attacher, ""),
        )
        notes = meant(failure.network, self.world.objects) if cause == "network-missing" else ()
        is_other = failure.is_default and (self.selections.size > 0 or CAUSES[cause].stage == UNKNOWN)
        other = ("the failing network is the cluster's default one, not one that the pod asks for",) if is_other else ()
        return found._replace(failure=failure._replace(plugin=plugin), notes=(*notes, *other))

    def without_attachment(self) -> Diagnosis | None:
        if self.is_host_network and self.selections.size:
            return self.answer("host-network")
        if self.selections.size or not self.has_sandbox:
            return None
        return self._misplaced()

    def _misplaced(self) -> Diagnosis | None:
        """Find the annotation that its author wrote elsewhere: under another name, or on an owner.

        NB: a Deployment copies its annotations into its ReplicaSets, so the last owner that has it is the author's.
        """
        found = None
        for one, decision in self._chain():
            for warning in decision.warnings if decision else ():
                if warning.rule in {"annotation-place", "annotation-name"}:
                    owner = title_of(one)
                    value = owner if warning.rule == "annotation-place" else warning.message
                    evidence = Evidence("webhook", str(warning), owner, warning.rule)
                    found = self.answer(warning.rule, evidence, value=value)._replace(explain=(warning.rule,))
        return found

    def _chain(self) -> Iterator[tuple[Json, Decision | None]]:
        yield self.pod, self.judged
        one, seen = self.world.objects.owner_of(self.pod), 0
        while one is not None and seen < _OWNERS_MAX:
            yield one, self.world.judge(one)
            one, seen = self.world.objects.owner_of(one), seen + 1

    def different(self) -> Diagnosis | None:
        if not self.selections.size or not self.has_sandbox:
            return None
        asked = podstatus.match(self.pod, self.selections)
        if all(one.is_attached for one in asked) and not self.selections.problems:
            return self._ignored()
        if podstatus.status_of(self.pod) is not None:
            return self.answer("changed-later", self._status())
        if note := self.latest(frozenset({STATUS_NOT_WRITTEN})):
            return self.answer("status-missing", evidence_of(note), attacher=_ATTACHERS["nadmit"])
        added = self.latest(frozenset({ADDED}))
        if added is not None:
            return self.answer("status-missing", evidence_of(added))
        return self.answer("no-attacher")

    def _ignored(self) -> Diagnosis | None:
        found = podstatus.ignored(podstatus.status_of(self.pod) or [], self.selections)
        if found is None:
            return None
        network, how = found
        return self.answer("request-ignored", self._status(), network=network, value=how)

    def _status(self) -> Evidence:
        has = [f"{one.interface} {one.name} {' '.join(one.addresses)}".strip() for one in self._has()]
        return Evidence("status", "; ".join(has) or "network-status is empty", f"pod/{self.name}", "network-status")

    def _has(self) -> list[podstatus.Has]:
        return podstatus.status_of(self.pod) or []

    def ending(self) -> Diagnosis | None:
        """Answer for a container that ended, and ended before."""
        for one in items(self.pod, "status", "containerStatuses"):
            last = part(one, "state", "terminated")
            if last and part(one, "lastState", "terminated"):
                note = next((one for one in self.notes if one.reason in _CONTAINER_EVENTS), None)
                message = f"{text(one, 'name')}: exit code {last.get('exitCode')}, {one.get('restartCount')} restarts"
                evidence = [Evidence("status", message, f"pod/{self.name}", text(last, "reason"), "kubelet")]
                return self._beside(self.answer("container-ends", *evidence, *([evidence_of(note)] if note else [])))
        return None

    def not_running(self) -> Diagnosis | None:
        for reason, message in self.waits():
            if reason in WAITING_FOR_SANDBOX:
                continue
            note = next((one for one in self.notes if one.reason in _CONTAINER_EVENTS), None)
            evidence = [Evidence("status", message or reason, f"pod/{self.name}", reason, "kubelet")]
            evidence += [evidence_of(note)] if note else []
            return self._beside(self.answer(_WAITS.get(reason, "not-running"), *evidence))
        return None

    def _beside(self, found: Diagnosis) -> Diagnosis:
        """Return a diagnosis of a pod that does not run, with a note if it has other networks than it asks for."""
        other = self.different()
        return found if other is None else found._replace(notes=(*found.notes, f"{other.cause}: {other.title}"))

    def fine(self) -> Diagnosis | None:
        return self.answer("fine" if self.selections.size else "no-networks")


_OF_A_DEFINITION = frozenset({"definition-unreadable", "file-missing", "device-missing"})
"""Causes of which Multus does not name the network."""

_OF_AN_INTERFACE = frozenset({"master-missing", "master-busy", "interface-taken"})
"""Causes about an interface that the definition may name, if the message does not."""

_BEFORE_PLUGINS = frozenset(
    {
        "rules-on-node",
        "namespace-isolation",
        "network-missing",
        "namespace-wrong",
        "interface-taken",
        "annotation-unreadable",
    }
) | (_OF_A_DEFINITION - {"device-missing"})
"""Causes for which no plugin of the network ran."""

_OWNERS_MAX = 8
_CONTAINER_EVENTS = frozenset({"BackOff", "Failed"})
_ATTACHERS: Mapping[str, str] = {"multus": "Multus", "nadmit": "nadmit's node plugin", "": ""}
_STEPS = (
    _Pod.ended,
    _Pod.unscheduled,
    _Pod.unattached,
    _Pod.without_attachment,
    _Pod.not_running,
    _Pod.ending,
    _Pod.different,
    _Pod.fine,
)


def _is_unscheduled(condition: Json) -> bool:
    return text(condition, "type") == "PodScheduled" and text(condition, "status") == "False"


def _name(one: Json) -> str:
    return text(one, "metadata", "name")


def _of_record(one: Recorded) -> Evidence:
    return Evidence("record", one.line, one.network, "failed" if one.failure else "recorded", "nadmit's node plugin")
