"""`nadmit serve`: options to settings, and the start of the server. Modules of the server are imported when it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cniplugin.netspec.names import ALLOWED_SUBDOMAIN, is_subdomain

from .options import RULES_FIELDS, Command, add_options, config_option, name_check, parse_url, rules_of, rules_options

if TYPE_CHECKING:
    from webhook.compose import Settings

Address = tuple[str, int]
EXIT_NO_START = 1
MIN_CONNECTIONS = 1024
"""Per port; and not less than four for each review that may be in flight."""


class AddressType(click.ParamType[Address]):
    """`host:port`, with an IPv6 address in brackets; `:port` means every address."""

    name = "host:port"

    def convert(self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Return host and port; fails for any other text."""
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
            self.fail(f"{value!r} is not an address; write HOST:PORT, such as 127.0.0.1:8443 or [::1]:8443", param, ctx)
        if ":" in host and not (host.startswith("[") and host.endswith("]")):
            self.fail(f"{value!r}: put the IPv6 address into brackets, such as [::1]:8443", param, ctx)
        return host.strip("[]"), int(port)


class DurationType(click.ParamType[float]):
    """A duration as Go writes it, in seconds: `90s`, `10m`, `2h`, of at least `min_s`."""

    name = "duration"

    def __init__(self, *, min_s: float) -> None:
        self._min_s = min_s

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds. Fails for another text, and for less than `min_s`."""
        if isinstance(value, float):
            return value
        from webhook.serving.http import parse_duration_s  # noqa: PLC0415 - no other command needs it

        seconds = parse_duration_s(value)
        if seconds is None or seconds < self._min_s:
            self.fail(f"{value!r} is not a duration of {self._min_s:g} s or more; write 90s, 10m or 2h", param, ctx)
        return seconds


ADDRESS = AddressType()
DURATION = DurationType(min_s=10)
EVERY = "10m"
FILE = click.Path(path_type=Path)

_CLUSTER_OPTIONS = (
    click.option(
        "--namespace",
        metavar="NAME",
        callback=name_check("a namespace"),
        help="Namespace of nadmit's own Secret, Lease, ConfigMap and Service; else that of the pod's service account, "
        "else nadmit-system.",
    ),
    click.option(
        "--tls-secret",
        metavar="NAME",
        callback=name_check("a Secret"),
        help="Keep the authority and the certificate in this Secret, make them when it is empty, and rotate them. "
        "All replicas share the Secret.",
    ),
    click.option(
        "--service",
        metavar="NAME",
        default="nadmit-webhook",
        show_default=True,
        callback=name_check("a Service"),
        help="The Service in front of the replicas, which the API server calls and certificates name.",
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
        help="For --webhook-configuration: register paths that end in a random token, which the program rotates, and "
        "answer 404 at others.",
    ),
    click.option(
        "--path-token-secret",
        metavar="NAME",
        callback=name_check("a Secret"),
        help="Keep the tokens in this Secret when the certificate comes from files; else in --cert-dir. With "
        "--tls-secret they are in that Secret.",
    ),
    click.option(
        "--webhook-url",
        metavar="URL",
        callback=parse_url,
        help="Register this address, followed by /validate and /mutate, instead of the Service; for an API server that "
        "cannot reach Services.",
    ),
    click.option(
        "--ca-file",
        metavar="FILE",
        type=FILE,
        help="The authority of the certificate, PEM, for --webhook-configuration; else ca.crt in --cert-dir.",
    ),
    click.option(
        "--config-map",
        metavar="NAME",
        callback=name_check("a ConfigMap", is_subdomain, ALLOWED_SUBDOMAIN),
        help="Take the NadmitConfiguration from key config.yaml of this ConfigMap in --namespace, and follow it.",
    ),
    click.option(
        "--would-refuse-map",
        metavar="NAME",
        callback=name_check("a ConfigMap", is_subdomain, ALLOWED_SUBDOMAIN),
        help="In stage Observe, list in this ConfigMap in --namespace what would be refused.",
    ),
    click.option(
        "--watch-pods/--no-watch-pods",
        default=True,
        show_default=True,
        help="Watch the metadata of running pods, to know for --network-in-use which networks they use.",
    ),
    click.option(
        "--network-in-use",
        type=click.Choice(["Warn", "Deny", "Off"]),
        default="Warn",
        show_default=True,
        help="What to do with a DELETE, or an UPDATE that breaks something, of a network that running pods use.",
    ),
    click.option(
        "--write-status/--no-write-status",
        default=False,
        show_default=True,
        help="Write the status of access policies, and events about them; one replica at a time does.",
    ),
    click.option(
        "--reports/--no-reports",
        default=False,
        show_default=True,
        help="For --write-status: the replica that writes the status also has the findings of `nadmit scan` written as "
        "reports of openreports.io or wgpolicyk8s.io, by a process of its own (docs/reports.md).",
    ),
    click.option(
        "--reports-every",
        type=DURATION,
        metavar="DURATION",
        default=EVERY,
        show_default=True,
        help="How often, such as 90s, 10m or 2h.",
    ),
)
"""Options that only a cluster has a use for."""

_CLUSTER_SETTINGS_NAMES = (
    "namespace", "tls_secret", "service", "webhook_configuration", "webhook_url", "ca_file", "watch_pods",
    "network_in_use", "write_status", "config_map", "would_refuse_map", "path_token", "path_token_secret",
)  # fmt: skip
"""Their parameters, which are the fields of `compose.ClusterSettings`."""
_REPORT_NAMES = ("reports", "reports_every")
_JUDGING_NAMES = ("kubeconfig", "plugin_schemas", "attached_by", "network_namespace", *RULES_FIELDS)
"""Parameters that `nadmit scan` has as well: a pass judges as the server does."""
_SETTINGS_NAMES = (
    "manifests", "kubeconfig", "listen", "probe_listen", "cert_dir", "cert_names", "client_ca", "client_names",
    "path_token_file", "config", "plugin_schemas", "attached_by", "network_namespace",
)  # fmt: skip
"""Parameters that are fields of `compose.Settings`."""


def _cluster_options(command: Command) -> Command:
    return add_options(command, _CLUSTER_OPTIONS)


@click.command(short_help="Answer AdmissionReviews over HTTPS.")
@click.option("--manifests", type=FILE, metavar="DIR", help="Serve a tree of YAML, without a cluster.")
@click.option("--cluster", is_flag=True, help="Watch the cluster that this process runs in, or that kubectl points at.")
@click.option(
    "--kubeconfig",
    type=FILE,
    metavar="FILE",
    help="For --cluster: use this file; else the pod's service account, else kubectl's own configuration.",
)
@click.option(
    "--listen", type=ADDRESS, default="127.0.0.1:8443", show_default=True, help="Address to listen on for reviews, TLS."
)
@click.option(
    "--probe-listen",
    type=ADDRESS,
    default="127.0.0.1:8080",
    show_default=True,
    help="Address to listen on for /healthz, /readyz, /metrics and /configz, plain HTTP.",
)
@click.option(
    "--cert-dir",
    type=FILE,
    metavar="DIR",
    default="nadmit-certs",
    show_default=True,
    help="Holds tls.crt and tls.key; an empty or missing one gets a CA and a certificate.",
)
@click.option(
    "--cert-name",
    "cert_names",
    multiple=True,
    metavar="DNS_OR_IP",
    help="A name for the certificate that is made; may be repeated. `nadmit certs bootstrap --help` has the defaults.",
)
@click.option("--tls-cert-file", type=FILE, metavar="FILE", help="Serve this certificate instead, PEM with its chain.")
@click.option("--tls-key-file", type=FILE, metavar="FILE", help="The key of --tls-cert-file.")
@click.option(
    "--client-ca",
    type=FILE,
    metavar="FILE",
    help="Answer only callers with a certificate of these authorities, PEM; else everybody.",
)
@click.option(
    "--client-name",
    "client_names",
    multiple=True,
    metavar="NAME",
    help="For --client-ca: a common name or DNS name that may call; may be repeated. Without it all names may.",
)
@click.option(
    "--path-token-file",
    type=FILE,
    metavar="FILE",
    help="Answer only at /validate/TOKEN and /mutate/TOKEN, with a token of this file, one in a line; for webhooks "
    "registered by manifest. With --webhook-configuration the program makes tokens by itself.",
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0, 300),
    default=10,
    show_default=True,
    help="How long the server accepts new connections after SIGTERM.",
)
@click.option(
    "--max-in-flight",
    type=click.IntRange(1, 100_000),
    default=256,
    show_default=True,
    help="Reviews at one time. Others get 503, and the API server tries again.",
)
@click.option(
    "--max-bytes-in-flight",
    type=click.IntRange(16 * 1024 * 1024),
    default=64 * 1024 * 1024,
    show_default=True,
    help="Bytes of request bodies at one time. Beyond it large bodies wait for each other, and those that come too "
    "slowly get 503.",
)
@config_option
@_cluster_options
@rules_options
@click.pass_context
def serve(context: click.Context, /, **options: Any) -> None:
    """Answer AdmissionReviews over HTTPS: POST /validate and POST /mutate, each followed by a token when registered.

    The networks and namespaces for the reviews come from a tree of YAML (--manifests) or from a cluster (--cluster). A
    line of JSON for each review goes to standard output, everything else to standard error. The tree is followed while
    the server runs.

    \b
    Signals:
      SIGTERM, SIGINT   drain: no request that has begun is lost; a second one ends the process at once
      SIGHUP            read all files again; what is wrong changes nothing
      SIGUSR1, SIGUSR2  nothing

    \b
    Examples:
      nadmit serve --manifests examples/cluster
      nadmit serve --cluster --listen :8443 --probe-listen :8080 --cert-dir /run/nadmit

    \b
    Exit codes:
      0  stopped by a signal
      1  could not start; standard error says why in one line
      2  an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    for is_wrong, text in _usage_errors(options, context):
        if is_wrong:
            raise click.UsageError(text)
    sys.exit(_run(options))


def _usage_errors(options: Mapping[str, Any], context: click.Context) -> Iterator[tuple[bool, str]]:
    """Yield a pair for each rule about combinations of options: whether it is broken, and what to do."""
    given = {name for name, value in options.items() if value not in (None, (), False)}
    two_ways = "are two ways to one thing: give one."
    yield ("manifests" in given) is ("cluster" in given), "Give either --manifests DIR or --cluster."
    yield "kubeconfig" in given and "cluster" not in given, "--kubeconfig belongs to --cluster."
    yield (
        len(given & {"tls_cert_file", "tls_key_file"}) == 1,
        "--tls-cert-file and --tls-key-file belong together: give both or none.",
    )
    yield "client_names" in given and "client_ca" not in given, "--client-name belongs to --client-ca."
    flag = None if "cluster" in given else _first_cluster_option(options, context)
    yield flag is not None, f"{flag} belongs to --cluster."
    yield given >= {"tls_secret", "tls_cert_file"}, f"--tls-secret and --tls-cert-file {two_ways}"
    registers = "webhook_configuration" in given
    yield "path_token_secret" in given and not registers, "--path-token-secret belongs to --webhook-configuration."
    yield (
        given >= {"path_token_secret", "tls_secret"},
        "--path-token-secret is for certificates in files: --tls-secret has the tokens as well.",
    )
    yield (
        "path_token_file" in given and registers,
        "--path-token-file is for webhooks registered by manifest: --webhook-configuration makes tokens by itself.",
    )
    yield (
        "reports" in given and "write_status" not in given,
        "--reports needs --write-status: the replica that writes the status has the reports written.",
    )
    is_every = context.get_parameter_source("reports_every") is click.core.ParameterSource.COMMANDLINE
    yield is_every and "reports" not in given, "--reports-every belongs to --reports."
    yield given >= {"config", "config_map"}, f"--config and --config-map {two_ways}"
    yield (
        options["network_in_use"] == "Deny" and "watch_pods" not in given,
        "--network-in-use Deny needs --watch-pods: without it, the program does not know which networks are in use.",
    )


def _first_cluster_option(options: Mapping[str, Any], context: click.Context) -> str | None:
    """Return the first option for clusters that the user wrote, as it is written; None if there is none."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if (
            name in (*_CLUSTER_SETTINGS_NAMES, *_REPORT_NAMES)
            and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        ):
            return parameter.opts[0] if options[name] else parameter.secondary_opts[0]
    return None


def _run(options: Mapping[str, Any]) -> int:
    """Start the server and return the exit code. NB: these imports cost 300 ms, which no other command pays."""
    from webhook.serving.signals import EarlySignals  # noqa: PLC0415 - as above, and first: SIGHUP must not end a start

    early = EarlySignals()
    from webhook.compose import START_ERRORS, run  # noqa: PLC0415 - as above

    try:
        return run(settings_of(options), early)
    except START_ERRORS as error:
        for line in str(error).splitlines():
            click.echo(f"nadmit: {line}", err=True)
        return EXIT_NO_START


def settings_of(options: Mapping[str, Any]) -> Settings:
    """Return the settings of these parameters of `serve`."""
    from certs.cli import DEFAULT_NAMES  # noqa: PLC0415 - as above, and below
    from webhook.compose import ClusterSettings, ReportSettings, Settings  # noqa: PLC0415
    from webhook.serving.http import Limits  # noqa: PLC0415

    fields = {name: options[name] for name in _SETTINGS_NAMES}
    if options["tls_secret"] is None:
        fields["cert_names"] = options["cert_names"] or DEFAULT_NAMES
    if options["tls_cert_file"] is not None:
        fields["tls_files"] = (options["tls_cert_file"], options["tls_key_file"])
    return Settings(
        rules=rules_of(options),
        limits=Limits(
            drain_s=options["drain_seconds"],
            max_in_flight=options["max_in_flight"],
            max_bytes_in_flight=options["max_bytes_in_flight"],
            max_connections=max(MIN_CONNECTIONS, 4 * options["max_in_flight"]),
        ),
        cluster=ClusterSettings(
            **{name: options[name] for name in _CLUSTER_SETTINGS_NAMES},
            reports=ReportSettings(options["reports_every"], tuple(_words_of_a_pass(options)))
            if options["reports"]
            else None,
        ),
        **fields,
    )


def _words_of_a_pass(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the command of a pass that writes reports, without the configuration."""
    yield from ("scan", "--write-reports", "--output=json")
    for parameter in serve.params:
        value = options.get(parameter.name or "")
        if parameter.name not in _JUDGING_NAMES or value is None or getattr(parameter, "hidden", False):
            continue
        values = value if parameter.multiple else [",".join(value) if isinstance(value, tuple) else value]
        yield from (f"{parameter.opts[0]}={one}" for one in values)


_OF_THE_SERVER = (
    "listen", "probe_listen", "cert_dir", "cert_names", "tls_cert_file", "tls_key_file", "client_ca", "client_names",
    "drain_seconds", "max_bytes_in_flight", "tls_secret", "webhook_configuration", "webhook_url", "ca_file",
    "path_token_secret",
)  # fmt: skip
"""Parameters about ports, certificates and registration, which another ASGI server has itself."""


def judging_settings(words: Sequence[str]) -> Settings:
    """Return the settings of these words, as after `nadmit serve`; for another ASGI server (`webhook.asgi`).

    Raises click.UsageError.
    """
    with serve.make_context("serve", list(words)) as context:
        options = context.params
        for is_wrong, text in _usage_errors(options, context):
            if is_wrong:
                raise click.UsageError(text)
        for parameter in context.command.params:
            source = context.get_parameter_source(parameter.name or "")
            if parameter.name in _OF_THE_SERVER and source is click.core.ParameterSource.COMMANDLINE:
                raise click.UsageError(
                    f"{parameter.opts[0]} is for `nadmit serve`: the ASGI server has its own setting"
                )
        return settings_of(options)
