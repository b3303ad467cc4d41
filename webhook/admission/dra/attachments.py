"""The networks that claims attach a pod to: for each request, the configurations of its class and its own, combined.

A configuration applies to a request if it names the request, or if it names no request. "request/subrequest" is one
alternative of a request; the scheduler may choose any of them. The driver of a device is known only when the device is
allocated, so it is assumed here that the configuration's driver is the one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from cniplugin.netspec import netattachdef
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.jsontext import quote
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.dra.claims import (
    CLAIM,
    CLASS,
    CONFIG_PATHS,
    TEMPLATE,
    ClaimSpec,
    DeviceClass,
    DeviceKey,
    DeviceRequest,
    Devices,
    OpaqueConfig,
)
from webhook.admission.dra.drivers import Driver, Drivers
from webhook.admission.dra.parameters import Parameters, read_parameters
from webhook.admission.model.requests import ClaimReference

WORK_MAX = 4096
"""Configurations that are combined for one review: each request has those of its class and its own. A claim has at most
32 requests of 8 alternatives, and 32 configurations, which would be 16,384; people write a handful."""

NETWORKS_MAX = 64
"""Networks that the claims of one pod may name."""


class Place(NamedTuple):
    """A configuration of an object."""

    key: DeviceKey
    position: int

    @property
    def path(self) -> str:
        """Its path in its object."""
        return f"{CONFIG_PATHS[self.key.kind]}[{self.position}]"

    @property
    def parameters_path(self) -> str:
        """The path of its parameters."""
        return f"{self.path}.opaque.parameters"

    def __str__(self) -> str:
        """Return its name in messages: `ResourceClaim blue/nic, spec.devices.config[0]`."""
        return f"{name_of(self.key)}, {self.path}"


def name_of(key: DeviceKey) -> str:
    """Return the name of an object in messages."""
    return f"{key.kind} {key.namespace}/{key.name}" if key.namespace else f"{key.kind} {key.name}"


class Attachment(NamedTuple):
    """A network that a claim attaches.

    `field`: where the pod names the claim, or where the configuration is in the object itself. `network`: the network
    that the configuration itself contains; None for a definition, which is looked up by name. `is_own`: a network
    configuration of the driver's own, to which no posture applies. `is_alternative`: some versions of the driver attach
    it in place of the one before; it need not exist.
    """

    place: Place
    field: str
    element: NetworkSelectionElement
    network: NetworkAttachmentDefinition | None = None
    is_own: bool = False
    is_alternative: bool = False


class ClaimAttachments(NamedTuple):
    """The networks that claims attach, each network once. `unknown`: objects that must be fetched first.

    `problems`: mistakes in parameters, and limits that are exceeded; `source` is the field.
    """

    attachments: tuple[Attachment, ...] = ()
    unknown: tuple[DeviceKey, ...] = ()
    problems: tuple[SpecError, ...] = ()


class _Part(NamedTuple):
    """One configuration of a known driver, with its parameters."""

    driver: Driver
    parameters: Parameters
    place: Place


class _TooMuchError(Exception):
    """A limit is exceeded. Arguments: what is wrong, what is allowed."""


class Finder:
    """Finds the networks that claims attach, within the limits of one review."""

    def __init__(self, devices: Devices, drivers: Drivers, namespace: str) -> None:
        """`namespace`: of the pod or the claim."""
        self._devices = devices
        self._drivers = drivers
        self._namespace = namespace
        self._judged: DeviceKey | None = None
        self._work = WORK_MAX
        self._attachments: dict[tuple[object, ...], Attachment] = {}
        self._unknown: dict[DeviceKey, None] = {}
        self._problems: dict[tuple[str, str], SpecError] = {}
        self._classes: dict[str, Sequence[_Part]] = {}

    def find_for_pod(
        self, claims: Sequence[ClaimReference], resources: Iterable[str], *, spec_path: str = "spec"
    ) -> ClaimAttachments:
        """Return the networks of a pod's claims, and of the extended resources that its containers request."""
        try:
            for index, claim in enumerate(claims):
                key = _key_of(claim, self._namespace)
                if key is not None:
                    self._take(key, f"{spec_path}.resourceClaims[{index}]")
            for resource in resources:
                for name in self._devices.classes_of(resource):
                    self._spend(1)
                    self._take_request(DeviceRequest("", (("", name),)), (), f"{spec_path}.containers")
        except _TooMuchError as error:
            return self._too_much(error, f"{spec_path}.resourceClaims")
        return self._result()

    def find_in(self, key: DeviceKey, spec: ClaimSpec | DeviceClass) -> ClaimAttachments:
        """Return the networks of a claim, a template or a class; fields are paths in that object."""
        self._judged = key
        try:
            if isinstance(spec, DeviceClass):
                self._take_parts(self._parts(key, spec.configs, ""), "", is_class=True)
            else:
                self._take_spec(key, spec, "")
        except _TooMuchError as error:
            return self._too_much(error, CONFIG_PATHS[key.kind])
        return self._result()

    def _take(self, key: DeviceKey, field: str) -> None:
        self._spend(1)
        spec = self._devices.find(key)
        if isinstance(spec, ClaimSpec):
            self._take_spec(key, spec, field)
        elif not self._devices.is_absent(key):
            self._unknown[key] = None

    def _take_spec(self, key: DeviceKey, spec: ClaimSpec, field: str) -> None:
        own = self._parts(key, spec.configs, field)
        for request in spec.requests:
            self._take_request(request, own, field)

    def _take_request(self, request: DeviceRequest, own: Sequence[tuple[OpaqueConfig, _Part]], field: str) -> None:
        for alternative, class_name in request.classes:
            of_class = self._class_parts(class_name, field)
            if not of_class and not own:
                continue
            self._spend(len(of_class) + len(own))
            names = {request.name, f"{request.name}/{alternative}"}
            mine = [pair for pair in own if not pair[0].requests or not names.isdisjoint(pair[0].requests)]
            self._take_parts(mine, field, before=of_class)

    def _take_parts(
        self,
        own: Sequence[tuple[OpaqueConfig, _Part]],
        field: str,
        *,
        before: Sequence[_Part] = (),
        is_class: bool = False,
    ) -> None:
        """Add the networks of the configurations of one request; `before`: those of its class."""
        by_driver: dict[Driver, list[tuple[_Part, bool]]] = {}
        for part in before:
            by_driver.setdefault(part.driver, []).append((part, False))
        for _, part in own:
            by_driver.setdefault(part.driver, []).append((part, True))
        for driver, parts in by_driver.items():
            for part in _combine(driver, parts, is_class=is_class):
                for attachment in _attach(part, self._namespace, self._field_of(part.place, field)):
                    self._add(attachment)

    def _class_parts(self, name: str, field: str) -> Sequence[_Part]:
        key = DeviceKey(CLASS, "", name)
        if name not in self._classes:
            spec = self._devices.find(key)
            if isinstance(spec, DeviceClass):
                self._classes[name] = [part for _, part in self._parts(key, spec.configs, field)]
            else:
                self._classes[name] = ()
                if not self._devices.is_absent(key):
                    self._unknown[key] = None
        return self._classes[name]

    def _parts(
        self, key: DeviceKey, configs: Iterable[OpaqueConfig], field: str
    ) -> Sequence[tuple[OpaqueConfig, _Part]]:
        """Return the configurations of known drivers; one that cannot be read is a problem."""
        parts: list[tuple[OpaqueConfig, _Part]] = []
        for config in configs:
            driver = self._drivers.by_name.get(config.driver)
            if driver is None:
                continue
            if config.parameters is None:
                self._unknown[key] = None
                continue
            place = Place(key, config.position)
            parameters, problems = read_parameters(config.parameters, driver)
            if problems:
                self._note(place, field, problems)
            else:
                parts.append((config, _Part(driver, parameters, place)))
        return parts

    def _note(self, place: Place, field: str, problems: Sequence[SpecError]) -> None:
        field = self._field_of(place, field)
        if field == place.parameters_path:
            for problem in problems:
                self._problems[field, problem.path] = problem.replace(source=field)
            return
        first = problems[0]
        where = f"{name_of(place.key)}, {place.parameters_path}"
        where += f"{'' if first.path.startswith('[') or not first.path else '.'}{first.path}"
        detail = f"what it attaches cannot be read: {where}: {first.detail}"
        problem = SpecError(rule=first.rule, source=field, detail=detail, value=first.value, fix="correct it there")
        self._problems[field, str(place)] = problem

    def _field_of(self, place: Place, field: str) -> str:
        """Return the field of the judged object that leads to a configuration; its own configurations are in it."""
        if field:
            return field
        if place.key == self._judged:
            return place.parameters_path
        return f"{CONFIG_PATHS[self._judged.kind].removesuffix('config')}requests" if self._judged else ""

    def _add(self, attachment: Attachment) -> None:
        element = attachment.element
        asked = (element.namespace, element.name, element.interface, element.ips, element.mac, element.default_route)
        key = (*asked, id(attachment.network))  # NB: `_embedded` returns one network for equal texts
        if key not in self._attachments and len(self._attachments) >= NETWORKS_MAX:
            detail = f"the claims name more than {NETWORKS_MAX} networks"
            raise _TooMuchError(detail, f"at most {NETWORKS_MAX} for one pod or object")
        self._attachments.setdefault(key, attachment)

    def _spend(self, work: int) -> None:
        self._work -= work
        if self._work < 0:
            detail = f"the claims have more than {WORK_MAX} requests and configurations"
            raise _TooMuchError(detail, f"at most {WORK_MAX} for one pod or object")

    def _too_much(self, error: _TooMuchError, source: str) -> ClaimAttachments:
        detail, allowed = error.args
        fix = "use fewer claims, or smaller ones; this limit is fixed"
        return ClaimAttachments(
            problems=(SpecError(rule="claim-limit", source=source, detail=detail, allowed=allowed, fix=fix),)
        )

    def _result(self) -> ClaimAttachments:
        return ClaimAttachments(tuple(self._attachments.values()), tuple(self._unknown), tuple(self._problems.values()))


def _key_of(claim: ClaimReference, namespace: str) -> DeviceKey | None:
    if claim.claim:
        return DeviceKey(CLAIM, namespace, claim.claim)
    return DeviceKey(TEMPLATE, namespace, claim.template) if claim.template else None


def _combine(driver: Driver, parts: Sequence[tuple[_Part, bool]], *, is_class: bool) -> Iterator[_Part]:
    """Yield the configurations of one driver that count for one request; `True`: one of the claim's own."""
    own = [part for part, is_own in parts if is_own]
    every = [part for part, _ in parts]
    if is_class:
        yield from every
    elif driver.precedence == "merge":
        yield _merged(every)
    elif driver.precedence == "last":
        yield every[-1]
    else:  # NB: the claim's own should win, but drivers use the first one that the scheduler lists: the class's
        yield from dict.fromkeys((*own[:1], every[0]))


def _merged(parts: Sequence[_Part]) -> _Part:
    """Return the last value of each field, with the place that names the network."""
    merged = parts[0]
    for part in parts[1:]:
        place = part.place if part.parameters.definition or part.parameters.cni is not None else merged.place
        merged = _Part(part.driver, _over(merged.parameters, part.parameters), place)
    return merged


def _over(old: Parameters, new: Parameters) -> Parameters:
    return Parameters(
        definition=new.definition or old.definition,
        namespace=new.namespace or old.namespace,
        interface=new.interface or old.interface,
        cni=old.cni if new.cni is None else new.cni,
        cni_path=new.cni_path or old.cni_path,
        ips=new.ips or old.ips,
        mac=new.mac or old.mac,
        gateways=old.gateways if new.gateways is None else new.gateways,
    )


def _attach(part: _Part, namespace: str, field: str) -> Iterator[Attachment]:
    driver, parameters, place = part
    name = place.key.name
    if parameters.definition:
        element = NetworkSelectionElement(
            name=parameters.definition,
            namespace=parameters.namespace or namespace,
            interface=parameters.interface or None,
        )
        yield Attachment(place, field, element)
        is_unread = driver.definition is not None and driver.definition.may_be_unread
        if is_unread and namespace and element.namespace != namespace:
            yield Attachment(place, field, element.replace(namespace=namespace), is_alternative=True)
    if parameters.cni is not None:
        element = NetworkSelectionElement(name=name, namespace=namespace, interface=parameters.interface or None)
        yield Attachment(place, field, element, _embedded(namespace, name, parameters.cni))
    if driver.requests is not None:
        element = NetworkSelectionElement(
            name=name,
            namespace=namespace,
            interface=parameters.interface or None,
            ips=parameters.ips,
            mac=parameters.mac or None,
            default_route=parameters.gateways,
        )
        yield Attachment(place, field, element, network_of_driver(namespace, name, driver.driver), is_own=True)


@lru_cache(maxsize=256)
def _embedded(namespace: str, name: str, config: str) -> NetworkAttachmentDefinition:
    """Return the network in a configuration. NB: a configuration has at most 10 KiB."""
    return netattachdef.build(namespace=namespace, name=name, config=config)


def network_of_driver(namespace: str, name: str, driver: str) -> NetworkAttachmentDefinition:
    """Return the network by which rules judge a driver's own configuration: its plugin type is the driver's name."""
    return _embedded(namespace, name, quote({"cniVersion": "1.0.0", "name": "driver", "type": driver}))
