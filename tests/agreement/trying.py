"""A node that attaches pods, one after the other: this process has a network and mounts of its own (`worker`).

Each pod gets a node as after its start: the links that its definitions name, and no bridge, packet filter or record of the
pod before. Its default network is a bridge, 10.99.0.0/16.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tests.fakes.apiserver import Answer, ApiServer, Request
from tests.fakes.certificates import make_keys
from tests.fakes.objects import network, pod_with_account, policy_config
from tests.fakes.objectstore import CONFIGS, NAMESPACES, NETWORKS, PODS, POLICIES
from tests.paths import ROOT

from . import cases
from .cases import PLUGINS, Case

UID = "uid-1"
POD = "web-0"
NETNS = "agreement-pod"
TOKEN = "secret"
CALL_S = 40.0
"""A pod takes less than a second; a plugin that does not answer has failed."""
ADD_S = 30
CLEARED = (Path("/var/lib/cni"), Path("/run/cni"))
HOST_LINKS = ("eth0", "eth1")
STAYING = ("lo", *HOST_LINKS, *(f"{name}-p" for name in HOST_LINKS))
HOST_ADDRESSES = ("address add 198.51.100.1/24 dev eth0", "route add default via 198.51.100.2")
FILTERS = "*nat\nCOMMIT\n*filter\nCOMMIT\n*raw\nCOMMIT\n*mangle\nCOMMIT\n"
NO_DETECTION = "echo 0 | tee /proc/sys/net/ipv6/conf/*/accept_dad >/dev/null"
"""Duplicate address detection takes a second per address, and there is no neighbour here."""
Conf = dict[str, Any]

_NADMIT = f"""\
#!{sys.executable} -IS
import sys
sys.path.insert(0, {str(ROOT)!r})
from cniplugin.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """What the node made of a pod. `error`: the first line of the failure, "" if the pod was attached.

    `interfaces` has `ips` and `mac` of each; `routes` are the default routes, (interface, gateway), the preferred ones
    first; `ports` are those of the host that lead to the pod. `kept`: the first line of the failure of DEL, or "".
    """

    error: str = ""
    interfaces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    routes: Sequence[Sequence[str]] = ()
    ports: Sequence[int] = ()
    has_bandwidth: bool = False
    kept: str = ""


class Api(ApiServer):
    """The API server of one case after the other. Multus' writes are answered and not stored: they are protobuf."""

    def __init__(self) -> None:
        super().__init__(keys=make_keys())
        self.token = TOKEN
        self.instead = self._written_by_multus

    def show(self, case: Case, posture: str) -> None:
        """Serve the objects of a case, and no others."""
        self.serve(NETWORKS, NAMESPACES, POLICIES, CONFIGS, PODS)
        self.requests.clear()
        namespaces = {"default", "kube-system", case.namespace, *(one.namespace for one in case.definitions)}
        for name in sorted(namespaces):
            self.put(NAMESPACES, {"metadata": {"name": name, "labels": {}}})
        for one in case.definitions:
            value = network(one.name, one.namespace, one.config, annotations=dict(one.annotations))
            if one.config is None:
                del value["spec"]
            self.put(NETWORKS, value)
        self.put(CONFIGS, policy_config(posture=posture))
        pod = pod_with_account(POD, case.namespace, UID, annotations=dict(case.annotations))
        self.put(PODS, {"apiVersion": "v1", "kind": "Pod", **pod})

    def _written_by_multus(self, request: Request) -> Answer | None:
        if "protobuf" not in request.headers.get("content-type", "") or request.method == "GET":
            return None
        place = request.place
        assert place is not None
        if not place.name:
            return Answer(201, json.dumps({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}}).encode())
        return Answer(200, json.dumps(self.find(place)).encode())


class Node:
    """The node. `multus` is the path of a Multus binary, "" if it only runs the plugin of this project."""

    def __init__(self, directory: Path, api: Api, multus: str = "") -> None:
        self.directory = directory
        self.api = api
        self.pods = 0
        self.programs = {"nadmit": directory / "nadmit", "multus": Path(multus)}
        self.programs["nadmit"].write_text(_NADMIT)
        self.programs["nadmit"].chmod(0o755)
        (directory / "ca.crt").write_text(api.ca)
        self.kubeconfig = directory / "kubeconfig"
        self._write_kubeconfig()

    def attach(self, case: Case, *, attacher: str, posture: Literal["Open", "Isolated"]) -> Attached:
        """Attach the pod of a case, look at it, and detach it."""
        self.pods += 1
        self.api.show(case, posture)
        with self._clean(case):
            conf = self._conf(case, attacher, is_isolated=posture == "Isolated")
            error = self._call("ADD", attacher, conf, case)
            found = Attached(error=error) if error else _look(case)
            left = self._call("DEL", attacher, conf, case)
            return replace(found, kept=left)

    @contextmanager
    def _clean(self, case: Case) -> Iterator[None]:
        """Give the block a node with the links of a case and an empty pod."""
        outside, inside = _links(case), _links(case, in_container=True)
        _batch("", [*_made(outside), *HOST_ADDRESSES, f"netns add {NETNS}"])
        _batch(NETNS, _made(inside))
        if any("::" in text for text in case.texts()):
            _run("ip", "netns", "exec", NETNS, "sh", "-c", NO_DETECTION)
        try:
            yield
        finally:
            links = [name for _, name in socket.if_nameindex() if name not in STAYING]
            _batch("", [f"netns delete {NETNS}", *(f"link delete {name}" for name in links)])
            for program in ("iptables-restore", "ip6tables-restore") if _filters(case) else ():
                subprocess.run([program], input=FILTERS, text=True, check=False, capture_output=True)
            for path in (*CLEARED, self.directory / "records", self.directory / "multus-cache"):
                shutil.rmtree(path, ignore_errors=True)

    def _conf(self, case: Case, attacher: str, *, is_isolated: bool) -> Conf:
        on_disk = self.directory / "net.d"
        shutil.rmtree(on_disk, ignore_errors=True)
        on_disk.mkdir()
        for name, value in case.on_disk.items():
            (on_disk / f"{name}.conf").write_text(json.dumps(value))
        ipam = {"type": "host-local", "subnet": "10.99.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]}
        default = {"cniVersion": "1.0.0", "name": "cluster", "type": "bridge", "bridge": "cluster0", "ipam": ipam}
        conf = {
            "cniVersion": "1.0.0",
            "name": "nodes-own",
            "type": attacher,
            "kubeconfig": str(self.kubeconfig),
            "confDir": str(on_disk),
            "binDir": str(PLUGINS),
            "namespaceIsolation": is_isolated,
            "globalNamespaces": "default",
            "delegates": [default],
        }
        if attacher == "multus":
            return {**conf, "cniDir": str(self.directory / "multus-cache"), "logLevel": "panic"}
        return {
            **conf,
            "recordDir": str(self.directory / "records"),
            "logFile": "",
            "kubeletDir": str(self.directory / "kubelet"),
            "deviceInfoDir": str(self.directory / "devinfo"),
            "deadline": ADD_S,
        }

    def _call(self, verb: str, attacher: str, conf: Conf, case: Case) -> str:
        """Call the plugin as a runtime does; return the first line of its error, "" if it succeeds."""
        container = (
            f"c{os.getpid()}x{self.pods}"  # the plugin looks for left-over delegates of a container in all of /proc
        )
        args = {
            "IgnoreUnknown": "1",
            "K8S_POD_NAMESPACE": case.namespace,
            "K8S_POD_NAME": POD,
            "K8S_POD_INFRA_CONTAINER_ID": container,
            "K8S_POD_UID": UID,
        }
        environ = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": f"/run/netns/{NETNS}",
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in args.items()),
            "CNI_PATH": str(PLUGINS),
        }
        code, out, err = _answer_of(self.programs[attacher], json.dumps(conf), environ, self.directory)
        return "" if code == 0 else _first_line(out, err).replace(f"{self.directory}/", "")

    def _write_kubeconfig(self) -> None:
        cluster = {"server": self.api.url, "certificate-authority": str(self.directory / "ca.crt")}
        value = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(json.dumps(value))


def _answer_of(program: Path, text: str, environ: Mapping[str, str], directory: Path) -> tuple[int, str, str]:
    """Run a plugin; return its exit code, its answer and its log. One that does not answer is killed with its children."""
    with subprocess.Popen(
        [program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        cwd=directory,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(text, timeout=CALL_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return 1, "", f"no answer within {CALL_S:.0f} s"
    return process.returncode, out, err


def _first_line(out: str, err: str) -> str:
    """Return the first line of a plugin's error: its message, or what it wrote when it crashed."""
    text = ""
    with suppress(ValueError, AttributeError):
        answer = json.loads(out)
        text = str(answer.get("msg") or answer.get("details") or "")
    lines = (text or err or out).strip().splitlines()
    return lines[0] if lines else "no message"


def _look(case: Case) -> Attached:
    links = json.loads(_run("ip", "-n", NETNS, "-j", "address", "show"))
    wants = {key for wish in case.asked.values() for key in wish}
    return Attached(
        interfaces={
            link["ifname"]: {
                "mac": link.get("address", ""),
                "ips": [f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"] if one["scope"] == "global"],
            }
            for link in links
            if link["ifname"] not in _not_of_pods(case)
        },
        routes=_routes() if "gateways" in wants else (),
        ports=_ports() if "ports" in wants else (),
        has_bandwidth="bandwidth" in wants and "qdisc tbf" in _run("tc", "qdisc", "show"),
    )


def _routes() -> list[tuple[str, str]]:
    found = [
        (int(route.get("metric", 0)), route["dev"], route.get("gateway", ""))
        for family in ("-4", "-6")
        for route in json.loads(_run("ip", "-n", NETNS, family, "-j", "route", "show", "default") or "[]")
    ]
    return [(device, gateway) for _, device, gateway in sorted(found)]


def _not_of_pods(case: Case) -> set[str]:
    inside = _links(case, in_container=True)
    return {"lo", *inside, *(f"{name[:12]}-p" for name in inside)}


def _ports() -> list[int]:
    """Return the host ports that portmap leads to the pod."""
    words = _run("iptables-save", "-t", "nat").replace("--dports", "--dport").split()
    found = [words[place + 1] for place, word in enumerate(words) if word == "--dport"]
    return sorted({int(port) for text in found for port in text.split(",") if port.isdigit()})


def _links(case: Case, *, in_container: bool = False) -> list[str]:
    """Return the links that the definitions of a case name, of the node or of the container."""
    plugins = [plugin for config in case.texts() for plugin in cases.plugins(config)]
    named = [
        plugin.get(key) for plugin in plugins for key in ("master", "device") if _in_container(plugin) is in_container
    ]
    names = [name for name in named if isinstance(name, str) and name not in cases.MISSING_LINKS and _is_link(name)]
    return list(dict.fromkeys([*(() if in_container else HOST_LINKS), *names]))


def _in_container(plugin: Mapping[str, Any]) -> bool:
    return plugin.get("linkInContainer") is True


def _is_link(name: str) -> bool:
    return bool(re.fullmatch(r"[-\w.]{1,15}", name, re.ASCII)) and name not in {".", ".."}


def _filters(case: Case) -> bool:
    return any(word in text for text in case.texts() for word in ("portmap", "asq", "firewall"))


def _made(links: Sequence[str]) -> list[str]:
    """Return the commands that make links, each with a peer that is up."""
    pairs = [(name, f"{name[:12]}-p") for name in links]
    made = [f"link add {name} type veth peer name {peer}" for name, peer in pairs]
    return [*made, *(f"link set {one} up" for pair in pairs for one in pair)]


def _batch(netns: str, lines: Sequence[str]) -> None:
    """Run commands of `ip`; one that fails does not stop the others."""
    if lines:
        words = ["ip", *(["-n", netns] if netns else []), "-force", "-batch", "-"]
        subprocess.run(words, input="\n".join(lines) + "\n", text=True, check=False, capture_output=True)


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
