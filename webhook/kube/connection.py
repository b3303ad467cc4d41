"""The connection to the API server: one GET that is read as it arrives, one GET of an object, one request that writes.

Credentials (tokens, certificates, exec plugins), TLS, proxies and the pool of connections are the official client's.
Requests go to its pool directly: the generated API classes take 22 MiB and 0.35 s to import, and make a model of each
object, while this program reads a few fields of each.

Credentials change. The client reads the token of a service account again each minute, and runs an exec plugin again
when its token has expired, but it reads a token, a `tokenFile` and the certificates of a kubeconfig only once. Hence
a response 401 drops the client, and the next request loads the whole configuration again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from functools import partial
from http.client import HTTPException
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import msgspec
import urllib3
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from urllib3.connection import HTTPConnection
from urllib3.response import BaseHTTPResponse

from cniplugin.netspec.names import trim

from .apierrors import ClusterError, error_of_status
from .credentials import BROKEN_KUBECONFIG, SERVICE_ACCOUNT, explain_kubeconfig, load_configuration
from .resources import ObjectPath, Resource
from .responses import parse_status

CONNECT_S = 10.0
JSON, MERGE_PATCH, JSON_PATCH = "application/json", "application/merge-patch+json", "application/json-patch+json"
DEAD_PEER_MS = 30_000
"""How long sent bytes may stay without an acknowledgement. The keepalive probes below give up in 15 + 3 * 5 = 30 s."""

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
        if hasattr(socket, name)  # macOS lacks some of them
    ),
)

USER_AGENT = "nadmit"
"""The API server also takes it as the field manager of each write that names none."""

_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH"}


BLOCK = 65_536

BROKEN_CONNECTION = (urllib3.exceptions.HTTPError, HTTPException, OSError)
"""The errors of sending and reading when there is no response, or only a part of one."""


def explain(error: BaseException) -> str:
    """Return the innermost cause in one line: urllib3 wraps it, and shows addresses of Python objects.

    NB: the client's own errors show whole entries of a kubeconfig, with keys and tokens. They are left out.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, HTTPException | ConnectionResetError | urllib3.exceptions.ProtocolError):
        return "the connection was cut"
    text = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
    text, brace, _ = text.partition("{")
    return " ".join(text.split()) + ("..." if brace else "") or type(error).__name__


class Stream:
    """A response 200 that is read as it arrives. `read` and `lines` raise ClusterError."""

    def __init__(self, response: BaseHTTPResponse, server: str) -> None:
        self._response = response
        self._server = server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep the connection for the next request if the response was read to its end, else close it."""
        self._response.close() if error else self._response.release_conn()

    def read(self) -> bytes:
        """Return the whole body."""
        try:
            return self._response.read()
        except BROKEN_CONNECTION as error:
            raise ClusterError(f"{self._server}: {explain(error)}") from error

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of an endless body. Half a line at its end is dropped."""
        parts: list[bytes] = []
        try:
            for block in self._response.stream(BLOCK):
                head, newline, tail = block.partition(b"\n")
                parts.append(head)
                if newline:
                    *lines, rest = tail.split(b"\n")
                    yield b"".join(parts)
                    yield from lines
                    parts = [rest]
        except BROKEN_CONNECTION as error:
            raise ClusterError(f"{self._server}: {explain(error)}") from error

    def cut(self) -> None:
        """End a read that blocks another thread. Raises nothing."""
        try:
            self._response.shutdown()
        except (OSError, ValueError, RuntimeError):
            return  # it has ended by itself


class Client:
    """The official client's configuration and pool. Safe for threads."""

    def __init__(self, configuration: Configuration) -> None:
        configuration.socket_options = list(SOCKET_OPTIONS)
        self.configuration = configuration
        self.pool = RESTClientObject(configuration).pool_manager

    def headers(self) -> dict[str, str]:
        """Return the headers of a request. The client reads the token again if it is time. Raises ClusterError.

        NB: a file's line break stays in the client's token, and http.client's error about it shows the token.
        """
        headers = {"User-Agent": USER_AGENT}
        try:
            settings: Mapping[str, Any] = self.configuration.auth_settings()
        except BROKEN_KUBECONFIG as error:
            text = f"{self.configuration.host}: the credentials cannot be read again: {explain_kubeconfig(error)}"
            raise ClusterError(text) from None
        for setting in settings.values():
            value = trim(setting["value"] or "")
            if not (value.isascii() and value.isprintable()):
                raise ClusterError(f"{self.configuration.host}: the token is not one line of ASCII; write it anew")
            headers[setting["key"]] = value
        return headers


class Connection:
    """The way to the API server. Safe for threads. Each request raises ClusterError, or StatusError for a refusal.

    No request is sent twice: the caller knows whether that is safe.
    """

    def __init__(
        self, kubeconfig: Path | None, *, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT
    ) -> None:
        self._load = partial(load_configuration, kubeconfig, environ=environ, service_account=service_account)
        self._lock = Lock()
        self._client: Client | None = None
        self.server = "the API server"

    def open(self) -> Client:
        """Load the configuration unless it is loaded. Raises ClusterError. Does not connect."""
        with self._lock:
            if self._client is None:
                self._client = self._make()
                self.server = self._client.configuration.host
            return self._client

    def close(self) -> None:
        """Close the idle connections. A stream closes its own."""
        with self._lock:
            if self._client is not None:
                self._client.pool.clear()

    def stream(self, resource: Resource, query: Mapping[str, str | int], *, verb: str, silence_s: float) -> Stream:
        """List or watch the objects of all namespaces. `silence_s` is the longest time without a byte."""
        path = ObjectPath(resource)
        response = self._request(
            "GET",
            url_of(path, query),
            headers={"Accept": resource.accept(verb)},
            timeout=urllib3.Timeout(connect=CONNECT_S, read=silence_s),
            is_stream=True,
        )
        if response.status == 200:
            return Stream(response, self.server)
        try:
            message = parse_status(response.data).message
            response.release_conn()
        except BROKEN_CONNECTION as error:
            raise ClusterError(f"{self.server}: {explain(error)}") from error
        raise error_of_status(response.status, message, verb=verb, path=path, server=self.server)

    def get(
        self, path: ObjectPath, *, timeout_s: float, verb: str = "get", query: Mapping[str, str] | None = None
    ) -> bytes:
        """Return an object, or with verb `list` a page. `timeout_s`: to connect and to be answered."""
        timeout = urllib3.Timeout(total=timeout_s)
        response = self._request("GET", url_of(path, query), headers={"Accept": JSON}, timeout=timeout)
        return self._content(response, verb=verb, path=path)

    def write(
        self,
        verb: str,
        path: ObjectPath,
        body: object,
        *,
        timeout_s: float,
        content_type: str = JSON,
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        """Create, update or patch an object, and return the stored object. To create it, name the collection.

        `content_type`: for a patch, which kind. `timeout_s`: to connect and to be answered.
        """
        response = self._request(
            _METHODS[verb],
            url_of(path, query),
            headers={"Accept": JSON, "Content-Type": content_type},
            timeout=urllib3.Timeout(total=timeout_s),
            body=msgspec.json.encode(body),
        )
        # A JSON patch whose `test` fails is answered 422, as if the patch were wrong.
        is_test_failed = response.status == 422 and content_type == JSON_PATCH
        return self._content(response, verb=verb, path=path, status=409 if is_test_failed else response.status)

    def _content(self, response: BaseHTTPResponse, *, verb: str, path: ObjectPath, status: int | None = None) -> bytes:
        """Return the content of a success. `status` replaces the response's own."""
        status = status or response.status
        if 200 <= status < 300:
            return response.data
        raise error_of_status(status, parse_status(response.data).message, verb=verb, path=path, server=self.server)

    def _request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        timeout: urllib3.Timeout,
        body: bytes | None = None,
        is_stream: bool = False,
    ) -> BaseHTTPResponse:
        client = self.open()
        server = client.configuration.host
        try:
            response = client.pool.request(
                method,
                f"{server}{path}",
                body=body,
                headers={**client.headers(), **headers},
                timeout=timeout,
                retries=False,  # we wait between tries, urllib3 does not
                redirect=False,  # the credentials are for this server only
                preload_content=not is_stream,
            )
        except BROKEN_CONNECTION as error:
            text = f"{server}: cannot be reached: {explain(error)}; check its address, and that it runs"
            raise ClusterError(text) from error
        if response.status == 401:
            self._drop(client)
        return response

    def _make(self) -> Client:
        configuration = self._load()
        try:
            return Client(configuration)
        except (*BROKEN_CONNECTION, ValueError, ImportError):
            fix = "write proxy-url as http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"
            raise ClusterError(f"{configuration.host}: the proxy cannot be used; {fix}") from None

    def _drop(self, client: Client) -> None:
        """Forget a client with old credentials. Another thread may have made a new one already."""
        client.pool.clear()
        with self._lock:
            if self._client is client:
                self._client = None


def url_of(path: ObjectPath, query: Mapping[str, str | int] | None = None) -> str:
    """Return the path and the query of a URL. NB: names in a review may contain any character."""
    resource = path.resource
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    where = f"/namespaces/{quote(path.namespace, safe='')}" if path.namespace else ""
    which = f"/{quote(path.name, safe='')}" if path.name else ""
    subresource = f"/{path.subresource}" if path.subresource else ""
    return f"{root}{where}/{resource.plural}{which}{subresource}{f'?{urlencode(query)}' if query else ''}"
