"""`nadmit schema`: JSON Schemas of the files that people write, for editors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from cniplugin.netspec.attachers import MULTUS
from cniplugin.netspec.errors import show
from cniplugin.netspec.names import nearest

from .options import EXIT_UNREADABLE, configuration_of, schemas_option

KINDS = ("policy", "config", "annotation", "cni")
COMMENT = "# yaml-language-server: $schema="


def _complete_type(_context: click.Context, _argument: click.Parameter, incomplete: str) -> list[str]:
    from webhook.plugindata.pluginfiles import load_schemas  # noqa: PLC0415 - only shells need it here

    return [name for name in sorted(load_schemas()) if name.startswith(incomplete)]


@click.command("schema", short_help="Print a JSON Schema for your editor.")
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.argument("types", nargs=-1, metavar="[TYPE...]", shell_complete=_complete_type)
@click.option("--all", "wants_all", is_flag=True, help="With cni: one schema of all plugin types that are known.")
@click.option(
    "--strict",
    is_flag=True,
    help="With cni and annotation: also what the webhook only warns of is an error: keys that nobody reads, in another "
    "letter case as well, and unknown plugin types.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the schema there, and print the line for your files.",
)
@schemas_option
def schema(
    *,
    kind: str,
    types: tuple[str, ...],
    wants_all: bool,
    strict: bool,
    out: Path | None,
    config: Path | None,
    plugin_schemas: Path | None,
) -> None:
    """Print the JSON Schema (draft-07) of a kind of file, for the editor in which you write it.

    \b
    KIND is one of
      policy       NetworkAttachmentPolicy and NetworkAttachmentPolicyConfig
      config       the NadmitConfiguration
      annotation   the annotation k8s.v1.cni.cncf.io/networks, in pods and workloads
      cni TYPE...  CNI configurations of these plugin types; without TYPE, list the types

    The editor then completes names, shows what they mean, and marks mistakes. A schema refuses nothing that the
    webhook admits, and it does not find everything: run `nadmit check` as well. Editors with yaml-language-server, such
    as VS Code with its YAML extension, take the schema from a comment at the top of a YAML file:

    \b
      # yaml-language-server: $schema=policy.schema.json

    The path is relative to the file with the comment. For JSON, name the schema in the settings of the editor
    (docs/packages.md).

    \b
    Examples:
      nadmit schema policy --out policy.schema.json
      nadmit schema cni                                all plugin types
      nadmit schema cni bridge host-local --out cni.schema.json
      nadmit schema cni --all --strict --out cni.schema.json
      nadmit schema cni my-plugin --plugin-schemas schemas/

    \b
    Exit codes:
      0  printed or written
      2  there is no such plugin type, FILE cannot be written, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    if kind != "cni":
        _refuse_options_of_cni(kind, types, wants_all=wants_all, given=config or plugin_schemas)
        if strict and kind != "annotation":
            raise click.UsageError(
                f"--strict changes nothing about {kind}: unknown fields are errors already; remove it"
            )
        _print(_maker(kind, strict=strict)(), out)
        return
    if wants_all and types:
        raise click.UsageError("TYPE and --all exclude each other; give one of them")
    from webhook.admission.plugins.schema import PluginChecks  # noqa: PLC0415 - the other kinds need no plugins
    from webhook.jsonschemas.cnischema import cni_schema  # noqa: PLC0415 - as above

    checks = configuration_of(config, plugin_schemas, MULTUS).plugins or PluginChecks(schemas={})
    if not types and not wants_all:
        if strict or out is not None:
            raise click.UsageError("TYPE is missing; give one or more, or --all; `nadmit schema cni` lists them")
        click.echo("\n".join(sorted(checks.schemas)))
        return
    _end_if_unknown(types, checks.schemas)
    _print(cni_schema(checks, dict.fromkeys(types), strict=strict), out)


def _maker(kind: str, *, strict: bool) -> Callable[[], dict[str, Any]]:
    """Return the maker of a schema; each imports what it reads."""
    if kind == "policy":
        from webhook.jsonschemas.policyschema import policy_schema  # noqa: PLC0415 - the others need not

        return policy_schema
    if kind == "config":
        from webhook.jsonschemas.configschema import config_schema  # noqa: PLC0415 - pydantic takes 0.1 s

        return config_schema
    from webhook.jsonschemas.annotationschema import annotation_schema  # noqa: PLC0415 - as above

    return lambda: annotation_schema(strict=strict)


def _refuse_options_of_cni(kind: str, types: tuple[str, ...], *, wants_all: bool, given: Path | None) -> None:
    if types:
        raise click.UsageError(f"{kind} has no TYPE; remove {' '.join(types)}, or write: nadmit schema cni {types[0]}")
    if wants_all or given is not None:
        raise click.UsageError(f"{kind} has no plugin types: --all, --config and --plugin-schemas are options of cni")


def _end_if_unknown(types: tuple[str, ...], known: Mapping[str, object]) -> None:
    unknown = [name for name in dict.fromkeys(types) if name not in known]
    for name in unknown:
        meant = nearest(name, known)
        hint = f'did you mean "{meant}"? ' if meant else ""
        allowed = "those that `nadmit schema cni` lists; --plugin-schemas adds your own"
        click.echo(f"nadmit: no such plugin is known: {show(name)}; {hint}allowed: {allowed}", err=True)
    if unknown:
        sys.exit(EXIT_UNREADABLE)


def _print(made: dict[str, Any], out: Path | None) -> None:
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        click.echo(f"nadmit: {out}: cannot be written: {reason}; name a file in a directory that exists", err=True)
        sys.exit(EXIT_UNREADABLE)
    click.echo(f"{COMMENT}{out}")
