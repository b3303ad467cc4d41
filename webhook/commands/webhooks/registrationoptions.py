"""Options of the commands about registration: the target of the API server's calls, and the registered objects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cniplugin.netspec.names import ALLOWED_LABEL, is_label
from webhook.commands.options import STATUS_OPTIONS, fail, paint, parse_url
from webhook.kube.apierrors import ClusterError, NotFoundError
from webhook.registration.conditions import StatusProtection
from webhook.registration.configurations import DEFAULT_NAME, Service, Target, Url
from webhook.registration.tables import KINDS, VALIDATING_KIND, Kind

if TYPE_CHECKING:
    from webhook.kube.connection import Connection
    from webhook.registration.registered import RegisteredWebhooks

Command = TypeVar("Command", bound=Callable[..., Any])


def target_options(command: Command) -> Command:
    """Add the options that `target_of_options` and `protection_of_options` read."""
    return _add(command, _TARGET_OPTIONS)


def cluster_options(command: Command) -> Command:
    """Add the options that `opened` reads."""
    return _add(command, _CLUSTER_OPTIONS)


def target_of_options(options: Mapping[str, Any]) -> Target | None:
    """Return the target of the API server's calls; None without an option for it."""
    service, url = options["service"], options["url"]
    if service is not None and url is not None:
        raise click.UsageError("--service and --url both name the target: give one.")
    return Url(url) if url is not None else service


def protection_of_options(options: Mapping[str, Any]) -> StatusProtection:
    """Return who may write `network-status`, and what happens to others."""
    return StatusProtection(
        options["network_status_mode"], tuple(options["status_writers"]), tuple(options["status_writer_groups"])
    )


def present_of(registered: RegisteredWebhooks) -> dict[Kind, dict[str, Any]]:
    """Return the existing configurations.

    Without a MutatingWebhookConfiguration nothing is injected, which standard error says. Raises ClusterError, also
    without a ValidatingWebhookConfiguration.
    """
    present = {}
    for kind in KINDS:
        try:
            present[kind] = registered.get(kind)
        except NotFoundError as error:
            if kind is VALIDATING_KIND:
                raise
            click.echo(f"{paint('warning:', 'warning')} {error}; nothing is injected into pods", err=True)
    return present


@contextmanager
def opened(options: Mapping[str, Any]) -> Iterator[RegisteredWebhooks]:
    """Give the named configurations of the cluster. Ends the command as `connected` does."""
    from webhook.registration.registered import RegisteredWebhooks  # noqa: PLC0415 - as in `connected`

    with connected(options["kubeconfig"]) as connection:
        yield RegisteredWebhooks(connection, options["configuration"])


@contextmanager
def connected(kubeconfig: Path | None) -> Iterator[Connection]:
    """Give a connection to the API server. Ends the command with 2 if it gives no answer."""
    # The client costs 250 ms, which help does not pay.
    from webhook.kube.connection import Connection  # noqa: PLC0415 - as above

    connection = Connection(kubeconfig, environ=os.environ)
    try:
        connection.open()
        yield connection
    except ClusterError as error:
        fail(str(error))
    finally:
        connection.close()


def _add(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def _parse_service(_context: click.Context, _option: click.Parameter, value: str | None) -> Service | None:
    if value is None:
        return None
    namespace, slash, name = value.partition("/")
    if not slash or not is_label(namespace) or not is_label(name):
        raise click.BadParameter(f"{value!r} does not name a Service; allowed: NAMESPACE/NAME, each {ALLOWED_LABEL}")
    return Service(namespace, name)


_TARGET_OPTIONS = (
    click.option(
        "--service",
        metavar="NAMESPACE/NAME",
        callback=_parse_service,
        help="The Service in front of the webhook.",
    ),
    click.option(
        "--url",
        metavar="URL",
        callback=parse_url,
        help="An address instead of a Service; /validate and /mutate follow it.",
    ),
    *STATUS_OPTIONS,
)

kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use this file; else the pod's service account, else kubectl's own configuration.",
)

_CLUSTER_OPTIONS = (
    click.option(
        "--configuration",
        metavar="NAME",
        default=DEFAULT_NAME,
        show_default=True,
        help="The name of the webhook configurations.",
    ),
    kubeconfig_option,
)
