"""Where each millisecond of a start goes, in both forms of the node bundle: `python -m tests.bench.start`.

Code runs in the interpreter of each form and reads the clock between the steps of a start, in the order in which ADD
takes them. The first step begins before the fork of the bench, so it contains fork, exec, loader and interpreter. The
last one is the end of the process. Each row is the median of many starts, all forms in turn; in brackets is the best.

A second table is from the plugin's own log (`logLevel: debug`) of real ADDs and DELs: requests and delegates, of three
networks, as in tests/bench/node.py. NB: the log has whole milliseconds.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench import node
from tests.bench.node import Bench

ROUNDS = 40

STEPS = {
    "os": "import os",
    "verbs": "import gc; gc.disable(); import cniplugin.__main__, cniplugin.protocol.skel, cniplugin.commands",
    "API client": "import cniplugin.cluster.kubeapi, cniplugin.cluster.kubeconfig, cniplugin.cluster.objects; "
    "import cniplugin.cluster.transport",
    "planning": "import cniplugin.attach.execution, cniplugin.attach.podnetworks, cniplugin.netspec.annotation",
    "access rules": "import cniplugin.attach.permission, cniplugin.cluster.accessrules",
    "reporting": "import cniplugin.attach.reporting",
    "TLS context": "import _ssl; _ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)",
}
"""The steps of ADD with an API server, by the modules that it loads. DEL needs the first two."""

CLOCK = """\
import time
marks = [time.monotonic_ns()]
for step in {steps!r}:
    exec(step)
    marks.append(time.monotonic_ns())
os.write(1, repr(marks).encode())
os._exit(0)
"""
_MS = re.compile(r"(api|delegate) (\S+) .*\bms=(\d+)")


def _command(top: Path) -> list[str]:
    """Return the interpreter of a bundle, with the options of its plugin."""
    python = top / "bin/python3"
    if (top / "lib/ld.so").exists():
        options = ["-I", "-S", "-B", "-X", "utf8"]
        return [str(top / "lib/ld.so"), "--inhibit-cache", "--library-path", str(top / "lib"), str(python), *options]
    if not python.is_symlink():
        python.symlink_to("nadmit")
    return [str(python)]


def _start(command: list[str]) -> list[float]:
    """Return the milliseconds of each step of one start."""
    code = CLOCK.format(steps=list(STEPS.values()))
    # The frozen program prepares TLS in the background if it is called for an ADD.
    environ = {**os.environ, "CNI_COMMAND": "ADD"}
    started = time.monotonic_ns()
    done = subprocess.run([*command, "-c", code], capture_output=True, check=True, env=environ)
    ended = time.monotonic_ns()
    marks = [started, *json.loads(done.stdout), ended]
    return [(end - start) / 1e6 for start, end in itertools.pairwise(marks)]


def _launched(top: Path) -> float:
    """Return the milliseconds of VERSION, the shortest call of the plugin itself."""
    started = time.monotonic_ns()
    environ = {**os.environ, "CNI_COMMAND": "VERSION"}
    subprocess.run([top / "bin/nadmit"], input=b"{}", capture_output=True, check=True, env=environ)
    return (time.monotonic_ns() - started) / 1e6


def run(rounds: int = ROUNDS) -> None:
    """Build both forms and print the tables."""
    with tempfile.TemporaryDirectory(prefix="nadmit-bench-") as folder:
        tops = node.build_bundles(Path(folder))
        _print_starts(tops, rounds)
        reason = node.missing()
        if reason:
            print(f"requests and delegates are left out: {reason}")
            return
        with node.prepared() as (bench, _):
            for form, top in tops.items():
                _print_calls(form, bench, top / "bin/nadmit", rounds // 2)


def _print_starts(tops: dict[str, Path], rounds: int) -> None:
    found: dict[str, list[list[float]]] = {form: [] for form in tops}
    whole: dict[str, list[float]] = {form: [] for form in tops}
    for _ in range(rounds):
        for form, top in tops.items():
            found[form].append(_start(_command(top)))
            whole[form].append(_launched(top))
    print(f"\nSteps of a start, milliseconds, median of {rounds} (best)")
    print(f"{'':28}" + "".join(f"{form:>18}" for form in tops))
    for index, name in enumerate(["exec to first statement", *STEPS, "end of the process"]):
        print(f"{name:28}" + "".join(_cell([times[index] for times in found[form]]) for form in tops))
    print(f"{'together':28}" + "".join(_cell([sum(times) for times in found[form]]) for form in tops))
    print(f"{'VERSION by the plugin':28}" + "".join(_cell(whole[form]) for form in tops))


def _cell(times: list[float]) -> str:
    return f"{statistics.median(times):>10.2f} ({min(times):.2f})"


def _print_calls(form: str, bench: Bench, program: Path, rounds: int) -> None:
    """Print what the log says of ADD and DEL, and the time that the caller sees."""
    log = bench.lib / "log"
    conf = json.dumps({**json.loads(bench.with_api), "logFile": str(log), "logLevel": "debug", "logToStderr": False})
    sums: dict[str, list[dict[str, float]]] = {"ADD": [], "DEL": []}
    for _ in range(rounds):
        for verb, rows in sums.items():
            log.unlink(missing_ok=True)
            started = time.monotonic_ns()
            bench.call(program, verb, conf)
            row = {"all": (time.monotonic_ns() - started) / 1e6, "api": 0.0, "delegate": 0.0}
            for kind, _, ms in _MS.findall(log.read_text()):
                row[kind] += float(ms)
            rows.append(row)
    for verb, rows in sums.items():
        kinds = {kind: statistics.median(row[kind] for row in rows) for kind in ("all", "api", "delegate")}
        rest = statistics.median(row["all"] - row["api"] - row["delegate"] for row in rows)
        print(
            f"{f'{form}: {verb}':28}{kinds['all']:8.1f}: requests {kinds['api']:.0f}, delegates {kinds['delegate']:.0f}, "
            f"the rest {rest:.1f}"
        )


if __name__ == "__main__":
    run()
