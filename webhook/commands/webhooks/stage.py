"""`nadmit webhooks stage`: what happens while no replica answers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from webhook.commands.options import EXIT_REFUSED
from webhook.kube.apierrors import ConflictError
from webhook.registration.configurations import FAIL, STAGES, Webhook, registered_policy, webhooks_of
from webhook.registration.tables import STAGED, Kind

from .registrationoptions import cluster_options, opened, present_of

if TYPE_CHECKING:
    from webhook.registration.registered import RegisteredWebhooks

TRIES = 5
"""Tries of one object that other writers change meanwhile."""


@click.command(short_help="Choose what happens while no replica answers.")
@click.argument("failure_policy", metavar="|".join(STAGES), type=click.Choice(STAGES))
@cluster_options
@click.option("--force", is_flag=True, help="Set Fail even if the checks say no.")
def stage(*, failure_policy: str, force: bool, **options: Any) -> None:
    """Choose what happens to an object while the webhook is unreachable: allow it (Ignore), or refuse it (Fail).

    Begin with Ignore. Fail applies to pods with networks, bindings, NetworkAttachmentDefinitions and access policies,
    never to pods without networks, to workloads or to deletions. The annotation nadmit.io/failure-policy of both
    configurations keeps the stage; replicas follow it.

    Before it sets Fail, this command checks that all webhooks are registered with an authority, and that the API server
    reaches one: a dry run of creating a NetworkAttachmentDefinition in namespace default must be refused. The account
    needs get and patch on the configurations, and create on NetworkAttachmentDefinitions there.

    \b
    Exit codes:
      0  the stage is set
      1  refused: the checks before Fail say no
      2  an option is wrong, or the API server gives no answer
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    with opened(options) as registered:
        present = present_of(registered)
        if failure_policy == FAIL and not force:
            _refuse_unless_sound(registered, present)
        before = [hook for kind in present for hook in _set(registered, kind, failure_policy)]
    count = sum(hook["name"] in STAGED for hook in before)
    click.echo(
        f"{registered.name}: failurePolicy {failure_policy} for {count} webhooks (was {registered_policy(before)})"
    )


def _refuse_unless_sound(registered: RegisteredWebhooks, present: Mapping[Kind, dict[str, Any]]) -> None:
    from webhook.registration.registered import reasons_not_to_fail  # noqa: PLC0415 - as in `opened`

    reasons = reasons_not_to_fail(registered, present)
    for reason in reasons:
        click.echo(f"nadmit: not staged: {reason}", err=True)
    if reasons:
        sys.exit(EXIT_REFUSED)


def _set(registered: RegisteredWebhooks, kind: Kind, failure_policy: str) -> list[Webhook]:
    """Set the stage of one configuration, and return its webhooks as they were."""
    for remaining in reversed(range(TRIES)):
        try:
            before = registered.get(kind)
            registered.put_stage(kind, before, failure_policy)
        except ConflictError:
            if not remaining:
                raise
        else:
            break
    return webhooks_of(before)
