"""Where commands read objects from: a cluster by default, or copies of objects in files, a tree, or both of these."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from webhook.commands.options import STDIN, STDIN_NAME, Command, fail_unreadable
from webhook.trees import gathering, manifests
from webhook.trees.documents import Document
from webhook.trees.problems import ManifestError, Problem


def source_options(objects: str, tree: str) -> tuple[Callable[[Command], Command], ...]:
    """Return the options, which become the parameters `cluster`, `kubeconfig`, `files` and `directory`.

    `objects`, `tree`: what the help says about the objects of files and of a tree.
    """
    return (
        click.option("--cluster", is_flag=True, help="Ask the cluster that kubectl points at; the default."),
        click.option(
            "--kubeconfig",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Use this kubeconfig; else the pod's service account, else kubectl's own configuration.",
        ),
        click.option(
            "-f",
            "--filename",
            "files",
            multiple=True,
            metavar="FILE",
            help="Read a copy instead of a cluster: the output of kubectl get ... -o yaml or json"
            f'{objects}; "-" is standard input; may be repeated.',
        ),
        click.option(
            "--manifests",
            "directory",
            metavar="DIR",
            help=f"Tree of YAML with {tree}, instead of a cluster or beside -f.",
        ),
    )


def is_copy(options: Mapping[str, Any]) -> bool:
    """Say whether files replace the cluster. Raises UsageError if both are named."""
    has_files = bool(options["files"] or options["directory"])
    if has_files and (options["cluster"] or options["kubeconfig"] is not None):
        raise click.UsageError("-f and --manifests replace the cluster; leave out --cluster and --kubeconfig.")
    return has_files


def read(files: Sequence[str], directory: str | None) -> list[Document]:
    """Return the objects of files and of a tree. Ends the command if one cannot be read, or if there is none."""
    problems: list[Problem] = []
    documents = list(_documents(files, directory, problems))
    if problems:
        fail_unreadable(problems)
    if not documents:
        fail_unreadable([manifests.nothing_found([*files, *filter(None, [directory])])])
    return documents


def _documents(files: Sequence[str], directory: str | None, problems: list[Problem]) -> Iterator[Document]:
    for file in files:
        if file == STDIN:
            yield from manifests.read_bytes(sys.stdin.buffer.read(), file=STDIN_NAME, problems=problems)
        else:
            yield from manifests.read_file(file, problems)
    if directory is not None:
        try:
            gathered = gathering.gather([directory])
        except ManifestError as error:
            fail_unreadable(error.problems)
        problems += gathered.problems
        yield from gathered.documents


def placed(document: Document) -> dict[str, Any]:
    """Return the object with its namespace, as kubectl would create it."""
    metadata = document.object["metadata"]
    is_global = document.kind in {"Namespace", "Node"} or document.group == ACCESS_GROUP
    if is_global or metadata.get("namespace"):
        return document.object
    return {**document.object, "metadata": {**metadata, "namespace": document.namespace}}


def tell(line: str) -> None:
    """Print what is being read, on a terminal."""
    if sys.stderr.isatty():
        click.echo(f"read {line}", err=True)
