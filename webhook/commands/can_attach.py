"""`nadmit can-attach`: may pods of a namespace attach to a network, and who decides."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from cniplugin.netspec import annotation, jsontext
from cniplugin.netspec.errors import SpecError, SpecErrors, describe
from cniplugin.netspec.selection import NetworkSelectionElement, to_json
from webhook.admission.view.permissions import answer
from webhook.report import permissionreport

from .asking import asking_options, load_cluster, subject_of
from .options import EXIT_REFUSED, attachment_rules_options, network_namespace_option, paint, rules_in_force

REQUESTS = {"ips": "--ips", "mac": "--mac", "interface": "--interface", "default-route": "--default-route"}
"""Keys of the annotation that are options."""


@click.command("can-attach", short_help="Say whether pods may attach to a network, and who decides.")
@click.argument("network", metavar="NETWORK")
@click.option("--ips", metavar="A[,B...]", help="Addresses that the pod asks for.")
@click.option("--mac", metavar="M", help="MAC address that it asks for.")
@click.option("--interface", metavar="NAME", help="Name of the interface that it asks for.")
@click.option("--default-route", metavar="GW[,GW...]", help="Gateways of the default route that it asks for.")
@click.option(
    "--default-network",
    is_flag=True,
    help="Ask for NETWORK in place of the cluster's default network (annotation v1.multus-cni.io/default-network).",
)
@asking_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one object with everything that text says.",
)
@attachment_rules_options
@network_namespace_option
def can_attach(
    *,
    network: str,
    default_network: bool,
    output: str,
    network_namespace: str,
    **options: Any,
) -> None:
    """Say whether pods of a namespace may attach to NETWORK, and which rule or posture decides.

    NETWORK is NAME or NAMESPACE/NAME, with @INTERFACE if you like, or one element of the networks annotation in JSON.
    A NAME alone is looked up in the namespace of the pod. The answer is that of the webhook and of the nodes: the
    access policies decide, and --posture, --global-namespaces and --contact hold only where there is no
    NetworkAttachmentPolicyConfig.

    What policies on trial (mode Warn or Audit) would refuse is told in a line each, and so is what keeps the network
    from being attached whoever may. Policies that cannot be read are told on standard error.

    \b
    Examples:
      nadmit can-attach -n blue infra/storage --cluster
      nadmit can-attach -n blue -l app=router green/shared --manifests cluster/
      nadmit can-attach -n blue infra/storage --ips 10.1.4.7/16 -o json --manifests cluster/
      nadmit can-attach -n blue '[{"name": "lan", "bandwidth": {"ingressRate": 1000}}]' --cluster

    \b
    Exit codes:
      0  yes
      1  no
      2  NETWORK or an option is wrong, or the cluster or a file cannot be read
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    asked = {key: options.pop(key.replace("-", "_")) for key in REQUESTS}
    where = network_namespace if default_network else options["namespace"]
    element = _read_element(network, asked, namespace=where, is_default=default_network)
    cluster = load_cluster(options)
    rules = rules_in_force(options, cluster)
    found = answer(subject_of(options, cluster), element, cluster, rules, default=default_network)
    click.echo(permissionreport.answer_json(found) if output == "json" else permissionreport.answer_text(found, paint))
    sys.exit(0 if found.permission.verdict.is_allowed else EXIT_REFUSED)


def _read_element(
    network: str, asked: Mapping[str, str | None], *, namespace: str, is_default: bool
) -> NetworkSelectionElement:
    """Return what is asked for; the annotation's own grammar reads it, first NETWORK alone, then with the options."""
    (element,) = _parse(network, namespace=namespace, is_default=is_default)
    written = to_json(element)
    for key, text in asked.items():
        if text is not None:
            if key in written:
                raise click.UsageError(f"NETWORK says {key} already; leave out {REQUESTS[key]}.")
            parts = [part.strip() for part in text.split(",")]
            written[key] = parts if key in ("ips", "default-route") else text
    (element,) = _parse(jsontext.quote([written]), namespace=namespace, is_default=is_default)
    return element


def _parse(text: str, *, namespace: str, is_default: bool) -> tuple[NetworkSelectionElement, ...]:
    try:
        if is_default:
            chosen = annotation.parse_default_network(text, namespace=namespace)
            elements: tuple[NetworkSelectionElement, ...] = (chosen,) if chosen else ()
        else:
            elements = annotation.parse(text, namespace=namespace)
    except SpecErrors as errors:
        _fail(next(iter(errors)))
    if len(elements) != 1:
        count = f"{len(elements)} networks are named" if elements else "no network is named"
        raise click.BadParameter(f"{count}; ask about one at a time", param_hint="NETWORK")
    return elements


def _fail(error: SpecError) -> NoReturn:
    """End the command with the first thing that is wrong, under the option that it is about."""
    key = error.path.partition("].")[2].partition("[")[0]
    raise click.BadParameter(describe(error), param_hint=REQUESTS.get(key, "NETWORK"))
