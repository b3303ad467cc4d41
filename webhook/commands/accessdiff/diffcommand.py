"""`nadmit diff`: who gains and who loses access between two trees, or between a cluster and a tree."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from webhook.commands.options import (
    EXIT_REFUSED,
    attachment_rules_options,
    complete_paths,
    fail,
    fail_unreadable,
    paint,
    rules_in_force,
)
from webhook.kube.apierrors import ClusterError
from webhook.report import accesschanges
from webhook.report.accesschanges import CHANGES, GAINS, LOSES, AccessChanges
from webhook.trees import builder, gathering, manifests
from webhook.trees.documents import NO_OBJECT, Document
from webhook.trees.problems import ManifestError, Problem

from .comparing import Key, Side, compare, key_of

FAILS = {"gains": (GAINS,), "losses": (LOSES,), "any": (GAINS, LOSES, CHANGES)}

Objects = dict[Key, Document]


@click.command("diff", short_help="Say who gains and who loses access between two trees, or a cluster and a tree.")
@click.argument("trees", nargs=-1, metavar="[OLD] NEW", shell_complete=complete_paths)
@click.option(
    "--manifests", "common", metavar="DIR", help="Objects that both sides have, such as networks and namespaces."
)
@click.option("--cluster", is_flag=True, help="The cluster that kubectl points at is OLD, and NEW is applied to it.")
@click.option(
    "--prune", is_flag=True, help="With --cluster: policies of the cluster that NEW does not have are deleted."
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For --cluster: use this file; else the pod's service account, else kubectl's own configuration.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="markdown: a comment for a pull request.",
)
@click.option(
    "--fail-on",
    type=click.Choice(list(FAILS)),
    help="End with 1 if anybody gains access, loses access, or either, or if the limits of anybody change (any).",
)
@attachment_rules_options
def diff(
    *,
    trees: tuple[str, ...],
    common: str | None,
    cluster: bool,
    prune: bool,
    kubeconfig: Path | None,
    output: str,
    fail_on: str | None,
    **options: Any,
) -> None:
    """Say who gains and who loses access to networks when the tree OLD becomes the tree NEW.

    A tree is a file or a directory with policies, networks, namespaces and workloads. For each namespace it compares a
    pod without labels, and a pod for each selector in the rules: may it attach to each network, and what may it ask
    for. Workloads and pods that both sides have are judged as well. It also lists changed settings, changed rules about
    who may write networks, and what is odd about new policies.

    \b
    Examples:
      git worktree add ../base origin/main
      nadmit diff ../base/deploy deploy                     two trees
      nadmit diff -o markdown ../base/deploy deploy         a comment for a pull request
      nadmit diff --manifests networks/ old.yaml new.yaml   two versions of the policies
      nadmit diff --cluster policies/                       what kubectl apply -f policies/ would change
      nadmit diff --cluster --prune --fail-on losses policies/

    \b
    Exit codes:
      0  compared
      1  access changes as --fail-on says
      2  a file or the cluster cannot be read, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    if len(trees) != (1 if cluster else 2):
        raise click.UsageError("Give --cluster and NEW." if cluster else "Give OLD and NEW, or --cluster and NEW.")
    if not cluster and (prune or kubeconfig is not None):
        raise click.UsageError(f"{'--prune' if prune else '--kubeconfig'} belongs to --cluster.")
    problems: list[Problem] = []
    shared = _read(common, problems) if common is not None else {}
    if cluster:
        old = {**shared, **_read_cluster(kubeconfig)}
        new = _applied(old, _read(trees[0], problems), prune=prune)
    else:
        old, new = ({**shared, **_read(tree, problems)} for tree in trees)
        if not (old or new):
            problems.append(manifests.nothing_found(trees))
    sides = [_side(objects, options, problems) for objects in (old, new)]
    if problems:
        fail_unreadable(dict.fromkeys(problems))
    changes = compare(*sides)
    click.echo(_render(changes, output))
    sys.exit(EXIT_REFUSED if fail_on is not None and accesschanges.has(changes, FAILS[fail_on]) else 0)


def _read(tree: str, problems: list[Problem]) -> Objects:
    """Return the objects of a tree by their key. A second object of one key is a problem, as in a cluster."""
    found: list[Problem] = []
    try:
        gathered = gathering.gather([tree])
    except ManifestError as error:
        fail_unreadable(error.problems)
    found += gathered.problems
    documents = gathered.documents
    builder.build(documents, found)  # for objects that occur twice
    problems.extend(one for one in found if one.rule != NO_OBJECT)
    return {key_of(one): one for one in documents if one.name}


def _read_cluster(kubeconfig: Path | None) -> Objects:
    from webhook.commands.check.clusterobjects import read_cluster  # noqa: PLC0415 - the client costs 250 ms

    try:
        found = read_cluster(kubeconfig, lambda line: click.echo(f"read {line}", err=True))
    except ClusterError as error:
        fail(str(error))
    return {key_of(one): one for one in found.documents}


def _applied(old: Objects, tree: Objects, *, prune: bool) -> Objects:
    """Return the cluster after the tree is applied to it."""
    kept = {key: one for key, one in old.items() if not (prune and key[0] == ACCESS_GROUP and key not in tree)}
    return {**kept, **tree}


def _side(objects: Objects, options: Mapping[str, Any], problems: list[Problem]) -> Side:
    documents: Sequence[Document] = list(objects.values())
    snapshot = builder.build(documents, problems, warnings=problems)
    return Side(snapshot, rules_in_force(options, snapshot), objects)


def _render(changes: AccessChanges, output: str) -> str:
    if output == "json":
        return accesschanges.render_json(changes)
    if output == "markdown":
        return accesschanges.render_markdown(changes)
    return accesschanges.render_text(changes, paint)
