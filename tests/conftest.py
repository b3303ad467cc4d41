"""What holds for all tests: a real API server for those that ask one, and no skips where NADMIT_NO_SKIPS is set, as in CI.

There a test that needs root must run. What may still be left out is a real API server that nobody has put there: CI
cannot install one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.realapi.assets import HOW_TO, find_assets
from tests.realapi.server import RealApiServer

# A deadline per example is a time asserted in a test: it fails on a machine that does other work.
settings.register_profile("nadmit", deadline=None)
settings.load_profile("nadmit")


def pytest_configure() -> None:
    """Give all workers one hash seed: some tests are parametrized by sets, and workers must agree on the order."""
    os.environ.setdefault("PYTHONHASHSEED", str(secrets.randbelow(2**32)))


def pytest_report_header() -> str:
    return f"hash seed of workers: PYTHONHASHSEED={os.environ['PYTHONHASHSEED']}"


@pytest.fixture(scope="session")
def real_api() -> Iterator[RealApiServer]:
    """One kube-apiserver for the whole session; where there is none, all who ask for it are skipped in one line."""
    assets = find_assets()
    if assets is None:
        pytest.skip(HOW_TO)
    with RealApiServer(assets) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a skipped `root` test a failure where nothing may be left out, but for want of an API server."""
    report = yield
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return report
    reason = report.longrepr[2]
    if reason.endswith(HOW_TO):
        report.longrepr = (__file__, 1, reason)  # of one place, so that the summary has one line
    elif os.environ.get("NADMIT_NO_SKIPS") and item.get_closest_marker("root"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and NADMIT_NO_SKIPS is set: {report.longrepr}"
    return report
