"""Single objects, read and written with their resourceVersion: a Secret, webhook configurations, a ConfigMap, a Lease.

The Secret and the webhook configurations implement Protocols of `certs`, which knows no client.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from certs.store import Stored, StoreError

from .apierrors import ClusterError, ConflictError, NotFoundError
from .connection import JSON_PATCH, MERGE_PATCH, Connection
from .lease import LeaseObject
from .resources import CONFIG_MAPS, SECRETS, ObjectPath
from .responses import decode

Object = dict[str, Any]

CERTS_TIMEOUT_S = 10.0
CONFIG_MAP_TIMEOUT_S = 5.0
"""Of one request, from its beginning to its whole answer."""

CERTS_WRITER = {"fieldManager": "OpenAPI-Generator"}
"""The owner of these fields since the first version. Another name would leave two owners of each in the object."""


class ObjectMetadata(msgspec.Struct, rename="camel", gc=False):
    """The metadata of an object that is written back."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0


@contextmanager
def store_errors() -> Iterator[None]:
    """Raise errors of the client as those of the Protocols of `certs`."""
    try:
        yield
    except ClusterError as error:
        raise StoreError(str(error), is_conflict=isinstance(error, ConflictError)) from error


def get_object(connection: Connection, path: ObjectPath, *, timeout_s: float) -> Object:
    """Return an object whole. Raises ClusterError."""
    return decode(_OBJECT, connection.get(path, timeout_s=timeout_s), path.described)


def patch_object(
    connection: Connection,
    path: ObjectPath,
    steps: Sequence[Mapping[str, Any]],
    *,
    timeout_s: float,
    query: Mapping[str, str] | None = None,
) -> Object:
    """Apply a JSON patch and return the object whole. Raises ConflictError if a `test` of it fails, ClusterError."""
    content = connection.write("patch", path, steps, content_type=JSON_PATCH, query=query, timeout_s=timeout_s)
    return decode(_OBJECT, content, path.described)


class KubeSecret:
    """Implements `certs.store.SecretStore`. Fields of the Secret that this program does not know are kept."""

    def __init__(self, connection: Connection, namespace: str, name: str) -> None:
        self.where = f"Secret {namespace}/{name}"
        self.path = ObjectPath(SECRETS, namespace, name)
        self._connection = connection
        self._object: Object = {}

    def read(self) -> Stored:
        """Return the data; a Secret that does not exist has no version. Raises StoreError."""
        with store_errors():
            try:
                self._object = get_object(self._connection, self.path, timeout_s=CERTS_TIMEOUT_S)
            except NotFoundError:
                return Stored({}, None)
        data = {key: base64.b64decode(text) for key, text in (self._object.get("data") or {}).items()}
        return Stored(data, self._object["metadata"]["resourceVersion"])

    def write(self, data: Mapping[str, bytes], version: str | None) -> None:
        """Replace that version, or create the Secret. Raises StoreError."""
        encoded = {key: base64.b64encode(content).decode() for key, content in data.items()}
        if version is None:
            verb, path = "create", self.path._replace(name="")
            metadata = {"namespace": self.path.namespace, "name": self.path.name}
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}
        else:
            verb, path = "update", self.path
            metadata = {**self._object["metadata"], "resourceVersion": version}
            body = {**self._object, "metadata": metadata, "data": {**(self._object.get("data") or {}), **encoded}}
        with store_errors():
            self._connection.write(verb, path, body, query=CERTS_WRITER, timeout_s=CERTS_TIMEOUT_S)


class KubeConfigurations:
    """Implements `certs.store.ConfigurationStore`. `paths`: the webhook configurations, by how messages name them."""

    def __init__(self, connection: Connection, paths: Mapping[str, ObjectPath]) -> None:
        self.names = tuple(paths)
        self.paths = tuple(paths.values())
        self._connection = connection
        self._paths = paths

    def read(self, name: str) -> Object | None:
        """Return the object, None if it does not exist. Raises StoreError."""
        with store_errors():
            try:
                return get_object(self._connection, self._paths[name], timeout_s=CERTS_TIMEOUT_S)
            except NotFoundError:
                return None

    def patch(self, name: str, operations: Sequence[Mapping[str, Any]]) -> Object:
        """Apply a JSON patch and return the object. Raises StoreError."""
        with store_errors():
            return patch_object(
                self._connection, self._paths[name], operations, query=CERTS_WRITER, timeout_s=CERTS_TIMEOUT_S
            )


class ConfigMap(NamedTuple):
    """A ConfigMap as it was read. `texts` has `data` and `binaryData`, where kubectl puts texts that are not UTF-8."""

    uid: str
    version: str
    texts: Mapping[str, bytes]


class KubeConfigMap:
    """One ConfigMap. Each request raises ClusterError."""

    def __init__(self, connection: Connection, namespace: str, name: str) -> None:
        self.where = f"ConfigMap {namespace}/{name}"
        self.path = ObjectPath(CONFIG_MAPS, namespace, name)
        self._connection = connection

    def read(self) -> ConfigMap | None:
        """Return the ConfigMap; None if it does not exist."""
        try:
            content = self._connection.get(self.path, timeout_s=CONFIG_MAP_TIMEOUT_S)
        except NotFoundError:
            return None
        value = decode(_CONFIG_MAP, content, self.where)
        texts = {key: text.encode() for key, text in (value.data or {}).items()}
        try:
            texts |= {key: base64.b64decode(text) for key, text in (value.binary_data or {}).items()}
        except binascii.Error as error:
            raise ClusterError(f"{self.where}: not what an API server answers: {error}") from error
        return ConfigMap(value.metadata.uid, value.metadata.resource_version, texts)

    def write(self, seen: ConfigMap, key: str, text: bytes | None) -> None:
        """Write a key as `replace` does, but do nothing if the ConfigMap has changed or is gone."""
        try:
            self.replace(seen, key, text)
        except (ConflictError, NotFoundError):
            return

    def replace(self, seen: ConfigMap, key: str, text: bytes | None) -> None:
        """Write a key of `data`, or remove it for None. Raises ConflictError if the ConfigMap has changed."""
        patch = {
            "metadata": {"uid": seen.uid, "resourceVersion": seen.version},
            "data": {key: None if text is None else text.decode()},
        }
        self._connection.write("patch", self.path, patch, content_type=MERGE_PATCH, timeout_s=CONFIG_MAP_TIMEOUT_S)


class KubeLease:
    """Implements `lease.LeaseStore`. A merge patch keeps the labels of the Lease's manifest."""

    def __init__(self, connection: Connection, path: ObjectPath, *, timeout_s: float) -> None:
        self._connection = connection
        self._path = path
        self._timeout_s = timeout_s

    def read(self) -> LeaseObject | None:
        """Return the Lease, None if there is none."""
        try:
            return self._parse(self._connection.get(self._path, timeout_s=self._timeout_s))
        except NotFoundError:
            return None

    peek = read

    def create(self, spec: dict[str, Any]) -> LeaseObject:
        """Create the Lease. Raises ConflictError if it exists."""
        metadata = {"namespace": self._path.namespace, "name": self._path.name}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        path = self._path._replace(name="")
        return self._parse(self._connection.write("create", path, body, timeout_s=self._timeout_s))

    def replace(self, version: str, spec: dict[str, Any]) -> LeaseObject:
        """Change the Lease. Raises ConflictError if it has another version by now."""
        body = {"metadata": {"resourceVersion": version}, "spec": spec}
        return self._parse(
            self._connection.write("patch", self._path, body, content_type=MERGE_PATCH, timeout_s=self._timeout_s)
        )

    def _parse(self, content: bytes) -> LeaseObject:
        value = decode(_LEASE, content, self._path.described)
        return LeaseObject(value.metadata.resource_version, value.spec or {})


class _ConfigMap(msgspec.Struct, rename="camel", gc=False):
    metadata: ObjectMetadata
    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None


class _Lease(msgspec.Struct, gc=False):
    metadata: ObjectMetadata
    spec: dict[str, Any] | None = None


_OBJECT = msgspec.json.Decoder(dict[str, Any])
_CONFIG_MAP = msgspec.json.Decoder(_ConfigMap)
_LEASE = msgspec.json.Decoder(_Lease)
