"""Policies and stored objects for tests of statuses, and a cluster in memory that carries out a plan."""

from __future__ import annotations

from typing import Any

from cniplugin.access.compile import Policies, read_policies
from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND
from webhook.policystatus.statusplan import Key, Plan, Stored, plan

NOW, LATER = "2026-11-23T19:00:00Z", "2026-11-23T20:00:00Z"
NAMESPACES = {"blue": {"tenant": "blue"}, "green": {"tenant": "green"}}
DENY: dict[str, Any] = {"name": "no", "action": "Deny"}
BROKEN: dict[str, Any] = {"name": "no", "action": "Deny", "networks": [{"names": ["A"]}, {"names": ["B"]}]}

Object = dict[str, Any]


def policy(name: str = "mine", *rules: Object, generation: int = 1, **spec: Any) -> Object:
    metadata = {"name": name, "generation": generation}
    return {"kind": POLICY_KIND, "metadata": metadata, "spec": {"attachments": list(rules or [DENY]), **spec}}


def config(*, generation: int = 1, **spec: Any) -> Object:
    return {"kind": CONFIG_KIND, "metadata": {"name": "cluster", "generation": generation}, "spec": spec}


class World:
    """The policies in use, and the stored objects."""

    def __init__(self, *objects: Object) -> None:
        self.in_force: Policies = Policies()
        self.stored: dict[Key, Stored] = {}
        self.namespaces = NAMESPACES
        self.put(*objects)
        self.load(*objects)

    def load(self, *objects: Object) -> None:
        self.in_force = read_policies(objects)

    def put(self, *objects: Object, **status: Any) -> None:
        for value in objects:
            metadata, kind = value["metadata"], value["kind"]
            key = (kind, metadata["name"])
            known = self.stored.get(key)
            self.stored[key] = Stored(
                kind=kind,
                name=metadata["name"],
                uid=f"uid-of-{metadata['name']}",
                version="7",
                generation=metadata["generation"],
                status=status or (known.status if known else {}),
                value=value,
            )

    attached_by = "multus"

    def plan(self, *late: Key, now: str = NOW) -> Plan:
        attached_by = self.attached_by
        return plan(self.in_force, self.namespaces, self.stored, late=frozenset(late), now=now, attached_by=attached_by)

    def write(self, *late: Key, now: str = NOW) -> Plan:
        """Make a plan, and store its statuses."""
        made = self.plan(*late, now=now)
        for write in made.writes:
            key = (write.stored.kind, write.stored.name)
            self.stored[key] = self.stored[key]._replace(status=write.status)
        return made


def reasons(made: Plan) -> list[str]:
    """Return the events of a plan: `name reason`."""
    return [f"{write.stored.name} {event.reason}" for write in made.writes for event in write.events]


def conditions(stored: Stored) -> dict[str, str]:
    return {one["type"]: f"{one['status']} {one['reason']}" for one in stored.status["conditions"]}
