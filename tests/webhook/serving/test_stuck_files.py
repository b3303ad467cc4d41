"""Named pipes, devices and file systems that do not answer, for every file that an operator names: one line, no hang."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import CliRunner, Result

from certs.certfiles import BootstrapError, bootstrap
from cniplugin.host.regularfile import load_regular_file as load_on_the_node
from webhook import files
from webhook.cli import nadmit
from webhook.files import load_file, within
from webhook.kube.apierrors import ClusterError
from webhook.kube.credentials import load_access
from webhook.serving.tls import CertificateError, ServedPair, ServerTls

from .harness import Client, client_context, running
from .test_tls import NOW, renewed, serial_of, swap

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: blue}\n"


pytestmark = pytest.mark.timeout(60)  # a reader that waits for a pipe would wait for ever


def pipe(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def link_to_pipe(path: Path) -> Path:
    path.symlink_to(pipe(path.with_name("other")))
    return path


def unix_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    return path


def directory(path: Path) -> Path:
    path.mkdir()
    return path


def long_file(path: Path) -> Path:
    path.write_bytes(b"x" * 101)
    return path


KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "pipe": (pipe, "not a regular file but a named pipe"),
    "link": (link_to_pipe, "not a regular file but a named pipe"),
    "socket": (unix_socket, "not a regular file but a socket"),
    "device": (lambda _path: Path("/dev/zero"), "not a regular file but a device"),
    "directory": (directory, "Is a directory"),
    "long": (long_file, "more than 100 bytes"),
    "missing": (lambda path: path, "No such file or directory"),
    "zero": (lambda _path: Path("a\0b"), "embedded null byte"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_of_files_are_refused(tmp_path: Path, kind: str) -> None:
    make, reason = KINDS[kind]
    with pytest.raises(OSError, match=r"\S") as caught:
        load_file(make(tmp_path / "file"), bytes_max=100)
    assert caught.value.strerror == reason


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "zero"])
def test_the_node_refuses_the_same(tmp_path: Path, kind: str) -> None:
    """The node has a reader of its own."""
    make, reason = KINDS[kind]
    with pytest.raises(OSError, match=r"\S") as caught:
        load_on_the_node(str(make(tmp_path / "file")), bytes_max=100)
    assert caught.value.strerror == reason


def test_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to("file")
    assert load_file(tmp_path / "link", bytes_max=100) == b"x" * 100
    assert load_on_the_node(str(tmp_path / "link"), bytes_max=100) == b"x" * 100


def test_a_file_system_that_does_not_answer() -> None:
    """One thread waits for it, for any number of calls; when it answers, it is read again."""
    path, answers, asked = Path("/mnt/gone/file"), Event(), []

    def read() -> bytes:
        asked.append(path)
        answers.wait()
        return b"content"

    for _ in range(3):
        with pytest.raises(TimeoutError) as caught:
            within(path, read, wait_s=0.01)
        assert caught.value.strerror == "its file system does not answer within 0.01 s"
    assert len(asked) == 1
    waiting = files._stuck[str(path)]
    answers.set()
    waiting.join()
    assert within(path, read) == b"content"
    assert str(path) not in files._stuck


# While the server runs


def test_a_pipe_in_the_place_of_the_certificate(own_pki: Path, caplog: pytest.LogCaptureFixture) -> None:
    errors: list[str] = []
    tls = ServerTls(own_pki / "tls.crt", own_pki / "tls.key", now=time.time, on_error=errors.append)
    tls.load()
    certificate, key = renewed(own_pki)
    pipe(own_pki / "tls.crt")
    with caplog.at_level(logging.WARNING):
        tls.poll()
        tls.poll()
    assert errors == [
        f"certificate file {own_pki}/tls.crt: cannot be read: not a regular file but a named pipe; name a regular file"
    ]
    assert len(caplog.records) == 1
    swap(own_pki, certificate, key)
    tls.poll()
    assert tls.not_after > time.time()


def test_reviews_go_on_while_the_certificate_is_a_pipe(own_pki: Path) -> None:
    before = serial_of((own_pki / "tls.crt").read_bytes())
    context = client_context(own_pki)
    with running(own_pki) as server:
        pipe(own_pki / "tls.crt")
        pipe(own_pki / "tls.key")
        server.reload()
        with Client(server.addresses.webhook, context) as client:
            assert client.serial == before
            assert client.post().status == 200


def test_a_poll_that_hangs_does_not_keep_the_server_from_ending() -> None:
    answers, began = Event(), Event()

    class Hanging(ServedPair):
        def poll(self) -> None:
            began.set()
            answers.wait()

    with Hanging(now=time.time, on_reload=lambda _: None).watched(0):
        assert began.wait(5)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "nadmit-poll")
    answers.set()


def test_a_bug_in_polling_is_logged_and_ends_the_polling(caplog: pytest.LogCaptureFixture) -> None:
    polls = []

    class Broken(ServedPair):
        def poll(self) -> None:
            polls.append(self)
            raise RuntimeError("broken")

    with Broken(now=time.time, on_reload=lambda _: None).watched(0):
        for thread in threading.enumerate():
            if thread.name == "nadmit-poll":
                thread.join(5)
    assert len(polls) == 1
    assert "certificate changes are no longer seen; restart this process" in caplog.text


# At the start of the server, and in the commands


def serve(*arguments: object) -> Result:
    ports = ["--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0"]
    return CliRunner().invoke(nadmit, ["serve", *ports, *map(str, arguments)], prog_name="nadmit")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "namespace.yaml").write_text(NAMESPACE)
    return folder


@pytest.mark.parametrize(
    "option",
    [
        "--config",
        "--client-ca",
        "--tls-cert-file",
        "--tls-key-file",
        "--path-token-file",
        "--plugin-schemas",
        "--manifests",
    ],
)
def test_serve_refuses_a_pipe(own_pki: Path, tree: Path, tmp_path: Path, option: str) -> None:
    given: dict[str, Path] = {
        "--manifests": tree,
        "--tls-cert-file": own_pki / "tls.crt",
        "--tls-key-file": own_pki / "tls.key",
    }
    place = tmp_path / "pipes"
    place.mkdir()
    pipe(place / "pipe.yaml")
    given[option] = place if option in {"--plugin-schemas", "--manifests"} else place / "pipe.yaml"
    done = serve(*(word for pair in given.items() for word in pair))
    assert done.exit_code == 1, done.output
    lines = [line for line in done.stderr.splitlines() if "named pipe" in line]
    assert len(lines) == 1
    assert f"{place}/pipe.yaml" in lines[0]


@pytest.mark.parametrize("name", ["ca.key", "ca.crt", "tls.key", "tls.crt"])
def test_a_pipe_in_the_directory_of_certificates(tree: Path, tmp_path: Path, name: str) -> None:
    keys = tmp_path / "keys"
    bootstrap(keys, ["localhost"], NOW)
    pipe(keys / name)
    with pytest.raises(BootstrapError, match=r"a named pipe|not a regular file"):
        bootstrap(keys, ["localhost"], NOW)
    done = serve("--manifests", tree, "--cert-dir", keys)
    assert done.exit_code == 1
    assert "not a regular file but a named pipe" in done.stderr


@pytest.mark.parametrize("arguments", [["check"], ["review"], ["can-attach", "--manifests"]])
def test_commands_refuse_a_pipe(tree: Path, arguments: list[str]) -> None:
    pipe(tree / "pipe.yaml")
    more = ["--namespace", "blue", "net"] if arguments[0] == "can-attach" else []
    path = tree / "pipe.yaml" if arguments == ["review"] else tree
    done = CliRunner().invoke(nadmit, [*arguments, str(path), *more], prog_name="nadmit")
    assert done.exit_code != 0
    assert f"{tree}/pipe.yaml: " in done.output
    assert "cannot be read: not a regular file but a named pipe" in done.output


@pytest.mark.parametrize("key", ["", "certificate-authority", "client-certificate", "client-key", "tokenFile"])
def test_a_kubeconfig_with_a_pipe(tmp_path: Path, key: str) -> None:
    cluster, user = {"server": "https://127.0.0.1:1"}, {"token": "t"}
    if key.startswith("client-"):
        user |= {"client-certificate-data": "QQ==", "client-key-data": "QQ=="}
        del user[f"{key}-data"]
    (cluster if key == "certificate-authority" else user)[key or "x"] = "secret-name"
    pipe(tmp_path / "secret-name")
    file = tmp_path / "kubeconfig"
    file.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    if not key:
        pipe(file)
    with pytest.raises(ClusterError) as caught:
        load_access(file, environ={})
    where = f"{file}: the kubeconfig cannot be used: {f'{key}: ' if key else ''}"
    assert str(caught.value) == f"{where}not a regular file but a named pipe; name a regular file"


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_a_service_account_with_a_pipe(tmp_path: Path, name: str) -> None:
    for file in ("token", "ca.crt"):
        (tmp_path / file).write_text("x")
    pipe(tmp_path / name)
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ClusterError, match="the service account cannot be used: not a regular file but a named pipe"):
        load_access(None, environ=environ, service_account=tmp_path)


def test_a_pair_on_a_file_system_that_never_answers_is_one_message(
    own_pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Event()
    waiting = Thread(target=answers.wait)
    waiting.start()
    monkeypatch.setattr(files, "_stuck", {str(own_pki / "tls.crt"): waiting})
    with pytest.raises(CertificateError, match=r"its file system does not answer within 10 s; see to its mount"):
        ServerTls(own_pki / "tls.crt", own_pki / "tls.key", now=time.time).load()
    answers.set()
    waiting.join()
