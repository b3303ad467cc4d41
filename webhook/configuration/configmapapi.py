"""The requests about one ConfigMap: get it, keep the last good text in it, and say what happened to it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from webhook.kube.answers import Reply
from webhook.kube.apierrors import ClusterError
from webhook.kube.connection import JSON, MERGE_PATCH, Connection, Resource

from .events import About

CONFIG_MAPS = Resource("configmaps", "", "v1", "configmaps")
FIELD_MANAGER = "nadmit"
TIMEOUT_S = 5.0
"""Of one request, from its beginning to its whole answer."""


class ConfigMap(NamedTuple):
    """As it was read; `texts` are those of `data` and of `binaryData`, where kubectl puts what is not UTF-8."""

    about: About
    texts: Mapping[str, bytes]


class Api:
    """Asks the API server; each request raises ClusterError."""

    def __init__(self, connection: Connection, namespace: str, name: str) -> None:
        self.where = f"ConfigMap {namespace}/{name}"
        self._connection = connection
        self._namespace = namespace
        self._name = name

    def open(self) -> None:
        """Load the configuration of the client; does not connect."""
        self._connection.open()

    def get(self) -> ConfigMap | None:
        """Return the ConfigMap; None if there is none."""
        reply = self._send("GET", self._path)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise self._refusal("get", reply)
        return self._parse(reply.data)

    def put(self, found: ConfigMap, key: str, text: bytes | None) -> None:
        """Write a key of `data`, or take it away, if the object is still what was found; else do nothing."""
        about = found.about
        value = None if text is None else text.decode()
        patch = {"metadata": {"uid": about.uid, "resourceVersion": about.version}, "data": {key: value}}
        reply = self._send("PATCH", f"{self._path}?fieldManager={FIELD_MANAGER}", patch, content_type=MERGE_PATCH)
        if reply.status not in {200, 404, 409}:
            raise self._refusal("patch", reply)

    def create_event(self, event: Mapping[str, Any]) -> None:
        """Create an event, unless it is there."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self._namespace}/events?fieldManager={FIELD_MANAGER}"
        reply = self._send("POST", path, event)
        if reply.status not in {200, 201, 202, 409}:
            said = f"events.events.k8s.io: create in {self._namespace} failed with {reply.status}: {reply.said}"
            raise ClusterError(f"{said}; grant create on them in a Role" if reply.status == 403 else said)

    @property
    def _path(self) -> str:
        return CONFIG_MAPS.path_of(self._namespace, self._name)

    def _send(
        self, method: str, path: str, value: Mapping[str, Any] | None = None, *, content_type: str = JSON
    ) -> Reply:
        data = None if value is None else msgspec.json.encode(value)
        return self._connection.send(method, path, data, content_type=content_type, timeout_s=TIMEOUT_S)

    def _refusal(self, verb: str, reply: Reply) -> ClusterError:
        hint = _HINTS.get(reply.status, "see the log of the API server").format(verb=verb)
        return ClusterError(f"{self.where}: {verb} failed with {reply.status}: {reply.said}; {hint}")

    def _parse(self, data: bytes) -> ConfigMap:
        try:
            found = _object.decode(data)
            texts = {key: text.encode() for key, text in (found.data or {}).items()}
            texts |= {key: base64.b64decode(text) for key, text in (found.binary_data or {}).items()}
        except (msgspec.DecodeError, UnicodeError, RecursionError, binascii.Error) as error:
            raise ClusterError(f"{self.where}: not what an API server answers: {error}") from error
        metadata = found.metadata
        return ConfigMap(About(self._namespace, self._name, metadata.uid, metadata.resource_version), texts)


_HINTS: Mapping[int, str] = {
    401: "renew the token or the certificate of this account",
    403: "grant {verb} on configmaps of this name to this account in a Role",
}


class _Metadata(msgspec.Struct, rename="camel", gc=False):
    uid: str = ""
    resource_version: str = ""


class _Object(msgspec.Struct, rename="camel", gc=False):
    metadata: _Metadata
    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None


_object = msgspec.json.Decoder(_Object)
