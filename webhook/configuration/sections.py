"""The fields of a NadmitConfiguration, section by section, and the values that reviews use.

Fields are strict and have camelCase names. docs/configuration.md documents them. A new section is a class here, a field
of `NadmitConfiguration`, and a line in its `to_value`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

from cniplugin.access.model.labels import is_key
from cniplugin.netspec import annotation
from cniplugin.netspec.attachers import MULTUS
from cniplugin.netspec.errors import SpecErrors, show
from cniplugin.netspec.names import ALLOWED_LABEL, ALLOWED_SUBDOMAIN, is_label, is_subdomain
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS_KEYS, NETWORKS
from webhook.admission.dra.drivers import Drivers
from webhook.admission.model.injection import Injection, Mode
from webhook.admission.model.kinds import JUDGED, NETWORK_NAMESPACE, GroupKind
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits
from webhook.admission.plugins.schema import PluginChecks, PluginSchema
from webhook.admission.templates.podtemplates import EACH_ITEM, EACH_VALUE, find_by_shape, parse_path
from webhook.admission.templates.workloadtable import KNOWN, Workload, Workloads, workload
from webhook.admission.view.decisioncontext import Configuration
from webhook.driverdata.admindrivers import read_drivers
from webhook.driverdata.driverfiles import default_drivers, load_drivers
from webhook.plugindata.adminschemas import read_schemas as read_plugins
from webhook.plugindata.mistakes import Mistake
from webhook.plugindata.pluginfiles import load_schemas

API_VERSION = "config.nadmit.io/v1alpha1"
KIND = "NadmitConfiguration"

CONTENT = "content"
"""The type of problems that the validators below find. Their text says what is wrong and what is allowed."""

ALLOWED_KEY = (
    "[PREFIX/]NAME, such as example.com/uplink: the prefix a DNS name, the name at most 63 letters, digits, '-', '_' "
    "and '.', starting and ending with a letter or digit"
)
COUNT_MAX = 10_000_000
ALLOWED_COUNT = f"1 to {COUNT_MAX}"
Count = Annotated[int, Field(ge=1, le=COUNT_MAX)]
"""A limit. None can be switched off; a very large one leaves the decision to the other limits."""

ANNOTATIONS_BYTES_MAX = annotation.ANNOTATION_BYTES_MAX
"""The API server accepts no pod with more."""

UnknownTypes = Literal["Warn", "Refuse", "Off"]
"""As `schema.UNKNOWN_TYPES`."""
AttachedBy = Literal["multus", "nadmit", "nadmit-strict"]
"""As `netspec.attachers.ATTACHERS`."""


class Section(BaseModel):
    """A mapping of the configuration. Unknown keys are problems, and pydantic converts no value to another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


def _problem(text: str) -> PydanticCustomError:
    return PydanticCustomError(CONTENT, "{text}", {"text": text})


def _check_key(text: str) -> str:
    if not is_key(text):
        raise _problem(f"not a key of a label or annotation: {show(text)}; allowed: {ALLOWED_KEY}")
    return text


Key = Annotated[str, AfterValidator(_check_key)]
"""The key of a label or an annotation (apimachinery, IsQualifiedName)."""


def _check_distinct(names: list[str]) -> list[str]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise _problem(f"{repeated[0]} is listed twice; keep one of them")
    return names


def _names(if_empty: str) -> AfterValidator:
    """Return the check of a list of names: none of them twice, and none empty."""

    def check(names: list[str]) -> list[str]:
        if "" in _check_distinct(names):
            raise _problem(if_empty)
        return names

    return AfterValidator(check)


class _Described(Protocol):
    @property
    def mistakes(self) -> Sequence[Mistake]: ...


def _described(read: Callable[[Sequence[object]], _Described]) -> AfterValidator:
    """Return the check of a list of schemas: a problem for each mistake, at its own place."""

    def check(written: list[Any], info: ValidationInfo) -> list[Any]:
        if mistakes := read(written).mistakes:
            details = [InitErrorDetails(type=_problem(one.text), loc=one.steps, input=None) for one in mistakes]
            raise ValidationError.from_exception_data(info.field_name or "schemas", details)
        return written

    return AfterValidator(check)


def _check_annotations(given: dict[str, str]) -> dict[str, str]:
    """Refuse annotations with which no pod could be admitted."""
    size = sum(len(key.encode()) + len(text.encode()) for key, text in given.items())
    if size > ANNOTATIONS_BYTES_MAX:
        raise _problem(f"{size} bytes of annotations; allowed: at most {ANNOTATIONS_BYTES_MAX}, as in any object")
    for key in NETWORK_STATUS_KEYS:
        if key in given:
            raise _problem(f"nodes write {key}; leave it out")
    for key, parse in ((NETWORKS, annotation.parse), (DEFAULT_NETWORK, annotation.parse_default_network)):
        try:
            parse(given.get(key, ""), namespace=NETWORK_NAMESPACE)
        except SpecErrors as errors:
            raise _problem(f"{key} cannot be read: {errors}") from None
    return given


class InjectionSection(Section):
    """What /mutate puts into pods, and what /validate then expects of them."""

    enabled: bool = Field(
        default=True, description="false: nadmit puts nothing into pods, and does not check their resources"
    )
    mode: Mode = Field(
        default="topUp",
        description="what to do with the pod's own figures: topUp adds what is missing, honor keeps them",
    )
    pod_network_information: bool = Field(default=True, description="whether pods get the volume podnetinfo")
    hugepages: bool = Field(
        default=False, description="whether that volume has figures of hugepages; needs podNetworkInformation"
    )
    resource_name_keys: Annotated[list[Key], AfterValidator(_check_distinct)] = Field(
        default=[RESOURCE_NAME], description="annotations of definitions that name a resource; [] means none"
    )
    annotations_by_label: dict[Key, Annotated[dict[Key, str], AfterValidator(_check_annotations)]] = Field(
        default={},
        description="from labels to annotations, which pods with the label set to true get in place of theirs",
    )

    @field_validator("hugepages")
    @classmethod
    def _check_hugepages(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        """NB: `data` has no field that was wrong itself."""
        if value and info.data.get("pod_network_information") is False:
            raise _problem(
                "true needs podNetworkInformation, which is false: its volume carries the hugepages; "
                "switch that on, or this off"
            )
        return value

    def to_value(self) -> Injection | None:
        """Return the settings; None when the webhook injects nothing."""
        if not self.enabled:
            return None
        return Injection(
            mode=self.mode,
            exposes_netinfo=self.pod_network_information,
            exposes_hugepages=self.hugepages,
            resource_name_keys=tuple(self.resource_name_keys),
            annotations_by_label=self.annotations_by_label,
        )


class PluginsSection(Section):
    """The schemas of CNI plugins, and what happens to plugins without one."""

    unknown_types: Annotated[
        UnknownTypes,
        BeforeValidator(lambda value: "Off" if value is False else value),  # in YAML, Off without quotes is false
    ] = Field(default="Warn", description="what to do with a definition that has an unknown plugin type")
    exempt: Annotated[list[str], _names("a plugin type is empty; write it as configurations do, or leave it out")] = (
        Field(default=[], description="plugin types, known or unknown, whose keys are not checked")
    )
    schemas: Annotated[list[Any], _described(read_plugins)] = Field(
        default=[], description="what plugins of your own accept (docs/plugins.md)"
    )

    def own_schemas(self) -> Mapping[str, PluginSchema]:
        """Return the schemas of the section by plugin type; a schema has several types when it has other names."""
        return read_plugins(self.schemas).by_type

    def to_value(self, own: Mapping[str, PluginSchema], attached_by: str) -> PluginChecks:
        """Return the schemas that configurations are checked with. The section's schemas replace those of `own`."""
        return PluginChecks(
            schemas={**load_schemas(), **own, **self.own_schemas()},
            unknown_types=self.unknown_types,
            exempt=frozenset(self.exempt),
            attached_by=attached_by,
        )


class DriversSection(Section):
    """The schemas of DRA drivers, and the drivers whose parameters are not checked."""

    exempt: Annotated[
        list[str], _names("the name of a driver is empty; write it as opaque.driver has it, or leave it out")
    ] = Field(default=[], description="DRA drivers whose configurations are not judged")
    schemas: Annotated[list[Any], _described(read_drivers)] = Field(
        default=[], description="DRA drivers of your own; one with the name of a known driver replaces it"
    )

    def to_value(self) -> Drivers:
        """Return the drivers that claims are judged with."""
        if not self.exempt and not self.schemas:
            return default_drivers()
        known = {**load_drivers(), **read_drivers(self.schemas).by_name}
        return Drivers(by_name={name: driver for name, driver in known.items() if name not in self.exempt})


class LimitsSection(Section):
    """How much one object may ask for; `limitsettings` says how each is counted."""

    networks_per_pod: Count = Field(
        default=DEFAULTS.networks_per_pod, description="networks of one pod, by both annotations together"
    )
    values_per_pod: Count = Field(
        default=DEFAULTS.values_per_pod,
        description="values in the network annotations of one pod: keys, addresses, ports",
    )
    containers_per_pod: Count = Field(
        default=DEFAULTS.containers_per_pod, description="containers of one pod whose networks need resources"
    )
    definition_bytes: Count = Field(
        default=DEFAULTS.definition_bytes, description="length of the configuration of a definition"
    )
    definition_items: Count = Field(
        default=DEFAULTS.definition_items, description="items of a configuration: plugins, versions, and those of lists"
    )
    policy_values: Count = Field(
        default=DEFAULTS.policy_values, description="values of an access policy, or of its configuration"
    )


def _check_group(text: str) -> str:
    if not is_subdomain(text):
        raise _problem(f"not an API group: {show(text)}; allowed: {ALLOWED_SUBDOMAIN}")
    return text


def _check_kind(text: str) -> str:
    if not _KIND.fullmatch(text):
        raise _problem(f"not a kind: {show(text)}; allowed: a name as in manifests, such as Rollout")
    return text


def _check_plural(text: str) -> str:
    if not is_label(text):
        raise _problem(f"not a resource: {show(text)}; allowed: {ALLOWED_LABEL}, as in kubectl get")
    return text


def _check_template(text: str) -> str:
    if parse_path(text) is None:
        raise _problem(
            f"not a path: {show(text)}; allowed: names with dots, {EACH_ITEM} for each item of a list, and "
            f"{EACH_VALUE} for each value of a map, such as spec.groups[*].template"
        )
    return text


_KIND = re.compile("[A-Za-z][A-Za-z0-9]{0,62}")


class WorkloadSection(Section):
    """A kind of another program that makes pods."""

    group: Annotated[str, AfterValidator(_check_group)] = Field(description="API group of the kind")
    kind: Annotated[str, AfterValidator(_check_kind)] = Field(description="the kind, as in manifests")
    plural: Annotated[str, AfterValidator(_check_plural)] | None = Field(
        default=None, description="the resource, as in kubectl get; unset: the kind in lower case with an s"
    )
    templates: list[Annotated[str, AfterValidator(_check_template)]] = Field(
        default=[],
        description="paths of its pod templates, such as spec.groups[*].template; none: found by their shape",
    )

    def to_value(self) -> Workload:
        """Return the kind; without paths its templates are found by their shape."""
        made = workload(self.group, self.kind, self.plural or f"{self.kind.lower()}s", self.templates)
        return made if self.templates else made._replace(find=find_by_shape)


def _check_workloads(written: list[WorkloadSection]) -> list[WorkloadSection]:
    seen: set[GroupKind] = set()
    for one in written:
        kind = GroupKind(one.group, one.kind)
        if kind in seen:
            raise _problem(f"{one.kind} of {one.group} is listed twice; keep one of them")
        if kind in JUDGED:
            raise _problem(f"nadmit judges {one.kind} of {one.group} already; remove it")
        seen.add(kind)
    return written


class ObserveSection(Section):
    """Stage Observe. By default users are not told of rules that do not refuse yet, and that an admin still adjusts."""

    warnings: bool = Field(
        default=False, description="in stage Observe: whether users get a warning for what would be refused"
    )


class NadmitConfiguration(Section):
    """The whole text, with all defaults filled in."""

    api_version: Literal["config.nadmit.io/v1alpha1"] = Field(description="version of this file's form")
    kind: Literal["NadmitConfiguration"] = Field(description="kind of this file")
    attached_by: AttachedBy | None = Field(
        default=None, description="who attaches pods on the nodes; unset: that of --attached-by"
    )
    hotplug: bool = Field(
        default=False, description="true: a controller of the cluster attaches networks to pods that run"
    )
    injection: InjectionSection = Field(default_factory=InjectionSection)
    plugins: PluginsSection = Field(default_factory=PluginsSection)
    drivers: DriversSection = Field(default_factory=DriversSection)
    workloads: Annotated[list[WorkloadSection], AfterValidator(_check_workloads)] = Field(
        default=[], description="kinds of other programs that make pods"
    )
    limits: LimitsSection = Field(default_factory=LimitsSection)
    observe: ObserveSection = Field(default_factory=ObserveSection)

    def to_value(self, own_schemas: Mapping[str, PluginSchema], attached_by: str = MULTUS) -> Configuration:
        """Return the value that reviews use.

        `own_schemas`: of --plugin-schemas, {} without the option. `attached_by`: of --attached-by, which counts if the
        text does not say who attaches.
        """
        attached_by = self.attached_by or attached_by
        return Configuration(
            injection=self.injection.to_value(),
            plugins=self.plugins.to_value(own_schemas, attached_by),
            drivers=self.drivers.to_value(),
            limits=ReviewLimits(**self.limits.model_dump()),
            attached_by=attached_by,
            hotplug=self.hotplug,
            warns_observed=self.observe.warnings,
            workloads=self._workloads(),
        )

    def _workloads(self) -> Workloads:
        if not self.workloads:
            return KNOWN
        return {**KNOWN, **{made.kind: made for made in (one.to_value() for one in self.workloads)}}

    def shown(self) -> dict[str, Any]:
        """Return the configuration as an administrator would write it, without schemas, which are long."""
        hidden: dict[str, Any] = {"plugins": {"schemas"}, "drivers": {"schemas"}}
        if self.attached_by is None:
            hidden["attached_by"] = True
        return self.model_dump(mode="json", by_alias=True, exclude=hidden)


def defaults() -> NadmitConfiguration:
    """Return the configuration of an empty text."""
    return NadmitConfiguration.model_validate({"apiVersion": API_VERSION, "kind": KIND})
