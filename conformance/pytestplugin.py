"""The plugin of pytest: the options, the choice of tests, the fixtures `subject`, `node` and `case`, the results.

`nadmit-conformance` starts pytest with it. A test that the subject file names as a deviation runs like the others.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from .clauses import MARKER, clauses_of
from .failurereason import comparison, reason_of
from .isolation import WORK, is_isolated, isolate_worker
from .profilelist import BY_FOLDER, BY_NAME, Profile
from .results import DEVIATED, FAILED, PASSED, SKIPPED, STALE, Result, append_result
from .rig.node import Case, Node
from .subject import Subject, load_subject

PROFILES_FOLDER = Path(__file__).resolve().parent / "profiles"
_ALONE = "main"
"""The name of the only worker."""

pytest_plugins = ["conformance.hooks.hookfixtures"]

SUBJECT = pytest.StashKey[Subject]()
_TOOK = pytest.StashKey[float]()
_HAS_FAILED = pytest.StashKey[bool]()
"""The failure of a test is its result, also if the suite cannot clean up after it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("conformance")
    group.addoption("--subject", required=False, help="the subject file")
    group.addoption("--results", default="", help="the file that gets a line of JSON for each test")
    group.addoption("--profile", action="append", default=[], help="a profile; default: those that the subject claims")


def pytest_configure(config: pytest.Config) -> None:
    """Read the subject."""
    config.addinivalue_line("markers", f"{MARKER}(clause): the clause that the test tests")
    if config.getoption("subject"):
        config.stash[SUBJECT] = load_subject(Path(config.getoption("subject")))


def profile_of(path: Path) -> Profile:
    """Return the profile of a test module."""
    return BY_FOLDER[path.relative_to(PROFILES_FOLDER).parts[0]]


def test_name(item: pytest.Item) -> str:
    """Return folder, module and function of a test, with its parameters."""
    return f"{item.path.relative_to(PROFILES_FOLDER).as_posix()}::{item.name}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the chosen profiles; refuse a test without a clause."""
    asked = config.getoption("profile") or (config.stash[SUBJECT].profiles if SUBJECT in config.stash else BY_NAME)
    for item in items:
        if not clauses_of(list(item.iter_markers(MARKER))):
            raise pytest.UsageError(f"{test_name(item)} has no clause: write @clause(standard, section, level)")
    kept = [item for item in items if profile_of(item.path).name in asked]
    for item in kept:
        reason = config.stash[SUBJECT].inapplicable(test_name(item)) if SUBJECT in config.stash else None
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason.reason))
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str]:
    """Show a comparison in one line, which a report can have."""
    return [comparison(left, op, right)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the result of a test; a failure that the subject file names does not fail the run."""
    report = yield
    item.stash[_TOOK] = item.stash.get(_TOOK, 0.0) + report.duration
    deviation = item.config.stash[SUBJECT].deviation_of(test_name(item))
    is_last = report.when == "call" or report.outcome != "passed"
    if not is_last:
        return report
    outcome, reason = _read_report(report, call)
    if report.when == "teardown":
        outcome, reason = FAILED, f"the suite could not clean up: {reason}"
    elif deviation is not None and outcome == FAILED:
        outcome, reason = DEVIATED, deviation.reason
        report.outcome, report.wasxfail = "skipped", reason
    elif deviation is not None and outcome == PASSED:
        outcome, reason = STALE, f"it passes, and the subject file says: {deviation.reason}"
        report.outcome, report.longrepr = "failed", reason
    if not item.stash.get(_HAS_FAILED, False):
        _write(item, outcome, reason)
    item.stash[_HAS_FAILED] = outcome == FAILED
    return report


def _read_report(report: pytest.TestReport, call: pytest.CallInfo[None]) -> tuple[str, str]:
    if report.passed:
        return PASSED, ""
    if report.skipped:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return SKIPPED, text.removeprefix("Skipped: ")
    return FAILED, str(report.longrepr) if call.excinfo is None else reason_of(call.excinfo.value)


def _write(item: pytest.Item, outcome: str, reason: str) -> None:
    path = item.config.getoption("results")
    if path:
        function = getattr(item, "function", None)
        made = Result(
            test=test_name(item),
            profile=profile_of(item.path).name,
            clauses=tuple(clauses_of(list(item.iter_markers(MARKER)))),
            title=(inspect.getdoc(function) or "").partition("\n")[0],
            outcome=outcome,
            reason=reason,
            took_s=item.stash[_TOOK],
        )
        append_result(Path(path), made)


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest) -> Subject:
    """The subject of the run."""
    return request.config.stash[SUBJECT]


@pytest.fixture(scope="session")
def node(subject: Subject, worker_name: str) -> Iterator[Node]:
    """The node of a worker: the subject with all that is around it."""
    if not is_isolated():
        pytest.fail("the tests of plugins run in namespaces of their own: start them with nadmit-conformance")
    if worker_name != _ALONE:
        isolate_worker()
    if subject.plugin is None:
        pytest.fail("the subject file has no `plugin`")
    with Node(subject, WORK / worker_name) as made:
        yield made


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    """The name of this worker of pytest-xdist; one name without it."""
    found = getattr(request.config, "workerinput", {}).get("workerid", _ALONE)
    assert isinstance(found, str)
    return found


@pytest.fixture
def case(node: Node) -> Iterator[Case]:
    """A container and its pod."""
    with Case(node) as made:
        yield made
