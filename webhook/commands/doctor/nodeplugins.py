"""The CNI plugin of nadmit on the nodes: on each one, ready, and of this version. It need not be installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from webhook.report.plaintext import counted

from .asking import DAEMON_SETS, NODES, PODS, Asking
from .installation import Installation, images_of, pod_spec, tag_of
from .results import Result, error, listed, ok, warning
from .workload import compare_versions, waiting

CHECK = "nodes"
NAME = "nadmit-node"
SELECTOR = f"app.kubernetes.io/name={NAME}"
IMAGE = "build and load the image (docs/install.md): make node-image"

Object = dict[str, Any]


def daemon_set(asking: Asking) -> Object | None:
    """Return the DaemonSet of the node plugin, in any namespace; None if it is not installed."""
    return next(iter(asking.all_of(DAEMON_SETS, labels=SELECTOR)), None)


def check(asking: Asking, installed: Installation) -> Iterator[Result]:
    """Look at the DaemonSet, its pods, and the nodes without one."""
    found = daemon_set(asking)
    if found is None:
        yield ok(CHECK, "the node plugin of nadmit is not installed; it need not be, if Multus attaches")
        return
    namespace = found["metadata"]["namespace"]
    where = f"DaemonSet {namespace}/{found['metadata']['name']}"
    if any("uninstall" in (one.get("args") or ()) for one in pod_spec(found).get("containers") or ()):
        yield warning(
            CHECK,
            f"{where}: it is removing the plugin from the nodes",
            f"when all pods are ready: kubectl delete -n {namespace} daemonset {NAME}",
            "to keep the plugin: kubectl apply -k manifests/node",
        )
        return
    pods = asking.all_of(PODS, namespace, labels=SELECTOR)
    yield _readiness(where, namespace, pods)
    yield from _without(asking, where, pods)
    yield from compare_versions(CHECK, "the node plugin", images_of(pod_spec(found)), installed.version)
    yield from _left_behind(found, pods, namespace)


def _readiness(where: str, namespace: str, pods: Sequence[Object]) -> Result:
    unready = [pod for pod in pods if not _is_ready(pod)]
    text = f"{where}: ready on {len(pods) - len(unready)} of {counted(len(pods), 'node')}"
    if not unready:
        return (
            ok(CHECK, text)
            if pods
            else error(CHECK, f"{where}: it has no pod", f"kubectl -n {namespace} describe daemonset {NAME}")
        )
    reasons = [_reason(pod) for pod in unready]
    name = unready[0]["metadata"]["name"]
    no_image = any(reason.endswith(("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull")) for reason in reasons)
    return error(
        CHECK,
        f"{text}; not on {listed(reasons)}",
        *((IMAGE,) if no_image else ()),
        f"kubectl -n {namespace} logs {name}",
        f"kubectl -n {namespace} exec {name} -- /nadmit/bin/nadmit show --root=/host",
    )


def _reason(pod: Object) -> str:
    node = (pod.get("spec") or {}).get("nodeName") or pod["metadata"]["name"]
    halted = waiting(pod)
    return f"{node}: {halted[0]}" if halted else str(node)


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _without(asking: Asking, where: str, pods: Sequence[Object]) -> Iterator[Result]:
    """Name the nodes that have no pod of the DaemonSet: pods with networks cannot start there."""
    have = {(pod.get("spec") or {}).get("nodeName") for pod in pods}
    nodes = [node["metadata"] for node in asking.all_of(NODES)]
    linux = [one["name"] for one in nodes if (one.get("labels") or {}).get("kubernetes.io/os", "linux") == "linux"]
    lacking = sorted(set(linux) - have)
    if lacking:
        yield warning(
            CHECK,
            f"{where}: no pod on {listed(lacking)}; pods there get only the default network",
            f"kubectl describe node {lacking[0]}; see its taints, and the nodeSelector of the DaemonSet",
        )


def _left_behind(found: Object, pods: Sequence[Object], namespace: str) -> Iterator[Result]:
    """Name the nodes whose pod still has an image that the DaemonSet does not have any more."""
    wanted = set(images_of(pod_spec(found)))
    old = {
        str(pod["spec"].get("nodeName", "")): images_of(pod["spec"])[0]
        for pod in pods
        if images_of(pod.get("spec") or {}) and not wanted.issuperset(images_of(pod["spec"]))
    }
    if old:
        shown = [f"{node} ({tag_of(image) or image})" for node, image in sorted(old.items())]
        yield warning(
            CHECK,
            f"another version is still on {listed(shown)}",
            f"kubectl -n {namespace} rollout status daemonset/{NAME}",
        )
