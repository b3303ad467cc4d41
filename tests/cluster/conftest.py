from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.realapi.server import RealApiServer

from .rig.installation import installed_server
from .rig.streamworlds import RealWorld


@pytest.fixture(scope="module")
def api() -> Iterator[RealApiServer]:
    """A server of the module's own, on which everything is installed."""
    with installed_server() as server:
        yield server


@pytest.fixture
def world(api: RealApiServer, tmp_path: Path) -> Iterator[RealWorld]:
    made = RealWorld(api, tmp_path)
    yield made
    made.close()
