"""The files that an install will place on a node: a decision from the node's files, without a change.

The token: the kubelet renews it in the installer's pod, but the plugin runs on the node. So the installer copies it to
a file of its own that the kubeconfig names, and `--every` renews the copy. Multus writes the token into the kubeconfig,
where it expires.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH112, PTH113, PTH120, PTH123, PTH208

from __future__ import annotations

import json
import os
import sys
from binascii import b2a_base64

from cniplugin.attach import confdir
from cniplugin.cluster import kubeconfig
from cniplugin.cnierrors import CniError
from cniplugin.host.disk import Item, digest_of_tree
from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec.record import Record
from cniplugin.netspec.versions import number
from cniplugin.protocol import netconf

from .commandline import InstallError, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from cniplugin.host.disk import Disk
    from cniplugin.netspec.cniconfig import NetworkConfigList

PLUGIN = "nadmit"

BUNDLE_MARK = "nadmit-bundle.json"
"""A file in the top directory of each node bundle, and only there."""

CNI_VERSION_MIN = "0.4.0"
"""The first version with CHECK (CNI 0.4.0 §3). The delegate of an older default network keeps its own version."""

MULTI_NETWORK_TYPES = ("multus", "multus-shim", PLUGIN)
TREE = ".nadmit"
FILES = "nadmit.d"
SUFFIXES = (confdir.LIST_SUFFIX, *confdir.CONF_SUFFIXES)


class Desired(Record):
    """The desired files of a node. `items`: in the order of placing. `bundle`: its source directory, or "".

    `record_dir` and `bin_dir`: the directories of the plugin's records and of its delegates.
    """

    directories: tuple[str, ...]
    items: tuple[Item, ...]
    bundle: str
    tree: str
    default_network: str
    record_dir: str
    bin_dir: str


def gather(disk: Disk, options: Mapping[str, str], environ: Mapping[str, str]) -> Desired:
    """Return the desired files of the node. Raises InstallError, and CniError 7 for a wrong configuration."""
    conf_dir, bin_dir = options["cni-conf-dir"], options["cni-bin-dir"]
    program, bundle, tree = _program(options)
    path, network = _default_network(disk, options)
    files = f"{conf_dir}/{FILES}"
    credentials: tuple[Item, ...] = ()
    kube = options["kubeconfig"]
    if not kube:
        credentials = _credentials(options, environ, files)
        kube = credentials[-1].path
    plugin = _plugin_conf(options, network, kubeconfig_path="" if kube == "none" else kube)
    conf: dict[str, Any] = {"cniVersion": _version_for(network), "name": PLUGIN}
    is_list = options["conf-name"].endswith(confdir.LIST_SUFFIX)
    checked = _check_conf({**conf, **plugin})
    conf |= {"plugins": [plugin]} if is_list else plugin
    placed = Item(path=f"{conf_dir}/{options['conf-name']}", data=as_json(conf))
    directories = [*_missing_parents(disk, bin_dir), *([files] if credentials else [])]
    return Desired(
        directories=tuple(directories),
        items=(program, *credentials, placed),
        bundle=bundle,
        tree=tree,
        default_network=path,
        record_dir=checked.record_dir,
        bin_dir=checked.bin_dir,
    )


def _program(options: Mapping[str, str]) -> tuple[Item, str, str]:
    """Return the item for `<bin>/nadmit`, and source and target of the bundle, "" for a single file."""
    source = options["bundle"] or (sys.prefix if os.path.isfile(f"{sys.prefix}/{BUNDLE_MARK}") else "")
    path = f"{options['cni-bin-dir']}/{PLUGIN}"
    if os.path.isdir(source):
        if not os.path.isfile(f"{source}/{BUNDLE_MARK}") or not os.access(f"{source}/bin/{PLUGIN}", os.X_OK):
            raise InstallError(
                f"--bundle {source}: this is not an unpacked node bundle; build one with make node-bundle"
            )
        name = digest_of_tree(source)[:16]
        link = f"{TREE}/{name}/bin/{PLUGIN}"
        return Item(path=path, link=link), source, f"{options['cni-bin-dir']}/{TREE}/{name}"
    if not os.path.isfile(source):
        what = f"{source} does not exist" if source else "it is not given"
        raise InstallError(f"--bundle: {what}; name an unpacked node bundle or one executable file")
    with open(source, "rb") as file:
        return Item(path=path, data=file.read(), mode=0o755), "", ""


def wait_for_default(disk: Disk, options: Mapping[str, str], sleep: Callable[[float], None]) -> None:
    """Wait for a default network as long as `--wait` says. `gather` then reports the missing network."""
    left = float(options["wait"])
    while left > 0 and not any(_candidates(disk, options)):
        sleep(min(1.0, left))
        left -= 1.0


def _candidates(disk: Disk, options: Mapping[str, str]) -> Iterator[tuple[str, NetworkConfigList]]:
    """Yield the networks that can be the default one, in the runtime's order; report the others."""
    conf_dir, own = options["cni-conf-dir"], options["conf-name"]
    names = sorted(name for name in os.listdir(disk.at(conf_dir)) if name.endswith(SUFFIXES) and name != own)
    if options["default-network"]:
        names = [name for name in names if name == options["default-network"]]
    for name in names:
        path = f"{conf_dir}/{name}"
        try:
            network = confdir.load_file(disk.at(path))
        except CniError as error:
            say(f"skipped: {error.msg}")
            continue
        if network.plugins[0].type in MULTI_NETWORK_TYPES:
            say(f"skipped: {path}: a network of {network.plugins[0].type} cannot be the default network")
            continue
        yield path, network


def _default_network(disk: Disk, options: Mapping[str, str]) -> tuple[str, NetworkConfigList]:
    conf_dir, own = options["cni-conf-dir"], options["conf-name"]
    candidate = next(_candidates(disk, options), None)
    if candidate is None:
        what = options["default-network"] or "configuration of a default network (.conflist, .conf, .json)"
        raise InstallError(f"{conf_dir}: there is no {what} that can be used; install the default network first")
    first = min(name for name in os.listdir(disk.at(conf_dir)) if name.endswith(SUFFIXES))
    if first < own:
        raise InstallError(
            f"{conf_dir}/{first}: it sorts before {own}, and the runtime uses the first; remove it, or give --conf-name"
        )
    return candidate


def _version_for(network: NetworkConfigList) -> str:
    return max(network.cni_version, CNI_VERSION_MIN, key=number)


def _plugin_conf(options: Mapping[str, str], network: NetworkConfigList, *, kubeconfig_path: str) -> dict[str, Any]:
    """Return our own configuration, with the capabilities of the default network, as the runtime asks for no others."""
    conf: dict[str, Any] = {"type": PLUGIN}
    if options["config"]:
        conf |= read_object(options["config"])
    for key in ("cniVersion", "name", "delegates", "clusterNetwork", "plugins"):
        if key in conf:
            raise InstallError(f"--config {options['config']}: {key!r} is written by the installer; remove it")
    conf["type"] = PLUGIN
    conf.setdefault("binDir", options["cni-bin-dir"])
    if kubeconfig_path:
        conf["kubeconfig"] = kubeconfig_path
    if network.capabilities:
        conf["capabilities"] = dict.fromkeys(sorted(network.capabilities), True)
    return {**conf, "delegates": [network.conf]}


def _check_conf(conf: dict[str, Any]) -> netconf.NetConf:
    read, warnings = netconf.parse(conf)
    for warning in warnings:
        say(f"warning: {warning}")
    return read


def _credentials(options: Mapping[str, str], environ: Mapping[str, str], directory: str) -> tuple[Item, ...]:
    """Return the token and the kubeconfig with its path."""
    source = options["service-account"]
    account = kubeconfig.load_service_account(environ, directory=source)
    server = options["api-server"] or (account.server if account else "")
    if not server:
        raise InstallError(
            'no API server: this is not a pod; give --api-server, --kubeconfig PATH or "--kubeconfig none"'
        )
    token, ca = _read_file(f"{source}/token"), _read_file(f"{source}/ca.crt")
    cluster = {"server": server, "certificate-authority-data": b2a_base64(ca, newline=False).decode()}
    conf = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": PLUGIN, "user": {"tokenFile": f"{directory}/token"}}],
        "contexts": [{"name": PLUGIN, "context": {"cluster": "local", "user": PLUGIN}}],
        "current-context": PLUGIN,
    }
    text = as_json(conf)
    kubeconfig.parse_kubeconfig(text.decode(), source="kubeconfig", directory=directory)
    kubeconfig.load_token(kubeconfig.ClusterConfig(server="", host="", port=0, token_file=f"{source}/token"))
    return Item(path=f"{directory}/token", data=token), Item(path=f"{directory}/kubeconfig", data=text)


def _missing_parents(disk: Disk, path: str) -> list[str]:
    missing: list[str] = []
    while path != "/" and not os.path.isdir(disk.at(path)):
        missing.insert(0, path)
        path = os.path.dirname(path)
    return missing


def read_object(path: str) -> dict[str, Any]:
    """Return the JSON object of a file; `path` as this process sees it. Raises InstallError."""
    try:
        value = json.loads(_read_file(path))
    except (ValueError, RecursionError) as error:
        raise InstallError(f"{path}: this is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InstallError(f"{path}: this is not a JSON object")
    return value


def _read_file(path: str) -> bytes:
    try:
        return load_regular_file(path, bytes_max=kubeconfig.FILE_BYTES_MAX)
    except FileNotFoundError:
        raise  # the caller reports the purpose of the file
    except OSError as error:
        raise InstallError(f"{path}: it cannot be read: {error.strerror}") from error


def as_json(value: object) -> bytes:
    """Return a value as the text of a JSON file."""
    return json.dumps(value, indent=2).encode() + b"\n"
