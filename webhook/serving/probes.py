"""The probe application: /healthz, /readyz, /metrics and /configz, on a plain port of its own, never on the TLS port.

So kubelet and Prometheus need no certificate, and they reach a server that asks its callers for certificates. This port
does not identify its callers, and shows nothing that a tenant may not know: metrics have no names in them. /configz
shows what administrators have written, so only callers on the loopback interface get it, such as
`kubectl port-forward`.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

NOT_FROM_HERE = "/configz is answered on the loopback interface only; use kubectl port-forward"
CONFIG_PATH = "/configz"
PROBE_PATHS = ("/healthz", "/readyz", "/metrics", CONFIG_PATH)


class ProbeApp(Starlette):
    """Starlette, and the one thing that the server adds to readiness: whether it is shutting down."""

    draining_reason: str | None = None

    def announce_drain(self) -> None:
        """Make /readyz answer 503 from now on."""
        self.draining_reason = "shutting down"


def create_probes(
    *, is_ready: Callable[[], str | None], metrics: Callable[[], bytes], configuration: Callable[[], Mapping[str, Any]]
) -> ProbeApp:
    """Return the probe application.

    `is_ready` returns None when the server is ready, else the reason in one line. `metrics` returns the Prometheus text
    exposition. `configuration` returns the settings in force and their source, as JSON without secrets. They run on the
    event loop and must not block.
    """

    # NB: `async`, because Starlette runs other functions in a thread pool.
    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_request: Request) -> Response:
        reason = app.draining_reason or is_ready()
        return PlainTextResponse("ready") if reason is None else PlainTextResponse(reason, 503)

    async def show_metrics(_request: Request) -> Response:
        return Response(metrics(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def configz(request: Request) -> Response:
        if not _is_from_loopback(request):
            return PlainTextResponse(NOT_FROM_HERE, 403)
        return Response(json.dumps(configuration(), indent=2, ensure_ascii=False) + "\n", media_type="application/json")

    endpoints: tuple[Callable[[Request], Awaitable[Response]], ...] = (healthz, readyz, show_metrics, configz)
    app = ProbeApp(
        routes=[Route(path, endpoint) for path, endpoint in zip(PROBE_PATHS, endpoints, strict=True)],
        exception_handlers={HTTPException: _answer_http_exception},
    )
    app.router.redirect_slashes = False
    return app


def _is_from_loopback(request: Request) -> bool:
    try:
        address = ip_address(request.client.host) if request.client is not None else None
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and (mapped or address).is_loopback


async def _answer_http_exception(request: Request, error: Exception) -> PlainTextResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    shown = f"{request.method} {request.scope['path'][:80]!r}"
    return PlainTextResponse(f"{shown}: not served here; allowed: GET {', GET '.join(PROBE_PATHS)}", status, headers)
