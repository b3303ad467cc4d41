"""A short run over every parser has no finding, and the loop detects parsers that are broken on purpose."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from . import table
from .__main__ import Plan, run
from .table import BY_NAME, TARGETS
from .target import Target
from .worker import Findings, State, TooManyStepsError, Tracer, fuzz

INPUTS = 400
"""Inputs of each target beside its seeds; all targets together take about a minute."""


@pytest.mark.slow
def test_nothing_escapes(tmp_path: Path) -> None:
    """The inputs are the same each time. `make fuzz` runs longer, with other inputs each time."""
    seeds = {target.name: len(table.seeds(target)) for target in TARGETS}
    reports = run(Plan(targets=[target.name for target in TARGETS], inputs=INPUTS, seed=1, directory=tmp_path))
    assert [finding for report in reports for finding in report.findings] == []
    assert {report.target: report.inputs - INPUTS for report in reports} == seeds
    assert max(seeds.values()) > 100, "the vectors give seeds"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_seeds_are_read_as_they_should_be(target: Target) -> None:
    """Each target accepts at least one of its seeds, so that mutations start from accepted inputs."""
    accepted = 0
    for seed in table.own_seeds(target):
        try:
            target.run(seed)
        except target.errors:
            continue
        accepted += 1
    assert accepted > 0


def test_every_folder_of_seeds_has_its_target() -> None:
    assert {folder.name for folder in table.SEEDS.iterdir()} == set(BY_NAME)
    assert len(BY_NAME) == len(TARGETS)


# The broken parsers of `broken_worker`, which the loop must find.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("escapes", "KeyError at broken_worker.py"),
        ("disagrees", "DisagreementError"),
        ("quadratic", "TooManyStepsError"),
        ("memory", "MemoryError"),
        ("hangs", "it hangs: one input took"),
        ("dies", "the interpreter ended with code 77"),
    ],
)
def test_a_broken_parser_is_found(tmp_path: Path, name: str, what: str) -> None:
    plan = Plan(
        targets=[name, "sound"],
        inputs=600,
        seed=1,
        directory=tmp_path,
        module="tests.fuzz.broken_worker",
        hang_cpu_s=2.0,
    )
    first, second = run(plan)
    assert (first.target, second.target) == (name, "sound")
    assert second.findings == ()
    assert len(first.findings) >= 1
    assert what in first.findings[0]
    line = first.findings[0].splitlines()[-1].strip()
    assert line.startswith(f"again: {sys.executable} -m tests.fuzz {name} --input {tmp_path}/{name}-")
    assert b"!" in Path(line.rsplit(" ", 1)[1]).read_bytes()


def test_a_finding_is_made_short(tmp_path: Path) -> None:
    def parse(data: bytes) -> object:
        if b"!" in data:
            raise KeyError(data)
        return len(data)

    target = Target("shrinks", parse)
    state_file = tmp_path / "state"
    state_file.write_bytes(bytes(1 << 17))
    findings = Findings()
    table_seeds = [b"a" * 50 + b"!" + b"b" * 50]
    count, _ = fuzz(
        target, State(state_file), goes_on=lambda count: count < 1, seed=1, findings=findings, corpus=table_seeds
    )
    assert count == 1
    assert [data for data, _ in findings.by_place.values()] == [b"!"]


def test_the_same_seed_makes_the_same_inputs(tmp_path: Path) -> None:
    def inputs(seed: int) -> list[bytes]:
        seen: list[bytes] = []
        state_file = tmp_path / "state"
        state_file.write_bytes(bytes(1 << 17))

        def run_target(data: bytes) -> object:
            seen.append(data)
            return len(data)

        target = Target("seen", run_target)
        corpus = [b'{"a": [1, "b"]}']
        fuzz(target, State(state_file), goes_on=lambda n: n < 200, seed=seed, findings=Findings(), corpus=corpus)
        return seen

    assert inputs(1) == inputs(1)
    assert inputs(1) != inputs(2)


def test_the_tracer_counts_lines_and_new_places() -> None:
    tracer = Tracer()

    def count_to(number: int) -> int:
        total = 0
        for _ in range(number):
            total += 1
        return total

    tracer.run(partial(count_to, 10), 1000)
    few, new = tracer.steps, tracer.new
    assert new > 3
    tracer.run(partial(count_to, 100), 1000)
    assert tracer.steps > few + 80
    assert tracer.new == 0
    with pytest.raises(TooManyStepsError):
        tracer.run(partial(count_to, 1000), 500)
