"""Taking the plugin off a node.

Theory of operation. Which containers still need the plugin?

- A container with networks of its own needs it for its DEL. Without it, the runtime's DEL reaches only the default
  network, and the rest leaks. So nothing is uninstalled while there is one. Until then the token is renewed, and pods
  start as before.
- A container with only the default network needs it or not, by its runtime. containerd detaches by the configuration
  that it reads now: after the uninstall, that of the default network, with the same names and addresses. CRI-O detaches
  by the configuration that libcni kept at ADD (`results/` of its cache), whose plugin is this one.

So the order is: the configuration is restored, and new pods do not use the plugin any more; then the credentials go,
which no DEL needs; the program goes last, when each container in a record is gone. A container is gone if its network
namespace is. If its directory cannot be seen from here, the container counts as running.

The plugins that other programs put into our file go with it. They belong to these programs, which watch the directory
and put them into the next first file.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH119, PTH120

from __future__ import annotations

import os

from cniplugin.cnierrors import CniError
from cniplugin.host.disk import TEMPORARY, beside
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.record import Record
from cniplugin.protocol import passthru
from cniplugin.records.journal import Store, config_of

from . import forget, installed, nodepaths
from .commandline import OPTIONS, InstallError, say
from .conflist import PLUGIN, is_around, load_object, load_own
from .defaultnetwork import names_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cniplugin.host.disk import Disk
    from cniplugin.records.journal import Journal

    from .installed import State


class AttachedError(InstallError):
    """Containers have networks of their own."""


class Attached(Record):
    """The containers of a node that have records.

    `with_networks`: the number of those with networks of their own, or with a record that cannot be read. `plain`: the
    network namespaces of the others.
    """

    with_networks: int = 0
    plain: tuple[str, ...] = ()


def uninstall(disk: Disk, options: Mapping[str, str]) -> str:
    """Uninstall. Return the reason if the program has to stay, else "". Raises AttachedError if nothing was changed."""
    path, is_forced = installed.path_of(options["cni-conf-dir"]), bool(options["force"])
    state = installed.load(disk, options)
    if not disk.has(path):
        disk.remove(beside(path, TEMPORARY))
        say(f"nothing is installed{_elsewhere(disk, options)}")
        return ""
    record_dir = places(options, state)["record-dir"]
    directory = disk.at(record_dir)
    if record_dir != forget.DIRECTORY and not disk.has(os.path.dirname(record_dir)):
        say(f"warning: {record_dir} cannot be seen from here, so no record counts")
    names = default_names(disk, state)
    _refuse_while_attached(directory, read_attached(directory, names), is_forced=is_forced)
    state = restore_configuration(disk, options, state)
    attached = read_attached(directory, names)
    if attached.with_networks and not is_forced:
        return f"the program stays: {attached.with_networks} pods got networks during the uninstall; remove these pods"
    waiting = [netns for netns in attached.plain if _is_there(disk, netns)]
    if waiting and not is_forced:
        were = "1 container was" if len(waiting) == 1 else f"{len(waiting)} containers were"
        what = f"{were} attached by it to the default network, and a runtime such as CRI-O needs it to detach"
        return f"the configuration is restored; the program stays: {what}"
    _remove_program(disk, options, state)
    say("uninstalled")
    return ""


def read_attached(directory: str, names: frozenset[str]) -> Attached:
    """Return the containers with records; `directory` as this process sees it, `names` those of the default network."""
    store = Store(directory)
    plain, with_networks = [], 0
    for container_id in store.containers():
        try:
            record = store.read(container_id)
        except CniError:
            with_networks += 1
            continue
        if record is None:
            continue
        if _is_plain(record, names):
            plain.append(record.netns)
        else:
            with_networks += 1
    return Attached(with_networks=with_networks, plain=tuple(plain))


def _is_plain(record: Journal, names: frozenset[str]) -> bool:
    """Say whether a container has only the default network of the node, and not one of its annotation."""
    try:
        return all(entry.is_default and config_of(entry).name in names for entry in record.entries)
    except SpecErrors:
        return False


def default_names(disk: Disk, state: State) -> frozenset[str]:
    """Return the names of the default network: as installed, and as in our configuration."""
    own = load_own(disk, state["conf"]) if state["conf"] else None
    plugins = (own.conf.get("plugins") or [own.conf]) if own else []
    delegates = [plugin.get("delegates") or [] for plugin in plugins if plugin.get("type") == PLUGIN]
    found = {str(each[0].get("name")) for each in delegates if each and isinstance(each[0], dict)}
    return frozenset({*found, state["default_network"].get("name", "")} - {""})


def _is_there(disk: Disk, netns: str) -> bool:
    return disk.has(netns) or not disk.has(os.path.dirname(netns))


def _refuse_while_attached(directory: str, attached: Attached, *, is_forced: bool) -> None:
    if not attached.with_networks:
        return
    number = f"{attached.with_networks} containers are still attached to networks of their own"
    what = f"{directory}: {number}, or their records cannot be read; without this plugin, their DEL reaches only the"
    what += " default network, and interfaces, addresses and rules of their other networks stay for ever"
    if not is_forced:
        raise AttachedError(f"not uninstalled: {what}; remove their pods first, or give --force")
    say(f"warning: {what}")


def restore_configuration(disk: Disk, options: Mapping[str, str], state: State) -> State:
    """Restore the files that the runtime reads, then remove the credentials; return the state that is left."""
    own = load_own(disk, state["conf"]) if state["conf"] else None
    if own and own.others:
        what = "they go with our file; the programs that put them there put them into the next one"
        say(f"plugins of other programs in {state['conf']}: {own.other_types}: {what}")
    for path, now in state["renamed"].items():
        restore_name(disk, path, now)
    conf_dir = options["cni-conf-dir"]
    files = [path for path in state["files"] if not is_program(path)]
    for file in sorted(files, key=lambda name: os.path.dirname(name) != conf_dir):
        disk.restore(file, existed_before=state["files"][file]["before"])
    left = {path: entry for path, entry in state["files"].items() if is_program(path)}
    directories = [path for path in state["directories"] if not path.startswith(f"{conf_dir}/")]
    for directory in [path for path in reversed(state["directories"]) if path not in directories]:
        _remove_directory(disk, directory)
    rest = {**state, "files": left, "directories": directories}
    rest |= {key: installed.empty()[key] for key in ("conf", "renamed", "default_network", "failures")}
    rest["default_network"]["name"] = state["default_network"].get("name", "")
    installed.store(disk, options, rest)
    _say_what_is_around_us(disk, conf_dir, state["conf"])
    return rest


def _say_what_is_around_us(disk: Disk, conf_dir: str, path: str) -> None:
    """Print each configuration that delegates to ours, which is gone. Multus wrote it if it was started since."""
    for other in names_in(disk, conf_dir) if path else []:
        if is_around(load_object(disk.at(f"{conf_dir}/{other}")) or {}, path):
            what = f"it delegates to {path}, which is gone, so no pod starts with it"
            say(f"warning: {conf_dir}/{other}: {what}; restart the program that wrote it, such as the pod of Multus")


def restore_name(disk: Disk, path: str, now: str) -> None:
    """Give the default network's file its name again, unless another file has it."""
    if disk.has(path):
        disk.remove(now)
    elif disk.has(now):
        disk.rename(now, path)


def is_program(path: str) -> bool:
    """Say whether a file of the installation is a program, which DEL needs."""
    return os.path.basename(path) in {PLUGIN, passthru.NAME}


def _remove_program(disk: Disk, options: Mapping[str, str], state: State) -> None:
    for file, entry in state["files"].items():
        disk.restore(file, existed_before=entry["before"])
    for tree in state["trees"]:
        disk.remove(tree)
    for directory in reversed(state["directories"]):
        _remove_directory(disk, directory)
    path = installed.path_of(options["cni-conf-dir"])
    disk.remove(beside(path, TEMPORARY))
    disk.remove(path)


def _remove_directory(disk: Disk, directory: str) -> None:
    if not disk.remove_if_empty(directory):
        say(f"not removed: {directory}: it has files that are not ours")


def _elsewhere(disk: Disk, options: Mapping[str, str]) -> str:
    """Return a hint at an installation in the directory of a known distribution."""
    others = [path for path in nodepaths.CONF_DIRS if path != options["cni-conf-dir"]]
    found = [path for path in others if disk.has(installed.path_of(path))]
    return f" in {options['cni-conf-dir']}; give --cni-conf-dir {found[0]} for the one there" if found else ""


def places(options: Mapping[str, str], state: State) -> dict[str, str]:
    """Return the directories of records and delegates: of the options, else as installed, else the defaults."""
    record_dir = options["record-dir"] or state.get("record_dir") or forget.DIRECTORY
    is_given = options["cni-bin-dir"] != OPTIONS["cni-bin-dir"][0]
    bin_dir = options["cni-bin-dir"] if is_given else state.get("bin_dir") or options["cni-bin-dir"]
    return {"record-dir": record_dir, "cni-bin-dir": bin_dir}
