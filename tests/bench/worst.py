"""Measures the most expensive review of each kind: how long it stops the event loop, and how long other clients wait.

Each kind of `hostile` is sent in the largest size that no limit refuses, and in full size. The figure is the longest
time in which the loop does nothing else, beside the time in which a bare application parses the same bytes. Both are
processor time of the loop's thread, so other load on the machine does not count. The aim is three times the bare time,
or 25 ms if that is more. Each review is judged three times, and each attack lasts some seconds.
"""

from __future__ import annotations

import asyncio
import http.client
import multiprocessing
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cniplugin.access.model.decision import Rules
from tests.bench import bare, hostile, load, reviewbodies, server
from webhook.admission.model.requests import Decision, Request
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration
from webhook.admission.view.parsecache import PARSED
from webhook.compose import SWITCH_S
from webhook.plugindata.pluginfiles import load_schemas
from webhook.review.reviews import Reviews
from webhook.serving.http import RequestError
from webhook.snapshot.snapshot import Definition, Snapshot

AIM_S = 0.025
TIMES_BARE = 3
ROUNDS = 3
HEALTHY_PER_SECOND = 20.0
SIZE_STEPS = 5
SEARCHED_MAX = 400_000
"""Where the search for a limit begins, in bytes: a text of this size is far above its limit."""

RULES = Rules()
MACVLAN = '{"cniVersion":"1.0.0","type":"macvlan","master":"bond1"%s}'
RANGES = ",".join(f'[{{"subnet":"10.1.{number}.0/24"}}]' for number in range(200))
HOST_LOCAL = f',"capabilities":{{"ips":true}},"ipam":{{"type":"host-local","ranges":[{RANGES}]}}'
LARGE = ',"x":[' + ",".join(["{}"] * 21_000) + "]"
CONFIGURATION = Configuration(plugins=PluginChecks(schemas=load_schemas()))


def cluster() -> Snapshot:
    """Return the cluster: a tenant's namespace with 10,000 definitions, some of them as expensive as possible."""
    resource = (("k8s.v1.cni.cncf.io/resourceName", "example.com/vf"),)
    selector = (("k8s.v1.cni.cncf.io/nodeSelector", "rack=a"),)
    found = {
        "lan": Definition("blue", "lan", MACVLAN % "", (), ()),
        "hl": Definition("blue", "hl", MACVLAN % HOST_LOCAL, (), ()),
        "vf": Definition("blue", "vf", MACVLAN % "", (), resource),
        "sel": Definition("blue", "sel", MACVLAN % "", (), selector),
    }
    for number in range(64):
        large = Definition("blue", f"large{number}", MACVLAN % LARGE, (), ())
        ranges = Definition("blue", f"ranges{number}", MACVLAN % HOST_LOCAL, (), ())
        found |= {large.name: large, ranges.name: ranges}
    for number in range(10_000):
        found[f"net-{number}"] = Definition("blue", f"net-{number}", MACVLAN % "", (), ())
    secret = {"secret": Definition("infra", "secret", MACVLAN % "", (), ())}
    return Snapshot({"blue": found, "infra": secret}, {"blue": {"kubernetes.io/metadata.name": "blue"}})


class _Unobserved:
    def __init__(self) -> None:
        self.rules: tuple[str, ...] = ()

    def review(self, _path: str, _request: Request, decision: Decision, _seconds: float) -> None:
        self.rules = decision.rules


def _reviews(snapshot: Snapshot, observer: _Unobserved) -> Reviews:
    return Reviews(
        snapshot=lambda: snapshot,
        problem=lambda: None,
        rules=lambda _cluster: RULES,
        configuration=lambda: CONFIGURATION,
        network_namespace="kube-system",
        observer=observer,
    )


async def longest_stop(review: Callable[[], bytes | Callable[[float], Awaitable[bytes]]]) -> float:
    """Return the longest time in seconds that one review keeps the event loop from everything else."""
    longest = 0.0
    is_done = False

    async def watch() -> None:
        nonlocal longest
        before = time.thread_time()
        while not is_done:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, before = max(longest, now - before), now

    async def answer() -> None:
        made = review()
        if not isinstance(made, bytes):
            await made(60.0)

    watching = asyncio.ensure_future(watch())
    await asyncio.sleep(0)
    with suppress(RequestError):  # an unreadable body gets an answer as well
        await answer()
    await asyncio.sleep(0)
    is_done = True
    await watching
    return longest


def measure(path: str, body: bytes, snapshot: Snapshot) -> tuple[float, float, tuple[str, ...]]:
    """Return the longest stop, the time of a bare application (both in seconds, the best of ROUNDS), and the rules."""
    observer = _Unobserved()
    stops, parses = [], []
    for _ in range(ROUNDS):
        started = time.thread_time()
        bare.decode(body)
        parses.append(time.thread_time() - started)
        PARSED.clear()
        webhook = _reviews(snapshot.with_pods(snapshot._pods), observer)
        stops.append(asyncio.run(longest_stop(lambda webhook=webhook: webhook(path, body))))  # type: ignore[misc]
    return min(stops), min(parses), observer.rules


def _largest(name: str, one: hostile.Hostile, snapshot: Snapshot) -> int:
    """Return the largest size that no limit refuses."""
    refused, admitted = min(one.size, SEARCHED_MAX), 0
    if not _is_above_limit(name, one, one.size, snapshot):
        return one.size
    for _ in range(SIZE_STEPS * 3):
        middle = (admitted + refused) // 2
        if _is_above_limit(name, one, middle, snapshot):
            refused = middle
        else:
            admitted = middle
        if refused - admitted <= max(2, refused >> SIZE_STEPS):
            break
    return admitted


def _is_above_limit(name: str, one: hostile.Hostile, size: int, snapshot: Snapshot) -> bool:
    observer = _Unobserved()
    path = "/validate" if name.startswith("networks") else one.path  # /mutate leaves this refusal to /validate
    asyncio.run(longest_stop(lambda: _reviews(snapshot, observer)(path, hostile.body(one, size))))
    return any(rule.startswith("limit-") for rule in observer.rules)


def run(seconds: float) -> None:
    """Print both tables."""
    sys.setswitchinterval(SWITCH_S)
    _stops()
    _attacks(seconds)


def _stops() -> None:
    print("\nThe loop's longest stop for one review, ms, nothing remembered; best of 3; * above 25 ms and 3 x bare")
    print(f"{'':48}{'bytes':>10}{'bare':>8}{'nadmit':>8}")
    snapshot = cluster()
    over = 0
    for name, one in hostile.CASES.items():
        largest = _largest(name, one, snapshot)
        for size in dict.fromkeys((largest, one.size)):
            body = hostile.body(one, size)
            stop_s, bare_s, rules = measure(one.path, body, snapshot)
            is_over = stop_s > max(AIM_S, TIMES_BARE * bare_s)
            over += is_over
            shown = f"{stop_s * 1e3:>8.1f}{' *' if is_over else '  '} {','.join(rules)[:40]}"
            print(f"{name:48}{len(body):>10,}{bare_s * 1e3:>8.1f}{shown}", flush=True)
    print(f"{over} above the aim, of {len(hostile.CASES)} kinds")


# How long other clients wait

ATTACKS: dict[str, Sequence[tuple[str, str]]] = {
    "nobody else": (),
    "1 connection, a,a,..": (("networks: a,a,..", "/validate"),),
    "4 connections, a,a,.., both webhooks": (("networks: a,a,..", "/validate"), ("networks: a,a,..", "/mutate")) * 2,
    "1 connection, commas": (("networks: commas", "/validate"),),
    "1 connection, lan,lan,..": (("networks: lan,lan,..", "/validate"),),
    "1 connection, 140k cniVersions": (("config: cniVersions", "/validate"),),
    "4 connections, 8 MB of another kind": (("other kind: labels", "/validate"),) * 4,
    "nobody else, again": (),
}


def _attacks(seconds: float) -> None:
    print(f"\nA healthy client, {HEALTHY_PER_SECOND:g} reviews/s for {seconds:g} s each, ms")
    print(f"{'beside':48}{'p50':>8}{'p99':>8}{'max':>8}{'attacks/s':>12}")
    with tempfile.TemporaryDirectory(prefix="nadmit-bench-") as name:
        folder = Path(name)
        (folder / "tree").mkdir()
        reviewbodies.write_tree(folder / "tree", 0)
        with server.running(server.nadmit(folder / "tree", folder / "certs"), folder / "log") as subject:
            for title, attackers in ATTACKS.items():
                _attack(title, attackers, subject.port, folder, seconds)


def _attack(title: str, attackers: Sequence[tuple[str, str]], port: int, folder: Path, seconds: float) -> None:
    ca = folder / "certs" / "ca.crt"
    processes = multiprocessing.get_context("spawn")
    counts: Any = processes.Queue()
    started = [
        processes.Process(target=_send, args=(port, kind, path, seconds + 1, counts)) for kind, path in attackers
    ]
    for process in started:
        process.start()
    for _ in started:
        counts.get()  # each prints a line when it begins
    healthy = load.request("/validate", reviewbodies.reviews("pod CREATE, two networks")[0])
    report = load.run_paced([port], ca, [healthy], connections=1, rate=HEALTHY_PER_SECOND, seconds=seconds)
    sent = sum(counts.get() for _ in started)
    for process in started:
        process.join()
    p50, p99, most = (report.quantile(share) * 1e3 for share in (0.5, 0.99, 1.0))
    print(f"{title:48}{p50:>8.1f}{p99:>8.1f}{most:>8.1f}{sent / (seconds + 1):>12.1f}", flush=True)


def _send(port: int, kind: str, path: str, seconds: float, counts: Any) -> None:
    """Send one review repeatedly, in a process of its own; any refusal counts as an answer."""
    one = hostile.CASES[kind]
    body = hostile.body(one, 2 * one.size if kind.startswith("other") else one.size)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    counts.put(0)
    count, end = 0, time.monotonic() + seconds
    connection: http.client.HTTPSConnection | None = None
    while time.monotonic() < end:
        connection = connection or http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
        try:
            connection.request("POST", f"{path}?timeout=5s", body, {"content-type": "application/json"})
            connection.getresponse().read()
            count += 1
        except (OSError, http.client.HTTPException):
            connection.close()
            connection = None
    counts.put(count)
