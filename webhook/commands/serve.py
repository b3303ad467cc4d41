"""`nadmit serve`: options to settings, and the server's start. Whatever a server needs is imported when it runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .clusteroptions import cluster_options, cluster_settings_of, given_in_vain
from .configoption import config_option
from .options import rules_of, rules_options

Address = tuple[str, int]
EXIT_NO_START = 1
MIN_CONNECTIONS = 1024
"""Per port; and not less than four for each review that may be in flight."""


class AddressType(click.ParamType[Address]):
    """`host:port`, with an IPv6 address in brackets; `:port` is every address."""

    name = "host:port"

    def convert(self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Return host and port; fails for what is no address."""
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
            self.fail(f"{value!r} is no address; write HOST:PORT, such as 127.0.0.1:8443 or [::1]:8443", param, ctx)
        if ":" in host and not (host.startswith("[") and host.endswith("]")):
            self.fail(f"{value!r}: put the IPv6 address into brackets, such as [::1]:8443", param, ctx)
        return host.strip("[]"), int(port)


ADDRESS = AddressType()
FILE = click.Path(path_type=Path)


@click.command(short_help="Answer AdmissionReviews over HTTPS.")
@click.option("--manifests", type=FILE, metavar="DIR", help="Serve a tree of YAML: no cluster is needed.")
@click.option("--cluster", is_flag=True, help="Watch the cluster that this process runs in, or that kubectl points at.")
@click.option(
    "--kubeconfig",
    type=FILE,
    metavar="FILE",
    help="For --cluster: use this file; else the pod's service account, else kubectl's own configuration.",
)
@click.option("--listen", type=ADDRESS, default="127.0.0.1:8443", show_default=True, help="Where reviews come in, TLS.")
@click.option(
    "--probe-listen",
    type=ADDRESS,
    default="127.0.0.1:8080",
    show_default=True,
    help="Where /healthz, /readyz, /metrics and /configz are, plain HTTP.",
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
    multiple=True,
    metavar="DNS_OR_IP",
    help="A name for the certificate that is made; may be repeated. `nadmit certs bootstrap --help` shows the default.",
)
@click.option("--tls-cert-file", type=FILE, metavar="FILE", help="Serve this certificate instead, PEM with its chain.")
@click.option("--tls-key-file", type=FILE, metavar="FILE", help="The key of --tls-cert-file.")
@click.option(
    "--client-ca",
    type=FILE,
    metavar="FILE",
    help="Let only callers with a certificate of these authorities review, PEM; else everybody may.",
)
@click.option(
    "--client-name",
    "client_names",
    multiple=True,
    metavar="NAME",
    help="For --client-ca: a common name or DNS name that may call; may be repeated. Without any, all may.",
)
@click.option(
    "--path-token-file",
    type=FILE,
    metavar="FILE",
    help="Answer only below /validate/TOKEN and /mutate/TOKEN, with a token of this file, one in a line; for those who "
    "register by manifest. With --webhook-configuration the program makes tokens by itself.",
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0, 300),
    default=10,
    show_default=True,
    help="How long new connections are served after SIGTERM.",
)
@click.option(
    "--max-in-flight",
    type=click.IntRange(1, 100_000),
    default=256,
    show_default=True,
    help="Reviews at one time; more are answered 503, which an API server tries again.",
)
@click.option(
    "--max-bytes-in-flight",
    type=click.IntRange(16 * 1024 * 1024),
    default=64 * 1024 * 1024,
    show_default=True,
    help="Bytes of request bodies at one time. Beyond it large bodies wait for each other, and those that come too "
    "slowly are answered 503.",
)
@config_option
@cluster_options
@rules_options
@click.pass_context
def serve(  # noqa: PLR0913 - one parameter per option
    context: click.Context,
    /,
    *,
    manifests: Path | None,
    cluster: bool,
    kubeconfig: Path | None,
    listen: Address,
    probe_listen: Address,
    cert_dir: Path,
    cert_name: tuple[str, ...],
    tls_cert_file: Path | None,
    tls_key_file: Path | None,
    client_ca: Path | None,
    client_names: tuple[str, ...],
    path_token_file: Path | None,
    drain_seconds: float,
    max_in_flight: int,
    max_bytes_in_flight: int,
    network_namespace: str,
    **given: Any,
) -> None:
    """Answer AdmissionReviews over HTTPS: POST /validate and POST /mutate, both with a token behind it when registered.

    The networks and namespaces that reviews are judged against come from a tree of YAML (--manifests) or from a
    cluster (--cluster). One line of JSON per review goes to standard output, everything else to standard error.
    SIGTERM and SIGINT drain: no request that has begun is lost.

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
    if (manifests is None) is not cluster:
        raise click.UsageError("Give either --manifests DIR or --cluster.")
    if kubeconfig is not None and not cluster:
        raise click.UsageError("--kubeconfig belongs to --cluster.")
    if (tls_cert_file is None) is not (tls_key_file is None):
        raise click.UsageError("--tls-cert-file and --tls-key-file belong together: give both or none.")
    if client_names and client_ca is None:
        raise click.UsageError("--client-name belongs to --client-ca.")
    in_vain = None if cluster else given_in_vain(given, context)
    if in_vain is not None:
        raise click.UsageError(f"{in_vain} belongs to --cluster.")
    if given["tls_secret"] is not None and tls_cert_file is not None:
        raise click.UsageError("--tls-secret and --tls-cert-file are two ways to one thing: give one.")
    _check_path_token_options(path_token_file, given)
    if given["config"] is not None and given["config_map"] is not None:
        raise click.UsageError("--config and --config-map are two ways to one thing: give one.")
    if given["network_in_use"] == "Deny" and not given["watch_pods"]:
        raise click.UsageError(
            "--network-in-use Deny needs --watch-pods: without it, no network is known to be in use."
        )
    settings = {
        "manifests": manifests,
        "kubeconfig": kubeconfig,
        "listen": listen,
        "probe_listen": probe_listen,
        "cert_dir": cert_dir,
        "cert_names": cert_name,
        "tls_files": (tls_cert_file, tls_key_file) if tls_cert_file and tls_key_file else None,
        "client_ca": client_ca,
        "client_names": client_names,
        "path_token_file": path_token_file,
        "config": given["config"],
        "plugin_schemas": given["plugin_schemas"],
        "rules": rules_of(given),
        "cluster": cluster_settings_of(given),
        "network_namespace": network_namespace,
    }
    limits = {
        "drain_s": drain_seconds,
        "max_in_flight": max_in_flight,
        "max_bytes_in_flight": max_bytes_in_flight,
        "max_connections": max(MIN_CONNECTIONS, 4 * max_in_flight),
    }
    sys.exit(_run(settings, limits))


def _check_path_token_options(path_token_file: Path | None, given: Mapping[str, Any]) -> None:
    """Raise UsageError for options that do not go together."""
    if given["path_token_secret"] is not None and given["webhook_configuration"] is None:
        raise click.UsageError("--path-token-secret belongs to --webhook-configuration.")
    if given["path_token_secret"] is not None and given["tls_secret"] is not None:
        raise click.UsageError("--path-token-secret is for certificates in files: --tls-secret has the tokens as well.")
    if path_token_file is not None and given["webhook_configuration"] is not None:
        raise click.UsageError(
            "--path-token-file is for those who register by manifest: with --webhook-configuration tokens are made."
        )


def _run(settings: dict[str, Any], limits: dict[str, Any]) -> int:
    """Start the server and return the exit code. NB: these imports cost 300 ms, which no other command pays."""
    from certs.authority import MaterialError  # noqa: PLC0415 - as above, and below
    from certs.certfiles import BootstrapError  # noqa: PLC0415
    from certs.cli import DEFAULT_NAMES  # noqa: PLC0415
    from certs.rotator import RotatorError  # noqa: PLC0415
    from webhook import compose  # noqa: PLC0415
    from webhook.kube.apierrors import ClusterError  # noqa: PLC0415
    from webhook.serving.clients import ClientCaError  # noqa: PLC0415
    from webhook.serving.http import Limits  # noqa: PLC0415
    from webhook.serving.pathtokenfile import PathTokenError  # noqa: PLC0415
    from webhook.serving.server import ListenError  # noqa: PLC0415
    from webhook.serving.tls import CertificateError  # noqa: PLC0415
    from webhook.settings import ClusterSettings, Settings  # noqa: PLC0415
    from webhook.trees.problems import ManifestError  # noqa: PLC0415

    settings["cluster"] = ClusterSettings(**settings["cluster"])
    if settings["cluster"].tls_secret is None:
        settings["cert_names"] = settings["cert_names"] or DEFAULT_NAMES
    made = Settings(limits=Limits(**limits), **settings)
    broken = (
        ManifestError, ClusterError, BootstrapError, MaterialError, RotatorError, CertificateError, ClientCaError,
        ListenError, PathTokenError,
    )  # fmt: skip
    try:
        return compose.cluster(made) if made.manifests is None else compose.standalone(made, made.manifests)
    except broken as error:
        for line in str(error).splitlines():
            click.echo(f"nadmit: {line}", err=True)
        return EXIT_NO_START
