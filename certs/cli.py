"""Command line of the certificates: `bootstrap`. All wording except errors is here."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from .authority import MaterialError, parse_name
from .certfiles import BootstrapError
from .certfiles import bootstrap as bootstrap_files

_SERVICE = "nadmit-webhook.nadmit-system.svc"

DEFAULT_NAMES = ("localhost", "127.0.0.1", "::1", _SERVICE, f"{_SERVICE}.cluster.local")
"""This machine, and the names by which an API server calls the Service of the manifests."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def certs() -> None:
    """Make and keep the certificates of the nadmit webhook."""


@certs.command(short_help="Write an authority and a server certificate, or renew it.")
@click.option(
    "--dir",
    "directory",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the files. It is created with mode 0700 if it does not exist.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="DNS_OR_IP",
    callback=lambda _context, _option, values: _check_names(values),
    help=f"A name by which clients call the webhook; may be repeated. Default: {', '.join(DEFAULT_NAMES)}.",
)
def bootstrap(directory: Path, names: tuple[str, ...]) -> None:
    """Write a certificate authority and a server certificate, unless they exist.

    The files are ca.key, ca.crt (for the caBundle of the webhook configurations), tls.key and tls.crt (for
    the server). You can run it again at any time: it completes an interrupted run, and renews tls.crt if less
    than a third of its year is left or a name is missing in it. It never overwrites a key.

    \b
    Examples:
      nadmit certs bootstrap --dir nadmit-certs
      nadmit certs bootstrap --dir nadmit-certs --name webhook.example --name 10.0.0.7

    \b
    Exit codes:
      0  the files exist
      1  they could not be written; nothing was overwritten
      2  an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    try:
        result = bootstrap_files(directory, names or DEFAULT_NAMES, datetime.now(UTC))
    except BootstrapError as error:
        raise click.ClickException(str(error)) from error
    for path in result.paths:
        click.echo(f"{'wrote' if path in result.written else 'kept'} {path}")
    for line in result.exposures:
        click.echo(f"warning: {line}", err=True)


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for name in names:
            parse_name(name)
    except MaterialError as error:
        raise click.BadParameter(str(error)) from error
    return names
