"""`nadmit map`: segments, the networks on them, and the workloads that are attached, as a tree or a picture."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from webhook.commands import objectfiles
from webhook.commands.options import Command, add_options, namespace_option, network_namespace_option, paint
from webhook.commands.who import graphsource
from webhook.report.plaintext import fact_lines
from webhook.report.topology import mapsvg, maptext
from webhook.report.topology.outline import outline

EXIT_NETWORKS, EXIT_NONE = 0, 1
FORMS = ("text", "json", "html", "svg", "dot", "mermaid")

_OPTIONS = (
    namespace_option("Only the networks of this namespace and those that its pods have. Only its pods are read."),
    *objectfiles.source_options(", with pods and networks", "networks and pods"),
    click.option(
        "-o",
        "--output",
        type=click.Choice(FORMS),
        default="text",
        show_default=True,
        help="json: one object; docs/map.schema.json is its schema. html: one file, the page of nadmit ui, which opens "
        "anywhere. svg: a picture. dot: for Graphviz. mermaid: for Markdown pages.",
    ),
)


def _options(command: Command) -> Command:
    return add_options(command, _OPTIONS)


@click.command("map", short_help="Show which workloads are on which networks and segments.")
@_options
@network_namespace_option
def network_map(*, output: str, **options: Any) -> None:
    """Show which workloads are attached to which networks, and which networks share a segment.

    A segment is what shares layer 2: a bridge or a parent interface with its VLAN, a pool of devices, an OVN network.
    Pods are attached if their network-status says so, and they are counted by workload. A workload "asks for it" if no
    pod of it has the network yet. The default network of the cluster is left out.

    It needs the right to list pods, in all namespaces or with -n in one. Each other right that is missing is named in
    a line "unread".

    \b
    Examples:
      nadmit map
      nadmit map -n blue
      nadmit map -o html > networks.html
      nadmit map -o svg > networks.svg
      nadmit map -o dot | dot -Tpng > networks.png
      nadmit map -o mermaid
      kubectl get pods,net-attach-def -A -o yaml | nadmit map -f -

    \b
    Exit codes:
      0  there are networks
      1  there is none
      2  pods cannot be read, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    topology, unread, notes = graphsource.read(options, has_claims=False)
    found = outline(topology, options["namespace"] or "")
    remarks = [*(("note", note) for note in notes), *(("unread", right) for right in unread.values())]
    if output == "json":
        click.echo(maptext.render_json(found, notes, list(unread.values())))
    else:
        render = _PICTURES.get(output)
        if output == "html":
            render = partial(_render_page, notes=notes, unread=list(unread.values()))
        if render is not None:
            click.echo(render(found))
        elif found:
            click.echo(maptext.render_tree(found, paint))
        else:
            click.echo("there are no networks")
        for head, text in remarks:  # NB: a picture must stay one that can be drawn
            click.echo("\n".join(fact_lines(head, text)), err=render is not None)
    sys.exit(EXIT_NETWORKS if found else EXIT_NONE)


_PICTURES = {"svg": mapsvg.render, "dot": maptext.render_dot, "mermaid": maptext.render_mermaid}


def _render_page(found: maptext.Outline, *, notes: Sequence[str], unread: Sequence[str]) -> str:
    from webhook.commands.ui import singlefile  # noqa: PLC0415 - only this form reads the files of the page

    return singlefile.render(maptext.to_json(found, notes, unread))
