"""How fast the page is with a large cluster, measured in the browser: `make bench-page`.

The API server is that of the tests, in this process; `nadmit ui` and chromium are processes of their own, on the same
cores. Times are those of the browser's own clock. A frame is the time between two animation frames while the wheel
zooms; the browser paints without a graphics card.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fakes.apiserver import ApiServer

from . import worlds
from .driving import CHROMIUM, HOW_TO, Page, browser, ui

ROUNDS = 5

READY = "return performance.getEntriesByName('ready')[0].startTime"
TIMED = """
const [action, name, done] = arguments;
const before = performance.getEntriesByName(name).length;
const began = performance.now();
new Function(action)();
const look = () => {
  const marks = performance.getEntriesByName(name);
  if (marks.length > before) requestAnimationFrame(() => done(performance.now() - began));
  else setTimeout(look, 1);
};
look();
"""
FRAMES = """
const done = arguments[0];
const canvas = document.querySelector('.canvas canvas:last-of-type');
const box = canvas.getBoundingClientRect();
const times = [];
let last = performance.now();
const step = (now) => {
  times.push(now - last);
  last = now;
  if (times.length > 90) return done(times.slice(1));
  const deltaY = times.length % 60 < 30 ? -20 : 20;
  const clientX = box.x + box.width / 2, clientY = box.y + 200;
  canvas.dispatchEvent(new WheelEvent('wheel', { deltaY, clientX, clientY, ctrlKey: true, bubbles: true, cancelable: true }));
  requestAnimationFrame(step);
};
requestAnimationFrame(step);
"""

STEPS = (
    ("filter to one team", "const one = document.getElementById('filter-text'); one.value = 'team-042'; one.dispatchEvent(new Event('input'))", "map drawn"),
    ("no filter again", "const one = document.getElementById('filter-text'); one.value = ''; one.dispatchEvent(new Event('input'))", "map drawn"),
    ("the table", "[...document.querySelectorAll('.switch button')][1].click()", "map drawn"),
    ("the picture again", "[...document.querySelectorAll('.switch button')][0].click()", "map drawn"),
    ("one segment", "location.hash = '#/map?segment=bridge%20br-0%2C%20VLAN%201'", "view shown"),
    ("one network", "location.hash = '#/network/team-000/net-0'", "view shown"),
    ("one namespace", "location.hash = '#/namespace/team-000'", "view shown"),
    ("one pod", "location.hash = '#/pod/team-000/app-0-6d5f-0'", "view shown"),
    ("a search for an address", "location.hash = '#/search?q=10.0.0.7'", "view shown"),
    ("the map again", "location.hash = '#/map'", "view shown"),
)  # fmt: skip


def main() -> int:
    """Measure and print."""
    if CHROMIUM is None:
        print(HOW_TO, file=sys.stderr)
        return 1
    print(f"Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores, {ROUNDS} rounds: median (worst)")
    with ApiServer() as api, tempfile.TemporaryDirectory() as directory:
        worlds.fill(api, worlds.large())
        sizes = (
            f"{worlds.LARGE_NAMESPACES} namespaces, {worlds.LARGE_NETWORKS:,} definitions, {worlds.LARGE_PODS:,} pods"
        )
        _measure(api, Path(directory), sizes)
    return 0


def _measure(api: ApiServer, directory: Path, sizes: str) -> None:
    began = time.monotonic()
    with ui(directory, "--kubeconfig", worlds.kubeconfig_of(api, directory)) as started:
        print(f"{sizes}\n  start until the address is printed  {time.monotonic() - began:6.2f} s")
        print(f"    of these on a processor           {_processor(started.process.pid):6.2f} s")
        with browser(directory / "profile") as page:
            for title, times in _times(page, started.url):
                print(f"  {title:34}  {statistics.median(times):6.0f} ms ({max(times):.0f})")
            print(f"  memory of nadmit ui                 {_memory(started.process.pid):6.0f} MiB")
            (taken,) = _findings(page)
            print(f"  findings, for which all is read     {taken:6.0f} ms")
            print(f"  memory of nadmit ui after that      {_memory(started.process.pid):6.0f} MiB")


def _times(page: Page, url: str) -> Iterator[tuple[str, list[float]]]:
    ready: list[float] = []
    steps: dict[str, list[float]] = {title: [] for title, _, _ in STEPS}
    frames: list[float] = []
    page.driver.set_script_timeout(120)
    run: Any = page.driver.execute_async_script
    for _ in range(ROUNDS):
        page.open(url)
        ready.append(float(page.run(READY)))
        frames += run(FRAMES)
        for title, action, mark in STEPS:
            steps[title].append(float(run(TIMED, action, mark)))
    yield "page ready, from its address on", ready
    yield from steps.items()
    yield "a frame while zooming all segments", frames


def _findings(page: Page) -> list[float]:
    """Return how long a stock-taking takes; the page has none yet."""
    run: Any = page.driver.execute_async_script
    return [float(run(TIMED, "location.hash = '#/findings'", "findings shown"))]


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
