"""An API server for clusters of any size, in a process of its own: `python -m tests.bench.largecluster NETWORKS PODS`.

It is not the server of tests/fakes, because it stores no objects: an object follows from its number, a page is formatted
for each request, and the existing pods are a window that moves. Each change is sent to the watches at once.
It prints its port as one line of JSON, and ends with its standard input. Each line of the input is a command, and is
answered by one line:

    network         create a definition; the answer has its namespace, its name, and the time of its event (monotonic clock)
    churn WHAT N    from now on, N per second: `networks` change one definition each; `pods` replace one pod each,
                    which is six events: one new pod, four updates of its status, and the deletion of the oldest pod
    asked           the requests since the last such command, counted by verb and resource
    reset           empty the objects that nadmit fills in: Secret, Lease, ConfigMaps, webhook configurations
    registered      whether the webhook configurations are filled in
    compact WHAT    end the watches of `networks` or `pods` with 410, as if their history were compacted
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl, urlsplit

import uvloop

from tests.fakes.installed import install, is_registered
from tests.fakes.objectstore import Line, Object, ObjectStore, Place, RefusedError, locate

NAMESPACES = 2_000
STATUS_UPDATES = 4
GONE = b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old resource version"}}\n'
TICK_S = 0.01
BOOKMARK_S = 50.0

NETWORK = (
    '{"apiVersion":"k8s.cni.cncf.io/v1","kind":"NetworkAttachmentDefinition","metadata":{"name":"net-%(number)d",'
    '"namespace":"ns-%(space)d","uid":"3f0f0e2c-0000-4000-8000-%(number)012d","resourceVersion":"%(version)d",'
    '"generation":1,"creationTimestamp":"2026-11-23T10:00:00Z","labels":{"app.kubernetes.io/managed-by":"Helm"},'
    '"managedFields":[{"manager":"helm","operation":"Update","apiVersion":"k8s.cni.cncf.io/v1","time":'
    '"2026-11-23T10:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{".":{},'
    '"f:app.kubernetes.io/managed-by":{}}},"f:spec":{".":{},"f:config":{}}}}]},"spec":{"config":"{\\"cniVersion\\":'
    '\\"1.0.0\\",\\"name\\":\\"net-%(number)d\\",\\"plugins\\":[{\\"type\\":\\"bridge\\",\\"bridge\\":\\"br%(space)d\\"'
    ',\\"vlan\\":%(vlan)d,\\"capabilities\\":{\\"ips\\":true},\\"ipam\\":{\\"type\\":\\"host-local\\",\\"subnet\\":'
    '\\"10.1.%(octet)d.0/24\\"}},{\\"type\\":\\"tuning\\",\\"capabilities\\":{\\"mac\\":true}}]}"}}'
)
"""0.8 KB, like a stored definition of a chart."""

NAMESPACE = (
    '{"metadata":{"name":"ns-%(number)d","uid":"3f0f0e2c-0000-4000-8001-%(number)012d","resourceVersion":"%(version)d",'
    '"labels":{"kubernetes.io/metadata.name":"ns-%(number)d","tenant":"t%(octet)d"}},"spec":{"finalizers":'
    '["kubernetes"]},"status":{"phase":"Active"}}'
)

POD = (
    '{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"name":"app-%(number)d","generateName":'
    '"app-","namespace":"ns-%(space)d","uid":"3f0f0e2c-0000-4000-8002-%(number)012d","resourceVersion":"%(version)d",'
    '"creationTimestamp":"2026-11-23T10:00:00Z","labels":{"app":"app","pod-template-hash":"7b9fbb666b"},"annotations":'
    '{"k8s.v1.cni.cncf.io/networks":"net-%(space)d,net-%(second)d","k8s.v1.cni.cncf.io/network-status":"[{\\"name\\":'
    '\\"cbr0\\",\\"interface\\":\\"eth0\\",\\"ips\\":[\\"10.244.1.%(octet)d\\"],\\"default\\":true}]"},'
    '"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"app-7b9fbb666b","uid":'
    '"3f0f0e2c-0000-4000-8003-000000000000","controller":true,"blockOwnerDeletion":true}],"managedFields":[{"manager":'
    '"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-11-23T10:00:00Z","fieldsType":'
    '"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},"f:k8s.v1.cni.cncf.io/networks":{}},"f:labels":{}}}}]'
    "}}"
)
"""0.9 KB; metadata only, as `application/json;as=PartialObjectMetadata` asks for it."""


def namespace_of(number: int) -> int:
    """Return the number of the namespace of a network or pod; each namespace has as many."""
    return number % NAMESPACES


def render(template: str, number: int, version: int) -> str:
    """Return an object."""
    space = namespace_of(number)
    return template % {
        "number": number,
        "space": space,
        "second": space + NAMESPACES,
        "vlan": version % 4094,
        "octet": number % 250,
        "version": version,
    }


class Kind:
    """The objects of one path; their numbers are from `first` to below `end`."""

    def __init__(self, template: str, count: int) -> None:
        self.template = template
        self.first = 0
        self.end = count
        self.watches: set[Handler] = set()
        self.history: list[tuple[int, bytes]] = []

    def page(self, token: int, limit: int, version: int) -> bytes:
        """Return a page of a list; the token is the number of its first object."""
        begin = max(token, self.first)
        end = min(begin + limit, self.end)
        more = f',"continue":"{end}","remainingItemCount":{self.end - end}' if end < self.end else ""
        items = ",".join(render(self.template, number, version) for number in range(begin, end))
        return f'{{"metadata":{{"resourceVersion":"{version}"{more}}},"items":[{items}]}}'.encode()


class Cluster:
    """All objects and their changes."""

    def __init__(self, networks: int, pods: int) -> None:
        self.version = 1_000
        self.networks = Kind(NETWORK, networks)
        self.pods = Kind(POD, pods)
        self.kinds = {
            "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions": self.networks,
            "/api/v1/namespaces": Kind(NAMESPACE, NAMESPACES),
            "/api/v1/pods": self.pods,
            "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicies": Kind("", 0),
            "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicyconfigs": Kind("", 0),
        }
        self._churn: dict[str, Churn] = {}
        self.store = ObjectStore()
        install(self.store)
        self.store_watches: list[StoreWatch] = []
        self.sent: dict[str, int] = {}
        self.asked: Counter[str] = Counter()

    def send(self, kind: Kind, event: str, number: int) -> None:
        """Send one change to all watches."""
        self.version += 1
        line = f'{{"type":"{event}","object":{render(kind.template, number, self.version)}}}\n'.encode()
        kind.history.append((self.version, line))
        for watch in kind.watches:
            watch.send_line(line)

    def note(self, request: Request) -> None:
        """Count a request, by what it does to which resource."""
        place = locate(request.path)
        resource = request.path if place is None else place.collection.rpartition("/")[2]
        is_list = request.method == "GET" and (place is None or not place.name)
        verb = "watch" if "watch" in request.query else "list" if is_list else request.method.lower()
        self.asked[f"{verb} {resource}"] += 1

    def follow(self, watch: StoreWatch, version: int) -> None:
        """Send a watch the lines since a version, and all later ones."""
        self.store_watches.append(watch)
        for line in self.store.lines[watch.place.collection]:
            if line.version > version:
                watch.send(line)
        self.sent.setdefault(watch.place.collection, len(self.store.lines[watch.place.collection]))

    def send_stored(self) -> None:
        """Send the watches the lines that are new."""
        for collection, lines in self.store.lines.items():
            for line in lines[self.sent.get(collection, 0) :]:
                for watch in self.store_watches:
                    if watch.place.collection == collection:
                        watch.send(line)
            self.sent[collection] = len(lines)

    def forget(self, handler: Handler) -> bool:
        """Forget the watch of a connection; return whether it had one."""
        before = len(self.store_watches)
        self.store_watches = [watch for watch in self.store_watches if watch.handler is not handler]
        return len(self.store_watches) < before

    def bookmark(self) -> None:
        """Send a bookmark to each watch, as an API server does each minute."""
        for version, handlers in (
            *((self.version, tuple(kind.watches)) for kind in self.kinds.values()),
            (self.store.version, tuple(watch.handler for watch in self.store_watches)),
        ):
            line = json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}})
            for handler in handlers:
                handler.send_line(line.encode() + b"\n")
        asyncio.get_running_loop().call_later(BOOKMARK_S, self.bookmark)

    def command(self, words: list[str]) -> dict[str, object]:
        """Carry out one line of the input."""
        if words[0] == "reset":
            install(self.store)
            return {}
        if words[0] == "registered":
            return {"registered": is_registered(self.store)}
        if words[0] == "asked":
            asked, self.asked = self.asked, Counter()
            return dict(asked)
        if words[0] == "network":
            number = self.networks.end
            self.networks.end += 1
            self.send(self.networks, "ADDED", number)
            return {"namespace": f"ns-{namespace_of(number)}", "name": f"net-{number}", "at": time.monotonic()}
        if words[0] == "compact":
            self._compact({"networks": self.networks, "pods": self.pods}[words[1]])
            return {}
        change = {"networks": self._change_network, "pods": self._replace_pod}[words[1]]
        self._churn[words[1]] = Churn(float(words[2]), change, time.monotonic())
        return {}

    def _compact(self, kind: Kind) -> None:
        kind.history.clear()
        for watch in tuple(kind.watches):
            watch.send_line(GONE)
            watch.end(kind)

    def tick(self) -> None:
        """Make the changes that are due."""
        for churn in self._churn.values():
            churn.run(time.monotonic())
        asyncio.get_running_loop().call_later(TICK_S, self.tick)

    def _change_network(self) -> None:
        self.send(self.networks, "MODIFIED", self.version % self.networks.end)

    def _replace_pod(self) -> None:
        self.send(self.pods, "ADDED", self.pods.end)
        for _ in range(STATUS_UPDATES):
            self.send(self.pods, "MODIFIED", self.pods.end)
        self.pods.end += 1
        self.send(self.pods, "DELETED", self.pods.first)
        self.pods.first += 1


class StoreWatch(NamedTuple):
    """A watch of a collection of the store, or of one object of it."""

    handler: Handler
    place: Place
    name: str

    def send(self, line: Line) -> None:
        """Send a line, if it is about an object of the watch."""
        if line.key is None or not self.name or line.key == (self.place.namespace, self.name):
            self.handler.send_line(line.data + b"\n")


class Churn:
    """Changes at a rate per second."""

    def __init__(self, rate: float, change: Callable[[], None], now: float) -> None:
        self._rate = rate
        self._change = change
        self._began = now
        self._made = 0

    def run(self, now: float) -> None:
        """Make the changes that are due."""
        while self._made < (now - self._began) * self._rate:
            self._change()
            self._made += 1


class Request(NamedTuple):
    """A request, its body decoded."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str = ""
    body: Any = None


_REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)\r\n")
_TYPE = re.compile(rb"(?i)\r\ncontent-type: *([^\r]+)\r\n")


class Handler(asyncio.Protocol):
    """One kept-alive connection, one request after another."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.WriteTransport, transport)  # the class of uvloop's transport is another

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the watch."""
        self._transport = None
        self._cluster.forget(self)
        for kind in self._cluster.kinds.values():
            kind.watches.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._received += data
        while (request := self._take()) is not None:
            self._cluster.note(request)
            self._answer(request)

    def _take(self) -> Request | None:
        """Take the first request from what was received; None if it is not complete."""
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        head += b"\r\n"
        found, length, content = _REQUEST.match(head), _LENGTH.search(head), _TYPE.search(head)
        assert found is not None, head
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return None
        body, self._received = rest[:size], rest[size:]
        split = urlsplit(found[2].decode())
        return Request(
            found[1].decode(),
            split.path,
            dict(parse_qsl(split.query)),
            content[1].decode() if content else "",
            json.loads(body) if body else None,
        )

    def _answer(self, request: Request) -> None:
        kind = self._cluster.kinds.get(request.path)
        if kind is None:
            self._answer_from_store(request)
        elif "watch" in request.query:
            self._watch(kind, request.query)
        else:
            token, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", kind.end))
            self._send_body("200 OK", kind.page(token, limit, self._cluster.version))

    def _answer_from_store(self, request: Request) -> None:
        """Answer a request about an object that nadmit keeps itself."""
        store, place = self._cluster.store, locate(request.path)
        try:
            if place is None or (not place.name and request.method == "GET" and place.collection not in store.objects):
                self._send_body("404 Not Found", b'{"kind":"Status","code":404,"message":"not found"}')
            elif "watch" in request.query:
                self._begin_watch()
                self._cluster.follow(StoreWatch(self, place, _name_of(request)), int(request.query["resourceVersion"]))
                asyncio.get_running_loop().call_later(float(request.query["timeoutSeconds"]), self.end)
            else:
                with store.changed:
                    answer = _carry_out(store, place, request)
                self._send_body("200 OK", json.dumps(answer).encode())
                self._cluster.send_stored()
        except RefusedError as error:
            body = {"kind": "Status", "code": error.status, "message": error.message, "reason": error.reason}
            self._send_body(f"{error.status} Refused", json.dumps(body).encode())

    def _send_body(self, status: str, body: bytes) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._write(head.encode() + body)

    def _watch(self, kind: Kind, query: dict[str, str]) -> None:
        self._begin_watch()
        position = int(query["resourceVersion"])
        for version, line in kind.history:
            if version > position:
                self.send_line(line)
        kind.watches.add(self)
        asyncio.get_running_loop().call_later(float(query["timeoutSeconds"]), self.end, kind)

    def _begin_watch(self) -> None:
        self._write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")

    def send_line(self, line: bytes) -> None:
        """Send one line of a watch."""
        self._write(b"%x\r\n%b\r\n" % (len(line), line))

    def end(self, kind: Kind | None = None) -> None:
        """End a watch as the server does when its time is over; None for that of an object in the store."""
        is_open = self._cluster.forget(self) if kind is None else self in kind.watches
        if kind is not None:
            kind.watches.discard(self)
        if is_open:
            self._write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _name_of(request: Request) -> str:
    """Return the name that a field selector is for, "" for all objects."""
    return request.query.get("fieldSelector", "").partition("metadata.name=")[2]


def _carry_out(store: ObjectStore, place: Place, request: Request) -> Object:
    """Return the answer to a request that is no watch. Raises RefusedError."""
    if request.method == "POST":
        return store.create(place, request.body)
    if request.method == "PUT":
        return store.replace(place, request.body)
    if request.method == "PATCH":
        return store.patch(place, request.body, request.content_type)
    if place.name:
        return store.find(place)
    name = _name_of(request)
    found = store.objects[place.collection].items()
    items = [value for (namespace, own), value in found if place.namespace in {"", namespace} and name in {"", own}]
    return {"metadata": {"resourceVersion": str(store.version)}, "items": items}


class Commands(asyncio.Protocol):
    """The standard input."""

    def __init__(self, cluster: Cluster, ended: asyncio.Event) -> None:
        self._cluster = cluster
        self._ended = ended
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Carry out each line, and answer it."""
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            print(json.dumps(self._cluster.command(line.decode().split())), flush=True)

    def connection_lost(self, _exc: Exception | None) -> None:
        """End when the process that started this one ends."""
        self._ended.set()


async def main() -> None:
    """Serve until the input ends."""
    networks, pods = map(int, sys.argv[1:3])
    cluster = Cluster(networks, pods)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    server = await loop.create_server(lambda: Handler(cluster), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.connect_read_pipe(lambda: Commands(cluster, ended), sys.stdin)
    cluster.tick()
    loop.call_later(BOOKMARK_S, cluster.bookmark)
    await ended.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
