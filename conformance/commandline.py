"""The command: read the arguments, run pytest for each kind of profile, write the reports."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import conformancereport
from .clauses import MUST
from .isolation import Interrupted, missing, run_isolated, run_until_signal
from .preflight import check_subject, find_unused, find_version, make_folder
from .profilelist import BY_NAME, NODE, WEBHOOK
from .results import FAILED, STALE, Result, read_results
from .subject import Implementation, Subject, SubjectError, load_subject

PACKAGE = Path(__file__).resolve().parent
OK, FAILURE, USAGE, LACKING = 0, 1, 2, 3
_SIGNALLED = 128
_NO_TESTS = 5
"""The exit code of pytest if it has run no test."""

_EPILOG = """\
exit codes: 0 every MUST passes, or the subject file names it; 1 one does not, or a named deviation passes; 2 wrong
arguments or subject file; 3 the machine lacks something, which is named; 130 and 143 after SIGINT and SIGTERM.

examples:
  nadmit-conformance --subject conformance/subjects/nadmit.yaml
  MULTUS=/opt/cni/bin/multus nadmit-conformance --subject conformance/subjects/multus-thin.yaml --report out/
  nadmit-conformance --subject my.yaml --profile npwg-1.3-core -- -x -k interface
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    if find_spec("pytest") is None:
        return _say(LACKING, "pytest: it is missing; install nadmit[conformance]")
    if options.list:
        return run_until_signal(
            _pytest(["--collect-only", "-q", *options.pytest, str(PACKAGE / "profiles")]), _environ()
        )
    if options.subject is None:
        return _say(
            USAGE, "--subject: it is missing; the name of a subject file, such as conformance/subjects/nadmit.yaml"
        )
    try:
        subject = load_subject(options.subject)
        return _run(subject, options)
    except SubjectError as error:
        return _say(USAGE, str(error))
    except Interrupted as error:
        return _say(_SIGNALLED + error.number, "interrupted: no report was written, and nothing is left")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nadmit-conformance",
        description="Test a CNI meta plugin or its webhook against the standards, from outside.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--subject", type=Path, metavar="FILE", help="the subject file: what is tested, and how it is started"
    )
    parser.add_argument(
        "--profile", action="append", default=[], choices=list(BY_NAME), help="a profile; default: those of the subject"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FOLDER", help="write report.yaml, report.md and junit.xml there"
    )
    parser.add_argument(
        "--test",
        action="append",
        default=[],
        metavar="NAME",
        help="a test or a module: npwgcore/test_status.py",
    )
    parser.add_argument("--workers", type=_count, help="processes; default: 2 with pytest-xdist, else 1; for --test: 1")
    parser.add_argument("--strict", action="store_true", help="SHOULD and practice fail the run like MUST")
    parser.add_argument("--list", action="store_true", help="list the tests, and run nothing")
    parser.add_argument("pytest", nargs="*", metavar="-- ARGUMENT", help="arguments of pytest, after --")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1 is needed")
    return number


def _run(subject: Subject, options: argparse.Namespace) -> int:
    profiles = options.profile or list(subject.profiles)
    unclaimed = [name for name in profiles if name not in subject.profiles]
    if unclaimed:
        return _say(
            USAGE, f"--profile {unclaimed[0]}: the subject does not claim it; it claims {', '.join(subject.profiles)}"
        )
    needs_node = any(BY_NAME[name].kind == NODE for name in profiles)
    lacking = missing() if needs_node else []
    if lacking:
        for line in lacking:
            _say(LACKING, f"missing: {line}")
        return LACKING
    if options.report is not None:
        make_folder(options.report)
    try:
        check_subject(subject, profiles)
        implementation = find_version(subject)
    except SubjectError as error:
        raise SubjectError(f"{options.subject}: {error}") from error
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        codes = []
        for kind in (NODE, WEBHOOK):
            chosen = [name for name in profiles if BY_NAME[name].kind == kind]
            if chosen:
                codes.append(_run_kind(kind, chosen, Path(folder) / kind, options))
        results = read_results([Path(folder) / NODE, Path(folder) / WEBHOOK])
    if any(code not in {0, 1, _NO_TESTS} for code in codes):
        return _say(USAGE, "pytest could not run the tests; see above")
    if not results:
        return _say(USAGE, "no test was chosen")
    return max(_finish(implementation, results, options), _report_unused(subject, results, options))


def _run_kind(kind: str, profiles: Sequence[str], results: Path, options: argparse.Namespace) -> int:
    chosen = [word for name in profiles for word in ("--profile", name)]
    wanted = options.test or [BY_NAME[name].folder for name in profiles]
    folders = [str(PACKAGE / "profiles" / name) for name in wanted]
    words = _pytest(["--subject", str(options.subject.resolve()), "--results", str(results), *chosen])
    workers = _workers(options) if kind == NODE else 1  # one webhook answers all tests
    words += [*(["-n", str(workers)] if workers > 1 else []), *options.pytest, *folders]
    if kind == NODE:
        return run_isolated(words, {**_environ(), "TMPDIR": "/run/conformance/tmp"})
    return run_until_signal(words, {**_environ(), "TMPDIR": str(results.parent)})


def _workers(options: argparse.Namespace) -> int:
    if options.workers is not None:
        return int(options.workers)
    return 2 if find_spec("xdist") is not None and not options.test else 1


def _pytest(words: Sequence[str]) -> list[str]:
    fixed = ["-c", str(PACKAGE / "pytest.ini"), "--rootdir", str(PACKAGE), "-p", "conformance.pytestplugin"]
    return [sys.executable, "-m", "pytest", *fixed, *words]


def _environ() -> Mapping[str, str]:
    """Return the environment of pytest: no files of compiled code, this package on the path, no plugins of others."""
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]))
    return {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": path,
        "CONFORMANCE_PYTHON": sys.executable,
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "xdist.plugin" if find_spec("xdist") is not None else "",
    }


def _report_unused(subject: Subject, results: Sequence[Result], options: argparse.Namespace) -> int:
    """Say which deviations name no test; known only if all tests have run."""
    if options.test or options.pytest:
        return OK
    unused = find_unused([*subject.deviations, *subject.not_applicable], results)
    for name in unused:
        _say(FAILURE, f"{options.subject}: deviations, notApplicable: no test has this name: {name}")
    return FAILURE if unused else OK


def _finish(implementation: Implementation, results: Sequence[Result], options: argparse.Namespace) -> int:
    report = conformancereport.make_report(
        results,
        implementation=_described(implementation),
        date=datetime.now(UTC).date().isoformat(),
        suite=_suite_version(),
        environment=_environment(),
    )
    if options.report is not None:
        texts = {
            "report.yaml": conformancereport.render_yaml(report),
            "report.md": conformancereport.render_markdown(report),
            "junit.xml": conformancereport.render_junit(results),
        }
        for name, text in texts.items():
            (options.report / name).write_text(text, encoding="utf-8")
    for profile in report["profiles"]:
        print(f"{profile['name']}: {profile['summary']}")
    bad = [one for one in results if one.outcome in {FAILED, STALE} and (options.strict or one.level == MUST)]
    return FAILURE if bad or any(one.outcome == STALE for one in results) else OK


def _described(known: Implementation) -> dict[str, Any]:
    value = {
        "organization": known.organization,
        "project": known.project,
        "url": known.url,
        "version": known.version or "unknown",
    }
    return {**value, "contact": list(known.contact)}


def _suite_version() -> str:
    try:
        return version("nadmit")
    except PackageNotFoundError:
        return "unknown"


def _environment() -> dict[str, str]:
    return {"kernel": platform.release().partition("-")[0], "python": platform.python_version()}


def _say(code: int, text: str) -> int:
    print(f"nadmit-conformance: {text}", file=sys.stderr)
    return code
