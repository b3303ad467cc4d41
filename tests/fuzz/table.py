"""The table of all fuzzed parsers, and the inputs that each begins with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tests.paths import TESTS

from . import node_targets, webhook_targets
from .target import Target

TARGETS = (*node_targets.TARGETS, *webhook_targets.TARGETS)
BY_NAME = {target.name: target for target in TARGETS}

SEEDS = Path(__file__).parent / "seeds"
_TESTS = TESTS
_HARVESTED_MAX = 400


def own_seeds(target: Target) -> list[bytes]:
    """Return the inputs of `seeds/<name>`: samples and earlier findings."""
    return [file.read_bytes() for file in sorted((SEEDS / target.name).iterdir())]


def seeds(target: Target) -> list[bytes]:
    """Return the inputs that the loop begins with, each once: those of `seeds/<name>`, then those of the vectors."""
    harvested = sorted(
        {seed for pattern in target.vectors for seed in _harvest(pattern) if len(seed) <= target.bytes_max}
    )
    step = max(1, len(harvested) // _HARVESTED_MAX)
    return list(dict.fromkeys([*own_seeds(target), *harvested[::step]]))


def _harvest(pattern: str) -> Iterator[bytes]:
    """Yield files below tests/, and each text and object in the JSON files."""
    for file in sorted(_TESTS.glob(pattern) if not pattern.startswith("../") else _TESTS.parent.glob(pattern[3:])):
        data = file.read_bytes()
        if len(data) < 20_000:
            yield data
        if file.suffix == ".json":
            yield from _parts(json.loads(data))


def _parts(value: object) -> Iterator[bytes]:
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, dict):
        yield json.dumps(value).encode()
        for member in value.values():
            yield from _parts(member)
    elif isinstance(value, list):
        for item in value:
            yield from _parts(item)
