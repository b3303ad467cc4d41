"""One plugin of a network in its place: what constraints and rules look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cniplugin.netspec.jsontext import join
from webhook.admission.plugins.decoding import Decoded
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.schema import Condition, Constraint, PluginSchema

_ZERO: tuple[object, ...] = (None, "", False, 0, [], {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A plugin, or the IPAM plugin inside one, as it stands in a network.

    `values`: what it reads, IPAM plugins their own object; `path`: of that object. `earlier`: the types before it in
    the list, and whether something is known of each. `cni_version`: the one that is spoken. `declared`: the
    capabilities that are true.
    """

    schema: PluginSchema
    values: Decoded
    path: str
    earlier: Mapping[str, bool]
    cni_version: str
    declared: frozenset[str]

    def where(self, dotted: str) -> str:
        """Return the path of one of its keys, such as `ipam.type`; of the object itself for ""."""
        path = self.path
        for name in dotted.split(".") if dotted else ():
            path = join(path, name)
        return path


def holds(condition: Condition, values: Decoded) -> bool:
    """Say whether a condition holds; nothing holds for what cannot be read."""
    try:
        found = values.find(condition.key)
    except KeyError:
        return False
    match condition.state:
        case "set":
            return found not in _ZERO
        case "unset":
            return found in _ZERO
        case "present":
            return found is not None
        case "absent":
            return found is None
        case _:
            is_one = any(found == value and type(found) is type(value) for value in condition.values)
            return found is not None and is_one != condition.negated


def constraint_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield each constraint whose conditions all hold."""
    for constraint in placed.schema.constraints:
        if all(holds(condition, placed.values) for condition in constraint.when):
            yield _finding(constraint, placed)


def _finding(constraint: Constraint, placed: Placed) -> PluginFinding:
    value = placed.values.find(constraint.at) if constraint.at else None
    return PluginFinding(
        code=constraint.code,
        path=placed.where(constraint.at),
        detail=constraint.detail,
        value=None if isinstance(value, dict | list) else value,
        fix=constraint.fix,
        refusal=constraint.refusal,
    )
