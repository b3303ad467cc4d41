"""The schedule of passes: one at a time, while this replica leads, in a process that cannot harm the server."""

from __future__ import annotations

import errno
import logging
import os
import resource
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.fakes.clock import Clock
from tests.fakes.threads import nothing_left
from tests.fakes.waiting import wait_until
from webhook.openreports.passresult import PassResult, parse_result, render_result
from webhook.openreports.reportschedule import PassCommand, ReportSchedule, ScheduleTiming, memory_share

RESULT = PassResult(
    "openreports.io/v1alpha1", {"error": 2, "warning": 1, "info": 0}, reports=3, created=2, deleted=1, refused=1,
    notes=["reports.openreports.io: create is forbidden"],
)  # fmt: skip
EVERY_S = 600.0


def write_program(directory: Path, body: str) -> None:
    """Write a module `webhook` that does what a test says, in place of nadmit."""
    (directory / "webhook").mkdir()
    (directory / "webhook" / "__init__.py").touch()
    (directory / "webhook" / "__main__.py").write_text(textwrap.dedent(body))


class Scheduled:
    """A schedule whose looks a test makes, with its clock."""

    def __init__(self, programs: Path, configuration: bytes | None = None, memory_files: tuple[Path, ...] = ()) -> None:
        self.clock = Clock()
        self.leads = True
        self.memory_files = memory_files
        self.schedule = ReportSchedule(
            lambda: PassCommand(("scan", "--write-reports"), configuration, programs, self.memory_files),
            is_leader=lambda: self.leads,
            timing=ScheduleTiming(every_s=EVERY_S),
            clock=self.clock,
            wall=lambda: 1_800_000_000.0,
        )

    def look(self, after_s: float = 0.0) -> None:
        self.clock.now += after_s
        self.schedule._look()

    @property
    def pid(self) -> int:
        assert self.schedule._child is not None
        return self.schedule._child.process.pid

    @property
    def is_running(self) -> bool:
        return self.schedule._child is not None

    def begin(self) -> None:
        """Start the first pass."""
        self.look()
        self.look(self.schedule._timing.first_s)
        assert self.is_running

    def finish(self) -> None:
        """Look until the pass has ended."""
        wait_until(self._has_ended, within_s=20)

    def _has_ended(self) -> bool:
        self.look()
        return not self.is_running

    def metrics(self) -> dict[str, float]:
        registry = CollectorRegistry()
        registry.register(self.schedule.counts)
        lines = (line.split() for line in generate_latest(registry).decode().splitlines() if not line.startswith("#"))
        return {name.removeprefix("nadmit_reports_"): float(value) for name, value in lines}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    directory = tmp_path / "programs"
    directory.mkdir()
    return directory


@pytest.fixture
def scheduled(programs: Path) -> Iterator[Scheduled]:
    made = Scheduled(programs)
    yield made
    made.schedule._end_child("ended")


GOOD = f"""
    import sys
    assert sys.argv[1:] == ["scan", "--write-reports"], sys.argv
    print({render_result(RESULT).decode()!r})
"""
SLEEPING = """
    import pathlib, signal, sys
    pathlib.Path("STARTED").write_text("started")
    signal.pause()
"""
FAILING = """
    import sys
    sys.exit("a line\\nnadmit: pods: list is forbidden\\n")
"""


def sleeping(directory: Path, *, extra: str = "") -> Path:
    """Make the program sleep, and return the file that it writes when it has started."""
    started = directory / "started"
    write_program(directory, extra + textwrap.dedent(SLEEPING).replace("STARTED", str(started)))
    return started


def test_a_result_is_written_and_read() -> None:
    assert parse_result(render_result(RESULT)) == RESULT
    assert parse_result(b"Traceback") is None
    assert b'"leftOut":0' in render_result(RESULT)


def test_a_pass_becomes_metrics_and_lines(
    programs: Path, scheduled: Scheduled, caplog: pytest.LogCaptureFixture
) -> None:
    write_program(programs, GOOD)
    with caplog.at_level(logging.INFO, "nadmit.reports"):
        scheduled.begin()
        scheduled.clock.now += 7
        scheduled.finish()
    assert caplog.messages == [
        "reports: reports.openreports.io: create is forbidden",
        "reports: 2 created, 0 changed, 1 deleted, 1 refused; 3 objects with findings",
    ]
    assert scheduled.metrics() == {
        'passes_total{result="ok"}': 1, 'passes_total{result="error"}': 0, 'passes_total{result="ended"}': 0,
        'writes_total{result="created"}': 2, 'writes_total{result="changed"}': 0,
        'writes_total{result="deleted"}': 1, 'writes_total{result="conflict"}': 0,
        'writes_total{result="refused"}': 1,
        'findings{level="error"}': 2, 'findings{level="warning"}': 1, 'findings{level="info"}': 0,
        "objects": 3, "pass_seconds": 7, "last_success_timestamp_seconds": 1_800_000_000,
    }  # fmt: skip


def test_passes_come_in_intervals(programs: Path, scheduled: Scheduled) -> None:
    write_program(programs, GOOD)
    scheduled.look()
    scheduled.look(4)
    assert not scheduled.is_running
    scheduled.look(1)
    assert scheduled.is_running
    scheduled.finish()
    scheduled.look(EVERY_S - 1)
    assert not scheduled.is_running
    scheduled.look(1)
    assert scheduled.is_running


def test_a_slow_pass_is_followed_by_a_rest(programs: Path, scheduled: Scheduled) -> None:
    write_program(programs, GOOD)
    scheduled.begin()
    scheduled.clock.now += 2 * EVERY_S
    scheduled.finish()
    scheduled.look(4)
    assert not scheduled.is_running
    scheduled.look(1)
    assert scheduled.is_running


def test_a_failure_is_one_line_and_the_next_pass_comes(
    programs: Path, scheduled: Scheduled, caplog: pytest.LogCaptureFixture
) -> None:
    write_program(programs, FAILING)
    scheduled.begin()
    scheduled.finish()
    scheduled.look(EVERY_S)
    scheduled.finish()
    assert caplog.messages == ["reports: the pass failed: nadmit: pods: list is forbidden (exit code 1)"]
    assert scheduled.metrics()['passes_total{result="error"}'] == 2
    assert scheduled.schedule.problem() is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("print('{}')", "it wrote no reason (exit code 0)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it wrote no reason (signal 9)"),
        ("raise MemoryError", "MemoryError (exit code 1)"),
        ("import sys; sys.stderr.write('x' * 3_000_000); sys.exit(2)", f"{'x' * 497}... (exit code 2)"),
    ],
    ids=["no-result", "killed", "memory", "long"],
)
def test_each_bad_end_is_a_line(
    programs: Path, scheduled: Scheduled, caplog: pytest.LogCaptureFixture, body: str, said: str
) -> None:
    write_program(programs, body)
    scheduled.begin()
    scheduled.finish()
    assert caplog.messages == [f"reports: the pass failed: {said}"]


def test_a_program_that_cannot_be_started_is_a_line(
    monkeypatch: pytest.MonkeyPatch, scheduled: Scheduled, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    scheduled.look()
    scheduled.look(5)
    assert caplog.messages == ["reports: the pass failed: it cannot be started: no such file or directory"]
    assert scheduled.metrics()['passes_total{result="error"}'] == 1


def test_a_pass_without_a_bound_on_its_memory_does_not_run(
    programs: Path, scheduled: Scheduled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the bound the kernel would kill the server as well."""
    (tmp_path / "memory.max").write_text("1073741824\n")
    scheduled.memory_files = (tmp_path / "memory.max",)
    sleeping(programs)
    pids: list[int] = []

    def refuse(pid: int, *_: object) -> None:
        pids.append(pid)
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(resource, "prlimit", refuse)
    scheduled.look()
    scheduled.look(5)
    assert not scheduled.is_running
    assert scheduled.metrics()['passes_total{result="error"}'] == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_nothing_runs_on_a_replica_that_does_not_lead(programs: Path, scheduled: Scheduled) -> None:
    write_program(programs, GOOD)
    scheduled.leads = False
    for _ in range(3):
        scheduled.look(EVERY_S)
    assert not scheduled.is_running
    scheduled.leads = True
    scheduled.look()
    assert not scheduled.is_running, "it waits for a moment after it has begun to lead"


def test_the_loss_of_the_lease_ends_the_pass(programs: Path, scheduled: Scheduled) -> None:
    started = sleeping(programs)
    scheduled.begin()
    wait_until(started.exists, within_s=20)
    pid = scheduled.pid
    scheduled.leads = False
    scheduled.look()
    assert not scheduled.is_running
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert scheduled.metrics()['passes_total{result="ended"}'] == 1


def test_a_pass_that_does_not_end_is_ended(
    programs: Path, scheduled: Scheduled, caplog: pytest.LogCaptureFixture
) -> None:
    started = sleeping(programs, extra="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n")
    scheduled.begin()
    wait_until(started.exists, within_s=20)
    scheduled.look(3600)
    assert caplog.messages == ["reports: the pass is ended: it has taken 3600 s"]
    assert scheduled.metrics()['passes_total{result="error"}'] == 1


def test_it_gets_the_lowest_priority_and_half_of_the_memory(
    programs: Path, scheduled: Scheduled, tmp_path: Path
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{1 << 30}\n")
    scheduled.memory_files = (limit,)
    started = sleeping(programs)
    scheduled.begin()
    wait_until(started.exists, within_s=20)
    assert os.getpriority(os.PRIO_PROCESS, scheduled.pid) == 19
    assert resource.prlimit(scheduled.pid, resource.RLIMIT_DATA) == (1 << 29, 1 << 29)
    assert os.getsid(scheduled.pid) == scheduled.pid, "the signals of a terminal must not reach it"


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        (["1073741824\n"], 1 << 29),
        (["max\n"], None),
        ([None, "536870912\n"], 1 << 28),
        ([None, "9223372036854771712\n"], None),
        ([None, None], None),
    ],
    ids=["v2", "v2-none", "v1", "v1-none", "nowhere"],
)
def test_the_limit_of_the_container(tmp_path: Path, texts: list[str | None], share: int | None) -> None:
    files = [tmp_path / str(number) for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        if text is not None:
            file.write_text(text)
    assert memory_share(files) == share


def test_the_configuration_in_force_comes_with_it(programs: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_program(programs, "import sys; sys.exit(open(sys.argv[sys.argv.index('--config') + 1]).read())")
    scheduled = Scheduled(programs, b"hotplug: true")
    scheduled.begin()
    scheduled.finish()
    assert caplog.messages == ["reports: the pass failed: hotplug: true (exit code 1)"]


def test_stop_ends_the_pass_and_the_thread(programs: Path) -> None:
    started = sleeping(programs)
    timing = ScheduleTiming(every_s=EVERY_S, look_s=0.01, first_s=0.0)
    with nothing_left():
        schedule = ReportSchedule(lambda: PassCommand((), None, programs), is_leader=lambda: True, timing=timing)
        schedule.start()
        wait_until(started.exists, within_s=20)
        schedule.stop()
    assert schedule.counts.passes["ended"] == 1
    assert schedule._child is None
