"""The installer's command line: commands, options, help, exit codes, and output.

An option's value is the one given, else that of `--profile`, else the default.
"""

from __future__ import annotations

import sys

from cniplugin.cluster import kubeconfig
from cniplugin.netspec import names
from cniplugin.netspec.versions import VERSIONS

from .nodepaths import BIN_DIR, CONF_DIR, PROFILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CRI_SCHEME = "unix://"
"""crictl and the kubelet write the path of a socket as a URL."""

DONE, FAILED, MISUSED, DIFFERS = range(4)
"""Exit codes."""

COMMANDS = {
    "install": "Place the plugin, and a configuration around the default network. Can be repeated.",
    "uninstall": "Restore the files from before install. Refused while pods have networks of their own; remove these.",
    "show": "Print what is installed, how it differs from what install placed, and which records are damaged.",
    "forget": "forget CONTAINER_ID: detach what its record still allows, print what is left, and give the record up.",
    "gc": "Print what is left of containers that no longer exist, or free it with --apply. On the node itself only.",
}
_NEED_AN_ID = ("forget",)

OPTIONS = {
    "root": ("", "DIR", "where the node's file system is mounted; all other paths are the node's"),
    "profile": ("", "NAME", f"paths of a distribution: {', '.join(sorted(PROFILES))}; an option given beside it wins"),
    "cni-conf-dir": (CONF_DIR, "DIR", "where the runtime looks for its configuration"),
    "record-dir": ("", "DIR", "where the plugin keeps its records [recordDir of what is installed]"),
    "cni-bin-dir": (BIN_DIR, "DIR", "where the runtime looks for plugins"),
    "bundle": (
        "",
        "PATH",
        "what to install: the directory of a node bundle, or one executable file; a path as seen here",
    ),
    "conf-name": (
        "",
        "NAME",
        "file to write, .conflist or .conf; it must sort first [00-nadmit.conflist]",
    ),
    "cni-version": (
        "",
        "VERSION",
        "of that file; STATUS and GC need 1.1.0 [of the default network]",
    ),
    "network-name": ("", "NAME", "name of the network in the file, by which CRI-O may choose it [nadmit]"),
    "default-network": ("", "NAME", "file of the default network [the first that can be used]"),
    "default-network-dir": ("", "DIR", "where to look for that file first [--cni-conf-dir]"),
    "cluster-network": (
        "",
        "VALUE",
        'write clusterNetwork with this value, and no delegates; "auto": the file of the default network',
    ),
    "auxiliary-cni-chain-name": ("", "NAME", "more plugins for every pod; implies --cluster-network auto"),
    "kubelet-dir": ("", "DIR", "kubeletDir of the plugin [/var/lib/kubelet]"),
    "config": (
        "",
        "FILE",
        "file with a JSON object of more keys for the plugin (docs/node.md), e.g. namespaceIsolation",
    ),
    "kubeconfig": ("", "PATH", 'existing kubeconfig of the node; "none": no API server, default network only'),
    "api-server": ("", "URL", "address of the API server for the node [that of this pod's environment]"),
    "service-account": (kubeconfig.SERVICE_ACCOUNT, "DIR", "directory with token and ca.crt, as seen here"),
    "wait": ("0", "SECONDS", "how long to wait for a default network"),
    "every": (
        "0",
        "SECONDS",
        "stay; install changes of token, CA and default network at once, and look this often",
    ),
    "cri-socket": ("", "PATH", "socket of the container runtime: what it does not know is gone [what the node shows]"),
}
_OF_INSTALL = {
    "override-network-name": "name our network as the default network",
    "rename-conf-file": "rename the default network's file, so that the runtime can use no other network than ours",
    "cleanup-on-exit": "restore the configuration when this process ends by SIGTERM, if no pod has networks of its own",
    "no-snapshot": "do without the startup snapshot, by which each call of the plugin starts sooner",
}
FLAGS = {
    **_OF_INSTALL,
    "apply": "free what gc prints without this flag",
    "uninstalled": "succeed if the runtime does not use the plugin any more",
    "force": "go on although attachments may leak: containers are attached, or one could not be detached",
}

_PLACES = ("root", "profile", "cni-conf-dir", "cni-bin-dir", "record-dir")
_OF_THE_NODE = tuple(name for name in _PLACES if name != "root")
_KNOWN = {
    "install": (*(name for name in OPTIONS if name not in {"record-dir", "cri-socket"}), *_OF_INSTALL),
    "uninstall": (*_PLACES, "service-account", "api-server", "every", "force"),
    "show": (*_PLACES, "uninstalled"),
    "forget": (*_OF_THE_NODE, "force"),
    "gc": (*_OF_THE_NODE, "cri-socket", "apply"),
}
"""The options of each command. `forget` and `gc` run plugins, so they work only on the node itself, without --root."""


class InstallError(Exception):
    """One line: what cannot be done, and why."""


class UsageError(InstallError):
    """One line: what is wrong with the arguments."""


def read_arguments(argv: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return the command and all options. A flag is "yes" or ""; `container` is the ID of `forget`.

    Grammar: command *( "--" name ( "=" value / SP value ) / "--" flag / id ).
    """
    command, *rest = argv
    if command not in COMMANDS:
        raise UsageError(f"{command!r} is not a command; allowed: {', '.join(COMMANDS)}; see --help")
    known = _KNOWN[command]
    options = dict.fromkeys((*FLAGS, "container"), "")
    words = iter(rest)
    for word in words:
        if command in _NEED_AN_ID and not word.startswith("-") and not options["container"]:
            options["container"] = word
            continue
        name, has_value, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in known:
            raise UsageError(f"{command} has no {word!r}; allowed: {', '.join(f'--{key}' for key in known)}")
        if name in FLAGS and not has_value:
            options[name] = "yes"
            continue
        if name in FLAGS:
            raise UsageError(f"--{name} takes no value: {value!r}")
        given = value if has_value else next(words, None)
        if given is None:
            raise UsageError(f"--{name} needs a value: {OPTIONS[name][1]}")
        options[name] = given
    if command in _NEED_AN_ID and not options["container"]:
        raise UsageError(f"{command} needs the ID of a container; show lists those with a damaged record")
    return command, _completed(options)


def _completed(given: dict[str, str]) -> dict[str, str]:
    """Return all options. Raises UsageError for a value that is not allowed."""
    profile = given.get("profile", "")
    if profile and profile not in PROFILES:
        raise UsageError(f"--profile: {profile!r}; allowed: {', '.join(sorted(PROFILES))}")
    defaults = {name: default for name, (default, _, _) in OPTIONS.items()}
    options = {**defaults, **PROFILES.get(profile, {}), **given}
    for name in ("cni-conf-dir", "cni-bin-dir", "record-dir", "default-network-dir", "kubelet-dir"):
        is_given = bool(options[name]) or name in {"cni-conf-dir", "cni-bin-dir"}
        options[name] = options[name].rstrip("/")
        if (is_given and not options[name].startswith("/")) or "/../" in f"{options[name]}/":
            raise UsageError(f"--{name}: {options[name]!r} is not an absolute path of the node")
    for name, (is_right, allowed) in _VALUES.items():
        if (options[name] or name in _NUMBERS) and not is_right(options[name]):
            raise UsageError(f"--{name}: {options[name]!r}; allowed: {allowed}")
    for one, other in _NOT_TOGETHER:
        if given.get(one) and given.get(other):
            raise UsageError(f"--{one} and --{other} exclude each other; give one of them")
    return options


def _is_seconds(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


_VALUES: dict[str, tuple[Callable[[str], bool], str]] = {
    "conf-name": (
        lambda name: "/" not in name and not name.startswith(".") and name.endswith((".conflist", ".conf")),
        "a file name that ends with .conflist or .conf",
    ),
    "cni-version": (VERSIONS.__contains__, ", ".join(VERSIONS)),
    "network-name": (names.is_network_name, names.ALLOWED_NETWORK_NAME),
    "auxiliary-cni-chain-name": (names.is_network_name, names.ALLOWED_NETWORK_NAME),
    "wait": (_is_seconds, "seconds, a number of 0 or more"),
    "every": (_is_seconds, "seconds, a number of 0 or more"),
    "cri-socket": (
        lambda text: text.removeprefix(CRI_SCHEME).startswith("/"),
        f"an absolute path, also with {CRI_SCHEME}",
    ),
    "kubeconfig": (lambda text: text == "none" or text.startswith("/"), 'an absolute path, or "none"'),
}
_NUMBERS = ("wait", "every")
_NOT_TOGETHER = (
    ("rename-conf-file", "cluster-network"),
    ("rename-conf-file", "auxiliary-cni-chain-name"),
    ("network-name", "override-network-name"),
)
"""The file that `clusterNetwork` names must stay."""


def help_text() -> str:
    """Return the text of `--help`."""
    usage = "usage: nadmit install | uninstall | show | forget CONTAINER_ID | gc [--OPTION VALUE ...]"
    lines = [usage, "       python3 -m cniplugin ...", ""]
    lines += [f"  {name:<11}{text}" for name, text in COMMANDS.items()]
    groups: dict[str, list[str]] = {}
    for name, (default, kind, text) in (*OPTIONS.items(), *((flag, ("", "", text)) for flag, text in FLAGS.items())):
        shown = f" [{default}]" if default not in {"", "0"} else ""
        of = ", ".join(command for command in COMMANDS if name in _KNOWN[command])
        groups.setdefault(of, []).append(f"  {f'--{name} {kind}'.rstrip():<31} {text}{shown}")
    for of, options in groups.items():
        lines += ["", f"Options of {of}:", *options]
    lines += [
        "",
        f"Exit codes: {DONE} done; {FAILED} failed, a second run repairs what is half-done; {MISUSED} wrong arguments;",
        f"{DIFFERS} show: not installed, something differs, or a record is damaged;",
        "  gc: something can be freed, or a record is damaged;",
        "  uninstall: the runtime does not use the plugin any more, and its last container keeps the program.",
        "",
        "install and uninstall can be interrupted at any moment; run them again. A container runtime runs the plugin",
        "itself by setting CNI_COMMAND (CNI 1.1 §2).",
    ]
    return "\n".join(lines)


def containers_have(number: int) -> str:
    """Return the beginning of a sentence about so many containers."""
    return "1 container has" if number == 1 else f"{number} containers have"


def say(text: str) -> None:
    """Print one line without buffering, because stdout may be the log of a container."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
