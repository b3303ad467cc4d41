"""How much one object may ask for: the section `limits` of a NadmitConfiguration, and the refusals that name it.

| setting | limits | counted |
| --- | --- | --- |
| `networksPerPod` | networks of a pod, both annotations together | items, before they are read |
| `valuesPerPod` | values in both annotations together | commas and opening brackets |
| `containersPerPod` | containers of a pod that gets devices from its networks | init containers too |
| `definitionBytes` | the text of `spec.config` | bytes, before it is read |
| `definitionItems` | `plugins`, `cniVersions`, each list of a plugin or its IPAM | items; commas in a text as well |
| `policyValues` | values in the spec of a policy, or of its configuration | values |

nadmit checks a limit before the work that it limits. Limits apply to new text: a text that an UPDATE does not change
passes, and pods can use a stored definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import trim
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS

SECTION = "limits"


class ReviewLimits(NamedTuple):
    """The limits; each is at least 1. The module's table says how they count."""

    networks_per_pod: int = 64
    values_per_pod: int = 4096
    containers_per_pod: int = 512
    definition_bytes: int = 65_536
    definition_items: int = 1024
    policy_values: int = 16_384


DEFAULTS = ReviewLimits()

RELAXED_NETWORKS, RELAXED_VALUES = 8, 2
"""Factors by which a pod that was stored before the limits may exceed them, if an UPDATE only removes something."""


def relax(limits: ReviewLimits) -> ReviewLimits:
    """Return the limits for a pod that exceeded them when it was stored."""
    return limits._replace(
        networks_per_pod=limits.networks_per_pod * RELAXED_NETWORKS,
        values_per_pod=limits.values_per_pod * RELAXED_VALUES,
    )


def _refuse(
    rule: str, setting: str, detail: str, most: int, *, source: str = "", path: str = "", do: str = "use fewer"
) -> SpecError:
    fix = f"{do}, or ask an admin to raise {SECTION}.{setting} in the NadmitConfiguration"
    return SpecError(rule=rule, source=source, path=path, detail=detail, fix=fix, allowed=f"at most {most}")


# Pods


def pod_problems(networks: str, default: str, limits: ReviewLimits) -> list[SpecError]:
    """Return the problem of network annotations that are too large to be parsed; [] for others."""
    values = _count_values(networks) + _count_values(default)
    # An annotation of n items has at least n - 1 commas, so few values cannot be many networks.
    if values + 2 <= limits.networks_per_pod:
        return []
    count = count_items(networks) + count_items(default)
    if count > limits.networks_per_pod:
        return [too_many_networks(count, limits, source=NETWORKS if networks else DEFAULT_NETWORK)]
    if values > limits.values_per_pod:
        detail = f"the network annotations hold {values} values, counted by commas and opening brackets"
        source = NETWORKS if _count_values(networks) >= _count_values(default) else DEFAULT_NETWORK
        return [_refuse("limit-values", "valuesPerPod", detail, limits.values_per_pod, source=source)]
    return []


def exceeds_limits(problems: Sequence[SpecError]) -> bool:
    """Say whether the network annotations of a pod were not read because they exceed a limit."""
    return any(problem.rule in ("limit-networks", "limit-values") for problem in problems)


def too_many_networks(count: int, limits: ReviewLimits, *, source: str) -> SpecError:
    """A pod asks for more networks than the limit."""
    detail = f"the pod asks for {count} networks"
    return _refuse("limit-networks", "networksPerPod", detail, limits.networks_per_pod, source=source)


def count_items(text: str) -> int:
    """Return how many networks a text of the comma form names; 0 for the JSON form, which is not parsed yet."""
    return 0 if is_json(text) or not trim(text) else text.count(",") + 1


def is_json(text: str) -> bool:
    """Say whether an annotation has the JSON form (NPWG v1.3 §4.1.2)."""
    return "[" in text or "{" in text or '"' in text


def _count_values(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def containers_problem(count: int, limits: ReviewLimits) -> SpecError | None:
    """Return the problem of a pod that has too many containers to get the devices of its networks."""
    most = limits.containers_per_pod
    if count <= most:
        return None
    detail = f"the pod has {count} containers, and its networks need resources"
    return _refuse("limit-containers", "containersPerPod", detail, most, source="spec.containers")


# Definitions


def config_size_problem(config: str, limits: ReviewLimits) -> SpecError | None:
    """Return the problem of a configuration whose text is too long to be parsed."""
    most = limits.definition_bytes
    if len(config) * 4 <= most:
        return None
    size = len(config) if config.isascii() else len(config.encode("utf-8", "surrogatepass"))
    if size <= most:
        return None
    detail = f"the configuration has {size} bytes"
    return _refuse("limit-definition-bytes", "definitionBytes", detail, most, do="shorten it")


def parameters_problem(size: int, limits: ReviewLimits) -> SpecError | None:
    """Return the problem of a claim whose parameters for drivers of networks are too long to be parsed."""
    most = limits.definition_bytes
    if size <= most:
        return None
    detail = f"the configurations for drivers of networks have {size} characters"
    return _refuse("limit-definition-bytes", "definitionBytes", detail, most, source="spec")


def config_items_problem(conf: Mapping[str, Any], limits: ReviewLimits) -> SpecError | None:
    """Return the problem of the first list that has too many items: of the configuration, a plugin or its IPAM."""
    plugins, most = conf.get("plugins"), limits.definition_items
    nested = [(f"plugins[{index}].", plugin) for index, plugin in enumerate(plugins or ()) if isinstance(plugin, dict)]
    for path, one in [("", conf), *nested]:
        for prefix, members in ((path, one), (f"{path}ipam.", one.get("ipam"))):
            for key, value in members.items() if isinstance(members, dict) else ():
                if (count := _count_items(value)) > most:
                    detail, place = f"the list has {count} items", f"{prefix}{key[:80]}"
                    return _refuse("limit-definition-items", "definitionItems", detail, most, path=place)
    return None


def _count_items(value: object) -> int:
    """Return how many items a value has; some plugins read a text with commas as a list."""
    if isinstance(value, str):
        return value.count(",") + 1
    return len(value) if isinstance(value, list) else 0


# Policies


def policy_problem(spec: object, limits: ReviewLimits) -> SpecError | None:
    """Return the problem of a policy whose spec has too many values to be read."""
    most = limits.policy_values
    if _count_members(spec, most) <= most:
        return None
    return _refuse("limit-policy-values", "policyValues", f"it holds more than {most} values", most, source="spec")


def _count_members(value: object, enough: int) -> int:
    """Return how many values are inside a value; stop counting soon after `enough`."""
    count = 0
    todo = [value]
    while todo and count <= enough:
        item = todo.pop()
        if isinstance(item, dict):
            count += len(item)
            todo.extend(item.values())
        elif isinstance(item, list):
            count += len(item)
            if count <= enough:
                todo.extend(one for one in item if isinstance(one, dict | list))
    return count
