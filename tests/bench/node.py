"""What the node plugin costs: ADD and DEL of three networks, next to the same delegates called directly.

Needs root and Debian's CNI plugins. Three bridges with host-local each; the API server is an in-process one on loopback,
over TLS. The direct calls are what any delegator must make: one ADD and one DEL per network, one after the other.
"""

from __future__ import annotations

import compileall
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from py_compile import PycInvalidationMode

from tests.node.api_server import ApiServer, pod

PLUGINS = Path("/usr/lib/cni")
ROOT = Path(__file__).parents[2]
NETNS = f"nadmit-bench-{os.getpid()}"
BRIDGES = ("nadmb0", "nadmb1", "nadmb2")
STUB = "#!{python} -IS\nimport sys\nsys.path.insert(0, {root!r})\nfrom cniplugin.__main__ import process\nprocess()\n"


def missing() -> str | None:
    """Say what keeps this part of the bench from running, None if nothing does."""
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
        # A copy: unchecked bytecode in the tree would outlive the next edit.
        shutil.copytree(ROOT / "cniplugin", folder / "lib" / "cniplugin", ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(folder / "lib", quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        self.stub = folder / "nadmit"
        self.stub.write_text(STUB.format(python=sys.executable, root=str(folder / "lib")))
        self.stub.chmod(0o755)
        self.networks = [network(number, folder) for number in range(3)]
        kubeconfig = folder / "kubeconfig"
        cluster = {"server": api.url, "certificate-authority": str(folder / "ca.crt")}
        (folder / "ca.crt").write_text(api.keys.ca)
        kubeconfig.write_text(
            json.dumps(
                {
                    "current-context": "x",
                    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                    "clusters": [{"name": "x", "cluster": cluster}],
                    "users": [{"name": "x", "user": {"token": "t"}}],
                }
            )
        )
        base = {"cniVersion": "1.0.0", "name": "pods", "type": "nadmit", "recordDir": str(folder / "records")}
        self.alone = json.dumps({**base, "delegates": self.networks})
        self.with_api = json.dumps({**base, "delegates": self.networks[:1], "kubeconfig": str(kubeconfig)})
        for number in (1, 2):
            key = f"/apis/k8s.cni.cncf.io/v1/namespaces/team-a/network-attachment-definitions/net-{number}"
            metadata = {"name": f"net-{number}", "namespace": "team-a"}
            api.objects[key] = {"metadata": metadata, "spec": {"config": json.dumps(self.networks[number])}}
        made = pod(annotations={"k8s.v1.cni.cncf.io/networks": "net-1,net-2"})
        api.objects["/api/v1/namespaces/team-a/pods/web"] = made
        api.objects["/api/v1/namespaces/team-a"] = {"metadata": {"name": "team-a"}}

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

    def direct(self) -> None:
        """ADD and DEL of the three networks, delegate by delegate."""
        for command, order in (("ADD", (0, 1, 2)), ("DEL", (2, 1, 0))):
            for number in order:
                self.call(PLUGINS / "bridge", command, json.dumps(self.networks[number]), ifname=f"net{number}")

    def plugin(self, conf: str) -> None:
        """ADD and DEL through the plugin."""
        self.call(self.stub, "ADD", conf)
        self.call(self.stub, "DEL", conf)


def _times(call: Callable[[], None], rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1e3)
    return times


def run(rounds: int = 20) -> None:
    """Print the node's part of the report."""
    print(f"\nNode: ADD and DEL of three networks (bridge and host-local each), milliseconds, median of {rounds}")
    reason = missing()
    if reason:
        print(f"left out: {reason}")
        return
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    try:
        with tempfile.TemporaryDirectory(prefix="nadmit-bench-") as folder, ApiServer(Path(folder)) as api:
            _run(Bench(Path(folder), api), rounds)
    finally:
        subprocess.run(["ip", "netns", "delete", NETNS], check=True)
        for bridge in BRIDGES:
            subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True)


def _run(bench: Bench, rounds: int) -> None:
    bench.direct()
    rows: dict[str, list[float]] = {"the delegates directly": [], "nadmit, no API server": [], "nadmit, API server": []}
    calls = (bench.direct, lambda: bench.plugin(bench.alone), lambda: bench.plugin(bench.with_api))
    for _ in range(rounds):  # in turn, so that a busy moment hits all of them
        for name, call in zip(rows, calls, strict=True):
            rows[name] += _times(call, 1)
    bare = statistics.median(rows["the delegates directly"])
    for name, times in rows.items():
        middle = statistics.median(times)
        print(f"{name:28}{middle:8.1f}   {middle / bare:.2f} times")
    interpreter = [sys.executable, "-IS", "-c", "pass"]
    empty = statistics.median(_times(lambda: _quiet(interpreter), rounds))
    version = statistics.median(_times(lambda: bench.call(bench.stub, "VERSION", "{}"), rounds))
    gone = statistics.median(_times(lambda: bench.call(bench.stub, "DEL", bench.alone), rounds))
    print(f"{'bare interpreter':28}{empty:8.1f}\n{'VERSION':28}{version:8.1f}\n{'DEL of nothing':28}{gone:8.1f}")
    print(f"peak memory of the largest child: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")


def _quiet(command: list[str]) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    run()
