"""`nadmit check`: finds the problems in a tree of manifests, each with its position, or in a running cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.admission.wording.answers import who
from webhook.kube.apierrors import ClusterError
from webhook.report import lint, sarif
from webhook.report.lint import ERROR, WARNING, Finding, Report
from webhook.trees import builder, manifests, unknownnames
from webhook.trees.documents import NO_OBJECT, Document
from webhook.trees.problems import ManifestError, Problem
from webhook.trees.unknownnames import UnknownName

from .judging import Judgement, Webhook, judge
from .options import (
    EXIT_REFUSED,
    EXIT_UNREADABLE,
    STDIN,
    STDIN_NAME,
    config_option,
    configuration_of,
    fail_unreadable,
    installed_version,
    paint,
    rules_in_force,
    rules_options,
)
from .runningpods import as_created

if TYPE_CHECKING:
    from .clusterobjects import ClusterDocuments

Judging = Callable[[Sequence[Document], list[Problem]], list[Judgement]]
"""(documents, problems to add to) -> the judgements."""

PROGRESS_FILES_MIN = 300
"""Files above which reading takes so long that a progress bar helps."""

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": lambda report: lint.render_text(report, paint),
    "json": lint.render_json,
    "github": lint.render_github,
    "sarif": lambda report: sarif.render(report, version=installed_version()),
}

READABLE_PROBLEMS = frozenset({"duplicate-object", "metadata", "metadata-type", "unknown-kind"})
"""Rules of problems in readable files."""

MISSING = frozenset({"network-not-found"})
"""Rules of warnings that are problems here: a webhook cannot know what is applied next, and a tree has everything."""


@click.command(short_help="Find the problems in a tree of YAML, with file, line and column.")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option(
    "--cluster",
    is_flag=True,
    help="Check what is in the cluster that kubectl points at, instead of files. Changes nothing.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For --cluster: use this file; else the pod's service account, else kubectl's own configuration.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="github: workflow commands, shown beside the lines of a pull request. sarif: SARIF 2.1.0 for code scanning.",
)
@config_option
@rules_options
def check(
    *,
    paths: tuple[str, ...],
    cluster: bool,
    kubeconfig: Path | None,
    output: str,
    network_namespace: str,
    config: Path | None,
    plugin_schemas: Path | None,
    **given: Any,
) -> None:
    """Find everything in PATHs that the webhook would refuse or warn of, with file, line and column.

    A PATH is a file, "-" for standard input, or a directory, which means all .yaml, .yml and .json files in it. All
    files together are the cluster: a pod is judged against the networks, namespaces and access policies in any of them.
    Pod templates are found in every kind, and machines of KubeVirt are judged as their pods. A network that does not
    exist is a problem, also in a template. Other objects are skipped. In a directory, files that are not objects of
    Kubernetes and the templates of Helm charts are skipped with a warning. A patch of kustomize looks like the object
    that it changes: check the output of kustomize instead.

    With --cluster it reads the definitions, policies, workloads, claims and running pods of a cluster, and reports
    those that would be refused if they were created again now. Of the pods of a controller that have the same
    annotations, labels, service account and hostNetwork, it judges one. The findings are grouped by rule. The account
    needs list on these kinds. In files as well, a pod that runs is judged as when it was created.

    \b
    Examples:
      nadmit check --cluster                      before you install the webhook
      nadmit check examples/cluster
      helm template chart/ | nadmit check networks/ -
      kubectl kustomize overlays/production | nadmit check -
      nadmit check -o github deploy/              in a workflow of GitHub Actions
      nadmit check -o sarif deploy/ > nadmit.sarif

    \b
    Exit codes:
      0  no problem (there may be warnings)
      1  a problem
      2  a file cannot be read, nothing is found, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    if bool(paths) is cluster:
        raise click.UsageError("Give either PATHs or --cluster.")
    if kubeconfig is not None and not cluster:
        raise click.UsageError("--kubeconfig belongs to --cluster.")
    configuration = configuration_of(config, plugin_schemas, given["attached_by"])
    judging = partial(_judged, given=given, configuration=configuration, networks=network_namespace)
    if cluster:
        found = _read_cluster(kubeconfig)
        report, problems = _report_of_cluster(found, judging), list[Problem]()
    else:
        report, problems = _report_of_files(paths, judging)
    click.echo(FORMATS[output](report))
    sys.exit(_exit_code(report, problems))


def _report_of_files(paths: Sequence[str], judging: Judging) -> tuple[Report, list[Problem]]:
    """Return the report, and the problems of files that cannot be read."""
    try:
        candidates = manifests.find_files([path for path in paths if path != STDIN])
    except ManifestError as error:
        fail_unreadable(error.problems)
    files, skipped = manifests.leave_out_charts(candidates, named=paths)
    problems: list[Problem] = []
    documents = list(_read(files, problems))
    if STDIN in paths:
        files = [*files, STDIN_NAME]
        documents += manifests.read_bytes(sys.stdin.buffer.read(), file=STDIN_NAME, problems=problems)
    problems, foreign = _split(problems, named=paths)
    skipped += foreign
    if not documents and not problems:
        fail_unreadable([*skipped, manifests.nothing_found(paths)])
    documents = [as_created(document) for document in documents]
    judgements = judging(documents, problems)
    findings = [Finding(one.position, ERROR, one.rule, one.text) for one in problems]
    findings += [Finding(one.position, WARNING, one.rule, one.text) for one in skipped]
    findings += [_of_unknown_name(one) for one in unknownnames.find(documents)]
    return _report(files, documents, judgements, findings), problems


def _of_unknown_name(found: UnknownName) -> Finding:
    document = found.document
    subject = f"{document.kind.lower()} {document.name}"
    return Finding(document.locate(found.field), WARNING, unknownnames.RULE, found.text, subject, found.field)


def _read_cluster(kubeconfig: Path | None) -> ClusterDocuments:
    from webhook.commands.clusterobjects import read_cluster  # noqa: PLC0415 - the client costs 250 ms

    try:
        return read_cluster(kubeconfig, lambda line: click.echo(f"read {line}", err=True))
    except ClusterError as error:
        click.echo(f"nadmit: {error}", err=True)
        sys.exit(EXIT_UNREADABLE)


def _report_of_cluster(found: ClusterDocuments, judging: Judging) -> Report:
    """Return the findings in a cluster by level and rule. A finding names how many more pods it is about."""
    problems: list[Problem] = []
    judgements = judging(found.documents, problems)
    findings = [
        replace(finding, subject=f"{finding.subject}{_and_more(found.others(judgement.document))}")
        for judgement in judgements
        for finding in _findings(judgement)
    ]
    findings += [Finding(one.position, ERROR, one.rule, one.text) for one in problems]
    findings.sort(key=lambda finding: (finding.level, finding.rule, finding.subject))
    return Report(findings=tuple(findings), files=0, objects=len(found.documents), judged=len(judgements), by_rule=True)


def _and_more(count: int) -> str:
    return f" and {count} more of its controller" if count else ""


def _judged(
    documents: Sequence[Document],
    problems: list[Problem],
    *,
    given: Mapping[str, Any],
    configuration: Configuration,
    networks: str,
) -> list[Judgement]:
    """Judge documents against all of them together. `given`: the options about rules. Adds to `problems`."""
    cluster = builder.build(documents, problems)
    webhook = Webhook(context=DecisionContext(cluster, rules_in_force(given, cluster), configuration, networks))
    return list(judge(documents, webhook, problems))


def _read(files: Sequence[str], problems: list[Problem]) -> Iterator[Document]:
    if len(files) <= PROGRESS_FILES_MIN or not sys.stderr.isatty():
        yield from manifests.read_files(files, problems)
        return
    with click.progressbar(files, label="reading", file=sys.stderr) as shown:
        yield from manifests.read_files(shown, problems)


def _split(problems: Iterable[Problem], *, named: Container[str]) -> tuple[list[Problem], list[Problem]]:
    """Return the problems, and the skipped files: a tree may have files of other programs."""
    wrong: list[Problem] = []
    skipped: list[Problem] = []
    for problem in problems:
        is_foreign = problem.rule == NO_OBJECT and problem.position.file not in named
        (skipped if is_foreign and problem.position.file != STDIN_NAME else wrong).append(problem)
    return wrong, skipped


def _exit_code(report: Report, problems: Sequence[Problem]) -> int:
    if any(problem.rule not in READABLE_PROBLEMS for problem in problems):
        return EXIT_UNREADABLE
    return EXIT_REFUSED if report.count(ERROR) else 0


def _report(
    files: Sequence[str], documents: Sequence[Document], judgements: Sequence[Judgement], problems: Sequence[Finding]
) -> Report:
    """Return all findings in the order of files and lines; those without a file come first."""
    order = {file: number for number, file in enumerate(files, 1)}
    findings = [*problems, *(finding for judgement in judgements for finding in _findings(judgement))]
    findings.sort(key=lambda finding: (order.get(finding.position.file, 0), finding.position.line))
    return Report(findings=tuple(findings), files=len(files), objects=len(documents), judged=len(judgements))


def _findings(judgement: Judgement) -> Iterator[Finding]:
    request, decision = judgement.request, judgement.decision
    subject = who(request)
    if not decision.is_allowed:
        for cause in decision.causes:
            yield Finding(judgement.locate(cause.field), ERROR, cause.rule, cause.message, subject, cause.field)
    for warning in decision.warnings:
        place = judgement.locate(warning.field or "metadata.name")
        if warning.rule in MISSING:
            yield Finding(place, ERROR, warning.rule, warning.message, subject, warning.field)
        else:
            yield Finding(place, WARNING, warning.rule or "warning", str(warning), subject)
