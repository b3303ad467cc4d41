"""The API server over one kept-alive connection: GET an object, PATCH a pod's status, POST an event.

Theory of operation. The client repeats a request until an answer is final or the deadline has come. Every request can
be repeated: a GET reads, a merge PATCH sets the same values again, and an event carries a name that we chose. The pause
between tries doubles from `PAUSE_MIN_S` to `PAUSE_MAX_S`; `Retry-After` can make it longer. One try lasts at most
`TRY_S`, so that a connection that swallows all packets leaves time for another try.

Requests that do not depend on each other go out in one flight (HTTP/1.1 pipelining, RFC 9112 §9.3.2): `send` and `ask`
write them to the connection without waiting, and the server answers them in their order. So the caller can load modules
while the server works. A flight is only a first try: `get`, `patch_status` and `create_event` take its answer as that
of their first try, and everything above holds from there on. If the connection ends in the middle of a flight, or the
server announces that it closes it, each request without an answer is sent again by itself; after the former, no more
flights are tried, because a proxy may not be made for them. RFC 9112 advises against requests behind a PATCH or POST,
because most of these cannot be repeated; ours can.

The server reads no request while it cannot write an answer. So a flight has at most FLIGHT_MAX requests and
FLIGHT_BYTES_MAX bytes, which fit into the buffers of a socket even if nobody reads them; the others wait for the next.

All errors are CniErrors of one line with the address of the server, most of them code 11 (CNI 1.1 §5: try again later).
"""

from __future__ import annotations

from cniplugin.cnierrors import TRY_AGAIN_LATER, CniError, NotFoundError
from cniplugin.host.log import LOG
from cniplugin.netspec.errors import show
from cniplugin.netspec.rawjson import dumps, loads
from cniplugin.netspec.record import Record

from .kubeconfig import load_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, Self

    from .kubeconfig import ClusterConfig
    from .transport import Answer, Connection, Stream

TRY_S = 10.0
PAUSE_MIN_S = 0.05
PAUSE_MAX_S = 2.0
FLIGHT_MAX = 16
FLIGHT_BYTES_MAX = 32 * 1024
"""Linux buffers at least 64 KiB per socket (tcp_rmem); a token has about 1 KiB."""
EVENT_BYTES_MAX = 1024
"""Of an event's message (Kubernetes API, `validateEvent`)."""

MERGE_PATCH = "application/merge-patch+json"
_JSON = "application/json"
_TRY_AGAIN = frozenset({408, 409, 410, 425, 429, 500, 502, 503, 504})
_VERBS = {"GET": "get", "PATCH": "patch", "POST": "create"}


class Event(Record):
    """An event about a pod. `reason`: one CamelCase word; `at_ns`: wall clock since 1970; `host`: the node."""

    namespace: str
    pod: str
    uid: str
    reason: str
    message: str
    is_warning: bool
    at_ns: int
    host: str


class Request(Record):
    """A request. `body` is JSON of the media type `kind`, b"" without one."""

    method: str
    path: str
    body: bytes = b""
    kind: str = _JSON


def status_request(namespace: str, name: str, annotations: dict[str, str], *, uid: str) -> Request:
    """Return the PATCH of `pods/status` that sets annotations of the pod with this uid."""
    body = {"metadata": {"uid": uid, "annotations": annotations}}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
    return Request(method="PATCH", path=path, body=_encode(dumps(body)), kind=MERGE_PATCH)


def event_request(event: Event) -> Request:
    """Return the POST of an event.

    The name has the pod and the time, as in client-go, so that a repeated request does not create a second event.
    """
    from time import gmtime, strftime  # noqa: PLC0415 - an ADD without events does not need it

    time = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(event.at_ns // 1_000_000_000))
    about = {"namespace": event.namespace, "name": event.pod, "uid": event.uid}
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": event.namespace, "name": f"{event.pod[:220].rstrip('-.')}.{event.at_ns:x}"},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", **about},
        "reason": event.reason,
        "message": _encode(event.message)[:EVENT_BYTES_MAX].decode(errors="ignore"),
        "type": "Warning" if event.is_warning else "Normal",
        "source": {"component": "nadmit", "host": event.host},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
    return Request(method="POST", path=f"/api/v1/namespaces/{event.namespace}/events", body=_encode(dumps(body)))


class ReplacedError(NotFoundError):
    """The pod was deleted, and another pod has its name now."""


class RefusedError(CniError):
    """The server refused a request for good. `status` is the HTTP status."""

    def __init__(self, status: int, msg: str) -> None:
        super().__init__(TRY_AGAIN_LATER, msg)
        self.status = status


class Client:
    """A connection to an API server until `deadline`, in seconds of `clock`. Use it in a `with`, or close it."""

    def __init__(
        self, config: ClusterConfig, *, deadline: float, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self.memo: dict[tuple[str, ...], object] = {}
        """The objects that `objects` has read, so that one verb decides on one state."""
        self._config = config
        self._deadline = self._end = deadline
        self._clock = clock
        self._sleep = sleep
        self._token: str | None = None
        self._tls: Any = None
        self._connection: Connection | None = None
        self._waiting: dict[Request, None] = {}
        """The requests for the next flight, in order."""
        self._flight: dict[Request, float] = {}
        """The requests that are sent and have no answer yet, in order, each with the time of sending."""
        self._flight_bytes = 0
        self._arrived: dict[Request, Answer] = {}
        """The answers that no caller has taken yet."""
        self._may_fly = True
        """Whether no connection has ended in the middle of a flight."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, and forget the requests without an answer. A later request opens a new connection."""
        self._waiting.clear()
        self._flight.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def server(self) -> str:
        """The address of the API server as the kubeconfig writes it."""
        return self._config.server

    def left_s(self) -> float:
        """Return how many seconds all requests from now on may take together."""
        return max(self._deadline - self._clock(), 0.0)

    def limit(self, seconds: float) -> None:
        """Give all requests from now on at most `seconds` together, infinity for all the time until the deadline."""
        self._deadline = min(self._end, self._clock() + seconds)

    def open(self) -> None:
        """Connect and begin the TLS handshake, without waiting for its end. A failure is left to the first request."""
        try:
            if self._connection is None:
                self._connection = self._connect(self._expiry())
        except (OSError, CniError):
            self.close()

    def ask(self, *paths: str) -> None:
        """Send GETs for later calls of `get`; see `send`."""
        self.send(*(Request(method="GET", path=path) for path in paths))

    def send(self, *requests: Request) -> None:
        """Send requests in one flight without waiting for answers. Nothing is sent if there is no connection.

        A failure is left to the call that takes the answer: it sends the request again.
        """
        if not self._may_fly or self._connection is None or self._clock() >= self._deadline:
            return
        known = self._flight.keys() | self._arrived.keys()
        self._waiting.update((request, None) for request in requests if request not in known)
        try:
            self._fly(self._connection)
        except (OSError, CniError):
            self.close()

    def get(self, path: str, *, appears_within_s: float = 0.0) -> dict[str, Any]:
        """Return the object at an escaped path of the API, such as `/api/v1/namespaces/default`.

        Repeats a 404 for `appears_within_s` and then raises NotFoundError. Raises CniError 7 if the credentials cannot
        be read, 11 for all other failures.
        """
        return self._request(Request(method="GET", path=path), patience_s=appears_within_s)

    def patch_status(self, namespace: str, name: str, annotations: dict[str, str], *, uid: str) -> None:
        """Set annotations of the pod with this uid by one merge PATCH of `pods/status`.

        The body has the uid. A uid cannot be changed, so the API server refuses to patch a new pod of the same name.
        Raises ReplacedError in that case, NotFoundError if there is no such pod, CniError 11 for all other failures.
        """
        request = status_request(namespace, name, annotations, uid=uid)

        def check_conflict() -> None:
            if self.get(request.path.removesuffix("/status")).get("metadata", {}).get("uid") != uid:
                raise ReplacedError(TRY_AGAIN_LATER, f"pod {namespace}/{name} was created anew: its uid is not {uid}")

        try:
            self._request(request, on_conflict=check_conflict)
        except RefusedError as refused:
            if refused.status == 422:  # NB: another uid gives 409 or 422, by where the API server checks it
                check_conflict()
            raise

    def create_event(self, event: Event) -> None:
        """Create an event once; raises as `get` does."""
        self._request(event_request(event))

    def _request(
        self, request: Request, *, patience_s: float = 0.0, on_conflict: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """Repeat a request until its answer is final."""
        patience = min(self._clock() + patience_s, self._deadline)
        has_fresh_token = False
        pauses = 0
        failure = ""
        missing: Answer | None = None
        while True:
            if missing is not None and self._clock() >= patience:
                return self._read(request, missing)
            self._check_time(failure)
            pause_s = min(PAUSE_MIN_S * 2**pauses, PAUSE_MAX_S)
            is_reused = self._connection is not None
            started = self._flight.get(request, self._clock())
            try:
                answer = self._exchange(request)
            except OSError as error:
                self._may_fly = self._may_fly and len(self._flight) < 2
                self.close()
                failure, asked_s, missing = self._failure(error), 0.0, None
                self._log(request, failure, started)
                if is_reused:  # the server may close an idle connection
                    continue
            else:
                status = answer.status
                if status == 401 and not has_fresh_token:
                    has_fresh_token = True
                    self._token = None
                    continue
                if status == 409 and request.method == "POST":
                    return {}  # an earlier try created it
                if status not in _TRY_AGAIN and not (status == 404 and self._clock() + pause_s < patience):
                    return self._read(request, answer)
                if status == 409 and on_conflict is not None:
                    on_conflict()
                failure, asked_s = f"it answers {status}{answer.message()}", answer.retry_after_s
                missing = answer if status == 404 else None
            self._pause(max(asked_s, pause_s), failure)
            pauses += 1

    def _exchange(self, request: Request) -> Answer:
        """Return the answer to a request that was sent ahead, or send it now. Raises OSError."""
        if request not in self._flight and request not in self._arrived:
            self._send_now(request)
        while request in self._flight:
            self._receive(request)
        answer = self._arrived.pop(request, None)
        if answer is None:
            raise ConnectionResetError("the connection ended before the answer did")
        return answer

    def _send_now(self, request: Request) -> None:
        """Send a request, as the first of the next flight."""
        while self._flight:
            self._receive(request)
        if self._connection is None:
            self._connection = self._connect(self._expiry())
        self._waiting = {request: None, **self._waiting}
        self._fly(self._connection)

    def _fly(self, connection: Connection) -> None:
        """Send the waiting requests, as many as a flight may have."""
        if self._token is None:
            self._token = load_token(self._config)
        if not self._flight:
            self._flight_bytes = 0
        texts = []
        now = self._clock()
        for request in tuple(self._waiting):
            text = self._head(request) + request.body
            is_too_much = len(self._flight) >= FLIGHT_MAX or self._flight_bytes + len(text) > FLIGHT_BYTES_MAX
            if self._flight and is_too_much:
                break
            del self._waiting[request]
            self._flight[request] = now
            self._flight_bytes += len(text)
            texts.append(text)
        if texts:
            connection.expiry = self._expiry()
            connection.send(b"".join(texts))

    def _receive(self, needed: Request) -> None:
        """Receive the answer to the oldest request of the flight.

        An answer that is not HTTP fails its own request. For any other one the connection has ended.
        """
        assert self._connection is not None  # noqa: S101  # `close` ends the flight
        request = next(iter(self._flight))
        self._connection.expiry = self._expiry()
        try:
            answer = self._connection.receive()
        except CniError as error:
            if request == needed:
                raise
            raise ConnectionResetError(f"the answer to {request.path} cannot be read") from error
        self._arrived[request] = answer
        self._log(request, str(answer.status), self._flight.pop(request))
        if answer.is_last:
            self.close()

    def _expiry(self) -> float:
        """Return the end of a try that begins now."""
        return min(self._deadline, self._clock() + TRY_S)

    def _head(self, request: Request) -> bytes:
        config = self._config
        host = f"[{config.host}]" if ":" in config.host else config.host
        lines = [
            f"{request.method} {config.prefix}{request.path} HTTP/1.1",
            f"Host: {host}:{config.port}",
            "User-Agent: nadmit",
            f"Accept: {_JSON}",
        ]
        if self._token:
            lines.append(f"Authorization: Bearer {self._token}")
        if request.method != "GET":
            lines += [f"Content-Type: {request.kind}", f"Content-Length: {len(request.body)}"]
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def _connect(self, expiry: float) -> Connection:
        from .transport import Connection, TlsSocket, dial, tls_context  # noqa: PLC0415  # `_ssl` costs 2 ms

        config = self._config
        sock: Stream
        sock = plain = dial(config.host, config.port, timeout_s=max(expiry - self._clock(), 0.001))
        try:
            if config.is_tls:
                if self._tls is None:
                    self._tls = tls_context(config)
                sock = TlsSocket(self._tls, plain, config.server_name or config.host)
        except BaseException:
            plain.close()
            raise
        return Connection(sock, expiry=expiry, clock=self._clock, refuse=self._refuse)

    def _failure(self, error: OSError) -> str:
        """Return the reason in words. Raises CniError if the server's certificate cannot be trusted."""
        reason = getattr(error, "verify_message", "")  # of SSLCertVerificationError only
        if reason:
            raise CniError(
                TRY_AGAIN_LATER,
                f"API server {self._config.server}: its certificate cannot be trusted: {reason.rstrip('.')}; "
                "check the certificate authority of the kubeconfig and the clock of the node",
            ) from error
        if isinstance(error, TimeoutError):
            return "no answer in time"
        return str(error.strerror or error)

    def _read(self, request: Request, answer: Answer) -> dict[str, Any]:
        """Return the object of a final answer, or raise the error that its status means."""
        method, path = request.method, request.path
        if answer.status not in {200, 201}:
            self._raise(method, path, answer)
        try:
            value = loads(answer.body)
        except (ValueError, RecursionError):
            shown = show(answer.body[:60].decode(errors="replace"))
            self._refuse(f"the answer to {method} {path} is not JSON: {shown}")
        if not isinstance(value, dict):
            self._refuse(f"the answer to {method} {path} is {show(value)}, not an object")
        name = _name_of(value)
        if method == "GET" and name and name != path.rpartition("/")[2]:
            self._refuse(f"the answer to {method} {path} is the object {show(name)}")
        return value

    def _raise(self, method: str, path: str, answer: Answer) -> NoReturn:
        status = answer.status
        where = f"API server {self._config.server}: "
        if status == 404:
            raise NotFoundError(TRY_AGAIN_LATER, f"{where}{path} is not found{answer.message()}")
        if status == 401:
            what = f"it rejects our credentials (401){answer.message()}; renew the token of the kubeconfig"
        elif status == 403:
            resource, namespace, is_collection = _resource(path)
            verb = "list" if is_collection and method == "GET" else _VERBS[method]
            # NB: admission answers 403 too: a webhook, a quota, a namespace that is being deleted.
            what = (
                f"this account may not {verb} {resource}{namespace}{answer.message()}; "
                f'if RBAC forbids it, its role needs the verb "{verb}" on "{resource}"'
            )
        else:
            what = f"it refuses {method} {path} with {status}{answer.message()}"
        raise RefusedError(status, where + what)

    def _refuse(self, what: str) -> NoReturn:
        self.close()
        raise CniError(TRY_AGAIN_LATER, f"API server {self._config.server}: {what}")

    def _log(self, request: Request, outcome: str, started: float) -> None:
        ms = round((self._clock() - started) * 1000)
        LOG.debug(f"api {request.method} {request.path} ms={ms} status={outcome}")

    def _check_time(self, failure: str) -> None:
        if self._clock() >= self._deadline:
            self._refuse(f"the time is over: {failure or 'there was no time left for a request'}")

    def _pause(self, pause_s: float, failure: str) -> None:
        """Sleep, or raise at once if the deadline comes first."""
        if self._clock() + pause_s >= self._deadline:
            self._refuse(f"the time is over: {failure}")
        self._sleep(pause_s)


def _encode(text: str) -> bytes:
    """NB: a delegate can put half of a surrogate pair into its error or its result, and UTF-8 has none."""
    return text.encode(errors="replace")


def _name_of(value: dict[str, Any]) -> str:
    """Return the name of an object, "" for a list and other answers.

    A proxy that mixes up the answers of a flight must not give a pod the network of another one.
    """
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _resource(path: str) -> tuple[str, str, bool]:
    """Return the resource of a path as RBAC names it, ` in namespace "x"` or "", and whether it is a collection."""
    steps = path.partition("?")[0].strip("/").split("/")
    if steps[0] not in {"api", "apis"}:
        return path, "", False
    steps = steps[2:] if steps[0] == "api" else steps[3:]
    namespace = ""
    if steps[0] == "namespaces" and len(steps) > 2:
        namespace = f' in namespace "{steps[1]}"'
        steps = steps[2:]
    return "/".join((steps[0], *steps[2:])), namespace, len(steps) == 1
