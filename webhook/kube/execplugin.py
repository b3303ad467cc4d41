"""The program of a kubeconfig's `exec`, which prints credentials (client.authentication.k8s.io, ExecCredential).

It gets KUBERNETES_EXEC_INFO, and the terminal if there is one, so that it can ask. Its credentials are used until they
expire, or until the API server refuses them. NB: no message shows what it prints, or the arguments that it gets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple

import msgspec

from .apierrors import ClusterError
from .kubeconfig import Exec

RUN_S = 60.0
"""How long the program may take without a terminal. With one it may wait for a person."""
EARLY_S = 30.0
"""How long before their end credentials are renewed."""


class Pair(NamedTuple):
    """A client certificate and its key, PEM."""

    certificate: bytes
    key: bytes


class Credential(NamedTuple):
    """The value of the header Authorization, "" for none; and the client certificate."""

    authorization: str = ""
    pair: Pair | None = None


class ExecPlugin:
    """The credentials of a program. Safe for threads, of which one runs it and the others wait."""

    def __init__(self, plugin: Exec, server: str, *, clock: Callable[[], float] = time.time) -> None:
        """`server`: as messages name it. `clock`: Unix seconds."""
        self._plugin = plugin
        self._server = server
        self._clock = clock
        self._lock = Lock()
        self._known: tuple[Credential, float | None] | None = None

    def credential(self) -> Credential:
        """Return the credentials; run the program if there are none, or if they expire. Raises ClusterError."""
        with self._lock:
            if self._known is None or (self._known[1] is not None and self._known[1] - EARLY_S <= self._clock()):
                self._known = self._run()
            return self._known[0]

    def _run(self) -> tuple[Credential, float | None]:
        is_interactive = sys.stdin is not None and sys.stdin.isatty()
        info: dict[str, Any] = {
            "apiVersion": self._plugin.api_version,
            "kind": "ExecCredential",
            "spec": {"interactive": is_interactive},
        }
        if self._plugin.cluster is not None:
            info["spec"]["cluster"] = self._plugin.cluster
        try:
            done = subprocess.run(
                self._plugin.command,
                stdin=None if is_interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if is_interactive else subprocess.DEVNULL,
                cwd=self._plugin.directory,
                env={**os.environ, **self._plugin.environ, "KUBERNETES_EXEC_INFO": json.dumps(info, default=str)},
                timeout=None if is_interactive else RUN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._error(f"does not end within {RUN_S:.0f} s; run it to see why") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it cannot be run"
            raise self._error(f"cannot be run: {reason.lower()}; install it, or correct the command") from None
        if done.returncode:
            raise self._error(f"ended with code {done.returncode}; run it to see why")
        return self._parse(done.stdout)

    def _parse(self, printed: bytes) -> tuple[Credential, float | None]:
        try:
            answer = _DECODER.decode(printed)
            ends = datetime.fromisoformat(answer.status.expires).timestamp() if answer.status.expires else None
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
            raise self._error("prints something that is not an ExecCredential; run it to see why") from None
        if answer.api_version != self._plugin.api_version:
            raise self._error("prints an ExecCredential of another apiVersion; write that one into the kubeconfig")
        status = answer.status
        if bool(status.certificate) is not bool(status.key):
            raise self._error("prints a certificate without its key, or a key alone")
        pair = Pair(status.certificate.encode(), status.key.encode()) if status.certificate else None
        if not status.token and pair is None:
            raise self._error("prints neither a token nor a certificate; run it to see why")
        return Credential(f"Bearer {status.token}" if status.token else "", pair), ends

    def _error(self, what: str) -> ClusterError:
        return ClusterError(f"{self._server}: no credentials: the program of the kubeconfig's exec {what}")


class _Status(
    msgspec.Struct,
    rename={"certificate": "clientCertificateData", "key": "clientKeyData", "expires": "expirationTimestamp"},
):
    token: str = ""
    certificate: str = ""
    key: str = ""
    expires: str = ""


class _Answer(msgspec.Struct, rename="camel"):
    api_version: str
    status: _Status


_DECODER = msgspec.json.Decoder(_Answer)
