"""Texts about pods as a whole: where their annotations are, in which network namespace they run, when they change."""

from __future__ import annotations

from cniplugin.netspec.errors import SpecError, describe
from webhook.admission.model.kinds import POD
from webhook.admission.model.requests import AdmissionWarning, Decision, Request
from webhook.admission.wording.answers import field_of, template_path

HOST_NETWORK = "host-network"
MISPLACED = "annotation-place"
PODS_REFUSED = "template-pods"
NO_HOTPLUG = "no-hotplug"


def host_network(request: Request) -> AdmissionWarning:
    """Warn that the networks of a pod with hostNetwork are not attached."""
    whose = "the pod has" if request.kind == POD else "its pods have"
    return AdmissionWarning(
        f"{template_path(request)}metadata.annotations",
        f"{whose} hostNetwork, so no CNI plugin runs and none of these networks is attached; "
        "remove hostNetwork or the annotation",
        HOST_NETWORK,
    )


def misplaced(request: Request, place: str, key: str) -> AdmissionWarning:
    """Warn of an annotation of a workload that only pods may have."""
    return AdmissionWarning(
        f"{place}[{key}]",
        "pods get the annotations of their template only, so nobody reads this; "
        f"move it to {template_path(request)}metadata.annotations",
        MISPLACED,
    )


def replaced(field: str) -> AdmissionWarning:
    """Warn of an annotation of a machine in whose place its controller writes another one."""
    text = "KubeVirt writes this annotation of the pod from spec.networks, so nobody reads yours; remove it"
    return AdmissionWarning(field, text, MISPLACED)


def pods_refused(request: Request, problem: SpecError) -> AdmissionWarning:
    """Warn of a problem for which the pods of a template will be refused."""
    field = f"{template_path(request)}{problem.source}" if problem.source.startswith(_OF_PODS) else ""
    field = f"{field}{problem.path}" if field else field_of(request, problem)
    return AdmissionWarning(field, f"its pods will be refused: {describe(problem)}", PODS_REFUSED)


_OF_PODS = ("metadata.", "spec.")


def given_networks_refused(judged: Decision, origin: str) -> AdmissionWarning:
    """Warn that the pods of a template will be refused for networks that `origin` gives them."""
    first, _, _ = judged.causes[0].message.partition("\n") if judged.causes else ("", "", "")
    why = f": {first}" if first else ""
    return AdmissionWarning("", f"its pods will be refused: they get networks from {origin}{why}", PODS_REFUSED)


def no_hotplug(key: str) -> AdmissionWarning:
    """Warn that the new networks of a running pod are not attached."""
    return AdmissionWarning(
        f"metadata.annotations[{key}]",
        "the pod runs, and networks are attached when a pod starts: nothing happens until the pod is created again; "
        "change its workload, or set hotplug if a controller attaches to running pods",
        NO_HOTPLUG,
    )
