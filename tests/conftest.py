"""What holds for all tests: where NADMIT_NO_SKIPS is set, as in CI, a test that needs root must run."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a skipped `root` test a failure where nothing may be left out."""
    report = yield
    if report.skipped and os.environ.get("NADMIT_NO_SKIPS") and item.get_closest_marker("root"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and NADMIT_NO_SKIPS is set: {report.longrepr}"
    return report
