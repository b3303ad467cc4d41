"""The FastAPI application on an ASGI server of somebody else: uvicorn, with TLS, as a process."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.certfiles import bootstrap
from tests.e2e.process import CLUSTER, PIPE_BYTES, RECORDINGS, Served, Unanswered, serving
from tests.paths import ROOT
from webhook.asgi import OPTIONS, OptionsError, create_app

pytestmark = pytest.mark.slow


def uvicorn(certs: Path, options: str) -> subprocess.Popen[str]:
    bootstrap(certs, ["127.0.0.1"], datetime.now(UTC))
    return subprocess.Popen(
        [
            sys.executable, "-m", "uvicorn", "--factory", "webhook.asgi:create_app", "--port", "0",
            "--ssl-certfile", str(certs / "tls.crt"), "--ssl-keyfile", str(certs / "tls.key"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pipesize=PIPE_BYTES,
        text=True,
        cwd=ROOT,
        env={**os.environ, OPTIONS: options},
    )  # fmt: skip


@contextmanager
def running(certs: Path, options: str) -> Iterator[Served]:
    with uvicorn(certs, options) as process:
        assert process.stderr is not None
        seen: list[str] = []
        for line in process.stderr:
            seen.append(line)
            found = re.search(r"running on https://127\.0\.0\.1:([0-9]+)", line)
            if found:
                break
        else:
            raise AssertionError("".join(seen))
        address = ("127.0.0.1", int(found[1]))
        served = Served(process, address, address, certs / "ca.crt", [])
        try:
            yield served
        finally:
            process.send_signal(signal.SIGTERM)
            output, served.errors = process.communicate(timeout=20)
            served.lines += [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_it_answers_as_nadmit_serve_does(tmp_path: Path) -> None:
    bodies = [recording.read_bytes() for recording in sorted(RECORDINGS.glob("*.json"))]
    with running(tmp_path / "one", f"--manifests {CLUSTER}") as other, serving(tmp_path / "two") as own:
        for body in bodies:
            for path in ("/validate", "/mutate"):
                assert other.post(body, path) == own.post(body, path)
        for method_path in ("/nope", "/validate/token"):
            with pytest.raises(Unanswered) as caught:
                other.post(bodies[0], method_path)
            assert caught.value.args[0] == 404
    reviews = [line for line in other.lines if line["event"] == "review"]
    assert len(reviews) == 2 * len(bodies)


def test_probes_are_on_the_same_port(tmp_path: Path) -> None:
    with running(tmp_path, f"--manifests {CLUSTER}") as server:
        for path, begins in (("/healthz", "ok"), ("/readyz", "ready"), ("/metrics", "# HELP")):
            with pytest.raises(Unanswered) as caught:
                server.post(b"{}", path)
            assert caught.value.args[0] == 405
            assert get(server, path).startswith(begins)


def test_the_configuration_is_not_shown(tmp_path: Path) -> None:
    """NB: behind a proxy, every caller seems to come from the loopback interface."""
    with running(tmp_path, f"--manifests {CLUSTER}") as server, pytest.raises(Unanswered) as caught:
        server.post(b"{}", "/configz")
    assert caught.value.args[0] == 404


def get(server: Served, path: str) -> str:
    trust = ssl.create_default_context(cafile=str(server.ca))
    connection = http.client.HTTPSConnection(*server.webhook, context=trust, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200
    return text


def test_a_tree_that_cannot_be_read_ends_the_start(tmp_path: Path) -> None:
    with uvicorn(tmp_path, "--manifests nowhere") as process:
        errors = process.communicate(timeout=30)[1]
    assert process.returncode != 0
    assert "nowhere: no such file or directory; name one that exists" in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "NADMIT_SERVE: Give either --manifests DIR or --cluster."),
        ("--manifests a --listen :1", "NADMIT_SERVE: --listen is for `nadmit serve`: the ASGI server has its own"),
        ("--manifests a --tls-cert-file b --tls-key-file c", "--tls-cert-file is for `nadmit serve`"),
        ("--cluster --webhook-configuration nadmit", "--webhook-configuration is for `nadmit serve`"),
        ("--wrong", "NADMIT_SERVE: No such option"),
        ("--manifests 'a", "NADMIT_SERVE: No closing quotation"),
    ],
)
def test_wrong_options_are_one_clear_line(options: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPTIONS, options)
    with pytest.raises(OptionsError) as caught:
        create_app()
    assert str(caught.value).startswith(message) or message in str(caught.value)
    assert "\n" not in str(caught.value)
