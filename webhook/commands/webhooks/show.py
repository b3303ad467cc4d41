"""`nadmit webhooks show`: the configurations as YAML, for registration by manifest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import yaml

from cniplugin.netspec.attachers import MULTUS
from webhook.admission.templates.workloadtable import own_kinds
from webhook.commands.options import configuration_of, fail
from webhook.kube.apierrors import ClusterError
from webhook.registration.configurations import DEFAULT_NAME, IGNORE, STAGES, Service, configuration, webhooks
from webhook.registration.tables import KINDS
from webhook.serving.reviewpaths import PathTokenError, read_tokens

from .registrationoptions import protection_of_options, target_of_options, target_options

DEFAULT_SERVICE = Service("nadmit-system", "nadmit-webhook")


@click.command(short_help="Print the webhook configurations as YAML.")
@target_options
@click.option(
    "--stage",
    "--failure-policy",
    "stage",
    type=click.Choice(STAGES),
    default=IGNORE,
    show_default=True,
    help="Observe: judge everything, refuse nothing; begin with it. Ignore, Fail: refuse, and while no replica answers "
    "allow everything, or refuse what must be judged.",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The authority of the webhook's certificate, PEM; without it something else must add the caBundle.",
)
@click.option(
    "--path-token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="End the paths with the first token of this file, the one of `nadmit serve --path-token-file`.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A NadmitConfiguration: the kinds in its `workloads` are registered as well.",
)
@click.option("--name", metavar="NAME", default=DEFAULT_NAME, show_default=True, help="Name of both objects.")
def show(
    *,
    stage: str,
    ca_file: Path | None,
    path_token_file: Path | None,
    config: Path | None,
    name: str,
    **options: Any,
) -> None:
    """Print the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration as YAML, without a cluster.

    Without --service and --url the target is the Service nadmit-webhook in namespace nadmit-system. Give the same
    --network-status-mode and status writers as the webhook has: they decide for which changes of network-status the API
    server calls it.

    If you register by manifest, run `nadmit serve` without --webhook-configuration, which would restore its own. With
    --path-token-file the output contains a secret: protect it like the objects themselves.

    \b
    Exit codes:
      0  printed
      2  an option is wrong, or the file cannot be read
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    make = partial(
        webhooks,
        target=target_of_options(options) or DEFAULT_SERVICE,
        ca_bundle=None if ca_file is None else _read(ca_file),
        stage=stage,
        protection=protection_of_options(options),
        token="" if path_token_file is None else _read_token(path_token_file),
        own_kinds=() if config is None else own_kinds(configuration_of(config, None, MULTUS).workloads),
    )
    shown = [configuration(kind, name, make(kind), stage=stage) for kind in KINDS]
    click.echo(render(shown), nl=False)


def render(values: Sequence[dict[str, Any]]) -> str:
    """Return objects as YAML documents, with long expressions as blocks."""
    return yaml.dump_all(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**16)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and no aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - yaml's signature
        """Write equal values in full."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def _read_token(file: Path) -> str:
    try:
        return read_tokens(file)[0]
    except PathTokenError as error:
        fail(str(error))


def _read(file: Path) -> bytes:
    from webhook.registration.cafile import read_authorities  # noqa: PLC0415 - cryptography costs 100 ms

    try:
        return read_authorities(file)
    except ClusterError as error:
        fail(str(error))
