"""Showing what is installed on a node, and each difference from what was placed."""

# pathlib is not allowed in this package:
# ruff: noqa: PTH112, PTH114, PTH115, PTH119, PTH120

from __future__ import annotations

import os

from cniplugin.host.disk import digest_of_tree

from . import bundletree, forget, installed
from .commandline import DIFFERS, DONE, say
from .conflist import load_own
from .defaultnetwork import names_in, renamed_file
from .desired import TREE
from .uninstalling import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cniplugin.host.disk import Disk

    from .installed import State

INSTALLED = "as installed"


def show(disk: Disk, options: Mapping[str, str]) -> int:
    """Print the installation; return the exit code."""
    state = installed.load(disk, options)
    are_sound = forget.show(disk.at(places(options, state)["record-dir"]))
    is_used = bool(state["conf"])
    if not is_used:
        text = ", but the program stays for containers that it attached" if state["files"] else ""
        say(f"not installed{text}")
    if not is_used or options["uninstalled"]:
        return DONE if options["uninstalled"] and not is_used else DIFFERS
    is_right = _show_files(disk, options, state)
    for failure in state["failures"]:
        say(f"{'failed':<13} {failure}")
    if is_right and not state["failures"]:
        return DONE if are_sound else DIFFERS
    say("something differs: run install again")
    return DIFFERS


def _show_files(disk: Disk, options: Mapping[str, str], state: State) -> bool:
    lines = list(_lines(disk, state))
    for text, what in lines:
        say(f"{text:<13} {what}")
    for path in _trees_of(disk, state):
        if os.path.isdir(disk.at(path)) and bundletree.lacks_snapshot(disk, path):
            say(f"no snapshot   {path}{bundletree.SNAPSHOT}: {bundletree.SLOWER}")
    first = next(iter(names_in(disk, options["cni-conf-dir"])), "")
    is_first = f"{options['cni-conf-dir']}/{first}" in state["files"]
    if not is_first:
        say(f"not used      the runtime reads {first or 'nothing'} first")
    return is_first and all(text == INSTALLED for text, _ in lines)


def _lines(disk: Disk, state: State) -> Iterator[tuple[str, str]]:
    for path, entry in state["files"].items():
        before = ", another file was there before" if entry["before"] else ""
        yield _compare(disk, path, entry), f"{path}{_with_others(disk, path, state)}{before}"
    for path in [*state["trees"], *state["directories"]]:
        yield INSTALLED if os.path.isdir(disk.at(path)) else "missing", path
    for path in _trees_of(disk, state):
        is_sound = digest_of_tree(disk.at(path))[:16] == os.path.basename(path)
        yield INSTALLED if is_sound else "damaged", path
    network = installed.earlier_network(state)
    if network.path:
        file = network.path if disk.has(network.path) else renamed_file(disk, network)
        renamed = f", renamed to {file}" if file not in {"", network.path} else ""
        yield _compared(disk.digest(file or network.path), network.digest), f"{network.path} (default network){renamed}"


def _trees_of(disk: Disk, state: State) -> list[str]:
    """Return the directories of the bundles to which the placed links lead."""
    return list(dict.fromkeys(filter(None, (_link_target(disk, path) for path in state["files"]))))


def _compare(disk: Disk, path: str, entry: dict[str, str]) -> str:
    """Compare a file with what was placed. Plugins of other programs in our file are not a difference."""
    own = load_own(disk, path) if "own" in entry else None
    return INSTALLED if own and own.digest == entry["own"] else _compared(disk.digest(path), entry["placed"])


def _with_others(disk: Disk, path: str, state: State) -> str:
    own = load_own(disk, path) if path == state["conf"] else None
    return f", with plugins of other programs: {own.other_types}" if own and own.others else ""


def _compared(present: str, placed: str) -> str:
    return INSTALLED if present == placed else "changed" if present else "missing"


def _link_target(disk: Disk, path: str) -> str:
    """Return the bundle's directory if the path is a link into it, or ""."""
    seen = disk.at(path)
    target = os.readlink(seen) if os.path.islink(seen) else ""
    return "/".join([os.path.dirname(path), *target.split("/")[:2]]) if target.startswith(f"{TREE}/") else ""
