"""`nadmit webhooks stage`: what happens while nobody answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from webhook.registration.comparison import policy_in_force, webhooks_of
from webhook.registration.configurations import FAIL, STAGED, STAGES

from .options import EXIT_REFUSED
from .registering import cluster_options, opened

if TYPE_CHECKING:
    from webhook.registration.api import Api

TRIES = 5
"""How often another writer of the object may come first."""


@click.command(short_help="Choose what happens while nobody answers.")
@click.argument("failure_policy", metavar="|".join(STAGES), type=click.Choice(STAGES))
@cluster_options
@click.option("--force", is_flag=True, help="Stage Fail although the checks say no.")
def stage(*, failure_policy: str, force: bool, **options: Any) -> None:
    """Choose what becomes of an object while the webhook cannot be reached: let it pass (Ignore), or refuse it (Fail).

    Begin with Ignore. Fail holds for pods with networks, bindings, NetworkAttachmentDefinitions and access policies,
    never for workloads or for deleting. The stage is kept in the annotation nadmit.io/failure-policy of the
    configuration; replicas follow it.

    Before Fail, this command makes sure that all webhooks are registered with an authority, and that the API server
    reaches one: a dry run of creating a NetworkAttachmentDefinition in namespace default, which must be refused. The
    account needs get and patch on the configuration, and create on NetworkAttachmentDefinitions there.

    \b
    Exit codes:
      0  the stage is set
      1  refused: the checks before Fail say no
      2  an option is wrong, or the cluster cannot be asked
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    with opened(options) as api:
        if failure_policy == FAIL and not force:
            _refuse_unless_sound(api)
        _set(api, failure_policy)


def _refuse_unless_sound(api: Api) -> None:
    from webhook.registration.staging import reasons_not_to_fail  # noqa: PLC0415 - as in `opened`

    reasons = reasons_not_to_fail(api, api.get())
    for reason in reasons:
        click.echo(f"nadmit: not staged: {reason}", err=True)
    if reasons:
        sys.exit(EXIT_REFUSED)


def _set(api: Api, failure_policy: str) -> None:
    from webhook.registration.api import ConflictError  # noqa: PLC0415 - as above

    for remaining in reversed(range(TRIES)):
        try:
            before = api.get()
            api.put_stage(before, failure_policy)
        except ConflictError:
            if not remaining:
                raise
        else:
            break
    was = policy_in_force(webhooks_of(before))
    count = sum(hook["name"] in STAGED for hook in webhooks_of(before))
    click.echo(f"{api.name}: failurePolicy {failure_policy} for {count} webhooks (was {was})")
