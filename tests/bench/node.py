"""Measures the node plugin: ADD and DEL of three networks, beside direct calls of the same delegates.

It needs root and Debian's CNI plugins. Each network is a bridge with host-local; the API server is the in-process one,
over TLS on loopback. The direct calls are those that any delegating plugin must make: one ADD and one DEL per network, in
turn. The plugin runs from a precompiled copy under this interpreter, and from a node bundle that the bench builds.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import NamedTuple

from tests.fakes.apiserver import ApiServer
from tests.fakes.certificates import make_keys
from tests.fakes.objects import pod_with_account, write_kubeconfig
from tests.paths import ROOT

PLUGINS = Path("/usr/lib/cni")
NETNS = f"nadmit-bench-{os.getpid()}"
BRIDGES = ("nadmb0", "nadmb1", "nadmb2")
STUB = """\
#!{python} -IS
import sys
sys.path.insert(0, {root!r})
from cniplugin.__main__ import process
process()
"""
MEASURED = """\
#!{python} -IS
import gc, sys
sys.path.insert(0, {root!r})
from cniplugin.__main__ import main
gc.disable()
code = main()
with open("/proc/self/status") as status, open({root!r} + "/status", "w") as file:
    file.write(status.read())
sys.exit(code)
"""
"""NB: the rusage of a child includes its delegates and, through exec, the memory of the bench; VmHWM includes neither."""


def missing() -> str | None:
    """Return why this part cannot run; None if it can."""
    if os.geteuid() != 0:
        return "it needs root"
    return None if (PLUGINS / "bridge").exists() else f"it needs the CNI plugins of Debian in {PLUGINS}"


def network(number: int, folder: Path) -> dict[str, object]:
    """Return one of the three networks."""
    ipam = {"type": "host-local", "dataDir": str(folder / "ipam"), "subnet": f"10.21{number}.0.0/16"}
    return {"cniVersion": "1.0.0", "name": f"net-{number}", "type": "bridge", "bridge": BRIDGES[number], "ipam": ipam}


class Bench:
    """The two ways to attach a container, and the machine around them."""

    def __init__(self, folder: Path, api: ApiServer) -> None:
        # A copy, because unchecked bytecode in the tree would hide the next edit.
        shutil.copytree(ROOT / "cniplugin", folder / "lib" / "cniplugin", ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(folder / "lib", quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        self.lib = folder / "lib"
        self.stub = self._program(folder / "nadmit", STUB)
        self.measured = self._program(folder / "nadmit-measured", MEASURED)
        self.networks = [network(number, folder) for number in range(3)]
        kubeconfig = folder / "kubeconfig"
        (folder / "ca.crt").write_text(api.ca)
        authority = {"certificate-authority": str(folder / "ca.crt")}
        write_kubeconfig(kubeconfig, api.url, {"token": "t"}, **authority)
        base = {
            "cniVersion": "1.0.0",
            "name": "pods",
            "type": "nadmit",
            "logFile": "",
            "recordDir": str(folder / "records"),
        }
        self.alone = json.dumps({**base, "delegates": self.networks})
        self.with_api = json.dumps({**base, "delegates": self.networks[:1], "kubeconfig": str(kubeconfig)})
        for number in (1, 2):
            key = f"/apis/k8s.cni.cncf.io/v1/namespaces/team-a/network-attachment-definitions/net-{number}"
            api.put(key, {"spec": {"config": json.dumps(self.networks[number])}})
        made = pod_with_account(annotations={"k8s.v1.cni.cncf.io/networks": "net-1,net-2"})
        api.put("/api/v1/namespaces/team-a/pods/web", made)
        api.put("/api/v1/namespaces/team-a", {})

    def _program(self, path: Path, text: str) -> Path:
        path.write_text(text.format(python=sys.executable, root=str(self.lib)))
        path.chmod(0o755)
        return path

    def call(self, program: Path, command: str, conf: str, *, ifname: str = "eth0") -> None:
        """Run a plugin as a runtime does; a failure ends the bench."""
        environ = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": "bench",
            "CNI_NETNS": f"/run/netns/{NETNS}",
            "CNI_IFNAME": ifname,
            "CNI_PATH": str(PLUGINS),
            "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=web;K8S_POD_UID=uid-1",
        }
        done = subprocess.run([program], env=environ, input=conf.encode(), capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program.name} {command}: {done.stdout.decode()}")

    def direct(self, command: str) -> None:
        """Call the delegates of the three networks for one verb, in the order of a delegating plugin."""
        for number in {"ADD": (0, 1, 2), "DEL": (2, 1, 0)}[command]:
            self.call(PLUGINS / "bridge", command, json.dumps(self.networks[number]), ifname=f"net{number}")

    def memory_mib(self) -> float:
        """Return the peak memory of the plugin's own process in an ADD that asks the API server."""
        self.call(self.measured, "ADD", self.with_api)
        self.call(self.stub, "DEL", self.with_api)
        return int((self.lib / "status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


class Way(NamedTuple):
    """One way to attach; `call` takes the verb."""

    name: str
    call: Callable[[str], None]

    def times(self) -> tuple[float, float]:
        """Return the milliseconds of ADD and of the DEL after it."""
        return _time(lambda: self.call("ADD")), _time(lambda: self.call("DEL"))


def build_bundle(folder: Path) -> Path | str:
    """Return the executable of a node bundle that is built and unpacked in a folder, or why there is none."""
    command = [sys.executable, str(ROOT / "manifests/node/bundle.py"), str(folder / "dist")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["the build says nothing"]
        return lines[-1].removeprefix("bundle: ")
    (archive,) = (folder / "dist").iterdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="tar")
    return folder / "nadmit/bin/nadmit"


def _time(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3


def run(rounds: int = 20) -> None:
    """Print the node's part of the report."""
    print(f"\nNode: three networks (bridge and host-local each), milliseconds, median of {rounds}, all ways in turn")
    reason = missing()
    if reason:
        print(f"left out: {reason}")
        return
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    try:
        with tempfile.TemporaryDirectory(prefix="nadmit-bench-") as folder, ApiServer(keys=make_keys()) as api:
            bundle = build_bundle(Path(folder) / "bundle")
            bench = Bench(Path(folder), api)
            _attach(bench, bundle, rounds)
            _start(bench, bundle, rounds)
            print(f"{'peak memory of ADD':28}{bench.memory_mib():8.1f} MiB, API server, the plugin's own process")
            if isinstance(bundle, str):
                print(f"the node bundle is left out, it cannot be built: {bundle}")
    finally:
        subprocess.run(["ip", "netns", "delete", NETNS], check=True)
        for bridge in BRIDGES:
            subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True)


def _attach(bench: Bench, bundle: Path | str, rounds: int) -> None:
    ways = [
        Way("the delegates directly", bench.direct),
        Way("nadmit, no API server", lambda verb: bench.call(bench.stub, verb, bench.alone)),
        Way("nadmit, API server", lambda verb: bench.call(bench.stub, verb, bench.with_api)),
    ]
    if isinstance(bundle, Path):
        ways.append(Way("node bundle, API server", lambda verb: bench.call(bundle, verb, bench.with_api)))
    found: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
    ways[0].times()  # creates the bridges
    for _ in range(rounds):  # in turn, so that other load on the machine affects all of them
        for way in ways:
            found[way.name].append(way.times())
    print(f"{'':28}{'ADD+DEL':>8}{'to direct':>11}{'DEL alone':>11}{'to direct':>11}")
    bare = _middle(found[ways[0].name])
    for name, times in found.items():
        both, gone = _middle(times)
        print(f"{name:28}{both:8.1f}{both / bare[0]:11.2f}{gone:11.1f}{gone / bare[1]:11.2f}")


def _middle(times: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of ADD and DEL together, and of DEL alone."""
    return statistics.median(map(sum, times)), statistics.median(gone for _, gone in times)


def _start(bench: Bench, bundle: Path | str, rounds: int) -> None:
    calls: dict[str, Callable[[], object]] = {
        "bare interpreter": lambda: subprocess.run([sys.executable, "-IS", "-c", "pass"], check=True),
        "VERSION": lambda: bench.call(bench.stub, "VERSION", "{}"),
    }
    if isinstance(bundle, Path):
        calls["VERSION, node bundle"] = lambda: bench.call(bundle, "VERSION", "{}")
    calls["DEL of nothing"] = lambda: bench.call(bench.stub, "DEL", bench.alone)
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(_time(call))
    for name, times in found.items():
        print(f"{name:28}{statistics.median(times):8.1f}")


if __name__ == "__main__":
    run()
