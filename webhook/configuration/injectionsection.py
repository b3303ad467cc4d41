"""The section `injection`: what /mutate puts into pods, and what /validate then asks of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from cniplugin.netspec import annotation
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS_KEYS, NETWORKS
from webhook.admission.model.injection import Injection, Mode
from webhook.admission.model.kinds import NETWORK_NAMESPACE

from .fields import Key, Section, problem

ANNOTATIONS_BYTES_MAX = annotation.ANNOTATION_BYTES_MAX
"""The API server takes no pod with more."""


def _check_annotations(given: dict[str, str]) -> dict[str, str]:
    """Refuse annotations with which no pod could be admitted."""
    size = sum(len(key.encode()) + len(text.encode()) for key, text in given.items())
    if size > ANNOTATIONS_BYTES_MAX:
        raise problem(f"{size} bytes of annotations; allowed: at most {ANNOTATIONS_BYTES_MAX}, as in any object")
    for key in NETWORK_STATUS_KEYS:
        if key in given:
            raise problem(f"{key} is what nodes write; leave it out")
    for key, parse in ((NETWORKS, annotation.parse), (DEFAULT_NETWORK, annotation.parse_default_network)):
        try:
            parse(given.get(key, ""), namespace=NETWORK_NAMESPACE)
        except SpecErrors as errors:
            raise problem(f"{key} cannot be read: {errors}") from None
    return given


Annotations = Annotated[dict[Key, str], AfterValidator(_check_annotations)]


class InjectionSection(Section):
    """The fields are documented in docs/configuration.md; `to_value` has their names in the domain."""

    enabled: bool = True
    mode: Mode = "topUp"
    pod_network_information: bool = True
    hugepages: bool = False
    resource_name_keys: list[Key] = Field(default=[RESOURCE_NAME])
    annotations_by_label: dict[Key, Annotations] = Field(default={})

    @field_validator("hugepages")
    @classmethod
    def _check_hugepages(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        """NB: a field that was wrong itself is not in `data`."""
        if value and info.data.get("pod_network_information") is False:
            raise problem(
                "true needs podNetworkInformation, which is false: hugepages are told in its volume; "
                "switch that on, or this off"
            )
        return value

    @field_validator("resource_name_keys")
    @classmethod
    def _check_resource_name_keys(cls, keys: list[str]) -> list[str]:
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise problem(f"{twice[0]} stands twice; keep one of them")
        return keys

    def to_value(self) -> Injection | None:
        """Return the settings; None when nothing is to be put into pods."""
        if not self.enabled:
            return None
        return Injection(
            mode=self.mode,
            exposes_netinfo=self.pod_network_information,
            exposes_hugepages=self.hugepages,
            resource_name_keys=tuple(self.resource_name_keys),
            annotations_by_label=self.annotations_by_label,
        )
