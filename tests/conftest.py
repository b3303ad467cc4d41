"""Fixtures and rules for all tests: the real API server, and no skipped `root` and `browser` tests under NADMIT_NO_SKIPS.

Only the tests of a real API server may be skipped in CI, because CI cannot install one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.builtonce import built_once
from tests.paths import MANIFESTS
from tests.realapi.assets import HOW_TO, find_assets
from tests.realapi.server import RealApiServer

# Hypothesis' deadline per example fails on a busy machine.
settings.register_profile("nadmit", deadline=None)
settings.load_profile("nadmit")


@pytest.fixture(scope="session")
def real_api() -> Iterator[RealApiServer]:
    """One kube-apiserver for all tests of a worker. Without its programs these tests are skipped, in one line of the summary."""
    assets = find_assets()
    if assets is None:
        pytest.skip(HOW_TO)
    with RealApiServer(assets) as server:
        yield server


@pytest.fixture(scope="session")
def node_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the node bundle."""
    program = [sys.executable, str(MANIFESTS / "node/bundle.py")]
    directory = built_once(tmp_path_factory, "node-bundle", lambda target: [*program, str(target)])
    (archive,) = directory.iterdir()
    return archive


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test that is `root` or `browser` into a failure under NADMIT_NO_SKIPS, unless it lacks only the API server."""
    report = yield
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return report
    reason = report.longrepr[2]
    if reason.endswith(HOW_TO):
        report.longrepr = (__file__, 1, reason)  # the same place for all, so that the summary has one line
    elif os.environ.get("NADMIT_NO_SKIPS") and any(map(item.get_closest_marker, ("root", "browser"))):
        report.outcome = "failed"
        report.longrepr = f"skipped, and NADMIT_NO_SKIPS is set: {report.longrepr}"
    return report
