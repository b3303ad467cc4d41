"""NetworkAttachmentDefinitions are readable and safe to attach, and their authors may write them.

Fields restricted: `metadata.name`, `spec.config`, the consent annotations. Values allowed: JSON that libcni reads as a
configuration or a list, in one way only; plugin types that are file names and not delegating plugins; an IPAM program
as `ipam.type`; an empty `runtimeConfig` or `prevResult`; an empty text (the node's own file), with a warning; a text
and lists within the limits; a resource that a device plugin may have; a node selector of one label; content that the
rules about definitions give to the requester, and that the level of the namespace permits. Operations: CREATE, UPDATE
that changes `spec.config`, the resource name, the node selector or the consent. Exempt: nobody from the built-in
checks; from rules and levels, the exempt users and groups of the configuration, who get a warning if no pod could
attach. A definition that a finalizer holds is judged like any other, because pods still attach to it. Example refusal:
`spec.config.plugins[1].type: a delegating plugin cannot be a delegate: "multus"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cniplugin.access.content.unsafeconfig import unsafe
from cniplugin.access.judging.definitionrules import (
    Author,
    Writing,
    are_ruled,
    judge_definition,
    judge_definition_trial,
    judge_level,
)
from cniplugin.access.judging.reasons import refuse_content
from cniplugin.access.model.decision import Rules
from cniplugin.access.model.levels import ENFORCE, WITHOUT_LEVEL
from cniplugin.access.reading import consent
from cniplugin.netspec import cniconfig, names
from cniplugin.netspec.attachers import BLANK_CONFIG, NAMES, YES, value_of
from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.netspec.errors import SpecError, SpecErrors
from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import (
    BY_CLAIM,
    DEVICES_FROM,
    RESOURCE_NAME,
    NetworkAttachmentDefinition,
    source_of,
)
from webhook.admission.checks.agreements import find_disagreements, shared_keys
from webhook.admission.checks.unknownnamespaces import unknown_to_define
from webhook.admission.model.injection import (
    INJECT,
    NODE_SELECTOR,
    is_device_name,
    is_unclear,
    may_be_claimed,
    read_node_selector,
    resource_keys,
)
from webhook.admission.model.limitsettings import ReviewLimits, config_items_problem, config_size_problem
from webhook.admission.model.requests import ALLOWED, NOTHING, AdmissionWarning, Decision, Object, Request
from webhook.admission.plugins.engine import check_plugins
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.placement import NO_ORIGIN, Origin
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.view.knownforms import Outline, known_forms
from webhook.admission.view.parsecache import PARSED, UNPARSED, parse_config, read_config
from webhook.admission.wording import accesstext, answers, injectiontext, networktext

FINDING_BYTES = 2048
"""Estimated bytes of one finding with its texts; a configuration has at most 116 findings."""

BY_DEFAULT = Decision(rules=("DefinitionDefault",))


def check(request: Request, context: DecisionContext) -> Decision:
    """Judge a definition that is written: by the built-in checks, which have no exemptions, and then by the rules."""
    new, old, plugins = request.object, request.old_object, context.configuration.plugins
    if new is None:
        return ALLOWED
    keys = resource_keys(context.configuration.injection)
    is_steered = _is_steered(new.annotations, keys)
    warnings = list(_injection_warnings(new, old or Object(), keys)) if is_steered else []
    if old is not None and _judged_parts(old, keys) == _judged_parts(new, keys):
        return Decision(warnings=tuple(warnings)) if warnings else ALLOWED
    problems: list[SpecError] = []
    name = request.object_name
    if not request.has_generated_name and not names.is_subdomain(name):
        problems.append(answers.object_name(name, request.kind.kind))
    elif "." in name:
        warnings.append(networktext.dotted_name(name))
    is_kept = old is not None and old.config == new.config
    limits = None if is_kept else context.configuration.limits
    seen = _compare(new, name, limits, context)
    if seen.outline is not None and seen.is_known and seen.outline.is_silent():
        read = _Found(warnings=_name_warnings(seen.value.get("name"), name))
    else:
        read = _look_closely(request, name, limits, context, seen, problems)
    problems += read.problems
    warnings += read.warnings
    if is_steered:
        problems.extend(consent.problems(new.annotations))
        problems.extend(_injection_problems(new, keys))
    if problems:
        return answers.invalid(request, problems, warnings=warnings)

    def network() -> NetworkAttachmentDefinition:
        config = read.config or (cniconfig.assemble(seen.value, name=name) if seen.is_known else None)
        return NetworkAttachmentDefinition(
            namespace=request.namespace,
            name=name,
            config=config,
            is_on_disk=config is None,
            annotations=new.annotations,
        )

    if plugins is not None and read.config is not None:
        warnings.extend(map(networktext.plugin_warning, find_disagreements(network(), context, plugins)))
    return judge_author(request, network, context, warnings)


def _is_steered(annotations: Mapping[str, str], keys: Sequence[str]) -> bool:
    """Say whether a check reads one of the annotations of a definition. `keys`: those that name a resource."""
    return bool(annotations) and not (_STEERING.isdisjoint(annotations) and frozenset(keys).isdisjoint(annotations))


class _Compared(NamedTuple):
    """A configuration beside those that were checked before. `value`: its JSON; UNPARSED if nobody has read it.

    `unread`: why it is no JSON. `outline`: None if it has no form. `is_known`: there was nothing to say about another
    configuration of this form.
    """

    value: Any = UNPARSED
    unread: Sequence[SpecError] = ()
    outline: Outline | None = None
    is_known: bool = False


_INCOMPARABLE = _Compared()


def _compare(new: Object, name: str, limits: ReviewLimits | None, context: DecisionContext) -> _Compared:
    """Look whether a configuration is like one that was right (`view.knownforms`)."""
    text, plugins = new.config, context.configuration.plugins
    if plugins is None or not isinstance(text, str):
        return _INCOMPARABLE
    if len(text) > COMPARED_MAX or text.count(",") > COMPARED_COMMAS_MAX:
        return _INCOMPARABLE
    if limits is not None and (
        config_size_problem(text, limits) is not None or _may_have_items(text, limits.definition_items)
    ):
        return _INCOMPARABLE
    try:
        value = cniconfig.read(text)
    except SpecErrors as errors:
        return _Compared(unread=errors.errors)
    forms = known_forms(plugins)
    has_device = bool(new.annotations.get(RESOURCE_NAME)) or source_of(new.annotations) == BY_CLAIM
    refused = context.rules.config.meta_plugin_types
    outline = forms.outline(value, name, has_device=has_device, meta_plugin_types=refused)
    return _Compared(value, (), outline, outline is not None and outline.form in forms)


COMPARED_MAX, COMPARED_COMMAS_MAX = 16_384, 256
"""Characters of a configuration that is compared, and its commas: its form may have a quarter of the characters, and to
make the form takes 2 microseconds for each item, which are lost if it is too long."""


class _Found(NamedTuple):
    """What there is to say about the text of a definition. `config`: None if it is empty or cannot be read."""

    config: NetworkConfigList | None = None
    problems: Sequence[SpecError] = ()
    warnings: Sequence[AdmissionWarning] = ()


def _look_closely(
    request: Request,
    name: str,
    limits: ReviewLimits | None,
    context: DecisionContext,
    seen: _Compared,
    before: Sequence[SpecError],
) -> _Found:
    """Check the text of the definition that is written, and note its form if there is nothing to say about it.

    `before`: the problems that were found before; nothing is warned of in their places. NB: about a configuration of a
    known form, only its plugins can have something to say.
    """
    new, plugins = request.object or Object(), context.configuration.plugins
    read = (
        _Found(cniconfig.assemble(seen.value, name=name), warnings=_name_warnings(seen.value.get("name"), name))
        if seen.is_known
        else _read_text(new.config, name, limits, context, seen)
    )
    if new.has_capital_config:
        read = read._replace(warnings=(networktext.capital_config(name),))
    if read.config is None or plugins is None or not isinstance(new.config, str):
        return read
    annotations = {RESOURCE_NAME: new.annotations.get(RESOURCE_NAME, "")}
    is_claimed = source_of(new.annotations) == BY_CLAIM
    origin = NO_ORIGIN if request.has_generated_name else Origin(new.namespace and request.namespace, name)
    if seen.value is UNPARSED:
        findings = plugin_findings(
            new.config, name, plugins, resource=annotations[RESOURCE_NAME], is_claimed=is_claimed, origin=origin
        )
    else:
        findings = check_plugins(read.config, annotations, plugins, is_claimed=is_claimed, origin=origin)
    if not findings:
        if seen.outline is not None and not read.problems:  # a warning can only be about the name
            known_forms(plugins).add(seen.outline.form)
        return read
    refused = {problem.path for problem in (*before, *read.problems)}
    errors = [finding.as_spec_error() for finding in findings if finding.is_error(plugins.attached_by)]
    others = [one for one in findings if not one.is_error(plugins.attached_by) and one.path not in refused]
    return read._replace(
        problems=(*read.problems, *errors), warnings=(*read.warnings, *map(networktext.plugin_warning, others))
    )


def _injection_problems(new: Object, keys: Sequence[str]) -> Iterator[SpecError]:
    """Yield the problems for which /mutate, or the API server after it, would refuse every pod of the network.

    `keys`: the annotations that name a resource.
    """
    for key in keys:
        resource = trim(new.annotations.get(key, ""))
        if resource and not is_device_name(resource) and not may_be_claimed(resource, new.annotations):
            yield injectiontext.resource_written(key, resource)
    selector = trim(new.annotations.get(NODE_SELECTOR, ""))
    if selector and read_node_selector(selector) is None:
        yield injectiontext.selector_written(selector)


def _injection_warnings(new: Object, old: Object, keys: Sequence[str]) -> Iterator[AdmissionWarning]:
    """Warn of annotations that do not do what their author likely means; otherwise only the pods would show it."""
    annotations = new.annotations
    if is_unclear(annotations) and annotations[INJECT] != old.annotations.get(INJECT):
        yield injectiontext.opt_out_unclear(annotations[INJECT])
    source, read = annotations.get(DEVICES_FROM, ""), source_of(annotations)
    if source and trim(source) and not read and source != old.annotations.get(DEVICES_FROM):
        yield injectiontext.source_unclear(trim(source))
    for key in keys if read != BY_CLAIM else ():
        resource = trim(annotations.get(key, ""))
        if not resource or not may_be_claimed(resource, annotations):
            continue
        before = trim(old.annotations.get(key, ""))
        if (resource, source) != (before, old.annotations.get(DEVICES_FROM, "")):
            yield injectiontext.resource_without_domain(key, resource)


_STEERING = frozenset({*consent.ANNOTATIONS, INJECT, DEVICES_FROM, NODE_SELECTOR})
"""Annotations of a definition that checks read, besides those that name a resource."""


def _judged_parts(definition: Object, keys: Sequence[str]) -> tuple[object, ...]:
    """Return the parts that checks judge; authors may change labels and other annotations freely."""
    read = (*consent.ANNOTATIONS, RESOURCE_NAME, *keys, DEVICES_FROM, NODE_SELECTOR)
    return definition.config, *(definition.annotations.get(key) for key in read)


def judge_author(
    request: Request,
    network: Callable[[], NetworkAttachmentDefinition],
    context: DecisionContext,
    warnings: list[AdmissionWarning],
    *,
    field: str = "spec.config",
    has_level: bool = True,
) -> Decision:
    """Judge a readable definition by the rules about definitions and its author; `field` has the configuration.

    `network`: returns the definition; in most clusters, no rule asks for it. `has_level`: the level of the namespace
    counts as well.
    """
    namespace, cluster, rules = request.namespace, context.cluster, context.rules
    labels = cluster.namespace_labels(namespace) if namespace else NOTHING
    if not has_level or not namespace:
        labels = {**labels, **WITHOUT_LEVEL}
    unknown = unknown_to_define(cluster, namespace, rules) if namespace else ()
    if not unknown and not are_ruled(rules, labels):
        return Decision(warnings=tuple(warnings), rules=BY_DEFAULT.rules) if warnings else BY_DEFAULT
    writing = Writing(
        author=Author(name=request.user.name, groups=frozenset(request.user.groups)),
        network=network(),
        namespace_labels=labels,
        field=field,
    )
    judged = _judge(request, writing, rules, warnings)
    return judged._replace(unknown=unknown) if unknown else judged


def _judge(request: Request, writing: Writing, rules: Rules, warnings: list[AdmissionWarning]) -> Decision:
    verdict = judge_definition(writing, rules)
    if not verdict.is_allowed:
        return accesstext.definition_refused(request, verdict, warnings=warnings, field=writing.field)
    if verdict.code == "Exempt":
        warnings = [*warnings, *_unattachable(writing, rules)]
    trial = judge_definition_trial(writing, rules)
    trials = (accesstext.definition_trial_record(*trial),) if trial else ()
    if trial and trial[0] == "Warn":
        warnings = [*warnings, accesstext.definition_trial(request, trial[1], rules.config)]
    return Decision(
        warnings=tuple(warnings), rules=(verdict.code,), trials=trials, policies=answers.distinct([verdict.policy])
    )


def _unattachable(writing: Writing, rules: Rules) -> Iterator[AdmissionWarning]:
    """Warn an exempt author of a definition that the level of the namespace keeps all pods from."""
    refusal = judge_level(writing.network, writing.namespace_labels, rules.config, rules.enforced, ENFORCE)
    if refusal is not None:
        yield accesstext.unattachable(refuse_content(*refusal, rules.config))


def plugin_findings(
    config: str,
    name: str,
    plugins: PluginChecks,
    *,
    resource: str = "",
    is_claimed: bool = False,
    origin: Origin = NO_ORIGIN,
) -> Sequence[PluginFinding]:
    """Return the findings about the plugins of a readable configuration; the parse cache keeps them.

    For texts that are reviewed again, as those of claims, or that take long: a review with several turns asks in each.
    `name` as for `cniconfig`. `resource`: the resource that the network names. `is_claimed`: a ResourceClaim gives the
    devices. `origin`: the definition with this configuration.
    """
    key = ("findings", config, name, resource, is_claimed, origin, plugins)
    known: tuple[PluginFinding, ...] | None = PARSED.get(key)
    if known is None:
        parsed = read_config(config, name).config
        annotations = {RESOURCE_NAME: resource}
        known = (
            ()
            if parsed is None
            else tuple(check_plugins(parsed, annotations, plugins, is_claimed=is_claimed, origin=origin))
        )
        PARSED.put(key, known, FINDING_BYTES * len(known))
    return known


def _may_have_items(text: str, most: int) -> bool:
    """Say whether a list of a text may have more items. Items have commas between them; an escape may hide one."""
    return text.count(",") >= most or "\\u" in text


def _read_text(
    text: object, name: str, limits: ReviewLimits | None, context: DecisionContext, seen: _Compared
) -> _Found:
    """Return the configuration with its problems and warnings, without those of its plugins.

    `limits`: None for a text that is stored already.
    """
    attached_by, plugins = context.configuration.attached_by, context.configuration.plugins
    if text is None or (isinstance(text, str) and not trim(text)):
        if text and value_of(BLANK_CONFIG, attached_by) != YES:
            return _Found(problems=(networktext.blank_config(NAMES[attached_by]),))
        return _Found(warnings=(networktext.on_disk(name),))
    if not isinstance(text, str):
        return _Found(problems=(networktext.config_type(text),))
    if limits is not None and (too_large := config_size_problem(text, limits)) is not None:
        return _Found(problems=(too_large,))
    if seen.unread:
        return _Found(problems=seen.unread)
    value = seen.value
    # NB: a usual text is not kept, because the next review is of another one; a long one takes milliseconds.
    parsed, unread = read_config(text, name) if value is UNPARSED else parse_config(text, name, value)
    if parsed is None:
        return _Found(problems=unread)
    if limits is not None and _may_have_items(text, limits.definition_items):
        too_many = config_items_problem(parsed.conf, limits)
        if too_many is not None:
            return _Found(problems=(too_many,))
    is_own = plugins is None or not shared_keys(parsed, plugins)
    warnings = _name_warnings(parsed.written_name, name) if is_own else ()
    problems = unsafe(parsed, meta_plugin_types=context.rules.config.meta_plugin_types)
    return _Found(parsed, problems, warnings)


def _name_warnings(written: str | None, name: str) -> Sequence[AdmissionWarning]:
    """Return the warning about a network that has another name than its definition."""
    return (networktext.name_differs(written, name),) if written and written != name else ()
