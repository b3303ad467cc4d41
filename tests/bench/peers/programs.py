"""The other webhooks: net-attach-def-admission-controller (NADAC) and network-resources-injector (NRI).

Both are given as programs. They run with GOMAXPROCS=1 on the core of the servers, with the certificate that our webhook
uses, beside a real API server: they list and watch with more than the in-process one knows. NRI finds its API server
only as in a pod (`inpod`), which needs root. Their logs go to a file.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.bench.peers import inpod
from tests.bench.server import SERVER_CORE, Server, pinned
from tests.paths import EXAMPLES, MANIFESTS
from tests.realapi.assets import HOW_TO, find_assets
from tests.realapi.server import RealApiServer

NADAC, NRI = "NADAC", "NRI"
STARTS_WITHIN_S = 30.0
NRI_ACCOUNT = {"namespace": "kube-system", "name": "network-resources-injector"}


class PeerError(Exception):
    """A peer cannot run here, or does not start."""


def find(given: dict[str, str]) -> dict[str, Path]:
    """Return the programs that are given, by the peer's name. Raises PeerError for one that cannot run."""
    found = {name: Path(text).absolute() for name, text in given.items() if text}
    for name, path in found.items():
        if not path.is_file() or not os.access(path, os.X_OK):
            raise PeerError(f"{name}={given[name]}: this is not a program; build cmd/webhook of its sources")
    if found and find_assets() is None:
        raise PeerError(f"{' and '.join(found)}: they need a real API server; {HOW_TO}")
    if NRI in found and os.geteuid() != 0:
        raise PeerError("NRI: it reads its service account at a fixed path, for which the bench needs root")
    return found


@contextmanager
def cluster() -> Iterator[RealApiServer]:
    """Run a real API server with the example cluster and the kinds of the access rules."""
    assets = find_assets()
    assert assets is not None
    with RealApiServer(assets) as api:
        for path in sorted((MANIFESTS / "crds").glob("networkattachmentpolic*.yaml")):
            api.put(yaml.safe_load(path.read_text()))
        for name in ("namespaces", "networks", "pods"):
            for value in yaml.safe_load_all((EXAMPLES / "cluster" / f"{name}.yaml").read_text()):
                api.put({key: part for key, part in value.items() if key != "status"})
                if value["kind"] == "Namespace":  # no controller makes the account
                    account = {"name": "default", "namespace": value["metadata"]["name"]}
                    api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        _allow_nri(api)
        yield api


def _allow_nri(api: RealApiServer) -> None:
    rbac = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": NRI_ACCOUNT["name"]}}
    rules = [
        {"apiGroups": ["k8s.cni.cncf.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
    ]
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": NRI_ACCOUNT["name"]}
    api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": NRI_ACCOUNT})
    api.put({**head, "kind": "ClusterRole", "rules": rules})
    api.put(
        {**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [{"kind": "ServiceAccount", **NRI_ACCOUNT}]}
    )


@contextmanager
def running(name: str, program: Path, api: RealApiServer, certs: Path, folder: Path) -> Iterator[Server]:
    """Run a peer until the end of the context. Raises PeerError with its log if it ends, or does not listen in time."""
    port, other = _free_ports()
    shared = ["-bind-address=127.0.0.1", f"-port={port}", "-logtostderr"]
    shared += [f"-tls-cert-file={certs / 'tls.crt'}", f"-tls-private-key-file={certs / 'tls.key'}"]
    if name == NADAC:
        command = [str(program), *shared, f"-metrics-listen-address=127.0.0.1:{other}"]
        environ = {**os.environ, "KUBECONFIG": str(api.admin_kubeconfig)}
    else:
        token = api.token_for(NRI_ACCOUNT["namespace"], NRI_ACCOUNT["name"])
        own = [str(program), *shared, "-insecure", f"-health-check-port={other}"]
        command = inpod.command(folder / name, own, token=token, ca=api.ca)
        environ = inpod.environ("127.0.0.1", api.port)
    log = folder / f"{name}.log"
    started = time.perf_counter()
    environ["GOMAXPROCS"] = "1"
    with (
        log.open("wb") as output,
        pinned(command, SERVER_CORE, output=output, errors=output, environ=environ) as process,
    ):
        while not _listens(port, certs / "ca.crt"):
            if process.poll() is not None or time.perf_counter() - started > STARTS_WITHIN_S:
                lines = log.read_text(errors="replace").strip()
                raise PeerError(f"{name}: {program} does not serve: {lines[-2000:]}")
            time.sleep(0.01)
        yield Server(process, port, time.perf_counter() - started)


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return int(one.getsockname()[1]), int(two.getsockname()[1])


def _listens(port: int, ca: Path) -> bool:
    context = ssl.create_default_context(cafile=ca)
    try:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost"),
        ):
            return True
    except OSError:
        return False
