"""Measures the node plugin: ADD and DEL of three networks, beside direct calls of the same delegates.

It needs root and Debian's CNI plugins. Each network is a bridge with host-local; the API server is a real one if
KUBEBUILDER_ASSETS names it, else the in-process one, over TLS on loopback. The direct calls are those that any delegating
plugin must make: one ADD and one DEL per network, in turn. The plugin runs from a precompiled copy under this
interpreter, and from the forms of the node bundle, which the bench builds. With the path of Multus, its forms run in the same rounds; that
needs a real API server. Before any round, each way must attach once: network-status names all interfaces.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import NamedTuple

from cniplugin.protocol.netconf import POD_ANNOTATIONS
from tests.paths import ROOT

from . import multus, nodecluster
from .nodecluster import NAMESPACE, Cluster

PLUGINS = Path("/usr/lib/cni")
NETNS = f"nadmit-bench-{os.getpid()}"
BRIDGES = tuple(f"nadmb{os.getpid() % 1_000_000}-{number}" for number in range(3))
FORMS = ("modules", "frozen")
SNAPSHOT = "with snapshot"
"""The form `frozen` as the installer places it, with its snapshot."""

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
    """The ways to attach a container, and the machine around them."""

    def __init__(self, folder: Path, networks: list[dict[str, object]], cluster: Cluster) -> None:
        # A copy, because unchecked bytecode in the tree would hide the next edit.
        shutil.copytree(ROOT / "cniplugin", folder / "lib" / "cniplugin", ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(folder / "lib", quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        self.lib = folder / "lib"
        self.stub = self._program(folder / "nadmit", STUB)
        self.measured = self._program(folder / "nadmit-measured", MEASURED)
        self.networks = networks
        self.folder = folder
        self.cluster = cluster
        kubeconfig = cluster.kubeconfig(folder, "nadmit-node")
        base = {
            "cniVersion": "1.0.0",
            "name": "pods",
            "type": "nadmit",
            "logFile": "",
            "recordDir": str(folder / "records"),
        }
        self.alone = json.dumps({**base, "delegates": self.networks})
        with_api = {**base, "delegates": self.networks[:1], "kubeconfig": str(kubeconfig)}
        self.with_api = json.dumps(with_api)
        annotations = {"runtimeConfig": {POD_ANNOTATIONS: cluster.pod()["metadata"]["annotations"]}}
        self.with_annotations = json.dumps({**with_api, "capabilities": {POD_ANNOTATIONS: True}, **annotations})

    def _program(self, path: Path, text: str) -> Path:
        path.write_text(text.format(python=sys.executable, root=str(self.lib)))
        path.chmod(0o755)
        return path

    def call(self, program: Path, command: str, conf: str, *, ifname: str = "eth0") -> None:
        """Run a plugin as a runtime does; a failure ends the bench."""
        args = {"IgnoreUnknown": "1", "K8S_POD_NAMESPACE": NAMESPACE, "K8S_POD_NAME": "web"}
        args["K8S_POD_UID"] = self.cluster.uid
        environ = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": "bench",
            "CNI_NETNS": f"/run/netns/{NETNS}",
            "CNI_IFNAME": ifname,
            "CNI_PATH": str(PLUGINS),
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in args.items()),
        }
        done = subprocess.run([program], env=environ, input=conf.encode(), capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program.name} {command}: {done.stdout.decode()} {done.stderr.decode()[-500:]}")

    def call_with_api(self, program: Path, command: str) -> None:
        """Run a form of our plugin with the API server."""
        self.call(program, command, self.with_api)

    def call_with_annotations(self, program: Path, command: str) -> None:
        """Run a form of our plugin as a runtime does that passes the annotations of the pod."""
        self.call(program, command, self.with_annotations)

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
    """One way to attach; `call` takes the verb. `has_status`: whether it writes network-status."""

    name: str
    call: Callable[[str], None]
    has_status: bool = True

    def times(self) -> tuple[float, float]:
        """Return the milliseconds of ADD and of the DEL after it."""
        return _time(lambda: self.call("ADD")), _time(lambda: self.call("DEL"))


def build_bundles(folder: Path) -> dict[str, Path]:
    """Return the top directory of the node bundle in each form that can be built here; print why another one cannot."""
    tops = {}
    for form in FORMS:
        target = folder / form
        command = [sys.executable, str(ROOT / "manifests/node/bundle.py"), str(target), form]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["the build says nothing"]
            print(f"node bundle, {form}: left out, {lines[-1].removeprefix('bundle: ')}")
            continue
        (archive,) = target.iterdir()
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="tar")
        tops[form] = target / "nadmit"
    if "frozen" in tops:
        top = shutil.copytree(tops["frozen"], folder / "snapshot/nadmit", symlinks=True)
        subprocess.run([top / "bin/nadmit", "--write-snapshot", f"{top}.snapshot"], check=True)
        tops[SNAPSHOT] = top
    return tops


def _time(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3


def run(programs: multus.Programs | None = None, rounds: int = 20) -> None:
    """Print the node's part of the report, with the forms of Multus whose programs are there."""
    print(f"\nNode: three networks (bridge and host-local each), milliseconds, median of {rounds}, all ways in turn")
    reason = missing()
    if reason:
        print(f"left out: {reason}")
        return
    with prepared() as (bench, stack):
        real = "kube-apiserver, etcd without fsync" if bench.cluster.is_real else "in the process of the bench"
        print(f"API server: {real}")
        bundles = {form: top / "bin/nadmit" for form, top in build_bundles(bench.folder / "bundles").items()}
        others = _ways_of_multus(bench, programs, stack) if programs else []
        _attach(bench, bundles, rounds, others)
        _start(bench, bundles, rounds)
        print(f"{'peak memory of ADD':28}{bench.memory_mib():8.1f} MiB, API server, the plugin's own process")
        if programs and programs.missing:
            print(f"a form of Multus is left out: {programs.missing}")


@contextmanager
def prepared() -> Iterator[tuple[Bench, ExitStack]]:
    """Make the namespace, the API server and the programs; remove all of them afterwards."""
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nadmit-bench-")))
            networks = [network(number, folder) for number in range(3)]
            named = {f"net-{number}": networks[number] for number in (1, 2)}
            cluster = stack.enter_context(nodecluster.running(named, list(named)))
            yield Bench(folder, networks, cluster), stack
    finally:
        subprocess.run(["ip", "netns", "delete", NETNS], check=True)
        for bridge in BRIDGES:
            subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True)


def _ways_of_multus(bench: Bench, programs: multus.Programs, stack: ExitStack) -> list[Way]:
    ways = []
    if programs.thin is not None:
        thin, conf = programs.thin, multus.thin_conf(bench.folder, bench.cluster, bench.networks[0], PLUGINS)
        ways.append(Way("Multus thin", lambda verb: bench.call(thin, verb, conf)))
    if programs.thick is not None:
        stack.enter_context(multus.daemon(programs.thick, bench.folder, bench.cluster, bench.networks[0]))
        shim, shim_conf = programs.thick[1], multus.shim_conf(bench.folder, bench.networks[0], PLUGINS)
        ways.append(Way("Multus thick, its daemon", lambda verb: bench.call(shim, verb, shim_conf)))
    return ways


def _attach(bench: Bench, bundles: Mapping[str, Path], rounds: int, others: list[Way]) -> None:
    ways = [
        Way("the delegates directly", bench.direct, has_status=False),
        Way("nadmit, no API server", lambda verb: bench.call(bench.stub, verb, bench.alone), has_status=False),
        Way("nadmit, API server", partial(bench.call_with_api, bench.stub)),
    ]
    ways += [Way(f"node bundle, {form}", partial(bench.call_with_api, path)) for form, path in bundles.items()]
    if SNAPSHOT in bundles:  # as containerd and CRI-O call the plugin, because the installer asks for it
        ways.append(Way("same, with annotations", partial(bench.call_with_annotations, bundles[SNAPSHOT])))
    ways += others
    found: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
    for way in ways:  # the first one creates the bridges
        _try(way, bench.cluster)
    for _ in range(rounds):  # in turn, so that other load on the machine affects all of them
        for way in ways:
            found[way.name].append(way.times())
    print(f"{'':28}{'ADD+DEL':>8}{'to direct':>11}{'DEL alone':>11}{'to direct':>11}")
    bare = _middle(found[ways[0].name])
    for name, times in found.items():
        both, gone = _middle(times)
        print(f"{name:28}{both:8.1f}{both / bare[0]:11.2f}{gone:11.1f}{gone / bare[1]:11.2f}")


def _try(way: Way, cluster: Cluster) -> None:
    """Attach once, and stop the bench if the pod does not have all three networks: fast failures are no figures."""
    if way.has_status:
        cluster.clear_status()
    way.call("ADD")
    if way.has_status and sorted(cluster.attached()) != ["eth0", "net1", "net2"]:
        raise RuntimeError(f"{way.name} did not attach three networks: network-status has {cluster.attached()}")
    way.call("DEL")


def _middle(times: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of ADD and DEL together, and of DEL alone."""
    return statistics.median(map(sum, times)), statistics.median(gone for _, gone in times)


def _start(bench: Bench, bundles: Mapping[str, Path], rounds: int) -> None:
    calls: dict[str, Callable[[], object]] = {
        "bare interpreter": lambda: subprocess.run([sys.executable, "-IS", "-c", "pass"], check=True),
        "VERSION": lambda: bench.call(bench.stub, "VERSION", "{}"),
    }
    calls |= {f"VERSION, {form}": partial(bench.call, path, "VERSION", "{}") for form, path in bundles.items()}
    calls["DEL of nothing"] = lambda: bench.call(bench.stub, "DEL", bench.alone)
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(_time(call))
    for name, times in found.items():
        print(f"{name:28}{statistics.median(times):8.1f}")


if __name__ == "__main__":
    run()
