"""`nadmit who`: who has an address, a MAC or a device, and which addresses of a network are free."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cniplugin.netspec.names import nearest
from webhook.commands import objectfiles
from webhook.commands.options import (
    Command,
    add_options,
    config_option,
    configuration_of,
    fail,
    namespace_option,
    network_namespace_option,
    output_option,
    paint,
    plugin_checks_of,
)
from webhook.report.topology import answertext, freeaddresses, lookup
from webhook.report.topology.graph import Topology

from . import graphsource

if TYPE_CHECKING:
    from webhook.admission.plugins.schema import PluginChecks

EXIT_FOUND, EXIT_NOBODY = 0, 1
DEFINITIONS = "NetworkAttachmentDefinition"

_OPTIONS = (
    click.option(
        "--free",
        "free",
        metavar="NAMESPACE/NAME",
        help="Instead of TARGET: which addresses of this network no pod has, keeps or asks for.",
    ),
    namespace_option(
        "Read the pods of this namespace only, if you may not list those of all. Default: all namespaces."
    ),
    *objectfiles.source_options(", with pods and networks", "networks and workloads"),
)


def _options(command: Command) -> Command:
    return add_options(command, _OPTIONS)


@click.command("who", short_help="Say who has an address, a MAC or a device, and what is free.")
@click.argument("target", metavar="[TARGET]", required=False)
@_options
@output_option("json: one object; docs/who.schema.json is its schema.")
@config_option
@network_namespace_option
def who(*, target: str | None, output: str, **options: Any) -> None:
    """Say who has TARGET, where and since when, and what asks for it.

    TARGET is an IP address, a MAC address, or a device: its PCI address, a path, or the name of an interface or a
    device of a node. Pods have what their network-status says, and the addresses of their own status. Pods, templates
    of workloads and configurations of networks ask for what they name. If two pods have one address on one segment (a
    bridge, a parent interface with its VLAN, a pool of devices), a note says so.

    --free lists the addresses that IPAM host-local or whereabouts of a network hands out and that no pod on its
    segment has or asks for.

    It needs the right to list pods, in all namespaces or with -n in one. Each other right that is missing is named in
    a line "unread", and the answer follows from the rest.

    \b
    Examples:
      nadmit who 10.1.0.5
      nadmit who 02:00:00:00:00:0a
      nadmit who 0000:18:02.5                 which pod of which node has this virtual function
      nadmit who eth1                         which networks use this interface of the nodes
      nadmit who --free blue/lan              free addresses of a network
      nadmit who 10.1.0.5 -o json
      kubectl get pods,net-attach-def -A -o yaml | nadmit who 10.1.0.5 -f -

    \b
    Exit codes:
      0  somebody has it or asks for it; --free: an address is free
      1  nobody does; --free: no address is free
      2  pods cannot be read, the network does not exist or its addresses are not known, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    if (target is None) == (options["free"] is None):
        raise click.UsageError("Give TARGET, or --free NAMESPACE/NAME; nadmit who --help has examples.")
    if target is None:
        _show_free(options["free"], options, as_json=output == "json")
    else:
        _show_holders(target, options, as_json=output == "json")


def _show_holders(target: str, options: dict[str, Any], *, as_json: bool) -> NoReturn:
    asked = _parse(target)
    checks = _checks(options)
    topology, unread, notes = graphsource.read(options, has_claims=True)
    answer = lookup.find(asked, topology, checks)
    answer = answer._replace(notes=(*answer.notes, *notes), unread=tuple(unread.values()))
    click.echo(answertext.render_json(answer) if as_json else answertext.render_text(answer, paint))
    sys.exit(EXIT_FOUND if answer.is_found else EXIT_NOBODY)


def _show_free(reference: str, options: dict[str, Any], *, as_json: bool) -> NoReturn:
    _check_reference(reference)
    checks = _checks(options)
    topology, unread, notes = graphsource.read(options, has_claims=True)
    if reference not in topology.networks:
        fail(_not_found(reference, topology, unread))
    free = freeaddresses.find_free(reference, topology, checks)
    if isinstance(free, str):
        fail(f"{reference}: its addresses are not known: {free}")
    free = free._replace(notes=(*free.notes, *notes), unread=tuple(unread.values()))
    click.echo(answertext.render_free_json(free) if as_json else answertext.render_free_text(free, paint))
    sys.exit(EXIT_FOUND if free.size else EXIT_NOBODY)


def _checks(options: dict[str, Any]) -> PluginChecks:
    return plugin_checks_of(configuration_of(options["config"], options["plugin_schemas"], options["attached_by"]))


def _parse(target: str) -> lookup.Asked:
    asked = lookup.parse(target)
    if asked is None:
        raise click.BadParameter(
            f"{target!r} is neither an address nor a device; allowed: {lookup.ALLOWED}", param_hint="TARGET"
        )
    return asked


def _check_reference(reference: str) -> None:
    namespace, _, name = reference.partition("/")
    if not namespace or not name or "/" in name:
        raise click.BadParameter(f"{reference!r} is not a network; allowed: NAMESPACE/NAME", param_hint="--free")


def _not_found(reference: str, topology: Topology, unread: dict[str, str]) -> str:
    """Say that a network does not exist or cannot be read, and which one may be meant."""
    if DEFINITIONS in unread:
        return unread[DEFINITIONS]
    namespace, _, name = reference.partition("/")
    what = f'there is no {DEFINITIONS} "{name}" in namespace "{namespace}"'
    places = sorted(other for other in topology.networks if other.endswith(f"/{name}"))
    own = {other.partition("/")[2] for other in topology.networks if other.startswith(f"{namespace}/")}
    near = nearest(name, sorted(own))
    meant = f"{namespace}/{near}" if near else " or ".join(places[:3])
    return f"{what}; did you mean {meant}?" if meant else f"{what}; kubectl get net-attach-def -A lists them"
