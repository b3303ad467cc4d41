"""Measures replicas in a cluster: cache lag after the creation of a definition, and 1, 2, 3 processes.

The API server is `largecluster`, a process of its own, which shares its core with the load generator. Reviews are of
pods with different names and two networks of their namespace. Each connection belongs to one replica, as behind a
Service.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import largecluster, load, reviewbodies, server

CONNECTIONS = 8
BUSY_CONNECTIONS = 24
PACED_PER_S = 3_000
CLIENT_CORE = max(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Size:
    """A size of the cluster, and how long to measure. `creations` is the number of definitions whose lag is measured."""

    networks: int
    pods: int
    creations: int
    seconds: float
    rounds: int

    @property
    def title(self) -> str:
        return f"{self.networks:,} definitions, {self.pods:,} pods"


SMALL = Size(networks=10_000, pods=20_000, creations=50, seconds=2, rounds=1)
FULL = Size(networks=50_000, pods=100_000, creations=300, seconds=8, rounds=3)


class Api:
    """The API server of the bench, and its kubeconfig."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._lock = threading.Lock()
        port = self._read()["port"]
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(
            json.dumps(
                {
                    "current-context": "x",
                    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                    "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                    "users": [{"name": "x", "user": {}}],
                }
            )
        )

    def command(self, line: str) -> dict[str, Any]:
        """Send a command and return its answer; from any thread."""
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


@contextmanager
def running_api(size: Size, folder: Path) -> Iterator[Api]:
    """Run an API server with a cluster, on the core of the client."""
    command = [sys.executable, "-m", "tests.bench.largecluster", str(size.networks), str(size.pods)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        os.sched_setaffinity(process.pid, {CLIENT_CORE})
        yield Api(process, folder)


class Bench:
    """A cluster of one size, and any number of replicas."""

    def __init__(self, size: Size, api: Api, folder: Path, clients: ProcessPoolExecutor) -> None:
        self.size = size
        self.api = api
        self._clients = clients
        self._folder = folder
        self._certs = folder / "certs"
        self._review = json.loads(reviewbodies.reviews("pod CREATE, two networks")[0])
        self.messages = [load.request("/validate", self.pod(number)) for number in range(reviewbodies.DIFFERENT)]

    @property
    def ca(self) -> Path:
        return self._certs / "ca.crt"

    @contextmanager
    def replicas(self, count: int) -> Iterator[list[server.Server]]:
        """Run replicas, on the cores in turn."""
        command = server.cluster(self.api.kubeconfig, self._certs)
        with ExitStack() as stack:
            yield [
                stack.enter_context(server.running(command, self._folder / f"log-{number}", core=number % 2))
                for number in range(count)
            ]

    def pod(self, number: int, networks: str = "") -> bytes:
        """Return the review of one pod; by default it has two networks of its namespace."""
        space = largecluster.namespace_of(number)
        request = self._review["request"]
        metadata = request["object"]["metadata"]
        request["namespace"] = metadata["namespace"] = f"ns-{space}"
        request["name"] = metadata["name"] = f"app-{number}"
        named = networks or f"net-{space},net-{space + largecluster.NAMESPACES}"
        metadata["annotations"] = {"k8s.v1.cni.cncf.io/networks": named}
        return json.dumps(self._review, separators=(",", ":")).encode()

    def in_background(self, port: int, rate: float, seconds: float) -> Future[load.Report]:
        """Send reviews at a rate from a process of their own."""
        return self._clients.submit(
            load.run_paced, [port], self.ca, self.messages, connections=CONNECTIONS, rate=rate, seconds=seconds
        )

    def lags(self, port: int) -> list[float]:
        """Create definitions one by one; return the sorted seconds from each event to the first pod that may name it."""
        asking = Asking(port, self.ca)
        pause = random.Random(7)  # noqa: S311 - moments between two batches, nothing secret
        lags = []
        for _ in range(self.size.creations):
            time.sleep(pause.uniform(0.02, 0.1))
            made = self.api.command("network")
            asking.message = load.request("/validate", self.pod(int(made["name"].removeprefix("net-")), made["name"]))
            while b'"allowed":true' not in asking.ask():
                pass
            lags.append(time.monotonic() - made["at"])
        asking.close()
        return sorted(lags)


class Asking:
    """One connection that asks one question at a time."""

    def __init__(self, port: int, ca: Path) -> None:
        self.message = b""
        self._connection = load.connect(port, ca, iter(lambda: self.message, None))

    def ask(self) -> bytes:
        """Send the message, and return the answer."""
        self._connection.send()
        while not self._connection.receive():
            pass
        return self._connection.answer

    def close(self) -> None:
        """Close the connection."""
        self._connection.sock.close()


@dataclass(frozen=True)
class Weather:
    """The load while the lag is measured. `compact_s` is the period in which the history of definitions is compacted."""

    title: str
    rate: float = 0
    churn: tuple[str, ...] = ()
    compact_s: float = 0


REVIEWS_PER_S = 1_000
"""More than 100,000 pods in 10 minutes, which are 167 per second, each with four updates of its status."""

WEATHERS = (
    Weather("idle"),
    Weather("1,000 reviews/s", REVIEWS_PER_S),
    Weather("and 20 definitions/s change", REVIEWS_PER_S, ("churn networks 20",)),
    Weather("and they are listed each 2 s", REVIEWS_PER_S, compact_s=2),
    Weather("and pods: 28/s are replaced", REVIEWS_PER_S, ("churn pods 28",)),
    Weather("and pods: 167/s are replaced", REVIEWS_PER_S, ("churn pods 167",)),
)


def run(size: Size) -> None:
    """Print this part of the report."""
    print(
        f"\nScale: {size.title}, {largecluster.NAMESPACES:,} namespaces; replicas on cores 0 and 1 in turn, the rest on 1"
    )
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        with (
            tempfile.TemporaryDirectory(prefix="nadmit-bench-") as folder,
            _client() as clients,
            running_api(size, Path(folder)) as api,
        ):
            bench = Bench(size, api, Path(folder), clients)
            _lag(bench)
            _processes(bench)
    finally:
        os.sched_setaffinity(0, affinity)


def _client() -> ProcessPoolExecutor:
    """Return a process for a load generator, so that this process does not slow it down."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _lag(bench: Bench) -> None:
    print(
        f"{f'lag of {bench.size.creations} definitions, ms':40}{'p50':>7}{'p99':>7}{'reviews p50':>13}{'p99':>7}{'max':>7}"
    )
    with bench.replicas(1) as (replica,):
        for weather in WEATHERS:
            _lag_in(bench, replica.port, weather)


def _lag_in(bench: Bench, port: int, weather: Weather) -> None:
    for line in weather.churn:
        bench.api.command(line)
    with compacting(bench.api, weather.compact_s):
        seconds = bench.size.creations * 0.08
        answered = bench.in_background(port, weather.rate, seconds) if weather.rate else None
        lags = bench.lags(port)
        report = answered.result() if answered else None
    for line in weather.churn:
        bench.api.command(f"{line.rpartition(' ')[0]} 0")
    print(f"{weather.title:40}{_ms(lags, 0.5)}{_ms(lags, 0.99)}", end="")
    print(
        f"      {_ms(report.latencies, 0.5)}{_ms(report.latencies, 0.99)}{_ms(report.latencies, 1)}" if report else ""
    )


@contextmanager
def compacting(api: Api, every_s: float) -> Iterator[None]:
    """Compact the history of definitions periodically; never if `every_s` is 0."""
    ended = threading.Event()

    def body() -> None:
        while not ended.wait(every_s):
            api.command("compact networks")

    thread = threading.Thread(target=body)
    if every_s:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if every_s:
            thread.join()


def _ms(values: Sequence[float], share: float) -> str:
    return f"{values[min(len(values) - 1, int(share * len(values)))] * 1e3:>7.1f}"


def _processes(bench: Bench) -> None:
    size = bench.size
    print(
        f"{f'{BUSY_CONNECTIONS} connections, {size.rounds} x {size.seconds:g} s':40}{'all they can':>14}{'p50':>7}{'p99':>7}",
        end="",
    )
    print(f"{f'{PACED_PER_S:,}/s: p50':>15}{'p99':>7}{'CPU per review':>16}")
    for count in (1, 2, 3):
        with bench.replicas(count) as replicas:
            ports = [replica.port for replica in replicas]
            busy, paced, costs = [], [], []
            for _ in range(size.rounds):
                busy.append(
                    load.run(ports, bench.ca, bench.messages, connections=BUSY_CONNECTIONS, seconds=size.seconds)
                )
                before = sum(replica.cpu_s() for replica in replicas)
                paced.append(
                    load.run_paced(
                        ports,
                        bench.ca,
                        bench.messages,
                        connections=BUSY_CONNECTIONS,
                        rate=PACED_PER_S,
                        seconds=size.seconds,
                    )
                )
                costs.append((sum(replica.cpu_s() for replica in replicas) - before) / paced[-1].requests * 1e6)
        rate = statistics.median(report.per_second for report in busy)
        figures = [
            statistics.median(r.quantile(share) * 1e3 for r in side) for side in (busy, paced) for share in (0.5, 0.99)
        ]
        print(
            f"{f'{count} process' + 'es' * (count > 1):40}{rate:>12,.0f}/s{figures[0]:>7.2f}{figures[1]:>7.2f}", end=""
        )
        print(f"{figures[2]:>15.2f}{figures[3]:>7.2f}{statistics.median(costs):>13.0f} us")
