"""One table has the security context of each pod; where the node plugin needs more, the reason is beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .rendered import NODES, UNINSTALLS, Object, find, pod_specs

pytestmark = pytest.mark.slow
WEBHOOK, NODE = "Deployment/nadmit-webhook", "DaemonSet/nadmit-node"
PODS = {".": [WEBHOOK], "overlays/production": [WEBHOOK, NODE]}
PODS |= {build: [NODE] for build in (*NODES, *UNINSTALLS)}

RULES: dict[str, Callable[[Object, Object], bool]] = {
    "not root": lambda pod, _: pod["securityContext"].get("runAsNonRoot") is True,
    "a user of its own": lambda pod, _: pod["securityContext"]["runAsUser"] >= 10_000,
    "seccomp": lambda pod, _: pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"},
    "no network of the host": lambda pod, _: not pod.get("hostNetwork"),
    "no processes of the host": lambda pod, _: not pod.get("hostPID") and not pod.get("hostIPC"),
    "no files of the host": lambda pod, _: not any("hostPath" in volume for volume in pod.get("volumes", [])),
    "no SELinux type of its own": lambda pod, _: "seLinuxOptions" not in pod["securityContext"],
    "no service links": lambda pod, _: pod["enableServiceLinks"] is False,
    "a priority": lambda pod, _: bool(pod["priorityClassName"]),
    "an account of its own": lambda pod, _: pod["serviceAccountName"].startswith("nadmit-"),
    "read-only root": lambda _, container: container["securityContext"]["readOnlyRootFilesystem"] is True,
    "no escalation": lambda _, container: container["securityContext"]["allowPrivilegeEscalation"] is False,
    "not privileged": lambda _, container: not container["securityContext"].get("privileged"),
    "no capability": lambda _, container: container["securityContext"]["capabilities"] == {"drop": ["ALL"]},
    "requests": lambda _, container: set(container["resources"]["requests"]) == {"cpu", "memory"},
    "a limit of memory, none of CPU": lambda _, container: set(container["resources"]["limits"]) == {"memory"},
    "started": lambda _, container: "startupProbe" in container,
    "ready": lambda _, container: "readinessProbe" in container,
    "alive": lambda _, container: "livenessProbe" in container,
    "no low port": lambda _, container: all(port["containerPort"] > 1024 for port in container.get("ports", [])),
}

EXCEPTIONS = {
    ("node", "not root"): "it writes files that root's container runtime executes",
    ("node", "a user of its own"): "as above",
    ("node", "no network of the host"): "it must start where no pod network works yet",
    ("node", "no files of the host"): "placing files on the node is what it is for",
    ("node", "no SELinux type of its own"): "a container's own type may not write below /opt/cni and /etc/cni",
    ("node", "started"): "it is ready when it has installed; nothing is killed before",
    ("node", "alive"): "no restart heals a node's files; an install that fails ends the process by itself",
}


@pytest.mark.parametrize("build", PODS)
def test_pods(build: str) -> None:
    specs = pod_specs(build)
    assert sorted(specs) == sorted(PODS[build])
    for name, pod in specs.items():
        assert "initContainers" not in pod
        (container,) = pod["containers"]
        broken = {rule for rule, holds in RULES.items() if not holds(pod, container)}
        key = "" if name == WEBHOOK else "node"
        assert broken == {rule for where, rule in EXCEPTIONS if where == key}


def test_the_files_of_the_node() -> None:
    """The pods mount only the two directories of CNI, and the records read-only."""
    (pod,) = pod_specs("node").values()
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"/host/opt/cni/bin": False, "/host/etc/cni/net.d": False, "/host/var/lib/cni": True}
    paths = {f"/host{volume['hostPath']['path']}" for volume in pod["volumes"]}
    assert paths == set(mounts)
    assert pod["tolerations"] == [{"operator": "Exists"}], "every node has pods"


def test_the_namespace_takes_restricted_pods_only() -> None:
    labels = find(".", "Namespace", "nadmit-system")["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def test_only_one_port_is_open_to_all() -> None:
    policy = find(".", "NetworkPolicy", "nadmit-webhook")["spec"]
    pod = pod_specs(".")[WEBHOOK]
    ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
    assert policy["ingress"] == [{"ports": [{"port": ports["webhook"], "protocol": "TCP"}]}]
    assert [{each["port"] for each in rule["ports"]} for rule in policy["egress"]] == [{443, 6443}, {53}]
    watched = find("overlays/monitoring", "NetworkPolicy", "nadmit-webhook")["spec"]["ingress"][1]
    assert watched["ports"] == [{"port": ports["probes"], "protocol": "TCP"}]
    assert len(watched["from"]) == 1
