"""Options of the commands about registration: whom the API server calls, and which configurations of which cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cniplugin.netspec.names import ALLOWED_LABEL, is_label
from webhook.commands.options import EXIT_UNREADABLE, STATUS_OPTIONS, paint, parse_url
from webhook.kube.apierrors import ClusterError
from webhook.registration.conditions import StatusProtection
from webhook.registration.configurations import DEFAULT_NAME, Service, Target, Url
from webhook.registration.tables import KINDS, VALIDATING_KIND, Kind

if TYPE_CHECKING:
    from webhook.registration.api import Api

Command = TypeVar("Command", bound=Callable[..., Any])


def target_options(command: Command) -> Command:
    """Add the options that `target_of_options` and `protection_of_options` read."""
    return _add(command, _TARGET_OPTIONS)


def cluster_options(command: Command) -> Command:
    """Add the options that `opened` reads."""
    return _add(command, _CLUSTER_OPTIONS)


def target_of_options(options: Mapping[str, Any]) -> Target | None:
    """Return whom the API server is to call; None when no option says so."""
    service, url = options["service"], options["url"]
    if service is not None and url is not None:
        raise click.UsageError("--service and --url are two ways to one thing: give one.")
    return Url(url) if url is not None else service


def protection_of_options(options: Mapping[str, Any]) -> StatusProtection:
    """Return who may write `network-status`, and what becomes of others."""
    return StatusProtection(
        options["network_status_mode"], tuple(options["status_writers"]), tuple(options["status_writer_groups"])
    )


def present_of(api: Api) -> dict[Kind, dict[str, Any]]:
    """Return the configurations that there are, and say on standard error that nothing is injected without the other.

    Who wants no injection leaves out the MutatingWebhookConfiguration. Raises ClusterError, and so it does without a
    ValidatingWebhookConfiguration.
    """
    from webhook.registration.api import NotFoundError  # noqa: PLC0415 - as in `opened`

    found = {}
    for kind in KINDS:
        try:
            found[kind] = api.get(kind)
        except NotFoundError as error:
            if kind is VALIDATING_KIND:
                raise
            click.echo(f"{paint('warning:', 'warning')} {error}; nothing is injected into pods", err=True)
    return found


@contextmanager
def opened(options: Mapping[str, Any]) -> Iterator[Api]:
    """Give the named configurations of the cluster; ends the command with 2 when the cluster cannot be asked."""
    # The client costs 250 ms, which help does not pay.
    from webhook.registration.api import Api  # noqa: PLC0415

    api = Api(options["configuration"], options["kubeconfig"])
    try:
        api.open()
        yield api
    except ClusterError as error:
        click.echo(f"nadmit: {error}", err=True)
        sys.exit(EXIT_UNREADABLE)
    finally:
        api.close()


def _add(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def _parse_service(_context: click.Context, _option: click.Parameter, value: str | None) -> Service | None:
    if value is None:
        return None
    namespace, slash, name = value.partition("/")
    if not slash or not is_label(namespace) or not is_label(name):
        raise click.BadParameter(f"{value!r} names no Service; allowed: NAMESPACE/NAME, each {ALLOWED_LABEL}")
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

_CLUSTER_OPTIONS = (
    click.option(
        "--configuration",
        metavar="NAME",
        default=DEFAULT_NAME,
        show_default=True,
        help="The name of the webhook configurations.",
    ),
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Use this file; else the pod's service account, else kubectl's own configuration.",
    ),
)
