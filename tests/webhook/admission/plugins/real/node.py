"""A node that runs the plugins of a directory: /usr/lib/cni of Debian, or the value of NADMIT_CNI_PLUGINS.

It has two namespaces, for the node and for the pod, so the machine's own links, packet filter and records do not change.
The node has `uplink` (a veth pair, because not every kernel has dummy links) with a default route, and `dev0`, which
plugin host-device may move.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

PLUGINS = Path(os.environ.get("NADMIT_CNI_PLUGINS", "/usr/lib/cni"))
PROGRAMS = ("ip", "tc", "iptables", "ip6tables", "mount")
Conf = Mapping[str, Any]

_COUNT = itertools.count()
_SETUP = (
    "link add uplink type veth peer name wire",
    "link add dev0 type veth peer name dev1",
    *(f"link set {name} up" for name in ("uplink", "wire", "dev0", "dev1")),
    "link set dev0 address 02:00:00:00:00:d0",
    "address add 192.0.2.1/24 dev uplink",
    "route add default via 192.0.2.2",
)


def installed(plugin: str) -> bool:
    """Say whether the program of a plugin is installed."""
    return (PLUGINS / plugin).is_file()


def skip_unless_possible() -> None:
    """Skip, with the reason, where these tests cannot run."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces")
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    missing += [name for name in ("bridge", "host-local", "static") if not installed(name)]
    if missing:
        pytest.skip(f"needs containernetworking-plugins, iproute2 and iptables; missing: {', '.join(missing)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of adding a network. `error`: of the plugin `failed`; both are "" if all plugins succeeded."""

    error: str = ""
    failed: str = ""

    @property
    def is_accepted(self) -> bool:
        return not self.failed


ACCEPTED = Outcome()


class Node:
    """A node for many networks, one after the other; `attach` adds one and removes it again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        tag = f"{os.getpid():x}{next(_COUNT):x}"
        self.host, self.pod = f"nrh{tag}", f"nrp{tag}"
        self.netns = root / "pod"
        self.cni_args = ""
        """The value of CNI_ARGS for the next programs, as Multus fills it with what a pod asks for."""
        self._inside: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.netns.touch()
        try:
            for name in (self.host, self.pod):
                subprocess.run(["ip", "netns", "add", name], check=True)
                subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
            for words in _SETUP:
                subprocess.run(["ip", "-n", self.host, *words.split()], check=True)
            program = Path(__file__).with_name("inside.py")
            command = ["ip", "netns", "exec", self.host, sys.executable, "-IS", str(program)]
            command += [str(self.netns), self.pod, str(PLUGINS / "dhcp")]
            self._inside = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        if self._inside is not None and self._inside.stdin is not None:
            self._inside.communicate(timeout=30)
        for name in (self.host, self.pod):
            if Path(f"/run/netns/{name}").exists():
                subprocess.run(["ip", "netns", "delete", name], check=True)

    def attach(self, plugins: Sequence[Conf], *, given: Conf, version: str, before: Conf | None = None) -> Outcome:
        """Add a network and remove it again, as libcni does.

        `given`: the runtime's values for capabilities. `before`: the result of earlier plugins, which stay. Attempted
        plugins are removed, also after a failure. Raises AssertionError if a network that was added cannot be removed.
        """
        result, tried, outcome = before, [], ACCEPTED
        for conf in plugins:
            request = _request(conf, given, version, result)
            tried.append(request)
            code, answer = self.call("ADD", conf["type"], request)
            if code != 0:
                outcome = Outcome(error=answer, failed=conf["type"])
                break
            result = json.loads(answer)
        self._remove(tried, outcome, has_before=before is not None)
        return outcome

    def add(self, plugins: Sequence[Conf], *, version: str) -> dict[str, Any]:
        """Add a network that stays; return its result."""
        result: dict[str, Any] | None = None
        for conf in plugins:
            code, answer = self.call("ADD", conf["type"], _request(conf, {}, version, result))
            assert code == 0, answer
            result = json.loads(answer)
        return result or {}

    def remove(self, plugins: Sequence[Conf], result: Conf, *, version: str) -> None:
        """Remove a network that stayed, of one plugin or more, with its result."""
        self._remove([_request(conf, {}, version, result) for conf in plugins], ACCEPTED, has_before=False)

    def _remove(self, requests: Sequence[Conf], outcome: Outcome, *, has_before: bool) -> None:
        for request in reversed(requests):
            code, answer = self.call("DEL", request["type"], request)
            assert code == 0 or not outcome.is_accepted, f"DEL of {request}: {answer}"
        if not outcome.is_accepted and not has_before:  # NB: IPAM may have refused DEL as well
            subprocess.run(["ip", "-n", self.pod, "link", "delete", "eth0"], check=False, capture_output=True)

    def call(self, verb: str, plugin: str, request: Conf) -> tuple[int, str]:
        """Run one program; return its exit code, and its result or its error: the msg of CNI, or the text of a crash."""
        environ = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "c0ffee",
            "CNI_NETNS": str(self.netns),
            "CNI_IFNAME": "lo" if plugin == "loopback" else "eth0",
            "CNI_PATH": str(PLUGINS),
            "CNI_ARGS": self.cni_args,
        }
        program = str(PLUGINS / plugin)
        call = {"program": program, "directory": str(self.root), "stdin": json.dumps(request), "environ": environ}
        inside = self._inside
        assert inside is not None
        assert inside.stdin is not None
        assert inside.stdout is not None
        inside.stdin.write(json.dumps(call) + "\n")
        inside.stdin.flush()
        answer = json.loads(inside.stdout.readline())
        return answer["code"], answer["stdout"] if answer["code"] == 0 else _said(answer)


def _request(conf: Conf, given: Conf, version: str, result: Conf | None) -> dict[str, Any]:
    """Return the configuration for one plugin (CNI 1.1 §3, deriving execution configuration)."""
    declared = conf.get("capabilities") or {}
    runtime = {name: value for name, value in given.items() if declared.get(name)}
    request = {**conf, "name": "tried", "cniVersion": version}
    if runtime:
        request["runtimeConfig"] = runtime
    if result is not None:
        request["prevResult"] = result
    return request


def _said(answer: Mapping[str, Any]) -> str:
    try:
        error = json.loads(answer["stdout"])
        return f"{error['msg']}; {error['details']}" if error.get("details") else str(error["msg"])
    except ValueError:
        return str(answer["stderr"] or answer["stdout"])
