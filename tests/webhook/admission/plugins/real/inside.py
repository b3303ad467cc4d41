"""Runs inside the namespace of the node: calls a program for each line of JSON, as a runtime would.

    {"program", "directory", "stdin", "environ"} -> {"code", "stdout", "stderr"}

The process has its own mounts, so /run and /var/lib, where plugins keep their records, are empty and vanish with it.
The first argument is the path of the pod's namespace, which stays reachable. The daemon of plugin dhcp gets a socket
that already listens, so its clients do not have to wait. Standard library only.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

CALL_S = 20.0
"""A plugin takes 5 to 200 milliseconds."""


def main(pod: str, name: str, dhcp: str) -> None:
    """Answer each line of standard input."""
    mounts = (
        ["mount", "--make-rprivate", "/"],
        ["mount", "--bind", f"/run/netns/{name}", pod],
        ["mount", "-t", "tmpfs", "tmpfs", "/run"],
        ["mount", "-t", "tmpfs", "tmpfs", "/var/lib"],
    )
    for words in mounts:
        subprocess.run(words, check=True)
    daemon = _start_dhcp(dhcp) if Path(dhcp).exists() else None
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)
    if daemon is not None:
        daemon.terminate()
        daemon.wait()


def _start_dhcp(program: str) -> subprocess.Popen[bytes]:
    """Start the daemon as systemd would: file 3 is its socket (sd_listen_fds(3))."""
    Path("/run/cni").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("/run/cni/dhcp.sock")
        listener.listen(16)
        os.dup2(listener.fileno(), 3)
        words = ["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" daemon', program]
        return subprocess.Popen(words, pass_fds=[3], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _answer(call: dict[str, Any]) -> dict[str, object]:
    done = subprocess.run(
        [call["program"]],
        input=call["stdin"],
        env=call["environ"],
        cwd=call["directory"],
        capture_output=True,
        check=False,
        text=True,
        errors="replace",
        timeout=CALL_S,
    )
    return {"code": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
