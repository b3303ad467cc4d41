"""The command line `nadmit`: the table of commands, and the options of all of them."""

from __future__ import annotations

import os

import click

from .commands.commandgroup import CommandGroup, Entry

COMMANDS = {
    "serve": Entry("webhook.commands.serve", "serve", "Answer AdmissionReviews over HTTPS."),
    "review": Entry("webhook.commands.review", "review", "Say what the webhook would answer to objects in files."),
    "check": Entry(
        "webhook.commands.check.checkcommand", "check", "Find the problems in a tree of YAML, with their lines."
    ),
    "test": Entry(
        "webhook.commands.policytests.testcommand", "policy_test", "Run the tests of access policies in a directory."
    ),
    "diff": Entry(
        "webhook.commands.accessdiff.diffcommand", "diff", "Say who gains and who loses access between two trees."
    ),
    "plan": Entry(
        "webhook.commands.planning.plancommand", "plan", "Say what a change would do to pods, before it is applied."
    ),
    "can-attach": Entry(
        "webhook.commands.permissions", "can_attach", "Say whether pods may attach to a network, and who decides."
    ),
    "rules": Entry("webhook.commands.permissions", "rules", "List what pods of a namespace may attach to, and why."),
    "why": Entry("webhook.commands.why.whycommand", "why", "Say why a pod, a workload or a network does not work."),
    "who": Entry(
        "webhook.commands.who.whocommand", "who", "Say who has an address, a MAC or a device, and what is free."
    ),
    "map": Entry(
        "webhook.commands.networkmap", "network_map", "Show which workloads are on which networks and segments."
    ),
    "scan": Entry(
        "webhook.commands.scanning.scancommand", "scan", "Find what is wrong with the networks of a cluster."
    ),
    "ui": Entry("webhook.commands.ui.uicommand", "ui", "Open a page that shows networks, who uses them and who may."),
    "explain": Entry("webhook.commands.explain", "explain", "Say what a code such as NAD101 means, and what to do."),
    "schema": Entry(
        "webhook.commands.editorschema", "schema", "Print a JSON Schema, with which your editor checks files."
    ),
    "webhooks": Entry("webhook.commands.webhooks.group", "webhooks", "Register the webhooks, and stage them."),
    "doctor": Entry(
        "webhook.commands.doctor.doctorcommand",
        "doctor",
        "Say what of an installation is missing or wrong, and the fix.",
    ),
    "certs": Entry("certs.cli", "certs", "Make and keep the certificates of the webhook."),
}


def _print_version(context: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value and not context.resilient_parsing:
        from .commands.options import installed_version, is_compiled  # noqa: PLC0415 - other commands import less

        click.echo(f"nadmit {installed_version()}{' (compiled)' if is_compiled() else ''}")
        context.exit()


@click.group(
    cls=CommandGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version, and whether it is compiled.",
)
@click.pass_context
def nadmit(context: click.Context) -> None:
    """Admission webhook for Kubernetes multi-networking.

    It refuses pods whose networks cannot be attached and NetworkAttachmentDefinitions that cannot work, and says why
    before anything runs. It judges files in the same way, without a cluster.

    \b
    Examples:
      nadmit check examples/cluster                        lint a tree of YAML
      nadmit review --manifests examples/cluster pod.yaml  the webhook's answer to one file
      nadmit can-attach -n blue infra/storage --cluster    may pods of "blue" attach to it, and who decides
      nadmit rules -n blue --cluster                       everything that pods of "blue" may attach to
      nadmit why -n blue web-0                             why a pod does not have its networks
      nadmit who 10.1.0.5                                  who has this address, and who asks for it
      nadmit map -n blue                                   which workloads are on which networks
      nadmit scan                                          what is wrong with the networks of the cluster
      nadmit ui                                            the same and more as a page in your browser
      nadmit test policies/                                tests of access policies
      nadmit diff --cluster policies/                      who gains and who loses access
      nadmit plan lan.yaml                                 what a change would do to pods
      nadmit explain NAD101                                what a code of a message means
      nadmit serve --manifests examples/cluster            the webhook itself, without a cluster
      nadmit doctor                                        what of an installation is missing, and the fix

    \b
    Exit codes: 0 fine, 1 refused or could not start, 2 unreadable input or a wrong option.
    Output has colours on terminals only, and never if NO_COLOR is set.
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    if os.environ.get("NO_COLOR"):  # no-color.org
        context.color = False
