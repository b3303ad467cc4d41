"""CNI configurations in files of the node (NPWG v1.3 §3.4.1; CNI 1.1 §1; libcni `LoadNetworkConf`).

    directory = *.conflist in the order of file names, then *.conf and *.json in that order; no recursion
    .conflist = an object with "plugins", to which each `<directory>/<name>/*.conf` is added in that order, unless
                loadOnlyInlinedPlugins; then "plugins" may be absent (CNI 1.1)
    .conf, .json = an object with "type"

`netspec.cniconfig` checks the content, as for a network of the API. Deviations: a malformed file is skipped with a
warning and does not hide the good files after it, as it does in libcni and Multus. A directory gives the first network
of the order above; Multus sorts lists and other files together.
"""

from __future__ import annotations

import os

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError
from cniplugin.host.log import LOG
from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec import cniconfig
from cniplugin.netspec.cniconfig import CONFIG_BYTES_MAX, read_flag
from cniplugin.netspec.errors import SpecError, SpecErrors, show
from cniplugin.netspec.jsontext import parse as parse_json
from cniplugin.netspec.names import is_network_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

    from cniplugin.netspec.cniconfig import NetworkConfigList

    Warn = Callable[[str], None]

LIST_SUFFIX = ".conflist"
CONF_SUFFIXES = (".conf", ".json")
PASSTHRU = "passthru"
"""Multus' plugin with an empty result, for the beginning of a chain."""


def load_network(conf_dir: str, name: str, *, warn: Warn = LOG.error) -> NetworkConfigList | None:
    """Return the first network of a directory with this `name`, None without one. A bad file is a warning."""
    return next((network for network in _networks(conf_dir, warn) if network.written_name == name), None)


def load_directory(path: str, *, warn: Warn = LOG.error) -> NetworkConfigList:
    """Return the first network of a directory, as clusterNetwork and defaultNetworks name it. Raises CniError 7."""
    network = next(_networks(path, warn), None)
    if network is None:
        _refuse(path, "the directory has no CNI configuration that can be used (.conflist, .conf, .json)")
    return network


def load_file(path: str, *, named: str = "") -> NetworkConfigList:
    """Return the network of a file, as clusterNetwork and defaultNetworks name it.

    `named` is the file's earlier name if it was renamed, because the suffix decides how it is read. Raises CniError 7
    with the first problem; `details` has the others, one per line.
    """
    try:
        return _load(path, is_list=(named or path).endswith(LIST_SUFFIX))
    except SpecErrors as errors:
        first, *others = errors
        text = "\n".join(str(SpecErrors([other])) for other in others)
        raise CniError(INVALID_NETWORK_CONFIG, f"{path}: {SpecErrors([first])}", text) from errors


def load_chain(directory: str, name: str) -> NetworkConfigList | None:
    """Return the network of `auxiliaryCNIChainName`: `passthru`, then each `<directory>/<name>/*.conf`.

    Returns None without such files. Raises CniError 7 for a malformed one.
    """
    if not is_network_name(name):
        _refuse("auxiliaryCNIChainName", f"this is not the name of a network: {show(name)}")
    try:
        plugins = _siblings(directory, name)
        if not plugins:
            return None
        conf = {"cniVersion": "1.0.0", "name": name, "plugins": [{"type": PASSTHRU}, *plugins]}
        return cniconfig.build(conf, name=name)
    except SpecErrors as errors:
        raise CniError(INVALID_NETWORK_CONFIG, f"{_join(directory, name)}: {errors}") from errors


def _networks(directory: str, warn: Warn) -> Iterator[NetworkConfigList]:
    """Yield the good networks of a directory in order."""
    names = _names(directory)
    lists = [name for name in names if name.endswith(LIST_SUFFIX)]
    for name in (*lists, *(name for name in names if name.endswith(CONF_SUFFIXES))):
        try:
            yield load_file(_join(directory, name))
        except CniError as error:
            warn(f"skipped: {error.msg}")


def _load(path: str, *, is_list: bool) -> NetworkConfigList:
    conf = parse_json(_read(path), what="the file", bytes_max=CONFIG_BYTES_MAX, section="CNI 1.1 §1")
    if not isinstance(conf, dict):
        return cniconfig.build(conf, name="")  # which raises with the problem
    if not is_list and "plugins" in conf:
        _spec_error("cni-plugins", "plugins", 'the name of a file with a list of plugins must end with ".conflist"')
    name = conf.get("name")
    if not isinstance(name, str) or not name:
        _spec_error("cni-name", "name", "the network has no name")
    if is_list and is_network_name(name):
        conf = _complete(conf, os.path.dirname(path))  # noqa: PTH120  # pathlib costs 5 ms
    return cniconfig.build(conf, name=name)


def _complete(conf: dict[str, Any], directory: str) -> dict[str, Any]:
    """Return a list with the plugins in files of their own (libcni, CNI 1.1)."""
    is_alone = read_flag(conf.get("loadOnlyInlinedPlugins", False)) is True
    inlined = conf.get("plugins", [])
    if is_alone and "plugins" not in conf:
        _spec_error("cni-plugins", "plugins", "loadOnlyInlinedPlugins is set, and there are no inlined plugins")
    others = [] if is_alone else _siblings(directory, conf["name"])
    if "plugins" not in conf and not others:
        _spec_error("cni-plugins", "plugins", f'there are no plugins, neither here nor in "{conf["name"]}/"')
    if not others or not isinstance(inlined, list) or ("plugins" in conf and not inlined):
        return conf  # complete, or wrong, which the parser reports
    return {**conf, "plugins": [*inlined, *others]}


def _siblings(directory: str, name: str) -> list[object]:
    """Return the plugins of `<directory>/<name>/*.conf`. A bad file is an error: without it, the network differs."""
    below = _join(directory, name)
    return [_sibling(_join(below, file)) for file in _names(below) if file.endswith(".conf")]


def _sibling(path: str) -> object:
    plugin = parse_json(_read(path), what=path, bytes_max=CONFIG_BYTES_MAX, section="CNI 1.1 §1")
    if not isinstance(plugin, dict) or "plugins" in plugin:
        _spec_error("cni-plugins", "", f"{path} is not the configuration of one plugin")
    return plugin


def _names(directory: str) -> list[str]:
    """Return the file names of a directory, sorted by bytes as in Go; none if it does not exist."""
    try:
        return [os.fsdecode(name) for name in sorted(os.listdir(os.fsencode(directory)))]  # noqa: PTH208  # as above
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        text = f"{directory}: the directory cannot be read: {error.strerror}"
        raise CniError(INVALID_NETWORK_CONFIG, text) from error


def _read(path: str) -> str:
    try:
        return load_regular_file(path, bytes_max=CONFIG_BYTES_MAX).decode()
    except OSError as error:
        raise CniError(INVALID_NETWORK_CONFIG, f"{path}: the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CniError(INVALID_NETWORK_CONFIG, f"{path}: the file is not UTF-8") from error


def _join(directory: str, name: str) -> str:
    return f"{directory.rstrip('/')}/{name}"


def _spec_error(rule: str, path: str, detail: str) -> NoReturn:
    raise SpecErrors([SpecError(rule=rule, path=path, detail=detail, section="CNI 1.1 §1")])


def _refuse(where: str, what: str) -> NoReturn:
    raise CniError(INVALID_NETWORK_CONFIG, f"{where}: {what}")
