"""Measure the agreement: `python -m tests.agreement [--multus PATH] [--only PATTERN] [--brief]`, see docs/testing.md.

Prints a line for each run, the disagreements, and the figures. The exit code is 1 if there is a disagreement that is not in
`known.yaml`, or one there that is gone; and 2 if this machine cannot run it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cniplugin.netspec.attachers import MULTUS, NADMIT

from . import comparing, known
from .cases import PLUGINS
from .runs import Run, chosen, runs, unseen
from .trying import Attached
from .verdicts import POSTURES, Verdict, judge
from .worker import OWN

WORKERS = 2 * (os.cpu_count() or 1)
"""Half of a run is waiting for the kernel."""
NEEDED = ("unshare", "ip", "tc", "iptables-save")
WIDTH = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A run with its verdict, its outcome and their disagreement, "" if they agree."""

    run: Run
    verdict: Verdict
    node: Attached
    kind: str

    @property
    def line(self) -> str:
        said = f"{self.verdict.word}{' (' + ', '.join(self.verdict.rules) + ')' if self.verdict.rules else ''}"
        outcome = comparing.outcome(self.run.case, self.node)
        return f"{self.run.id} | {said} | {_short(outcome)} | {'agree' if not self.kind else 'DISAGREE: ' + self.kind}"


def problem() -> str:
    """Return what this machine lacks, or ""."""
    if os.geteuid() != 0:
        return "needs root to make network namespaces"
    missing = [name for name in NEEDED if not shutil.which(name)]
    missing += [name for name in ("bridge", "macvlan", "host-local", "static") if not (PLUGINS / name).is_file()]
    return f"needs containernetworking-plugins, iproute2, iptables; missing: {', '.join(missing)}" if missing else ""


def measure(pattern: str, multus: str) -> list[Result]:
    """Try all runs in worker processes, and compare each with its verdict."""
    wanted = runs(pattern, has_multus=bool(multus))
    found: dict[str, Attached] = {}
    shares = min(WORKERS, len(wanted))
    with ThreadPoolExecutor(max(shares, 1)) as pool:
        for done in [pool.submit(_work, share, shares, pattern, multus, found, len(wanted)) for share in range(shares)]:
            done.result()
    return [_result(run, found[run.id]) for run in wanted]


def _work(share: int, shares: int, pattern: str, multus: str, found: dict[str, Attached], total: int) -> None:
    words = [*OWN, sys.executable, "-m", "tests.agreement.worker", str(share), str(shares), pattern, multus]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            run, node = json.loads(line)
            found[run] = Attached(**node)
            if len(found) % 50 == 0:
                print(f"{len(found)} of {total} runs", file=sys.stderr, flush=True)
    if process.returncode != 0:
        raise RuntimeError(f"a worker ended with exit code {process.returncode}")


def _result(run: Run, node: Attached) -> Result:
    verdict = judge(run.case, attacher=run.attacher, posture=run.posture)
    return Result(run=run, verdict=verdict, node=node, kind=comparing.disagreement(verdict, run.case, node))


def _short(text: str) -> str:
    """Keep the beginning and the end of a long text: Multus' errors say at the end what is wrong."""
    return text if len(text) <= WIDTH else f"{text[:50]} ... {text[-(WIDTH - 55) :]}"


def _figures(results: Sequence[Result], judged_only: int) -> str:
    lines = [
        "| who attaches | posture | runs | agree | known to disagree | unlisted |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    entries = known.load()
    for attacher in (NADMIT, MULTUS):
        for posture in POSTURES:
            some = [one for one in results if (one.run.attacher, one.run.posture) == (attacher, posture)]
            if some:
                apart = {one.run.id: one.kind for one in some if one.kind}
                new = len(known.unlisted(apart, entries))
                counts = [len(some), len(some) - len(apart), len(apart) - new, new]
                lines.append(f"| {attacher} | {posture} | {' | '.join(map(str, counts))} |")
    cases = Counter(one.run.case.subject for one in results if one.run.attacher == NADMIT and one.run.posture == "Open")
    lines.append(f"{cases['pod']} pods and {cases['definition']} definitions; {judged_only} more are judged only")
    for attacher in (NADMIT, MULTUS):
        kept = [one.node for one in results if one.run.attacher == attacher and one.node.kept]
        if kept:
            lines.append(
                f"{attacher}: DEL failed in {len(kept)} runs, in {sum(not one.error for one in kept)} after a good ADD"
            )
    return "\n".join(lines)


def report(results: Sequence[Result], pattern: str, *, is_brief: bool) -> int:
    """Print everything; return the exit code."""
    judged_only = [case for case in chosen(pattern) if unseen(case)]
    if not is_brief:
        for result in results:
            print(result.line)
        for case in judged_only:
            said = judge(case, attacher=MULTUS, posture="Open")
            print(f"{case.id} | {said.word} {' '.join(said.rules)} | judged only: {unseen(case)}")
    apart = {one.run.id: one.kind for one in results if one.kind}
    by_id = {one.run.id: one for one in results}
    entries = known.load()
    new, gone = known.unlisted(apart, entries), known.stale(apart, entries, list(by_id))
    for kind, meaning in comparing.KINDS.items():
        _print_kind(f"{kind}: {meaning}", [by_id[run] for run, found in apart.items() if found == kind], new)
    for entry in gone:
        print(f'GONE: {entry.run} is listed as "{entry.kind}" and is not so any more: remove it from known.yaml')
    if new:
        print(f"\nUNLISTED, for known.yaml, with a reason each:\n{known.lines_to_paste(apart, new)}")
    print(f"\n{_figures(results, len(judged_only))}")
    return 1 if new or gone else 0


def _print_kind(title: str, results: Sequence[Result], new: Sequence[str]) -> None:
    if results:
        print(f"\n{len(results)} x {title}")
    for one in results:
        print(f"  {'UNLISTED ' if one.run.id in new else ''}{one.line.rpartition(' | ')[0]}")
        if one.verdict.message:
            print(f"    webhook: {' '.join(one.verdict.message.split())[:300]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.agreement", description="Measure the agreement.")
    parser.add_argument("--multus", default="", metavar="PATH", help="a Multus binary, to be tried as well")
    parser.add_argument("--only", default="", metavar="PATTERN", help="only cases whose id has a match")
    parser.add_argument("--brief", action="store_true", help="print the disagreements and the figures alone")
    given = parser.parse_args(arguments)
    lacking = problem() or ("" if not given.multus or Path(given.multus).is_file() else f"no such file: {given.multus}")
    if lacking:
        print(f"agreement: {lacking}", file=sys.stderr)
        return 2
    started = time.monotonic()
    results = measure(given.only, str(Path(given.multus).resolve()) if given.multus else "")
    code = report(results, given.only, is_brief=given.brief)
    print(f"{len(results)} runs in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
