"""ResourceClaims, their templates and DeviceClasses (resource.k8s.io), as far as attachments go.

Of all drivers the names are kept; of the parameters only those that somebody reads (see `OpaqueConfig`).
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
"""Where each kind keeps its configurations."""

IMPLICIT_RESOURCE = "deviceclass.resource.kubernetes.io/"
"""Prefix of the extended resource that each DeviceClass has beside `spec.extendedResourceName` (KEP-5004)."""


class DeviceKey(NamedTuple):
    """One object of the three kinds; `namespace` is "" for a class."""

    kind: str
    namespace: str
    name: str


class OpaqueConfig(NamedTuple):
    """One element of `config`. `position`: its place there. `requests`: () for all. `parameters`: their JSON text.

    None in place of it: it was not kept, because nobody knew the driver then, or because the object has too much.
    """

    position: int
    driver: str
    requests: tuple[str, ...] = ()
    parameters: str | None = None


class DeviceRequest(NamedTuple):
    """One request of a claim. `classes`: name of the subrequest ("" for the request itself) and of its DeviceClass."""

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
    """What a snapshot knows of the three kinds. Never changed.

    `absent`: objects that do not exist, by a recent answer of the API server.
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
        """`more`: objects that were asked for one by one."""
        self._claims = claims
        self._templates = templates
        self._classes = classes
        self._more = more
        self._absent = absent
        self._extended: Mapping[str, tuple[str, ...]] | None = None

    def find(self, key: DeviceKey) -> DeviceSpec | None:
        """Return an object; None if it is not known."""
        if self._more and key in self._more:
            return self._more[key]
        if key.kind == CLASS:
            return self._classes.get(key.name)
        kept = self._claims if key.kind == CLAIM else self._templates
        named = kept.get(key.namespace)
        return named.get(key.name) if named else None

    def is_absent(self, key: DeviceKey) -> bool:
        """Say whether it is known that there is no such object."""
        return key in self._absent

    def classes_of(self, resource: str) -> tuple[str, ...]:
        """Return the names of the classes that an extended resource may stand for, sorted."""
        if resource.startswith(IMPLICIT_RESOURCE):
            return (resource.removeprefix(IMPLICIT_RESOURCE),)
        return self._extended_resources().get(resource, ())

    @property
    def has_extended_resources(self) -> bool:
        """Whether any class is asked for by an extended resource of a name of its own."""
        return bool(self._extended_resources())

    def with_more(self, more: Mapping[DeviceKey, DeviceSpec], absent: frozenset[DeviceKey]) -> Devices:
        """Return these with objects that were asked for."""
        return Devices(
            self._claims,
            self._templates,
            self._classes,
            more={**self._more, **more},
            absent=self._absent | absent,
        )

    def counts(self) -> Mapping[str, int]:
        """Return how many of each kind are known."""
        return {
            "resourceclaims": sum(map(len, self._claims.values())),
            "resourceclaimtemplates": sum(map(len, self._templates.values())),
            "deviceclasses": len(self._classes),
        }

    def _extended_resources(self) -> Mapping[str, tuple[str, ...]]:
        """Return the classes by extended resource; worked out once."""
        if self._extended is None:
            found: dict[str, list[str]] = {}
            classes = [*self._classes.items(), *((key.name, made) for key, made in self._more.items())]
            for name, made in sorted(classes, key=lambda item: item[0]):
                if isinstance(made, DeviceClass) and made.extended_resource:
                    found.setdefault(made.extended_resource, []).append(name)
            self._extended = {resource: tuple(dict.fromkeys(named)) for resource, named in found.items()}
        return self._extended


NO_DEVICES = Devices()
