"""Starts the webhook of a subject, with a certificate and an API server that has the cluster of `testcluster`."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from conformance.rig.certificates import Keys, make_keys
from conformance.rig.clusterserver import TOKEN, ClusterServer
from conformance.rig.daemon import RunningDaemon
from conformance.rig.objectstore import NETWORKS
from conformance.subject import Subject, SubjectError

from . import testcluster
from .calls import Caller
from .hook import Webhook
from .samples import NAMESPACE, definition

SERVES_WITHIN_S = 30.0
_LOOK_S = 0.05


@contextmanager
def running(subject: Subject, folder: Path) -> Iterator[Webhook]:
    """Run the webhook until the end of the context; or only reach it, if it runs already.

    Raises SubjectError, DaemonError if it does not start, and OSError if it does not answer.
    """
    assert subject.webhook is not None
    routes = subject.webhook.routes
    paths = {kind: route.path for kind, route in routes.items()}
    operations = {kind: tuple(route.operations) for kind, route in routes.items()}
    if subject.webhook.address:
        host, _, text = subject.webhook.address.rpartition(":")
        authority = Path(subject.webhook.authority).read_text(encoding="utf-8")
        there = Caller(int(text), authority, host=host, name=subject.webhook.server_name)
        _wait_for_tls(there, within_s=0)
        yield Webhook(there, paths, operations, subject.webhook.features)
        return
    if subject.daemon is None:
        raise SubjectError("webhook: it needs an `address`, or a `daemon` that the suite starts")
    with ExitStack() as stack:
        api = stack.enter_context(ClusterServer())
        for name in testcluster.NAMESPACES:
            api.put_namespace(name)
        for each in testcluster.definitions():
            api.put(NETWORKS, each)
        for each in subject.webhook.objects:
            path = f"/{'api' if each['apiVersion'] == 'v1' else 'apis'}/{each['apiVersion']}/{each['kind'].lower()}s"
            api.serve(path)
            api.put(path, each)
        keys, port, other = make_keys(), *_free_ports()
        values = _write_files(folder, api, keys) | {"webhookPort": str(port), "probePort": str(other)}
        values |= {"here": str(subject.here), "python": os.environ.get("CONFORMANCE_PYTHON", sys.executable)}
        daemon = RunningDaemon(subject.daemon, values, folder / "daemon.log")
        stack.callback(daemon.stop)
        daemon.start()
        caller = Caller(port, keys.ca)
        _wait_for_tls(caller, within_s=SERVES_WITHIN_S)
        yield Webhook(caller, paths, operations, subject.webhook.features, _adder(api))


def _adder(api: ClusterServer) -> Callable[[dict[str, str]], str]:
    def add(annotations: dict[str, str]) -> str:
        name = f"made-{api.version}"
        api.put(NETWORKS, definition(testcluster.single(name), name=name, namespace=NAMESPACE, **annotations))
        return name

    return add


def _write_files(folder: Path, api: ClusterServer, keys: Keys) -> dict[str, str]:
    """Write the certificate, a kubeconfig and a service account, and return the placeholders."""
    account, certificates = folder / "account", folder / "certificates"
    for made in (account, certificates):
        made.mkdir(parents=True)
    files: dict[Path, str] = {
        certificates / "tls.crt": keys.certificate,
        certificates / "tls.key": keys.key,
        certificates / "ca.crt": keys.ca,
        account / "token": TOKEN,
        account / "ca.crt": api.ca,
        account / "namespace": NAMESPACE,
        folder / "kubeconfig": json.dumps(_kubeconfig(api, account)),
    }
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    return {
        "work": str(folder),
        "host": "127.0.0.1",
        "port": str(api.port),
        "kubeconfig": str(folder / "kubeconfig"),
        "account": str(account),
        "certificates": str(certificates),
    }


def _kubeconfig(api: ClusterServer, account: Path) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "conformance",
        "clusters": [
            {"name": "conformance", "cluster": {"server": api.url, "certificate-authority": str(account / "ca.crt")}}
        ],
        "users": [{"name": "conformance", "user": {"token": TOKEN}}],
        "contexts": [{"name": "conformance", "context": {"cluster": "conformance", "user": "conformance"}}],
    }


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return int(one.getsockname()[1]), int(two.getsockname()[1])


def _wait_for_tls(caller: Caller, *, within_s: float) -> None:
    """Wait until the server ends a handshake with a certificate that the caller trusts. Raises OSError."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            caller.open(timeout_s=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_S)
        else:
            return
