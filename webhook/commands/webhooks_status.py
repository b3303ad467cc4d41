"""`nadmit webhooks status`: what is registered, next to what should be."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from webhook.registration import comparison, conditions
from webhook.registration.configurations import VALIDATING, Target, Webhook, is_ours, webhooks

from .options import EXIT_REFUSED, paint
from .registering import cluster_options, opened, target_of_options, target_options
from .webhooks_show import DEFAULT_SERVICE

HEADER = ("WEBHOOK", "FAILURE POLICY", "CA BUNDLE UNTIL", "DIFFERS IN")


@click.command(short_help="Compare what is registered with the table.")
@target_options
@cluster_options
def status(**options: Any) -> None:
    """List the registered webhooks: failurePolicy, when the authorities end, and what differs from what should be.

    Without --service and --url, the address that is registered is taken for the right one, and so are the status
    writers without --status-writer. Several authorities are a rotation that is under way.

    \b
    Exit codes:
      0  all as it should be
      1  something differs
      2  an option is wrong, or the cluster cannot be asked
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    with opened(options) as api:
        found = api.get()
    present = comparison.webhooks_of(found)
    stage = comparison.stage_of(found)
    desired = _desired(present, target_of_options(options), options["status_writers"], stage.failure_policy)
    differing = comparison.differences(present, desired)
    for line in _table(_rows(present, differing)):
        click.echo(line)
    if stage.problem:
        click.echo(f"{paint('warning:', 'warning')} {stage.problem}", err=True)
    sys.exit(EXIT_REFUSED if differing or stage.problem else 0)


def _desired(
    present: Sequence[Webhook], target: Target | None, status_writers: Sequence[str], failure_policy: str
) -> list[Webhook]:
    registered = [condition for hook in present for condition in hook.get("matchConditions") or ()]
    return webhooks(
        target or comparison.target_of(present) or DEFAULT_SERVICE,
        ca_bundle=None,
        failure_policy=failure_policy,
        status_writers=status_writers or conditions.writers_of(registered),
    )


def _rows(present: Sequence[Webhook], differing: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    by_name = {hook["name"]: hook for hook in present}
    ours = [hook.name for hook in VALIDATING]
    more = [hook["name"] for hook in present if hook["name"] not in ours]
    return [
        (
            name,
            by_name[name].get("failurePolicy", "") if name in by_name else "-",
            _ends(by_name[name]) if name in by_name else "-",
            ", ".join(differing.get(name, ())) if name in ours or is_ours(by_name[name]) else "(foreign)",
        )
        for name in (*ours, *more)
    ]


def _ends(hook: Webhook) -> str:
    from webhook.registration.authority import ends_of  # noqa: PLC0415 - cryptography costs 100 ms

    bundle = comparison.bundle_of(hook)
    if not bundle:
        return "none"
    return " ".join(f"{end:%Y-%m-%d}" for end in ends_of(bundle)) or "unreadable"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in (HEADER, *rows)) for column in range(len(HEADER))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (HEADER, *rows)
    ]
