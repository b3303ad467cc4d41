"""`nadmit check`: finds the problems in a tree of manifests, each with its position, or in a running cluster."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from webhook.admission.model.requests import User
from webhook.commands.judging import NOBODY
from webhook.commands.options import (
    EXIT_REFUSED,
    EXIT_UNREADABLE,
    complete_paths,
    config_option,
    configuration_of,
    installed_version,
    paint,
    parse_codes,
    rules_options,
)
from webhook.report import lint
from webhook.report.lint import ERROR, WARNING, Report
from webhook.trees import passedover

from .checkrun import Run
from .judgedtree import Judging

FORMATS = ("text", "json", "github", "sarif", "junit")


@click.command(short_help="Find the problems in a tree of YAML, with file, line and column.")
@click.argument("paths", nargs=-1, metavar="[PATH...]", shell_complete=complete_paths)
@click.option(
    "--cluster",
    is_flag=True,
    help="Without PATHs, check what is in the cluster that kubectl points at. With PATHs, judge them against what is "
    "there. Changes nothing.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For --cluster: use this file; else the pod's service account, else kubectl's own configuration.",
)
@click.option(
    "--manifests",
    "directory",
    metavar="DIR",
    help="Judge the PATHs against the networks, namespaces, policies, claims and pods in this tree as well.",
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files and directories; may be repeated.")
@click.option(
    "--skip",
    multiple=True,
    metavar="CODE[,CODE...]",
    callback=parse_codes,
    help="Do not report these codes; may be repeated. `nadmit explain` lists them.",
)
@click.option("--strict", is_flag=True, help="Warnings count: exit with 1 if there is one.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Report only what is not in this file.",
)
@click.option(
    "--write-baseline", is_flag=True, help="Write what is found into the file of --baseline, and exit with 0."
)
@click.option(
    "--as",
    "user_name",
    metavar="USER",
    help="Who applies the objects, as kubectl's --as. Without it, rules about authors are not judged.",
)
@click.option("--as-group", "groups", metavar="GROUP", multiple=True, help="A group of that user; may be repeated.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="github: workflow commands, shown beside the lines of a pull request. sarif: SARIF 2.1.0 for code scanning. "
    "junit: JUnit XML, with a test case for each object.",
)
@click.option("-v", "--verbose", is_flag=True, help="List what is passed over, by kind, on standard error.")
@config_option
@rules_options
def check(
    *,
    paths: tuple[str, ...],
    network_namespace: str,
    config: Path | None,
    plugin_schemas: Path | None,
    output: str,
    **given: Any,
) -> None:
    """Find everything in PATHs that the webhook would refuse or warn of, with file, line and column.

    A PATH is a file, "-" for standard input, or a directory, which means all .yaml, .yml and .json files in it. All
    files together are the cluster: a pod is judged against the networks, namespaces and access policies in any of them,
    and of --manifests or --cluster. Pod templates are found in every kind, and machines of KubeVirt are judged as their
    pods. A network that does not exist is a problem, also in a template. Other objects are skipped.

    Kustomizations that no other one names are built, if kubectl is on PATH; else their resources are read without
    patches. Helm charts are rendered with their own values, if helm is on PATH; else they are passed over. Directories
    side by side with the same objects, such as dev and prod, are environments, each judged for itself. Files of other
    programs and node_modules are passed over, unless a PATH names the file.

    A comment keeps a finding out: "# nadmit: ignore NAD105 reason", at the end of the line or above it. --baseline
    keeps out what was there before. The last line counts everything that was kept out or passed over.

    With --cluster and no PATH it reads the definitions, policies, workloads, claims and running pods of a cluster, and
    reports those that would be refused if they were created again now. Of the pods of a controller that have the same
    annotations, labels, service account and hostNetwork, it judges one. The findings are grouped by rule. The account
    needs list on these kinds. In files as well, a pod that runs is judged as when it was created.

    \b
    Examples:
      nadmit check deploy/
      nadmit check --strict --exclude 'test/*' --skip NAD107 .
      nadmit check --baseline nadmit.json --write-baseline .    once; then without --write-baseline
      nadmit check --cluster deploy/              a change against what is live
      nadmit check --cluster                      what is live, before you install the webhook
      nadmit check --as bob --as-group blue-admins networks/
      helm template -f prod.yaml chart/ | nadmit check networks/ -
      nadmit check -o github deploy/              in a workflow of GitHub Actions
      nadmit check -o junit deploy/ > nadmit.xml

    \b
    Exit codes:
      0  no problem (there may be warnings; none with --strict)
      1  a problem; with --strict, a problem or a warning
      2  a file cannot be read, nothing is found, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    _check_options(paths, given)
    configuration = configuration_of(config, plugin_schemas, given["attached_by"])
    is_known = bool(given["user_name"] or given["groups"])
    judging = Judging(
        given=given,
        configuration=configuration,
        network_namespace=network_namespace,
        user=User(given["user_name"] or NOBODY.name, (*given["groups"], *NOBODY.groups)),
        is_author_known=is_known,
    )
    run = Run(paths, given, judging, is_listing_subjects=output == "junit")
    report = run.check_files() if paths else run.check_cluster()
    if given["write_baseline"]:
        click.echo(run.write_baseline(report))
        sys.exit(0)
    click.echo(_render(report, output, is_strict=given["strict"]))
    if given["verbose"]:
        for line in (*passedover.listed(report.passed_over), *run.not_judged()):
            click.echo(line, err=True)
    sys.exit(_exit_code(report, is_strict=given["strict"]))


def _check_options(paths: Sequence[str], given: Mapping[str, Any]) -> None:
    if not paths and not given["cluster"]:
        raise click.UsageError("Give PATHs, or --cluster.")
    if given["kubeconfig"] is not None and not given["cluster"]:
        raise click.UsageError("--kubeconfig belongs to --cluster.")
    if given["directory"] is not None and (given["cluster"] or not paths):
        raise click.UsageError("--manifests belongs to PATHs, and excludes --cluster.")
    if given["write_baseline"] and given["baseline"] is None:
        raise click.UsageError("--write-baseline needs --baseline FILE, the file to write.")


def _render(report: Report, output: str, *, is_strict: bool) -> str:
    if output == "sarif":
        from webhook.report import sarif  # noqa: PLC0415 - the texts of all codes

        return sarif.render(report, version=installed_version())
    if output == "junit":
        from webhook.report import junit  # noqa: PLC0415 - needs an XML library

        return junit.render(report, failing=(ERROR, WARNING) if is_strict else (ERROR,))
    renderers = {"json": lint.render_json, "github": lint.render_github}
    return renderers[output](report) if output in renderers else lint.render_text(report, paint)


def _exit_code(report: Report, *, is_strict: bool) -> int:
    if any(finding.is_unreadable for finding in report.findings):
        return EXIT_UNREADABLE
    counts = report.number_of(ERROR) + (report.number_of(WARNING) if is_strict else 0)
    return EXIT_REFUSED if counts else 0
