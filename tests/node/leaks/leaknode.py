"""A node in two network namespaces, and the plugin as a runtime runs it.

`World` makes one namespace for the host and one for the pod. All commands run in the first, so nothing changes the
machine's own links or packet filter. Delegates are Debian's, each behind a wrapper that takes an order for the n-th
call of a verb: a piece of shell that may exit or go on to the real plugin. `programs` has the programs, `state` the
states to compare.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.paths import ROOT

from . import programs, state

REPO = ROOT
PLUGINS = Path("/usr/lib/cni")
DELEGATES = ("bandwidth", "bridge", "firewall", "macvlan", "portmap", "ptp", "sbr", "tuning")
NEEDED = (*DELEGATES, "host-local")
CONTAINER = "c0ffee"
CALL_S = 20.0
"""The longest call of these tests; their configurations have shorter deadlines."""

_COUNT = itertools.count()


def skip_unless_possible() -> None:
    """Skip if these tests cannot run here."""
    missing = [name for name in NEEDED if not (PLUGINS / name).is_file()]
    missing += [name for name in ("ip", "tc", "iptables-save", "ip6tables-save") if not shutil.which(name)]
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces")
    if missing:
        pytest.skip(f"needs containernetworking-plugins, iproute2 and iptables; missing: {', '.join(missing)}")


class Answer:
    """The outcome of one call of the plugin."""

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.stdout)
        assert isinstance(value, dict), self.stdout
        return value

    def __repr__(self) -> str:
        return f"exit {self.code}\nstdout: {self.stdout}\nstderr: {self.stderr}"


class World:
    """A node. `run` calls the plugin; `state` must be the same before and after a test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tag = f"{os.getpid():x}{next(_COUNT):x}"
        self.host = f"nlh{self.tag}"
        self.pod = f"nlp{self.tag}"
        self.bin = root / "bin"
        self.records = root / "records"
        self.ipam = root / "ipam"
        self.tuning = root / "tuning"
        self._namespaces: list[str] = []

    def __enter__(self) -> Self:
        self.bin.mkdir()
        self.records.mkdir(mode=0o700)
        for name in DELEGATES:
            _write_program(self.bin / name, programs.DELEGATE.replace("{real}", str(PLUGINS)))
        (self.root / "own").mkdir()
        _write_program(self.bin / "book", programs.DELEGATE.replace("{real}", str(self.root / "own")))
        _write_program(self.root / "own" / "book", programs.BOOK.format(python=sys.executable, root=str(self.root)))
        self.install_stub("nadmit", "")
        try:
            for name in (self.host, self.pod):
                self.add_namespace(name)
            for index in range(3):
                self.ip("link", "add", self.bridge(index), "type", "bridge")
                self.ip("address", "add", f"10.88.{index}.1/24", "dev", self.bridge(index))
                self.ip("link", "set", self.bridge(index), "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        for name in self._namespaces:
            if Path(f"/run/netns/{name}").exists():
                subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    def add_namespace(self, name: str) -> str:
        """Make a namespace with its loopback up; return its path."""
        subprocess.run(["ip", "netns", "add", name], check=True)
        self._namespaces.append(name)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        # Duplicate address detection takes a second per address and has no neighbour here.
        shell = "for key in all default; do echo 0 >/proc/sys/net/ipv6/conf/$key/accept_dad; done"
        subprocess.run(["ip", "netns", "exec", name, "sh", "-c", shell], check=True)
        return f"/run/netns/{name}"

    def ip(self, *words: str) -> None:
        subprocess.run(["ip", "-n", self.host, *words], check=True, capture_output=True)

    @property
    def netns(self) -> str:
        return f"/run/netns/{self.pod}"

    def bridge(self, index: int) -> str:
        return f"nl{self.tag}b{index}"[-15:]

    # Configurations

    def network(self, index: int, *, version: str = "1.0.0") -> dict[str, Any]:
        """Return a network of a bridge and host-local."""
        return {"cniVersion": version, "name": f"n{index}", "plugins": [self._bridge_conf(index)]}

    def rich_network(self, *, version: str = "1.0.0") -> dict[str, Any]:
        """Return a network of bridge, tuning and portmap."""
        plugins = [
            {**self._bridge_conf(0), "ipMasq": True, "isGateway": True},
            {"type": "tuning", "mtu": 1400, "dataDir": str(self.tuning)},
            {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        ]
        return {"cniVersion": version, "name": "n0", "plugins": plugins}

    def ptp_network(self, *, version: str = "1.0.0") -> dict[str, Any]:
        ipam = {"type": "host-local", "dataDir": str(self.ipam), "subnet": "10.89.0.0/24"}
        return {"cniVersion": version, "name": "p", "type": "ptp", "ipam": ipam}

    def _bridge_conf(self, index: int) -> dict[str, Any]:
        ipam = {"type": "host-local", "dataDir": str(self.ipam), "subnet": f"10.88.{index}.0/24"}
        return {"type": "bridge", "bridge": self.bridge(index), "ipam": ipam}

    def book_network(self, name: str, *, version: str = "1.1.0", **more: Any) -> dict[str, Any]:
        """Return a network of the plugin that supports CNI 1.1."""
        return {"cniVersion": version, "name": name, "plugins": [{"type": "book", **more}]}

    def requests(self, verb: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the interface and the request of each call of `book`."""
        path = self.root / "requests"
        found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [(ifname, conf) for command, ifname, conf in found if command == verb]

    def conf(self, delegates: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """Return the plugin's own configuration."""
        return {
            "cniVersion": "1.0.0",
            "name": "node",
            "type": "nadmit",
            "binDir": str(self.bin),
            "recordDir": str(self.records),
            "logFile": "",
            "cniDir": str(self.root / "multus"),
            "deadline": 15,
            "delegates": list(delegates),
            **more,
        }

    def three(self, **more: Any) -> dict[str, Any]:
        """Return a configuration of three plain networks."""
        return self.conf([self.network(index) for index in range(3)], **more)

    # Calls

    def run(self, verb: str, conf: Mapping[str, Any], **given: str) -> Answer:
        """Call the plugin and wait for it; `given` as for `start`."""
        with self.start(verb, conf, **given) as process:
            return self.finish(process)

    def start(
        self,
        verb: str,
        conf: Mapping[str, Any],
        *,
        container: str = CONTAINER,
        netns: str | None = None,
        program: str = "nadmit",
    ) -> subprocess.Popen[str]:
        environ = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": self.netns if netns is None else netns,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": f"{self.bin}:{PLUGINS}",
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=uid-of-{container}",
        }
        pipe = subprocess.PIPE
        words = ["ip", "netns", "exec", self.host, str(self.bin / program)]
        stdin = self.root / "stdin"
        stdin.write_text(json.dumps(conf))
        with stdin.open() as file:
            return subprocess.Popen(words, env=environ, stdin=file, stdout=pipe, stderr=pipe, text=True)

    def finish(self, process: subprocess.Popen[str]) -> Answer:
        try:
            stdout, stderr = process.communicate(timeout=CALL_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return Answer(process.returncode, stdout, stderr)

    def add(self, conf: Mapping[str, Any], **given: str) -> dict[str, Any]:
        return self.succeed("ADD", conf, **given).json

    def succeed(self, verb: str, conf: Mapping[str, Any], **given: str) -> Answer:
        answer = self.run(verb, conf, **given)
        assert answer.code == 0, answer
        return answer

    def fail(self, verb: str, conf: Mapping[str, Any], **given: str) -> dict[str, Any]:
        """Call the plugin, which must fail by CNI 1.1 §5: exit code 1, and JSON with code and msg on stdout."""
        answer = self.run(verb, conf, **given)
        assert answer.code == 1, answer
        error = answer.json
        assert isinstance(error["code"], int), error
        assert error["code"] > 0, error
        assert isinstance(error["msg"], str), error
        assert error["msg"], error
        assert "Traceback" not in answer.stderr, answer
        return error

    def killed(self, verb: str, conf: Mapping[str, Any], **given: str) -> None:
        answer = self.run(verb, conf, **given)
        assert answer.code == -signal.SIGKILL, answer

    # Failures

    def order(self, verb: str, which: int | str, shell: str) -> None:
        """Let the n-th call of a verb (from 1, over all delegates), or each call of a type, run this shell code."""
        (self.bin / f"{verb}.{which}").write_text(f"{shell}\n")

    def forget_orders(self) -> None:
        for path in self.bin.glob("*.*"):
            path.unlink()
        (self.bin / "calls").unlink(missing_ok=True)

    def calls(self, verb: str) -> list[str]:
        path = self.bin / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{verb} ")]

    def stub_killed_at(self, name: str, times: int, *, when: str) -> str:
        """Make a program that is killed at the journal's n-th system call of this name."""
        program = f"nadmit-{name}-{times}-{when}"
        self.install_stub(program, programs.KILL_IN_STORE.format(name=name, times=times, when=when))
        return program

    def stub_on_failing_disk(self, first: int, error: int, *, also: Sequence[str] = ()) -> str:
        """Make a program whose journal cannot change the disk from the n-th change on.

        `also`: system calls that fail beside those that need space.
        """
        program = f"nadmit-failing-{first}-{error}"
        self.install_stub(program, programs.FAIL_IN_STORE.format(first=first, error=error, also=tuple(also)))
        return program

    def install_stub(self, program: str, seam: str) -> None:
        _write_program(self.bin / program, programs.STUB.format(python=sys.executable, repo=str(REPO), seam=seam))

    # State

    def state(self) -> dict[str, list[str]]:
        """Return everything that an attachment changes, as texts to compare."""
        found = {"records": self.record_files(), "ipam": self.leases(), "tuning": state.files(self.tuning)}
        found["marks"] = sorted(path.name for path in self.records.glob(".*.pod"))
        for name in self._namespaces:
            if Path(f"/run/netns/{name}").exists():
                found |= state.network(name)
        return found | state.packet_filters(self.host)

    def record_files(self) -> list[str]:
        """Return the records and the temporary files of killed processes, without lock files."""
        return [name for name in state.files(self.records) if not name.endswith(".lock")]

    def leases(self) -> list[str]:
        return [name for name in state.files(self.ipam) if re.search(r"/\d+\.", name) and "last_reserved" not in name]


@contextmanager
def unchanged(world: World) -> Iterator[None]:
    """Check that the block leaves the node unchanged."""
    before = world.state()
    yield
    assert world.state() == before


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
