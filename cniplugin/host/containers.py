"""What exists of containers on the node at one moment: namespaces with processes, cgroups, addresses in use.

Sources: `/proc/<pid>/cgroup` (cgroups(7)), `/proc/<pid>/ns/net` (namespaces(7)), `/proc/<pid>/net/fib_trie` and
`if_inet6` (proc_pid_net(5)), `/proc/self/mountinfo` (proc_pid_mountinfo(5)), the directories below `/sys/fs/cgroup`.
Runtimes name cgroups after containers, with a prefix or a suffix of their own: `cri-containerd-<ID>.scope`,
`crio-<ID>.scope`, `<ID>`. The kubelet names those of pods after their UID: `pod<UID>`, with "_" for "-" under systemd.

This module says what it sees, and `blindness` whether that is the node. It decides nothing about a container.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH116, PTH123, PTH208

from __future__ import annotations

import os
from _socket import AF_INET, AF_INET6, inet_pton
from errno import EINVAL, ENOENT, ENXIO, ESRCH

from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Identity = tuple[int, int]

ABSENT, NOT_A_NAMESPACE, OWN, PRESENT, UNKNOWN = (
    "does not exist",
    "is not a network namespace",
    "is the node's own network namespace",
    "exists",
    "cannot be looked at",
)
"""What there is at the path of a network namespace."""

PROC, CGROUPS = "/proc", "/sys/fs/cgroup"
_INITIAL_PID_NAMESPACE = 0xEFFF_FFFC
"""The inode of the machine's first PID namespace (Linux include/linux/proc_ns.h, PROC_PID_INIT_INO)."""
_NODE_OF_TRIE, _LOCAL = "|-- ", "/32 host LOCAL"
_ENDED = frozenset({ENOENT, ESRCH, ENXIO, EINVAL})
"""The answers of the kernel about the network of a process that has ended."""
_NODE_ITSELF = "run gc on the node itself: in a shell of the node, or with nsenter -t 1 -a (docs/node.md)"


class View(Record):
    """The node at one moment.

    `running`: the cgroups of all processes. `cgroups`: the directories of all cgroups, also of those without processes.
    `namespaces`: the network namespaces that have processes, `own` the one of this process. `has_idle`: whether others
    are mounted, which have no process now. `addresses`: the local addresses in those with processes, packed.
    """

    running: str
    cgroups: str
    namespaces: frozenset[Identity]
    own: Identity
    has_idle: bool
    addresses: frozenset[bytes]

    def runs(self, container_id: str) -> bool:
        """Say whether a process is in a cgroup that names the container."""
        return container_id in self.running

    def has_cgroup(self, container_id: str) -> bool:
        """Say whether there is a cgroup that names the container."""
        return container_id in self.cgroups or self.runs(container_id)

    def has_pod(self, uid: str) -> bool:
        """Say whether there is a cgroup of the pod with this UID."""
        return any(f"pod{form}" in self.cgroups for form in (uid, uid.replace("-", "_")))

    def uses(self, address: str) -> bool:
        """Say whether an address is one of a namespace with processes."""
        return _packed(address) in self.addresses

    def lives_in(self, path: str) -> bool:
        """Say whether a process is in the network namespace at `path`, which is not the node's own."""
        identity = _identity(path)
        return identity in self.namespaces and identity != self.own


def look(*, proc: str = PROC, cgroups: str = CGROUPS) -> View:
    """Return what exists now. Raises OSError if a part of the node cannot be seen."""
    running: set[str] = set()
    members: dict[Identity, list[str]] = {}
    for pid in _pids(proc):
        try:
            identity = _identity_of(f"{proc}/{pid}/ns/net")
            running.add(_read(f"{proc}/{pid}/cgroup"))
        except (FileNotFoundError, ProcessLookupError):  # the process has ended
            continue
        members.setdefault(identity, []).append(pid)
    return View(
        running="".join(sorted(running)),
        cgroups="\n".join(_directories(cgroups)),
        namespaces=frozenset(members),
        own=_identity_of(f"{proc}/self/ns/net"),
        has_idle=not _mounted(f"{proc}/self/mountinfo") <= {inode for _, inode in members},
        addresses=frozenset(address for pids in members.values() for address in _addresses(proc, pids)),
    )


def namespace_at(path: str, *, proc: str = PROC) -> str:
    """Return what there is at the recorded path of a network namespace: ABSENT, NOT_A_NAMESPACE, ...

    An empty path is ABSENT: the runtime had none at DEL. NB: after a reboot `/proc/<pid>/ns/net` may be of a process of
    the node, which is no container; and a plain file can remain of a bind mount.
    """
    if not path:
        return ABSENT
    try:
        given, own = os.stat(path), os.stat(f"{proc}/self/ns/net")
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    except (OSError, ValueError):
        return UNKNOWN
    if given.st_dev != own.st_dev:
        return NOT_A_NAMESPACE
    return OWN if given.st_ino == own.st_ino else PRESENT


def blindness(view: View, *, proc: str = PROC) -> str:
    """Return why this process does not see the node's containers, or is not in the node's network; "" if it does.

    In a container of its own, each container of the node seems to be gone. Process 1 is the node's, and in its
    namespaces are the bind mounts of network namespaces, and the links and the packet filter that plugins change. But
    in a container, process 1 is the container's. Outside of the machine's first PID namespace, which is also where
    nodes in containers are, another process in another network namespace proves that containers are to be seen.
    """
    try:
        for kind, what in (("mnt", "mounts"), ("net", "network")):
            if os.stat(f"{proc}/self/ns/{kind}").st_ino != os.stat(f"{proc}/1/ns/{kind}").st_ino:
                return f"this process does not see the {what} of process 1; {_NODE_ITSELF}"
        is_first = os.stat(f"{proc}/self/ns/pid").st_ino == _INITIAL_PID_NAMESPACE
    except OSError as error:
        return f"{error.filename}: {error.strerror}; gc needs to see all processes: run it as root; {_NODE_ITSELF}"
    if is_first or len(view.namespaces) > 1:
        return ""
    return f"no process of a container is to be seen, so this is a container, or a node without pods; {_NODE_ITSELF}"


def _pids(proc: str) -> list[str]:
    return [name for name in os.listdir(proc) if name.isdigit()]


def _identity_of(path: str) -> Identity:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _identity(path: str) -> Identity | None:
    try:
        return _identity_of(path)
    except (OSError, ValueError):
        return None


def _mounted(path: str) -> set[int]:
    """Return the inodes of mounted network namespaces; the fourth field is the root of a mount."""
    roots = [fields[3] for line in _read(path).splitlines() if len(fields := line.split(" ")) > 3]
    return {int(root[5:-1]) for root in roots if root.startswith("net:[") and root[5:-1].isdigit()}


def _directories(top: str) -> Iterator[str]:
    """Yield the directories below the mounts of cgroups."""
    waiting = [top]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as entries:
                below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            if path == top:
                raise
            continue  # this cgroup has ended
        waiting += below
        yield from below


def _addresses(proc: str, pids: list[str]) -> list[bytes]:
    """Return the local addresses of the network namespace of these processes, some of which may have ended."""
    for pid in pids:
        try:
            return [*_addresses_4(f"{proc}/{pid}/net/fib_trie"), *_addresses_6(f"{proc}/{pid}/net/if_inet6")]
        except OSError as error:
            if error.errno not in _ENDED:
                raise
    return []


def _addresses_4(path: str) -> Iterator[bytes]:
    """Yield the IPv4 addresses of a namespace: each line with an address has its kinds in the lines after it."""
    address = ""
    for line in _read(path).splitlines():
        if _LOCAL in line and (packed := _packed(address)):
            yield packed
        address = line.rpartition(_NODE_OF_TRIE)[2] if _NODE_OF_TRIE in line else address


def _addresses_6(path: str) -> Iterator[bytes]:
    """Yield the IPv6 addresses of a namespace: 32 hexadecimal digits at the start of each line."""
    try:
        text = _read(path)
    except FileNotFoundError:  # the kernel has no IPv6
        return
    for line in text.splitlines():
        yield bytes.fromhex(line.partition(" ")[0])


def _packed(address: str) -> bytes | None:
    try:
        return inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except OSError:
        return None


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
