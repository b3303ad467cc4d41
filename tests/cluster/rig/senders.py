"""Send pods to a real API server, or reviews to replicas as an API server does."""

from __future__ import annotations

import http.client
import json
import select
import ssl
import time
from pathlib import Path
from typing import Any

from tests.realapi.server import RealApiServer

from .stream import Fate, Outcome

NETWORKS = "k8s.v1.cni.cncf.io/networks"
RETRIES = 10
WEBHOOK_FAILED = "failed calling webhook"
_BROKEN = (OSError, http.client.HTTPException)


class PodSender:
    """Creates pods that name a network, by dry runs of the administrator."""

    def __init__(self, api: RealApiServer, *, namespace: str, networks: str) -> None:
        metadata = {"generateName": "app-", "annotations": {NETWORKS: networks}}
        spec = {"containers": [{"name": "c", "image": "example"}]}
        self._pod = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        self._path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
        self._api = api
        self._connection = api.connect()

    def send(self) -> Outcome:
        """Create one pod."""
        try:
            self._connection.request("POST", self._path, self._pod, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            value = json.loads(answer.read())
        except _BROKEN as error:
            self._connection.close()
            return Outcome(Fate.UNREACHED, str(error) or type(error).__name__)
        if answer.status == 201:
            return Outcome(Fate.CREATED)
        text = str(value.get("message", value))
        if WEBHOOK_FAILED in text:
            return Outcome(Fate.FAILED, text)
        return Outcome(Fate.REFUSED if "denied the request" in text else Fate.UNREACHED, text)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class ReviewSender:
    """Sends one review again and again, and treats its connection as an API server does.

    It does not reuse a connection that received data while it was idle (Go's readLoop). It never repeats a written POST
    when the connection ends (net/http, `shouldRetryRequest`). It repeats a request that gets 503 with Retry-After
    (client-go, `checkWait`), at most ten times.
    """

    def __init__(self, port: int, ca: Path, review: dict[str, Any], path: str = "/validate") -> None:
        context = ssl.create_default_context(cafile=str(ca))
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
        self._body = json.dumps(review)
        self._path = path

    def send(self) -> Outcome:
        """Send the review."""
        for _ in range(1 + RETRIES):
            try:
                status, retry_after, text = self._post()
            except _BROKEN as error:
                self._connection.close()
                return Outcome(Fate.FAILED, f"{type(error).__name__}: {error}")
            if status == 200:
                response = json.loads(text)["response"]
                is_allowed = response["allowed"]
                return Outcome(Fate.CREATED) if is_allowed else Outcome(Fate.REFUSED, response["status"]["message"])
            if retry_after is None:
                break
            time.sleep(int(retry_after))
        return Outcome(Fate.FAILED, f"{status}: {text}")

    def _post(self) -> tuple[int, str | None, str]:
        if self._has_news():
            self._connection.close()
        self._connection.request("POST", f"{self._path}?timeout=10s", self._body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        return answer.status, answer.getheader("Retry-After"), answer.read().decode()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _has_news(self) -> bool:
        """Say whether data or an end has come on the idle connection. NB: the tickets of TLS 1.3 came with the first answer."""
        sock = self._connection.sock
        return sock is not None and bool(select.select([sock], [], [], 0)[0])
