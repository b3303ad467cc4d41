"""NetworkAttachmentDefinitions can be read, and are safe to attach.

Fields restricted: `metadata.name`, `spec.config`, the consent annotations. Values allowed: JSON that libcni reads as a
configuration or a list, in one way only; plugin types that are file names and no delegating plugins; none at all (the
node's own file), with a warning; a resource that a device plugin may have;
a node selector of one label; and what the rules about definitions give to the
requester. Operations: CREATE, UPDATE that changes `spec.config`, the resource name, the node selector or the consent.
Exempt: nobody from the built-in checks; from the rules, the exempt users and groups of the configuration; definitions
being deleted.
Example refusal: `spec.config.plugins[1].type: a delegating plugin cannot be a delegate: "multus"`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from cniplugin.access import consent
from cniplugin.access.content import unsafe
from cniplugin.access.definitions import Author, Writing, are_ruled, judge_definition, judge_definition_trial
from cniplugin.access.model import Rules
from cniplugin.netspec import cniconfig, names
from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.netspec.errors import SpecError, SpecErrors
from cniplugin.netspec.netattachdef import RESOURCE_NAME, NetworkAttachmentDefinition
from webhook.admission import injectiontext, messages
from webhook.admission.injection import (
    DEVICES_FROM,
    INJECT,
    NODE_SELECTOR,
    SOURCES,
    comes_by_claim,
    has_domain,
    is_device_name,
    is_unclear,
    may_be_claimed,
    read_node_selector,
)
from webhook.admission.listers import Cluster
from webhook.admission.model import ALLOWED, Decision, Object, Request
from webhook.admission.plugins.engine import check_plugins
from webhook.admission.plugins.finding import PluginFinding
from webhook.admission.plugins.schema import PluginChecks

CACHED_CONFIG_MAX = 16_384
"""Characters of a configuration whose parsed form is kept; 256 of them are at most 4 MiB of text."""


BY_DEFAULT = Decision(rules=("DefinitionDefault",))


def check(request: Request, cluster: Cluster, rules: Rules, plugins: PluginChecks | None = None) -> Decision:
    """Judge a definition that is written: the built-in checks, which spare nobody, then the rules.

    `plugins`: what is known of CNI plugins; None: only the envelope is checked.
    """
    new, old = request.object, request.old_object
    if new is None:
        return ALLOWED
    warnings = list(_injection_remarks(new, old or Object()))
    if old is not None and _judged_parts(old) == _judged_parts(new):
        return Decision(warnings=tuple(warnings)) if warnings else ALLOWED
    problems: list[SpecError] = []
    name = request.object_name
    if not request.object_name.endswith("*") and not names.is_subdomain(name):
        problems.append(messages.object_name(name, request.kind.kind))
    elif "." in name:
        warnings.append(messages.dotted_name(name))
    parsed = _check_config(new.config, name, rules, problems, warnings)
    if parsed is not None and plugins is not None and isinstance(new.config, str):
        resource, is_claimed = new.annotations.get(RESOURCE_NAME, ""), comes_by_claim(new.annotations)
        found = plugin_findings(new.config, name, plugins, resource=resource, is_claimed=is_claimed)
        problems.extend(finding.as_spec_error() for finding in found if finding.is_error)
        warnings.extend(messages.plugin_remark(finding) for finding in found if not finding.is_error)
    problems.extend(consent.problems(new.annotations))
    problems.extend(_injection_problems(new))
    if problems:
        return messages.invalid(request, problems, warnings=warnings)
    network = NetworkAttachmentDefinition(
        namespace=request.namespace,
        name=name,
        config=parsed,
        is_on_disk=parsed is None,
        annotations=new.annotations,
    )
    return judge_author(request, network, cluster, rules, warnings)


def _injection_problems(new: Object) -> Iterator[SpecError]:
    """NB: /mutate, or the API server after it, would refuse every pod of the network."""
    resource = new.annotations.get(RESOURCE_NAME, "").strip()
    if resource and not is_device_name(resource) and not may_be_claimed(resource, new.annotations):
        yield injectiontext.resource_written(resource)
    selector = new.annotations.get(NODE_SELECTOR, "").strip()
    if selector and read_node_selector(selector) is None:
        yield injectiontext.selector_written(selector)


def _injection_remarks(new: Object, old: Object) -> Iterator[str]:
    """Yield what a new text does not do, though its author means it to: the network's pods would show it only."""
    if is_unclear(new.annotations) and new.annotations[INJECT] != old.annotations.get(INJECT):
        yield injectiontext.opt_out_unclear(new.annotations[INJECT])
    source = new.annotations.get(DEVICES_FROM, "")
    if source.strip() and source.strip() not in SOURCES and source != old.annotations.get(DEVICES_FROM):
        yield injectiontext.source_unclear(source.strip())
    resource = new.annotations.get(RESOURCE_NAME, "").strip()
    is_new = (resource, source) != (
        old.annotations.get(RESOURCE_NAME, "").strip(),
        old.annotations.get(DEVICES_FROM, ""),
    )
    if is_new and resource and not has_domain(resource) and not comes_by_claim(new.annotations):
        yield injectiontext.resource_without_domain(resource)


def _judged_parts(thing: Object) -> tuple[object, ...]:
    """Return what rules speak about; labels and other annotations are the author's own."""
    annotations = (
        thing.annotations.get(key) for key in (*consent.ANNOTATIONS, RESOURCE_NAME, DEVICES_FROM, NODE_SELECTOR)
    )
    return thing.config, *annotations


def judge_author(
    request: Request,
    network: NetworkAttachmentDefinition,
    cluster: Cluster,
    rules: Rules,
    warnings: list[str],
    *,
    field: str = "spec.config",
) -> Decision:
    """Return what the rules about definitions say to who sends the request; `field` has the configuration."""
    if not are_ruled(rules):
        return Decision(warnings=tuple(warnings), rules=BY_DEFAULT.rules) if warnings else BY_DEFAULT
    writing = Writing(
        author=Author(name=request.user.name, groups=frozenset(request.user.groups)),
        network=network,
        namespace_labels=cluster.namespace_labels(request.namespace) if request.namespace else {},
        field=field,
    )
    verdict = judge_definition(writing, rules)
    if not verdict.is_allowed:
        return messages.definition_refused(request, verdict, warnings=warnings, field=field)
    found = judge_definition_trial(writing, rules)
    trials = (messages.definition_trial_record(*found),) if found else ()
    if found and found[0] == "Warn":
        warnings = [*warnings, messages.definition_trial(request, found[1], rules.config)]
    return Decision(
        warnings=tuple(warnings), rules=(verdict.code,), trials=trials, policies=messages.distinct([verdict.policy])
    )


def parse_config(config: str, name: str) -> NetworkConfigList:
    """Return the configuration of a text; what has a usual size is remembered. Raises SpecErrors."""
    return _parse_cached(config, name) if len(config) <= CACHED_CONFIG_MAX else cniconfig.parse(config, name=name)


@lru_cache(maxsize=256)
def _parse_cached(config: str, name: str) -> NetworkConfigList:
    """NB: one write is reviewed several times: by both webhooks, at dry runs, by `kubectl apply` over and over."""
    return cniconfig.parse(config, name=name)


def plugin_findings(
    config: str, name: str, plugins: PluginChecks, *, resource: str = "", is_claimed: bool = False
) -> Sequence[PluginFinding]:
    """Return what there is to say about the plugins of a configuration that can be read; `name` as for `cniconfig`.

    `resource`: the resource that the network names; `is_claimed`: a ResourceClaim gives its devices.
    """
    if len(config) <= CACHED_CONFIG_MAX:
        return _findings_cached(config, name, resource, plugins, is_claimed=is_claimed)
    return check_plugins(parse_config(config, name), {RESOURCE_NAME: resource}, plugins, is_claimed=is_claimed)


@lru_cache(maxsize=256)
def _findings_cached(
    config: str, name: str, resource: str, plugins: PluginChecks, *, is_claimed: bool
) -> tuple[PluginFinding, ...]:
    """Remember findings as `_parse_cached` does configurations; they are at most 116 of each."""
    return tuple(check_plugins(_parse_cached(config, name), {RESOURCE_NAME: resource}, plugins, is_claimed=is_claimed))


def _check_config(
    config: object, name: str, rules: Rules, problems: list[SpecError], warnings: list[str]
) -> NetworkConfigList | None:
    """Return the configuration; None if it is empty, and if it cannot be read, which is then a problem."""
    if config is None or (isinstance(config, str) and not config.strip()):
        warnings.append(messages.on_disk(name))
        return None
    if not isinstance(config, str):
        problems.append(messages.config_type(config))
        return None
    try:
        parsed = parse_config(config, name)
    except SpecErrors as errors:
        problems.extend(errors)
        return None
    problems.extend(unsafe(parsed, meta_plugin_types=rules.config.meta_plugin_types))
    if parsed.written_name and parsed.written_name != name:
        warnings.append(messages.name_differs(parsed.written_name, name))
    return parsed
