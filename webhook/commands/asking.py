"""Options of the commands that ask about pods: which pod, and of which cluster."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cniplugin.access.compile import compile_rules
from cniplugin.access.model import labels as label_grammar
from cniplugin.access.model.values import Config, Subject
from cniplugin.netspec.names import ALLOWED_LABEL, ALLOWED_SUBDOMAIN, is_label, is_subdomain
from webhook.admission.wording import unreadable
from webhook.kube.apierrors import ClusterError
from webhook.snapshot.snapshot import Snapshot
from webhook.trees import manifests as files
from webhook.trees.problems import ManifestError, Problem

from .options import EXIT_UNREADABLE, Command, fail_unreadable, paint, warn_unreadable

ALLOWED_LABELS = "KEY=VALUE[,KEY=VALUE...] as in kubectl"


def asking_options(command: Command) -> Command:
    """Add the options that `subject_of` and `load_cluster` read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def subject_of(options: Mapping[str, Any], cluster: Snapshot) -> Subject:
    """Return the pod that the options describe."""
    return Subject(
        namespace=options["namespace"],
        namespace_labels=cluster.namespace_labels(options["namespace"]),
        labels=options["labels"],
        service_account=options["service_account"],
    )


def load_cluster(options: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot of the cluster that the options name; ends the command when it cannot be read.

    What of the policies cannot be read, and a namespace that is not known, is told on standard error.
    """
    directory, is_cluster, kubeconfig = options["manifests"], options["cluster"], options["kubeconfig"]
    if (directory is None) is not is_cluster:
        raise click.UsageError("Give either --manifests DIR or --cluster.")
    if kubeconfig is not None and not is_cluster:
        raise click.UsageError("--kubeconfig belongs to --cluster.")
    snapshot = _list_cluster(kubeconfig) if is_cluster else _load_files(directory)
    if not snapshot.has_namespace(options["namespace"]) and _makes_a_difference(snapshot, options["namespace"]):
        said = f'there is no namespace "{options["namespace"]}"; the answer is about one of this name without labels'
        click.echo(f"{paint('warning:', 'warning')} {said}", err=True)
    return snapshot


def _makes_a_difference(snapshot: Snapshot, namespace: str) -> bool:
    """Say whether it is worth a warning that a namespace is not known: others are, or rules would read its labels."""
    rules = compile_rules(snapshot.policies, Config())
    indexes = (rules.enforced, rules.warned, rules.audited)
    reads_labels = any(index is not None and index.reads_labels_of(namespace) for index in indexes)
    return bool(snapshot.counts()["namespaces"]) or reads_labels


def _load_files(directory: str) -> Snapshot:
    warnings: list[Problem] = []
    try:
        snapshot = files.load_snapshot(directory, warnings=warnings)
    except ManifestError as error:
        fail_unreadable(error.problems)
    warn_unreadable(warnings)
    return snapshot


def _list_cluster(kubeconfig: Path | None) -> Snapshot:
    # The client costs 250 ms, which files do not pay.
    from webhook.snapshot.source import list_snapshot  # noqa: PLC0415

    try:
        snapshot = list_snapshot(kubeconfig)
    except ClusterError as error:
        click.echo(f"nadmit: {error}", err=True)
        sys.exit(EXIT_UNREADABLE)
    for problem in unreadable.find(snapshot.policies):
        click.echo(f"{paint('warning:', 'warning')} {problem}", err=True)
    return snapshot


def _parse_namespace(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not is_label(value):
        raise click.BadParameter(f"{value!r} does not name a namespace; allowed: {ALLOWED_LABEL}")
    return value


def _parse_account(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not is_subdomain(value):
        raise click.BadParameter(f"{value!r} does not name a service account; allowed: {ALLOWED_SUBDOMAIN}")
    return value


def _parse_labels(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in (part.strip() for value in values for part in value.split(",")):
        key, sign, value = text.partition("=")
        if not (sign and label_grammar.is_key(key) and label_grammar.is_value(value)):
            raise click.BadParameter(f"{text!r} is no label; allowed: {ALLOWED_LABELS}")
        if labels.setdefault(key, value) != value:
            raise click.BadParameter(f"{key!r} is given twice, with different values; keep one of them")
    return labels


_OPTIONS = (
    click.option(
        "-n", "--namespace", required=True, metavar="NAME", callback=_parse_namespace, help="Namespace of the pod."
    ),
    click.option(
        "--service-account",
        metavar="NAME",
        default="default",
        show_default=True,
        callback=_parse_account,
        help="Service account of the pod.",
    ),
    click.option(
        "-l",
        "--labels",
        metavar="KEY=VALUE[,...]",
        multiple=True,
        callback=_parse_labels,
        help="Labels of the pod; may be repeated. Default: none.",
    ),
    click.option("--manifests", metavar="DIR", help="Tree of YAML with networks, namespaces and access policies."),
    click.option("--cluster", is_flag=True, help="Ask the cluster that kubectl points at, or that this runs in."),
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="For --cluster: use this file; else the pod's service account, else kubectl's own configuration.",
    ),
)
