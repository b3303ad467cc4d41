"""A server in its own process: `server_process.py PKI LIMITS_JSON`. Prints its ports, and exits as `serve` returns."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[3]))

from webhook.serving.app import WebhookApp
from webhook.serving.http import Limits
from webhook.serving.probes import create_probes
from webhook.serving.server import Addresses, Stop, serve
from webhook.serving.signals import stop_on_signals
from webhook.serving.tls import ServerTls


def on_ready(bound: Addresses) -> None:
    print(json.dumps([bound.webhook[1], bound.probes[1]]), flush=True)


async def main(pki: Path, limits: Limits) -> int:
    tls = ServerTls(pki / "tls.crt", pki / "tls.key", now=time.time)
    tls.load()
    app = WebhookApp(lambda _path, body: body, limits=limits, on_response=lambda *_event: None)
    probes = create_probes(is_ready=lambda: None, metrics=lambda: b"", configuration=dict)
    stop = Stop()
    anywhere = Addresses(webhook=("127.0.0.1", 0), probes=("127.0.0.1", 0))
    with stop_on_signals(stop):
        return await serve(app, probes, tls=tls, addresses=anywhere, limits=limits, on_ready=on_ready, stop=stop)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main(Path(sys.argv[1]), Limits(**json.loads(sys.argv[2])))))
