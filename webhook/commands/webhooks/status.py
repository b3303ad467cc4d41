"""`nadmit webhooks status`: the registered webhooks, compared with the table."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from webhook.commands.options import EXIT_REFUSED, paint
from webhook.registration import configurations
from webhook.registration.conditions import StatusProtection
from webhook.registration.configurations import (
    FAIL,
    IGNORE,
    OBSERVE,
    Webhook,
    is_observing,
    is_ours,
    token_of,
)
from webhook.registration.pathmigration import PROBES
from webhook.registration.registered import deviations, target_registered
from webhook.registration.tables import KINDS, OBSERVING, Kind
from webhook.report.plaintext import columns

from .registrationoptions import (
    cluster_options,
    opened,
    present_of,
    protection_of_options,
    target_of_options,
    target_options,
)
from .show import DEFAULT_SERVICE

MEANINGS = {
    OBSERVE: "everything is judged, nothing is refused; see nadmit webhooks would-refuse",
    IGNORE: "while no replica answers, everything is allowed",
    FAIL: "while no replica answers, what must be judged is refused",
}
"""What each stage means, in a line."""

HEADER = ("WEBHOOK", "FAILURE POLICY", "PATH", "CA BUNDLE UNTIL", "DIFFERS IN")


@click.command(short_help="Compare what is registered with the table.")
@target_options
@cluster_options
def status(**options: Any) -> None:
    """List the registered webhooks: failurePolicy, path, when the authorities expire, and the fields that differ.

    Without --service and --url the registered address counts as the right one. Without an option about network-status
    the registered conditions count as right. A path that ends in ... has a token, which is not shown. Several
    authorities mean that a rotation is running.

    \b
    Exit codes:
      0  all is as it should be
      1  something differs
      2  an option is wrong, or the API server gives no answer
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    with opened(options) as registered:
        objects = present_of(registered)
    present = {kind: configurations.webhooks_of(objects.get(kind, {})) for kind in KINDS}
    target = target_of_options(options) or target_registered(objects) or DEFAULT_SERVICE
    given = protection_of_options(options)
    stages = {kind: configurations.stage_of(value) for kind, value in objects.items()}
    found = deviations(objects, target, None if given == StatusProtection() else given)
    rows = [row for kind, hooks in present.items() for row in _rows(kind, hooks, found[kind])]
    differing = {name: fields for kind in found for name, fields in found[kind].items()}
    for line in columns([HEADER, *rows]):
        click.echo(line)
    for line in _explained(stages):
        click.echo(line)
    problems = [f"{kind.name}: {stage.problem}" for kind, stage in stages.items() if stage.problem]
    problems += _uneven(stages)
    for problem in problems:
        click.echo(f"{paint('warning:', 'warning')} {problem}", err=True)
    sys.exit(EXIT_REFUSED if differing or problems else 0)


def _explained(stages: Mapping[Kind, configurations.Stage]) -> list[str]:
    """Return a line for each stage that the configurations are in, mostly one."""
    names = dict.fromkeys(stage.name for stage in stages.values())
    return [f"stage {name}: {MEANINGS[name]}" for name in names]


def _uneven(stages: Mapping[Kind, configurations.Stage]) -> list[str]:
    if len({stage.name for stage in stages.values()}) <= 1:
        return []
    listed = ", ".join(f"{kind.name} {stage.name}" for kind, stage in stages.items())
    return [f"the configurations have different stages: {listed}; run nadmit webhooks stage again"]


def _rows(kind: Kind, present: Sequence[Webhook], differing: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    by_name = {hook["name"]: hook for hook in present}
    ours = [hook.name for hook in kind.hooks]
    more = [hook["name"] for hook in present if hook["name"] not in ours]
    return [
        (
            name,
            by_name[name].get("failurePolicy", "") if name in by_name else "-",
            _path(kind, by_name[name]) if name in by_name else "-",
            _ends(by_name[name]) if name in by_name else "-",
            _difference(name, differing) if name in ours or is_ours(by_name[name]) else "(foreign)",
        )
        for name in (*ours, *more)
    ]


def _path(kind: Kind, hook: Webhook) -> str:
    """Return the path without its token, which only the API server needs."""
    if not is_ours(hook):
        return ""
    path = kind.path + (OBSERVING if is_observing(hook) else "")
    return f"{path}/..." if token_of(hook) else path


def _difference(name: str, differing: Mapping[str, Sequence[str]]) -> str:
    if name in PROBES:
        return "(waits until all replicas accept the new paths)"
    return ", ".join(differing.get(name, ()))


def _ends(hook: Webhook) -> str:
    from webhook.registration.cafile import ends_of  # noqa: PLC0415 - cryptography costs 100 ms

    bundle = configurations.bundle_of(hook)
    if not bundle:
        return "none"
    return " ".join(f"{end:%Y-%m-%d}" for end in ends_of(bundle)) or "unreadable"
