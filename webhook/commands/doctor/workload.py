"""The Deployment of the webhook, its version, and the Service in front of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from webhook.kube.apierrors import ForbiddenError
from webhook.kube.resources import ObjectPath
from webhook.report.plaintext import counted

from .asking import DEPLOYMENTS, ENDPOINT_SLICES, PODS, SERVICES, Asking
from .installation import DEPLOYMENT, Installation, images_of, pod_spec, tag_of
from .results import Result, error, ok, unknown, warning

WORKLOAD, VERSION, SERVICE = "workload", "version", "service"
SELECTOR = f"app.kubernetes.io/name={DEPLOYMENT}"
APPLY = "kubectl apply -k manifests"
IMAGES = "build and load the image (docs/install.md): make webhook-image; kind load image-archive dist/..."
PASSING = frozenset({"ContainerCreating", "PodInitializing", ""})
"""Reasons that say least: those of other pods are shown first."""
NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})

Object = dict[str, Any]


def deployment_path(namespace: str) -> ObjectPath:
    """Return the path of the Deployment."""
    return ObjectPath(DEPLOYMENTS, namespace, DEPLOYMENT)


def check(asking: Asking, installed: Installation) -> Iterator[Result]:
    """Say whether the replicas are there and ready."""
    where = f"Deployment {installed.namespace}/{DEPLOYMENT}"
    if installed.deployment is None:
        yield error(WORKLOAD, f"{where}: there is none", APPLY, "or name its namespace: --namespace NAME")
        return
    spec, status = installed.deployment.get("spec") or {}, installed.deployment.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    available, updated = int(status.get("availableReplicas") or 0), int(status.get("updatedReplicas") or 0)
    text = f"{where}: {available} of {counted(wanted, 'replica')} available" if wanted else f"{where}: scaled to none"
    if available >= wanted > 0 and updated >= wanted:
        yield ok(WORKLOAD, text)
        return
    if updated < wanted <= available:
        text += f", {updated} of them of the newest version"
    fixes: tuple[str, ...] = (
        f"kubectl -n {installed.namespace} describe pods -l {SELECTOR}",
        f"kubectl -n {installed.namespace} logs -l {SELECTOR} --prefix",
    )
    if wanted == 0:
        fixes = (f"kubectl -n {installed.namespace} scale deployment/{DEPLOYMENT} --replicas=2",)
    why, is_image = _reason(asking, installed.namespace)
    make = warning if available else error
    yield make(WORKLOAD, f"{text}{why}", *((IMAGES,) if is_image else ()), *fixes)


def _reason(asking: Asking, namespace: str) -> tuple[str, bool]:
    """Return why a pod is not ready, and whether the reason is its image."""
    try:
        pods = asking.all_of(PODS, namespace, labels=SELECTOR)
    except ForbiddenError:
        return "", False
    reasons = [(found, pod["metadata"]["name"]) for pod in pods if (found := waiting(pod)) is not None]
    if not reasons:
        return "", False
    (reason, message), name = min(reasons, key=lambda one: one[0][0] in PASSING)
    return f"; pod {name}: {reason}{f': {message}' if message else ''}", reason in NO_IMAGE


def waiting(pod: Object) -> tuple[str, str] | None:
    """Return reason and message of the first container that does not run, or of a pod that is not scheduled."""
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for container in containers:
        state = container.get("state") or {}
        halted = state.get("waiting") or state.get("terminated") or {}
        if halted and halted.get("reason") != "Completed":
            return str(halted.get("reason", "")), " ".join(str(halted.get("message") or "").split())[:200]
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("reason", "")), " ".join(str(condition.get("message") or "").split())[:200]
    return None


def check_version(installed: Installation) -> Iterator[Result]:
    """Compare the version of the image with that of this program."""
    if installed.deployment is None:
        return
    images = images_of(pod_spec(installed.deployment))
    yield from compare_versions(VERSION, "the webhook", images, installed.version)


def compare_versions(check: str, what: str, images: Sequence[str], version: str) -> Iterator[Result]:
    """Compare the tags of images with a version of the program."""
    tags = sorted({tag_of(image) for image in images})
    if tags == [version]:
        yield ok(check, f"{what} is version {version}, as this program")
    elif "" in tags or not tags:
        shown = next((image for image in images if not tag_of(image)), "none")
        yield unknown(check, f"{what} has an image without a tag: {shown}; this program is {version}")
    else:
        yield warning(
            check,
            f"{what} is version {', '.join(tags)}, this program {version}: they may know other kinds, rules and rights",
            f"use nadmit {tags[0]} here, or upgrade (docs/install.md, Upgrade)",
        )


def check_service(asking: Asking, installed: Installation) -> Iterator[Result]:
    """Say whether the Service that the API server calls has replicas behind it."""
    where = f"Service {installed.namespace}/{installed.service}"
    if url := installed.options.get("webhook-url"):
        yield ok(SERVICE, f"not used: the API server calls {url}")
        return
    if asking.get(ObjectPath(SERVICES, installed.namespace, installed.service)) is None:
        yield error(SERVICE, f"{where}: there is none; the API server cannot call the webhook", APPLY)
        return
    labels = f"kubernetes.io/service-name={installed.service}"
    slices = asking.all_of(ENDPOINT_SLICES, installed.namespace, labels=labels)
    endpoints = [one for each in slices for one in each.get("endpoints") or ()]
    ready = [one for one in endpoints if (one.get("conditions") or {}).get("ready") is not False]
    if ready:
        yield ok(SERVICE, f"{where}: {counted(len(ready), 'ready endpoint')}")
    else:
        yield error(
            SERVICE,
            f"{where}: no endpoint is ready, of {len(endpoints)}" if endpoints else f"{where}: it has no endpoint",
            f"kubectl -n {installed.namespace} get pods -l {SELECTOR}",
            f"kubectl -n {installed.namespace} port-forward deployment/{DEPLOYMENT} 8080 & curl localhost:8080/readyz",
        )
