"""An API server for clusters of any size, in a process of its own: `python -m tests.bench.largecluster NETWORKS PODS`.

It is not the server of tests/fakes, because it stores no objects: an object follows from its number, a page is formatted
for each request, and the existing pods are a window that moves. Each change is sent to the watches at once.
It prints its port as one line of JSON, and ends with its standard input. Each line of the input is a command, and is
answered by one line:

    network         create a definition; the answer has its namespace, its name, and the time of its event (monotonic clock)
    churn WHAT N    from now on, N per second: `networks` change one definition each; `pods` replace one pod each,
                    which is six events: one new pod, four updates of its status, and the deletion of the oldest pod
    compact WHAT    end the watches of `networks` or `pods` with 410, as if their history were compacted
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable
from typing import NamedTuple, cast
from urllib.parse import parse_qsl, urlsplit

import uvloop

NAMESPACES = 2_000
STATUS_UPDATES = 4
GONE = b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old resource version"}}\n'
TICK_S = 0.01

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

    def send(self, kind: Kind, event: str, number: int) -> None:
        """Send one change to all watches."""
        self.version += 1
        line = f'{{"type":"{event}","object":{render(kind.template, number, self.version)}}}\n'.encode()
        kind.history.append((self.version, line))
        for watch in kind.watches:
            watch.send_line(line)

    def command(self, words: list[str]) -> dict[str, object]:
        """Carry out one line of the input."""
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
    """A request without its headers."""

    path: str
    query: dict[str, str]


_REQUEST = re.compile(rb"GET (\S+) HTTP/1\.1\r\n")


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
        for kind in self._cluster.kinds.values():
            kind.watches.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer each head that is complete; a GET has no body."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            found = _REQUEST.match(head + b"\r\n")
            assert found is not None, head
            split = urlsplit(found.group(1).decode())
            self._answer(Request(split.path, dict(parse_qsl(split.query))))

    def _answer(self, request: Request) -> None:
        kind = self._cluster.kinds.get(request.path)
        if kind is None:
            self._send_body("404 Not Found", b'{"kind":"Status","code":404,"message":"not found"}')
        elif "watch" in request.query:
            self._watch(kind, request.query)
        else:
            token, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", kind.end))
            self._send_body("200 OK", kind.page(token, limit, self._cluster.version))

    def _send_body(self, status: str, body: bytes) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._write(head.encode() + body)

    def _watch(self, kind: Kind, query: dict[str, str]) -> None:
        self._write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        position = int(query["resourceVersion"])
        for version, line in kind.history:
            if version > position:
                self.send_line(line)
        kind.watches.add(self)
        asyncio.get_running_loop().call_later(float(query["timeoutSeconds"]), self.end, kind)

    def send_line(self, line: bytes) -> None:
        """Send one line of a watch."""
        self._write(b"%x\r\n%b\r\n" % (len(line), line))

    def end(self, kind: Kind) -> None:
        """End a watch as the server does when its time is over."""
        if self in kind.watches:
            kind.watches.discard(self)
            self._write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


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
    await ended.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
