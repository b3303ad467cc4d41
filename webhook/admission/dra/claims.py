"""ResourceClaims, their templates and DeviceClasses (resource.k8s.io): the parts that attachments depend on.

All driver names are kept, but parameters only of known drivers (see `OpaqueConfig`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from webhook.admission.model.kinds import CLAIM_TEMPLATE, DEVICE_CLASS, RESOURCE_CLAIM

GROUP = RESOURCE_CLAIM.group
CLAIM, TEMPLATE, CLASS = RESOURCE_CLAIM.kind, CLAIM_TEMPLATE.kind, DEVICE_CLASS.kind
KINDS = (CLAIM, TEMPLATE, CLASS)

CONFIG_PATHS = {CLAIM: "spec.devices.config", TEMPLATE: "spec.spec.devices.config", CLASS: "spec.config"}
"""The path of the configurations in each kind."""

IMPLICIT_RESOURCE = "deviceclass.resource.kubernetes.io/"
"""Prefix of the extended resource that each DeviceClass has in addition to `spec.extendedResourceName` (KEP-5004)."""


class DeviceKey(NamedTuple):
    """One object of the three kinds; `namespace` is "" for a class."""

    kind: str
    namespace: str
    name: str


class OpaqueConfig(NamedTuple):
    """One element of `config`. `position`: its index. `requests`: the requests that it applies to, () for all.

    `parameters`: their JSON text; None if it was not kept, because the driver was unknown at that time, or because the
    object has too many.
    """

    position: int
    driver: str
    requests: tuple[str, ...] = ()
    parameters: str | None = None


class DeviceRequest(NamedTuple):
    """One request of a claim. `classes`: subrequest ("" for the request itself) and DeviceClass of each alternative."""

    name: str
    classes: tuple[tuple[str, str], ...] = ()


class ClaimSpec(NamedTuple):
    """The spec of a claim, or the one in a template."""

    requests: tuple[DeviceRequest, ...] = ()
    configs: tuple[OpaqueConfig, ...] = ()


class DeviceClass(NamedTuple):
    """The spec of a DeviceClass."""

    configs: tuple[OpaqueConfig, ...] = ()
    extended_resource: str = ""


DeviceSpec = ClaimSpec | DeviceClass

_NOTHING: Mapping[str, Mapping[str, ClaimSpec]] = MappingProxyType({})


class Devices:
    """The objects of the three kinds in a snapshot. It is never changed.

    `absent`: objects that do not exist, according to a recent answer of the API server.
    """

    __slots__ = ("_absent", "_claims", "_classes", "_extended", "_more", "_templates")

    def __init__(
        self,
        claims: Mapping[str, Mapping[str, ClaimSpec]] = _NOTHING,
        templates: Mapping[str, Mapping[str, ClaimSpec]] = _NOTHING,
        classes: Mapping[str, DeviceClass] = MappingProxyType({}),
        *,
        more: Mapping[DeviceKey, DeviceSpec] = MappingProxyType({}),
        absent: frozenset[DeviceKey] = frozenset(),
    ) -> None:
        """`more`: objects that were fetched one by one."""
        self._claims = claims
        self._templates = templates
        self._classes = classes
        self._more = more
        self._absent = absent
        self._extended: Mapping[str, tuple[str, ...]] | None = None

    def find(self, key: DeviceKey) -> DeviceSpec | None:
        """Return an object, None if the snapshot does not have it."""
        if self._more and key in self._more:
            return self._more[key]
        if key.kind == CLASS:
            return self._classes.get(key.name)
        kept = self._claims if key.kind == CLAIM else self._templates
        named = kept.get(key.namespace)
        return named.get(key.name) if named else None

    def is_absent(self, key: DeviceKey) -> bool:
        """Say whether an object is known not to exist."""
        return key in self._absent

    def classes_of(self, resource: str) -> tuple[str, ...]:
        """Return the names of the classes that have an extended resource, sorted."""
        if resource.startswith(IMPLICIT_RESOURCE):
            return (resource.removeprefix(IMPLICIT_RESOURCE),)
        return self._extended_resources().get(resource, ())

    @property
    def has_extended_resources(self) -> bool:
        """Whether any class has an extended resource name of its own."""
        return bool(self._extended_resources())

    def with_more(self, more: Mapping[DeviceKey, DeviceSpec], absent: frozenset[DeviceKey]) -> Devices:
        """Return these objects and those that were fetched."""
        return Devices(
            self._claims,
            self._templates,
            self._classes,
            more={**self._more, **more},
            absent=self._absent | absent,
        )

    def counts(self) -> Mapping[str, int]:
        """Return the number of objects of each kind."""
        return {
            "resourceclaims": sum(map(len, self._claims.values())),
            "resourceclaimtemplates": sum(map(len, self._templates.values())),
            "deviceclasses": len(self._classes),
        }

    def _extended_resources(self) -> Mapping[str, tuple[str, ...]]:
        """Return the classes by extended resource. The table is made once."""
        if self._extended is None:
            names: dict[str, list[str]] = {}
            specs = [*self._classes.items(), *((key.name, spec) for key, spec in self._more.items())]
            for name, spec in sorted(specs, key=lambda item: item[0]):
                if isinstance(spec, DeviceClass) and spec.extended_resource:
                    names.setdefault(spec.extended_resource, []).append(name)
            self._extended = {resource: tuple(dict.fromkeys(classes)) for resource, classes in names.items()}
        return self._extended


NO_DEVICES = Devices()
