"""`nadmit webhooks stage`: whether the webhooks refuse, and what happens while no replica answers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from webhook.commands.options import EXIT_REFUSED
from webhook.kube.apierrors import ConflictError
from webhook.registration.configurations import (
    FAIL,
    OBSERVE,
    STAGES,
    Webhook,
    is_ours,
    policy_of,
    registered_stage,
    webhooks_of,
)
from webhook.registration.tables import Kind

from .registrationoptions import cluster_options, opened, present_of
from .wouldrefuse import list_options, summary_of_options

if TYPE_CHECKING:
    from webhook.registration.registered import RegisteredWebhooks

TRIES = 5
"""Tries of one object that other writers change meanwhile."""


@click.command(short_help="Choose whether the webhooks refuse, and what happens while no replica answers.")
@click.argument("stage", metavar="|".join(STAGES), type=click.Choice(STAGES))
@cluster_options
@list_options
@click.option("--force", is_flag=True, help="Set Fail even if the checks say no.")
def stage(*, stage: str, force: bool, **options: Any) -> None:
    """Choose what happens to an object that breaks a rule, and while the webhook is unreachable.

    \b
    Observe  everything is judged, nothing is refused; a new installation begins so
    Ignore   refuse; while the webhook is unreachable, allow everything
    Fail     refuse; while the webhook is unreachable, refuse what must be judged

    Fail applies to pods with networks, bindings, NetworkAttachmentDefinitions and access policies, never to pods
    without networks, to workloads or to deletions. The annotation nadmit.io/failure-policy of both configurations keeps
    the stage; replicas follow it. A change is in force as soon as the API server knows it, within a second or two, for
    all replicas.

    Before it leaves Observe, this command prints how much would have been refused, from the list of `nadmit webhooks
    would-refuse`. Before it sets Fail, it checks that the stage is Ignore, that all webhooks are registered with an
    authority, and that the API server reaches one: a dry run of creating a NetworkAttachmentDefinition in namespace
    default must be refused. The account needs get and patch on the configurations, and create on
    NetworkAttachmentDefinitions there.

    \b
    Exit codes:
      0  the stage is set
      1  refused: the checks before Fail say no
      2  an option is wrong, or the API server gives no answer
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    with opened(options) as registered:
        present = present_of(registered)
        if stage == FAIL and not force:
            _refuse_unless_sound(registered, present)
        hooks = [hook for seen in present.values() for hook in webhooks_of(seen)]
        if stage != OBSERVE and registered_stage(hooks) == OBSERVE:
            click.echo(summary_of_options(registered.connection, options))
        before = [hook for kind in present for hook in _set(registered, kind, stage)]
    count = sum(map(is_ours, before))
    click.echo(
        f"{registered.name}: stage {stage}, failurePolicy {policy_of(stage)}, for {count} webhooks "
        f"(was {registered_stage(before)})"
    )


def _refuse_unless_sound(registered: RegisteredWebhooks, present: Mapping[Kind, dict[str, Any]]) -> None:
    from webhook.registration.registered import reasons_not_to_fail  # noqa: PLC0415 - as in `opened`

    reasons = reasons_not_to_fail(registered, present)
    for reason in reasons:
        click.echo(f"nadmit: not staged: {reason}", err=True)
    if reasons:
        sys.exit(EXIT_REFUSED)


def _set(registered: RegisteredWebhooks, kind: Kind, stage: str) -> list[Webhook]:
    """Set the stage of one configuration, and return its webhooks as they were."""
    for remaining in reversed(range(TRIES)):
        try:
            before = registered.get(kind)
            registered.put_stage(kind, before, stage)
        except ConflictError:
            if not remaining:
                raise
        else:
            break
    return webhooks_of(before)
