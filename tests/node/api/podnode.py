"""A node with one pod: a network namespace, Debian's plugins, two plugins of ours, and a runtime."""

from __future__ import annotations

import base64
import errno
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.paths import ROOT

if TYPE_CHECKING:
    from .cluster import Cluster

REPO = ROOT
PLUGINS = Path("/usr/lib/cni")
NEEDED = ("bridge", "host-local", "static", "tuning", "portmap")
NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
DEFAULT = "v1.multus-cni.io/default-network"
POD = "/api/v1/namespaces/blue/pods/web-0"
UID = "uid-1"
"""Of the pod, if the API server lets us choose."""

BUILT = os.environ.get("NADMIT_PLUGIN", "")
"""The path of a built program to test in place of the sources."""

Conf = dict[str, Any]
_numbers = itertools.count()

_NADMIT = """\
#!{python} -IS
import sys
sys.path.insert(0, {repo!r})
from cniplugin.__main__ import main
sys.exit(main())
"""

_RECORDER = """\
#!{python} -IS
import json, os, sys
conf = json.load(sys.stdin)
verb = os.environ["CNI_COMMAND"]
name = verb + "-" + os.environ.get("CNI_IFNAME", "") + "-" + conf["type"]
environ = {{key: value for key, value in os.environ.items() if key.startswith("CNI_")}}
with open({seen!r} + "/" + name, "w") as file:
    json.dump({{"conf": conf, "environ": environ}}, file)
if os.path.exists({seen!r} + "/hold-" + verb):
    open({seen!r} + "/hold-" + verb).read()
if os.path.exists({seen!r} + "/fail-" + verb):
    print(json.dumps({{"cniVersion": conf["cniVersion"], "code": 130, "msg": "told to fail"}}))
    sys.exit(1)
if verb == "ADD":
    print(json.dumps(conf.get("prevResult") or {{"cniVersion": conf["cniVersion"], "interfaces": [], "ips": []}}))
"""
"""`recorder` writes its requests to a file. `passthru` is the same program under Multus' name."""


def problem() -> str:
    """Return the missing program or right of this machine, or ""."""
    if os.geteuid() != 0:
        return "needs root to make network namespaces"
    missing = [name for name in NEEDED if not (PLUGINS / name).exists()]
    return f"needs containernetworking-plugins; missing: {', '.join(missing)}" if missing else ""


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@dataclass
class Outcome:
    """The outcome of a call as a runtime sees it."""

    code: int
    out: Conf
    err: str

    def expect(self) -> Conf:
        assert self.code == 0, (self.out, self.err)
        return self.out

    def refused(self, code: int) -> str:
        assert (self.code, self.out.get("code")) == (1, code), (self.out, self.err)
        details = self.out.get("details", "")
        return f"{self.out['msg']}\n{details}" if details else str(self.out["msg"])


def _open_when_read(path: Path, outcome: Future[Outcome]) -> int:
    """Open a named pipe for writing as soon as a process reads it."""
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.ENXIO, error  # no process reads yet
        assert not wait([outcome], timeout=0.005).done, outcome.result()


@dataclass
class Node:
    """One container as its runtime handles it."""

    directory: Path
    api: Cluster
    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        self.netns = f"nadmit-{os.getpid()}-{self.number}"
        self.container = f"c{os.getpid()}x{self.number}"
        self.seen = self._make("seen")
        self.conf_dir = self._make("multus")
        self.bin_dir = self._make("bin")
        if BUILT:
            (self.bin_dir / "nadmit").symlink_to(BUILT)
        else:
            self.write_script(self.bin_dir / "nadmit", _NADMIT.format(python=sys.executable, repo=str(REPO)))
        for name in ("recorder", "passthru"):
            self.write_script(self.bin_dir / name, _RECORDER.format(python=sys.executable, seen=str(self.seen)))
        self.kubeconfig = self.directory / "kubeconfig"
        self.snapshot = self.directory / "records" / "rules.snapshot"
        self.write_kubeconfig(self.api.url)

    def _make(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir()
        return path

    def write_script(self, path: Path, text: str) -> None:
        path.unlink(missing_ok=True)  # it can be a link to BUILT
        path.write_text(text)
        path.chmod(0o755)

    def write_kubeconfig(self, server: str, *, bearer: str = "") -> None:
        """Write a kubeconfig for an address, with the token of the plugin's account or another token."""
        data = base64.b64encode(self.api.ca.encode()).decode()
        cluster = {"server": server, "certificate-authority-data": data}
        context = {"cluster": "c", "user": "u"}
        value = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": bearer or self.api.bearer}}],
            "contexts": [{"name": "x", "context": context}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(json.dumps(value))

    def start(self) -> None:
        ip("netns", "add", self.netns)
        # Duplicate address detection takes a second per address and has no neighbour here.
        for key in ("all", "default"):
            subprocess.run(
                ["ip", "netns", "exec", self.netns, "sysctl", "-qw", f"net.ipv6.conf.{key}.accept_dad=0"], check=True
            )

    def stop(self) -> None:
        ip("netns", "delete", self.netns)
        for link in json.loads(ip("-j", "link", "show", "type", "bridge")):
            if link["ifname"].startswith(self.bridge("")):
                ip("link", "delete", link["ifname"])

    def bridge(self, letter: str) -> str:
        """Return a bridge name that is unique to this node, of at most 15 bytes."""
        return f"nt{os.getpid() % 100000}-{self.number}{letter}"[:15]

    # Networks

    def bridge_conf(self, letter: str, *, subnets: tuple[str, ...] = (), **more: Any) -> Conf:
        """Return a bridge with host-local addresses: `a` has 10.77.97.0/24, and so on."""
        ranges = [[{"subnet": subnet}] for subnet in subnets or (f"10.77.{ord(letter)}.0/24",)]
        ipam = {"type": "host-local", "dataDir": str(self.directory / "ipam"), "ranges": ranges}
        return {
            "cniVersion": "1.0.0",
            "name": f"bridge-{letter}",
            "type": "bridge",
            "bridge": self.bridge(letter),
            "ipam": ipam,
            **more,
        }

    def chain(self, letter: str, *plugins: Conf, **more: Any) -> Conf:
        """Return a list of a bridge, made from `more`, and further plugins."""
        first = self.bridge_conf(letter, **more)
        head = {key: first.pop(key) for key in ("cniVersion", "name")}
        return {**head, "plugins": [first, *plugins]}

    def conf(self, **changes: Any) -> Conf:
        """Return the plugin's configuration, without the keys whose value is None."""
        conf = {
            "cniVersion": "1.0.0",
            "name": "nodes-own",
            "type": "nadmit",
            "kubeconfig": str(self.kubeconfig),
            "recordDir": str(self.directory / "records"),
            "logFile": "",
            "confDir": str(self.conf_dir),
            "binDir": str(self.bin_dir),
            "kubeletDir": str(self.directory / "kubelet"),
            "deviceInfoDir": str(self.directory / "devinfo"),
            "deadline": 10,
            "delegates": None if "clusterNetwork" in changes else [self.bridge_conf("a")],
            **changes,
        }
        return {key: value for key, value in conf.items() if value is not None}

    # The runtime

    def call(self, command: str, conf: Conf | None = None, *, uid: str | None = None, **environ: str) -> Outcome:
        """Run the plugin. `uid` is by default that of the pod; "" leaves it out. `environ` replaces variables."""
        found = self.api.uid if uid is None else uid
        args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=blue;K8S_POD_NAME=web-0" + (f";K8S_POD_UID={found}" if found else "")
        given = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.container,
            "CNI_NETNS": f"/run/netns/{self.netns}",
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": args,
            "CNI_PATH": str(PLUGINS),
            **environ,
        }
        done = subprocess.run(
            [self.bin_dir / "nadmit"],
            input=json.dumps(conf or self.conf()),
            env=given,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return Outcome(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr)

    def add(self, *, uid: str | None = None, **changes: Any) -> Outcome:
        return self.call("ADD", self.conf(**changes), uid=uid)

    def delete(self, **changes: Any) -> Outcome:
        return self.call("DEL", self.conf(**changes))

    @contextmanager
    def adding(self, **changes: Any) -> Iterator[Future[Outcome]]:
        """Run the block during an ADD of the recorder of a pod's network.

        The recorder opens a named pipe and reads it to its end.
        """
        path = self.seen / "hold-ADD"
        os.mkfifo(path)
        with ThreadPoolExecutor(1) as pool:
            outcome = pool.submit(self.add, **changes)
            pipe = _open_when_read(path, outcome)
            try:
                yield outcome
            finally:
                os.close(pipe)
                path.unlink()

    # State

    def addresses(self) -> dict[str, list[str]]:
        """Return the addresses of the pod's interfaces, without link-local ones."""
        links = json.loads(ip("-n", self.netns, "-j", "address", "show"))
        return {
            link["ifname"]: [
                f"{info['local']}/{info['prefixlen']}" for info in link["addr_info"] if info["scope"] == "global"
            ]
            for link in links
            if link["ifname"] != "lo" and "LOOPBACK" not in link["flags"] and link["link_type"] != "tunnel"
        }

    def mac(self, ifname: str) -> str:
        return str(json.loads(ip("-n", self.netns, "-j", "link", "show", ifname))[0]["address"])

    def default_routes(self, family: str = "-4") -> list[tuple[str, str]]:
        """Return (interface, gateway), the preferred one first."""
        routes = json.loads(ip("-n", self.netns, family, "-j", "route", "show", "default") or "[]")
        ordered = sorted(routes, key=lambda route: int(route.get("metric", 0)))
        return [(route["dev"], route.get("gateway", "")) for route in ordered]

    def record(self, verb: str, ifname: str, kind: str = "recorder") -> Conf:
        found = json.loads((self.seen / f"{verb}-{ifname}-{kind}").read_text())
        assert isinstance(found, dict)
        return found

    def left(self) -> list[str]:
        """Return everything that must be gone after DEL."""
        leases = [
            str(path)
            for path in (self.directory / "ipam").glob("*/*")
            if not path.name.startswith("last_reserved") and path.name != "lock"
        ]
        # NB: the snapshot of the access rules belongs to the node, not to the pod.
        records = [
            str(path)
            for path in (self.directory / "records").glob("*")
            if not path.name.startswith(".") and path != self.snapshot
        ]
        device_infos = [str(path) for path in (self.directory / "devinfo" / "cni").glob("*")]
        return [*self.addresses(), *leases, *records, *device_infos]
