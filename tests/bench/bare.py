"""The bare counterpart: an ASGI app on the same server that only parses the JSON and answers."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from webhook.serving.http import Limits
from webhook.serving.probes import create_probes
from webhook.serving.server import Addresses, Stop, serve
from webhook.serving.signals import stop_on_signals
from webhook.serving.tls import ServerTls

decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


async def app(_scope: Any, receive: Any, send: Any) -> None:
    """Read the body, parse it, allow."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    review = decode(body)
    answer = encode(
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": review["request"]["uid"], "allowed": True},
        }
    )
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _announce(bound: Addresses) -> None:
    print(json.dumps({"event": "listening", "webhook": bound.webhook}))
    print(json.dumps({"event": "ready"}), flush=True)


def main() -> int:
    """Serve with the certificates of a directory; print the ports when ready."""
    certs = Path(sys.argv[1])
    tls = ServerTls(certs / "tls.crt", certs / "tls.key", now=time.time)
    tls.load()

    async def run() -> int:
        stop = Stop()
        with stop_on_signals(stop):
            return await serve(
                app,
                create_probes(is_ready=lambda: None, metrics=lambda: b"", configuration=dict),
                tls=tls,
                addresses=Addresses(webhook=("127.0.0.1", 0), probes=("127.0.0.1", 0)),
                limits=Limits(drain_s=0),
                on_ready=_announce,
                stop=stop,
            )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


if __name__ == "__main__":
    sys.exit(main())
