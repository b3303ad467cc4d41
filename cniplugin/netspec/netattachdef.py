"""NetworkAttachmentDefinition: the API object to a value (NPWG v1.3 §3).

A definition that cannot be read is also a value, with its `problems`: it may be older than the webhook, and the refusal
of a pod that names it lists them. A definition without `spec.config` refers to a file on the node (§3.4.1).
"""

from __future__ import annotations

from . import cniconfig
from .cniconfig import NetworkConfigList
from .errors import SpecError, SpecErrors
from .names import trim
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP = "k8s.cni.cncf.io"
VERSION = "v1"
KIND = "NetworkAttachmentDefinition"
RESOURCE = "network-attachment-definitions"
RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName"
"""Annotation of a definition: the device plugin's resource that its attachments use (Multus)."""


class NetworkAttachmentDefinition(Record):
    """A network that pods can name. `config` is None when it is on the node's disk or has `problems`."""

    namespace: str
    name: str
    config: NetworkConfigList | None = None
    is_on_disk: bool = False
    problems: tuple[SpecError, ...] = ()
    labels: Mapping[str, str] = {}  # never changed
    annotations: Mapping[str, str] = {}  # never changed

    @property
    def reference(self) -> str:
        """The definition as messages and `network-status` name it: `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def resource_name(self) -> str:
        """The device plugin's resource, or ""."""
        return self.annotations.get(RESOURCE_NAME, "")


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
