"""The state file: what an installation has placed on a node, and what was there before.

    <cni-conf-dir>/.nadmit-installed = {
      "kind": "nadmit-installed", "version": 1,
      "files": {path: {"before": whether a file was there, "placed": its digest, "own": the digest of our part of it}},
      "directories": [path], "trees": [path], "conf": path of our configuration,
      "default_network": {"path", "digest", "name", "beside": the files that could be it},
      "renamed": {path: its name now}, "record_dir", "bin_dir",
      "failures": [what the last run could not do]
    }

The installation before this one may have left less than that, and elsewhere. `load` takes over:

- a state whose directory has another name now, because it was mounted under another path,
- the state of another directory of a known distribution, for an installation (`load_all`),
- files without a state: bundles, a configuration of ours, and the hidden names of files that were there before.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH120, PTH121

from __future__ import annotations

import os

from cniplugin.host.disk import KEPT, TEMPORARY, Item, beside, digest_of

from . import bundletree, nodepaths
from .commandline import InstallError, say
from .conflist import PLUGIN, load_own
from .defaultnetwork import SUFFIXES, Earlier
from .desired import FILES, as_json, is_our_link, read_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cniplugin.host.disk import Disk

    from .desired import Desired

    State = dict[str, Any]

STATE = ".nadmit-installed"
_KIND = {"kind": "nadmit-installed", "version": 1}


def path_of(conf_dir: str) -> str:
    """Return the path of the state file."""
    return f"{conf_dir}/{STATE}"


def empty() -> State:
    """Return the state of a node without an installation."""
    lists: State = {"directories": [], "trees": [], "files": {}, "renamed": {}, "conf": "", "failures": []}
    return {**_KIND, **lists, "default_network": {"path": "", "digest": ""}}


def load(disk: Disk, options: Mapping[str, str]) -> State:
    """Return the state of the directories of these options. Raises InstallError for one of another version."""
    conf_dir, bin_dir = options["cni-conf-dir"], options["cni-bin-dir"]
    path = path_of(conf_dir)
    if not disk.has(path):
        return empty()
    read = read_object(disk.at(path))
    if any(read.get(key) != value for key, value in _KIND.items()):
        raise InstallError(f"{path}: another version of the installer wrote it; use that one to uninstall")
    state = empty() | read
    state["conf"] = state["conf"] or next((file for file in state["files"] if file.endswith(SUFFIXES)), "")
    old = os.path.dirname(state["conf"])
    state = _moved(state, old, conf_dir) if old not in {"", conf_dir} else state
    program = next(filter(_is_program, state["files"]), "")
    old = os.path.dirname(program)
    is_moved = old not in {"", bin_dir} and _is_same_program(disk, program, bin_dir, state)
    return _moved(state, old, bin_dir) if is_moved else state


def load_all(disk: Disk, options: Mapping[str, str]) -> tuple[State, tuple[str, ...]]:
    """Return the state, with that of installations in other known directories, and the paths of these state files.

    NB: a directory that no distribution has may be an experiment, which must not end the installation of the node.
    """
    state = load(disk, options)
    conf_dir = options["cni-conf-dir"]
    others = [
        other
        for other in (nodepaths.CONF_DIRS if conf_dir in nodepaths.CONF_DIRS else ())
        if other != conf_dir and disk.has(path_of(other)) and not _is_same_directory(disk, other, conf_dir)
    ]
    for other in others:
        earlier = load(disk, {**options, "cni-conf-dir": other})
        state = {
            **state,
            "files": {**earlier["files"], **state["files"]},
            "trees": list(dict.fromkeys([*earlier["trees"], *state["trees"]])),
            "directories": list(dict.fromkeys([*earlier["directories"], *state["directories"]])),
            "renamed": {**earlier["renamed"], **state["renamed"]},
        }
    return state, tuple(map(path_of, others))


def is_in_place(disk: Disk, state: State) -> bool:
    """Say whether the runtime can read a configuration that we have placed."""
    return bool(state["conf"]) and disk.has(state["conf"])


def _is_same_directory(disk: Disk, one: str, other: str) -> bool:
    try:
        return os.path.samefile(disk.at(one), disk.at(other))
    except OSError:
        return False


def _is_same_program(disk: Disk, program: str, bin_dir: str, state: State) -> bool:
    """Say whether a program that was placed elsewhere is in this directory, because it was mounted there."""
    if _is_same_directory(disk, os.path.dirname(program), bin_dir):
        return True
    is_placed_here = disk.digest(f"{bin_dir}/{PLUGIN}") == state["files"][program]["placed"]
    return is_placed_here and not disk.has(program)


def _moved(state: State, old: str, new: str) -> State:
    """Return the state with another name for a directory."""

    def rename(path: str) -> str:
        return new + path[len(old) :] if path == old or path.startswith(f"{old}/") else path

    network = state["default_network"]
    return {
        **state,
        "files": {rename(path): entry for path, entry in state["files"].items()},
        "trees": [rename(path) for path in state["trees"]],
        "directories": [rename(path) for path in state["directories"]],
        "renamed": {rename(path): rename(now) for path, now in state["renamed"].items()},
        "conf": rename(state["conf"]),
        "default_network": {**network, "path": rename(network["path"])},
    }


def _is_program(path: str) -> bool:
    return os.path.basename(path) == PLUGIN  # noqa: PTH119  # as above


def store(disk: Disk, options: Mapping[str, str], state: State) -> None:
    """Write the state, if it has changed."""
    item = Item(path=path_of(options["cni-conf-dir"]), data=as_json(state))
    if disk.digest(item.path) != digest_of(item):
        disk.place(item)
    disk.remove(beside(item.path, TEMPORARY))


def earlier_network(state: State, *, may_switch: bool = True) -> Earlier:
    """Return the default network of the installation."""
    network = state["default_network"]
    return Earlier(
        path=network["path"],
        digest=network["digest"],
        renamed=state["renamed"].get(network["path"], ""),
        in_directory=frozenset(network.get("beside", ())),
        may_switch=may_switch,
    )


def plan(disk: Disk, stored: State, desired: Desired) -> State:
    """Return the state with every path that will change. Its entries from before the first install stay."""
    paths = {item.path for item in desired.items}
    files = {path: entry for path, entry in stored["files"].items() if path not in paths}
    for item in desired.items:
        if disk.digest(item.path) == "a directory":
            raise InstallError(f"{item.path}: this is a directory, and a file must be there; remove it")
        known = stored["files"].get(item.path)
        before = known["before"] if known else _was_there(disk, item.path)
        own = {"own": desired.own_digest} if item.path == desired.conf_path else {}
        files[item.path] = {"before": before, "placed": digest_of(item), **own}
    to_make = [path for path in desired.directories if _is_to_make(disk, path)]
    state = {
        **stored,
        "files": files,
        "trees": _trees(disk, stored, desired),
        "directories": sorted({*stored["directories"], *to_make}),  # parents first
        "record_dir": desired.record_dir or stored.get("record_dir", ""),
        "bin_dir": desired.bin_dir or stored.get("bin_dir", ""),
    }
    if desired.conf_path:
        state["conf"] = desired.conf_path
        network = desired.default_network
        file = network.file if network else ""
        name = network.network.name if network else ""
        state["default_network"] = {
            "path": network.path if network else "",
            "digest": disk.digest(file) if file else "",
            "name": name,
            "beside": sorted(desired.in_directory),
        }
    return state


def _was_there(disk: Disk, path: str) -> bool:
    """Say whether a file was there before the first install. A file of ours can be left of a lost installation."""
    kept = beside(path, KEPT)
    is_ours = _is_ours(disk, path)
    if not disk.has(kept):
        return disk.has(path) and not is_ours
    if path.endswith(SUFFIXES) and disk.has(path) and not is_ours:
        raise InstallError(f"{kept}: an installation whose state is lost left it, and {path} is new; move one away")
    say(f"taken over: {kept}, which an installation whose state is lost left")
    return True


def _is_ours(disk: Disk, path: str) -> bool:
    if path.endswith(SUFFIXES):
        return load_own(disk, path) is not None
    return is_our_link(disk, path) or os.path.dirname(path).endswith(f"/{FILES}")


def _is_to_make(disk: Disk, path: str) -> bool:
    """Say whether a directory is one that an install makes. That of our files can be left of a lost installation."""
    return not disk.has(path) or path.endswith(f"/{FILES}")


def _trees(disk: Disk, stored: State, desired: Desired) -> list[str]:
    trees = list(stored["trees"])
    if not desired.bundle:
        return trees
    top = os.path.dirname(desired.tree)
    if top in trees:
        return trees
    if disk.has(top):
        other = next(bundletree.foreign(disk, top), "")
        if other:
            raise InstallError(f"{top}: it exists, and {other} in it is not ours; move it away")
        say(f"taken over: {top}, which an installation whose state is lost left")
    return [*trees, top]
