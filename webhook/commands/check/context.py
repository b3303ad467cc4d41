"""What objects are judged against beside themselves: a cluster as it is now, or another tree.

An object of the checked files replaces the one of the same kind and name, as it will when somebody applies it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from webhook.commands.options import fail, fail_unreadable
from webhook.trees import builder, environments, gathering
from webhook.trees.documents import Document
from webhook.trees.problems import ManifestError, Position, Problem


def from_cluster(kubeconfig: Path | None) -> list[Document]:
    """Return the networks, namespaces, policies, claims and pods of a cluster; ends the command if it cannot."""
    from webhook.kube.apierrors import ClusterError  # noqa: PLC0415 - the client costs 250 ms

    from . import clusterobjects  # noqa: PLC0415

    try:
        found = clusterobjects.read_cluster(kubeconfig, tell, kinds=clusterobjects.CONTEXT, is_every_pod=True)
    except ClusterError as error:
        fail(str(error))
    return found.documents


def tell(line: str) -> None:
    """Print what was read of a cluster."""
    click.echo(f"read {line}", err=True)


def from_tree(directory: str, exclude: Sequence[str], checked: Iterable[str], remarks: list[Problem]) -> list[Document]:
    """Return the objects of a tree; ends the command if it cannot be read.

    `checked`: files that are judged, and so are no context. Of environments side by side, the first counts, and one of
    `remarks` says so.
    """
    try:
        gathered = gathering.gather([directory], exclude=exclude)
    except ManifestError as error:
        fail_unreadable(error.problems)
    if gathered.problems:
        fail_unreadable(gathered.problems)
    judged = set(map(os.path.realpath, checked))
    documents = [one for one in gathered.documents if os.path.realpath(one.file) not in judged]
    found, groups = environments.split(documents, list(map(builder.identity, documents)))
    if groups:
        names = ", ".join(groups[0].names)
        text = f"--manifests has environments side by side: {names}; the first counts, so name the one that is meant"
        remarks.append(Problem(Position(directory), "environments", text))
    return [documents[index] for index in found[0].members]
