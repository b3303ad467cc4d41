from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .leaknode import World, skip_unless_possible


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    skip_unless_possible()
    with World(tmp_path) as made:
        yield made
