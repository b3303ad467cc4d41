"""docs/tutorial.md at a real API server, command by command, with the output that the page shows.

The commands in `NOT_HERE` do not run: there is no kind, no container runtime and no scheduler, and the program is the one of
this tree. In the place of the Deployment's pods the webhook runs as a process with their account and options, so the API
server calls a URL and not a Service. Nobody has tried the page on kind itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.cluster.rig.installation import empty_server, webhook_options
from tests.cluster.rig.registered import create, free_port, is_in_order, network
from tests.docs.consoles import Command, commands, run
from tests.e2e.process import serving
from tests.fakes.waiting import wait_until
from tests.paths import ROOT
from tests.realapi.server import RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

PAGE = ROOT / "docs/tutorial.md"
NOT_HERE = (
    "git clone ",
    "cd ",
    "pipx install ",
    "make webhook-image",
    "kind ",
    "kubectl -n nadmit-system rollout status ",
)
"""Beginnings of commands that need what this machine does not have. The others run."""
INSTALL, NETWORKS, BEGIN = (
    "kubectl apply -k manifests",
    "examples/tutorial/networks.yaml",
    "nadmit webhooks stage Ignore",
)


@pytest.fixture
def server() -> Iterator[RealApiServer]:
    """An empty cluster, as that of the page."""
    with empty_server() as started:
        yield started


def is_as_shown(printed: str, shown: tuple[str, ...]) -> bool:
    """Say whether a page shows an output. `...` stands for any lines, and an age for any age."""
    pattern = "\n".join(re.escape(line.rstrip()) if line.strip() != "..." else "(?s:.*)" for line in shown)
    pattern = re.sub(r"(?<=\\ )\d+s(?=\n|$)", r"\\d+s", pattern)
    return re.fullmatch(pattern, "\n".join(line.rstrip() for line in printed.strip().splitlines())) is not None


def check(server: RealApiServer, command: Command) -> None:
    """Run a command until it prints what the page shows, because caches are late; a refusal changes nothing."""
    said = ""

    def is_right() -> bool:
        nonlocal said
        said = run(server, command.line).output
        return not command.printed or is_as_shown(said, command.printed)

    try:
        wait_until(is_right)
    except AssertionError:
        assert said == "\n".join(command.printed), f"docs/tutorial.md shows another output of: {command.line}"


def test_every_command_of_the_tutorial(server: RealApiServer, tmp_path: Path) -> None:
    with ExitStack() as running:
        done = []
        for command in commands(PAGE):
            if command.line.startswith(NOT_HERE):
                continue
            check(server, command)
            done.append(command.line)
            if command.line == INSTALL:
                install(server, tmp_path, running)
            elif NETWORKS in command.line:
                make_accounts(server)
            elif command.line == BEGIN:
                wait_until(lambda: refuses(server))
    assert INSTALL in done
    assert BEGIN in done
    assert any(NETWORKS in line for line in done)


def install(server: RealApiServer, tmp_path: Path, running: ExitStack) -> None:
    """Run the webhook as the Deployment does."""
    port = free_port()
    options = webhook_options(server, f"https://127.0.0.1:{port}")
    given = [*options, "--cert-name", "127.0.0.1", "--listen", f"127.0.0.1:{port}"]
    served = running.enter_context(serving(tmp_path / "certs", *given, manifests=None))
    wait_until(lambda: is_in_order(served))


def refuses(server: RealApiServer) -> bool:
    """Say whether the API server knows the new stage, which it learns by a watch."""
    probe = network("probe", plugin="../x")
    probe["metadata"]["namespace"] = "default"
    return create(server, probe, "--dry-run=server").returncode != 0


def make_accounts(server: RealApiServer) -> None:
    """Create the service accounts, as the controller manager does."""
    for value in yaml.safe_load_all((ROOT / NETWORKS).read_text()):
        if value["kind"] == "Namespace":
            name = value["metadata"]["name"]
            account = {"name": "default", "namespace": name}
            server.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})


def test_the_page_shows_the_files_that_it_applies() -> None:
    shown = PAGE.read_text()
    for name in ("typo", "database", "policy", "tests"):
        text = (ROOT / f"examples/tutorial/{name}.yaml").read_text()
        assert f"```yaml\n{text}```\n" in shown, name
