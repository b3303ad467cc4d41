"""Runs `nadmit serve` as a process and talks to it over verified TLS."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.paths import EXAMPLES, ROOT

CLUSTER = EXAMPLES / "cluster"
RECORDINGS = EXAMPLES / "recordings"
PIPE_BYTES = 1 << 20
"""Room for the log of 2000 reviews: the pipe is read only at the end, and a full pipe would stop the server."""


class Unanswered(Exception):  # noqa: N818  # it is what a test expects
    """An HTTP answer that is not an AdmissionReview: status, text, headers."""


@dataclass
class Served:
    """A running server. Its output is there after it has ended."""

    process: subprocess.Popen[str]
    webhook: tuple[str, int]
    probes: tuple[str, int]
    ca: Path
    lines: list[dict[str, Any]]
    errors: str = ""

    def post(self, body: bytes, path: str = "/validate") -> dict[str, Any]:
        """Send a review; return the `response`."""
        trust = ssl.create_default_context(cafile=str(self.ca))
        connection = http.client.HTTPSConnection(*self.webhook, context=trust, timeout=10)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise Unanswered(answer.status, text.decode(), dict(answer.getheaders()))
            return dict(json.loads(text)["response"])
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        """Send a request to the plain port."""
        connection = http.client.HTTPConnection(*self.probes, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def command(certs: Path, *more: str, manifests: Path | None = CLUSTER) -> list[str]:
    """Return the command line; without manifests the server reads a cluster."""
    source = ["--cluster"] if manifests is None else ["--manifests", str(manifests)]
    return [
        sys.executable, "-m", "webhook", "serve", *source, "--cert-dir", str(certs),
        "--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0", "--drain-seconds", "0", *more,
    ]  # fmt: skip


@contextmanager
def serving(certs: Path, *more: str, manifests: Path | None = CLUSTER) -> Iterator[Served]:
    """Run the server until the block ends, then stop it with SIGTERM and gather its output."""
    process = subprocess.Popen(
        command(certs, *more, manifests=manifests),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pipesize=PIPE_BYTES,
        text=True,
        cwd=ROOT,
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.communicate()[1])
        ready = json.loads(line)
        served = Served(process, tuple(ready["webhook"]), tuple(ready["probes"]), certs / "ca.crt", [ready])
        try:
            yield served
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            output, served.errors = process.communicate(timeout=20)
            served.lines += [json.loads(text) for text in output.splitlines()]


def fail(certs: Path, *more: str, manifests: Path | None = CLUSTER) -> tuple[int, str]:
    """Run a server that must not start; return exit code and standard error."""
    done = subprocess.run(
        command(certs, *more, manifests=manifests), capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert done.stdout == ""
    return done.returncode, done.stderr
