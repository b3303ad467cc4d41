"""`nadmit doctor`: examine an installation."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from webhook.commands.options import EXIT_REFUSED, installed_version, name_check, output_option, paint
from webhook.commands.webhooks.registrationoptions import connected, kubeconfig_option
from webhook.kube.apierrors import ClusterError
from webhook.kube.ownnamespace import DEFAULT, own_namespace

from .results import Level, Result

if TYPE_CHECKING:
    from .asking import Asking

INIT_S = 15.0
"""How long an init check may take, all questions together."""


@click.command(short_help="Say what of an installation is missing or wrong, and the fix.")
@click.option(
    "-n",
    "--namespace",
    metavar="NAME",
    callback=name_check("a namespace"),
    help=f"Namespace of the webhook: that of the pod's service account with --init, else {DEFAULT}.",
)
@output_option("json: one object with all results.")
@click.option("--strict", is_flag=True, help="End with 1 also for a warning, and for what could not be asked.")
@click.option(
    "--init",
    "is_init",
    is_flag=True,
    help="For an init container of the webhook: check what its own account sees, and always end with 0.",
)
@click.argument("serve_options", nargs=-1, metavar="[-- OPTIONS OF SERVE]")
@kubeconfig_option
def doctor(
    *,
    namespace: str | None,
    output: str,
    strict: bool,
    is_init: bool,
    serve_options: tuple[str, ...],
    kubeconfig: Path | None,
) -> None:
    """Say what of an installation in a cluster is missing or wrong, each with its fix. Changes nothing.

    It looks at the kinds and their schemas, the Deployment and its version, the Service, the rights of the account, the
    registered webhooks and their stage, certificate and authorities, whether the API server reaches the webhook (by dry
    runs), posture, the node plugin on each node, others that do the same, and the clocks. It asks with your kubeconfig;
    what you may not ask is "unknown". It reads the Secret of the certificate, and prints nothing of it.

    With --init it asks only what the account of the webhook may: kinds, own rights, the Secret, the clock. Name the
    options that `nadmit serve` has after "--"; without any, they are those of manifests/base. It never keeps a pod from
    starting: it takes at most 15 s, and ends with 0 for everything but a wrong option.

    \b
    Examples:
      nadmit doctor
      nadmit doctor --output json --strict
      nadmit doctor --init -- --tls-secret=nadmit-tls --webhook-configuration=nadmit

    \b
    Exit codes:
      0  nothing is wrong; there may be warnings and unknown answers
      1  something is wrong
      2  an option is wrong, or the API server gives no answer
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    if serve_options and not is_init:
        raise click.UsageError(f"{serve_options[0]!r}: options of serve belong to --init.")
    if is_init:
        _check_init(namespace, output, serve_options, kubeconfig)
        return
    from .asking import Asking  # noqa: PLC0415 - the client costs 250 ms, which help does not pay
    from .examination import examine  # noqa: PLC0415 - as above

    version = installed_version()
    with connected(kubeconfig) as connection:
        found = _print(
            examine(Asking(connection), namespace=namespace or DEFAULT, version=version, now=time.time), output
        )
    bad = {Level.ERROR, Level.WARNING, Level.UNKNOWN} if strict else {Level.ERROR}
    sys.exit(EXIT_REFUSED if any(result.level in bad for result in found) else 0)


def _check_init(namespace: str | None, output: str, words: tuple[str, ...], kubeconfig: Path | None) -> None:
    """Print what the account of the webhook sees. An API server that does not answer is a line as any other."""
    from webhook.kube.connection import Connection  # noqa: PLC0415 - as above

    from .asking import Asking  # noqa: PLC0415
    from .examination import examine_own  # noqa: PLC0415
    from .installation import BASE_ARGUMENTS, Installation, options_of  # noqa: PLC0415

    connection = Connection(kubeconfig, environ=os.environ)
    installed = Installation(
        namespace=own_namespace(namespace), version=installed_version(), options=options_of(words or BASE_ARGUMENTS)
    )
    asking = Asking(connection, within_s=INIT_S)
    try:
        _print(_until_unanswered(asking, examine_own(asking, installed, now=time.time)), output)
    finally:
        connection.close()


def _until_unanswered(asking: Asking, results: Iterator[Result]) -> Iterator[Result]:
    from .examination import SERVER  # noqa: PLC0415 - as above

    try:
        asking.connection.open()
        yield from results
    except ClusterError as error:
        yield Result(SERVER, Level.UNKNOWN, str(error))


def _print(results: Iterator[Result], output: str) -> list[Result]:
    """Print the results, text as soon as each is known, and return them."""
    from .doctorreport import lines_of, render_json, summary_of  # noqa: PLC0415 - as above

    found: list[Result] = []
    for result in results:
        found.append(result)
        if output == "text":
            for line in lines_of(result, paint):
                click.echo(line)
    click.echo(render_json(found, installed_version()) if output == "json" else summary_of(found))
    return found
