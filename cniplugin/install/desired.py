"""The files that an install will place on a node: a decision from the node's files, without a change.

There are three parts: the credentials, the program, the configuration. On a node with an installation, a part that
cannot be decided is a failure of that part only, and its installed files stay.

The token: the kubelet renews it in the installer's pod, but the plugin runs on the node. So the installer copies it to
a file of its own that the kubeconfig names, and `--every` renews the copy. Multus writes the token into the kubeconfig,
where it expires. The kubeconfig names the token relative to itself, so it is right under each mount of its directory.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH112, PTH113, PTH114, PTH115, PTH119, PTH120, PTH123

from __future__ import annotations

import json
import os
import sys
from binascii import b2a_base64

from cniplugin.attach import confdir
from cniplugin.cluster import kubeconfig
from cniplugin.cnierrors import CniError
from cniplugin.host.disk import Disk, Item, digest_of_tree
from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec.names import DELEGATING_TYPES
from cniplugin.netspec.record import Record
from cniplugin.netspec.versions import number
from cniplugin.protocol import netconf, passthru

from .commandline import InstallError
from .conflist import PLUGIN, OwnFile, digest_of_conf, load_object, load_own, types_of
from .defaultnetwork import CONF_NAMES, DefaultNetwork, Earlier, choose, names_in, own_names, search
from .nodepaths import node_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeVar

    from cniplugin.netspec.cniconfig import NetworkConfigList

    T = TypeVar("T")

BUNDLE_MARK = "nadmit-bundle.json"
"""A file in the top directory of each node bundle, and only there."""

CNI_VERSION_MIN = "0.4.0"
"""The first version with CHECK (CNI 0.4.0 §3). The delegate of an older default network keeps its own version."""

CNI_VERSION_OF_CLUSTER_NETWORK = "1.0.0"
"""Of our configuration around a network that the installer cannot see."""

AUTO = "auto"
"""The value of `--cluster-network` for the file of the default network that is found."""

TREE = ".nadmit"
FILES = "nadmit.d"


class Desired(Record):
    """The desired files of a node. A part that could not be decided is empty, and `failures` has the reason.

    `bundle`: the source directory of the program, or "". `conf`: our plugin's configuration, `conf_path` its file, and
    `own_digest` that of our part of it. `in_directory`: the other files that could be the default network. `record_dir`
    and `bin_dir`: the directories of the records and of the delegates.
    """

    program: tuple[Item, ...] = ()
    bundle: str = ""
    tree: str = ""
    credentials: tuple[Item, ...] = ()
    configuration: tuple[Item, ...] = ()
    conf: Mapping[str, Any] = {}
    conf_path: str = ""
    own_digest: str = ""
    default_network: DefaultNetwork | None = None
    in_directory: frozenset[str] = frozenset()
    directories: tuple[str, ...] = ()
    record_dir: str = ""
    bin_dir: str = ""
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def items(self) -> tuple[Item, ...]:
        """All files, in the order of placing."""
        return (*self.credentials, *self.program, *self.configuration)

    @property
    def around(self) -> str:
        """The default network, for a message."""
        return self.default_network.path if self.default_network else str(self.conf.get("clusterNetwork", ""))


def gather(
    disk: Disk,
    options: Mapping[str, str],
    environ: Mapping[str, str],
    *,
    earlier: Earlier,
    own: str,
    is_installed: bool,
) -> Desired:
    """Return the desired files of the node. `own`: the path of our present configuration, or "".

    Without an installation, raises InstallError, OSError, and CniError 7 for a wrong configuration.
    """
    files = f"{options['cni-conf-dir']}/{FILES}"
    parts: tuple[Callable[[], Desired], ...] = (
        lambda: _credentials_part(options, environ, files),
        lambda: _program_part(disk, options),
        lambda: _configuration_part(disk, options, earlier=earlier, own=own),
    )
    made = [attempt(part, Desired(), is_installed=is_installed) for part in parts]
    (credentials, *_), (program, *_), (configuration, *_) = made
    directories = [*_missing_parents(disk, options["cni-bin-dir"]), *([files] if not options["kubeconfig"] else [])]
    notes = (node_path(disk, options["cni-conf-dir"]).note, node_path(disk, options["cni-bin-dir"]).note)
    return configuration.replace(
        credentials=credentials.credentials,
        program=program.program,
        bundle=program.bundle,
        tree=program.tree,
        directories=tuple(directories),
        notes=(*filter(None, notes), *configuration.notes),
        failures=tuple(failure for _, failure in made if failure),
    )


def attempt(part: Callable[[], T], instead: T, *, is_installed: bool) -> tuple[T, str]:
    """Return the result of a part and "", or, on a node with an installation, `instead` and the reason of a failure."""
    try:
        return part(), ""
    except (InstallError, CniError, OSError) as error:
        if not is_installed:
            raise
        return instead, reason_of(error)


def reason_of(error: Exception) -> str:
    """Return an error as a line."""
    is_of_a_file = isinstance(error, OSError) and error.filename
    return f"{error.filename}: {error.strerror}" if is_of_a_file else str(error)  # type: ignore[attr-defined]  # OSError


# The program


def _program_part(disk: Disk, options: Mapping[str, str]) -> Desired:
    source = options["bundle"] or (sys.prefix if os.path.isfile(f"{sys.prefix}/{BUNDLE_MARK}") else "")
    path, chained = f"{options['cni-bin-dir']}/{PLUGIN}", f"{options['cni-bin-dir']}/{passthru.NAME}"
    is_free = not disk.has(chained) or is_our_link(disk, chained)
    if os.path.isdir(source):
        if not os.path.isfile(f"{source}/{BUNDLE_MARK}") or not os.access(f"{source}/bin/{PLUGIN}", os.X_OK):
            raise InstallError(
                f"--bundle {source}: this is not an unpacked node bundle; build one with make node-bundle"
            )
        name = digest_of_tree(source)[:16]
        program = [Item(path=path, link=f"{TREE}/{name}/bin/{PLUGIN}")]
        if is_free and os.path.lexists(f"{source}/bin/{passthru.NAME}"):
            program.append(Item(path=chained, link=f"{TREE}/{name}/bin/{passthru.NAME}"))
        return Desired(program=tuple(program), bundle=source, tree=f"{options['cni-bin-dir']}/{TREE}/{name}")
    if not os.path.isfile(source):
        what = f"{source} does not exist" if source else "it is not given"
        raise InstallError(f"--bundle: {what}; name an unpacked node bundle or one executable file")
    with open(source, "rb") as file:
        program = [Item(path=path, data=file.read(), mode=0o755)]
    return Desired(program=(*program, *([Item(path=chained, link=PLUGIN)] if is_free else [])))


def is_our_link(disk: Disk, path: str) -> bool:
    """Say whether a path is a link that an install places."""
    seen = disk.at(path)
    target = os.readlink(seen) if os.path.islink(seen) else ""
    return target == PLUGIN or target.startswith(f"{TREE}/")


# The configuration


def _configuration_part(disk: Disk, options: Mapping[str, str], *, earlier: Earlier, own: str) -> Desired:
    found = search(disk, options)
    network, notes = _network(disk, options, lambda: choose(disk, options, found, earlier))
    conf_path = f"{options['cni-conf-dir']}/{_conf_name(disk, options, own)}"
    present = load_own(disk, own) if own else load_own(disk, conf_path)
    plugin = _plugin_conf(disk, options, network, present)
    head = {"cniVersion": _version(options, network), "name": _name(options, network)}
    checked, warnings = netconf.parse({**head, **plugin})
    own_conf, conf = _whole(head, plugin, present, is_list=conf_path.endswith(confdir.LIST_SUFFIX))
    beside = {each.path for each in found.networks} - {network.path if network else ""}
    return Desired(
        configuration=(Item(path=conf_path, data=as_json(conf)),),
        conf={**head, **plugin},
        conf_path=conf_path,
        own_digest=digest_of_conf(own_conf),
        default_network=network,
        in_directory=frozenset(beside),
        record_dir=checked.record_dir,
        bin_dir=checked.bin_dir,
        notes=(
            *found.notes,
            *notes,
            *_around(disk, options, conf_path),
            *_left_behind(disk, conf_path),
            *(f"warning: {each}" for each in warnings),
        ),
    )


def _whole(
    head: dict[str, Any], plugin: dict[str, Any], present: OwnFile | None, *, is_list: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return our configuration, and the same with the plugins that other programs have put into it."""
    if not is_list:
        return {**head, **plugin}, {**head, **plugin}
    own = {**head, "plugins": [plugin]}
    return own, {**head, "plugins": [plugin, *(present.others if present else ())]}


def _network(
    disk: Disk, options: Mapping[str, str], find: Callable[[], DefaultNetwork]
) -> tuple[DefaultNetwork | None, tuple[str, ...]]:
    """Return the default network as the installer sees it, None for the name of a network of the cluster; and notes."""
    value = _cluster_network(options)
    if value in {"", AUTO}:
        network = find()
        if value and (network.is_renamed or network.is_delegate):
            raise InstallError(f"--cluster-network auto: {network.path} is not the file of a default network any more")
        what = f"the default network is the first delegate of {network.path}"
        return network, ((what,) if network.is_delegate else ())
    if "/" not in value:
        return None, ()
    if not os.path.isdir(disk.at(os.path.dirname(value))):
        return None, (f"--cluster-network: {value} cannot be seen from here, and is not checked",)
    is_directory = os.path.isdir(disk.at(value))
    read = confdir.load_directory(disk.at(value)) if is_directory else confdir.load_file(disk.at(value))
    return DefaultNetwork(path=value, file=value, network=read), ()


def _cluster_network(options: Mapping[str, str]) -> str:
    """Return the value for `clusterNetwork`, or AUTO. A chain needs a file, beside which it is."""
    return options["cluster-network"] or (AUTO if _chain(options) else "")


def _chain(options: Mapping[str, str]) -> str:
    more = read_object(options["config"]) if options["config"] else {}
    return options["auxiliary-cni-chain-name"] or str(more.get("auxiliaryCNIChainName") or "")


def _conf_name(disk: Disk, options: Mapping[str, str], own: str) -> str:
    """Return the name of our file, which must sort before all others, because the runtime uses the first one.

    Raises InstallError if `--conf-name` does not.
    """
    conf_dir = options["cni-conf-dir"]
    names = [name for name in names_in(disk, conf_dir) if not load_own(disk, f"{conf_dir}/{name}")]
    present = os.path.basename(own)
    possible = (present, *CONF_NAMES) if present in own_names(options) else own_names(options)
    others = [name for name in names if name not in possible]
    name = next((name for name in possible if not others or name < others[0]), None)
    if name is None:
        what = f"it sorts before {possible[-1]}, and the runtime uses the first"
        raise InstallError(f"{conf_dir}/{others[0]}: {what}; remove it, or give --conf-name")
    return name


def _around(disk: Disk, options: Mapping[str, str], conf_path: str) -> Iterator[str]:
    """Yield a note about each configuration that the runtime would read before ours under its usual name."""
    name = os.path.basename(conf_path)
    if options["conf-name"] or name == CONF_NAMES[0]:
        return
    for other in names_in(disk, options["cni-conf-dir"]):
        if other < CONF_NAMES[0] and other != name:
            yield f"{options['cni-conf-dir']}/{other}: it is no longer used, because {name} sorts before it"


def _left_behind(disk: Disk, conf_path: str) -> Iterator[str]:
    """Yield a note about each configuration of Multus with plugins of other programs that are not behind ours yet."""
    directory = os.path.dirname(conf_path)
    own = load_own(disk, conf_path)
    ours = {str(plugin["type"]) for plugin in own.others} if own else set()
    for name in names_in(disk, directory):
        first, *others = types_of(load_object(disk.at(f"{directory}/{name}")) or {})
        left = ", ".join(each for each in others if each not in ours)
        if first in DELEGATING_TYPES and first != PLUGIN and left:
            what = f"{left} behind {first} does not run for new pods until its program puts it into {conf_path}"
            yield f"warning: {directory}/{name}: {what}; restart that program, and look at show"


def _version(options: Mapping[str, str], network: DefaultNetwork | None) -> str:
    least = max(network.network.cni_version, CNI_VERSION_MIN, key=number) if network else CNI_VERSION_OF_CLUSTER_NETWORK
    return options["cni-version"] or least


def _name(options: Mapping[str, str], network: DefaultNetwork | None) -> str:
    if not options["override-network-name"]:
        return options["network-name"] or PLUGIN
    if network is None:
        raise InstallError("--override-network-name: the default network cannot be seen from here; give --network-name")
    return network.network.name


def _plugin_conf(
    disk: Disk, options: Mapping[str, str], network: DefaultNetwork | None, present: OwnFile | None
) -> dict[str, Any]:
    """Return our plugin's configuration. It declares the capabilities of the default network, and POD_ANNOTATIONS."""
    conf: dict[str, Any] = {"type": PLUGIN}
    if options["config"]:
        conf |= read_object(options["config"])
    for key, option in _OF_THE_INSTALLER.items():
        if key in conf:
            instead = f"; give --{option}" if option else ""
            raise InstallError(f"--config {options['config']}: {key!r} is written by the installer; remove it{instead}")
    conf["type"] = PLUGIN
    conf.setdefault("binDir", _own_bin_dir(disk, options))
    if options["kubelet-dir"]:
        conf.setdefault("kubeletDir", options["kubelet-dir"])
    if _chain(options):
        conf["auxiliaryCNIChainName"] = _chain(options)
    kube = options["kubeconfig"] or f"{node_path(disk, options['cni-conf-dir']).path}/{FILES}/kubeconfig"
    if kube != "none":
        conf["kubeconfig"] = kube
    capabilities = network.network.capabilities if network else frozenset[str]()
    conf["capabilities"] = dict.fromkeys(sorted({*capabilities, netconf.POD_ANNOTATIONS}), True)
    value = _cluster_network(options)
    if not value and network is not None:
        return {**conf, "delegates": [_without(network.network, present)]}
    directory, name = os.path.split(network.path) if network and value == AUTO else ("", "")
    return {**conf, "clusterNetwork": f"{node_path(disk, directory).path}/{name}" if name else value}


_OF_THE_INSTALLER = {
    "cniVersion": "cni-version",
    "name": "network-name",
    "delegates": "default-network",
    "clusterNetwork": "cluster-network",
    "plugins": "",
}
"""Keys that `--config` may not have, and the options for them."""


def _own_bin_dir(disk: Disk, options: Mapping[str, str]) -> str:
    return node_path(disk, options["cni-bin-dir"]).path


def _without(network: NetworkConfigList, present: OwnFile | None) -> dict[str, Any]:
    """Return the default network without the plugins that its owner's neighbour has also put behind ours.

    Such a program chains itself into the first file. Before the installation, that was the default network's.
    """
    types = {plugin["type"] for plugin in present.others} if present else set()
    plugins = network.conf.get("plugins")
    if not types or not isinstance(plugins, list):
        return network.conf
    kept = [plugin for index, plugin in enumerate(plugins) if index == 0 or plugin.get("type") not in types]
    return {**network.conf, "plugins": kept}


# The credentials


def _credentials_part(options: Mapping[str, str], environ: Mapping[str, str], directory: str) -> Desired:
    """Return the token and the kubeconfig with its path; nothing with a kubeconfig of the node."""
    return Desired() if options["kubeconfig"] else Desired(credentials=credentials(options, environ, directory))


def credentials(options: Mapping[str, str], environ: Mapping[str, str], directory: str) -> tuple[Item, ...]:
    """Return the token and the kubeconfig. Raises InstallError, OSError, CniError 7."""
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
        "users": [{"name": PLUGIN, "user": {"tokenFile": "token"}}],
        "contexts": [{"name": PLUGIN, "context": {"cluster": "local", "user": PLUGIN}}],
        "current-context": PLUGIN,
    }
    text = as_json(conf)
    kubeconfig.parse_kubeconfig(text.decode(), source="kubeconfig", directory=directory)
    kubeconfig.load_token(kubeconfig.ClusterConfig(server="", host="", port=0, token_file=f"{source}/token"))
    return Item(path=f"{directory}/token", data=token), Item(path=f"{directory}/kubeconfig", data=text)


# Files


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
