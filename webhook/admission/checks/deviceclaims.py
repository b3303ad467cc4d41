"""ResourceClaims, their templates and DeviceClasses attach only networks that pods of their namespace may have.

Fields restricted: `config[].opaque` of known drivers. Values allowed: parameters that the driver reads. For a claim or
a template: existing networks that the access rules give to some pod of the namespace (labels and service account are
judged with the pod), and CNI configurations that the author could write as a NetworkAttachmentDefinition there. A
DeviceClass has no namespace, so its access is judged with the pod, and a network that does not exist is a warning.
Operations: CREATE, UPDATE that changes the spec; of a class, new configurations. Exempt: copies of templates by
kube-system's own controllers, objects that are being deleted. Example refusal:
`spec.devices.config[0].opaque.parameters.netAttachDefname: dra-driver-sriov: the driver refuses this key; did you mean
"netAttachDefName"? ...`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cniplugin.access.content.unsafeconfig import unsafe
from cniplugin.access.judging.judge import judge_any_pod, judge_any_pod_trial
from cniplugin.access.model.decision import Subject
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.checks.definitions import judge_author, plugin_findings
from webhook.admission.checks.podclaims import Judged, Judges, judge_attachments, networks_of, with_verdicts
from webhook.admission.checks.unknownnamespaces import unknown_to_attach
from webhook.admission.dra.attachments import ClaimAttachments, Finder, Place, network_of_driver
from webhook.admission.dra.claims import CLAIM, ClaimSpec, DeviceClass, DeviceKey, OpaqueConfig
from webhook.admission.dra.drivers import Driver
from webhook.admission.dra.parameters import read_parameters
from webhook.admission.model.kinds import TEMPLATE_CONTROLLERS
from webhook.admission.model.limitsettings import parameters_problem
from webhook.admission.model.requests import ALLOWED, AdmissionWarning, Decision, Request
from webhook.admission.view.decisioncontext import Cluster, DecisionContext
from webhook.admission.view.parsecache import read_config
from webhook.admission.wording import accesstext, answers, claimtext, networktext

FOR_SOME_POD = Judges(judge_any_pod, judge_any_pod_trial)
CONFIG_NAME = "claim"
"""Name of a CNI configuration in parameters, which needs none."""


class _Written(NamedTuple):
    """A network whose configuration is in the object, and its field; `is_own`: as `Attachment.is_own`."""

    network: NetworkAttachmentDefinition
    field: str
    is_own: bool = False

    def get_network(self) -> NetworkAttachmentDefinition:
        """Return the network."""
        return self.network


class _Content(NamedTuple):
    """The networks in one configuration of a driver, with their problems and warnings."""

    written: tuple[_Written, ...] = ()
    problems: tuple[SpecError, ...] = ()
    warnings: tuple[AdmissionWarning, ...] = ()


def check(request: Request, context: DecisionContext) -> Decision:
    """Judge a claim, a template or a class that is written."""
    drivers, cluster, config = context.configuration.drivers, context.cluster, context.rules.config
    spec = _new_spec(request)
    if drivers is None or spec is None or _is_copy(request):
        return ALLOWED
    known = [(opaque, drivers.by_name[opaque.driver]) for opaque in spec.configs if opaque.driver in drivers.by_name]
    size = sum(len(opaque.parameters or "") for opaque, _ in known)
    too_large = parameters_problem(size, context.configuration.limits)
    if too_large is not None:
        return answers.invalid(request, [too_large])
    key = DeviceKey(request.kind.kind, request.namespace, request.object_name)
    found = Finder(cluster.devices, drivers, request.namespace).find_in(key, spec)
    places = {Place(key, opaque.position): (opaque, driver) for opaque, driver in known}
    contents = {place: _read_content(place, *pair, context) for place, pair in places.items()}
    problems = [*found.problems, *(problem for content in contents.values() for problem in content.problems)]
    warnings = [warning for content in contents.values() for warning in content.warnings]
    judged = Judged()
    unknown: tuple[str, ...] = ()
    if isinstance(spec, ClaimSpec):
        sound = [
            one
            for one in found.attachments
            if one.place not in contents or one.network is None or not contents[one.place].problems
        ]
        labels = cluster.namespace_labels(request.namespace)
        subject = Subject(namespace=request.namespace, namespace_labels=labels)
        judged = judge_attachments(sound, subject, context, FOR_SOME_POD)
        problems += judged.problems
        warnings += [accesstext.trial(request, refusal, config) for mode, refusal in judged.trials if mode == "Warn"]
        networks = networks_of(found.attachments, cluster)
        unknown = unknown_to_attach(cluster, request.namespace, networks, context.rules)
    else:
        warnings += _not_yet(found, cluster)
    if judged.refusals:
        count = len(judged.verdicts)
        refused = accesstext.refused(request, judged.refusals, judged=count, also=problems, warnings=warnings)
        return refused._replace(unknown=unknown)
    if problems:
        missing = judged.missing if len(problems) == len(judged.problems) else ()
        return answers.invalid(request, problems, warnings=warnings)._replace(missing=missing, unknown=unknown)
    written = [network for content in contents.values() for network in content.written]
    decision = with_verdicts(ALLOWED, judged, warnings)._replace(unknown=unknown)
    return _judge_written(request, written, decision, context)


def _is_copy(request: Request) -> bool:
    """Say whether a controller made the claim from a template, which was judged before."""
    return request.kind.kind == CLAIM and request.user.name.startswith(TEMPLATE_CONTROLLERS)


def _new_spec(request: Request) -> ClaimSpec | DeviceClass | None:
    """Return the spec to judge, of a class with its new configurations only; None if the request changes nothing."""
    new, old = request.object, request.old_object
    spec = new.spec if new else None
    before = old.spec if old else None
    if not isinstance(spec, ClaimSpec | DeviceClass) or not spec.configs or spec == before:
        return None
    if isinstance(spec, DeviceClass) and isinstance(before, DeviceClass):
        had = {config._replace(position=0) for config in before.configs}
        return spec._replace(configs=tuple(config for config in spec.configs if config._replace(position=0) not in had))
    return spec


def _read_content(place: Place, config: OpaqueConfig, driver: Driver, context: DecisionContext) -> _Content:
    """Return the networks in a configuration. `Finder` has the problems of parameters that cannot be read."""
    plugins = context.configuration.plugins
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
    findings = () if plugins is None else plugin_findings(parameters.cni, CONFIG_NAME, plugins, is_claimed=True)
    attacher = context.configuration.attached_by
    wrong = [
        *unsafe(parsed, meta_plugin_types=context.rules.config.meta_plugin_types),
        *(finding.as_spec_error() for finding in findings if finding.is_error(attacher)),
    ]
    network = NetworkAttachmentDefinition(namespace=namespace, name=name, config=parsed)
    return _Content(
        written=(*own, _Written(network, field)),
        problems=tuple(error.replace(source=field) for error in wrong),
        warnings=tuple(networktext.plugin_warning(one, field=field) for one in findings if not one.is_error(attacher)),
    )


def _not_yet(found: ClaimAttachments, cluster: Cluster) -> Iterator[AdmissionWarning]:
    """Yield a warning for each missing network that a class names with its namespace."""
    for attachment in found.attachments:
        element = attachment.element
        is_named = attachment.network is None and element.namespace and not attachment.is_alternative
        if is_named and cluster.network(element.namespace, element.name) is None:
            yield claimtext.not_yet(attachment)


def _judge_written(
    request: Request, written: Sequence[_Written], decision: Decision, context: DecisionContext
) -> Decision:
    """Add to an allowed decision the verdicts on definitions for the author of networks in the object."""
    for one in written:
        by_author = judge_author(
            request, one.get_network, context, list(decision.warnings), field=one.field, has_level=not one.is_own
        )
        unknown = answers.distinct([*decision.unknown, *by_author.unknown])
        if not by_author.is_allowed:
            return by_author._replace(unknown=unknown)
        decision = by_author._replace(
            rules=answers.distinct([*decision.rules, *by_author.rules]),
            policies=answers.distinct([*decision.policies, *by_author.policies]),
            trials=(*decision.trials, *by_author.trials),
            unknown=unknown,
        )
    return decision
