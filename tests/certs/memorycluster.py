"""A cluster in memory: one Secret, webhook configurations, resourceVersions, conflicts, and requests that fail.

It checks what no client may do: leave a caBundle of one of our webhooks empty, or touch anything else by a patch.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping, Sequence
from typing import Any

from certs.store import Stored, StoreError
from tests.fakes.objectstore import RefusedError, apply_patch

Object = dict[str, Any]

VALIDATING, MUTATING = "ValidatingWebhookConfiguration/nadmit", "MutatingWebhookConfiguration/nadmit"
FOREIGN = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n# of another team\n"


class MemoryCluster:
    """A `SecretStore` is `secret`, a `ConfigurationStore` `configurations`."""

    def __init__(self) -> None:
        self.version = 0
        self.failing = 0
        """How many of the next requests fail."""
        self.conflicts = 0
        self.data: dict[str, bytes] = {}
        self.data_version: str | None = "0"
        self.objects: dict[str, Object] = {}
        self.secret = MemorySecret(self)

    def configurations(self, *names: str) -> MemoryConfigurations:
        return MemoryConfigurations(self, names)

    def put(self, name: str, *webhooks: Object) -> None:
        """Store a configuration as another client would."""
        self.version += 1
        self.objects[name] = {"metadata": {"resourceVersion": str(self.version)}, "webhooks": list(webhooks)}

    def bundles(self) -> list[bytes]:
        """Return the caBundles of our webhooks."""
        return [
            bundle_of(webhook)
            for value in self.objects.values()
            for webhook in value["webhooks"]
            if webhook["name"].endswith(".nadmit.io")
        ]

    def request(self) -> None:
        if self.failing:
            self.failing -= 1
            raise StoreError("the API server does not answer")

    def conflict(self, text: str) -> StoreError:
        self.conflicts += 1
        return StoreError(text, is_conflict=True)


def webhook(name: str, bundle: bytes = b"", path: str = "/validate") -> Object:
    config: Object = {"service": {"namespace": "nadmit-system", "name": "nadmit-webhook", "path": path}}
    if bundle:
        config["caBundle"] = base64.b64encode(bundle).decode()
    return {"name": name, "clientConfig": config}


def bundle_of(value: Mapping[str, Any]) -> bytes:
    return base64.b64decode(value["clientConfig"].get("caBundle", ""))


class MemorySecret:
    where = "Secret nadmit-system/tls"

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster

    def read(self) -> Stored:
        self._cluster.request()
        return Stored(dict(self._cluster.data), self._cluster.data_version)

    def write(self, data: Mapping[str, bytes], version: str | None) -> None:
        cluster = self._cluster
        cluster.request()
        if version != cluster.data_version:
            raise cluster.conflict("Secret")
        cluster.version += 1
        cluster.data = {**cluster.data, **data}
        cluster.data_version = str(cluster.version)


class MemoryConfigurations:
    def __init__(self, cluster: MemoryCluster, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._cluster = cluster

    def read(self, name: str) -> Object | None:
        self._cluster.request()
        return copy.deepcopy(self._cluster.objects.get(name))

    def patch(self, name: str, operations: Sequence[Mapping[str, Any]]) -> Object:
        cluster = self._cluster
        cluster.request()
        before = cluster.objects[name]
        try:
            after = apply_patch(before, [dict(operation) for operation in operations])
        except RefusedError as error:
            raise cluster.conflict(name) from error
        check_patch(before, after)
        cluster.version += 1
        after["metadata"]["resourceVersion"] = str(cluster.version)
        cluster.objects[name] = after
        return copy.deepcopy(after)


def check_patch(before: Object, after: Object) -> None:
    """Only the caBundle of our webhooks changes, the certificates of others stay, and it is not empty."""
    blank = copy.deepcopy(after)
    for old, new, blanked in zip(before["webhooks"], after["webhooks"], blank["webhooks"], strict=True):
        if not new["name"].endswith(".nadmit.io"):
            continue
        assert bundle_of(new)
        assert (FOREIGN.encode() in bundle_of(old)) <= (FOREIGN.encode() in bundle_of(new))
        blanked["clientConfig"] = old["clientConfig"]
        assert {**new["clientConfig"], "caBundle": ""} == {**old["clientConfig"], "caBundle": ""}
    assert blank == before
