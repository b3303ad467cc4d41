"""Listen, serve, drain: one process, one event loop, a TLS port for reviews and a plain port for probes.

Theory of operation. `Stop` has two steps, one for each signal (`signals`):

    serving   --first-->  draining: /readyz is 503 and every answer has `Connection: close`. The server still accepts
                          connections for `drain_s`, because endpoints lag behind readiness
    draining  --time-->   closing: the server accepts no connection, and closes idle ones with a 503 that asks to try
                          again; requests in flight have `shutdown_s`
    any       --second->  the end at once

A client with a kept-alive connection learns from its next answer that it has to go elsewhere. If it sends its next
request just when the drain ends, it learns so from the 503. So none of its requests is lost.
Run it on uvloop: `asyncio.Runner(loop_factory=uvloop.new_event_loop)`; the standard loop works as well.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

from uvicorn.config import Config

from .bodies import Bodies
from .http import CLOSE_HEADER
from .httpconnection import BoundedProtocol, Connections
from .readbuffer import BufferedConnection
from .shortcut import NamedProtocol, ReviewProtocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from .clients import ClientTrust
    from .http import Limits
    from .probes import ProbeApp
    from .shortcut import Begin
    from .tls import ServedPair

logger = logging.getLogger("nadmit.serving")

BACKLOG = 2048

RECEIVE_BUFFER_BYTES = 32 * 1024
"""In the kernel, for each connection of the review port; one read returns up to 48 KiB on Linux. With the kernel's own
choice a connection that sends much costs 575 KiB, and with this 115 KiB (measured with 200 of them). A body of 3 MiB
still arrives within a second when a round trip takes 10 ms."""

ACCEPT_PAUSE_S = 0.1
"""After an accept that failed because file descriptors or memory ran out."""

Address = tuple[str, int]


class ListenError(Exception):
    """A port cannot be opened: which, the reason, and what to do, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where to listen, or where the server listens. Port 0 asks for any free port."""

    webhook: Address
    probes: Address

    def __str__(self) -> str:
        return f"reviews on https://{_show_address(self.webhook)}, probes on http://{_show_address(self.probes)}"


class Stop:
    """A request to stop, in two steps. Make it anywhere, use it on the loop only."""

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.at_once = asyncio.Event()

    def request(self) -> None:
        """Ask for the next step: first to drain, then to end at once."""
        (self.at_once if self.draining.is_set() else self.draining).set()


async def serve(  # noqa: PLR0913 - a composition: one argument per part
    app: ASGIApp,
    probes: ProbeApp,
    *,
    tls: ServedPair,
    addresses: Addresses,
    limits: Limits,
    on_ready: Callable[[Addresses], None],
    stop: Stop,
    bodies: Bodies | None = None,
) -> int:
    """Serve until `stop`, and return the exit code: 0, or 1 when a request was cut off.

    `tls` must have a pair. `on_ready` gets the bound addresses. `bodies`: the counts of the review port, for metrics.
    Raises ListenError.
    """
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_unexpected)
    review_sock = bind(addresses.webhook, receive_buffer=RECEIVE_BUFFER_BYTES)
    try:
        probe_sock = bind(addresses.probes)
    except ListenError:
        review_sock.close()
        raise
    clients = tls.clients if tls.clients is not None and tls.clients.names else None
    reviews = Listener(app, limits, clients=clients, bodies=bodies or Bodies(limits, loop))
    probing = Listener(probes, limits)
    try:
        with tls.watched():
            reviews.open(review_sock, tls.context)
            probing.open(probe_sock, None)
            on_ready(Addresses(webhook=_address_of(review_sock), probes=_address_of(probe_sock)))
            await stop.draining.wait()
            drain = Drain(reviews, limits)
            probes.announce_drain()
            reviews.announce_drain()
            await _wait_for_any((stop.at_once,), limits.drain_s)
            await reviews.finish(stop, limits.shutdown_s)
    finally:
        is_clean = reviews.close()
        probing.close()
        await _end_tasks(reviews.tasks | probing.tasks)
    drain.end(is_clean=is_clean)
    return 0 if is_clean else 1


class Drain:
    """The beginning and the end of a drain, in the log."""

    def __init__(self, reviews: Listener, limits: Limits) -> None:
        self._reviews = reviews
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._answered = reviews.answered
        logger.info(
            "drain begins: /readyz is 503, connections are accepted for %g s more, then requests in flight have %g s; "
            "a second signal ends it",
            limits.drain_s,
            limits.shutdown_s,
        )

    def end(self, *, is_clean: bool) -> None:
        """Log how the drain has ended. `is_clean`: no request was cut off."""
        write = logger.info if is_clean else logger.warning
        write(
            "drain ended: %s after %.1f s, %d answered",
            "no request was cut off" if is_clean else "requests were cut off",
            self._loop.time() - self._began,
            self._reviews.answered - self._answered,
        )


class Listener:
    """One port and its connections."""

    def __init__(
        self, app: ASGIApp, limits: Limits, *, clients: ClientTrust | None = None, bodies: Bodies | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._clients = clients
        self._bodies = bodies
        self._connections = Connections()
        if bodies is not None:
            self._connections.refusals = bodies.refusals
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._tls: dict[str, Any] = {}
        self._begin: Begin | None = getattr(app, "begin", None)
        self._config = Config(
            app,
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=limits.keep_alive_s,  # type: ignore[arg-type] # only given to call_later
        )
        self._config.load()

    @property
    def tasks(self) -> frozenset[asyncio.Task[None]]:
        """The requests in flight, the handshakes, and the task that accepts connections."""
        accepting = () if self._accepting is None else (self._accepting,)
        return frozenset((*self._connections.tasks, *self._handshakes, *accepting))

    @property
    def answered(self) -> int:
        """How many requests were answered so far; uvicorn counts them."""
        return self._connections.total_requests

    def open(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        """Accept connections from a bound socket. NB: `create_server` does not bound the number of handshakes."""
        if context is not None:
            self._tls["ssl"] = context
            self._tls["ssl_handshake_timeout"] = self._limits.handshake_timeout_s
            self._tls["ssl_shutdown_timeout"] = self._limits.linger_s
        sock.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(sock))

    async def _accept(self, sock: socket.socket) -> NoReturn:
        """Take connections one by one until cancelled; each has its handshake in a task of its own."""
        is_short = False
        with sock:
            while True:
                try:
                    connection, _ = await self._loop.sock_accept(sock)
                except OSError as error:
                    if error.errno not in _SHORT_OF:
                        logger.debug("a connection was not accepted: %s", error)
                        continue
                    if not is_short:
                        logger.warning(
                            "a connection cannot be accepted: %s; raise the limit of open files", error.strerror
                        )
                    is_short = True
                    self._connections.make_room()
                    await asyncio.sleep(ACCEPT_PAUSE_S)
                else:
                    is_short = False
                    self._start_handshake(connection)

    def _start_handshake(self, connection: socket.socket) -> None:
        if len(self._handshakes) >= self._limits.max_handshakes:
            self._connections.refusals["handshakes"] += 1
            oldest = next(iter(self._handshakes))
            del self._handshakes[oldest]
            oldest.cancel()
        task = self._loop.create_task(self._take(connection))
        self._handshakes[task] = None
        task.add_done_callback(lambda done: self._handshakes.pop(done, None))

    async def _take(self, connection: socket.socket) -> None:
        """Make the handshake of a connection; then its protocol owns it."""
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._receiver, connection, **self._tls)
        except OSError as error:  # ssl.SSLError and timeouts are OSErrors
            logger.debug("no connection was made: %s", error)
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    def _receiver(self) -> asyncio.BaseProtocol:
        """Return what gets the events of a new connection."""
        connection = self._connect()
        return BufferedConnection(connection) if self._tls else connection

    def _connect(self) -> BoundedProtocol:
        """Return the protocol of a new connection: that of reviews for an application that reviews."""
        given = (self._config, self._connections, self._limits, self._loop)
        if self._begin is None or self._bodies is None:
            return BoundedProtocol(*given)
        if self._clients is not None:
            return NamedProtocol(*given, begin=self._begin, bodies=self._bodies, clients=self._clients)
        return ReviewProtocol(*given, begin=self._begin, bodies=self._bodies)

    def announce_drain(self) -> None:
        """Make every answer from now on close its connection. NB: requests in flight have this same list."""
        self._connections.default_headers.append(CLOSE_HEADER)

    async def finish(self, stop: Stop, timeout_s: float) -> None:
        """Accept no new connection, close the idle ones, and wait for the others."""
        self._stop_accepting()
        # One round of the loop reads the requests in socket buffers, whose connections are not idle.
        await asyncio.sleep(0)
        for connection in tuple(self._connections.connections):
            connection.shutdown()
        await _wait_for_any((stop.at_once, self._connections.none_left), timeout_s)

    def close(self) -> bool:
        """End the connections that are left; return False if one of them had a request."""
        self._stop_accepting()
        for task in tuple(self._handshakes):
            task.cancel()
        is_clean = not self._connections.tasks and (self._bodies is None or self._bodies.are_none)
        for connection in tuple(self._connections.connections):
            cast(BoundedProtocol, connection).abort()
        return is_clean

    def _stop_accepting(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()  # it closes the socket


_SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def bind(address: Address, *, receive_buffer: int | None = None) -> socket.socket:
    """Return a listening socket; a host name takes its first address, "" takes all. Raises ListenError.

    `receive_buffer`: bytes in the kernel for each of its connections; None for the kernel's own choice.
    """
    host, port = address
    host = host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104 - that is what "" asks for
    sock: socket.socket | None = None
    try:
        if not 0 <= port <= 65535:  # getaddrinfo takes it modulo 65536
            raise OverflowError  # noqa: TRY301 - one place explains every reason
        family, kind, protocol, _, target = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" serves IPv4 too
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)  # connections inherit it
        sock.bind(target)
        sock.listen(BACKLOG)  # here, because a conflict may appear only now
    except (OSError, OverflowError) as error:
        if sock is not None:
            sock.close()
        raise ListenError(f"cannot listen on {_show_address(address)}: {_explain(error)}") from error
    return sock


_ADVICE = {
    errno.EADDRINUSE: "address already in use; stop the other process or choose another port",
    errno.EACCES: "permission denied; choose a port of 1024 or above",
    errno.EADDRNOTAVAIL: "not an address of this machine; choose one of its own, 0.0.0.0 or ::",
}


def _explain(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "the host name is unknown; give an IP address"
    if isinstance(error, OverflowError):
        return "no such port; allowed: 0 to 65535"
    number = error.errno if isinstance(error, OSError) else None
    return _ADVICE.get(number or 0, str(error))


def _show_address(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _address_of(sock: socket.socket) -> Address:
    host, port = sock.getsockname()[:2]
    return host, port


async def _end_tasks(requests: frozenset[asyncio.Task[None]]) -> None:
    """Wait for requests whose connection was aborted: they see the disconnect when they read, and end by themselves.

    If they were cancelled at once, uvicorn would log a traceback for each.
    """
    if requests:
        await asyncio.wait(requests, timeout=1)
    for task in requests:
        task.cancel()
    await asyncio.gather(*requests, return_exceptions=True)
    await asyncio.sleep(0)  # the loop calls connection_lost of the aborted connections


async def _wait_for_any(events: tuple[asyncio.Event, ...], timeout_s: float) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _log_unexpected(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep errors of clients' connections out of the log; show everything else."""
    if isinstance(context.get("exception"), OSError):  # ssl.SSLError and timeouts are OSErrors too
        logger.debug("connection failed: %s", context.get("message"))
    else:
        loop.default_exception_handler(context)


__all__ = ["Addresses", "ListenError", "Stop", "bind", "serve"]
