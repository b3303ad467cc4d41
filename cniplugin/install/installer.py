"""Put the plugin on a node and take it off again: `python3 -m cniplugin install | uninstall | show | ...`.

Theory of operation. `desired` first decides the files of the node, without a change. Then a state file in the CNI
configuration directory lists every path that will change, and whether a file existed there. Only then `disk` changes
the node, by steps that are each one rename, link or unlink, and durable:

    file   = link the existing file to a second name, once -> write a new file -> fsync -> rename -> fsync directory
    bundle = copy to a temporary directory -> rename -> rename a symbolic link `nadmit` over the old one

If this process ends at any moment, the runtime sees the old file or the new one. The next `install` continues; the next
`uninstall` restores the old files, with the same inodes. The configuration is placed last and removed first, so that
the runtime never reads one whose plugin is missing. The state file is removed last.

Temporary names begin with "." and do not end with a suffix that a runtime reads.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH112, PTH114, PTH115, PTH119, PTH120, PTH208

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time

from cniplugin.cnierrors import CniError
from cniplugin.host.disk import KEPT, TEMPORARY, Disk, Item, beside, digest_of, digest_of_tree
from cniplugin.install import forget, gc

from .commandline import (
    DIFFERS,
    DONE,
    FAILED,
    MISUSED,
    OPTIONS,
    InstallError,
    UsageError,
    help_text,
    read_arguments,
    say,
)
from .desired import FILES, SUFFIXES, TREE, as_json, gather, read_object, wait_for_default

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from .desired import Desired

    State = dict[str, Any]

_STATE = ".nadmit-installed"


def main(argv: Sequence[str]) -> int:
    """Run one command of the installer; `argv` is without the program's name. Returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(DONE))  # process 1 of a container has no default handler
    return run(argv, environ=os.environ)


def run(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    on_step: Callable[[str], None] = lambda _what: None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """As `main`; `on_step` gets every change before it is made."""
    if not argv or {"-h", "--help", "help"} & set(argv):
        say(help_text())
        return DONE if argv else MISUSED
    disk = Disk("", on_step)
    try:
        command, options = read_arguments(argv)
        disk.root = options["root"].rstrip("/")
        if command == "show":
            return _show(disk, options)
        if command == "gc":
            state = _load_state(disk, options) if disk.has(options["cni-conf-dir"]) else {}
            return gc.collect(options, _places(options, state), environ)
        if command == "forget":
            state = _load_state(disk, options) if disk.has(options["cni-conf-dir"]) else {}
            places, is_forced = _places(options, state), bool(options["force"])
            return forget.forget(options["container"], places, environ, is_forced=is_forced)
        if command == "uninstall":
            return _uninstall_and_stay(disk, options, sleep)
        return _install_and_stay(disk, options, environ, sleep)
    except UsageError as error:
        _warn(f"usage: {error}")
        return MISUSED
    except (InstallError, CniError) as error:
        _warn(str(error))
        return FAILED
    except OSError as error:
        _warn(f"{error.filename or disk.doing}: {error.strerror}")
        return FAILED


def _warn(text: str) -> None:
    sys.stderr.write(f"nadmit: {text}\n")


def _install_and_stay(
    disk: Disk, options: Mapping[str, str], environ: Mapping[str, str], sleep: Callable[[float], None]
) -> int:
    """Install; with `--every`, repeat. A later failure is reported, and the installed files stay."""
    with _locked(disk, options["cni-conf-dir"], waits=True):
        wait_for_default(disk, options, sleep)
        _install(disk, options, environ)
    every = float(options["every"])
    while every:
        sleep(every)
        try:
            with _locked(disk, options["cni-conf-dir"], waits=True):
                _install(disk, options, environ)
        except (InstallError, CniError, OSError) as error:
            _warn(f"not renewed, the installed files stay: {error}")
    return DONE


def _uninstall_and_stay(disk: Disk, options: Mapping[str, str], sleep: Callable[[float], None]) -> int:
    """Uninstall; with `--every`, stay afterwards, so that the kubelet does not restart this container."""
    with _locked(disk, options["cni-conf-dir"]):
        _uninstall(disk, options)
    while every := float(options["every"]):
        sleep(every)
    return DONE


# Changes of the node


def _install(disk: Disk, options: Mapping[str, str], environ: Mapping[str, str]) -> None:
    desired = gather(disk, options, environ)
    stored = _load_state(disk, options)
    state = _planned_state(disk, stored, desired)
    _store_state(disk, options, state)
    for path in desired.directories:
        if not os.path.isdir(disk.at(path)):
            disk.make_directory(path, 0o700 if path.endswith(f"/{FILES}") else 0o755)
    used = _place_bundle(disk, desired) if desired.bundle else ()
    changed = [item for item in desired.items if _place(disk, item, existed_before=state["files"][item.path]["before"])]
    if desired.bundle and desired.items[0] in changed:
        _remove_all_but(disk, os.path.dirname(desired.tree), used)
    _drop_obsolete(disk, state, desired)
    _store_state(disk, options, state)
    for item in changed:
        say(f"placed {item.path}")
    if changed or state != stored:
        say(f"installed around {desired.default_network}")


def _planned_state(disk: Disk, stored: State, desired: Desired) -> State:
    """Return the state with every path that will change. Its entries from before the first install stay."""
    files = dict(stored["files"])
    for item in desired.items:
        if disk.digest(item.path) == "a directory":
            raise InstallError(f"{item.path}: this is a directory, and a file must be there; remove it")
        if item.path not in files and disk.has(beside(item.path, KEPT)):
            raise InstallError(f"{beside(item.path, KEPT)}: an installation whose state is lost left it; move it away")
        before = files[item.path]["before"] if item.path in files else disk.has(item.path)
        files[item.path] = {"before": before, "placed": digest_of(item)}
    trees = list(stored["trees"])
    if desired.bundle:
        top = os.path.dirname(desired.tree)
        if top not in trees and disk.has(top):
            raise InstallError(f"{top}: it exists, and no installation of ours is known; move it away")
        trees += [] if top in trees else [top]
    directories = [*stored["directories"]]
    directories += [path for path in desired.directories if path not in directories and not disk.has(path)]
    network = {"path": desired.default_network, "digest": disk.digest(desired.default_network)}
    changes = {"files": files, "trees": trees, "directories": directories, "default_network": network}
    return {**stored, **changes, "record_dir": desired.record_dir, "bin_dir": desired.bin_dir}


def _place_bundle(disk: Disk, desired: Desired) -> tuple[str, ...]:
    """Place the bundle. Return the names of the trees in use: the new one, and that of running processes."""
    top, name = os.path.split(desired.tree)
    if not disk.has(top):
        disk.make_directory(top, 0o755)
    for entry in sorted(os.listdir(disk.at(top))):
        if entry.endswith(TEMPORARY):
            disk.remove(f"{top}/{entry}")
    if digest_of_tree(disk.at(desired.tree)) != digest_of_tree(desired.bundle):
        disk.copy_tree(desired.bundle, desired.tree)
    program = disk.at(desired.items[0].path)
    before = os.readlink(program).split("/")[1:2] if os.path.islink(program) else []
    return (name, *before)


def _place(disk: Disk, item: Item, *, existed_before: bool) -> bool:
    """Place an item unless it is there already; say whether it was placed."""
    disk.remove(beside(item.path, TEMPORARY))
    if existed_before and not disk.has(beside(item.path, KEPT)) and disk.has(item.path):
        disk.keep(item.path)
    if disk.digest(item.path) == digest_of(item):
        return False
    disk.place(item)
    return True


def _remove_all_but(disk: Disk, top: str, used: Sequence[str]) -> None:
    for entry in sorted(os.listdir(disk.at(top))):
        if entry not in used:
            disk.remove(f"{top}/{entry}")


def _drop_obsolete(disk: Disk, state: State, desired: Desired) -> None:
    """Restore the paths of an earlier install that this one does not use, of another directory or name."""
    paths = {item.path for item in desired.items}
    for path in [path for path in state["files"] if path not in paths]:
        disk.restore(path, existed_before=state["files"][path]["before"])
        del state["files"][path]
    top = os.path.dirname(desired.tree)
    for tree in [tree for tree in state["trees"] if tree != top]:
        disk.remove(tree)
        state["trees"].remove(tree)
    for path in [path for path in reversed(state["directories"]) if path not in desired.directories]:
        is_ours_still = any(other.startswith(f"{path}/") for other in paths)
        if not is_ours_still and disk.remove_if_empty(path):
            state["directories"].remove(path)


def _uninstall(disk: Disk, options: Mapping[str, str]) -> None:
    state = _load_state(disk, options)
    path = f"{options['cni-conf-dir']}/{_STATE}"
    if not disk.has(path):
        disk.remove(beside(path, TEMPORARY))
        say("nothing is installed")
        return
    _refuse_while_attached(disk.at(_places(options, state)["record-dir"]), is_forced=bool(options["force"]))
    conf_dir = options["cni-conf-dir"]
    for file in sorted(state["files"], key=lambda name: os.path.dirname(name) != conf_dir):
        disk.restore(file, existed_before=state["files"][file]["before"])
    for tree in state["trees"]:
        disk.remove(tree)
    for directory in reversed(state["directories"]):
        if not disk.remove_if_empty(directory):
            say(f"not removed: {directory}: it has files that are not ours")
    disk.remove(beside(path, TEMPORARY))
    disk.remove(path)
    say("uninstalled")


def _refuse_while_attached(directory: str, *, is_forced: bool) -> None:
    """Raise InstallError while there are records, unless forced; `directory` as this process sees it.

    Without the plugin, the runtime's DEL reaches only the default network, and the other attachments leak.
    """
    number = forget.count(directory)
    if not number:
        return
    what = f"{directory}: {number} containers are still attached; without this plugin, their DEL reaches only the"
    what += " default network, and interfaces, addresses and rules of their other networks stay for ever"
    if not is_forced:
        raise InstallError(f"not uninstalled: {what}; remove their pods first, or give --force")
    say(f"warning: {what}")


def _places(options: Mapping[str, str], state: State) -> dict[str, str]:
    """Return the directories of records and delegates: of the options, else as installed, else the defaults."""
    record_dir = options["record-dir"] or state.get("record_dir") or forget.DIRECTORY
    is_given = options["cni-bin-dir"] != OPTIONS["cni-bin-dir"][0]
    bin_dir = options["cni-bin-dir"] if is_given else state.get("bin_dir") or options["cni-bin-dir"]
    return {"record-dir": record_dir, "cni-bin-dir": bin_dir}


# Show


def _show(disk: Disk, options: Mapping[str, str]) -> int:
    state = _load_state(disk, options)
    are_sound = forget.show(disk.at(_places(options, state)["record-dir"]))
    if not disk.has(f"{options['cni-conf-dir']}/{_STATE}"):
        say("not installed")
        return DIFFERS
    lines = {path: _compare(disk.digest(path), entry["placed"]) for path, entry in state["files"].items()}
    for path in [*state["trees"], *state["directories"]]:
        lines[path] = "as installed" if os.path.isdir(disk.at(path)) else "missing"
    for path in filter(None, [_link_target(disk, path) for path in state["files"]]):
        is_sound = digest_of_tree(disk.at(path))[:16] == os.path.basename(path)
        lines[path] = "as installed" if is_sound else "damaged"
    network = state["default_network"]
    lines[network["path"]] = _compare(disk.digest(network["path"]), network["digest"])
    first = min((name for name in os.listdir(disk.at(options["cni-conf-dir"])) if name.endswith(SUFFIXES)), default="")
    is_first = f"{options['cni-conf-dir']}/{first}" in state["files"]
    for path, text in lines.items():
        before = ", another file was there before" if state["files"].get(path, {}).get("before") else ""
        what = " (default network)" if path == network["path"] else ""
        say(f"{text:<13} {path}{what}{before}")
    if not is_first:
        say(f"not used      the runtime reads {first or 'nothing'} first")
    if is_first and set(lines.values()) == {"as installed"}:
        return DONE if are_sound else DIFFERS
    say("something differs: run install again")
    return DIFFERS


def _compare(present: str, placed: str) -> str:
    return "as installed" if present == placed else "changed" if present else "missing"


def _link_target(disk: Disk, path: str) -> str:
    """Return the bundle's directory if the path is a link into it, or ""."""
    seen = disk.at(path)
    target = os.readlink(seen) if os.path.islink(seen) else ""
    return "/".join([os.path.dirname(path), *target.split("/")[:2]]) if target.startswith(f"{TREE}/") else ""


# State and locks


def _load_state(disk: Disk, options: Mapping[str, str]) -> State:
    path = f"{options['cni-conf-dir']}/{_STATE}"
    empty: State = {"kind": "nadmit-installed", "version": 1, "directories": [], "trees": [], "files": {}}
    if not disk.has(path):
        return {**empty, "default_network": {"path": "", "digest": ""}}
    state = read_object(disk.at(path))
    if state.get("kind") != empty["kind"] or state.get("version") != empty["version"]:
        raise InstallError(f"{path}: another version of the installer wrote it; use that one to uninstall")
    return state


def _store_state(disk: Disk, options: Mapping[str, str], state: State) -> None:
    item = Item(path=f"{options['cni-conf-dir']}/{_STATE}", data=as_json(state))
    if disk.digest(item.path) != digest_of(item):
        disk.place(item)
    disk.remove(beside(item.path, TEMPORARY))


@contextlib.contextmanager
def _locked(disk: Disk, conf_dir: str, *, waits: bool = False) -> Iterator[None]:
    """Exclude other installers by a lock of the directory itself, which leaves no file."""
    try:
        fd = os.open(disk.at(conf_dir), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        advice = "give the directory that the container runtime reads as --cni-conf-dir"
        raise InstallError(f"{disk.at(conf_dir)}: {error.strerror}; {advice}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        yield
    except BlockingIOError as error:
        raise InstallError(f"{conf_dir}: another install or uninstall is running") from error
    finally:
        os.close(fd)
