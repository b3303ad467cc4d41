"""`nadmit can-attach` and `nadmit rules`: may pods attach to a network, and who decides."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from cniplugin.access.compile import compile_rules
from cniplugin.access.model import labels as label_grammar
from cniplugin.access.model.decision import Config, Subject
from cniplugin.netspec import annotation, jsontext
from cniplugin.netspec.errors import SpecErrors, describe
from cniplugin.netspec.names import ALLOWED_SUBDOMAIN, is_subdomain
from cniplugin.netspec.selection import NetworkSelectionElement, to_json
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.view.permissions import answer, list_permissions
from webhook.admission.wording import policytext
from webhook.kube.apierrors import ClusterError
from webhook.report import permissionreport as report
from webhook.snapshot.snapshot import Snapshot
from webhook.trees import manifests
from webhook.trees.problems import ManifestError, Problem

from .options import (
    EXIT_REFUSED,
    Command,
    add_options,
    attachment_rules_options,
    fail,
    fail_unreadable,
    name_check,
    network_namespace_option,
    output_option,
    paint,
    rules_in_force,
    warn_unreadable,
)

REQUESTS = {"ips": "--ips", "mac": "--mac", "interface": "--interface", "default-route": "--default-route"}
"""Keys of the annotation that are options."""

ALLOWED_LABELS = "KEY=VALUE[,KEY=VALUE...] as in kubectl"


def parse_labels(values: Iterable[str]) -> dict[str, str]:
    """Return the labels of texts such as `app=web,tier=db`. Raises BadParameter."""
    labels: dict[str, str] = {}
    for text in (part.strip() for value in values for part in value.split(",")):
        key, sign, value = text.partition("=")
        if not (sign and label_grammar.is_key(key) and label_grammar.is_value(value)):
            raise click.BadParameter(f"{text!r} is not a label; allowed: {ALLOWED_LABELS}")
        if labels.setdefault(key, value) != value:
            raise click.BadParameter(f"{key!r} is given twice, with different values; keep one of them")
    return labels


def _labels_of(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    return parse_labels(values)


_POD_AND_CLUSTER_OPTIONS = (
    click.option(
        "-n",
        "--namespace",
        required=True,
        metavar="NAME",
        callback=name_check("a namespace"),
        help="Namespace of the pod.",
    ),
    click.option(
        "--service-account",
        metavar="NAME",
        default="default",
        show_default=True,
        callback=name_check("a service account", is_subdomain, ALLOWED_SUBDOMAIN),
        help="Service account of the pod.",
    ),
    click.option(
        "-l",
        "--labels",
        metavar="KEY=VALUE[,...]",
        multiple=True,
        callback=_labels_of,
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


def _pod_and_cluster_options(command: Command) -> Command:
    """Add the options that `_subject_of` and `_load_cluster` read."""
    return add_options(command, _POD_AND_CLUSTER_OPTIONS)


@click.command("can-attach", short_help="Say whether pods may attach to a network, and who decides.")
@click.argument("network", metavar="NETWORK")
@click.option("--ips", metavar="A[,B...]", help="Addresses that the pod asks for.")
@click.option("--mac", metavar="M", help="MAC address that it asks for.")
@click.option("--interface", metavar="NAME", help="Name of the interface that it asks for.")
@click.option("--default-route", metavar="GW[,GW...]", help="Gateways of the default route that it asks for.")
@click.option(
    "--default-network",
    is_flag=True,
    help="Ask for NETWORK in place of the cluster's default network (annotation v1.multus-cni.io/default-network).",
)
@_pod_and_cluster_options
@output_option("json: one object with everything that text says.")
@attachment_rules_options
@network_namespace_option
def can_attach(*, network: str, default_network: bool, output: str, network_namespace: str, **options: Any) -> None:
    """Say whether pods of a namespace may attach to NETWORK, and which rule or posture decides.

    NETWORK is NAME or NAMESPACE/NAME, with @INTERFACE if you like, or one element of the networks annotation in JSON.
    A NAME alone is looked up in the namespace of the pod. The webhook and the nodes give the same answer: the access
    policies decide, and --posture, --global-namespaces and --contact apply only where there is no
    NetworkAttachmentPolicyConfig.

    The answer has a line for each policy on trial (mode Warn or Audit) that would refuse the pod, and for each problem
    that keeps every pod from attaching. Policies that cannot be read are listed on standard error.

    \b
    Examples:
      nadmit can-attach -n blue infra/storage --cluster
      nadmit can-attach -n blue -l app=router green/shared --manifests cluster/
      nadmit can-attach -n blue infra/storage --ips 10.1.4.7/16 -o json --manifests cluster/
      nadmit can-attach -n blue '[{"name": "lan", "bandwidth": {"ingressRate": 1000}}]' --cluster

    \b
    Exit codes:
      0  yes
      1  no
      2  NETWORK or an option is wrong, or the cluster or a file cannot be read
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    requests = {key: options.pop(key.replace("-", "_")) for key in REQUESTS}
    namespace = network_namespace if default_network else options["namespace"]
    element = read_element(network, requests, namespace=namespace, is_default=default_network)
    cluster = _load_cluster(options)
    rules_now = rules_in_force(options, cluster)
    result = answer(
        _subject_of(options, cluster), element, DecisionContext(cluster, rules_now), default=default_network
    )
    click.echo(report.answer_json(result) if output == "json" else report.answer_text(result, paint))
    sys.exit(0 if result.permission.verdict.is_allowed else EXIT_REFUSED)


@click.command("rules", short_help="List what pods of a namespace may attach to, and why.")
@_pod_and_cluster_options
@click.option("--all", "shows_all", is_flag=True, help="Also list the networks that they may not attach to.")
@output_option("json: one object with everything, including the networks that are refused.")
@attachment_rules_options
def rules(*, shows_all: bool, output: str, **options: Any) -> None:
    """List the networks that pods of a namespace may attach to: who decides, and what they may ask for there.

    Below the networks are the Deny rules about such pods, the policies on trial (mode Warn or Audit), the rules about
    pods of the namespace with other labels or another service account, and the posture, which decides where no rule
    does. --posture, --global-namespaces and --contact apply only where there is no NetworkAttachmentPolicyConfig.

    A network with several Allow rules has a line for each: one of them must accept everything that a pod asks for.
    Policies that cannot be read are listed on standard error.

    \b
    Examples:
      nadmit rules -n blue --cluster
      nadmit rules -n blue -l app=router --service-account web --all --manifests cluster/
      nadmit rules -n blue -o json --manifests cluster/

    \b
    Exit codes:
      0  listed
      2  an option is wrong, or the cluster or a file cannot be read
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    cluster = _load_cluster(options)
    permissions = list_permissions(
        _subject_of(options, cluster), DecisionContext(cluster, rules_in_force(options, cluster))
    )
    is_configured = cluster.policies.config is not None
    if output == "json":
        click.echo(report.list_json(permissions, is_configured=is_configured))
    else:
        click.echo(report.list_text(permissions, paint, shows_all=shows_all, is_configured=is_configured))


def read_element(
    network: str, requests: Mapping[str, str | None], *, namespace: str, is_default: bool
) -> NetworkSelectionElement:
    """Return the element that NETWORK and the options make.

    The annotation's own grammar reads it, first NETWORK alone and then again with each option, so that a mistake is
    reported for the argument that made it.
    """
    element = _parse(network, "NETWORK", namespace=namespace, is_default=is_default)
    for key, text in requests.items():
        if text is not None:
            written = to_json(element)
            if key in written:
                raise click.UsageError(f"NETWORK has {key} already; leave out {REQUESTS[key]}.")
            parts = [part.strip() for part in text.split(",")]
            written[key] = parts if key in ("ips", "default-route") else text
            element = _parse(jsontext.quote([written]), REQUESTS[key], namespace=namespace, is_default=is_default)
    return element


def _parse(text: str, parameter: str, *, namespace: str, is_default: bool) -> NetworkSelectionElement:
    try:
        if is_default:
            chosen = annotation.parse_default_network(text, namespace=namespace)
            elements: tuple[NetworkSelectionElement, ...] = (chosen,) if chosen else ()
        else:
            elements = annotation.parse(text, namespace=namespace)
    except SpecErrors as errors:
        raise click.BadParameter(describe(next(iter(errors))), param_hint=parameter) from errors
    if len(elements) != 1:
        count = f"{len(elements)} networks are named" if elements else "no network is named"
        raise click.BadParameter(f"{count}; ask about one at a time", param_hint=parameter)
    return elements[0]


def _subject_of(options: Mapping[str, Any], cluster: Snapshot) -> Subject:
    """Return the pod that the options describe."""
    return Subject(
        namespace=options["namespace"],
        namespace_labels=cluster.namespace_labels(options["namespace"]),
        labels=options["labels"],
        service_account=options["service_account"],
    )


def _load_cluster(options: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot of the cluster that the options name; ends the command when it cannot be read.

    Warns on standard error of policies that cannot be read, and of a namespace that the cluster does not have.
    """
    directory, is_cluster, kubeconfig = options["manifests"], options["cluster"], options["kubeconfig"]
    if (directory is None) is not is_cluster:
        raise click.UsageError("Give either --manifests DIR or --cluster.")
    if kubeconfig is not None and not is_cluster:
        raise click.UsageError("--kubeconfig belongs to --cluster.")
    snapshot = _list_cluster(kubeconfig) if is_cluster else _load_files(directory)
    remark = unknown_namespace(snapshot, options["namespace"])
    if remark:
        click.echo(f"{paint('warning:', 'warning')} {remark}", err=True)
    return snapshot


def unknown_namespace(snapshot: Snapshot, namespace: str) -> str:
    """Return what an answer about a namespace that does not exist means, "" if that does not matter."""
    if snapshot.has_namespace(namespace) or not _matters(snapshot, namespace):
        return ""
    return f'there is no namespace "{namespace}"; the answer is about one of this name without labels'


def _matters(snapshot: Snapshot, namespace: str) -> bool:
    """Say whether an unknown namespace deserves a warning: there are others, or rules would read its labels."""
    compiled = compile_rules(snapshot.policies, Config())
    indexes = (compiled.enforced, compiled.warned, compiled.audited)
    reads_labels = any(index is not None and index.reads_labels_of(namespace) for index in indexes)
    return bool(snapshot.counts()["namespaces"]) or reads_labels


def _load_files(directory: str) -> Snapshot:
    warnings: list[Problem] = []
    try:
        snapshot = manifests.gather_snapshot(directory, warnings=warnings)
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
        fail(str(error))
    for problem in policytext.find_unreadable(snapshot.policies):
        click.echo(f"{paint('warning:', 'warning')} {problem}", err=True)
    return snapshot
