"""NetworkAttachmentDefinition: the API object to a value (NPWG v1.3 §3).

A definition that cannot be read is also a value, with its `problems`: it may be older than the webhook, and the refusal
of a pod that names it lists them. A definition without `spec.config` refers to a file on the node (§3.4.1).
"""

from __future__ import annotations

from . import cniconfig
from .cniconfig import NetworkConfigList
from .errors import SpecError, SpecErrors
from .names import trim
from .record import PlainRecord, mypyc_attr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

GROUP = "k8s.cni.cncf.io"
VERSION = "v1"
KIND = "NetworkAttachmentDefinition"
RESOURCE = "network-attachment-definitions"
RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName"
"""Annotation of a definition: the resource of which each of its attachments uses a device (Multus)."""
DEVICES_FROM = "nadmit.io/devices-from"
"""Annotation of a definition, not of the standard: BY_PLUGIN or BY_CLAIM."""
BY_PLUGIN = "DevicePlugin"
BY_CLAIM = "ResourceClaim"
SOURCES = (BY_PLUGIN, BY_CLAIM)
COUNTED_DOMAINS = ("bridge.network.kubevirt.io", "ovs-cni.network.kubevirt.io")
"""Domains of resources that count places on a node. No device plugin offers them: a marker writes 1,000 of each into
the status of a node that has the bridge (kubevirt/bridge-marker@9fe89af and k8snetworkplumbingwg/ovs-cni@19262a0,
pkg/marker/marker.go). So they choose the node of a pod, and no attachment needs one."""


_NO_TEXTS: Mapping[str, str] = {}  # never changed


@mypyc_attr(native_class=False)
class NetworkAttachmentDefinition(PlainRecord):
    """A network that pods can name. `config` is None when it is on the node's disk or has `problems`."""

    __slots__ = (  # noqa: RUF023 - in the order of `__init__`
        "namespace", "name", "config", "is_on_disk", "problems", "labels", "annotations",
    )  # fmt: skip

    def __init__(
        self,
        *,
        namespace: str,
        name: str,
        config: NetworkConfigList | None = None,
        is_on_disk: bool = False,
        problems: tuple[SpecError, ...] = (),
        labels: Mapping[str, str] = _NO_TEXTS,
        annotations: Mapping[str, str] = _NO_TEXTS,
    ) -> None:
        self.namespace: Final = namespace
        self.name: Final = name
        self.config: Final = config
        self.is_on_disk: Final = is_on_disk
        self.problems: Final = problems
        self.labels: Final = labels
        self.annotations: Final = annotations

    @property
    def reference(self) -> str:
        """The definition as messages and `network-status` name it: `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def resource_name(self) -> str:
        """The resource of its devices, or ""."""
        return self.annotations.get(RESOURCE_NAME, "")


def source_of(annotations: Mapping[str, str]) -> str:
    """Return the source that a definition names for its devices: one of SOURCES, or "" for none."""
    text = annotations.get(DEVICES_FROM)
    source = "" if text is None else trim(text)
    return source if source in SOURCES else ""


def is_counted(resource: str) -> bool:
    """Say whether a resource counts places on a node, so that a pod on the right node starts without it."""
    return resource.partition("/")[0] in COUNTED_DOMAINS


def has_domain(resource: str) -> bool:
    """Say whether a resource name has a domain, which those of Kubernetes itself, such as memory, do not have."""
    return "/" in resource


def build(
    *,
    namespace: str,
    name: str,
    config: str | None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> NetworkAttachmentDefinition:
    """Return the definition of an API object's parts; `config` is the text of `spec.config`, None if absent.

    Never raises: the problems of the text are in `problems`, with paths below `spec.config`.
    """
    parsed: NetworkConfigList | None = None
    problems: tuple[SpecError, ...] = ()
    is_on_disk = config is None or not trim(config)
    if config is not None and not is_on_disk:
        try:
            parsed = cniconfig.parse(config, name=name)
        except SpecErrors as errors:
            problems = errors.errors
    return NetworkAttachmentDefinition(
        namespace=namespace,
        name=name,
        config=parsed,
        is_on_disk=is_on_disk,
        problems=problems,
        labels=labels or {},
        annotations=annotations or {},
    )
