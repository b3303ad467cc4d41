"""The group `nadmit webhooks`. It imports none of its commands, so its help is quick."""

from __future__ import annotations

import click

from webhook.commands.commandgroup import CommandGroup, Entry

COMMANDS = {
    "show": Entry("webhook.commands.webhooks.show", "show", "Print the webhook configurations as YAML."),
    "status": Entry("webhook.commands.webhooks.status", "status", "Compare what is registered with the table."),
    "stage": Entry("webhook.commands.webhooks.stage", "stage", "Choose whether the webhooks refuse."),
    "would-refuse": Entry(
        "webhook.commands.webhooks.wouldrefuse",
        "would_refuse",
        "List what stage Observe admits and Ignore would refuse.",
    ),
}


@click.group(cls=CommandGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def webhooks() -> None:
    """Register the webhooks, and choose whether they refuse, and what happens while no replica answers.

    `nadmit serve --webhook-configuration NAME` registers them by itself. `show` is for registration by manifest.

    \b
    Examples:
      nadmit webhooks status                    list the registered webhooks, and what differs
      nadmit webhooks would-refuse              list what would be refused after stage Observe
      nadmit webhooks stage Ignore              begin to refuse
      nadmit webhooks stage Fail                refuse what cannot be judged, after a proof that the webhook answers
      nadmit webhooks show --ca-file ca.crt | kubectl apply -f -
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
