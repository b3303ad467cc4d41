"""`nadmit test`: runs tests of access policies, which are files beside the policies."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from webhook.commands.options import EXIT_REFUSED, complete_paths, fail, fail_unreadable, paint
from webhook.kube.apierrors import ClusterError
from webhook.report import testreport
from webhook.report.testreport import CaseReport
from webhook.trees.problems import ManifestError, Position, Problem

from .running import run
from .testfiles import RULE, find_tests

if TYPE_CHECKING:
    from webhook.snapshot.snapshot import Snapshot


@click.command("test", short_help="Run the tests of access policies in a directory.")
@click.argument("paths", nargs=-1, metavar="[PATH...]", shell_complete=complete_paths)
@click.option(
    "--run", "pattern", metavar="GLOB", default="*", help="Run only tests whose name matches, such as '*blue*'."
)
@click.option("-v", "--verbose", is_flag=True, help="List the tests that pass as well, and who decided.")
@click.option("--coverage", is_flag=True, help="List the rules of the policies that decided no test.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="json: one object. junit: JUnit XML, for the test reports of CI systems.",
)
@click.option(
    "--cluster", is_flag=True, help="Judge by the cluster that kubectl points at, not by the files of the tests."
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For --cluster: use this file; else the pod's service account, else kubectl's own configuration.",
)
def policy_test(
    *,
    paths: tuple[str, ...],
    pattern: str,
    verbose: bool,
    coverage: bool,
    output: str,
    cluster: bool,
    kubeconfig: Path | None,
) -> None:
    """Run the policy tests in PATHs: files, or directories with all .yaml, .yml and .json files below them.

    Without a PATH it is the current directory. A test is a document of kind PolicyTest. It names files of a cluster,
    and for each request what the webhook must answer, and which rule must decide:

    \b
      apiVersion: test.nadmit.io/v1alpha1
      kind: PolicyTest
      cluster: [cluster.yaml, policy.yaml]
      tests:
      - name: the database may use the storage network
        pod: {namespace: blue, serviceAccount: database}
        networks: infra/storage
        expect: allow
        decidedBy: blue-storage/san
      - name: other pods of blue may not
        pod: {namespace: blue}
        networks: infra/storage
        expect: deny
        decidedBy: PostureIsolated

    \b
    Examples:
      nadmit test policies/
      nadmit test -v --run '*storage*' policies/
      nadmit test --coverage policies/            which rules no test decides
      nadmit test -o junit policies/ > report.xml
      nadmit test --cluster policies/             does the cluster answer as the tests say

    \b
    Exit codes:
      0  every test passed
      1  a test failed
      2  a file cannot be read, there is no test, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    if kubeconfig is not None and not cluster:
        raise click.UsageError("--kubeconfig belongs to --cluster.")
    problems: list[Problem] = []
    searched = list(paths or (".",))
    try:
        tests = list(find_tests(searched, problems))
    except ManifestError as error:
        fail_unreadable(error.problems)
    if not tests and not problems:
        text = "there is no PolicyTest; nadmit test --help shows one"
        problems.append(Problem(Position(" ".join(searched)), RULE, text))
    if problems:
        fail_unreadable(problems)
    done = run(
        tests,
        problems,
        wants=lambda name: fnmatchcase(name, pattern),
        live=_list_cluster(kubeconfig) if cluster else None,
    )
    if problems:
        fail_unreadable(problems)
    if not done.results:
        text = f"no test has a name that matches {pattern}; nadmit test -v lists the names"
        fail_unreadable([Problem(Position(" ".join(searched)), RULE, text)])
    report = CaseReport(done.results, done.idle if coverage else None)
    click.echo(_render(report, output, verbose=verbose))
    sys.exit(EXIT_REFUSED if report.failed else 0)


def _render(report: CaseReport, output: str, *, verbose: bool) -> str:
    if output == "json":
        return testreport.render_json(report)
    if output == "junit":
        return testreport.render_junit(report)
    return testreport.render_text(report, paint, shows_all=verbose)


def _list_cluster(kubeconfig: Path | None) -> Snapshot:
    from webhook.snapshot.source import list_snapshot  # noqa: PLC0415 - the client costs 250 ms

    try:
        return list_snapshot(kubeconfig)
    except ClusterError as error:
        fail(str(error))
