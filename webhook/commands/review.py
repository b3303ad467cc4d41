"""`nadmit review`: the verdicts about objects in files, as kubectl would print them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from webhook.admission.model.kinds import DEVICE_KINDS, NETWORK, POLICIES
from webhook.admission.model.requests import User
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.wording.answers import who
from webhook.report import diff, kubectl
from webhook.snapshot.snapshot import EMPTY, Snapshot
from webhook.trees import builder, manifests
from webhook.trees.documents import Document
from webhook.trees.problems import ManifestError, Position, Problem

from .judging import NOBODY, Judgement, Webhook, is_judged, is_review, judge
from .options import (
    EXIT_REFUSED,
    STDIN,
    STDIN_NAME,
    complete_paths,
    config_option,
    configuration_of,
    fail_unreadable,
    paint,
    rules_in_force,
    rules_options,
    warn_unreadable,
)

_CLUSTER_KINDS = {("", "Namespace"), NETWORK, *POLICIES, *DEVICE_KINDS}


@click.command(short_help="Say what the webhook would answer to objects in files.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_paths)
@click.option(
    "--manifests",
    "directory",
    metavar="DIR",
    help="Tree of YAML with the networks, namespaces and access policies of the cluster. Without it, those in the "
    "FILEs count.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: a list with file, line, kind, namespace, name, allowed, code, reason, message, causes, warnings and "
    "patch (JSON Patch).",
)
@click.option(
    "--as",
    "user_name",
    metavar="USER",
    default=NOBODY.name,
    help="Who creates the objects, for rules about who may write definitions, network-status and labels of namespaces; "
    "as kubectl's --as.",
)
@click.option("--as-group", "groups", metavar="GROUP", multiple=True, help="A group of that user; may be repeated.")
@config_option
@rules_options
def review(  # noqa: PLR0913 - one parameter per option
    *,
    files: tuple[str, ...],
    directory: str | None,
    output: str,
    user_name: str,
    groups: tuple[str, ...],
    network_namespace: str,
    config: Path | None,
    plugin_schemas: Path | None,
    attached_by: str,
    **rules_given: Any,
) -> None:
    """Say what the webhook would answer if the objects in FILEs were created.

    A FILE is YAML or JSON with pods, NetworkAttachmentDefinitions, workloads (Deployment, StatefulSet, DaemonSet,
    ReplicaSet, ReplicationController, Job, CronJob, PodTemplate), access policies (NetworkAttachmentPolicy,
    NetworkAttachmentPolicyConfig), Namespaces with labels, ResourceClaims, their templates and DeviceClasses, other
    kinds with a pod template, such as Rollout, machines of KubeVirt, Lists of them, or whole AdmissionReviews as an API
    server sends them; "-" is standard input. Other kinds are skipped.

    Verdicts go to standard output in the words of kubectl. Warnings go to standard error and name their object. The
    changes that /mutate makes to a pod are shown as a unified diff of its YAML.

    \b
    Examples:
      nadmit review --manifests examples/cluster pod.yaml
      kubectl get pod web-0 -o json | nadmit review --manifests cluster/ -
      nadmit review -o json --posture Open pod.yaml networks.yaml
      nadmit review --as bob --as-group blue-admins --manifests cluster/ network.yaml

    \b
    Exit codes:
      0  every object is allowed
      1  an object is refused
      2  an input cannot be read, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    problems: list[Problem] = []
    documents = list(_read(files, problems))
    warnings: list[Problem] = []
    if directory is None:
        cluster = builder.build((document for document in documents if _is_known(document)), problems)
    else:
        cluster = _load_cluster(directory, network_namespace, problems, warnings)
    rules, configuration = rules_in_force(rules_given, cluster), configuration_of(config, plugin_schemas, attached_by)
    if not problems and not any(is_judged(document, configuration.workloads) for document in documents):
        text = "no file has a pod, network, workload or policy, and nothing else is judged; name a file that has one"
        problems.append(Problem(Position(" ".join(files)), "nothing-to-judge", text))
    context = DecisionContext(cluster, rules, configuration, network_namespace)
    webhook = Webhook(context=context, user=User(user_name, (*groups, *NOBODY.groups)))
    judgements = list(judge(documents, webhook, problems))
    if problems:
        fail_unreadable(problems)
    warn_unreadable(warnings)
    _print(judgements, output)
    sys.exit(0 if all(judgement.decision.is_allowed for judgement in judgements) else EXIT_REFUSED)


def _read(files: Iterable[str], problems: list[Problem]) -> Iterable[Document]:
    for file in files:
        if file == STDIN:
            data = sys.stdin.buffer.read()
            yield from manifests.read_bytes(data, file=STDIN_NAME, problems=problems)
        else:
            yield from manifests.read_file(file, problems)


def _is_known(document: Document) -> bool:
    """Say whether an object of a FILE is part of the cluster, if there is no tree."""
    return (document.group, document.kind) in _CLUSTER_KINDS


def _load_cluster(directory: str, network_namespace: str, problems: list[Problem], warnings: list[Problem]) -> Snapshot:
    """Return the snapshot of a tree; `warnings` are about the tree."""
    try:
        return manifests.gather_snapshot(directory, warnings=warnings, network_namespace=network_namespace)
    except ManifestError as error:
        problems.extend(error.problems)
        return EMPTY


def _print(judgements: Iterable[Judgement], output: str) -> None:
    if output == "json":
        click.echo(json.dumps([_to_json(judgement) for judgement in judgements], indent=2, ensure_ascii=False))
        return
    for judgement in judgements:
        for line in kubectl.render_warnings(judgement.decision, of=who(judgement.request)):
            click.echo(paint(line, "warning"), err=True)
        click.echo(_render(judgement))
        if judgement.operations and judgement.decision.is_allowed:
            _print_diff(judgement)


def _print_diff(judgement: Judgement) -> None:
    name = kubectl.resource_name(judgement.request.kind, judgement.request.object_name)
    for line in diff.render(judgement.object, judgement.changed_object, name=name):
        click.echo(paint(line, {"+": "added", "-": "removed"}.get(line[0], "context")))


def _render(judgement: Judgement) -> str:
    """NB: a client has already sent the object of an AdmissionReview, so kubectl would not name a file."""
    request, decision = judgement.request, judgement.decision
    file = None if is_review(judgement.document) else judgement.document.file
    name = kubectl.INJECTION if judgement.is_mutation else kubectl.webhook_name(request.kind)
    text = kubectl.render(request, decision, webhook_name=name, file=file)
    if not decision.is_allowed:
        return paint(text, "refused")
    return paint(f"{text}, with changes:" if judgement.operations else text, "allowed")


def _to_json(judgement: Judgement) -> dict[str, object]:
    request, decision = judgement.request, judgement.decision
    place = judgement.document.locate()
    return {
        "file": place.file,
        "line": place.line,
        "kind": request.kind.kind,
        "namespace": request.namespace,
        "name": request.object_name,
        "allowed": decision.is_allowed,
        "code": decision.code,
        "reason": decision.reason,
        "message": decision.message,
        "causes": [
            {"rule": cause.rule, "reason": cause.reason, "field": cause.field, "message": cause.message}
            for cause in decision.causes
        ],
        "warnings": list(map(str, decision.warnings)),
        "patch": list(judgement.operations),
    }
