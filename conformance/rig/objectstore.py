"""The objects of a cluster, as the API server stores them, without a socket.

Objects are stored by the path of their collection. Each change gets the next resourceVersion of one counter, as in
etcd, and its line for watches. Patches are merge patches (RFC 7396) and JSON patches of `test`, `add` and `replace`
(RFC 6902 §4).
"""

from __future__ import annotations

import copy
import json
import re
from collections import defaultdict
from collections.abc import Callable
from threading import Condition
from typing import Any, NamedTuple

NETWORKS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
NAMESPACES = "/api/v1/namespaces"
POLICIES = "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicies"
CONFIGS = "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicyconfigs"
PODS = "/api/v1/pods"
PATHS = (NETWORKS, NAMESPACES, POLICIES, CONFIGS, PODS)

JSON_PATCH = "application/json-patch+json"
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
PATIENCE_S = 20.0
"""The longest wait for an event; a test that passes waits far less."""

Object = dict[str, Any]


class RefusedError(Exception):
    """The API server refuses a request: HTTP status, message, and the reason if the status does not give it."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(status, message, reason)
        self.status = status
        self.message = message
        self.reason = reason


class Place(NamedTuple):
    """The place that a path names: the collection over all namespaces, then its parts."""

    collection: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    def missing(self) -> RefusedError:
        """`pods "web" not found`; the group follows the resource if there is one."""
        *_, group, _version, resource = ("", *self.collection.split("/"))
        suffix = f".{group}" if "/apis/" in self.collection else ""
        return RefusedError(404, f'{resource}{suffix} "{self.name}" not found')


_PATH = re.compile(r"(.*?/(?:api/[^/]+|apis/[^/]+/[^/]+))/(.+)")


def locate(path: str) -> Place | None:
    """Read the path of a collection, an object or a subresource; None if it is not the path of a resource."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    group, steps, namespace = found[1], found[2].split("/"), ""
    if steps[0] == "namespaces" and len(steps) > 2:
        namespace, steps = steps[1], steps[2:]
    resource, name, subresource = (*steps, "", "")[:3]
    return Place(f"{group}/{resource}", namespace, name, subresource)


def place_of(path: str) -> Place:
    """As `locate`, for a path that a test names."""
    place = locate(path)
    assert place is not None, path
    return place


class Line(NamedTuple):
    """A line of a watch. `version` is 0 if only the watches that are open get the line.

    `key`: namespace and name of the object; None for a line that every watch gets.
    """

    version: int
    data: bytes
    key: tuple[str, str] | None = None


class ObjectStore:
    """`changed` guards all fields and is notified of each change."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.version = 100
        self.compacted = 0
        self.objects: dict[str, dict[tuple[str, str], Object]] = {path: {} for path in PATHS}
        """The collections that are served, by path."""
        self.lines: defaultdict[str, list[Line]] = defaultdict(list)
        """The lines of the watches, by collection."""
        self._uids = 0

    def serve(self, *paths: str) -> None:
        """Serve empty collections; the list of a collection that is not served is 404."""
        with self.changed:
            for path in paths:
                self.objects[path] = {}

    def put(self, path: str, *objects: Object) -> Object:
        """Store objects as kubectl does: an object keeps its uid and its status. Return the last one.

        `path` names the collection, or the one object, which then needs neither name nor namespace in its metadata.
        """
        stored: Object = {}
        with self.changed:
            for value in objects:
                stored = self._put(place_of(path), value)
            self.changed.notify_all()
        return stored

    def get(self, path: str) -> Object:
        """Return a stored object."""
        place = place_of(path)
        with self.changed:
            return self.objects[place.collection][place.key]

    def names(self, path: str) -> list[tuple[str, str]]:
        """Return namespace and name of the objects of a collection."""
        with self.changed:
            return list(self.objects.get(path, ()))

    def modify(self, path: str, change: Callable[[Object], object]) -> None:
        """Change a stored object, as another client does."""
        place = place_of(path)
        with self.changed:
            value = copy.deepcopy(self.objects[place.collection][place.key])
            change(value)
            self.store(place, value)

    def delete(self, path: str, namespace: str = "", name: str = "") -> None:
        """Delete the object that a path names, or one of a collection."""
        place = place_of(path)
        key = place.key if place.name else (namespace, name)
        with self.changed:
            self._write(place.collection, "DELETED", self.objects[place.collection].pop(key))
            self.changed.notify_all()

    def store(self, place: Place, value: Object) -> Object:
        """Store an object with the next resourceVersion."""
        collection = self.objects.setdefault(place.collection, {})
        kind = "MODIFIED" if place.key in collection else "ADDED"
        stored = collection[place.key] = self._write(place.collection, kind, value)
        self.changed.notify_all()
        return stored

    def compact(self) -> None:
        """Forget the history, as etcd does after five minutes: a watch from an earlier version is 410."""
        with self.changed:
            self.compacted = self.version

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until requests have made a condition true."""
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S)

    def events(self) -> list[Object]:
        """Return the events that are stored, oldest first."""
        with self.changed:
            found = [
                value for path in self.objects if path.endswith("/events") for value in self.objects[path].values()
            ]
        return sorted(found, key=lambda event: int(event["metadata"]["resourceVersion"]))

    # Requests, with the lock held; each raises RefusedError

    def find(self, place: Place) -> Object:
        """Return the object of a request."""
        found = self.objects.get(place.collection, {}).get(place.key)
        if found is None:
            raise place.missing()
        return found

    def create(self, place: Place, value: Object) -> Object:
        """Create an object: it must be of the namespace of the request, and new."""
        metadata = value["metadata"]
        if metadata.get("namespace", place.namespace) != place.namespace:
            text = "the namespace of the provided object does not match the namespace sent on the request"
            raise RefusedError(400, text)
        where = place._replace(name=metadata["name"])
        if where.key in self.objects.get(where.collection, {}):
            resource = where.collection.rpartition("/")[2]
            raise RefusedError(409, f'{resource} "{where.name}" already exists', "AlreadyExists")
        return self.store(where, value)

    def replace(self, place: Place, value: Object) -> Object:
        """Replace an object of the same resourceVersion."""
        if value["metadata"].get("resourceVersion") != self.find(place)["metadata"]["resourceVersion"]:
            raise RefusedError(409, MODIFIED)
        return self.store(place, value)

    def patch(self, place: Place, body: Any, content_type: str) -> Object:
        """Patch an object. A merge patch may name the uid and the resourceVersion that it is for."""
        known = self.find(place)
        if content_type == JSON_PATCH:
            return self.store(place, apply_patch(known, body))
        before, asked = known["metadata"], body.get("metadata", {})
        if asked.get("resourceVersion", before["resourceVersion"]) != before["resourceVersion"]:
            raise RefusedError(409, MODIFIED)
        if asked.get("uid", before["uid"]) != before["uid"]:
            text = f'metadata.uid: Invalid value: "{asked["uid"]}": field is immutable'
            raise RefusedError(422, f'{known.get("kind")} "{place.name}" is invalid: {text}')
        return self.store(place, merge(known, body))

    def take_out(self, place: Place, options: Object) -> Object:
        """Delete an object that meets the preconditions of a DeleteOptions."""
        known = self.find(place)
        for field, value in options.get("preconditions", {}).items():
            if known["metadata"][field] != value:
                raise RefusedError(409, f"Precondition failed: {field} in precondition: {value}")
        self.delete(place.collection, *place.key)
        return {"kind": "Status", "status": "Success"}

    def _put(self, place: Place, value: Object) -> Object:
        metadata = dict(value.get("metadata", {}))
        if place.name:
            metadata |= {"name": place.name, **({"namespace": place.namespace} if place.namespace else {})}
        where = place._replace(namespace=metadata.get("namespace", ""), name=metadata["name"])
        known = self.objects.get(where.collection, {}).get(where.key)
        if known is None:
            self._uids += 1
        metadata.setdefault("uid", known["metadata"]["uid"] if known else f"uid-of-{self._uids}")
        kept = {"status": known["status"]} if known and "status" in known else {}
        made = {**kept, **value, "metadata": metadata}
        if where.collection == PODS and made.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
            # The field selector of the watch leaves it out from now on.
            self.objects[PODS].pop(where.key, None)
            return self._write(PODS, "DELETED", made)
        return self.store(where, made)

    def _write(self, collection: str, kind: str, value: Object) -> Object:
        self.version += 1
        stored = {**value, "metadata": {**value["metadata"], "resourceVersion": str(self.version)}}
        data = json.dumps({"type": kind, "object": stored}).encode()
        key = value["metadata"].get("namespace", ""), value["metadata"]["name"]
        self.lines[collection].append(Line(self.version, data, key))
        return stored


def merge(value: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7396 §2)."""
    if not isinstance(patch, dict):
        return patch
    made = dict(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None:
            made.pop(key, None)
        else:
            made[key] = merge(made.get(key), change)
    return made


def apply_patch(value: Object, operations: list[Object]) -> Object:
    """Apply a JSON patch; raises RefusedError if a `test` fails (RFC 6902 §5)."""
    made = copy.deepcopy(value)
    for operation in operations:
        *parents, last = operation["path"].split("/")[1:]
        place: Any = made
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place[parent]
        if operation["op"] == "test":
            if place.get(last) != operation["value"]:
                raise RefusedError(422, "the server rejected our request due to an error in our request")
        else:
            assert operation["op"] in {"add", "replace"}
            place[last] = operation["value"]
    return made
