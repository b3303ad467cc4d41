"""The connection to the API server: one GET that is read as it arrives, one GET of an object, one request that writes.

Why not the official client (`kubernetes` 37.0.2): importing any part of it takes 12 MiB and 0.4 s, and the package has
126 MB. It makes a model of each object, while this program reads a few fields of each. It reads a `tokenFile` once,
runs an `exec` without a time-out, writes keys into files, and its errors show whole entries of a kubeconfig. lightkube
1.0.1 takes 13 MiB more than urllib3. So urllib3 does the work (`transport`), and we read the kubeconfig (`kubeconfig`,
`execplugin`, `credentials`).

Credentials change. A token in a file is read again each minute, and an `exec` runs again when its credentials end. The
rest of a kubeconfig is read once. Hence a response 401 drops the client, and the next request loads everything again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from http.client import HTTPException
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote, urlencode

import msgspec
import urllib3
from urllib3 import HTTPHeaderDict
from urllib3.response import BaseHTTPResponse

from .apierrors import ClusterError, error_of_status
from .credentials import SERVICE_ACCOUNT, Access, load_access
from .resources import ObjectPath, Resource
from .responses import PAGE, decode, parse_status
from .transport import make_pool

CONNECT_S = 10.0
JSON, MERGE_PATCH, JSON_PATCH = "application/json", "application/merge-patch+json", "application/json-patch+json"

USER_AGENT = "nadmit"
"""The API server also takes it as the field manager of each write that names none."""

_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


BLOCK = 65_536

BROKEN_CONNECTION = (urllib3.exceptions.HTTPError, HTTPException, OSError)
"""The errors of sending and reading when there is no response, or only a part of one."""


def explain(error: BaseException) -> str:
    """Return the innermost cause in one line: urllib3 wraps it, and shows addresses of Python objects."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, HTTPException | ConnectionResetError | urllib3.exceptions.ProtocolError):
        return "the connection was cut"
    text = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


class Answer(NamedTuple):
    """The content and the headers of a success."""

    content: bytes
    headers: HTTPHeaderDict


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
    """The pool of connections to an API server, with the credentials of now. Safe for threads."""

    def __init__(self, access: Access) -> None:
        """Raises ClusterError for certificates or a proxy that cannot be used."""
        self.server = access.server
        self._access = access
        self._lock = Lock()
        self._pair = access.pair
        self._pool = make_pool(access, access.pair)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            self._pool.clear()

    def authorize(self) -> tuple[urllib3.PoolManager, dict[str, str]]:
        """Return the pool and the headers of a request. Raises ClusterError without credentials.

        NB: http.client's error about a line break in a token shows the token.
        """
        credential = self._access.credential()
        value = credential.authorization
        if not (value.isascii() and (value.isprintable() or not value)):
            raise ClusterError(f"{self.server}: the token is not one line of ASCII; write it anew")
        with self._lock:
            if credential.pair is not self._pair:
                self._pool = make_pool(self._access, credential.pair)
                self._pair = credential.pair
            pool = self._pool
        return pool, {"User-Agent": USER_AGENT, **({"Authorization": value} if value else {})}


class Connection:
    """The way to the API server. Safe for threads. Each request raises ClusterError, or StatusError for a refusal.

    No request is sent twice: the caller knows whether that is safe.
    """

    def __init__(
        self, kubeconfig: Path | None, *, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT
    ) -> None:
        self._load = partial(load_access, kubeconfig, environ=environ, service_account=service_account)
        self._lock = Lock()
        self._client: Client | None = None
        self.server = "the API server"

    def open(self) -> Client:
        """Load the kubeconfig or the service account unless it is loaded. Raises ClusterError. Does not connect."""
        with self._lock:
            if self._client is None:
                self._client = Client(self._load())
                self.server = self._client.server
            return self._client

    def close(self) -> None:
        """Close the idle connections. A stream closes its own."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    def stream(self, path: ObjectPath, query: Mapping[str, str | int], *, verb: str, silence_s: float) -> Stream:
        """List or watch a collection, or the one object of it that `path` names.

        `silence_s` is the longest time without a byte.
        """
        if path.name:
            query = {**query, "fieldSelector": f"metadata.name={path.name}"}
        response = self._request(
            "GET",
            url_of(path._replace(name=""), query),
            headers={"Accept": path.resource.accept(verb)},
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

    def list_all(
        self, path: ObjectPath, *, page_size: int, timeout_s: float, query: Mapping[str, str] | None = None
    ) -> Iterator[msgspec.Raw]:
        """Yield the objects of a collection, page by page, each as text. Raises GoneError if it takes too long.

        Decode one object at a time: decoded, a page can take ten times the memory of its text.

        `timeout_s`: for each page.
        """
        asked = {"limit": str(page_size), **(query or {})}
        while True:
            content = self.get(path, timeout_s=timeout_s, verb="list", query=asked)
            page = decode(PAGE, content, f"{path.title}: list")
            yield from page.items or ()
            if not page.metadata.token:
                return
            asked["continue"] = page.metadata.token

    def read_url(self, url: str, *, timeout_s: float) -> Answer:
        """Return the answer to a GET of a path that names no object, such as `/version`."""
        response = self._request("GET", url, headers={"Accept": JSON}, timeout=urllib3.Timeout(total=timeout_s))
        path = ObjectPath(Resource(url, "", "", url))
        return Answer(self._content(response, verb="get", path=path), response.headers)

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
        """Create, update, patch or delete an object, and return the answer: the stored object, or how it was deleted.

        To create an object, name the collection. The body of a deletion is a DeleteOptions.

        `content_type`: for a patch, which kind. `timeout_s`: to connect and to be answered.
        """
        return self.write_answered(
            verb, path, body, timeout_s=timeout_s, content_type=content_type, query=query
        ).content

    def write_answered(
        self,
        verb: str,
        path: ObjectPath,
        body: object,
        *,
        timeout_s: float,
        content_type: str = JSON,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Write as `write`, and return the headers as well: the API server has the webhooks' warnings there."""
        response = self._request(
            _METHODS[verb],
            url_of(path, query),
            headers={"Accept": JSON, "Content-Type": content_type},
            timeout=urllib3.Timeout(total=timeout_s),
            body=msgspec.json.encode(body),
        )
        # A JSON patch whose `test` fails is answered 422, as if the patch were wrong.
        is_test_failed = response.status == 422 and content_type == JSON_PATCH
        content = self._content(response, verb=verb, path=path, status=409 if is_test_failed else response.status)
        return Answer(content, response.headers)

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
        server = client.server
        pool, authorization = client.authorize()
        try:
            response = pool.request(
                method,
                f"{server}{path}",
                body=body,
                headers={**authorization, **headers},
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

    def _drop(self, client: Client) -> None:
        """Forget a client with old credentials. Another thread may have made a new one already."""
        client.close()
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
