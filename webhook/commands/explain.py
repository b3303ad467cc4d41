"""`nadmit explain`: the meaning of a code, an example, and what to do."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from operator import eq

import click

from cniplugin.netspec.errors import show
from webhook.admission.plugins.findings import SEVERITIES
from webhook.report import explained
from webhook.report.titles import TITLES

from .options import EXIT_UNREADABLE, paint

NAMES = {name.upper(): name for name in (*SEVERITIES, *TITLES)}
"""The names that can be explained, by their upper case."""


@click.command("explain", short_help="Explain a code such as NAD101, and what to do.")
@click.argument("codes", nargs=-1, metavar="[CODE...]")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: a list of code, title, severity, meaning, example, output and fix; other rules have code, title, page.",
)
def explain(*, codes: tuple[str, ...], output: str) -> None:
    """Explain the CODEs of messages about CNI plugins, with an example, the output of kubectl, and what to do.

    Without a CODE, list all codes. An error refuses the object, a warning does not. docs/messages.md has the same on
    one page. A CODE may also be another rule that `nadmit check`, the log or metrics name, such as PostureIsolated;
    other rules have only a title.

    \b
    Examples:
      nadmit explain                 all codes, a line for each
      nadmit explain NAD101 NAD303
      nadmit explain PostureIsolated
      nadmit explain -o json         everything about all codes

    \b
    Exit codes:
      0  explained
      2  there is no such code, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    unknown = [code for code in dict.fromkeys(codes) if code.upper() not in NAMES]
    for code in unknown:
        click.echo(_no_such_code(code), err=True)
    if unknown:
        sys.exit(EXIT_UNREADABLE)
    names = list(dict.fromkeys(NAMES[code.upper()] for code in codes))
    if output == "json":
        click.echo(explained.render_json(names or NAMES.values()))
    elif names:
        click.echo(explained.render_text(names, paint))
    else:
        click.echo(explained.render_list(paint))


def _no_such_code(code: str) -> str:
    """Suggest the nearest name: for a code, the one with most characters at the same place."""
    if code[:3].upper() == "NAD":
        meant = [max(SEVERITIES, key=lambda known: sum(map(eq, known, code.upper())))]
    else:
        meant = get_close_matches(code, TITLES, n=1)
    hint = f'did you mean "{meant[0]}"? ' if meant else ""
    return f"nadmit: there is no such code: {show(code)}; {hint}allowed: those that `nadmit explain` lists"
