"""The webhook as a FastAPI application, for an ASGI server of your own.

    export NADMIT_SERVE="--manifests examples/cluster"
    uvicorn --factory webhook.asgi:create_app --ssl-certfile tls.crt --ssl-keyfile tls.key --port 8443

`NADMIT_SERVE` has options of `nadmit serve`, without those about ports, certificates and registration. Answers, log and
metrics are the same; /healthz, /readyz and /metrics are on the same port. /configz is not: behind a proxy, every caller
would seem to come from the loopback interface. `nadmit serve` itself runs the two
applications without FastAPI, which costs a process 12 MiB and a fifth of a second, and has a server that drains and
bounds what is in flight.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click
from fastapi import FastAPI
from starlette.routing import Route

from webhook.commands.options import installed_version
from webhook.commands.serve import judging_settings
from webhook.compose import START_ERRORS, applications
from webhook.serving.probes import CONFIG_PATH, PROBE_PATHS

OPTIONS = "NADMIT_SERVE"


class OptionsError(ValueError):
    """The options cannot be used: which, and what to do, in one line."""


def create_app(options: Sequence[str] | None = None) -> FastAPI:
    """Return the application; `options` None for those of the environment variable OPTIONS.

    Its parts start and stop with the server (ASGI lifespan). Raises OptionsError.
    """
    try:
        words = shlex.split(os.environ.get(OPTIONS, "")) if options is None else options
        settings = judging_settings(words)
    except (click.UsageError, ValueError) as error:
        text = error.format_message() if isinstance(error, click.UsageError) else str(error)
        raise OptionsError(f"{OPTIONS}: {text}") from None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            with applications(settings) as (reviews, probes):
                app.router.routes[:] = [
                    *(Route(path, probes, methods=None) for path in PROBE_PATHS if path != CONFIG_PATH),
                    Route("/{path:path}", reviews, methods=None),
                ]
                yield
        except START_ERRORS as error:
            raise OptionsError(str(error)) from None

    return FastAPI(
        title="nadmit",
        version=installed_version(),
        lifespan=lifespan,
        openapi_url=None,  # the routes are those of the API server's protocol
        redirect_slashes=False,
    )
