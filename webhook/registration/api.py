"""The requests that registration needs: get and patch of one named object, and a dry-run create that asks who answers.

They go the way of the caches' (`webhook.kube.connection` says why).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from webhook.kube.apierrors import ClusterError
from webhook.kube.connection import JSON, Connection

from .configurations import API_VERSION, STAGE_ANNOTATION, Webhook
from .tables import STAGED, Kind

TIMEOUT_S = 10.0
"""Of one request, from its beginning to its whole answer."""
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
    """The webhook configurations of one name in a cluster. Safe for threads; each request raises ClusterError."""

    def __init__(self, name: str, kubeconfig: Path | None, *, environ: Mapping[str, str] = os.environ) -> None:
        self.name = name
        self._connection = Connection(kubeconfig, environ=environ)

    def open(self) -> None:
        """Load the configuration; raises ClusterError for one that cannot be used."""
        self._connection.open()

    def close(self) -> None:
        """Close idle connections."""
        self._connection.close()

    def get(self, kind: Kind) -> Object:
        """Return the configuration of a kind. Raises NotFoundError, too."""
        return self._expect(kind, "get", self.ask("GET", self._path_of(kind)))

    def put_webhooks(self, kind: Kind, seen: Object, hooks: list[Webhook]) -> Object:
        """Replace the webhooks of the object as it was seen. Raises ConflictError when it changed meanwhile."""
        return self._patch(kind, seen, [{"op": "add", "path": "/webhooks", "value": hooks}])

    def put_stage(self, kind: Kind, seen: Object, failure_policy: str) -> Object:
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
        return self._patch(kind, seen, steps)

    def ask(self, method: str, path: str, body: object = None, *, content_type: str = JSON) -> Answered:
        """Send one request. Raises ClusterError when there is no answer, or the credentials are refused."""
        data = None if body is None else json.dumps(body).encode()
        reply = self._connection.send(method, path, data, content_type=content_type, timeout_s=TIMEOUT_S)
        where = self._connection.where
        if reply.status == 401:
            raise ClusterError(f"{where}: the credentials are refused; renew the token or certificate of this account")
        if 200 <= reply.status < 300:
            return Answered(reply.status, _parse(reply.data, where), "")
        return Answered(reply.status, {}, reply.said)

    def _path_of(self, kind: Kind) -> str:
        return f"/apis/{API_VERSION}/{kind.resource}/{self.name}"

    def _patch(self, kind: Kind, seen: Object, steps: list[Object]) -> Object:
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": seen["metadata"]["resourceVersion"]}
        answered = self.ask("PATCH", self._path_of(kind), [test, *steps], content_type=JSON_PATCH)
        return self._expect(kind, "patch", answered)

    def _expect(self, kind: Kind, verb: str, answered: Answered) -> Object:
        status, value, said = answered
        if 200 <= status < 300:
            return value
        what = f'{kind.name} "{self.name}"'
        if status == 404:
            raise NotFoundError(f"{what}: there is none; apply the manifests, or create one without webhooks")
        if status in {409, 422}:
            raise ConflictError(f"{what}: {verb} failed with {status}: {said}")
        if status == 403:
            text = f"{what}: {verb} is forbidden: {said}; grant {verb} on {kind.resource} of this name to this account"
            raise ClusterError(text)
        raise ClusterError(f"{what}: {verb} failed with {status}: {said}; see the log of the API server")


def _parse(data: bytes, where: str) -> Object:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ClusterError(f"{where}: answers with no JSON; is it an API server?") from error
    if not isinstance(value, dict):
        raise ClusterError(f"{where}: answers with no object; is it an API server?")
    return value
