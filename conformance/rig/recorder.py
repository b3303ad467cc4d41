"""Delegates that record their input and do what a test scripts, in one folder beside links to real plugins.

`script` gives the actions of a verb, one for each call; the last one stays. An action is a dict, and each key may be
absent:

    result     the answer of ADD, instead of the usual one; a dict
    merge      keys that change the usual answer
    error      answer with this error (`code`, `msg`, `details`), and exit 1
    stdout     write this text instead of an answer
    stderr     write this text to stderr
    exit       the exit code
    link       make a link of the asked name in the namespace of the pod
    write      write texts to files: {path: text}; "{CNIDeviceInfoFile}" is the path in `runtimeConfig`
    hold       read this named pipe to its end
    hang_s     sleep
    kill_caller  kill the process that called, then end
    signal     end by this signal
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

REAL_PLUGINS = Path("/usr/lib/cni")
LINKED = (
    "bridge",
    "host-local",
    "static",
    "ptp",
    "macvlan",
    "tuning",
    "portmap",
    "bandwidth",
    "loopback",
    "host-device",
)

_PROGRAM = """\
#!{python} -IS
import fcntl, json, os, signal, subprocess, sys, time
kind, verb = os.path.basename(sys.argv[0]), os.environ.get("CNI_COMMAND", "")
folder = os.path.dirname(os.path.abspath(sys.argv[0]))
text = sys.stdin.read()
conf = json.loads(text) if text else {{}}
environ = {{key: value for key, value in os.environ.items() if key.startswith("CNI_")}}
with open(folder + "/calls", "a+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    before = [json.loads(line) for line in file]
    call = {{"type": kind, "verb": verb, "environ": environ, "config": conf, "at": time.monotonic()}}
    file.write(json.dumps(call) + "\\n")
try:
    with open(folder + "/" + kind + ".script") as file:
        script = json.load(file).get(verb, [])
except FileNotFoundError:
    script = []
turn = sum((one["type"], one["verb"]) == (kind, verb) for one in before)
action = script[min(turn, len(script) - 1)] if script else {{}}
version = conf.get("cniVersion", "1.0.0")

def usual():
    if "prevResult" in conf:
        return conf["prevResult"]
    number = sum(one["verb"] == "ADD" for one in before) + 1
    address = "10.90.%d.%d/16" % divmod(number, 250)
    mac = conf.get("runtimeConfig", {{}}).get("mac") or "02:00:00:00:%02x:%02x" % divmod(number, 256)
    if version in ("0.1.0", "0.2.0"):
        return {{"cniVersion": version, "ip4": {{"ip": address}}}}
    one = {{"address": address, "interface": 0}}
    if version in ("0.3.0", "0.3.1", "0.4.0"):
        one["version"] = "4"
    link = {{"name": environ["CNI_IFNAME"], "mac": mac, "sandbox": environ["CNI_NETNS"]}}
    return {{"cniVersion": version, "interfaces": [link], "ips": [one]}}

if action.get("link"):
    words = ["nsenter", "--net=" + environ["CNI_NETNS"], "ip", "link", "add", environ["CNI_IFNAME"], "type", "bridge"]
    subprocess.run(words, check=True)
for path, content in action.get("write", {{}}).items():
    path = path.replace("{{CNIDeviceInfoFile}}", conf.get("runtimeConfig", {{}}).get("CNIDeviceInfoFile", "/dev/null"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(content)
if action.get("hold"):
    open(action["hold"]).read()
if action.get("hang_s"):
    time.sleep(action["hang_s"])
if action.get("kill_caller"):
    os.kill(os.getppid(), signal.SIGKILL)
    os._exit(1)
if action.get("signal"):
    os.kill(os.getpid(), action["signal"])
sys.stderr.write(action.get("stderr", ""))
if "stdout" in action:
    sys.stdout.write(action["stdout"])
elif action.get("error"):
    print(json.dumps({{"cniVersion": version, **action["error"]}}))
elif verb == "VERSION":
    versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
    print(json.dumps({{"cniVersion": version, "supportedVersions": versions}}))
elif verb == "ADD":
    print(json.dumps(action.get("result") or {{**usual(), **action.get("merge", {{}})}}))
end = action.get("exit", 1 if action.get("error") else 0)
sys.stdout.flush()
os._exit(end)
"""

Json = dict[str, Any]


class Call(NamedTuple):
    """One call of a delegate. `at_s`: when it began, by the monotonic clock."""

    type: str
    verb: str
    environ: dict[str, str]
    config: Json
    at_s: float

    def __repr__(self) -> str:
        return f"{self.verb} of {self.type} ({self.ifname})"

    @property
    def ifname(self) -> str:
        """CNI_IFNAME."""
        return self.environ.get("CNI_IFNAME", "")

    @property
    def args(self) -> dict[str, str]:
        """The pairs of CNI_ARGS."""
        pairs = [pair.partition("=") for pair in self.environ.get("CNI_ARGS", "").split(";") if pair]
        return {key: value for key, _, value in pairs}

    @property
    def runtime_config(self) -> Json:
        """The capability arguments."""
        return dict(self.config.get("runtimeConfig") or {})

    @property
    def prev_result(self) -> Json | None:
        """The previous result; None without one."""
        return self.config.get("prevResult")

    @property
    def cni_args(self) -> Json:
        """`args.cni` of the configuration, where the keys of `cni-args` are."""
        return dict((self.config.get("args") or {}).get("cni") or {})


class Delegates:
    """The folder of the delegates; CNI_PATH and `{binDir}` name it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in LINKED:
            if (REAL_PLUGINS / name).exists():
                (folder / name).symlink_to(REAL_PLUGINS / name)

    def install(self, *kinds: str) -> None:
        """Install recorders of some types."""
        for kind in kinds:
            path = self.folder / kind
            if not path.exists():
                path.write_text(_PROGRAM.format(python=sys.executable), encoding="utf-8")
                path.chmod(0o755)

    def install_program(self, kind: str, words: Sequence[str]) -> None:
        """Install a command as the plugin of a type."""
        path = self.folder / kind
        path.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n", encoding="utf-8")
        path.chmod(0o755)

    def remove(self, kind: str) -> None:
        """Remove a recorder, as if its plugin were uninstalled."""
        (self.folder / kind).unlink(missing_ok=True)

    def script(self, kind: str, verb: str, *actions: Json) -> None:
        """Say what a recorder does, call by call; without actions it does the usual again."""
        self.install(kind)
        path = self.folder / f"{kind}.script"
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**known, verb: list(actions)}), encoding="utf-8")

    def forget_scripts(self) -> None:
        """Make all recorders do the usual."""
        for path in self.folder.glob("*.script"):
            path.unlink()

    def reset(self) -> None:
        """Forget the calls, the scripts and the recorders."""
        self.forget_scripts()
        for path in self.folder.iterdir():
            if not path.is_symlink():
                path.unlink()

    def calls(self, verb: str | None = None, kind: str | None = None) -> list[Call]:
        """Return the calls in order, of one verb and one type, or of all."""
        path = self.folder / "calls"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = [
            Call(*(one[key] for key in ("type", "verb", "environ", "config", "at"))) for one in map(json.loads, lines)
        ]
        return [call for call in found if verb in {None, call.verb} and kind in {None, call.type}]


def order(calls: Sequence[Call]) -> list[tuple[str, str]]:
    """Return type and interface of some calls."""
    return [(call.type, call.ifname) for call in calls]
