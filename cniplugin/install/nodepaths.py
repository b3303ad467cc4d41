"""The directories of a node: by distribution, and as the node itself names what is mounted here.

The container runtime runs the plugin on the node, so a path that the installer writes into a file must be the node's.
The installer sees the node's directories below `--root`, by default at the same path. A DaemonSet may mount another
directory there. The kernel lists the origin of each mount in /proc/self/mountinfo (proc_pid_mountinfo(5), field 4), but
only as a path within its file system: the node may have mounted that file system anywhere. So only the directories of
known distributions can be told for certain; for others, `node_path` returns the path as given, and a note.

Sources: k3s "Multus and IPAM plugins"; the chart rke2-multus; MicroK8s "CNI configuration"; OpenShift's
cluster-network-operator (SystemCNIConfDir, MultusCNIConfDir, CNIBinDir); k0s "worker".
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH123

from __future__ import annotations

import os

from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cniplugin.host.disk import Disk

CONF_DIR, BIN_DIR = "/etc/cni/net.d", "/opt/cni/bin"
"""The usual directories, also of RKE2 and k0s."""

PROFILES = {
    "k0s": {"kubelet-dir": "/var/lib/k0s/kubelet"},
    "k3s": {
        "cni-conf-dir": "/var/lib/rancher/k3s/agent/etc/cni/net.d",
        "cni-bin-dir": "/var/lib/rancher/k3s/data/cni",  # since October 2024; before, data/current/bin
    },
    "microk8s": {
        "cni-conf-dir": "/var/snap/microk8s/current/args/cni-network",
        "cni-bin-dir": "/var/snap/microk8s/current/opt/cni/bin",
        "kubelet-dir": "/var/snap/microk8s/common/var/lib/kubelet",
    },
    "openshift": {
        "cni-conf-dir": "/etc/kubernetes/cni/net.d",
        "cni-bin-dir": "/var/lib/cni/bin",
        "default-network-dir": "/run/multus/cni/net.d",
        "network-name": "multus-cni-network",  # CRI-O may choose its network by this name
    },
    "rke2": {"cni-conf-dir": CONF_DIR, "cni-bin-dir": BIN_DIR},
}
"""The options of each distribution that differ from the defaults, or, for RKE2, that users look for elsewhere."""

CONF_DIRS = tuple(dict.fromkeys([CONF_DIR, *(of["cni-conf-dir"] for of in PROFILES.values() if "cni-conf-dir" in of)]))
_KNOWN = tuple(
    path
    for of in PROFILES.values()
    for name, path in of.items()
    if name in {"cni-conf-dir", "cni-bin-dir"} and path not in {CONF_DIR, BIN_DIR}
)
_ANY = "current"
"""A link of snap to the present revision; a mount shows the revision."""


class NodePath(Record):
    """A path as the node names it, and a note if this is not certain, or differs from the path as given."""

    path: str
    note: str = ""


def node_path(disk: Disk, path: str, *, mountinfo: str = "/proc/self/mountinfo") -> NodePath:
    """Return the node's path of the directory that this process sees at a path below the root."""
    origin = _origin(disk.at(path), mountinfo) if disk.root else ""
    if not origin:
        return NodePath(path=path)
    known = next((known for known in _KNOWN if _ends_with(origin, known)), "")
    if known not in {"", path}:
        note = f"{path}: this is {known} of the node, which the files name; mount it there, and give --profile"
        return NodePath(path=known, note=note)
    if known or origin.endswith(path) or path.endswith(origin):
        return NodePath(path=path)
    note = f"{path}: this is mounted from {origin}; if the node has no {path}, give its path, and mount it there"
    return NodePath(path=path, note=note)


def _ends_with(origin: str, known: str) -> bool:
    """Say whether an origin ends with a known path. The first component may be a file system of its own."""
    wanted = known.split("/")[2:]
    ending = origin.split("/")[-len(wanted) :]
    return len(ending) == len(wanted) and all(want in {_ANY, has} for want, has in zip(wanted, ending, strict=True))


def _origin(seen: str, mountinfo: str) -> str:
    """Return the path within its file system of a directory that this process sees, "" if it is unknown."""
    real = os.path.realpath(seen)
    best, origin = "", ""
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    for line in lines:
        _id, _parent, _device, root, point, *_ = map(_unescape, line.split(" "))
        inside = point if point.endswith("/") else f"{point}/"
        if (real == point or real.startswith(inside)) and len(point) >= len(
            best
        ):  # a later mount covers an earlier one
            best, origin = point, f"{root.rstrip('/')}/{real[len(inside) :]}".rstrip("/")
    return origin


def _unescape(field: str) -> str:
    for written, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(written, character)
    return field
