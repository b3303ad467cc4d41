"""What injection is told, as one frozen value, and the annotations by which pods, networks and namespaces steer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cniplugin.access.model.labels import is_key, is_value
from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.requests import Read

INJECT = "nadmit.io/inject"
"""On a pod: "false" leaves the pod as it is. On a definition: "false" leaves the network out of the injection."""
INJECT_INTO = "nadmit.io/inject-into"
"""On a pod: the name of the container that gets the resources."""
DEFAULT_NETWORKS = "nadmit.io/default-networks"
"""On a namespace: the networks of its pods that have no networks annotation; the same grammar."""
DEVICES_FROM = "nadmit.io/devices-from"
"""On a definition: BY_PLUGIN or BY_CLAIM."""
MIRROR = "kubernetes.io/config.mirror"
"""On a pod, by the kubelet: it is the image of a static pod, which runs already."""
BY_PLUGIN = "DevicePlugin"
BY_CLAIM = "ResourceClaim"
SOURCES = (BY_PLUGIN, BY_CLAIM)
NATIVE_RESOURCES = frozenset({"cpu", "memory", "storage", "ephemeral-storage", "pods"})
"""Resources of Kubernetes itself, beside hugepages of each size (core/v1 ResourceName)."""
NODE_SELECTOR = "k8s.v1.cni.cncf.io/nodeSelector"
"""On a definition: one label, `key=value` or `key`, of the nodes that have the network (network-resources-injector)."""


def read_node_selector(text: str) -> tuple[str, str] | None:
    """Return key and value of a definition's node selector; None if it is not one label.

    White space around either is taken away, as network-resources-injector does.
    """
    key, value = (trim(part) for part in text.partition("=")[::2])
    return (key, value) if is_key(key) and is_value(value) else None


def opts_out(annotations: Mapping[str, str]) -> bool:
    """Say whether a pod or a definition wants no injection."""
    return trim(annotations.get(INJECT, "")).lower() == "false"


def is_unclear(annotations: Mapping[str, str]) -> bool:
    """Say whether the annotation that opts out is there and says neither yes nor no."""
    return trim(annotations.get(INJECT, "true")).lower() not in {"true", "false"}


def is_device_name(text: str) -> bool:
    """Say whether a device plugin may offer a resource of this name (v1helper, IsExtendedResourceName)."""
    return has_domain(text) and is_key(text)


def says_source(annotations: Mapping[str, str]) -> bool:
    """Say whether a definition says where its devices come from."""
    return trim(annotations.get(DEVICES_FROM, "")) in SOURCES


def comes_by_claim(annotations: Mapping[str, str]) -> bool:
    """Say whether a definition says that a ResourceClaim gives its devices."""
    return trim(annotations.get(DEVICES_FROM, "")) == BY_CLAIM


def may_be_claimed(resource: str, annotations: Mapping[str, str]) -> bool:
    """Say whether a resource that no device plugin can have may be one of a DRA driver.

    There it is an attribute of a device (`k8s.cni.cncf.io/resourceName`), any text. A definition that does not say
    where its devices come from may be for such a driver if the name has no domain, which all names of device plugins
    have, and is not one of Kubernetes' own.
    """
    is_native = resource in NATIVE_RESOURCES or resource.startswith("hugepages-")
    return comes_by_claim(annotations) or not (says_source(annotations) or has_domain(resource) or is_native)


def has_domain(text: str) -> bool:
    """Say whether a resource is none of Kubernetes' own, such as memory, of which 1 is a byte."""
    return "/" in text


def is_marked(labels: Mapping[str, str], label: str) -> bool:
    """Say whether a pod's label asks for the annotations that an admin's setting has for it."""
    return labels.get(label, "").lower() == "true"


Mode = Literal["topUp", "honor"]


ANNOTATIONS = (NETWORKS, DEFAULT_NETWORK, INJECT, INJECT_INTO, MIRROR)
"""Of a pod, which injection reads whatever its settings are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """Settings of /mutate, and of the check of what it leaves behind.

    `mode`: topUp raises the target container's figures to what the networks need; honor leaves every figure that the
    pod has. `exposes_hugepages` needs `exposes_netinfo`. `resource_name_keys`: annotations of definitions that name a
    resource. `annotations_by_label`: a pod whose label of that key says "true", in any letter case, gets these
    annotations; of two that set the same one, the later label in the alphabet wins. `read`: what it reads of a pod's
    metadata; it follows from the others.
    """

    mode: Mode = "topUp"
    exposes_netinfo: bool = True
    exposes_hugepages: bool = False
    resource_name_keys: tuple[str, ...] = (RESOURCE_NAME,)
    annotations_by_label: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    read: Read = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Work out what is read, once for all pods."""
        given = dict.fromkeys(key for one in self.annotations_by_label.values() for key in one)
        read = Read(tuple(self.annotations_by_label), tuple(dict.fromkeys((*ANNOTATIONS, *given))))
        object.__setattr__(self, "read", read)
