"""`nadmit scan --write-reports`: the findings become reports in the cluster, and the output is what was written."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from webhook.kube.connection import Connection
from webhook.openreports.passresult import PassResult, render_result
from webhook.openreports.reportpass import ReportPass
from webhook.openreports.reportstore import ReportStore
from webhook.openreports.rulenames import name_rule

if TYPE_CHECKING:
    from webhook.report.scan.finding import Finding

EXIT_WRITTEN, EXIT_REFUSED = 0, 1


def check(kubeconfig: Path | None) -> None:
    """Ask whether the API server has a kind of reports, before anything else is read. Raises ClusterError."""
    connection = _connect(kubeconfig)
    try:
        ReportStore(connection).served()
    finally:
        connection.close()


def write(kubeconfig: Path | None, findings: Sequence[Finding], unread: Mapping[str, str]) -> PassResult:
    """Write the differences. `unread`: kinds that could not be read, with the missing rights. Raises ClusterError."""
    connection = _connect(kubeconfig)
    try:
        made = ReportPass(ReportStore(connection), name_rule=name_rule, now=int(time.time()), pause=time.sleep)
        result = made.write(findings, unread_kinds=unread.keys())
    finally:
        connection.close()
    result.notes += unread.values()
    return result


def show(result: PassResult, output: str) -> int:
    """Print what was written, and return the exit code."""
    if output == "json":
        click.echo(render_result(result))
    else:
        click.echo(f"reports of {result.api}: {result.line()}")
        for note in result.notes:
            click.echo(f"nadmit: {note}", err=True)
    return EXIT_REFUSED if result.refused else EXIT_WRITTEN


def _connect(kubeconfig: Path | None) -> Connection:
    connection = Connection(kubeconfig, environ=os.environ)
    connection.open()
    return connection
