"""Resources of the Kubernetes API, and objects of them (pure)."""

from __future__ import annotations

from typing import NamedTuple


class Resource(NamedTuple):
    """A resource of the API.

    `kind`: its name in logs and metrics of this program.
    `is_optional`: it may be not installed.
    `is_metadata_only`: ask for metadata only.
    `is_single`: this program uses objects of known namespaces and names only, so a Role or a `resourceNames` suffices.
    `field_selector`: which objects to ask for.
    `otherwise`: what to do if the account may not read it; the text follows "or".
    `advice`: what to do if the API server refuses an object of it.
    `older`: versions to try where `version` is not served.
    `absence_factor`: how many times longer than usual an absent resource is left alone: one that only an upgrade of the
    cluster brings need not be looked for each half minute.
    """

    kind: str
    group: str
    version: str
    plural: str
    is_optional: bool = False
    is_metadata_only: bool = False
    is_single: bool = False
    field_selector: str = ""
    otherwise: str = ""
    advice: str = ""
    older: tuple[str, ...] = ()
    absence_factor: int = 1

    def in_next_version(self) -> Resource:
        """Return the resource in the version to try next; after the last one comes the first again."""
        return self._replace(version=self.older[0], older=(*self.older[1:], self.version)) if self.older else self

    def accept(self, verb: str) -> str:
        """Return the Accept header. A server that does not know PartialObjectMetadata sends whole objects."""
        if not self.is_metadata_only:
            return "application/json"
        kind = "PartialObjectMetadataList" if verb == "list" else "PartialObjectMetadata"
        return f"application/json;as={kind};g=meta.k8s.io;v=v1,application/json"

    @property
    def title(self) -> str:
        """The resource as RBAC and kubectl name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


class ObjectPath(NamedTuple):
    """An object, or a collection if `name` is "". `namespace` is "" for cluster scope, and for all namespaces."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def title(self) -> str:
        """The resource and the subresource as RBAC names them."""
        return f"{self.resource.title}/{self.subresource}" if self.subresource else self.resource.title

    @property
    def described(self) -> str:
        """Title, namespace and name, for messages."""
        return " ".join(filter(None, (self.title, "/".join(filter(None, (self.namespace, self.name))))))


CONFIG_MAPS = Resource("configmaps", "", "v1", "configmaps", is_single=True)
EVENTS = Resource("events", "events.k8s.io", "v1", "events", is_single=True)
LEASES = Resource("leases", "coordination.k8s.io", "v1", "leases", is_single=True)
SECRETS = Resource("secrets", "", "v1", "secrets", is_single=True)
