"""`nadmit explain`: the meaning of a code, an example, and what to do; or what is known of a CNI plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from cniplugin.netspec.attachers import MULTUS
from cniplugin.netspec.errors import show
from cniplugin.netspec.names import nearest
from webhook.admission.plugins.schema import PluginChecks
from webhook.plugindata.pluginfiles import load_schemas
from webhook.report import explained, plugintypes
from webhook.report.titles import TITLES, codes_by_upper, meant_code

from .options import EXIT_UNREADABLE, configuration_of, paint, schemas_option


def _complete_code(_context: click.Context, _argument: click.Parameter, incomplete: str) -> list[CompletionItem]:
    meant = incomplete.upper()
    return [
        CompletionItem(code, help=TITLES.get(code))
        for upper, code in codes_by_upper().items()
        if upper.startswith(meant)
    ]


def _complete_type(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in sorted(load_schemas()) if name.startswith(incomplete)]


@click.command("explain", short_help="Explain a code such as NAD101, or a CNI plugin.")
@click.argument("codes", nargs=-1, metavar="[CODE...]", shell_complete=_complete_code)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    shell_complete=_complete_type,
    help="Explain a CNI plugin instead: its keys, and what is known of it; may be repeated.",
)
@click.option("--types", "list_types", is_flag=True, help="List the CNI plugins that are known.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: a list of code, title, severity, meaning, example, output, fix and outcomes; rules without a number "
    "have a page instead of severity and output. With --type or --types: a list of plugins.",
)
@schemas_option
def explain(
    *,
    codes: tuple[str, ...],
    types: tuple[str, ...],
    list_types: bool,
    output: str,
    config: Path | None,
    plugin_schemas: Path | None,
) -> None:
    """Explain CODEs: the cause, an example, what happens on the node, and what to do.

    Without a CODE, list all codes. An error refuses the object, a warning does not. docs/messages.md has the same on
    one page. A CODE is one of messages about CNI plugins, such as NAD101, whose example shows the output of kubectl; or
    any other rule that `nadmit check`, the log or metrics name, such as PostureIsolated.

    With --type, print what is known of a CNI plugin: its keys with types, limits and meaning, its IPAM, capabilities
    and CNI versions, and what it touches on the node. Plugins of --config and --plugin-schemas count; docs/plugins.md
    says how to read it.

    \b
    Examples:
      nadmit explain                 all codes, a line for each
      nadmit explain NAD101 NAD303
      nadmit explain PostureIsolated
      nadmit explain -o json         everything about all codes
      nadmit explain --types         all plugins, a line for each
      nadmit explain --type bridge
      nadmit explain --type my-plugin --plugin-schemas schemas/

    \b
    Exit codes:
      0  explained
      2  there is no such code or plugin, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    if codes and (types or list_types):
        raise click.UsageError("CODE and --type exclude each other; give one of them")
    if types or list_types:
        checks = configuration_of(config, plugin_schemas, MULTUS).plugins or PluginChecks(schemas={})
        click.echo(_explain_types(types, plugintypes.known_plugins(checks), output))
    else:
        click.echo(_explain_codes(codes, output))


def _explain_codes(codes: Sequence[str], output: str) -> str:
    unknown = [code for code in dict.fromkeys(codes) if code.upper() not in codes_by_upper()]
    _end_with([_no_such_code(code) for code in unknown])
    names = list(dict.fromkeys(codes_by_upper()[code.upper()] for code in codes))
    if output == "json":
        return explained.render_json(names or codes_by_upper().values())
    return explained.render_text(names, paint) if names else explained.render_list(paint)


def _explain_types(types: Sequence[str], known: plugintypes.Plugins, output: str) -> str:
    """Without types, it is a list of all."""
    _end_with([_no_such_type(name, known) for name in dict.fromkeys(types) if name not in known])
    chosen = {known[name].schema.type: known[name] for name in types or known}
    if output == "json":
        return plugintypes.render_json(chosen.values())
    return plugintypes.render_text(chosen.values(), paint) if types else plugintypes.render_list(known, paint)


def _end_with(mistakes: Sequence[str]) -> None:
    """Print mistakes and end the command, if there are any."""
    for mistake in mistakes:
        click.echo(mistake, err=True)
    if mistakes:
        sys.exit(EXIT_UNREADABLE)


def _no_such_code(code: str) -> str:
    """Suggest the nearest name, or the plugin of that name."""
    meant = f"--type {code}" if code in load_schemas() else meant_code(code)
    hint = f'did you mean "{meant}"? ' if meant else ""
    return f"nadmit: there is no such code: {show(code)}; {hint}allowed: those that `nadmit explain` lists"


def _no_such_type(name: str, known: Iterable[str]) -> str:
    meant = nearest(name, known)
    hint = f'did you mean "{meant}"? ' if meant else ""
    return f"nadmit: no such plugin is known: {show(name)}; {hint}allowed: those that `nadmit explain --types` lists"
