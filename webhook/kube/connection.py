"""The API server: which one, who we are to it, one GET, and one request that writes.

Which one, in this order: the kubeconfig that was named, the service account of the pod, the user's own kubeconfig
(`$KUBECONFIG`, else `~/.kube/config`).

Configuration, credentials (tokens, certificates, exec plugins), TLS, proxies and the pool of connections are the
official client's. Requests go to its pool directly: the generated API classes take 22 MiB and 0.35 s to import, and
make a model of each object, where two resources are read and nearly all of each object is skipped.

Credentials that change: the client reads the token of a service account again each minute, and runs an exec plugin
again when its token has expired, but a token, a `tokenFile` and the certificates of a kubeconfig only once. Hence an
answer 401 drops the client, and the next request loads the whole configuration again.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import urllib3
import yaml
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException, load_kube_config
from kubernetes.config.incluster_config import SERVICE_HOST_ENV_NAME, SERVICE_TOKEN_FILENAME, InClusterConfigLoader
from urllib3.connection import HTTPConnection

from cniplugin.netspec.names import trim

from . import kubeconfigfiles
from .answers import BROKEN_CONNECTION, Answer, Reply, explain
from .apierrors import ClusterError, UnauthorizedError, of_status
from .apiobjects import parse_status
from .kubeconfigerrors import explain_kubeconfig, hide_values_in_log

SERVICE_ACCOUNT = Path(SERVICE_TOKEN_FILENAME).parent
CONNECT_S = 10.0
JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"
DEAD_PEER_MS = 30_000
"""How long sent bytes may stay without an acknowledgement; the keepalive probes below give up in 15 + 3 * 5 = 30 s."""

SOCKET_OPTIONS = (
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (
            ("TCP_KEEPIDLE", 15),
            ("TCP_KEEPINTVL", 5),
            ("TCP_KEEPCNT", 3),
            ("TCP_USER_TIMEOUT", DEAD_PEER_MS),
        )
        if hasattr(socket, name)  # macOS has not all of them
    ),
)

_BROKEN_KUBECONFIG = (
    ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError
)  # fmt: skip
"""What the client raises for a kubeconfig: its own error for a few mistakes, and whatever comes up for the others."""


class Resource(NamedTuple):
    """A resource of the API. `kind` is its name in this program; an optional one may be not installed.

    `is_metadata_only`: no more than metadata is asked for. `field_selector`: which objects are asked for. `otherwise`:
    what to do where the account may not read it, as it stands after "or". `older`: versions to try where `version` is
    not served.
    """

    kind: str
    group: str
    version: str
    plural: str
    is_optional: bool = False
    is_metadata_only: bool = False
    field_selector: str = ""
    otherwise: str = ""
    older: tuple[str, ...] = ()

    def in_next_version(self) -> Resource:
        """Return the resource in the version to try next; after the last one comes the first again."""
        return self._replace(version=self.older[0], older=(*self.older[1:], self.version)) if self.older else self

    @property
    def path(self) -> str:
        """The path of the objects of all namespaces."""
        return f"{self._root}/{self.plural}"

    def path_of(self, namespace: str, name: str) -> str:
        """Return the path of one object; `namespace` is "" for one that is cluster-scoped."""
        where = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"{self._root}{where}/{self.plural}/{quote(name, safe='')}"

    def accept(self, verb: str) -> str:
        """Return what to accept as the answer; a server that cannot leave specs out sends all of an object."""
        if not self.is_metadata_only:
            return "application/json"
        kind = "PartialObjectMetadataList" if verb == "list" else "PartialObjectMetadata"
        return f"application/json;as={kind};g=meta.k8s.io;v=v1,application/json"

    @property
    def _root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def title(self) -> str:
        """The resource as RBAC and kubectl name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def load_configuration(
    kubeconfig: Path | None, *, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT
) -> Configuration:
    """Return where the API server is and how to speak to it. Raises ClusterError, which asking again does not cure."""
    if kubeconfig is not None:
        return _load_kubeconfig(str(kubeconfig), hint="name a file that kubectl --kubeconfig can use")
    token = service_account / "token"
    if SERVICE_HOST_ENV_NAME in environ and kubeconfigfiles.exists(token):
        return _load_service_account(service_account, environ)
    files = environ.get("KUBECONFIG") or "~/.kube/config"
    return _load_kubeconfig(
        files, hint="give --kubeconfig FILE, set KUBECONFIG, or run in a pod with a service account"
    )


def _load_service_account(directory: Path, environ: Mapping[str, str]) -> Configuration:
    kubeconfigfiles.check([directory / "token", directory / "ca.crt"], "the service account")
    configuration = Configuration()
    loader = InClusterConfigLoader(  # type: ignore[no-untyped-call]  # the client's
        str(directory / "token"), str(directory / "ca.crt"), environ=environ
    )
    try:
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]  # as above
    except (ConfigException, OSError) as error:
        said = f"{directory}: the service account cannot be used: {error}; mount its token and its ca.crt"
        raise ClusterError(said) from error
    return configuration


def _load_kubeconfig(files: str, *, hint: str) -> Configuration:
    """NB: KUBECONFIG may name several files; those that do not exist are passed over, as kubectl does."""
    paths = [Path(file).expanduser() for file in files.split(":") if file]
    if not any(kubeconfigfiles.exists(path) for path in paths):
        raise ClusterError(f"{files}: no such kubeconfig; {hint}")
    kubeconfigfiles.check_kubeconfigs(paths)
    hide_values_in_log()
    configuration = Configuration()
    unset = configuration.host
    try:
        load_kube_config(  # type: ignore[no-untyped-call]  # the client's
            config_file=files, client_configuration=configuration, persist_config=False
        )
    except _BROKEN_KUBECONFIG as error:
        raise ClusterError(f"{files}: the kubeconfig cannot be used: {explain_kubeconfig(error)}; {hint}") from None
    if configuration.host == unset:
        raise ClusterError(f"{files}: the cluster of the current context names no server; {hint}")
    if not configuration.host.startswith(("https://", "http://")):
        raise ClusterError(f"{files}: the server is not an address; write it as https://HOST:PORT")
    configuration.host = _without_user(configuration.host)
    return configuration


def _without_user(url: str) -> str:
    """Return an address without `user:password@`, which urllib3 does not send and every message would show."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


class Client:
    """The official client's configuration and pool. Safe for threads."""

    def __init__(self, configuration: Configuration) -> None:
        configuration.socket_options = list(SOCKET_OPTIONS)
        self.configuration = configuration
        self.pool = RESTClientObject(configuration).pool_manager

    def headers(self) -> dict[str, str]:
        """Return the headers of a request; the client looks whether the token is to be read again.

        NB: a file's line break stays in the client's token, and what http.client says about it shows the token.
        """
        headers = {"User-Agent": "nadmit"}
        try:
            settings: Mapping[str, Any] = self.configuration.auth_settings()
        except _BROKEN_KUBECONFIG as error:
            said = f"{self.configuration.host}: the credentials cannot be read again: {explain_kubeconfig(error)}"
            raise ClusterError(said) from None
        for setting in settings.values():
            value = trim(setting["value"] or "")
            if not (value.isascii() and value.isprintable()):
                raise ClusterError(f"{self.configuration.host}: the token is not one line of ASCII; write it anew")
            headers[setting["key"]] = value
        return headers


class Connection:
    """The way to the API server. Safe for threads."""

    def __init__(
        self, kubeconfig: Path | None, *, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT
    ) -> None:
        self._load = partial(load_configuration, kubeconfig, environ=environ, service_account=service_account)
        self._lock = Lock()
        self._client: Client | None = None
        self.where = "the API server"

    def open(self) -> Client:
        """Load the configuration unless it is there. Raises ClusterError; does not connect."""
        with self._lock:
            if self._client is None:
                self._client = self._make()
                self.where = self._client.configuration.host
            return self._client

    def _make(self) -> Client:
        configuration = self._load()
        try:
            return Client(configuration)
        except (*BROKEN_CONNECTION, ValueError, ImportError):
            fix = "write proxy-url as http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"
            raise ClusterError(f"{configuration.host}: the proxy cannot be used; {fix}") from None

    def get(self, resource: Resource, query: Mapping[str, str | int], *, verb: str, silence_s: float) -> Answer:
        """Ask for objects. `silence_s` is the longest time without a byte. Raises ClusterError for all but 200."""
        path = f"{resource.path}?{urlencode(query)}"
        return self._get(resource, path, verb=verb, timeout=urllib3.Timeout(connect=CONNECT_S, read=silence_s))

    def get_one(self, resource: Resource, namespace: str, name: str, *, seconds: float) -> bytes:
        """Return one object. `seconds` is the longest time without a byte. Raises ClusterError for all but 200."""
        path, timeout = resource.path_of(namespace, name), urllib3.Timeout(connect=seconds, read=seconds)
        with self._get(resource, path, verb="get", timeout=timeout) as answer:
            return answer.read()

    def _get(self, resource: Resource, path: str, *, verb: str, timeout: urllib3.Timeout) -> Answer:
        client = self.open()
        where = client.configuration.host
        headers = {**client.headers(), "Accept": resource.accept(verb)}
        try:
            response = client.pool.request(
                "GET",
                f"{where}{path}",
                headers=headers,
                timeout=timeout,
                retries=False,  # we wait between tries, urllib3 does not
                redirect=False,  # the credentials are for this server only
                preload_content=False,
            )
            if response.status == 200:
                return Answer(response, where)
            said = parse_status(response.data).message
            response.release_conn()
        except BROKEN_CONNECTION as error:
            said = f"{where}: cannot be reached: {explain(error)}; check its address, and that it runs"
            raise ClusterError(said) from error
        error_of_status = of_status(
            response.status, said, verb=verb, resource=resource.title, where=where, otherwise=resource.otherwise
        )
        if isinstance(error_of_status, UnauthorizedError):
            self._drop(client)
        raise error_of_status

    def send(
        self, method: str, path: str, body: bytes | None = None, *, content_type: str = JSON, timeout_s: float
    ) -> Reply:
        """Send one request, and return its answer whatever its status. Raises ClusterError if there is none in time.

        Nothing is sent twice: who sends knows whether that may be. After a 401 the credentials are loaded again.
        """
        client = self.open()
        where = client.configuration.host
        headers = client.headers() | ({} if body is None else {"Content-Type": content_type})
        timeout = urllib3.Timeout(total=timeout_s)
        try:
            response = client.pool.request(
                method, f"{where}{path}", body=body, headers=headers, timeout=timeout, retries=False, redirect=False
            )
        except BROKEN_CONNECTION as error:
            raise ClusterError(
                f"{where}: cannot be reached: {explain(error)}; check its address, and that it runs"
            ) from error
        if response.status == 401:
            self._drop(client)
        return Reply(response.status, response.data)

    def close(self) -> None:
        """Close the idle connections. An answer that is being read closes its own."""
        with self._lock:
            if self._client is not None:
                self._client.pool.clear()

    def _drop(self, client: Client) -> None:
        """Forget a client with old credentials; another thread may have made a new one by now."""
        client.pool.clear()
        with self._lock:
            if self._client is client:
                self._client = None
