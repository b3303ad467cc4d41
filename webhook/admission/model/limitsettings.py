"""How much one object may ask for: the section `limits` of a NadmitConfiguration, and the refusals that name it.

| setting | limits | counted |
| --- | --- | --- |
| `networksPerPod` | networks of a pod, both annotations together | items, before they are read |
| `valuesPerPod` | values in both annotations together | commas and opening brackets |
| `containersPerPod` | containers of a pod that gets devices from its networks | init containers too |
| `definitionBytes` | the text of `spec.config` | bytes, before it is read |
| `definitionItems` | `plugins`, `cniVersions`, each list of a plugin or its IPAM | items; commas in a text as well |
| `policyValues` | values in the spec of a policy, or of its configuration | values |

A limit is checked before the work that it limits, and concerns what is new: a text that an UPDATE leaves as it was
passes, and a definition that is stored can be used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import trim
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS

SECTION = "limits"


class ReviewLimits(NamedTuple):
    """What is in force; each is at least 1. See the module for what they count."""

    networks_per_pod: int = 64
    values_per_pod: int = 4096
    containers_per_pod: int = 512
    definition_bytes: int = 65_536
    definition_items: int = 1024
    policy_values: int = 16_384


DEFAULTS = ReviewLimits()

RELAXED_NETWORKS, RELAXED_VALUES = 8, 2
"""How many times the limit a pod of before the limits may ask for, if an UPDATE only takes something away."""


def relax(limits: ReviewLimits) -> ReviewLimits:
    """Return the limits of a pod that was above them when it was stored."""
    return limits._replace(
        networks_per_pod=limits.networks_per_pod * RELAXED_NETWORKS,
        values_per_pod=limits.values_per_pod * RELAXED_VALUES,
    )


def _refuse(
    rule: str, setting: str, detail: str, most: int, *, source: str = "", path: str = "", do: str = "use fewer"
) -> SpecError:
    return SpecError(
        rule=rule,
        source=source,
        path=path,
        detail=detail,
        fix=f"{do}, or ask an admin to raise {SECTION}.{setting} in the NadmitConfiguration",
        allowed=f"at most {most}",
    )


# Pods


def pod_problems(networks: str, default: str, limits: ReviewLimits) -> list[SpecError]:
    """Return why the network annotations of a pod are too large to be read; [] if they are not."""
    values = _count_values(networks) + _count_values(default)
    # An annotation of n items has n - 1 commas or more, so few values cannot be many networks.
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
    """A pod asks for more networks than the setting allows."""
    detail = f"the pod asks for {count} networks"
    return _refuse("limit-networks", "networksPerPod", detail, limits.networks_per_pod, source=source)


def count_items(text: str) -> int:
    """Return how many networks a text of the comma form names; of the JSON form 0, whose items are yet to be read."""
    return 0 if is_json(text) or not trim(text) else text.count(",") + 1


def is_json(text: str) -> bool:
    """Say whether an annotation has the JSON form (NPWG v1.3 §4.1.2)."""
    return "[" in text or "{" in text or '"' in text


def _count_values(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def containers_problem(count: int, limits: ReviewLimits) -> SpecError | None:
    """Return that a pod has too many containers to be given the devices of its networks."""
    if count <= limits.containers_per_pod:
        return None
    detail = f"the pod has {count} containers, and its networks need resources"
    most = limits.containers_per_pod
    return _refuse("limit-containers", "containersPerPod", detail, most, source="spec.containers")


# Definitions


def config_size_problem(config: str, limits: ReviewLimits) -> SpecError | None:
    """Return that the text of a configuration is too long to be read."""
    most = limits.definition_bytes
    if len(config) * 4 <= most:
        return None
    size = len(config) if config.isascii() else len(config.encode("utf-8", "surrogatepass"))
    if size <= most:
        return None
    detail = f"the configuration has {size} bytes"
    return _refuse("limit-definition-bytes", "definitionBytes", detail, most, do="shorten it")


def parameters_problem(size: int, limits: ReviewLimits) -> SpecError | None:
    """Return that the parameters of a claim for drivers of networks are too long to be read, as a definition's text."""
    most = limits.definition_bytes
    if size <= most:
        return None
    detail = f"the configurations for drivers of networks have {size} characters"
    return _refuse("limit-definition-bytes", "definitionBytes", detail, most, source="spec")


def config_items_problem(conf: Mapping[str, Any], limits: ReviewLimits) -> SpecError | None:
    """Return the first list of a configuration, its plugins and their IPAM that has too many items."""
    plugins = conf.get("plugins")
    if isinstance(plugins, list) and len(plugins) > limits.definition_items:
        return _too_many_items("plugins", len(plugins), limits)
    nested = [(f"plugins[{index}].", plugin) for index, plugin in enumerate(plugins or ()) if isinstance(plugin, dict)]
    for path, one in [("", conf), *nested]:
        for prefix, members in ((path, one), (f"{path}ipam.", one.get("ipam"))):
            for key, value in members.items() if isinstance(members, dict) else ():
                count = _count_items(value)
                if count > limits.definition_items:
                    return _too_many_items(f"{prefix}{key[:80]}", count, limits)
    return None


def _count_items(value: object) -> int:
    """Return how many items a value has; some plugins read lists as text with commas."""
    if isinstance(value, str):
        return value.count(",") + 1
    return len(value) if isinstance(value, list) else 0


def _too_many_items(path: str, count: int, limits: ReviewLimits) -> SpecError:
    detail = f"the list has {count} items"
    return _refuse("limit-definition-items", "definitionItems", detail, limits.definition_items, path=path)


# Policies


def policy_problem(spec: object, limits: ReviewLimits) -> SpecError | None:
    """Return that the spec of a policy holds too many values to be read."""
    count = _count_members(spec, limits.policy_values)
    if count <= limits.policy_values:
        return None
    detail = f"it holds more than {limits.policy_values} values"
    return _refuse("limit-policy-values", "policyValues", detail, limits.policy_values, source="spec")


def _count_members(value: object, enough: int) -> int:
    """Return how many values there are below one; counting ends soon after `enough`."""
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
