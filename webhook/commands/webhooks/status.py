"""`nadmit webhooks status`: the registered webhooks, compared with the table."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from webhook.commands.options import EXIT_REFUSED, paint
from webhook.registration import conditions, configurations
from webhook.registration.conditions import StatusProtection
from webhook.registration.configurations import (
    FAIL,
    IGNORE,
    OBSERVE,
    Target,
    Webhook,
    is_observing,
    is_ours,
    token_of,
    webhooks,
)
from webhook.registration.pathmigration import PROBES
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
    target = target_of_options(options) or _target_of(present)
    stages = {kind: configurations.stage_of(value) for kind, value in objects.items()}
    protection = _protection_of(options, present)
    labels = conditions.label_protection_of(_conditions(present))
    rows: list[tuple[str, ...]] = []
    differing: dict[str, list[str]] = {}
    for kind, hooks in present.items():
        stage = stages[kind].name if kind in stages else IGNORE
        desired = webhooks(
            kind,
            target,
            ca_bundle=None,
            stage=stage,
            protection=protection,
            labels=labels,
            own_kinds=configurations.own_kinds_of(hooks),
            token=next((token_of(hook) for hook in hooks if is_ours(hook)), ""),
        )
        differences = configurations.differences([hook for hook in hooks if hook["name"] not in PROBES], desired)
        rows += _rows(kind, hooks, differences)
        differing |= differences
    for line in columns([HEADER, *rows]):
        click.echo(line)
    for line in _explained(stages):
        click.echo(line)
    problems = [f"{kind.name}: {stage.problem}" for kind, stage in stages.items() if stage.problem]
    problems += _uneven(stages)
    for problem in problems:
        click.echo(f"{paint('warning:', 'warning')} {problem}", err=True)
    sys.exit(EXIT_REFUSED if differing or problems else 0)


def _target_of(present: Mapping[Kind, Sequence[Webhook]]) -> Target:
    """Return the target of the validating webhooks, or else of the others. All should have the same."""
    return configurations.target_of([hook for kind in reversed(KINDS) for hook in present[kind]]) or DEFAULT_SERVICE


def _protection_of(options: Mapping[str, Any], present: Mapping[Kind, Sequence[Webhook]]) -> StatusProtection:
    """Return the protection of network-status in the options; without any, the registered one."""
    given = protection_of_options(options)
    if given != StatusProtection():
        return given
    return conditions.protection_of(_conditions(present))


def _conditions(present: Mapping[Kind, Sequence[Webhook]]) -> list[conditions.Condition]:
    hooks = [hook for kind in present for hook in present[kind]]
    return [each for hook in hooks for each in hook.get("matchConditions") or ()]


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
