"""Runs a program of a cluster as in a pod: with a service account at the fixed path, from which client-go reads it.

The program gets a mount namespace of its own, in which that path has the account; nothing of it is left on the machine.
This needs root.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
"""rest.InClusterConfig of client-go; /var/run is a link to /run."""

_SCRIPT = """\
set -e
mkdir -p {hidden} && mount --rbind /run {hidden} && mount -t tmpfs none /run
mkdir -p {account} && mount --bind {given} {account}
if [ -d {hidden}/netns ]; then mkdir /run/netns && mount --rbind {hidden}/netns /run/netns; fi
exec {command}
"""


def command(folder: Path, program: list[str], *, token: str, ca: str, namespace: str = "kube-system") -> list[str]:
    """Return the command line. The process of this command becomes the program. `folder` gets the account."""
    account = folder / "account"
    account.mkdir(parents=True)
    for name, text in {"token": token, "ca.crt": ca, "namespace": namespace}.items():
        (account / name).write_text(text)
    script = _SCRIPT.format(
        hidden=shlex.quote(str(folder / "run")),
        given=shlex.quote(str(account)),
        account=ACCOUNT,
        command=shlex.join(program),
    )
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]


def environ(host: str, port: int) -> dict[str, str]:
    """Return the environment that names the API server."""
    return {**os.environ, "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}
