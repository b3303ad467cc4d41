"""`nadmit why`: one cause and one fix for a pod, a workload or a network that does not work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from cniplugin.netspec.names import nearest
from webhook.admission.model.kinds import VERDICT_KINDS
from webhook.admission.wording import policytext
from webhook.commands import objectfiles
from webhook.commands.options import (
    Command,
    add_options,
    attachment_rules_options,
    config_option,
    configuration_of,
    fail,
    namespace_option,
    network_namespace_option,
    output_option,
    paint,
)
from webhook.report.diagnosis import networkdiagnosis, poddiagnosis, rendering, workloaddiagnosis
from webhook.report.diagnosis.objectset import ObjectSet
from webhook.report.diagnosis.world import World
from webhook.trees import builder
from webhook.trees.documents import DEFAULT_NAMESPACE, Document
from webhook.trees.positions import Source
from webhook.trees.problems import Problem

from .nodereading import RECORD_DIR, Records
from .targets import ALLOWED, NETWORK_KIND, Target, parse

if TYPE_CHECKING:
    from webhook.report.diagnosis.causes import Diagnosis

EXIT_FINE, EXIT_CAUSE, EXIT_NOT_KNOWN = 0, 1, 3
NO_DEFINITIONS = (
    "the files have no NetworkAttachmentDefinition, so what the webhook says now is not known; add net-attach-def to "
    "kubectl get, or give --manifests"
)
NO_POLICIES = "the files have no access policy, so this verdict is that of the posture alone"


class Found(NamedTuple):
    """What was read. `documents`: all objects but events. `unread`: kind -> the right that is missing."""

    objects: ObjectSet
    documents: list[Document]
    unread: dict[str, str]


_OPTIONS = (
    namespace_option("Namespace of the pod or workload. Default: that of the kubeconfig's context, else default."),
    *objectfiles.source_options(", with the events", "networks, namespaces and access policies"),
    click.option(
        "--record-dir",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help=f"On a node: read what nadmit's plugin has recorded there. Default: {RECORD_DIR}, if it exists.",
    ),
)


def _options(command: Command) -> Command:
    return add_options(command, _OPTIONS)


@click.command("why", short_help="Say why a pod, a workload or a network does not work.")
@click.argument("target", metavar="TARGET")
@_options
@output_option("json: one object; docs/why.schema.json is its schema.")
@config_option
@attachment_rules_options
@network_namespace_option
def why(*, target: str, output: str, **options: Any) -> None:
    """Say why TARGET does not work: one cause, its evidence, and what to do.

    TARGET is the NAME of a pod, KIND/NAME of a workload (deployment/web, sts/db, job/once), or NAMESPACE/NAME of a
    network. The answer is one of: refused, not scheduled, not attached, attached other than asked, attached and not
    running, fine, not known. A refusal has two parts: what the event says that the webhook said then, and what the
    webhook says now. A CNI error is split into the network with its item of the annotation, the plugin, and the
    plugin's own words.

    It needs the right to get TARGET. Each other right that is missing is named in a line "unread", and the answer
    follows from the rest. Pods and events of the namespace make the answer about a workload; those of all namespaces
    the one about a network.

    \b
    Examples:
      nadmit why web-0
      nadmit why -n blue deployment/web
      nadmit why blue/lan                     why can nobody attach to this network
      nadmit why -n blue web-0 -o json
      kubectl get pods,rs,events,net-attach-def -n blue -o yaml | nadmit why -n blue web-0 -f -
      nadmit why -n blue web-0 --record-dir /var/lib/cni/nadmit    on the node, as root

    \b
    Exit codes:
      0  fine
      1  a cause was found
      2  TARGET does not exist or cannot be read, or an option is wrong
      3  something is wrong, and the cause is not known
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    asked = parse(target)
    if asked is None:
        raise click.BadParameter(f"{target!r} is not an object; allowed: {ALLOWED}", param_hint="TARGET")
    is_copy = objectfiles.is_copy(options)
    asked = asked._replace(namespace=asked.namespace or options["namespace"] or _namespace(options, is_copy=is_copy))
    found = _read_files(options) if is_copy else _read_cluster(options["kubeconfig"], asked)
    result = _diagnose(asked, found, options)
    click.echo(rendering.render_json(result) if output == "json" else rendering.render_text(result, paint))
    sys.exit(EXIT_FINE if result.is_fine else EXIT_CAUSE if result.is_known else EXIT_NOT_KNOWN)


def _namespace(options: dict[str, Any], *, is_copy: bool) -> str:
    """Return the namespace of the kubeconfig's context; `default` if it names none."""
    if is_copy:
        return DEFAULT_NAMESPACE
    from webhook.kube.apierrors import ClusterError  # noqa: PLC0415 - files do not pay for the client
    from webhook.kube.credentials import load_namespace  # noqa: PLC0415 - as above

    try:
        return load_namespace(options["kubeconfig"], environ=os.environ) or DEFAULT_NAMESPACE
    except ClusterError as error:
        fail(str(error))


def _diagnose(asked: Target, found: Found, options: dict[str, Any]) -> Diagnosis:
    records = _records(options["record_dir"])
    if records is not None and records.unread:
        found.unread["record"] = records.unread
    world = _world(found, options, records)
    if asked.kind == NETWORK_KIND:
        return networkdiagnosis.diagnose(asked.namespace, asked.name, world)
    one = found.objects.get(asked.kind, asked.namespace, asked.name)
    if one is None:
        fail(_not_found(asked, found.objects))
    diagnose = poddiagnosis.diagnose if asked.kind == "Pod" else workloaddiagnosis.diagnose
    result = diagnose(one, world)
    has_policies = any(document.group == ACCESS_GROUP for document in found.documents)
    if (
        objectfiles.is_copy(options)
        and not has_policies
        and result.now is not None
        and any(rule[:1].isupper() for rule in result.now.rules)
    ):
        return result._replace(notes=(*result.notes, NO_POLICIES))
    return result


def _world(found: Found, options: dict[str, Any], records: Records | None) -> World:
    from webhook.plugindata.refusals import is_refusal  # noqa: PLC0415 - it reads what plugins say

    from .verdicts import Asking  # noqa: PLC0415 - it loads what judges

    namespace = options["network_namespace"]
    asking = None
    if not found.unread.keys() & VERDICT_KINDS:
        problems: list[Problem] = []
        cluster = builder.build(found.documents, problems, network_namespace=namespace)
        for problem in policytext.find_unreadable(cluster.policies):
            click.echo(f"{paint('warning:', 'warning')} {problem}", err=True)
        configuration = configuration_of(options["config"], options["plugin_schemas"], options["attached_by"])
        asking = Asking(cluster, configuration, options, network_namespace=namespace)
    return World(
        objects=found.objects,
        judge=asking.judge if asking else lambda _one: None,
        rights=asking.rights if asking else lambda _namespace, _name: (),
        records=records.of_pod if records else lambda _namespace, _name, _uid: (),
        is_refusal=is_refusal,
        network_namespace=namespace,
    )


def _records(directory: Path | None) -> Records | None:
    if directory is None and not Path(RECORD_DIR).is_dir():
        return None
    if directory is not None and not directory.is_dir():
        raise click.BadParameter(f"{str(directory)!r} is not a directory of this machine", param_hint="--record-dir")
    return Records(directory or Path(RECORD_DIR))


def _read_files(options: dict[str, Any]) -> Found:
    documents = objectfiles.read(options["files"], options["directory"])
    kinds = {document.kind for document in documents}
    unread = {} if NETWORK_KIND in kinds else {NETWORK_KIND: NO_DEFINITIONS}
    return Found(ObjectSet(map(objectfiles.placed, documents), unread), _without_events(documents), unread)


def _without_events(documents: Iterable[Document]) -> list[Document]:
    return [document for document in documents if document.kind != "Event"]


def _read_cluster(kubeconfig: Path | None, asked: Target) -> Found:
    from webhook.kube.apierrors import ClusterError, NotFoundError  # noqa: PLC0415 - files do not pay for the client

    from . import clusterreading  # noqa: PLC0415 - as above

    try:
        read = clusterreading.read(kubeconfig, asked, objectfiles.tell)
    except NotFoundError:
        fail(_not_found(asked, ObjectSet()))
    except ClusterError as error:
        fail(str(error))
    objects = list(read.objects.values())
    documents = [Document(Source("cluster", ""), one, 0, 0) for one in objects]
    return Found(ObjectSet([*objects, *read.events], read.unread), documents, read.unread)


def _not_found(asked: Target, objects: ObjectSet) -> str:
    """Say that an object does not exist, and which one may be meant."""
    what = f'there is no {asked.kind} "{asked.name}" in namespace "{asked.namespace}"'
    other = next((kind for kind in WORKLOADS if objects.get(kind, asked.namespace, asked.name)), "")
    near = nearest(asked.name, objects.names(asked.kind, asked.namespace))
    if other:
        return f'{what}; did you mean "{other.lower()}/{asked.name}"?'
    if near:
        return f'{what}; did you mean "{near}"?'
    fix = "check the name and -n NAMESPACE"
    if asked.kind == "Pod":
        fix = f"{fix}; for pods that were never created, ask about their workload: deployment/NAME"
    return f"{what}; {fix}"


WORKLOADS = (
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicaSet",
    "ReplicationController",
    "VirtualMachine",
)
