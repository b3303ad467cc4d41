"""Measures what a replica costs when nobody asks it anything: memory, start, requests to the API server.

`plain` has the options that it needs to watch a cluster. `all on` has those of manifests/base/deployment.yaml: the
certificate in a Secret, registration, the status of policies, the configuration in a ConfigMap. The API server is
`largecluster`, a process of its own. It sends bookmarks, as a real one does.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.bench import server
from tests.bench.largecluster import NAMESPACES
from tests.bench.scale import CLIENT_CORE, Api, Size, running_api
from tests.fakes.installed import options

SMALL = ((0, 0), (10_000, 0))
LARGE = (50_000, 100_000)
SETTLE_S = 75.0
"""New path tokens are registered after a minute, and the first rounds of the certificates have ended."""
IDLE_S = 300.0


def run(rounds: int, *, is_full: bool) -> None:
    """Print this part of the report."""
    print(f"\nFootprint: replicas of serve --cluster, {NAMESPACES:,} namespaces; median of {rounds}")
    print(f"{'':44}{'ready':>9}{'registered':>12}{'resident':>11}{'peak':>11}{'threads':>9}")
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        with tempfile.TemporaryDirectory(prefix="nadmit-bench-") as folder:
            for networks, pods in (*SMALL, *([LARGE] if is_full else [])):
                _memory(Size(networks, pods, creations=0, seconds=0, rounds=rounds), Path(folder))
            _idle(Path(folder))
    finally:
        os.sched_setaffinity(0, affinity)


def _memory(size: Size, folder: Path) -> None:
    with running_api(size, folder) as api:
        for title, more in (("plain", ()), ("all on", options(api.kubeconfig))):
            command = server.cluster(api.kubeconfig, folder / "certs", *more)
            found = []
            for _ in range(size.rounds):
                api.command("reset")
                began = time.perf_counter()
                with server.running(command, folder / "log") as replica:
                    registered_s = _registered_s(api, began) if more else 0.0
                    memory = replica.resident_mib(), replica.peak_mib()
                    found.append((replica.ready_s, registered_s, *memory, replica.threads()))
            columns = [statistics.median(column) for column in zip(*found, strict=True)]
            label = f"{size.title}, {title}"
            print(
                f"{label:44}{columns[0]:>7.2f} s{columns[1]:>10.2f} s{columns[2]:>7.1f} MiB{columns[3]:>7.1f} MiB"
                f"{columns[4]:>9.0f}"
            )


def _registered_s(api: Api, began: float) -> float:
    """Wait until the webhooks are registered, by a replica that found nothing; return the seconds since its start."""
    while not api.command("registered")["registered"]:
        time.sleep(0.005)
    return time.perf_counter() - began


def _idle(folder: Path) -> None:
    with running_api(Size(1_000, 1_000, creations=0, seconds=0, rounds=1), folder) as api, ExitStack() as stack:
        command = server.cluster(api.kubeconfig, folder / "certs", *options(api.kubeconfig))
        for number in range(2):
            stack.enter_context(server.running(command, folder / f"log-{number}"))
        time.sleep(SETTLE_S)
        _asked(api)
        time.sleep(IDLE_S)
        asked = _asked(api)
    minutes = IDLE_S / 60
    print(
        f"\nTwo idle replicas, all on, requests a minute over {minutes:.0f} minutes: {sum(asked.values()) / minutes:.1f}"
    )
    for what, count in asked.most_common():
        print(f"    {what:44}{count / minutes:>6.1f}")


def _asked(api: Api) -> Counter[str]:
    """Return the requests since the last call, by what they do to which resource."""
    return Counter({what: int(count) for what, count in api.command("asked").items()})
