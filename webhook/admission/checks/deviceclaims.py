"""ResourceClaims, their templates and DeviceClasses attach only what pods of their namespace may have.

Fields restricted: `config[].opaque` of drivers that are known. Values allowed: parameters that the driver reads; of a
claim or template, networks that exist and that the access rules give to some pod of the namespace (what depends on a
pod's labels or service account is judged with the pod); CNI configurations that could be a NetworkAttachmentDefinition
of the same author there. Of a DeviceClass, which is of no namespace, access is judged with the pod, and a network that
does not exist is a warning. Operations: CREATE, UPDATE that changes the spec; of a class, new configurations. Exempt:
what kube-system's own controllers copy from a template, objects being deleted.
Example refusal: `spec.devices.config[0].opaque.parameters.netAttachDefname: dra-driver-sriov: the driver refuses this
key; did you mean "netAttachDefName"? ...`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cniplugin.access.content.unsafeconfig import unsafe
from cniplugin.access.judging.judge import judge_any_pod, judge_any_pod_trial
from cniplugin.access.model.decision import Rules, Subject
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.checks.definitions import judge_author, plugin_findings
from webhook.admission.checks.namespacelabels import unknown_to_attach
from webhook.admission.checks.networks import TEMPLATE_CONTROLLERS
from webhook.admission.checks.podclaims import Judged, Judges, judge_attachments, networks_of, with_verdicts
from webhook.admission.dra.attachments import Attachment, ClaimAttachments, Finder, Place, network_of_driver
from webhook.admission.dra.claims import CLAIM, ClaimSpec, DeviceClass, DeviceKey, OpaqueConfig
from webhook.admission.dra.drivers import Driver, Drivers
from webhook.admission.dra.parameters import read_parameters
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits, parameters_problem
from webhook.admission.model.requests import ALLOWED, Decision, Request
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.listers import Cluster
from webhook.admission.view.parsecache import read_config
from webhook.admission.wording import claimtext, messages

FOR_SOME_POD = Judges(judge_any_pod, judge_any_pod_trial)
CONFIG_NAME = "claim"
"""Name of a CNI configuration that has none."""


class _Written(NamedTuple):
    """A network that the object holds itself, and where; `is_own`: as `Attachment.is_own`."""

    network: NetworkAttachmentDefinition
    field: str
    is_own: bool = False


class _Content(NamedTuple):
    """What there is to say about the networks that one configuration holds itself."""

    written: tuple[_Written, ...] = ()
    problems: tuple[SpecError, ...] = ()
    warnings: tuple[str, ...] = ()


def check(
    request: Request,
    cluster: Cluster,
    rules: Rules,
    drivers: Drivers,
    plugins: PluginChecks | None = None,
    *,
    limits: ReviewLimits = DEFAULTS,
) -> Decision:
    """Judge a claim, a template or a class that is written. `plugins` as for `definitions.check`."""
    new = request.object
    spec = _fresh(request)
    if new is None or spec is None or _is_copy(request):
        return ALLOWED
    known = list(_known(spec.configs, drivers))
    too_large = parameters_problem(sum(len(config.parameters or "") for config, _ in known), limits)
    if too_large is not None:
        return messages.invalid(request, [too_large])
    key = DeviceKey(request.kind.kind, request.namespace, request.object_name)
    found = Finder(cluster.devices, drivers, request.namespace).find_in(key, spec)
    read = {
        Place(key, config.position): _read_content(Place(key, config.position), config, driver, rules, plugins)
        for config, driver in known
    }
    contents = read.values()
    problems = [*found.problems, *(problem for content in contents for problem in content.problems)]
    warnings = [warning for content in contents for warning in content.warnings]
    judged = Judged()
    if isinstance(spec, ClaimSpec):
        sound = [
            one
            for one in found.attachments
            if one.place not in read or one.network is None or not read[one.place].problems
        ]
        judged = _judge(request, sound, cluster, rules)
        problems += judged.problems
        warnings += [
            messages.trial(request, refusal, rules.config) for mode, refusal in judged.trials if mode == "Warn"
        ]
    else:
        warnings += _not_there_yet(found, cluster)
    unknown: tuple[str, ...] = ()
    if isinstance(spec, ClaimSpec):
        unknown = unknown_to_attach(cluster, request.namespace, networks_of(found.attachments, cluster), rules)
    if judged.refusals:
        refused = messages.refused(
            request, judged.refusals, judged=len(judged.verdicts), also=problems, warnings=warnings
        )
        return refused._replace(unknown=unknown)
    if problems:
        missing = judged.missing if len(problems) == len(judged.problems) else ()
        return messages.invalid(request, problems, warnings=warnings)._replace(missing=missing, unknown=unknown)
    written = [network for content in contents for network in content.written]
    decided = _judge_written(request, written, judged, cluster, rules, warnings=warnings)
    return decided._replace(unknown=messages.distinct([*decided.unknown, *unknown])) if unknown else decided


def _is_copy(request: Request) -> bool:
    """Say whether a controller made the claim, of a template whose author was asked."""
    return request.kind.kind == CLAIM and request.user.name.startswith(TEMPLATE_CONTROLLERS)


def _fresh(request: Request) -> ClaimSpec | DeviceClass | None:
    """Return what is to be judged; None if nothing is."""
    new, old = request.object, request.old_object
    spec = new.spec if new else None
    before = old.spec if old else None
    if not isinstance(spec, ClaimSpec | DeviceClass) or not spec.configs or spec == before:
        return None
    if isinstance(spec, DeviceClass) and isinstance(before, DeviceClass):
        had = {config._replace(position=0) for config in before.configs}
        return spec._replace(configs=tuple(config for config in spec.configs if config._replace(position=0) not in had))
    return spec


def _known(configs: Sequence[OpaqueConfig], drivers: Drivers) -> Iterator[tuple[OpaqueConfig, Driver]]:
    for config in configs:
        driver = drivers.by_name.get(config.driver)
        if driver is not None:
            yield config, driver


def _read_content(
    place: Place, config: OpaqueConfig, driver: Driver, rules: Rules, plugins: PluginChecks | None
) -> _Content:
    """Return the networks that a configuration holds itself; what cannot be read at all is a problem already."""
    parameters, unread = read_parameters(config.parameters or "null", driver)
    if unread:
        return _Content()
    namespace, name = place.key.namespace, place.key.name
    own: tuple[_Written, ...] = ()
    if driver.requests is not None:
        own = (_Written(network_of_driver(namespace, name, driver.driver), place.parameters_path, is_own=True),)
    if parameters.cni is None:
        return _Content(own)
    field = f"{place.parameters_path}.{parameters.cni_path}"
    read = read_config(parameters.cni, CONFIG_NAME)
    if read.config is None:
        return _Content(own, tuple(error.replace(source=field) for error in read.problems))
    parsed = read.config
    found = () if plugins is None else plugin_findings(parameters.cni, CONFIG_NAME, plugins, is_claimed=True)
    wrong = [
        *unsafe(parsed, meta_plugin_types=rules.config.meta_plugin_types),
        *(finding.as_spec_error() for finding in found if finding.is_error),
    ]
    network = NetworkAttachmentDefinition(namespace=namespace, name=name, config=parsed)
    return _Content(
        written=(*own, _Written(network, field)),
        problems=tuple(error.replace(source=field) for error in wrong),
        warnings=tuple(messages.plugin_remark(finding, field=field) for finding in found if not finding.is_error),
    )


def _judge(request: Request, attachments: Sequence[Attachment], cluster: Cluster, rules: Rules) -> Judged:
    subject = Subject(namespace=request.namespace, namespace_labels=cluster.namespace_labels(request.namespace))
    return judge_attachments(attachments, subject, cluster, rules, FOR_SOME_POD)


def _not_there_yet(found: ClaimAttachments, cluster: Cluster) -> Iterator[str]:
    """Yield a warning for each network that a class names, of a namespace that it names, and that does not exist."""
    for attachment in found.attachments:
        element = attachment.element
        is_named = attachment.network is None and element.namespace and not attachment.is_alternative
        if is_named and cluster.network(element.namespace, element.name) is None:
            yield claimtext.not_there_yet(attachment)


def _judge_written(
    request: Request,
    written: Sequence[_Written],
    judged: Judged,
    cluster: Cluster,
    rules: Rules,
    *,
    warnings: list[str],
) -> Decision:
    """Return what the rules about definitions say to the author of networks that the object holds itself."""
    decision = with_verdicts(ALLOWED, judged, warnings)
    for one in written:
        by_author = judge_author(
            request,
            one.network,
            cluster,
            rules,
            list(decision.warnings),
            field=one.field,
            has_level=not one.is_own,
        )
        if not by_author.is_allowed:
            return by_author._replace(unknown=messages.distinct([*decision.unknown, *by_author.unknown]))
        decision = by_author._replace(
            rules=messages.distinct([*decision.rules, *by_author.rules]),
            policies=messages.distinct([*decision.policies, *by_author.policies]),
            trials=(*decision.trials, *by_author.trials),
            unknown=messages.distinct([*decision.unknown, *by_author.unknown]),
        )
    return decision
