"""Fuzz the parsers: `python -m tests.fuzz [TARGET...] [--seconds N | --inputs N] [--seed N]`, see docs/testing.md.

The exit code is 1 when there is a finding. Its input is then in `.fuzz/`, and the printed line runs it again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .table import BY_NAME, TARGETS
from .worker import STATE_BYTES, State

FOUND = Path(".fuzz")
HANG_CPU_S = 20.0
"""Processor time for one input: a thousand times that of the slowest. It does not depend on the load of the machine."""
HANG_WALL_S = 300.0
"""Wall-clock time for one input, because a parser that waits uses no processor time."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one target."""

    target: str
    inputs: int
    seconds: float
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The run. Each target gets `inputs` beside its seeds, or `seconds` if `inputs` is 0."""

    targets: Sequence[str]
    seconds: float = 0.0
    inputs: int = 0
    seed: int = 0
    directory: Path = FOUND
    module: str = "tests.fuzz.worker"
    hang_cpu_s: float = HANG_CPU_S


def run(plan: Plan) -> list[Report]:
    """Run every target in a worker process. A worker that hangs or dies is replaced."""
    reports: list[Report] = []
    left = list(plan.targets)
    while left:
        made = _run_process(plan, left)
        reports += made
        left = left[len(made) :]
    return reports


def _run_process(plan: Plan, targets: Sequence[str]) -> list[Report]:
    """Return the reports of the targets that one worker ran, including the target at which it died."""
    with tempfile.TemporaryDirectory() as folder:
        state_file, printed = Path(folder) / "state", Path(folder) / "out"
        state_file.write_bytes(bytes(STATE_BYTES))
        given = {
            "state": str(state_file),
            "targets": list(targets),
            "seconds": plan.seconds,
            "inputs": plan.inputs,
            "seed": plan.seed,
        }
        with printed.open("wb") as out:
            process = subprocess.Popen([sys.executable, "-m", plan.module, json.dumps(given)], stdout=out)
        state = State(state_file)
        hang = _watch(process, state, plan.hang_cpu_s)
        lines = [json.loads(line) for line in printed.read_text().splitlines() if line.endswith("}")]
        reports = [_report(line, plan.directory) for line in lines]
        if process.returncode:
            target, count, data = state.read()
            what = hang or f"the interpreter ended with code {process.returncode}"
            finding = _write_down(plan.directory, target or targets[0], data, what)
            reports.append(Report(target or targets[0], count, 0.0, (finding,)))
        return reports


def _watch(process: subprocess.Popen[bytes], state: State, hang_cpu_s: float) -> str:
    """Wait until a worker ends, or kill it when one input takes too long; return the reason in both cases."""
    last: tuple[str, int] = ("", -1)
    since_wall, since_cpu = time.monotonic(), 0.0
    while True:
        try:
            process.wait(0.25)
        except subprocess.TimeoutExpired:
            cpu = _cpu_seconds(process.pid)
            target, count, _ = state.read()
            if (target, count) != last:
                last, since_wall, since_cpu = (target, count), time.monotonic(), cpu
            elif target and (cpu - since_cpu > hang_cpu_s or time.monotonic() - since_wall > HANG_WALL_S):
                process.kill()
                process.wait()
                return f"it hangs: one input took {cpu - since_cpu:.0f} s of processor time"
        else:
            return ""


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # the worker has ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _report(line: dict[str, object], directory: Path) -> Report:
    target = str(line["target"])
    found = line["findings"]
    findings = [
        _write_down(directory, target, bytes.fromhex(one["data"]), f"{one['place']}\n{one['trace']}")
        for one in (found if isinstance(found, list) else [])
    ]
    return Report(target, int(str(line["inputs"])), float(str(line["seconds"])), tuple(findings))


def _write_down(directory: Path, target: str, data: bytes, what: str) -> str:
    """Write an input to `.fuzz/`; return its effect and the command that runs it again."""
    directory.mkdir(exist_ok=True)
    file = directory / f"{target}-{hashlib.sha256(data).hexdigest()[:12]}"
    file.write_bytes(data)
    shown = f"\n  input: {data[:200]!r}" if len(data) <= 200 else ""
    return f"{target}: {what.strip()}{shown}\n  again: {sys.executable} -m tests.fuzz {target} --input {file}"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Random inputs for every parser.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(BY_NAME)}; all without one")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target; default 60")
    parser.add_argument("--inputs", type=int, default=0, help="for each target beyond its seeds, instead of --seconds")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="the same seed, the same inputs")
    parser.add_argument("--input", type=Path, help="run this file once, without a net")
    given = parser.parse_args()
    unknown = [name for name in given.targets if name not in BY_NAME]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; allowed: {', '.join(BY_NAME)}")
    if given.input:
        if len(given.targets) != 1:
            parser.error("--input needs one TARGET")
        return _run_once(given.targets[0], given.input)
    print(f"seed {given.seed}")
    found = 0
    for name in given.targets or [target.name for target in TARGETS]:
        plan = Plan(targets=[name], seconds=given.seconds, inputs=given.inputs, seed=given.seed)
        for report in run(plan):
            print(f"{report.target:22} {report.inputs:>9} inputs  {len(report.findings)} escaped", flush=True)
            for finding in report.findings:
                print(finding, flush=True)
            found += len(report.findings)
    return 1 if found else 0


def _run_once(name: str, file: Path) -> int:
    target = BY_NAME[name]
    try:
        print(f"accepted: {target.run(file.read_bytes())}")
    except target.errors as error:
        print(f"refused as it should be: {type(error).__name__}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
