"""`nadmit rules`: what pods of a namespace may attach to, and why."""

from __future__ import annotations

from typing import Any

import click

from webhook.admission.view.permissions import list_permissions
from webhook.report import permissionreport

from .asking import asking_options, load_cluster, subject_of
from .options import attachment_rules_options, paint, rules_in_force


@click.command("rules", short_help="List what pods of a namespace may attach to, and why.")
@asking_options
@click.option("--all", "shows_all", is_flag=True, help="List the networks too that they may not attach to.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one object with everything, the networks that are refused included.",
)
@attachment_rules_options
def rules(*, shows_all: bool, output: str, **options: Any) -> None:
    """List the networks that pods of a namespace may attach to: who decides, and what they may ask for there.

    Below stand the Deny rules about such pods, the policies on trial (mode Warn or Audit), the rules about pods of the
    namespace that have other labels or another service account, and the posture, which decides where no rule does:
    --posture, --global-namespaces and --contact hold only where there is no NetworkAttachmentPolicyConfig.

    A network with several Allow rules has a line for each: one of them must accept everything that a pod asks for.
    Policies that cannot be read are told on standard error.

    \b
    Examples:
      nadmit rules -n blue --cluster
      nadmit rules -n blue -l app=router --service-account web --all --manifests cluster/
      nadmit rules -n blue -o json --manifests cluster/

    \b
    Exit codes:
      0  listed
      2  an option is wrong, or the cluster or a file cannot be read
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    cluster = load_cluster(options)
    found = list_permissions(subject_of(options, cluster), cluster, rules_in_force(options, cluster))
    is_configured = cluster.policies.config is not None
    if output == "json":
        click.echo(permissionreport.list_json(found, is_configured=is_configured))
    else:
        click.echo(permissionreport.list_text(found, paint, shows_all=shows_all, is_configured=is_configured))
