"""The default network of a node: which file of the runtime's directory the plugin is installed around.

It is the first network of the directory, in the runtime's order, that is not itself a plugin for several networks.

- A file that was renamed after the installation, by us (`--rename-conf-file`) or by an administrator, is still the
  default network. It is known by its content.
- If the file is gone, and another network was in the directory all the time, that one does not take its place at once:
  a network plugin that restarts removes its file for some seconds.
- Without any file, a configuration of Multus names the default network: the first of its `delegates`. Multus may have
  renamed the file itself.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH112, PTH118, PTH119, PTH208

from __future__ import annotations

import os

from cniplugin.attach import confdir
from cniplugin.cnierrors import CniError
from cniplugin.netspec import cniconfig, names
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.record import Record

from .commandline import InstallError
from .conflist import PLUGIN, load_object, load_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from cniplugin.host.disk import Disk
    from cniplugin.netspec.cniconfig import NetworkConfigList

SUFFIXES = (confdir.LIST_SUFFIX, *confdir.CONF_SUFFIXES)
RENAMED = ".nadmit-old"
"""The suffix of a default network's file that `--rename-conf-file` has renamed; runtimes do not read it."""

CONF_NAMES = ("00-nadmit.conflist", "00-0-nadmit.conflist", "0-nadmit.conflist")
"""Names of our configuration. Without `--conf-name`, it gets the first one that sorts before all other files."""


class DefaultNetwork(Record):
    """A default network. `file`: its file now, `path`: the file's name before it was renamed.

    `is_delegate`: it is in a configuration of Multus, which is the file.
    """

    path: str
    file: str
    network: NetworkConfigList
    is_delegate: bool = False

    @property
    def is_renamed(self) -> bool:
        """Whether the runtime no longer reads the file."""
        return self.path != self.file


class Search(Record):
    """The networks of a directory that can be the default one, in the runtime's order, and notes about the others."""

    networks: tuple[DefaultNetwork, ...] = ()
    notes: tuple[str, ...] = ()


class Earlier(Record):
    """The default network of the installation: its file and the digest of its content, "" without one.

    `renamed`: the present name of the file, if we renamed it. `in_directory`: the files of the last search.
    `may_switch`: whether one of these may take its place now.
    """

    path: str = ""
    digest: str = ""
    renamed: str = ""
    in_directory: frozenset[str] = frozenset()
    may_switch: bool = True


def directories_of(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the directories that may have the default network's file, the preferred one first."""
    return tuple(dict.fromkeys(filter(None, (options["default-network-dir"], options["cni-conf-dir"]))))


def own_names(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that our configuration may get."""
    return (options["conf-name"],) if options["conf-name"] else CONF_NAMES


def names_in(disk: Disk, directory: str) -> list[str]:
    """Return the files of a directory that a runtime reads, in its order; none if it does not exist."""
    try:
        return sorted(name for name in os.listdir(disk.at(directory)) if name.endswith(SUFFIXES))
    except (FileNotFoundError, NotADirectoryError):
        return []


def search(disk: Disk, options: Mapping[str, str]) -> Search:
    """Return the networks that can be the default one."""
    networks, notes = [], []
    for directory in directories_of(options):
        for name in names_in(disk, directory):
            path = f"{directory}/{name}"
            is_own_place = directory == options["cni-conf-dir"] and name in own_names(options)
            if is_own_place or load_own(disk, path) or options["default-network"] not in {"", name}:
                continue
            try:
                network = confdir.load_file(disk.at(path))
            except CniError as error:
                notes.append(f"skipped: {error.msg}")
                continue
            if network.plugins[0].type in names.DELEGATING_TYPES:
                kind = network.plugins[0].type
                notes.append(f"skipped: {path}: a network of {kind} cannot be the default network")
                continue
            networks.append(DefaultNetwork(path=path, file=path, network=network))
    return Search(networks=tuple(networks), notes=tuple(notes))


def wait_for_default(disk: Disk, options: Mapping[str, str], sleep: Callable[[float], None]) -> None:
    """Wait for a default network as long as `--wait` says. `choose` then reports the missing network."""
    left = float(options["wait"])
    while left > 0 and not search(disk, options).networks and not _of_multus(disk, options):
        sleep(min(1.0, left))
        left -= 1.0


def choose(disk: Disk, options: Mapping[str, str], found: Search, earlier: Earlier) -> DefaultNetwork:
    """Return the default network. Raises InstallError without one, CniError 7 for a renamed file that is malformed."""
    first = found.networks[0] if found.networks else None
    if first and (not earlier.path or any(network.path == earlier.path for network in found.networks)):
        return first
    is_new = first is not None and first.path not in earlier.in_directory
    renamed = None if is_new or disk.has(earlier.path) else _renamed(disk, earlier)
    if renamed:
        return renamed
    if first and (is_new or earlier.may_switch):
        return first
    if first:
        state = "it cannot be used" if disk.has(earlier.path) else "it is gone"
        raise InstallError(f"{earlier.path}: {state}; if that lasts, {first.path} becomes the default network")
    of_multus = _of_multus(disk, options)
    if of_multus and earlier.path in {"", of_multus.path}:
        return of_multus
    what = options["default-network"] or "configuration of a default network (.conflist, .conf, .json)"
    where = " and ".join(directories_of(options))
    advice = f"the configuration around {earlier.path} stays in use" if earlier.path else "install one first"
    skipped = "".join(f"; {note}" for note in found.notes)
    raise InstallError(f"{where}: there is no {what} that can be used; {advice}{skipped}")


def _renamed(disk: Disk, earlier: Earlier) -> DefaultNetwork | None:
    """Return the earlier default network whose file has another name now."""
    file = renamed_file(disk, earlier)
    if not file:
        return None
    network = confdir.load_file(disk.at(file), named=os.path.basename(earlier.path))
    return DefaultNetwork(path=earlier.path, file=file, network=network)


def renamed_file(disk: Disk, earlier: Earlier) -> str:
    """Return the present name of the default network's file, renamed by us or to `NAME.old`; "" without one."""
    if earlier.renamed:
        return earlier.renamed if disk.has(earlier.renamed) else ""
    return next(_same_content(disk, *os.path.split(earlier.path), earlier.digest), "") if earlier.path else ""


def _same_content(disk: Disk, directory: str, name: str, digest: str) -> Iterator[str]:
    """Yield the files whose name begins with that of a removed file, and which have its content."""
    if not os.path.isdir(disk.at(directory)):
        return
    for other in sorted(os.listdir(disk.at(directory))):
        path = os.path.join(directory, other)
        if other.startswith(f"{name}.") and disk.digest(path) == digest:
            yield path


def _of_multus(disk: Disk, options: Mapping[str, str]) -> DefaultNetwork | None:
    """Return the first delegate of a configuration of Multus."""
    for name in names_in(disk, options["cni-conf-dir"]):
        path = f"{options['cni-conf-dir']}/{name}"
        delegate = _first_delegate(load_object(disk.at(path)) or {})
        if delegate is None or load_own(disk, path):
            continue
        try:
            network = cniconfig.build(delegate, name=str(delegate.get("name") or PLUGIN))
        except SpecErrors:
            continue
        if network.plugins[0].type not in names.DELEGATING_TYPES:
            return DefaultNetwork(path=path, file=path, network=network, is_delegate=True)
    return None


def _first_delegate(conf: dict[str, Any]) -> dict[str, Any] | None:
    plugins = conf.get("plugins")
    plugin = plugins[0] if isinstance(plugins, list) and plugins else conf
    delegates = plugin.get("delegates") if isinstance(plugin, dict) else None
    first = delegates[0] if isinstance(delegates, list) and delegates else None
    return first if isinstance(first, dict) else None
