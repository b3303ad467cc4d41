"""Compares the webhook with two others, and with the bare app: the reviews of `unseen`, one server after the other.

All servers run at the same time, on one core. Only one gets reviews at a time, so the others take nothing from it. Each
row is measured on all servers in turn, and then again, so that other work on the machine disturbs all of them alike.
Before that, each server must answer each row with the verdict that the row states: a fast failure is not a figure.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.bench import load, server
from tests.fakes.waiting import wait_until
from tests.paths import EXAMPLES

from . import programs, unseen

CONNECTIONS = 8
BARE, OURS = "bare", "nadmit"


class Measured(NamedTuple):
    """One round of one row on one server. `cpu_s`: processor time of the server for one review."""

    per_second: float
    p50_s: float
    p99_s: float
    cpu_s: float


class Subject(NamedTuple):
    """A running server."""

    name: str
    running: server.Server

    def path_of(self, row: unseen.Row) -> str | None:
        """Return the path of a row's reviews; None if this server does not judge them."""
        if self.name in {BARE, OURS}:
            return row.path
        return row.peer_path if row.peer == self.name else None

    def allows(self, row: unseen.Row) -> bool:
        """Return the verdict that a row states for this server."""
        return self.name == BARE or (row.allows if self.name == OURS else row.peer_allows)


def run(peers: Mapping[str, Path], *, rounds: int, seconds: float) -> None:
    """Measure and print. Without peers, our webhook reads the example cluster from files."""
    with tempfile.TemporaryDirectory(prefix="nadmit-bench-") as given, ExitStack() as stack:
        folder = Path(given)
        subjects = _start(peers, folder, stack)
        print(
            f"\nReviews that all differ: HTTPS, {CONNECTIONS} kept-alive connections, one core each; median of {rounds} "
            f"rounds of {seconds:g} s, all servers in turn\np50 and p99 in ms, cpu: us of processor time for a review"
        )
        for name, row in unseen.ROWS.items():
            bodies = unseen.reviews(name)
            judging = {subject: path for subject in subjects if (path := subject.path_of(row)) is not None}
            for subject, path in judging.items():
                _try(subject, load.request(path, bodies[0]), row, folder)
            found: dict[Subject, list[Measured]] = {subject: [] for subject in judging}
            encoded = {path: [load.request(path, body) for body in bodies] for path in set(judging.values())}
            turns = {subject: deque(encoded[path]) for subject, path in judging.items()}
            for _ in range(rounds):
                for subject in judging:
                    found[subject].append(_measure(subject.running, turns[subject], folder, seconds))
            _print_row(name, {subject.name: rounds_of for subject, rounds_of in found.items()})
        peaks = ", ".join(f"{subject.name} {subject.running.peak_mib():.0f} MiB" for subject in subjects)
        print(f"peak memory after all rows: {peaks}")


def _start(peers: Mapping[str, Path], folder: Path, stack: ExitStack) -> list[Subject]:
    """Start all servers. Ours makes the certificates for all of them."""
    certs = _certs(folder)
    api = stack.enter_context(programs.cluster()) if peers else None
    command = server.nadmit(EXAMPLES / "cluster", certs) if api is None else server.cluster(api.admin_kubeconfig, certs)
    ours = stack.enter_context(server.running(command, folder / "nadmit.log"))
    bare = stack.enter_context(server.running(server.bare(certs), folder / "bare.log"))
    subjects = [Subject(BARE, bare), Subject(OURS, ours)]
    for name, program in peers.items():
        assert api is not None
        running = stack.enter_context(programs.running(name, program, api, certs, folder))
        subjects.append(Subject(name, running))
    return subjects


def _certs(folder: Path) -> Path:
    return folder / "certs"


def _try(subject: Subject, message: bytes, row: unseen.Row, folder: Path) -> None:
    """Wait until a server answers as the row states: with its verdict, and for a mutation with a patch."""
    connection = load.connect(subject.running.port, _certs(folder) / "ca.crt", iter(lambda: message, b""))
    answers: list[object] = []

    def is_right() -> bool:
        connection.send()
        while not connection.receive():
            pass
        response = load.value_of(connection.answer)["response"]
        answers[:] = [response]
        has_patch = subject.name == BARE or (bool(response.get("patch")) == (row.path == unseen.MUTATE))
        return response["allowed"] == subject.allows(row) and has_patch

    try:
        wait_until(is_right, lambda: f"{subject.name} answers {answers}", within_s=programs.STARTS_WITHIN_S)
    finally:
        connection.sock.close()


def _measure(subject: server.Server, messages: deque[bytes], folder: Path, seconds: float) -> Measured:
    """Measure one round. The next one begins with the bodies that this one has not sent."""
    before = subject.cpu_s()
    ca = _certs(folder) / "ca.crt"
    report = load.run([subject.port], ca, list(messages), connections=CONNECTIONS, seconds=seconds)
    messages.rotate(-report.sent)
    cpu_s = (subject.cpu_s() - before) / report.sent
    return Measured(report.per_second, report.quantile(0.5), report.quantile(0.99), cpu_s)


def middle(rounds: list[Measured]) -> Measured:
    """Return the median of each figure."""
    return Measured(*(statistics.median(figures) for figures in zip(*rounds, strict=True)))


def _print_row(name: str, found: Mapping[str, list[Measured]]) -> None:
    ours = found[OURS]
    for who, rounds in found.items():
        figures = middle(rounds)
        ratio = statistics.median(one.per_second / other.per_second for one, other in zip(ours, rounds, strict=True))
        print(
            f"{name if who == BARE else '':30}{who:8}{figures.per_second:>8,.0f}/s  p50 {figures.p50_s * 1e3:6.2f}  "
            f"p99 {figures.p99_s * 1e3:6.2f}  cpu {figures.cpu_s * 1e6:5.0f}"
            + ("" if who == OURS else f"   nadmit has {ratio:.2f} of its rate")
        )
