"""The objects that a diagnosis reads, as plain JSON, with their events. Parts that are missing count as absent.

`unread` has the kinds that could not be read, with the right that is missing, so that "there is none" is never said of
them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Json = Mapping[str, Any]

NONE: Json = MappingProxyType({})

_OBJECTS = (dict, Mapping)
"""NB: nearly all are dicts, and asking for a Mapping alone takes five times as long."""


def part(value: object, *path: str) -> Json:
    """Return the object at a path; an empty one if there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, _OBJECTS) else None
    return value if isinstance(value, _OBJECTS) else NONE


def items(value: object, *path: str) -> list[Json]:
    """Return the objects of the list at a path."""
    found = part(value, *path[:-1]).get(path[-1])
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def text(value: object, *path: str) -> str:
    """Return the text at a path, "" if there is none."""
    found = part(value, *path[:-1]).get(path[-1])
    return found if isinstance(found, str) else ""


def texts(value: object, *path: str) -> dict[str, str]:
    """Return the texts of the object at a path, such as labels."""
    return {key: one for key, one in part(value, *path).items() if isinstance(one, str)}


def controller_of(one: Json) -> Json | None:
    """Return the reference to the object that makes a pod, or a workload; None for one that nothing makes."""
    return next((owner for owner in items(one, "metadata", "ownerReferences") if owner.get("controller")), None)


class Note(NamedTuple):
    """An event. `uid`: of the object, "" if it is not named. `order`: later events have a larger one."""

    uid: str
    reason: str
    message: str
    about: str
    by: str
    times: int
    last: str
    order: tuple[str, int]


class ObjectSet:
    """Objects by kind, namespace and name. `unread`: kind -> the right that is missing, as a sentence."""

    def __init__(self, objects: Iterable[Json] = (), unread: Mapping[str, str] = MappingProxyType({})) -> None:
        self.unread = unread
        self._objects: dict[tuple[str, str, str], Json] = {}
        self._events: dict[tuple[str, str, str], list[Note]] = defaultdict(list)
        self._owned: dict[str, list[Json]] = defaultdict(list)
        for one in objects:
            self._add(one)

    def _add(self, one: Json) -> None:
        kind, namespace, name = text(one, "kind"), text(one, "metadata", "namespace"), text(one, "metadata", "name")
        if kind == "Event":
            self._add_event(one)
            return
        self._objects[kind, namespace, name] = one
        for owner in items(one, "metadata", "ownerReferences"):
            self._owned[text(owner, "uid")].append(one)

    def _add_event(self, one: Json) -> None:
        """Take an event of either API: `involvedObject` of v1, `regarding` of events.k8s.io."""
        about = part(one, "involvedObject") or part(one, "regarding")
        series = part(one, "series")
        last = next(
            filter(
                None,
                (
                    text(series, "lastObservedTime"),
                    text(one, "lastTimestamp"),
                    text(one, "deprecatedLastTimestamp"),
                    text(one, "eventTime"),
                    text(one, "metadata", "creationTimestamp"),
                ),
            ),
            "",
        )
        counts = (series.get("count"), one.get("count"), one.get("deprecatedCount"))
        count = next((number for number in counts if isinstance(number, int)), 1)
        key = (text(about, "kind"), text(about, "namespace"), text(about, "name"))
        by = text(one, "source", "component") or text(one, "reportingComponent") or text(one, "reportingController")
        host = text(one, "source", "host") or text(one, "reportingInstance")
        note = Note(
            uid=text(about, "uid"),
            reason=text(one, "reason"),
            message=text(one, "message") or text(one, "note"),
            about=f"{key[0].lower()}/{key[2]}",
            by=f"{by} on {host}" if by and host and by != host else by,
            times=count,
            last=last,
            order=(last[:19], len(self._events[key])),
        )
        self._events[key].append(note)

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """Return an object, None without one."""
        return self._objects.get((kind, namespace, name))

    def of_kind(self, kind: str, namespace: str | None = None) -> Iterator[Json]:
        """Yield the objects of a kind, in a namespace or in all."""
        for (own, where, _), one in self._objects.items():
            if own == kind and namespace in {None, where}:
                yield one

    def owned_by(self, owner: Json, kind: str) -> list[Json]:
        """Return the objects of a kind that another one controls."""
        uid = text(owner, "metadata", "uid")
        return [one for one in self._owned.get(uid, ()) if text(one, "kind") == kind] if uid else []

    def owner_of(self, one: Json) -> Json | None:
        """Return the controller of an object, None if it has none or is not known."""
        owner = controller_of(one)
        if owner is None:
            return None
        return self.get(text(owner, "kind"), text(one, "metadata", "namespace"), text(owner, "name"))

    def notes(self, one: Json) -> list[Note]:
        """Return the events about an object, the latest first. An earlier object of the same name has its own uid."""
        key = (text(one, "kind"), text(one, "metadata", "namespace"), text(one, "metadata", "name"))
        uid = text(one, "metadata", "uid")
        own = (note for note in self._events.get(key, ()) if not uid or note.uid in {"", uid})
        return sorted(own, key=lambda note: note.order, reverse=True)

    def names(self, kind: str, namespace: str) -> list[str]:
        """Return the names of a kind in a namespace."""
        return sorted(text(one, "metadata", "name") for one in self.of_kind(kind, namespace))
