"""The namespaces of a run: network, mounts and processes of its own, which end with it, however it ends.

The kernel kills every process of the run when its first process ends, and that one dies with the command that a user
has started. Links, namespaces, mounts and files below /run and /var/lib are of the run alone. So nothing is left
behind, also after SIGKILL.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from .rig.daemon import dying_with_parent
from .rig.recorder import REAL_PLUGINS

PROGRAMS = {"ip": "iproute2", "unshare": "util-linux", "setpriv": "util-linux", "nsenter": "util-linux"}
PLUGINS = ("bridge", "host-local", "static", "ptp", "tuning")
MARK = Path("/run/conformance/isolated")
"""There only in the namespaces of a run, because /run is a file system of the run."""
WORK = Path("/run/conformance")

_SETUP = (
    "ip link set lo up",
    "mount -t tmpfs tmpfs /run",
    "mount -t tmpfs tmpfs /var/lib",
    "mkdir -p /run/conformance/tmp /run/netns /var/lib/cni",
    "touch /run/conformance/isolated",
    "for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$f; done 2>/dev/null || true",
    'exec "$@"',
)
_NEW_MOUNTS, _NEW_NETWORK = 0x00020000, 0x40000000
_WORKER_SETUP = (
    "ip link set lo up",
    "mount -t tmpfs tmpfs /var/lib",
    "for d in /run/netns /run/cni /run/secrets /run/k8s.cni.cncf.io; do mkdir -p $d; mount -t tmpfs tmpfs $d; done",
    "mkdir /var/lib/cni",
    "for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$f; done 2>/dev/null || true",
)
_WRAPPER = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *("sh", "-ec", "\n".join(_SETUP), "sh"),
)


def missing() -> list[str]:
    """Return what a run with namespaces lacks on this machine, a line each."""
    if sys.platform != "linux":
        return [f"Linux: network namespaces are needed, and this is {platform.system()}"]
    found = [] if os.geteuid() == 0 else ["root: network namespaces and mounts are made; run it with sudo"]
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            found.append(f"{program}: install the package {package}")
    plugins = [name for name in PLUGINS if not (REAL_PLUGINS / name).exists()]
    if plugins:
        where = f"the CNI plugins {', '.join(plugins)} in {REAL_PLUGINS}"
        found.append(f"{where}: install containernetworking-plugins (Debian, Ubuntu), or put them there")
    return found or _missing_rights()


def _missing_rights() -> list[str]:
    words = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc"]
    done = subprocess.run(
        [*words, "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return []
    why = done.stderr.strip().partition("\n")[0]
    return [f"the right to make namespaces and mounts, which containers lack without --privileged: {why}"]


def isolate_worker() -> None:
    """Give this process a network and mounts of its own within those of the run, so that workers do not meet.

    Only the calling thread and what it starts from now on have them; nothing may run before.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS | _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["sh", "-ec", "\n".join(_WORKER_SETUP)], check=True)


def is_isolated() -> bool:
    """Say whether this process runs in the namespaces of a run."""
    return MARK.exists()


class Interrupted(Exception):  # noqa: N818 - it is an order, not an error
    """A signal ended the run. `number` is that of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_isolated(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a program in namespaces of its own; return its exit code. Raises Interrupted after SIGINT and SIGTERM."""
    return run_until_signal((*_WRAPPER, *words), environ)


def run_until_signal(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a program; a signal to this process kills it with its daemons. Raises Interrupted."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    process = None
    try:
        process = subprocess.Popen(
            dying_with_parent(words), env=environ, stdin=subprocess.DEVNULL, start_new_session=True
        )
        return process.wait()
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)
