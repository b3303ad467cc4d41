"""Run the bench and print one report: `--seconds` for each measurement, `--rounds` of the HTTPS comparison, `--only` one part."""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from cniplugin.access.model.decision import Rules
from tests.bench import footprint, load, multus, node, policies, reviewbodies, scale, server, worst
from tests.bench.multus import MultusError
from tests.bench.peers import comparison
from tests.bench.peers import programs as peers
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import Injection
from webhook.admission.mutate import answer_mutation
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.plugindata.pluginfiles import load_schemas
from webhook.review import wire
from webhook.review.decisioncache import DecisionCache
from webhook.trees.manifests import load_snapshot

CONNECTIONS = 8
RULES = Rules()
INJECTION = Injection()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="per measurement (default: %(default)s)")
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="of the HTTPS comparison, 5 at least of `unseen` (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        choices=["https", "unseen", "footprint", "scale", "node", "worst"],
        help="run one part (default: all)",
    )
    parser.add_argument(
        "--multus", default="", metavar="PATH", help="node: Multus, as a program or a directory of them"
    )
    for name in (peers.NADAC, peers.NRI):
        parser.add_argument(f"--{name.lower()}", default="", metavar="PATH", help=f"unseen: the program of {name}")
    parser.add_argument(
        "--full",
        action="store_true",
        help="footprint and scale: 50,000 definitions and 100,000 pods; 7 minutes more",
    )
    options = parser.parse_args()
    try:
        programs = multus.find(options.multus) if options.multus else None
        if programs:
            multus.require_api_server()
        others = peers.find({peers.NADAC: options.nadac, peers.NRI: options.nri})
    except (MultusError, peers.PeerError) as error:
        parser.error(str(error))
    cores = sorted(os.sched_getaffinity(0))
    print(f"Python {platform.python_version()}, {len(cores)} cores; server on one, client on another")
    if options.only in {None, "https"}:
        _reviews(cores, options.seconds, options.rounds)
    if options.only in {None, "unseen"}:
        os.sched_setaffinity(0, {cores[-1]})
        comparison.run(others, rounds=max(options.rounds, 5), seconds=options.seconds)
        os.sched_setaffinity(0, cores)
    if options.only in {None, "footprint"}:
        footprint.run(options.rounds, is_full=options.full)
    if options.only in {None, "scale"}:
        scale.run(scale.FULL if options.full else scale.SMALL)
    if options.only in {None, "node"}:
        node.run(programs)
    if options.only in {None, "worst"}:
        worst.run(options.seconds)


def _reviews(cores: list[int], seconds: float, rounds: int) -> None:
    os.sched_setaffinity(0, {cores[-1]})
    with tempfile.TemporaryDirectory(prefix="nadmit-bench-") as folder:
        _in_process(Path(folder))
        policies.run()
        _https(Path(folder), seconds, rounds)
    os.sched_setaffinity(0, cores)


def _tree(folder: Path, count: int) -> Path:
    tree = folder / f"tree-{count}"
    if not tree.exists():
        tree.mkdir()
        reviewbodies.write_tree(tree, count)
    return tree


def _in_process(folder: Path) -> None:
    print("\nDecisions in process: decode, decide, encode; microseconds each, best of 5")
    sizes = (0, 1_000, 10_000)
    print(f"{'':28}" + "".join(f"{size + 5:>14,} NADs" for size in sizes))
    snapshots = [load_snapshot(_tree(folder, size)) for size in sizes]
    configuration = Configuration(injection=INJECTION, plugins=PluginChecks(schemas=load_schemas()))
    for name, row in reviewbodies.ROWS.items():
        bodies = itertools.cycle(reviewbodies.reviews(name))
        decide = answer_mutation if row.path == "/mutate" else evaluate
        costs = []
        for snapshot in snapshots:
            context = DecisionContext(snapshot, RULES, configuration, memory=DecisionCache(configuration))

            def once(context=context, bodies=bodies, decide=decide):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
                request = wire.decode(next(bodies))
                return wire.encode(request, decide(request, context))

            costs.append(_microseconds(once))
        print(f"{name:28}" + "".join(f"{cost:>19.1f}" for cost in costs) + f"   ({1e6 / costs[0]:,.0f}/s)")


def _microseconds(call) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(2_000):
            call()
        best = min(best, (time.perf_counter() - started) / 2_000)
    return best * 1e6


def _https(folder: Path, seconds: float, rounds: int) -> None:
    certs = folder / "certs"
    logs = folder / "log"
    tree = _tree(folder, 10_000)
    with server.running(server.nadmit(_tree(folder, 0), certs), logs) as first:
        print(
            f"\nStart to ready, example cluster, certificates made: {first.ready_s:.2f} s; {first.peak_mib():.0f} MiB"
        )
    starts = []
    for _ in range(3):
        with server.running(server.nadmit(_tree(folder, 0), certs), logs) as again:
            starts.append(again.ready_s)
    print(f"Start to ready, example cluster: {min(starts):.2f} s (best of 3)")
    print(
        f"\nHTTPS, one core, {CONNECTIONS} kept-alive connections, 10,005 NADs; median of {rounds} rounds of {seconds:g} s"
    )
    print(
        f"{'':28}{'bare/s':>10}{'nadmit/s':>10}{'ratio':>8}{'bare p50':>10}{'p50':>8}{'bare p99':>10}{'p99':>8}{'ratio':>8}"
    )
    peak = 0.0
    for name, row in reviewbodies.ROWS.items():
        messages = [load.request(row.path, body) for body in reviewbodies.reviews(name)]
        pairs = []
        for _ in range(rounds):
            with server.running(server.bare(certs), folder / "bare.log") as counterpart:
                one = load.run([counterpart.port], certs / "ca.crt", messages, connections=CONNECTIONS, seconds=seconds)
            with server.running(server.nadmit(tree, certs), logs) as subject:
                two = load.run([subject.port], certs / "ca.crt", messages, connections=CONNECTIONS, seconds=seconds)
                peak = max(peak, subject.peak_mib())
            pairs.append((one, two))
        _print_row(name, pairs)
    print(f"\nPeak memory with 10,005 NADs, under load: {peak:.0f} MiB")


def _print_row(name: str, pairs: list[tuple[load.Report, load.Report]]) -> None:
    def middle(values: list[float]) -> float:
        return statistics.median(values)

    bare, ours = ([pair[side] for pair in pairs] for side in (0, 1))
    rates = middle([item.per_second for item in bare]), middle([item.per_second for item in ours])
    p50 = [middle([item.quantile(0.5) * 1e3 for item in side]) for side in (bare, ours)]
    p99 = [middle([item.quantile(0.99) * 1e3 for item in side]) for side in (bare, ours)]
    ratio = middle([two.per_second / one.per_second for one, two in pairs])
    p99_ratio = middle([two.quantile(0.99) / one.quantile(0.99) for one, two in pairs])
    print(
        f"{name:28}{rates[0]:>10,.0f}{rates[1]:>10,.0f}{ratio:>8.2f}{p50[0]:>8.2f}ms{p50[1]:>6.2f}ms"
        f"{p99[0]:>8.2f}ms{p99[1]:>6.2f}ms{p99_ratio:>8.2f}"
    )


if __name__ == "__main__":
    main()
