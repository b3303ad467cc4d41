"""The settings of injection, and the annotations by which pods, networks and namespaces steer it.

An annotation that no program reads may resemble one that asks for networks; the pod would start without them.
`find_misspelt` finds such annotations. It compares only keys that contain `cncf` or `multus`, so all others are cheap.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from cniplugin.access.model.labels import is_key, is_value
from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import BY_CLAIM, RESOURCE_NAME, has_domain, source_of
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS_KEYS, NETWORKS
from webhook.admission.model.requests import Read
from webhook.admission.plugins.spelling import edit_distance, same_letters

INJECT = "nadmit.io/inject"
"""On a pod: "false" leaves the pod unchanged. On a definition: "false" excludes the network from injection."""
INJECT_INTO = "nadmit.io/inject-into"
"""On a pod: the name of the container that gets the resources."""
DEFAULT_NETWORKS = "nadmit.io/default-networks"
"""On a namespace: the networks annotation for its pods that have none."""
MIRROR = "kubernetes.io/config.mirror"
"""On a pod, set by the kubelet: the pod mirrors a static pod, which already runs."""
NATIVE_RESOURCES = frozenset({"cpu", "memory", "storage", "ephemeral-storage", "pods"})
"""Resources of Kubernetes itself, besides hugepages of each size (core/v1 ResourceName)."""
NODE_SELECTOR = "k8s.v1.cni.cncf.io/nodeSelector"
"""On a definition: one label, `key=value` or `key`, of the nodes that have the network (network-resources-injector)."""


def read_node_selector(text: str) -> tuple[str, str] | None:
    """Return key and value of a definition's node selector; None if it is not one label.

    White space around either is removed, as network-resources-injector does.
    """
    key, value = (trim(part) for part in text.partition("=")[::2])
    return (key, value) if is_key(key) and is_value(value) else None


def opts_out(annotations: Mapping[str, str]) -> bool:
    """Say whether a pod or a definition opts out of injection."""
    text = annotations.get(INJECT)
    return text is not None and trim(text).lower() == "false"


def is_unclear(annotations: Mapping[str, str]) -> bool:
    """Say whether the annotation INJECT has a value that is neither true nor false."""
    text = annotations.get(INJECT)
    return text is not None and trim(text).lower() not in {"true", "false"}


def is_device_name(text: str) -> bool:
    """Say whether a device plugin may offer a resource of this name (v1helper, IsExtendedResourceName)."""
    return has_domain(text) and (_is_key(text) if len(text) <= KEPT_CHARACTERS_MAX else is_key(text))


KEPT_CHARACTERS_MAX = 256
"""Characters of a name of a resource that is kept as right or wrong. Definitions have few different names."""


@lru_cache(maxsize=512)
def _is_key(text: str) -> bool:
    return is_key(text)


def may_be_claimed(resource: str, annotations: Mapping[str, str]) -> bool:
    """Say whether a resource that no device plugin can have may belong to a DRA driver.

    For a driver, the name is an attribute of a device (`k8s.cni.cncf.io/resourceName`) and may be any text. A
    definition that does not name the source of its devices may be for such a driver if the name has no domain, which
    all names of device plugins have, and is not a resource of Kubernetes itself.
    """
    is_native = resource in NATIVE_RESOURCES or resource.startswith("hugepages-")
    source = source_of(annotations)
    return source == BY_CLAIM or not (source or has_domain(resource) or is_native)


def is_marked(labels: Mapping[str, str], label: str) -> bool:
    """Say whether a pod has a label that selects it for annotations by label."""
    return labels.get(label, "").lower() == "true"


Mode = Literal["topUp", "honor"]

ASKING = (NETWORKS, DEFAULT_NETWORK)
"""Annotations of a pod that ask for networks."""
ANNOTATIONS = (*ASKING, INJECT, INJECT_INTO, MIRROR)
"""Annotations of a pod that injection reads with any settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """Settings of /mutate, and of the check that /validate makes of its result.

    `mode`: topUp raises the target container's amounts to the needs of the networks; honor keeps every amount that the
    pod has. `exposes_hugepages` needs `exposes_netinfo`. `resource_name_keys`: annotations of definitions that name a
    resource. `annotations_by_label`: a pod whose label of that key is "true", in any letter case, gets these
    annotations; if two labels set the same annotation, the later label in the alphabet wins. `read`: the labels and
    annotations of a pod that these settings read.
    """

    mode: Mode = "topUp"
    exposes_netinfo: bool = True
    exposes_hugepages: bool = False
    resource_name_keys: tuple[str, ...] = (RESOURCE_NAME,)
    annotations_by_label: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    read: Read = field(init=False, compare=False, repr=False)
    read_beside: Read = field(init=False, compare=False, repr=False)
    """The same without the annotations that select networks."""

    def __post_init__(self) -> None:
        """Compute `read` and `read_beside` once for all pods."""
        given = frozenset(key for one in self.annotations_by_label.values() for key in one)
        read = Read(frozenset(self.annotations_by_label), given.union(ANNOTATIONS), names=INJECT_INTO in given)
        object.__setattr__(self, "read", read)
        beside = read._replace(annotations=read.annotations.difference(ASKING))
        object.__setattr__(self, "read_beside", beside)


def resource_keys(injection: Injection | None) -> tuple[str, ...]:
    """Return the annotations of definitions whose resource pods request; without injection, that of the standard."""
    return (RESOURCE_NAME,) if injection is None else injection.resource_name_keys


# Misspelt annotations

COMPARED_MAX = 8
"""Keys of one pod that are compared; each takes a tenth of a millisecond."""
_READ = frozenset({*ASKING, *NETWORK_STATUS_KEYS})
_LONGEST = max(map(len, ASKING)) + 4


def find_suspects(keys: Collection[str]) -> list[str]:
    """Return the keys that may be a misspelt key of ASKING."""
    if _READ.issuperset(keys):  # many pods have no other annotation
        return []
    return [key for key in keys if ("cncf" in key or "multus" in key) and key not in _READ]


def find_misspelt(keys: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each key that resembles one of ASKING, and the key that it resembles."""
    for key in find_suspects(keys)[:COMPARED_MAX]:
        meant = next((known for known in ASKING if len(key) <= _LONGEST and _is_near(key, known)), None)
        if meant is not None:
            yield key, meant


def _is_near(key: str, known: str) -> bool:
    """Say whether a key differs from a known one in at most two letters; in four, if only the domain differs."""
    allowed = 4 if key.rpartition("/")[2] == known.rpartition("/")[2] else 2
    return same_letters(key) == same_letters(known) or edit_distance(key, known) <= allowed
