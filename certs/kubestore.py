"""The stores of a cluster, through the official client: one Secret, and webhook configurations by name.

Verbs used: get, update (and create, if the Secret is missing) on the one Secret; get and patch on the configurations
that are named. Objects stay what the API server said, so nothing that this program does not know is lost.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from kubernetes.client import ApiClient, ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from .store import ConflictError, Stored, StoreError

TIMEOUT_S = (5.0, 10.0)
"""To connect, and to be answered."""

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
PLURALS = {
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
}
_SAID_MAX = 300

Object = dict[str, Any]


class Api:
    """Requests for JSON. `connect` makes a client; it is asked again when the credentials are refused."""

    def __init__(self, connect: Callable[[], ApiClient]) -> None:
        self._connect = connect
        self._client: ApiClient | None = None

    def ask(self, method: str, path: str, body: object = None, *, kind: str = JSON) -> tuple[int, Object]:
        """Return the status and the object of an answer. Raises StoreError if there is none."""
        try:
            client = self._client = self._client or self._connect()
            asked = client.param_serialize(
                method,
                path,
                header_params={"Accept": JSON, **({"Content-Type": kind} if body is not None else {})},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = client.call_api(*asked, _request_timeout=TIMEOUT_S)
            text = answer.read()  # type: ignore[no-untyped-call]  # the client's
        except (ConfigException, ValueError):
            # NB: the client's words for both show entries of the kubeconfig and tokens.
            said = "the credentials cannot be used; they need a token of one line of ASCII, and files that are there"
            raise StoreError(f"{method} {path}: {said}") from None
        except (ApiException, HTTPError, OSError) as error:
            reason = " ".join(str(getattr(error, "reason", None) or error).split())[:_SAID_MAX]
            raise StoreError(f"{method} {path}: the API server does not answer: {reason}") from error
        if answer.status == 401:
            self._client = None
        return answer.status, _parse(text)


def _parse(text: bytes) -> Object:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {"message": text.decode(errors="replace")}
    return value if isinstance(value, dict) else {}


def _error(what: str, verb: str, status: int, said: Object) -> StoreError:
    """Return the error of an answer that is no success."""
    reason = " ".join(str(said.get("message") or said.get("reason") or "no reason given").split())[:_SAID_MAX]
    text = f"{what}: {verb} failed with {status}: {reason}"
    advice = {401: "; renew the credentials", 403: f"; grant {verb} on it to this account"}.get(status, "")
    return StoreError(text + advice)


class KubeSecret:
    """A `SecretStore`: the Secret of this namespace and name."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self.where = f"Secret {namespace}/{name}"
        self._api = api
        self._metadata = {"namespace": namespace, "name": name}
        self._collection = f"/api/v1/namespaces/{quote(namespace)}/secrets"
        self._path = f"{self._collection}/{quote(name)}"
        self._read: Object = {}

    def read(self) -> Stored:
        """Return what is there; a Secret that does not exist has no version. Raises StoreError."""
        status, value = self._api.ask("GET", self._path)
        if status == 404:
            return Stored({}, None)
        if status != 200:
            raise _error(self.where, "get", status, value)
        self._read = value
        data = {key: base64.b64decode(text) for key, text in (value.get("data") or {}).items()}
        return Stored(data, value["metadata"]["resourceVersion"])

    def write(self, data: Mapping[str, bytes], version: str | None) -> None:
        """Replace that version, or create it. Raises ConflictError, StoreError."""
        encoded = {key: base64.b64encode(content).decode() for key, content in data.items()}
        if version is None:
            made = {"apiVersion": "v1", "kind": "Secret", "metadata": self._metadata, "data": encoded}
            verb, (status, value) = "create", self._api.ask("POST", self._collection, made)
        else:
            metadata = {**self._read["metadata"], "resourceVersion": version}
            changed = {**self._read, "metadata": metadata, "data": {**(self._read.get("data") or {}), **encoded}}
            verb, (status, value) = "update", self._api.ask("PUT", self._path, changed)
        if status == 409:
            raise ConflictError(f"{self.where}: another replica was faster")
        if status not in {200, 201}:
            raise _error(self.where, verb, status, value)


class KubeConfigurations:
    """A `ConfigurationStore`; a name is `<kind>/<name>`, of a kind in PLURALS."""

    def __init__(self, api: Api, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._api = api

    def read(self, name: str) -> Object | None:
        """Return the object, None if it does not exist. Raises StoreError."""
        status, value = self._api.ask("GET", _path_of(name))
        if status == 404:
            return None
        if status != 200:
            raise _error(name, "get", status, value)
        return value

    def patch(self, name: str, operations: Sequence[Mapping[str, Any]]) -> Object:
        """Apply a JSON patch and return the object. Raises ConflictError if a `test` failed, StoreError."""
        status, value = self._api.ask("PATCH", _path_of(name), list(operations), kind=JSON_PATCH)
        if status in {409, 422}:  # 422: a `test` failed
            raise ConflictError(f"{name}: somebody else was faster")
        if status != 200:
            raise _error(name, "patch", status, value)
        return value


def _path_of(name: str) -> str:
    kind, _, name = name.partition("/")
    return f"{REGISTRATION}/{PLURALS[kind]}/{quote(name)}"
