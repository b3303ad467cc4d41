"""`RealApiServer` starts kube-apiserver and etcd, and sends requests to them.

RBAC decides, tokens and certificates are real, and the default admission plugins are on. No controller runs: a pod
stays pending, a deleted namespace stays, and a test creates the service accounts that it needs.
etcd listens on a socket in the directory. A socket of our own holds the port of kube-apiserver (SO_REUSEPORT), so that
no other process can take the port before kube-apiserver or during its restart.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml

from tests.paths import MANIFESTS, ROOT

from .assets import Assets
from .audit import POLICY, Asked, read_requests
from .etcd import compact
from .keys import Authority, Signed, make_signing_key

Object = dict[str, Any]

DEFINITIONS = MANIFESTS / "crds" / "network-attachment-definitions.yaml"
NETWORKS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
ISSUER = "https://kubernetes.default.svc"
READY_WITHIN_S = 60.0
"""The start takes 3 s on two free cores."""
KUBE_APISERVER = 1
"""The index among the guard's programs; etcd is 0."""
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
"""Server-side apply; JSON is YAML."""


class RealApiServerError(Exception):
    """The API server does not start, or refuses a request that must succeed."""


class Answer(NamedTuple):
    """`value` is the object, or the Status of a failure."""

    status: int
    value: Object


class RealApiServer:
    """Use as a context. `ca` is PEM; `admin_kubeconfig` is for a user of system:masters."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self.directory = Path(tempfile.mkdtemp(prefix="nadmit-apiserver-"))
        self.audit_log = self.directory / "audit.log"
        self._authority = Authority()
        self.ca = self._authority.ca
        self._held, self.port = _hold_a_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._numbers = itertools.count()
        self.admin_kubeconfig = self.kubeconfig_of_user("nadmit-tests-admin", "system:masters")
        self._trust = self._admin_context()
        self._guard: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._write_files()
        command = [sys.executable, "-m", "tests.realapi.guard", str(self.directory)]
        guard = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
        )
        self._guard = guard
        assert guard.stdin is not None
        try:
            guard.stdin.write(json.dumps([self._etcd(), self._kube_apiserver()]) + "\n")
            guard.stdin.flush()
            deadline = time.monotonic() + READY_WITHIN_S
            self._wait_for("/readyz", deadline)
            self.put(yaml.safe_load(DEFINITIONS.read_text()))
            self._wait_for(NETWORKS, deadline)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes and remove the directory."""
        self._held.close()
        if self._guard is not None:
            with self._guard as guard:
                assert guard.stdin is not None
                guard.stdin.close()
                guard.wait(timeout=20)
            self._guard = None
        if self.directory.exists():  # the guard removes it, if there was one
            shutil.rmtree(self.directory)

    def restart(self) -> None:
        """Kill kube-apiserver, start it again at its port with the same etcd, and wait until it is ready."""
        assert self._guard is not None
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        self._guard.stdin.write(f"{KUBE_APISERVER}\n")
        self._guard.stdin.flush()
        said = self._guard.stdout.readline().strip()
        if said != "restarted":
            raise RealApiServerError(f"the API server was not restarted: {said or 'its guard ended'}\n{self._logs()}")
        self._wait_for("/readyz", time.monotonic() + READY_WITHIN_S)

    def compact(self) -> None:
        """Make etcd forget all history."""
        compact(self.directory / "etcd.sock:0")

    # Asking

    def connect(self) -> http.client.HTTPSConnection:
        """Return a connection as the administrator, for many requests; the caller closes it."""
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self._trust, timeout=20)

    def ask(self, method: str, path: str, body: object = None, *, kind: str = JSON) -> Answer:
        """Send one request as the administrator."""
        connection = self.connect()
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": kind, "Accept": JSON})
            answer = connection.getresponse()
            said = answer.read()
            is_json = answer.headers.get_content_type() == JSON
            return Answer(answer.status, json.loads(said) if is_json else {"message": said.decode()})
        finally:
            connection.close()

    def must(self, method: str, path: str, body: object = None, *, kind: str = JSON) -> Object:
        """Send one request as the administrator; anything but success is a RealApiServerError."""
        status, value = self.ask(method, path, body, kind=kind)
        if status not in {200, 201, 202}:
            raise RealApiServerError(f"{method} {path}: {status}: {value.get('message', value)}")
        return value

    def put(self, value: Object) -> Object:
        """Create or replace an object, by a server-side apply."""
        return self.must("PATCH", f"{self.path_of(value)}?fieldManager=tests&force=true", value, kind=APPLY_PATCH)

    def path_of(self, value: Object) -> str:
        """Return the path of an object of any kind that the server knows."""
        version, kind = value["apiVersion"], value["kind"]
        base = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        found = [
            resource
            for resource in self.must("GET", base)["resources"]
            if resource["kind"] == kind and "/" not in resource["name"]
        ]
        if not found:
            raise RealApiServerError(f"{base} has no kind {kind}")
        metadata = value["metadata"]
        where = f"/namespaces/{metadata.get('namespace', 'default')}" if found[0]["namespaced"] else ""
        return f"{base}{where}/{found[0]['name']}/{metadata['name']}"

    def kubectl(self, *words: str, stdin: str = "", kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl, by default as the administrator; the caller checks the exit code."""
        if self.assets.kubectl is None:
            raise RealApiServerError("there is no kubectl, neither beside kube-apiserver nor on PATH")
        environ = {**os.environ, "KUBECONFIG": str(kubeconfig or self.admin_kubeconfig), "HOME": str(self.directory)}
        command = [str(self.assets.kubectl), *words]
        return subprocess.run(
            command, input=stdin, env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    def audit_offset(self) -> int:
        """Return a place in the audit log, for `requests`."""
        return self.audit_log.stat().st_size

    def requests(self, *, offset: int = 0, user: str = "") -> list[Asked]:
        """Return the requests since an offset, of all users or of one."""
        return [asked for asked in read_requests(self.audit_log, offset=offset) if user in {"", asked.user}]

    @property
    def ca_bundle(self) -> str:
        """`ca` in base64, as `clientConfig` of a webhook has it."""
        return _base64(self.ca)

    # Accounts

    def token_for(self, namespace: str, service_account: str) -> str:
        """Return a token for a service account that exists, good for an hour (TokenRequest)."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return str(self.must("POST", path, body)["status"]["token"])

    def kubeconfig_for(self, namespace: str, service_account: str) -> Path:
        """Return a kubeconfig with a token of a service account."""
        return self._write_kubeconfig({"token": self.token_for(namespace, service_account)})

    def kubeconfig_of_user(self, name: str, *groups: str) -> Path:
        """Return a kubeconfig with a client certificate for any user name."""
        return self._write_kubeconfig(
            {f"client-{key}-data": _base64(text) for key, text in self.sign_user(name, *groups)._asdict().items()}
        )

    def sign_user(self, name: str, *groups: str) -> Signed:
        """Return a client certificate for a user of these groups."""
        return self._authority.sign_user(name, *groups)

    def sign_server(self, *names: str) -> Signed:
        """Return a certificate, under `ca`, for a server that this API server calls, such as a webhook."""
        return self._authority.sign_server(*names)

    def _write_kubeconfig(self, user: dict[str, str]) -> Path:
        cluster = {"server": self.url, "certificate-authority-data": _base64(self.ca)}
        value = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = self.directory / f"{next(self._numbers)}.kubeconfig"
        path.write_text(json.dumps(value))
        return path

    # Starting

    def _admin_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.ca)
        signed = self.sign_user("nadmit-tests-admin", "system:masters")
        file = self.directory / "admin.pem"
        file.write_text(signed.certificate + signed.key)
        context.load_cert_chain(file)
        return context

    def _write_files(self) -> None:
        serving = self.sign_server("127.0.0.1", "localhost", "kubernetes.default.svc")
        tokens = make_signing_key()
        texts = {
            "ca.crt": self.ca,
            "server.crt": serving.certificate,
            "server.key": serving.key,
            "tokens.key": tokens.private,
            "tokens.pub": tokens.public,
            "audit-policy.json": json.dumps(POLICY),
        }
        for name, text in texts.items():
            (self.directory / name).write_text(text)

    def _etcd(self) -> list[str]:
        # NB: relative to the directory, because the path of a socket has at most 107 bytes. etcd requires a port after it.
        client, peer = "unix://etcd.sock:0", "unix://peer.sock:0"
        return [
            str(self.assets.etcd),
            "--data-dir=etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _kube_apiserver(self) -> list[str]:
        return [
            str(self.assets.kube_apiserver),
            "--etcd-servers=unix://etcd.sock:0",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--permit-port-sharing",
            # No test reads its Endpoints, and the API server refuses a loopback address there.
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--cert-dir=.",
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--client-ca-file=ca.crt",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={ISSUER}",
            "--service-account-key-file=tokens.pub",
            "--service-account-signing-key-file=tokens.key",
            "--audit-policy-file=audit-policy.json",
            f"--audit-log-path={self.audit_log}",
        ]

    def _wait_for(self, path: str, deadline: float) -> None:
        """Ask until the answer is 200. Raises RealApiServerError when a program ends, or after the deadline."""
        said = "nothing yet"
        while time.monotonic() < deadline:
            self._check_that_it_lives()
            try:
                status, value = self.ask("GET", path)
            except (OSError, http.client.HTTPException) as error:
                said = str(error)
                continue
            if status == 200:
                return
            said = f"{status}: {value.get('message', value)}"
        raise RealApiServerError(f"GET {path} has no answer 200 within {READY_WITHIN_S:.0f} s: {said}\n{self._logs()}")

    def _check_that_it_lives(self) -> None:
        """Raise RealApiServerError if a program has ended. This is also the pause between two requests."""
        assert self._guard is not None
        assert self._guard.stdout is not None
        ended, _, _ = select.select([self._guard.stdout], [], [], 0.05)
        if ended:
            what = self._guard.stdout.readline().strip()
            raise RealApiServerError(f"the API server did not start: {what or 'its guard ended'}\n{self._logs()}")

    def _logs(self) -> str:
        return "\n".join(
            f"{log.name}: {line}"
            for log in sorted(self.directory.glob("*.log"))
            if log != self.audit_log
            for line in log.read_text(errors="replace").splitlines()[-15:]
        )


def _hold_a_port() -> tuple[socket.socket, int]:
    """Return a socket that reserves a port, and the port. The socket never listens."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
