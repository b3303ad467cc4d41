"""`nadmit webhooks would-refuse`: what stage Observe has admitted and the next stage would refuse."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cniplugin.netspec.names import ALLOWED_SUBDOMAIN, is_subdomain
from webhook.commands.options import add_options, name_check, output_option
from webhook.kube.apierrors import ClusterError
from webhook.kube.ownnamespace import DEFAULT
from webhook.report.plaintext import columns, counted

from .registrationoptions import connected, kubeconfig_option

if TYPE_CHECKING:
    from webhook.kube.connection import Connection
    from webhook.observing.tally import Table

Command = TypeVar("Command", bound=Callable[..., Any])

HEADER = ("RULE", "NAMESPACE", "COUNT", "LAST", "LAST OBJECT", "WHERE")

_LIST_OPTIONS = (
    click.option(
        "--system-namespace",
        metavar="NAME",
        default=DEFAULT,
        show_default=True,
        callback=name_check("a namespace"),
        help="Namespace of nadmit's own objects.",
    ),
    click.option(
        "--would-refuse-map",
        metavar="NAME",
        default="nadmit-would-refuse",
        show_default=True,
        callback=name_check("a ConfigMap", is_subdomain, ALLOWED_SUBDOMAIN),
        help="The ConfigMap with the list, as in `nadmit serve`.",
    ),
)


def list_options(command: Command) -> Command:
    """Add the options that name the list."""
    return add_options(command, _LIST_OPTIONS)


@click.command("would-refuse", short_help="List what stage Observe admits and Ignore would refuse.")
@click.option(
    "-n", "--namespace", metavar="NAME", callback=name_check("a namespace"), help="Only objects of this namespace."
)
@output_option("json: one object with all rows.")
@list_options
@kubeconfig_option
def would_refuse(*, namespace: str | None, output: str, **options: Any) -> None:
    """List what would have been refused while the stage was Observe, by rule and namespace.

    All replicas add to one list, every half minute. A row has how often the rule would have refused, when it last did,
    and the last object with the field of its first problem. Dry runs do not count. The list has at most 500 rows and no
    texts of refusals: `nadmit check --cluster` prints them for what exists, `nadmit explain RULE` says what a rule is
    about. To begin anew, empty the ConfigMap. The account needs get on the ConfigMap.

    \b
    Exit codes:
      0  listed
      2  an option is wrong, or the API server gives no answer
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    from webhook.observing import tally  # noqa: PLC0415 - msgspec, which help does not pay

    with connected(options["kubeconfig"]) as connection:
        table = tally.select(load_table(connection, options), namespace)
    click.echo(_to_json(table) if output == "json" else "\n".join([*_lines(table), describe(table)]))


def load_table(connection: Connection, options: Mapping[str, Any]) -> Table:
    """Return the list that the options name; empty if nothing was observed. Raises ClusterError."""
    from webhook.kube.singleobjects import KubeConfigMap  # noqa: PLC0415 - as in `connected`
    from webhook.observing.keeper import table_of  # noqa: PLC0415

    config_map = KubeConfigMap(connection, options["system_namespace"], options["would_refuse_map"])
    seen = config_map.read()
    if seen is None:
        fix = "apply the manifests, or name another with --would-refuse-map"
        raise ClusterError(f"there is no {config_map.where}; {fix}")
    try:
        return table_of(seen)
    except ValueError as error:
        raise ClusterError(f"{config_map.where}: not a list of nadmit: {error}; empty it") from None


def summary_of_options(connection: Connection, options: Mapping[str, Any]) -> str:
    """Return in one line how much would have been refused; if the list cannot be read, why."""
    try:
        return describe(load_table(connection, options))
    except ClusterError as error:
        return f"how much would have been refused is not known: {error}"


def describe(table: Table) -> str:
    """Return the list in one line."""
    if not table.rows:
        return "nothing would have been refused"
    rules, namespaces = ({key[at] for key in table.rows} for at in (0, 1))
    count = sum(row.refusals for row in table.rows.values())
    dropped = f"; {table.dropped} more of rows that were dropped" if table.dropped else ""
    return (
        f"{counted(count, 'refusal')} would have been made since {_short(table.since)}, by "
        f"{counted(len(rules), 'rule')} in {counted(len(namespaces), 'namespace')}{dropped}"
    )


def _lines(table: Table) -> list[str]:
    """Return the rows as columns: the rule with most refusals first, and so within each rule."""
    totals: Counter[str] = Counter()
    for (rule, _), row in table.rows.items():
        totals[rule] += row.refusals
    ordered = sorted(table.rows.items(), key=lambda one: (-totals[one[0][0]], one[0][0], -one[1].refusals, one[0][1]))
    cells = [
        (rule, namespace or "-", str(row.refusals), _short(row.last), f"{row.kind} {row.name}", row.field)
        for (rule, namespace), row in ordered
    ]
    return columns([HEADER, *cells]) if cells else []


def _short(moment: str) -> str:
    """Return a time without the parts of a second."""
    return f"{moment.partition('.')[0]}Z" if "." in moment else moment


def _to_json(table: Table) -> str:
    rows = [
        {
            "rule": rule,
            "namespace": namespace,
            "count": row.refusals,
            "first": row.first,
            "last": row.last,
            "kind": row.kind,
            "name": row.name,
            "field": row.field,
        }
        for (rule, namespace), row in sorted(table.rows.items())
    ]
    return json.dumps({"since": table.since, "dropped": table.dropped, "rows": rows}, indent=2, ensure_ascii=False)
