"""`nadmit scan`: options, what is read, and how it ends."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from webhook.admission.model.kinds import VERDICT_KINDS
from webhook.commands import objectfiles
from webhook.commands.options import (
    Command,
    add_options,
    config_option,
    configuration_of,
    fail,
    fail_unreadable,
    installed_version,
    namespace_option,
    paint,
    parse_codes,
    plugin_checks_of,
    rules_options,
)
from webhook.report.scan import scantext
from webhook.report.scan.finding import ERROR, LEVELS, Finding
from webhook.report.scan.scantext import DEFINITIONS, PODS, POLICIES, WORKLOADS, Scan
from webhook.report.scan.stock import Stock
from webhook.report.scan.stocktaking import order, take_stock
from webhook.report.stockrules import STOCK_RULES
from webhook.report.titles import TITLES

if TYPE_CHECKING:
    from pathlib import Path

    from webhook.trees.documents import Document

    from .scanreading import JudgeOf, Read

EXIT_FINE, EXIT_FOUND = 0, 1
FORMS = ("text", "json", "sarif", "junit")
REPORT_FORMS = ("text", "json")

_OPTIONS = (
    namespace_option("Only what concerns this namespace. Of a cluster, only its pods and workloads are read."),
    *objectfiles.source_options(", with pods, workloads, networks and namespaces", "networks, namespaces and policies"),
    click.option(
        "--fail-on",
        type=click.Choice(LEVELS),
        default=ERROR,
        show_default=True,
        help="Exit with 1 if there is a finding of this level, or a worse one.",
    ),
    click.option(
        "--skip",
        multiple=True,
        metavar="RULE[,RULE...]",
        callback=parse_codes,
        help="Do not report these rules; may be repeated. `nadmit explain` lists them.",
    ),
    click.option(
        "--write-reports",
        is_flag=True,
        help="Write the findings as reports of openreports.io or wgpolicyk8s.io, a report for each object, and print "
        "what has changed (docs/reports.md). For a CronJob; nadmit serve --reports runs it by itself.",
    ),
    click.option(
        "-o",
        "--output",
        type=click.Choice(FORMS),
        default="text",
        show_default=True,
        help="json: one object; docs/scan.schema.json is its schema. sarif: SARIF 2.1.0. junit: JUnit XML, with a test "
        "case for each object that has a finding, and for each rule that has none.",
    ),
)


def _options(command: Command) -> Command:
    return add_options(command, _OPTIONS)


@click.command("scan", short_help="Find what is wrong with the networks of a cluster.")
@_options
@config_option
@rules_options
def scan(*, output: str, network_namespace: str, **options: Any) -> None:
    """Find what is wrong with the networks of a cluster: everything that exists, judged as if it were created now, and
    what only all objects together show.

    That is: equal addresses and MAC addresses on a segment, ranges that overlap or are full, addresses outside of
    them, IPAM host-local on several nodes, routes that take the DNS of the cluster away, pods without a network that
    they ask for, policies that select nothing, pools that keep addresses for pods that are gone, and more. An error
    does not work, or would be refused if it were created now. A warning may fail. Information is good to know.

    It reads with your own rights, and changes nothing without --write-reports. It needs the right to list pods, in all
    namespaces or with -n in one. Each other right that is missing is named in a line "unread", and what follows from
    the rest is reported.

    \b
    Examples:
      nadmit scan
      nadmit scan -n blue
      nadmit scan --skip network-unused,host-local-nodes
      nadmit scan --fail-on warning -o junit > scan.xml      each night
      nadmit scan -o json | jq '.findings[] | select(.level == "error")'
      kubectl get pods,deploy,sts,ds,net-attach-def,ns -A -o yaml | nadmit scan -f -
      nadmit scan --write-reports

    \b
    Exit codes:
      0  no finding of the level of --fail-on, or worse; with --write-reports: the reports say what was found
      1  there is one; with --write-reports: the API server refused some reports
      2  pods cannot be read, a file cannot be read, or an option is wrong; no report was written
    """  # noqa: D301, D205 - click reads the backspace: keep these lines as they are
    _check_reports(options, output)
    gc.disable()  # objects are trees; looking for cycles in all of them takes a quarter of the time
    try:
        result, unread = _scan({**options, "network_namespace": network_namespace})
    finally:
        gc.enable()
    if options["write_reports"]:
        sys.exit(_write_reports(result, unread, options["kubeconfig"], output))
    click.echo(_render(result, output, options["fail_on"]))
    if output in ("sarif", "junit"):
        for line in (*result.notes, *result.unread):
            click.echo(f"nadmit: {line}", err=True)
    sys.exit(EXIT_FOUND if result.has_at_least(options["fail_on"]) else EXIT_FINE)


def _scan(options: Mapping[str, Any]) -> tuple[Scan, Mapping[str, str]]:
    """Return what was found, and the missing rights by kind."""
    from .judgedobjects import Judge, Setting, without_repeats  # noqa: PLC0415 - it loads what judges, unlike --help

    configuration = configuration_of(options["config"], options["plugin_schemas"], options["attached_by"])
    setting = Setting(options, configuration, options["network_namespace"])

    def judge_of(context: Sequence[Document], unread: Mapping[str, str]) -> Judge | None:
        judge = None if unread.keys() & VERDICT_KINDS else Judge(context, setting)
        if judge is not None and judge.problems:
            fail_unreadable(judge.problems)
        return judge

    read = _read(options, judge_of)
    judge = read.judge
    taken = take_stock(read.stock, plugin_checks_of(configuration), judge.rules if judge is not None else None)
    judged = judge.finish() if judge is not None else ()
    found = [*judged, *without_repeats(taken, judged)]
    return _result(sorted(found, key=order), read, options), read.unread


def _read(options: Mapping[str, Any], judge_of: JudgeOf) -> Read:
    from . import scanreading  # noqa: PLC0415 - it loads the client

    if objectfiles.is_copy(options):
        read = scanreading.Read(Stock(options["network_namespace"]), judge_of)
        documents = objectfiles.read(options["files"], options["directory"])
        scanreading.read_files(map(objectfiles.placed, documents), read)
        return read
    from webhook.kube.apierrors import ClusterError, ForbiddenError  # noqa: PLC0415 - files do not need them

    namespace: str = options["namespace"] or ""
    read = scanreading.Read(Stock(options["network_namespace"], namespace=namespace), judge_of)
    try:
        scanreading.read_cluster(options["kubeconfig"], read, objectfiles.tell)
    except ForbiddenError as error:
        fail(str(error) if namespace else f"{error}, or read one namespace with -n")
    except ClusterError as error:
        fail(str(error))
    return read


NO_VERDICTS = "what would be refused if it were created now is not known: a right is missing for it"


def _result(found: list[Finding], read: Read, options: Mapping[str, Any]) -> Scan:
    namespace: str = options["namespace"] or ""
    concerned = [one for one in found if not namespace or _concerns(one, namespace)]
    kept = [one for one in concerned if one.rule not in options["skip"]]
    own = read.stock.namespace
    notes = [f"only pods and workloads of namespace {own} were read"] if own else []
    if "Pod" in read.stock.unread:
        notes.append("the files have no pod; add pods to kubectl get")
    if read.judge is None:
        notes.append(NO_VERDICTS)
    return Scan(
        findings=tuple(kept),
        objects=_counts(read.counts),
        skipped=len(concerned) - len(kept),
        notes=tuple(notes),
        unread=tuple(read.unread.values()),
    )


def _concerns(one: Finding, namespace: str) -> bool:
    return any(name.namespace == namespace for name in (one.subject, *one.others))


_KINDS = {
    "NetworkAttachmentDefinition": DEFINITIONS,
    "Pod": PODS,
    "NetworkAttachmentPolicy": POLICIES,
    "NetworkAttachmentPolicyConfig": POLICIES,
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "Job", "ReplicationController"), WORKLOADS
    ),
    "VirtualMachine": WORKLOADS,
}


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    found = dict.fromkeys((DEFINITIONS, PODS, WORKLOADS, POLICIES), 0)
    for kind, number in counts.items():
        if kind in _KINDS:
            found[_KINDS[kind]] += number
    return found


def _render(result: Scan, output: str, fail_on: str) -> str:
    if output == "json":
        return scantext.render_json(result)
    if output == "text":
        from webhook.plugindata.codes import load_codes  # noqa: PLC0415 - texts of all codes

        codes = {code: one.title for code, one in load_codes().items()}
        return scantext.render_text(result, {**TITLES, **codes}, paint)
    report = scantext.report_of(result, STOCK_RULES)
    if output == "sarif":
        from webhook.report import sarif  # noqa: PLC0415 - texts of all codes

        return sarif.render(report, version=installed_version())
    from webhook.report import junit  # noqa: PLC0415 - XML

    return junit.render(report, failing=scantext.failing(fail_on), command="scan")


def _check_reports(options: Mapping[str, Any], output: str) -> None:
    """End the command if reports are asked for and cannot be written."""
    if not options["write_reports"]:
        return
    if objectfiles.is_copy(options) or options["namespace"]:
        raise click.UsageError("--write-reports is for a whole cluster: leave out -n, -f and --manifests.")
    if output not in REPORT_FORMS:
        raise click.UsageError(f"--write-reports prints what it has written: give -o {' or -o '.join(REPORT_FORMS)}.")
    from webhook.kube.apierrors import ClusterError  # noqa: PLC0415 - files do not pay for the client

    from . import reportwriting  # noqa: PLC0415 - as above

    try:
        reportwriting.check(options["kubeconfig"])
    except ClusterError as error:
        fail(str(error))


def _write_reports(result: Scan, unread: Mapping[str, str], kubeconfig: Path | None, output: str) -> int:
    """Write the reports and return the exit code. NB: without verdicts all reports about refusals would go away."""
    from webhook.kube.apierrors import ClusterError  # noqa: PLC0415 - as above

    from . import reportwriting  # noqa: PLC0415 - as above

    lost = next((right for kind, right in unread.items() if kind in VERDICT_KINDS), None)
    if lost is not None:
        fail(f"no report is written: {lost}")
    try:
        written = reportwriting.write(kubeconfig, result.findings, unread)
    except ClusterError as error:
        fail(str(error))
    return reportwriting.show(written, output)
