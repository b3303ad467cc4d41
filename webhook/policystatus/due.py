"""Which statuses are to be written: those that follow from what is in force and differ from what is stored.

An object is judged as it is in force. One that the API server has in another generation than this process is only
waited for, because a watch lags a moment; once the caller says that it is late, it is judged as it is stored, and its
status says that it is not loaded. The configuration has no generation in force: it is loaded if reading the stored
object makes what decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cniplugin.access.compile import Policies
from cniplugin.access.lints.policystatus import config_status, statuses
from cniplugin.access.model.decision import Config
from cniplugin.access.model.policyrules import CONFIG_KIND, CONFIG_NAME, POLICY_KIND, Policy
from cniplugin.access.reading.policies import read_policy
from cniplugin.access.reading.policyconfig import read_config

from .events import conditions_of, events_of
from .stored import Stored, Write

Key = tuple[str, str]
"""Kind and name."""

CONDITIONS_MAX = 8
"""Of the CRDs."""


class Plan(NamedTuple):
    """`waiting` are the objects that are not in force as they are stored, and not late yet."""

    writes: tuple[Write, ...]
    waiting: frozenset[Key]


def plan(
    in_force: Policies,
    namespaces: Mapping[str, Mapping[str, str]],
    stored: Mapping[Key, Stored],
    *,
    late: frozenset[Key],
    now: str,
) -> Plan:
    """Return what is to be written, by kind and name.

    `namespaces`: labels by name. `stored`: what the API server has. `late`: what was waited for long enough. `now`:
    RFC 3339. A status that is written and planned again is not planned.
    """
    policies = {key: found for key, found in stored.items() if key[0] == POLICY_KIND}
    loaded = {policy.name: policy.generation for policy in in_force.policies}
    waiting = {key for key, found in policies.items() if loaded.get(found.name) != found.generation} - late
    judged = _judged(in_force.policies, (found for key, found in policies.items() if key in late), loaded)
    previous = {found.name: found.status for found in policies.values()}
    wanted: dict[Key, Mapping[str, Any]] = {
        (POLICY_KIND, name): status
        for name, status in statuses(judged, namespaces, loaded=loaded, previous=previous, now=now).items()
    }
    config = stored.get((CONFIG_KIND, CONFIG_NAME))
    if config is not None:
        wanted |= _of_config(config, in_force, namespaces, is_late=_CONFIG in late, now=now)
        waiting |= {_CONFIG} - set(wanted)
    writes = _differing(stored, {key: status for key, status in wanted.items() if key not in waiting})
    return Plan(tuple(writes), frozenset(waiting))


_CONFIG: Key = (CONFIG_KIND, CONFIG_NAME)


def _judged(policies: Iterable[Policy], late: Iterable[Stored], loaded: Mapping[str, int]) -> list[Policy]:
    """Return the policies in force, and instead of them what is late; all count for what the others are told."""
    judged = {policy.name: policy for policy in policies}
    for stored in late:
        if loaded.get(stored.name) != stored.generation:
            judged[stored.name] = read_policy(stored.value)
    return [judged[name] for name in sorted(judged)]


def _of_config(
    stored: Stored,
    in_force: Policies,
    namespaces: Mapping[str, Mapping[str, str]],
    *,
    is_late: bool,
    now: str,
) -> dict[Key, Mapping[str, Any]]:
    config, problems = read_config(stored.value)
    is_loaded = (config, problems) == (in_force.config, in_force.config_problems)
    if not is_loaded and not is_late:
        return {}
    status = config_status(
        problems,
        generation=stored.generation,
        is_loaded=is_loaded,
        levels=(in_force.config or Config()).levels,
        namespaces=namespaces,
        previous=stored.status,
        now=now,
    )
    return {_CONFIG: status}


def _differing(stored: Mapping[Key, Stored], wanted: Mapping[Key, Mapping[str, Any]]) -> Iterator[Write]:
    for key, status in sorted(wanted.items()):
        found = stored.get(key)
        if found is None:  # deleted meanwhile
            continue
        whole = {**status, "conditions": _with_foreign(status["conditions"], found.status)}
        if any(found.status.get(field) != value for field, value in whole.items()):
            yield Write(found, whole, events_of(found, whole))


def _with_foreign(own: list[dict[str, Any]], previous: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return our conditions and those of others, which a merge patch of the list would remove."""
    ours = {condition["type"] for condition in own}
    foreign = [condition for kind, condition in conditions_of(previous).items() if kind not in ours]
    return [*own, *foreign][:CONDITIONS_MAX]
