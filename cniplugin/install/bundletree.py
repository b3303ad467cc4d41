"""The trees of node bundles on the node, and the snapshot of the program in each.

    <cni-bin-dir>/.nadmit/<digest>/            an unpacked bundle
    <cni-bin-dir>/.nadmit/<digest>.snapshot    the memory of its program after the start (node.md, "Snapshot")

The program writes its snapshot itself, on this node. Without one it does the same, but starts more slowly, so a
snapshot that cannot be written or used is a warning. Only the form `frozen` has one.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH114, PTH115, PTH208

from __future__ import annotations

import os

from cniplugin.host.disk import TEMPORARY, beside, digest_of_tree

from . import trial
from .commandline import InstallError
from .conflist import PLUGIN
from .desired import BUNDLE_MARK, read_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cniplugin.host.disk import Disk

    from .desired import Desired

SNAPSHOT = ".snapshot"
SLOWER = "each call of the plugin takes some milliseconds longer"


def place(disk: Disk, desired: Desired) -> tuple[str, ...]:
    """Place the bundle. Return the names beside it that are in use: by the new program, and by running processes."""
    top, name = os.path.split(desired.tree)
    if not disk.has(top):
        disk.make_directory(top, 0o755)
    for entry in sorted(os.listdir(disk.at(top))):
        if entry.endswith(TEMPORARY):
            disk.remove(f"{top}/{entry}")
    if digest_of_tree(disk.at(desired.tree)) != digest_of_tree(desired.bundle):
        disk.remove(f"{desired.tree}{SNAPSHOT}")
        disk.copy_tree(desired.bundle, desired.tree)
    program = disk.at(desired.program[0].path)
    before = os.readlink(program).split("/")[1:2] if os.path.islink(program) else []
    return tuple(used for tree in (name, *before) for used in (tree, f"{tree}{SNAPSHOT}"))


def remove_all_but(disk: Disk, top: str, used: Sequence[str]) -> None:
    """Remove the trees that no process runs from any more, and their snapshots."""
    for entry in sorted(os.listdir(disk.at(top))):
        if entry not in used:
            disk.remove(f"{top}/{entry}")


def foreign(disk: Disk, top: str) -> Iterator[str]:
    """Yield the names in the parent of trees that are neither ours nor what an interrupted run leaves."""
    for name in sorted(os.listdir(disk.at(top))):
        tree = name.removesuffix(SNAPSHOT)
        is_bundle = os.path.isfile(disk.at(f"{top}/{tree}/{BUNDLE_MARK}"))  # noqa: PTH113  # as above
        if not is_bundle and not name.endswith(TEMPORARY):
            yield name


def lacks_snapshot(disk: Disk, tree: str) -> bool:
    """Say whether the program of a tree could have a snapshot, and has none."""
    try:
        form = read_object(disk.at(f"{tree}/{BUNDLE_MARK}")).get("form")
    except (InstallError, OSError):  # damaged, which `show` reports
        return False
    return form == "frozen" and not disk.has(f"{tree}{SNAPSHOT}")


def place_snapshot(disk: Disk, desired: Desired, environ: Mapping[str, str]) -> str:
    """Have the placed program write its snapshot, if it has none, and try it. Return a warning, or ""."""
    path = f"{desired.tree}{SNAPSHOT}"
    if not lacks_snapshot(disk, desired.tree):
        return ""
    program, temporary = f"{disk.at(desired.tree)}/bin/{PLUGIN}", beside(path, TEMPORARY)
    disk.remove(temporary)
    disk.on_step(f"write {path}")
    try:
        failure = _write(program, disk.at(temporary))
    except OSError as error:
        failure = f"{program}: {error.strerror}"
    if failure:
        disk.remove(temporary)
        return _warning(failure)
    disk.rename(temporary, path)
    try:
        return trial.try_version(program, environ)
    except InstallError as error:
        disk.remove(path)
        return _warning(str(error))


def _write(program: str, path: str) -> str:
    """Run the program, and return its complaint. NB: the file would keep an environment, so there is none."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as complaints:
        try:
            actions = [(os.POSIX_SPAWN_DUP2, writing, 2)]
            pid = os.posix_spawn(program, [program, "--write-snapshot", path], {}, file_actions=actions)
        finally:
            os.close(writing)
        lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return "" if code == 0 else lines[-1] if lines else f"{program} ended with {code}"


def _warning(reason: str) -> str:
    return f"warning: there is no startup snapshot, so {SLOWER}: {reason}"
