"""Put the plugin on a node and take it off again: `python3 -m cniplugin install | uninstall | show`.

Theory of operation. What stands where is decided first, from what is there, without a change (`_gather`). Then a state
file in the CNI configuration directory says what will be touched and whether something stood there; only then is the
node changed, by steps that are each one rename, link or unlink, and durable:

    file   = link what stands there beside it, once -> write a temporary file -> fsync -> rename -> fsync directory
    bundle = copy to a temporary directory -> rename -> rename a symbolic link `nadmit` over the old one

Whatever ends this process in between: the runtime sees the old file or the new one; the next `install` goes on, the
next `uninstall` puts back what stood there, the same inode. The configuration is placed last and taken away first, so
that the runtime never reads one whose plugin is missing. State goes last.

Names that this module makes in foreign directories begin with "." and do not end with a suffix that a runtime reads.

The token: the kubelet renews it in the installer's pod, the plugin runs on the node. So it is copied, in a file of its
own that the kubeconfig names, and `--every` renews the copy; Multus writes it into the kubeconfig, where it expires.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH102, PTH105, PTH106, PTH108, PTH112, PTH113, PTH114, PTH115, PTH116, PTH118, PTH119, PTH120, PTH123, PTH208, PTH211

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from binascii import b2a_base64

from . import kubeconfig, netconf, ondisk
from .errors import CniError
from .netspec.record import Record
from .netspec.versions import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from .netspec.cniconfig import NetworkConfigList

    State = dict[str, Any]

DONE, FAILED, MISUSED, DIFFERS = range(4)
"""Exit codes."""

PLUGIN = "nadmit"
BUNDLE_MARK = "nadmit-bundle.json"
"""Stands in the top directory of a node bundle, and of no other."""

CNI_VERSION_MIN = "0.4.0"
"""The first version with CHECK (CNI 0.4.0 §3). A default network that is older gets its own version all the same."""

MULTI_NETWORK_TYPES = ("multus", "multus-shim", PLUGIN)
_STATE = ".nadmit-installed"
_TREE = ".nadmit"
_FILES = "nadmit.d"
_TEMPORARY = ".tmp-nadmit"
_KEPT = ".before-nadmit"
_SUFFIXES = (ondisk.LIST_SUFFIX, *ondisk.CONF_SUFFIXES)

OPTIONS = {
    "root": ("", "DIR", "where the node's file system is mounted; all other paths are the node's"),
    "cni-conf-dir": ("/etc/cni/net.d", "DIR", "where the runtime looks for its configuration"),
    "cni-bin-dir": ("/opt/cni/bin", "DIR", "where the runtime looks for plugins"),
    "bundle": (
        "",
        "PATH",
        "what to install: the directory of a node bundle, or one executable file; path as seen here",
    ),
    "conf-name": ("00-nadmit.conflist", "NAME", "the file to write, .conflist or .conf; it must sort first"),
    "default-network": ("", "NAME", "file in --cni-conf-dir of the default network; else the first that can be used"),
    "config": ("", "FILE", "JSON object with more keys for the plugin (docs/node.md), e.g. namespaceIsolation"),
    "kubeconfig": ("", "PATH", 'kubeconfig that is on the node already; "none": no API server, default network only'),
    "api-server": ("", "URL", "API server as the node reaches it; else what the kubelet tells this pod"),
    "service-account": (kubeconfig.SERVICE_ACCOUNT, "DIR", "where token and ca.crt are, as seen here"),
    "wait": ("0", "SECONDS", "how long to wait for a default network"),
    "every": ("0", "SECONDS", "stay, and install what has changed (token, CA, default network) this often; 0: once"),
}
_OF_ALL = ("root", "cni-conf-dir")

COMMANDS = {
    "install": "Place the plugin, and a configuration around the default network. Twice is as once.",
    "uninstall": "Put back what stood there before install. Pods keep their networks; detach them first.",
    "show": "Print what is installed, and what differs from what install placed.",
}


class Item(Record):
    """A file to place: `data` with `mode`, or a symbolic link to `link`. `path` is absolute on the node."""

    path: str
    data: bytes = b""
    mode: int = 0o600
    link: str = ""


class Wanted(Record):
    """What is to stand on the node. `items`: in the order of placing. `bundle`: source directory, "" without one."""

    directories: tuple[str, ...]
    items: tuple[Item, ...]
    bundle: str
    tree: str
    default_network: str


class InstallError(Exception):
    """One line that says what cannot be done and why."""


class Disk:
    """The node's file system below `root`; every change is announced to `on_step` before it is made, and is `doing`."""

    def __init__(self, root: str, on_step: Callable[[str], None]) -> None:
        self.root = root
        self.doing = "reading"
        self._hear = on_step

    def on_step(self, what: str) -> None:
        """Announce a change."""
        self.doing = what
        self._hear(what)

    def at(self, path: str) -> str:
        """Return a path of the node as it is seen here."""
        return self.root + path

    def has(self, path: str) -> bool:
        """Say whether something stands at a path, a dangling link included."""
        return os.path.lexists(self.at(path))

    def read(self, path: str) -> bytes:
        """Return a file."""
        with open(self.at(path), "rb") as file:
            return file.read()

    def digest(self, path: str) -> str:
        """Return what `digest_of` returns for the item that stands there, "" for nothing."""
        seen = self.at(path)
        if os.path.islink(seen):
            return digest_of(Item(path=path, link=os.readlink(seen)))
        if not os.path.isfile(seen):
            return "a directory" if os.path.isdir(seen) else ""
        return digest_of(Item(path=path, data=self.read(path), mode=os.stat(seen).st_mode & 0o7777))

    def make_directory(self, path: str, mode: int) -> None:
        """Make one directory."""
        self.on_step(f"mkdir {path}")
        os.mkdir(self.at(path), mode)
        self._sync_parent(path)

    def keep(self, path: str) -> None:
        """Give what stands at a path a second name, under which `restore` finds it."""
        self.on_step(f"keep {path}")
        os.link(self.at(path), self.at(beside(path, _KEPT)), follow_symlinks=False)
        self._sync_parent(path)

    def place(self, item: Item) -> None:
        """Replace what stands at a path, at once."""
        temporary = beside(item.path, _TEMPORARY)
        self.remove(temporary)
        self.on_step(f"write {item.path}")
        if item.link:
            os.symlink(item.link, self.at(temporary))
        else:
            self._write(temporary, item)
        self.rename(temporary, item.path)

    def _write(self, path: str, item: Item) -> None:
        fd = os.open(self.at(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            half = len(item.data) // 2
            file.write(item.data[:half])
            file.flush()
            self.on_step(f"write the rest of {item.path}")
            file.write(item.data[half:])
            file.flush()
            os.fchmod(fd, item.mode)
            os.fsync(fd)

    def rename(self, old: str, new: str) -> None:
        """Rename within a directory."""
        self.on_step(f"rename {old} to {new}")
        os.replace(self.at(old), self.at(new))
        self._sync_parent(new)

    def remove(self, path: str) -> None:
        """Remove a file, a link or a whole directory; fine when it is gone."""
        if not self.has(path):
            return
        self.on_step(f"remove {path}")
        seen = self.at(path)
        if os.path.isdir(seen) and not os.path.islink(seen):
            shutil.rmtree(seen)
        else:
            os.unlink(seen)
        self._sync_parent(path)

    def remove_if_empty(self, path: str) -> bool:
        """Remove a directory that holds nothing; say whether it is gone."""
        if self.has(path) and not os.listdir(self.at(path)):
            self.on_step(f"rmdir {path}")
            os.rmdir(self.at(path))
            self._sync_parent(path)
        return not self.has(path)

    def restore(self, path: str, *, stood_before: bool) -> None:
        """Put back what `keep` kept, or remove what stands there if nothing did. Twice is as once."""
        kept = beside(path, _KEPT)
        self.remove(beside(path, _TEMPORARY))
        if not stood_before:
            self.remove(path)
        elif self.has(kept):
            # NB: rename(2) does nothing, and keeps both names, when both are one file.
            is_untouched = self.has(path) and os.path.samestat(os.lstat(self.at(kept)), os.lstat(self.at(path)))
            if is_untouched:
                self.remove(kept)
            else:
                self.rename(kept, path)

    def copy_tree(self, source: str, path: str) -> None:
        """Copy a directory to a path of the node, durably, and at once."""
        temporary = beside(path, _TEMPORARY)
        self.remove(temporary)
        for name, kind in _walk(source):
            seen = os.path.join(self.at(temporary), name) if name else self.at(temporary)
            origin = os.path.join(source, name)
            self.on_step(f"copy {name}")
            if kind == "directory":
                os.mkdir(seen, 0o755)
            elif kind == "link":
                os.symlink(os.readlink(origin), seen)
            else:
                shutil.copy(origin, seen)
                _sync(seen)
        for name, kind in _walk(self.at(temporary)):
            if kind == "directory":
                _sync(os.path.join(self.at(temporary), name))
        self.remove(path)
        self.rename(temporary, path)

    def _sync_parent(self, path: str) -> None:
        _sync(os.path.dirname(self.at(path)))


def digest_of(item: Item) -> str:
    """Return one text for an item's content and mode."""
    head = f"link {item.link}" if item.link else f"file {item.mode:o}"
    return hashlib.sha256(head.encode() + b"\n" + item.data).hexdigest()


def digest_of_tree(directory: str) -> str:
    """Return one text for all names, modes and contents of a directory; "" if there is none."""
    if not os.path.isdir(directory):
        return ""
    total = hashlib.sha256()
    for name, kind in _walk(directory):
        seen = os.path.join(directory, name)
        item = Item(path=name, link=kind)
        if kind == "link":
            item = item.replace(link=os.readlink(seen))
        elif kind == "file":
            with open(seen, "rb") as file:
                item = Item(path=name, data=file.read(), mode=0o700 & os.stat(seen).st_mode)
        total.update(f"{name}\n{digest_of(item)}\n".encode())
    return total.hexdigest()


def beside(path: str, suffix: str) -> str:
    """Return a hidden name in the same directory, with a suffix that no runtime reads."""
    directory, name = os.path.split(path)
    return f"{directory}/.{name}{suffix}"


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
    """As `main`; `on_step` hears of every change before it is made."""
    if not argv or {"-h", "--help", "help"} & set(argv):
        _say(_help())
        return DONE if argv else MISUSED
    disk = Disk("", on_step)
    try:
        command, options = _read_arguments(argv)
        disk.root = options["root"].rstrip("/")
        if command == "show":
            return _show(disk, options)
        if command == "uninstall":
            with _locked(disk, options["cni-conf-dir"]):
                return _uninstall(disk, options)
        return _install_and_stay(disk, options, environ, sleep)
    except (InstallError, CniError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or disk.doing}: {error.strerror}")


def _fail(text: str) -> int:
    sys.stderr.write(f"nadmit: {text}\n")
    return MISUSED if text.startswith("usage:") else FAILED


def _install_and_stay(
    disk: Disk, options: Mapping[str, str], environ: Mapping[str, str], sleep: Callable[[float], None]
) -> int:
    """Install; with `--every`, again and again: what fails after the first time is said, and what stands stays."""
    with _locked(disk, options["cni-conf-dir"], waits=True):
        _wait_for_default(disk, options, sleep)
        _install(disk, options, environ)
    every = float(options["every"])
    while every:
        sleep(every)
        try:
            with _locked(disk, options["cni-conf-dir"], waits=True):
                _install(disk, options, environ)
        except (InstallError, CniError, OSError) as error:
            _fail(f"not renewed, what is installed stays: {error}")
    return DONE


def _read_arguments(argv: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return the command and all options. Grammar: command *( "--" name ( "=" value / SP value ) )."""
    command, *rest = argv
    if command not in COMMANDS:
        raise InstallError(f"usage: {command!r} is no command; allowed: {', '.join(COMMANDS)}; see --help")
    known = OPTIONS if command == "install" else _OF_ALL
    options = {name: default for name, (default, _, _) in OPTIONS.items()}
    words = iter(rest)
    for word in words:
        name, has_value, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in known:
            raise InstallError(f"usage: {command} has no {word!r}; allowed: {', '.join(f'--{key}' for key in known)}")
        found = value if has_value else next(words, None)
        if found is None:
            raise InstallError(f"usage: --{name} needs a value: {OPTIONS[name][1]}")
        options[name] = found
    _check_options(options)
    return command, options


def _check_options(options: dict[str, str]) -> None:
    for name in ("cni-conf-dir", "cni-bin-dir"):
        options[name] = options[name].rstrip("/")
        if not options[name].startswith("/") or "/../" in f"{options[name]}/":
            raise InstallError(f"usage: --{name}: {options[name]!r} is no absolute path of the node")
    name = options["conf-name"]
    if "/" in name or name.startswith(".") or not name.endswith((".conflist", ".conf")):
        raise InstallError(f"usage: --conf-name: {name!r}; allowed: a file name that ends with .conflist or .conf")
    for name in ("wait", "every"):
        if not options[name].replace(".", "", 1).isdecimal():
            raise InstallError(f"usage: --{name}: {options[name]!r}; allowed: seconds, a number of 0 or more")
    if options["kubeconfig"] not in {"", "none"} and not options["kubeconfig"].startswith("/"):
        raise InstallError(f'usage: --kubeconfig: {options["kubeconfig"]!r}; allowed: an absolute path, or "none"')


def _help() -> str:
    lines = ["usage: nadmit install | uninstall | show [--OPTION VALUE ...]      (or python3 -m cniplugin ...)", ""]
    lines += [f"  {name:<11}{text}" for name, text in COMMANDS.items()]
    lines += ["", "Options of all commands:"]
    for name, (default, kind, text) in OPTIONS.items():
        if name == "cni-bin-dir":
            lines += ["", "Options of install:"]
        shown = f" [{default}]" if default not in {"", "0"} else ""
        lines.append(f"  {f'--{name} {kind}':<24}{text}{shown}")
    lines += [
        "",
        f"Exit codes: {DONE} done; {FAILED} it could not be done, and nothing is half-done that a second run would not",
        f"repair; {MISUSED} wrong arguments; {DIFFERS} show: not installed, or something differs.",
        "",
        "Interrupted at any moment, install or uninstall repairs what is there. Without a container runtime's",
        "environment nothing else runs here: the plugin itself is started with CNI_COMMAND set (CNI 1.1 §2).",
    ]
    return "\n".join(lines)


# What is wanted: reads only


def _wait_for_default(disk: Disk, options: Mapping[str, str], sleep: Callable[[float], None]) -> None:
    """Wait for a default network as long as asked; who then needs one says what is missing."""
    left = float(options["wait"])
    while left > 0 and not any(_candidates(disk, options)):
        sleep(min(1.0, left))
        left -= 1.0


def _gather(disk: Disk, options: Mapping[str, str], environ: Mapping[str, str]) -> Wanted:
    conf_dir, bin_dir = options["cni-conf-dir"], options["cni-bin-dir"]
    program, bundle, tree = _program(options)
    path, network = _default_network(disk, options)
    files = f"{conf_dir}/{_FILES}"
    credentials: tuple[Item, ...] = ()
    kube = options["kubeconfig"]
    if not kube:
        credentials = _credentials(options, environ, files)
        kube = credentials[-1].path
    plugin = _plugin_conf(options, network, kubeconfig_path="" if kube == "none" else kube)
    conf: dict[str, Any] = {"cniVersion": _version_for(network), "name": PLUGIN}
    is_list = options["conf-name"].endswith(ondisk.LIST_SUFFIX)
    _check_conf({**conf, **plugin})
    conf |= {"plugins": [plugin]} if is_list else plugin
    placed = Item(path=f"{conf_dir}/{options['conf-name']}", data=_json(conf))
    directories = [*_missing_parents(disk, bin_dir), *([files] if credentials else [])]
    return Wanted(
        directories=tuple(directories),
        items=(program, *credentials, placed),
        bundle=bundle,
        tree=tree,
        default_network=path,
    )


def _program(options: Mapping[str, str]) -> tuple[Item, str, str]:
    """Return the item for `<bin>/nadmit`, and source and target of the bundle, "" if it is one file."""
    source = options["bundle"] or (sys.prefix if os.path.isfile(f"{sys.prefix}/{BUNDLE_MARK}") else "")
    path = f"{options['cni-bin-dir']}/{PLUGIN}"
    if os.path.isdir(source):
        if not os.path.isfile(f"{source}/{BUNDLE_MARK}") or not os.access(f"{source}/bin/{PLUGIN}", os.X_OK):
            raise InstallError(f"--bundle {source}: this is no unpacked node bundle; build one with make node-bundle")
        name = digest_of_tree(source)[:16]
        link = f"{_TREE}/{name}/bin/{PLUGIN}"
        return Item(path=path, link=link), source, f"{options['cni-bin-dir']}/{_TREE}/{name}"
    if not os.path.isfile(source):
        what = f"{source}: there is no such file or directory" if source else "it is not given"
        raise InstallError(f"--bundle: {what}; name an unpacked node bundle or one executable file")
    with open(source, "rb") as file:
        return Item(path=path, data=file.read(), mode=0o755), "", ""


def _candidates(disk: Disk, options: Mapping[str, str]) -> Iterator[tuple[str, NetworkConfigList]]:
    """Give the networks that can be the default one, in the runtime's order; say which are passed over."""
    conf_dir, own = options["cni-conf-dir"], options["conf-name"]
    names = sorted(name for name in os.listdir(disk.at(conf_dir)) if name.endswith(_SUFFIXES) and name != own)
    if options["default-network"]:
        names = [name for name in names if name == options["default-network"]]
    for name in names:
        path = f"{conf_dir}/{name}"
        try:
            network = ondisk.load_file(disk.at(path))
        except CniError as error:
            _say(f"passed over: {error.msg}")
            continue
        if network.plugins[0].type in MULTI_NETWORK_TYPES:
            _say(f"passed over: {path}: it is {network.plugins[0].type}'s, which is no default network")
            continue
        yield path, network


def _default_network(disk: Disk, options: Mapping[str, str]) -> tuple[str, NetworkConfigList]:
    conf_dir, own = options["cni-conf-dir"], options["conf-name"]
    found = next(_candidates(disk, options), None)
    if found is None:
        wanted = options["default-network"] or "configuration of a default network (.conflist, .conf, .json)"
        raise InstallError(f"{conf_dir}: there is no {wanted} that can be used; install the default network first")
    first = min(name for name in os.listdir(disk.at(conf_dir)) if name.endswith(_SUFFIXES))
    if first < own:
        raise InstallError(
            f"{conf_dir}/{first}: it sorts before {own}, and the runtime uses the first; remove it, or give --conf-name"
        )
    return found


def _version_for(network: NetworkConfigList) -> str:
    return max(network.cni_version, CNI_VERSION_MIN, key=number)


def _plugin_conf(options: Mapping[str, str], network: NetworkConfigList, *, kubeconfig_path: str) -> dict[str, Any]:
    """Return our own configuration; `capabilities` are the default network's, for which alone the runtime asks."""
    conf: dict[str, Any] = {"type": PLUGIN}
    if options["config"]:
        conf |= _read_object(options["config"])
    for key in ("cniVersion", "name", "delegates", "clusterNetwork", "plugins"):
        if key in conf:
            raise InstallError(f"--config {options['config']}: {key!r} is the installer's to write; remove it")
    conf["type"] = PLUGIN
    conf.setdefault("binDir", options["cni-bin-dir"])
    if kubeconfig_path:
        conf["kubeconfig"] = kubeconfig_path
    if network.capabilities:
        conf["capabilities"] = dict.fromkeys(sorted(network.capabilities), True)
    return {**conf, "delegates": [network.conf]}


def _check_conf(conf: dict[str, Any]) -> None:
    _, warnings = netconf.parse(conf)
    for warning in warnings:
        _say(f"warning: {warning}")


def _credentials(options: Mapping[str, str], environ: Mapping[str, str], directory: str) -> tuple[Item, ...]:
    """Return the token and the kubeconfig that names it."""
    source = options["service-account"]
    found = kubeconfig.load_service_account(environ, directory=source)
    server = options["api-server"] or (found.server if found else "")
    if not server:
        raise InstallError(
            'no API server: this is no pod; give --api-server, --kubeconfig PATH, or "--kubeconfig none" to do without'
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
    text = _json(conf)
    kubeconfig.parse_kubeconfig(text.decode(), source="kubeconfig", directory=directory)
    kubeconfig.load_token(kubeconfig.ClusterConfig(server="", host="", port=0, token_file=f"{source}/token"))
    return Item(path=f"{directory}/token", data=token), Item(path=f"{directory}/kubeconfig", data=text)


def _missing_parents(disk: Disk, path: str) -> list[str]:
    missing: list[str] = []
    while path != "/" and not os.path.isdir(disk.at(path)):
        missing.insert(0, path)
        path = os.path.dirname(path)
    return missing


# The node is changed


def _install(disk: Disk, options: Mapping[str, str], environ: Mapping[str, str]) -> None:
    wanted = _gather(disk, options, environ)
    stored = _load_state(disk, options)
    state = _planned_state(disk, stored, wanted)
    _store_state(disk, options, state)
    for path in wanted.directories:
        if not os.path.isdir(disk.at(path)):
            disk.make_directory(path, 0o700 if path.endswith(f"/{_FILES}") else 0o755)
    used = _place_bundle(disk, wanted) if wanted.bundle else ()
    changed = [item for item in wanted.items if _place(disk, item, stood_before=state["files"][item.path]["before"])]
    if wanted.bundle and wanted.items[0] in changed:
        _remove_all_but(disk, os.path.dirname(wanted.tree), used)
    _drop_obsolete(disk, state, wanted)
    _store_state(disk, options, state)
    for item in changed:
        _say(f"placed {item.path}")
    if changed or state != stored:
        _say(f"installed around {wanted.default_network}")


def _planned_state(disk: Disk, stored: State, wanted: Wanted) -> State:
    """Return the state with all that will be touched; what it says of the time before the first install stays."""
    files = dict(stored["files"])
    for item in wanted.items:
        if disk.digest(item.path) == "a directory":
            raise InstallError(f"{item.path}: a directory stands where a file must be; remove it")
        if item.path not in files and disk.has(beside(item.path, _KEPT)):
            raise InstallError(f"{beside(item.path, _KEPT)}: left by an installation whose state is lost; move it away")
        before = files[item.path]["before"] if item.path in files else disk.has(item.path)
        files[item.path] = {"before": before, "placed": digest_of(item)}
    trees = list(stored["trees"])
    if wanted.bundle:
        top = os.path.dirname(wanted.tree)
        if top not in trees and disk.has(top):
            raise InstallError(f"{top}: it stands there and no installation of ours is known; move it away")
        trees += [] if top in trees else [top]
    directories = [*stored["directories"]]
    directories += [path for path in wanted.directories if path not in directories and not disk.has(path)]
    network = {"path": wanted.default_network, "digest": disk.digest(wanted.default_network)}
    return {**stored, "files": files, "trees": trees, "directories": directories, "default_network": network}


def _place_bundle(disk: Disk, wanted: Wanted) -> tuple[str, ...]:
    """Place the bundle; return the names of the trees in use: the new one, and the one that processes may run."""
    top, name = os.path.split(wanted.tree)
    if not disk.has(top):
        disk.make_directory(top, 0o755)
    for entry in sorted(os.listdir(disk.at(top))):
        if entry.endswith(_TEMPORARY):
            disk.remove(f"{top}/{entry}")
    if digest_of_tree(disk.at(wanted.tree)) != digest_of_tree(wanted.bundle):
        disk.copy_tree(wanted.bundle, wanted.tree)
    program = disk.at(wanted.items[0].path)
    before = os.readlink(program).split("/")[1:2] if os.path.islink(program) else []
    return (name, *before)


def _place(disk: Disk, item: Item, *, stood_before: bool) -> bool:
    """Place an item unless it stands there; say whether it was placed."""
    disk.remove(beside(item.path, _TEMPORARY))
    if stood_before and not disk.has(beside(item.path, _KEPT)) and disk.has(item.path):
        disk.keep(item.path)
    if disk.digest(item.path) == digest_of(item):
        return False
    disk.place(item)
    return True


def _remove_all_but(disk: Disk, top: str, used: Sequence[str]) -> None:
    for entry in sorted(os.listdir(disk.at(top))):
        if entry not in used:
            disk.remove(f"{top}/{entry}")


def _drop_obsolete(disk: Disk, state: State, wanted: Wanted) -> None:
    """Put back what an earlier install placed and this one does not want: another directory, another name."""
    paths = {item.path for item in wanted.items}
    for path in [path for path in state["files"] if path not in paths]:
        disk.restore(path, stood_before=state["files"][path]["before"])
        del state["files"][path]
    top = os.path.dirname(wanted.tree)
    for tree in [tree for tree in state["trees"] if tree != top]:
        disk.remove(tree)
        state["trees"].remove(tree)
    for path in [path for path in reversed(state["directories"]) if path not in wanted.directories]:
        is_ours_still = any(other.startswith(f"{path}/") for other in paths)
        if not is_ours_still and disk.remove_if_empty(path):
            state["directories"].remove(path)


def _uninstall(disk: Disk, options: Mapping[str, str]) -> int:
    state = _load_state(disk, options)
    path = f"{options['cni-conf-dir']}/{_STATE}"
    if not disk.has(path):
        disk.remove(beside(path, _TEMPORARY))
        _say("nothing is installed")
        return DONE
    _warn_of_records(disk)
    conf_dir = options["cni-conf-dir"]
    for file in sorted(state["files"], key=lambda name: os.path.dirname(name) != conf_dir):
        disk.restore(file, stood_before=state["files"][file]["before"])
    for tree in state["trees"]:
        disk.remove(tree)
    for directory in reversed(state["directories"]):
        if not disk.remove_if_empty(directory):
            _say(f"left: {directory}: it holds files that are not ours")
    disk.remove(beside(path, _TEMPORARY))
    disk.remove(path)
    _say("uninstalled")
    return DONE


def _warn_of_records(disk: Disk) -> None:
    directory = netconf.NetConf(name="", cni_version="").record_dir
    with contextlib.suppress(OSError):
        count = sum(name.endswith(".journal") for name in os.listdir(disk.at(directory)))
        if count:
            _say(f"warning: {directory}: {count} containers are still attached; only the default network detaches them")


# Show


def _show(disk: Disk, options: Mapping[str, str]) -> int:
    state = _load_state(disk, options)
    if not disk.has(f"{options['cni-conf-dir']}/{_STATE}"):
        _say("not installed")
        return DIFFERS
    lines = {path: _compare(disk.digest(path), entry["placed"]) for path, entry in state["files"].items()}
    for path in [*state["trees"], *state["directories"]]:
        lines[path] = "as installed" if os.path.isdir(disk.at(path)) else "missing"
    for path in filter(None, [_link_target(disk, path) for path in state["files"]]):
        is_sound = digest_of_tree(disk.at(path))[:16] == os.path.basename(path)
        lines[path] = "as installed" if is_sound else "damaged"
    network = state["default_network"]
    lines[network["path"]] = _compare(disk.digest(network["path"]), network["digest"])
    first = min((name for name in os.listdir(disk.at(options["cni-conf-dir"])) if name.endswith(_SUFFIXES)), default="")
    is_first = f"{options['cni-conf-dir']}/{first}" in state["files"]
    for path, text in lines.items():
        before = ", something else stood there before" if state["files"].get(path, {}).get("before") else ""
        what = " (default network)" if path == network["path"] else ""
        _say(f"{text:<13} {path}{what}{before}")
    if not is_first:
        _say(f"not used      the runtime reads {first or 'nothing'} first")
    if is_first and set(lines.values()) == {"as installed"}:
        return DONE
    _say("something differs: run install again")
    return DIFFERS


def _compare(found: str, placed: str) -> str:
    return "as installed" if found == placed else "changed" if found else "missing"


def _link_target(disk: Disk, path: str) -> str:
    """Return the bundle's directory if a file is a link into it."""
    seen = disk.at(path)
    target = os.readlink(seen) if os.path.islink(seen) else ""
    return "/".join([os.path.dirname(path), *target.split("/")[:2]]) if target.startswith(f"{_TREE}/") else ""


# State, locks, texts


def _load_state(disk: Disk, options: Mapping[str, str]) -> State:
    path = f"{options['cni-conf-dir']}/{_STATE}"
    empty: State = {"kind": "nadmit-installed", "version": 1, "directories": [], "trees": [], "files": {}}
    if not disk.has(path):
        return {**empty, "default_network": {"path": "", "digest": ""}}
    state = _read_object(disk.at(path))
    if state.get("kind") != empty["kind"] or state.get("version") != empty["version"]:
        raise InstallError(f"{path}: another version of the installer wrote it; use that one to uninstall")
    return state


def _store_state(disk: Disk, options: Mapping[str, str], state: State) -> None:
    item = Item(path=f"{options['cni-conf-dir']}/{_STATE}", data=_json(state))
    if disk.digest(item.path) != digest_of(item):
        disk.place(item)
    disk.remove(beside(item.path, _TEMPORARY))


@contextlib.contextmanager
def _locked(disk: Disk, conf_dir: str, *, waits: bool = False) -> Iterator[None]:
    """Keep other installers out; the lock is the directory's own and leaves nothing behind."""
    fd = os.open(disk.at(conf_dir), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        yield
    except BlockingIOError as error:
        raise InstallError(f"{conf_dir}: another install or uninstall is running") from error
    finally:
        os.close(fd)


def _read_object(path: str) -> dict[str, Any]:
    try:
        value = json.loads(_read_file(path))
    except ValueError as error:
        raise InstallError(f"{path}: this is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InstallError(f"{path}: this is no JSON object")
    return value


def _read_file(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _walk(directory: str) -> Iterator[tuple[str, str]]:
    """Give the relative names below a directory with their kinds, sorted, itself ("") first, parents first."""
    yield "", "directory"
    for here, directories, files in os.walk(directory):
        directories.sort()
        below = os.path.relpath(here, directory)
        for name in sorted([*directories, *files]):
            full = os.path.join(here, name)
            kind = "link" if os.path.islink(full) else "directory" if name in directories else "file"
            yield os.path.normpath(os.path.join(below, name)), kind


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
