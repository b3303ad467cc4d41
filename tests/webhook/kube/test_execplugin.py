"""Programs that print credentials: what they get, what is used, when they run again, and each way to fail."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import Clock
from webhook.kube import execplugin
from webhook.kube.apierrors import ClusterError
from webhook.kube.execplugin import Credential, ExecPlugin, Pair
from webhook.kube.kubeconfig import Exec

VERSION = "client.authentication.k8s.io/v1"
WHERE = "https://api: no credentials: the program of the kubeconfig's exec "


def plugin(directory: Path, code: str, clock: Clock | None = None, **members: Any) -> ExecPlugin:
    """A Python program, which runs in a directory."""
    made = Exec(VERSION, (sys.executable, "-c", code), {}, directory, None)._replace(**members)
    return ExecPlugin(made, "https://api", clock=clock or Clock())


def printing(status: object, version: str = VERSION) -> str:
    text = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
    return f"open('runs', 'a').write('x'); print({text!r})"


def test_what_it_gets(tmp_path: Path) -> None:
    code = (
        "import json, os; info = os.environ['KUBERNETES_EXEC_INFO']; "
        "print(json.dumps({**json.loads(info), 'status': {'token': os.environ['MINE'] + info}}))"
    )
    members: dict[str, Any] = {"environ": {"MINE": "of the kubeconfig "}, "cluster": {"server": "https://api"}}
    got = plugin(tmp_path, code, **members).credential().authorization.removeprefix("Bearer of the kubeconfig ")
    assert json.loads(got) == {
        "apiVersion": VERSION,
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://api"}},
    }


def test_a_certificate(tmp_path: Path) -> None:
    code = printing({"clientCertificateData": "C", "clientKeyData": "K"})
    assert plugin(tmp_path, code).credential() == Credential("", Pair(b"C", b"K"))


def test_it_runs_again_only_when_its_credentials_end(tmp_path: Path) -> None:
    clock = Clock(1_000.0)
    tried = plugin(tmp_path, printing({"token": "t", "expirationTimestamp": "1970-01-01T01:00:00Z"}), clock)
    runs = []
    for now in (1_000.0, 3_500.0, 3_569.0, 3_570.0):
        clock.now = now
        assert tried.credential() == Credential("Bearer t")
        runs.append((tmp_path / "runs").read_text().count("x"))
    assert runs == [1, 1, 1, 2]


def test_credentials_without_an_end_are_kept(tmp_path: Path) -> None:
    clock = Clock()
    tried = plugin(tmp_path, printing({"token": "t"}), clock)
    tried.credential()
    clock.now += 1e9
    tried.credential()
    assert (tmp_path / "runs").read_text() == "x"


def test_a_failure_is_tried_again(tmp_path: Path) -> None:
    code = f"import os, sys; os.path.exists('there') or sys.exit(3); {printing({'token': 't'})}"
    tried = plugin(tmp_path, code)
    with pytest.raises(ClusterError, match="ended with code 3; run it to see why"):
        tried.credential()
    (tmp_path / "there").touch()
    assert tried.credential() == Credential("Bearer t")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("print('hunter')", "prints something that is not an ExecCredential; run it to see why"),
        ("print('{}')", "prints something that is not an ExecCredential; run it to see why"),
        (printing({"token": 5}), "prints something that is not an ExecCredential; run it to see why"),
        (
            printing({"token": "t", "expirationTimestamp": "hunter"}),
            "prints something that is not an ExecCredential; run it to see why",
        ),
        (
            printing({"token": "hunter"}, "v2"),
            "prints an ExecCredential of another apiVersion; write that one into the kubeconfig",
        ),
        (printing({}), "prints neither a token nor a certificate; run it to see why"),
        (printing({"clientKeyData": "hunter"}), "prints a certificate without its key, or a key alone"),
    ],
)
def test_what_it_may_not_print(tmp_path: Path, code: str, problem: str) -> None:
    with pytest.raises(ClusterError) as caught:
        plugin(tmp_path, code).credential()
    assert str(caught.value) == f"{WHERE}{problem}"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ClusterError) as caught:
        plugin(tmp_path, "", command=("./hunter",)).credential()
    assert str(caught.value) == (f"{WHERE}cannot be run: no such file or directory; install it, or correct the command")


def test_a_program_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execplugin, "RUN_S", 0.2)
    with pytest.raises(ClusterError, match="does not end within 0 s; run it to see why"):
        plugin(tmp_path, "import time; time.sleep(60)").credential()
