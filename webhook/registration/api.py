"""The requests that registration needs: get and patch of one named object, and a dry-run create that asks who answers.

They go to the official client's pool, as those of the caches do (`webhook.cluster.kube` says why).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import urllib3

from webhook.cluster.apierrors import ClusterError
from webhook.cluster.apiobjects import parse_status
from webhook.cluster.kube import CONNECT_S, Connection, explain

from .configurations import API_VERSION, KIND, RESOURCE, STAGE_ANNOTATION, STAGED, Webhook

SILENCE_S = 10.0
"""The longest time without a byte of an answer."""
JSON_PATCH = "application/json-patch+json"

Object = dict[str, Any]


class ConflictError(ClusterError):
    """The object is another one by now; read it again."""


class NotFoundError(ClusterError):
    """There is no such object; it may come later."""


class Answered(NamedTuple):
    """`value` is the object of an answer 2xx; `said` is the API server's own words else, in one line."""

    status: int
    value: Object
    said: str


class Api:
    """One webhook configuration of a cluster. Safe for threads; each request raises ClusterError."""

    def __init__(self, name: str, kubeconfig: Path | None, *, environ: Mapping[str, str] = os.environ) -> None:
        self.name = name
        self._path = f"/apis/{API_VERSION}/{RESOURCE}/{name}"
        self._kubeconfig = kubeconfig
        self._environ = environ
        self._lock = Lock()
        self._connection = self._connect()

    def open(self) -> None:
        """Load the configuration; raises ClusterError for one that cannot be used."""
        self._connection.open()

    def close(self) -> None:
        """Close idle connections."""
        self._connection.close()

    def get(self) -> Object:
        """Return the configuration. Raises NotFoundError, too."""
        return self._expect("get", self.ask("GET", self._path))

    def put_webhooks(self, seen: Object, hooks: list[Webhook]) -> Object:
        """Replace the webhooks of the object as it was seen. Raises ConflictError when it changed meanwhile."""
        return self._patch(seen, [{"op": "add", "path": "/webhooks", "value": hooks}])

    def put_stage(self, seen: Object, failure_policy: str) -> Object:
        """Set the stage: the annotation, and the failurePolicy of each staged webhook, in one step.

        Raises as `put_webhooks`.
        """
        annotations = {**(seen["metadata"].get("annotations") or {}), STAGE_ANNOTATION: failure_policy}
        steps: list[Object] = [{"op": "add", "path": "/metadata/annotations", "value": annotations}]
        steps += [
            {"op": "add", "path": f"/webhooks/{position}/failurePolicy", "value": failure_policy}
            for position, hook in enumerate(seen.get("webhooks") or ())
            if hook["name"] in STAGED
        ]
        return self._patch(seen, steps)

    def ask(self, method: str, path: str, body: object = None, *, kind: str = "application/json") -> Answered:
        """Send one request. Raises ClusterError when there is no answer, or the credentials are refused."""
        connection = self._connection
        client = connection.open()
        where = client.configuration.host
        headers = {**client.headers(), "Content-Type": kind}
        try:
            response = client.pool.request(
                method,
                where + path,
                body=None if body is None else json.dumps(body),
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_S, read=SILENCE_S),
                retries=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            said = f"{where}: cannot be reached: {explain(error)}; check its address, and that it runs"
            raise ClusterError(said) from error
        if response.status == 401:
            self._connect_anew(connection)
            raise ClusterError(f"{where}: the credentials are refused; renew the token or certificate of this account")
        if 200 <= response.status < 300:
            return Answered(response.status, _parse(response.data, where), "")
        return Answered(response.status, {}, " ".join(parse_status(response.data).message.split()))

    def _patch(self, seen: Object, steps: list[Object]) -> Object:
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": seen["metadata"]["resourceVersion"]}
        return self._expect("patch", self.ask("PATCH", self._path, [test, *steps], kind=JSON_PATCH))

    def _expect(self, verb: str, answered: Answered) -> Object:
        status, value, said = answered
        if 200 <= status < 300:
            return value
        what = f'{KIND} "{self.name}"'
        if status == 404:
            raise NotFoundError(f"{what}: there is none; apply the manifests, or create one without webhooks")
        if status in {409, 422}:
            raise ConflictError(f"{what}: {verb} failed with {status}: {said[:300]}")
        if status == 403:
            text = f"{what}: {verb} is forbidden: {said[:300]}; grant {verb} on {RESOURCE} of this name to this account"
            raise ClusterError(text)
        raise ClusterError(f"{what}: {verb} failed with {status}: {said[:300]}; see the log of the API server")

    def _connect(self) -> Connection:
        return Connection(self._kubeconfig, environ=self._environ)

    def _connect_anew(self, refused: Connection) -> None:
        """Load the credentials again with the next request, unless another thread did already."""
        refused.close()
        with self._lock:
            if self._connection is refused:
                self._connection = self._connect()


def _parse(data: bytes, where: str) -> Object:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ClusterError(f"{where}: answers with no JSON; is it an API server?") from error
    if not isinstance(value, dict):
        raise ClusterError(f"{where}: answers with no object; is it an API server?")
    return value
