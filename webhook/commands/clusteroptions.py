"""Options of `nadmit serve` that only a cluster has a use for, and the value they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from cniplugin.netspec.names import ALLOWED_LABEL, ALLOWED_SUBDOMAIN, is_label, is_subdomain

Command = TypeVar("Command", bound=Callable[..., Any])


def cluster_options(command: Command) -> Command:
    """Add the options; `cluster_settings_of` makes them a value."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given_in_vain(options: Mapping[str, Any], context: click.Context) -> str | None:
    """Return the first of these options that the user wrote, as it is written; None if there is none."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in _NAMES and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            return parameter.opts[0] if options[name] else parameter.secondary_opts[0]
    return None


def _parse_label(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_label(value):
        raise click.BadParameter(f"{value!r} is no name; allowed: {ALLOWED_LABEL}")
    return value


def _parse_subdomain(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_subdomain(value):
        raise click.BadParameter(f"{value!r} is no name; allowed: {ALLOWED_SUBDOMAIN}")
    return value


def parse_url(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return an address that can be registered (a click callback)."""
    if value is not None and (not value.startswith("https://") or any(mark in value for mark in "?#@")):
        raise click.BadParameter(f"{value!r} cannot be registered; allowed: https://HOST[:PORT][/PATH]")
    return value.rstrip("/") if value else value


_OPTIONS = (
    click.option(
        "--namespace",
        metavar="NAME",
        callback=_parse_label,
        help="Where nadmit's own Secret, Lease, ConfigMap and Service are; else that of the pod's service account, "
        "else nadmit-system.",
    ),
    click.option(
        "--tls-secret",
        metavar="NAME",
        callback=_parse_label,
        help="Keep the authority and the certificate in this Secret, make them when it is empty, and rotate them. "
        "All replicas share it.",
    ),
    click.option(
        "--service",
        metavar="NAME",
        default="nadmit-webhook",
        show_default=True,
        callback=_parse_label,
        help="The Service in front of the replicas: whom the API server calls, and what certificates are for.",
    ),
    click.option(
        "--webhook-configuration",
        metavar="NAME",
        help="Fill in and keep the webhooks of the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration "
        "of this name, once the server is ready.",
    ),
    click.option(
        "--path-token/--no-path-token",
        default=True,
        show_default=True,
        help="For --webhook-configuration: register paths that end in a random token, which changes by itself, and "
        "answer 404 at others.",
    ),
    click.option(
        "--path-token-secret",
        metavar="NAME",
        callback=_parse_label,
        help="Keep the tokens in this Secret, where the certificate comes from files; else in --cert-dir. With "
        "--tls-secret they are in that one.",
    ),
    click.option(
        "--webhook-url",
        metavar="URL",
        callback=parse_url,
        help="Register this address, followed by /validate and /mutate, instead of the Service, for an API server that "
        "reaches no Services.",
    ),
    click.option(
        "--ca-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="The authority of the certificate, PEM, for --webhook-configuration; else ca.crt in --cert-dir.",
    ),
    click.option(
        "--config-map",
        metavar="NAME",
        callback=_parse_subdomain,
        help="Take the NadmitConfiguration from key config.yaml of this ConfigMap in --namespace, and follow it.",
    ),
    click.option(
        "--watch-pods/--no-watch-pods",
        default=True,
        show_default=True,
        help="Know which networks running pods use (their metadata only), for --network-in-use.",
    ),
    click.option(
        "--network-in-use",
        type=click.Choice(["Warn", "Deny", "Off"]),
        default="Warn",
        show_default=True,
        help="What becomes of a DELETE, or an UPDATE that breaks, of a network that running pods use.",
    ),
    click.option(
        "--write-status/--no-write-status",
        default=False,
        show_default=True,
        help="Write the status of access policies, and events about them; one replica at a time does.",
    ),
)

_NAMES = frozenset({
    "namespace", "tls_secret", "service", "webhook_configuration", "webhook_url", "ca_file", "watch_pods",
    "network_in_use", "write_status", "config_map", "path_token", "path_token_secret",
})  # fmt: skip


def cluster_settings_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `settings.ClusterSettings` among options."""
    return {name: options[name] for name in _NAMES}
