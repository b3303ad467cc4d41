"""The command as a process: how it starts, what it says about missing rights, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser import worlds
from tests.fakes.apiserver import ApiServer, failure, status
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import POLICIES
from tests.fakes.waiting import wait_until
from tests.paths import ROOT
from webhook.commands.ui.uicommand import can_open

pytestmark = pytest.mark.slow

EXAMPLE = ("--no-browser", "--manifests", "examples/cluster")


@contextmanager
def start(*words: str, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run the command; a test that fails does not wait for it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "webhook", "ui", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environ,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def get(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_an_address_answers_there_and_ends_with_0(ending: signal.Signals) -> None:
    with start(*EXAMPLE) as process:
        assert process.stdout is not None
        title, _, url = process.stdout.readline().strip().partition(" at ")
        assert title == "examples/cluster"
        assert url.startswith("http://127.0.0.1:")
        assert get(url)[0] == 200
        assert get(f"{url}api/map")[0] == 200
        assert get(url.replace(urlsplit(url).path, "/"))[0] == 404
        process.send_signal(ending)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == "Ctrl-C ends it.\n"


def test_it_listens_on_loopback_alone() -> None:
    with start(*EXAMPLE) as process:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline().split()[-1]).port
        others = [
            address[4][0]
            for address in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)
            if not str(address[4][0]).startswith("127.")
        ]
        for address in others:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((str(address), port or 0), timeout=5).close()
        listening = Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]
        assert [line.split()[1] for line in listening if line.split()[1].endswith(f":{port:04X}")][:1] == [
            f"0100007F:{port:04X}"
        ]


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with start(*EXAMPLE, "--port", str(port)) as process:
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"--port {port} cannot be used: Address already in use; give another one, or 0 for a free one" in errors


def test_each_missing_right_is_one_line_at_the_start(tmp_path: Path) -> None:
    with ApiServer() as api:
        worlds.fill(api, worlds.demo())
        api.answer_always[POLICIES] = (403, status(403, "no"))
        with start("--no-browser", "--kubeconfig", worlds.kubeconfig_of(api, tmp_path)) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
    first, *rest = errors.splitlines()
    assert first.startswith("unread: networkattachmentpolicies.access.nadmit.io: list is forbidden: no; grant list and")
    assert rest == ["Ctrl-C ends it."]


@pytest.mark.parametrize(("words", "count"), [((), 1), (("-n", "shop"), 0)])
def test_without_any_right_a_line_names_the_option(tmp_path: Path, words: tuple[str, ...], count: int) -> None:
    with ApiServer() as api:
        api.instead = lambda _request: failure(403, "no")
        with start("--no-browser", "--kubeconfig", worlds.kubeconfig_of(api, tmp_path), *words) as process:
            output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    assert errors.count("with rights in one namespace: nadmit ui -n NAMESPACE\n") == count


def test_an_api_server_that_does_not_answer(tmp_path: Path) -> None:
    with ApiServer() as api:
        url = api.url
    with start("--no-browser", "--kubeconfig", str(write_kubeconfig(tmp_path / "kubeconfig", url))) as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    assert errors.splitlines() == [
        f"unread: {url}: cannot be reached: connection refused; check its address, and that it runs"
    ]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--kubeconfig", "/nowhere"), "/nowhere"),
        (("-f", "/nowhere"), "/nowhere"),
        ((*EXAMPLE, "--cluster"), "-f and --manifests replace the cluster"),
        (("-n", "A"), "does not name a namespace"),
    ],
)
def test_what_cannot_be_read(words: tuple[str, ...], text: str) -> None:
    with start(*words) as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    assert text in errors


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"BROWSER": "w3m"}, "linux", True),
        ({}, "darwin", True),
    ],
)
def test_without_a_screen_no_browser_is_opened(environ: dict[str, str], platform: str, *, expected: bool) -> None:
    assert can_open(environ, platform) is expected


def test_a_browser_is_opened_with_an_address_that_is_good_once(tmp_path: Path) -> None:
    """A program named by BROWSER gets the address, as webbrowser of the standard library calls it."""
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}.part && mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    with start(*EXAMPLE[1:], environ={"PATH": "/usr/bin:/bin", "BROWSER": str(browser)}) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        wait_until(seen.exists)
        opened = seen.read_text().strip()
        assert "/open/" in opened
        assert urlsplit(url).path.strip("/") not in opened
        assert get(opened)[0] == 303
        assert get(opened)[0] == 404
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
