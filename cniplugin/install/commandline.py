"""The installer's command line: commands, options, help, exit codes, and output."""

from __future__ import annotations

import sys

from cniplugin.cluster import kubeconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

CRI_SCHEME = "unix://"
"""crictl and the kubelet write the path of a socket as a URL."""

DONE, FAILED, MISUSED, DIFFERS = range(4)
"""Exit codes."""

COMMANDS = {
    "install": "Place the plugin, and a configuration around the default network. Can be repeated.",
    "uninstall": "Restore the files from before install. Refused while containers are attached; detach them first.",
    "show": "Print what is installed, how it differs from what install placed, and which records are damaged.",
    "forget": "forget CONTAINER_ID: detach what its record still allows, print what is left, and give the record up.",
    "gc": "Print what is left of containers that no longer exist, or free it with --apply. On the node itself only.",
}
_NEED_AN_ID = ("forget",)

OPTIONS = {
    "root": ("", "DIR", "where the node's file system is mounted; all other paths are the node's"),
    "cni-conf-dir": ("/etc/cni/net.d", "DIR", "where the runtime looks for its configuration"),
    "record-dir": ("", "DIR", "where the plugin keeps its records [recordDir of what is installed]"),
    "cni-bin-dir": ("/opt/cni/bin", "DIR", "where the runtime looks for plugins"),
    "bundle": (
        "",
        "PATH",
        "what to install: the directory of a node bundle, or one executable file; a path as seen here",
    ),
    "conf-name": ("00-nadmit.conflist", "NAME", "the file to write, .conflist or .conf; it must sort first"),
    "default-network": ("", "NAME", "file in --cni-conf-dir of the default network [the first that can be used]"),
    "config": (
        "",
        "FILE",
        "file with a JSON object of more keys for the plugin (docs/node.md), e.g. namespaceIsolation",
    ),
    "kubeconfig": ("", "PATH", 'existing kubeconfig of the node; "none": no API server, default network only'),
    "api-server": ("", "URL", "address of the API server for the node [that of this pod's environment]"),
    "service-account": (kubeconfig.SERVICE_ACCOUNT, "DIR", "directory with token and ca.crt, as seen here"),
    "wait": ("0", "SECONDS", "how long to wait for a default network"),
    "every": ("0", "SECONDS", "stay, and install changes of token, CA and default network this often; 0: do not stay"),
    "cri-socket": ("", "PATH", "socket of the container runtime: what it does not know is gone [what the node shows]"),
}
FLAGS = {
    "apply": "free what gc prints without this flag",
    "force": "go on although attachments may leak: containers are attached, or one could not be detached",
}

_KNOWN = {
    "install": tuple(name for name in OPTIONS if name not in {"record-dir", "cri-socket"}),
    "uninstall": ("root", "cni-conf-dir", "record-dir", "every", "force"),
    "show": ("root", "cni-conf-dir", "record-dir"),
    "forget": ("cni-conf-dir", "cni-bin-dir", "record-dir", "force"),
    "gc": ("cni-conf-dir", "cni-bin-dir", "record-dir", "cri-socket", "apply"),
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
    options = {name: default for name, (default, _, _) in OPTIONS.items()}
    options |= dict.fromkeys((*FLAGS, "container"), "")
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
    _check_options(options)
    return command, options


def _check_options(options: dict[str, str]) -> None:
    for name in ("cni-conf-dir", "cni-bin-dir", "record-dir"):
        is_given = bool(options[name]) or name != "record-dir"
        options[name] = options[name].rstrip("/")
        if (is_given and not options[name].startswith("/")) or "/../" in f"{options[name]}/":
            raise UsageError(f"--{name}: {options[name]!r} is not an absolute path of the node")
    name = options["conf-name"]
    if "/" in name or name.startswith(".") or not name.endswith((".conflist", ".conf")):
        raise UsageError(f"--conf-name: {name!r}; allowed: a file name that ends with .conflist or .conf")
    for name in ("wait", "every"):
        if not options[name].replace(".", "", 1).isdecimal():
            raise UsageError(f"--{name}: {options[name]!r}; allowed: seconds, a number of 0 or more")
    if options["cri-socket"] and not options["cri-socket"].removeprefix(CRI_SCHEME).startswith("/"):
        raise UsageError(f"--cri-socket: {options['cri-socket']!r}; allowed: an absolute path, also with {CRI_SCHEME}")
    if options["kubeconfig"] not in {"", "none"} and not options["kubeconfig"].startswith("/"):
        raise UsageError(f'--kubeconfig: {options["kubeconfig"]!r}; allowed: an absolute path, or "none"')


def help_text() -> str:
    """Return the text of `--help`."""
    usage = "usage: nadmit install | uninstall | show | forget CONTAINER_ID | gc [--OPTION VALUE ...]"
    lines = [usage, "       python3 -m cniplugin ...", ""]
    lines += [f"  {name:<11}{text}" for name, text in COMMANDS.items()]
    before = ""
    for name, (default, kind, text) in (*OPTIONS.items(), *((flag, ("", "", text)) for flag, text in FLAGS.items())):
        heading = f"Options of {', '.join(command for command in COMMANDS if name in _KNOWN[command])}:"
        lines += ["", heading] if heading != before else []
        shown = f" [{default}]" if default not in {"", "0"} else ""
        lines.append(f"  {f'--{name} {kind}':<24} {text}{shown}")
        before = heading
    lines += [
        "",
        f"Exit codes: {DONE} done; {FAILED} failed, a second run repairs what is half-done; {MISUSED} wrong arguments;",
        f"{DIFFERS} show: not installed, something differs, or a record is damaged;",
        "  gc: something can be freed, or a record is damaged.",
        "",
        "install and uninstall can be interrupted at any moment; run them again. A container runtime runs the plugin",
        "itself by setting CNI_COMMAND (CNI 1.1 §2).",
    ]
    return "\n".join(lines)


def say(text: str) -> None:
    """Print one line without buffering, because stdout may be the log of a container."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
