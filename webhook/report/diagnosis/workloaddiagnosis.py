"""A workload: why the API server creates no pod of it, else what became of its pods.

A message of a controller counts only while pods are lacking: it stays for an hour after the last failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from webhook.admission.model.requests import Decision
from webhook.report.plaintext import counted

from . import creation, poddiagnosis
from .causes import REFUSED, STAGES, Diagnosis, Evidence
from .objectset import Json, items, part, text
from .world import World, evidence_of, explainable, meant, said, title_of, without_evidence

PARTS_MAX = 20
"""Pods whose diagnosis is shown each; all of them are counted."""

MAKERS = (
    "ReplicaSet",
    "Job",
    "StatefulSet",
    "DaemonSet",
    "ReplicationController",
    "CloneSet",
    "VirtualMachineInstance",
)
"""Kinds that another workload makes, and that make pods."""


def diagnose(workload: Json, world: World) -> Diagnosis:
    """Return the diagnosis of a workload that exists."""
    pod = _made(workload)
    judged = world.judge(pod) if pod is not None else world.judge(workload)
    makers = [workload, *_makers(workload, world)]
    pods = [pod for maker in makers for pod in world.objects.owned_by(maker, "Pod")]
    refusals = [one for maker in makers if (one := _refused(maker, world)) is not None]
    refused = min(refusals, key=lambda one: one.evidence[0].source != "event", default=None)
    parts = [poddiagnosis.diagnose(pod, world) for pod in pods]
    found = _placed(workload, refused, parts, world)
    return _with_judgement(found, pod or workload, judged)


def _made(workload: Json) -> Json | None:
    """Return the pod that a workload would make: the webhook judges a template with more patience than a pod."""
    template = part(workload, "spec", "template") or part(workload, "spec", "jobTemplate", "spec", "template")
    if not part(template, "spec").get("containers"):  # that of a virtual machine is no pod
        return None
    place = {"generateName": f"{_name(workload)}-", "namespace": text(workload, "metadata", "namespace")}
    return {**template, "apiVersion": "v1", "kind": "Pod", "metadata": {**part(template, "metadata"), **place}}


def _makers(workload: Json, world: World) -> Iterator[Json]:
    for kind in MAKERS:
        for one in world.objects.owned_by(workload, kind):
            if _wants(one) or world.objects.owned_by(one, "Pod"):
                yield one
                yield from _makers(one, world)


def _wants(maker: Json) -> bool:
    """Say whether a workload asks for pods."""
    spec = part(maker, "spec")
    is_off = spec.get("suspend") is True or spec.get("running") is False or spec.get("runStrategy") == "Halted"
    return not (is_off or spec.get("replicas") == 0)


def _lacks(maker: Json, world: World) -> bool:
    """Say whether a workload asks for more pods than there are."""
    if any(part(maker, "status").get(key) for key in ("active", "succeeded", "failed")):  # of a Job
        return False
    there = sum(len(world.objects.owned_by(one, "Pod")) for one in (maker, *_makers(maker, world)))
    wanted = part(maker, "spec").get("replicas", part(maker, "status").get("desiredNumberScheduled", 1))
    return _wants(maker) and isinstance(wanted, int) and there < wanted


def _refused(maker: Json, world: World) -> Diagnosis | None:
    note = next((one for one in world.objects.notes(maker) if one.reason in creation.REASONS), None)
    condition = next((one for one in items(maker, "status", "conditions") if _has_failed(one)), None)
    if not (note or condition) or not _lacks(maker, world):
        return None
    message = note.message if note else text(condition, "message")
    evidence = (
        evidence_of(note)
        if note
        else Evidence("condition", message, title_of(maker), text(condition, "type"), text(maker, "kind"))
    )
    answer = creation.read(message)
    cause, facts = answer.cause, {"value": answer.value, "network": answer.network}
    if cause == "network-missing" and (elsewhere := _elsewhere(answer.network, world)):
        cause, facts["value"] = "namespace-wrong", elsewhere
    facts["network"] = facts["network"] or ", ".join(dict.fromkeys(_named_in(answer.text)))
    return Diagnosis(
        kind="",
        namespace="",
        name="",
        cause=cause,
        facts=facts,
        evidence=(evidence,),
        then=answer.text,
        notes=meant(answer.network, world.objects) if cause == "network-missing" else (),
        at=REFUSED if answer.cause != "create-failed" else "",
    )


def _has_failed(condition: Json) -> bool:
    return text(condition, "type") == creation.CONDITION and text(condition, "status") == "True"


def _named_in(refusal: str) -> Iterator[str]:
    """Yield the networks of a refusal by access rules, which has a line for each: `- NAMESPACE/NAME (item 1)`."""
    for line in refusal.splitlines():
        if line.startswith("- "):
            yield line[2:].partition(" (")[0]


def _elsewhere(reference: str, world: World) -> str:
    name = reference.partition("/")[2]
    found = world.objects.of_kind("NetworkAttachmentDefinition")
    places = [text(one, "metadata", "namespace") for one in found if text(one, "metadata", "name") == name]
    return " or ".join(f"{place}/{name}" for place in sorted(places))


def _placed(workload: Json, refused: Diagnosis | None, parts: list[Diagnosis], world: World) -> Diagnosis:
    kind, namespace, name = text(workload, "kind"), text(workload, "metadata", "namespace"), _name(workload)
    found = _answer(workload, refused, parts)
    if found.cause == "no-evidence":
        found = found._replace(cause=without_evidence(world.objects))
    return found._replace(
        kind=kind,
        namespace=namespace,
        name=name,
        facts={**found.facts, "namespace": namespace},
        unread=tuple(world.objects.unread.values()),
    )


def _answer(workload: Json, refused: Diagnosis | None, parts: list[Diagnosis]) -> Diagnosis:
    """Return a diagnosis without its place."""
    bad = [one for one in parts if not one.is_fine]
    if refused is not None:
        notes = (f"{counted(len(parts), 'pod')} of it from before {_runs(parts)}",) if parts else ()
        return refused._replace(notes=(*refused.notes, *notes), parts=tuple(bad[:PARTS_MAX]))
    if bad:
        return _of_pods(bad, len(parts))
    if parts:
        cause = "fine" if any(one.attachments for one in parts) else parts[0].cause
        return Diagnosis("", "", "", cause, notes=(counted(len(parts), "pod"),))
    if part(workload, "status").get("succeeded"):
        return Diagnosis("", "", "", "ended")
    return Diagnosis("", "", "", "no-evidence" if _wants(workload) else "no-pods")


def _runs(parts: list[Diagnosis]) -> str:
    return "runs" if len(parts) == 1 else "run"


def _of_pods(bad: list[Diagnosis], total: int) -> Diagnosis:
    """Return the diagnosis of most pods that fail; of equally many, that of the earliest stage."""
    count = Counter(one.cause for one in bad)
    first = min(bad, key=lambda one: (-count[one.cause], STAGES.index(one.stage)))
    notes = [f"{count[cause]} of {counted(total, 'pod')}: {cause}" for cause, _ in count.most_common()]
    return first._replace(parts=tuple(bad[:PARTS_MAX]), notes=(*first.notes, *notes))


def _with_judgement(found: Diagnosis, judged_as: Json, judged: Decision | None) -> Diagnosis:
    if judged is None or judged.is_allowed:
        if judged is not None and found.stage == REFUSED and found.cause in _BY_NADMIT:
            note = "the webhook would allow it now; its controller tries again by itself, within minutes"
            return found._replace(notes=(*found.notes, note))
        return found
    if found.cause in {"no-evidence", "events-unread"}:
        cause = "refused-by-rules" if any(rule[:1].isupper() for rule in judged.rules) else "refused-by-standard"
        found = found._replace(cause=cause, notes=(*found.notes, "no event says so; it is what the webhook says now"))
    now = said(judged, judged_as)
    return found._replace(now=now, explain=tuple(dict.fromkeys((*found.explain, *explainable(judged)))))


_BY_NADMIT = frozenset(
    {"refused-by-rules", "refused-by-standard", "network-missing", "namespace-wrong", "definition-unreadable"}
)


def _name(one: Json) -> str:
    return text(one, "metadata", "name")
