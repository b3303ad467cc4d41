"""Specs of ResourceClaims, templates and DeviceClasses, from JSON to values, in each version of the group.

v1 and v1beta2 keep the class of a request under `exactly`, v1beta1 in the request itself; all have `firstAvailable`.
Parameters stay text as they were sent: a key that occurs twice can be read in two ways, and a decoder would hide one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

import msgspec

from webhook.admission.dra.claims import (
    CLAIM,
    CLASS,
    ClaimSpec,
    DeviceClass,
    DeviceRequest,
    DeviceSpec,
    OpaqueConfig,
)

KEPT_BYTES_MAX = 16_384
"""Bytes of one object's parameters that a snapshot keeps. With more it keeps none, and a live look-up gets them."""

SHARED = 2048
SHARED_BYTES_MAX = 4096
"""Bytes of a spec that is decoded once for all equal ones: claims that are made from one template have one spec."""


class _Opaque(msgspec.Struct, frozen=True, gc=False):
    driver: str = ""
    parameters: msgspec.Raw = msgspec.Raw(b"null")


class _Config(msgspec.Struct, frozen=True, gc=False):
    requests: list[str] | None = None
    opaque: _Opaque | None = None


class _ClassName(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: str = ""
    device_class_name: str = ""


class _Request(_ClassName, rename="camel", frozen=True, gc=False):
    exactly: _ClassName | None = None
    first_available: list[_ClassName] | None = None


class _Devices(msgspec.Struct, frozen=True, gc=False):
    requests: list[_Request] | None = None
    config: list[_Config] | None = None


class _ClaimSpec(msgspec.Struct, frozen=True, gc=False):
    devices: _Devices | None = None


class _TemplateSpec(msgspec.Struct, frozen=True, gc=False):
    spec: _ClaimSpec | None = None


class _ClassSpec(msgspec.Struct, rename="camel", frozen=True, gc=False):
    config: list[_Config] | None = None
    extended_resource_name: str | None = None


_decode_claim = msgspec.json.Decoder(_ClaimSpec | None).decode
_decode_template = msgspec.json.Decoder(_TemplateSpec | None).decode
_decode_class = msgspec.json.Decoder(_ClassSpec | None).decode

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors of `read_spec` for a spec that no API server stores."""


def read_spec(kind: str, spec: bytes | msgspec.Raw) -> DeviceSpec:
    """Return the spec of an object of one of `claims.KINDS`. Raises UNREADABLE."""
    if kind == CLASS:
        read = _decode_class(spec)
        return DeviceClass() if read is None else DeviceClass(_configs(read.config), read.extended_resource_name or "")
    if kind == CLAIM:
        claim = _decode_claim(spec)
    else:
        template = _decode_template(spec)
        claim = template.spec if template else None
    devices = claim.devices if claim else None
    return ClaimSpec() if devices is None else ClaimSpec(_requests(devices.requests), _configs(devices.config))


def keep_spec(kind: str, spec: bytes | msgspec.Raw, is_read: Callable[[str], bool]) -> DeviceSpec:
    """Return the spec that a snapshot keeps: with the parameters of known drivers, if they are not too large.

    `is_read`: whether a driver's parameters are used. Raises UNREADABLE.
    """
    data = bytes(spec)
    read = _read_shared(kind, data) if len(data) <= SHARED_BYTES_MAX else read_spec(kind, data)
    configs = tuple(config if is_read(config.driver) else config._replace(parameters=None) for config in read.configs)
    if sum(len(config.parameters or "") for config in configs) > KEPT_BYTES_MAX:
        configs = tuple(config._replace(parameters=None) for config in configs)
    return read if configs == read.configs else _with_configs(read, configs)


_read_shared = lru_cache(maxsize=SHARED)(read_spec)


def _with_configs(read: DeviceSpec, configs: tuple[OpaqueConfig, ...]) -> DeviceSpec:
    return read._replace(configs=configs)


def _requests(requests: Iterable[_Request] | None) -> tuple[DeviceRequest, ...]:
    return tuple(DeviceRequest(request.name, tuple(_classes(request))) for request in requests or ())


def _classes(request: _Request) -> Iterable[tuple[str, str]]:
    own = (request.exactly.device_class_name if request.exactly else "") or request.device_class_name
    if own:
        yield "", own
    for alternative in request.first_available or ():
        yield alternative.name, alternative.device_class_name


def _configs(configs: Iterable[_Config] | None) -> tuple[OpaqueConfig, ...]:
    return tuple(
        OpaqueConfig(
            index, config.opaque.driver, tuple(config.requests or ()), bytes(config.opaque.parameters).decode()
        )
        for index, config in enumerate(configs or ())
        if config.opaque is not None
    )
