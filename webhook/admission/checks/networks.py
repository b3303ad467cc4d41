"""The networks that a pod asks for can be read, may be used, and can be attached.

Fields restricted: the networks and default-network annotations of a pod, or of a workload's pod template. Values
allowed: the standard's grammar; networks that the access rules give to this pod; a plan that can be made against the
definitions of the snapshot; requests that `podrequests` finds nothing wrong with. Operations: CREATE, UPDATE; on UPDATE
only items that are new or differ, so removing is always possible. Exempt: objects being deleted, and templates written
by kube-system's own controllers, which the author of the workload was asked about already. Example refusal: see
`access.reasons`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from cniplugin.access.judge import judge, judge_trial, usable_namespaces
from cniplugin.access.listing import list_allowed
from cniplugin.access.model import Item, Rules, Subject, Verdict
from cniplugin.access.reasons import Refusal, listed_names
from cniplugin.netspec import annotation, jsontext
from cniplugin.netspec.errors import SpecError, SpecErrors
from cniplugin.netspec.names import nearest
from cniplugin.netspec.plan import item_of, plan
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS, NetworkSelectionElement, to_json
from webhook.admission import addressuse, injectiontext, messages
from webhook.admission.checks import podrequests
from webhook.admission.checks.podrequests import PodClaim
from webhook.admission.listers import Cluster
from webhook.admission.model import ALLOWED, Decision, Object, Request
from webhook.admission.plugins.schema import PluginChecks

TEMPLATE_CONTROLLERS = "system:serviceaccount:kube-system:"
SEEN_BY_THE_PARSER = frozenset({"interface-taken", "default-route-holder"})
"""Rules of the plan that the parser of one annotation checks under names of its own."""

REMEMBERED_LABELS_MAX = 16
"""Labels of a pod whose decision is remembered; each has at most 380 characters."""

REMEMBERED_TEXT_MAX = 4096
"""Characters of the annotations whose decision is remembered with the snapshot. A ReplicaSet's pods all ask the same,
and what is allowed without a remark names no object: the second pod costs a look-up."""


class _Decided(NamedTuple):
    """A decision, and the addresses that it let the pod have, if no other pod has them."""

    decision: Decision
    claims: tuple[PodClaim, ...] = ()


class _Asked(NamedTuple):
    """What one object asks for."""

    networks: tuple[NetworkSelectionElement | None, ...] = ()
    """None in the place of an item that cannot be read."""
    default: NetworkSelectionElement | None = None
    problems: tuple[SpecError, ...] = ()


def check(
    request: Request,
    cluster: Cluster,
    rules: Rules,
    *,
    network_namespace: str,
    plugins: PluginChecks | None = None,
) -> Decision:
    """Judge the networks of a pod or of the pod that a template would make.

    `plugins`: what is known of CNI plugins; None: requests are not compared with what their networks give.
    """
    new, old = request.object, request.old_object
    is_template = request.kind.kind != "Pod"
    if new is None or new.is_being_deleted or _texts(new) == (_texts(old) if old else ("", "")):
        return ALLOWED if new is None or old is not None or not is_template else _told_of_unread(request, new)
    if is_template and skips_template(request, rules):
        return ALLOWED
    if old is not None or not _is_worth_remembering(new):
        return _with_other_pods(request, cluster, _decide(request, cluster, rules, network_namespace, plugins))
    names = (request.kind, request.namespace, network_namespace, new.service_account)
    made: list[_Decided] = []

    def decide() -> tuple[Rules, _Decided | None]:
        made.append(_decide(request, cluster, rules, network_namespace, plugins))
        return rules, _without_remarks(made[0])

    remembered_rules, remembered = cluster.recall((names, plugins, _texts(new), *new.labels.items()), decide)
    if made:
        return _with_other_pods(request, cluster, made[0])
    if remembered is None or remembered_rules is not rules:
        remembered = _decide(request, cluster, rules, network_namespace, plugins)
    return _with_other_pods(request, cluster, remembered) if remembered.claims else remembered.decision


def _told_of_unread(request: Request, template: Object) -> Decision:
    """Allow a template without networks. NB: a pod's own annotations are looked at by /mutate, which gets every pod."""
    unread = injectiontext.unread_annotations(template.annotations, request.kind)
    return Decision(warnings=unread) if unread else ALLOWED


def _with_other_pods(request: Request, cluster: Cluster, decided: _Decided) -> Decision:
    """Add what other pods claim, too. NB: the pods of a template are among those."""
    decision, claims = decided
    if not claims or not decision.is_allowed or request.kind.kind != "Pod":
        return decision
    return podrequests.warn_of_others(request, decision, claims, cluster)


def _is_worth_remembering(new: Object) -> bool:
    """NB: what is remembered is bounded in size, or a tenant could fill the memory with labels."""
    return len(new.labels) <= REMEMBERED_LABELS_MAX and sum(map(len, _texts(new))) <= REMEMBERED_TEXT_MAX


def _without_remarks(decided: _Decided) -> _Decided | None:
    """Return a decision that can be given again: one that names no object."""
    decision = decided.decision
    return decided if decision.is_allowed and not decision.warnings and not decision.trials else None


def _decide(
    request: Request, cluster: Cluster, rules: Rules, network_namespace: str, plugins: PluginChecks | None
) -> _Decided:
    asked = _read(request.object or Object(), request.namespace, network_namespace)
    fresh = _fresh(asked, request.old_object, request.namespace, network_namespace)
    return _judge(request, asked, fresh, cluster, rules, plugins=plugins)


def _texts(thing: Object) -> tuple[str, str]:
    return thing.annotations.get(NETWORKS, ""), thing.annotations.get(DEFAULT_NETWORK, "")


def skips_template(request: Request, rules: Rules) -> bool:
    """Say whether the pod template of an object is not judged."""
    return rules.config.workload_templates == "Off" or request.user.name.startswith(TEMPLATE_CONTROLLERS)


def _read(thing: Object, namespace: str, network_namespace: str) -> _Asked:
    """Read both annotations as far as they can be read."""
    networks, default = _texts(thing)
    problems: list[SpecError] = []
    chosen: NetworkSelectionElement | None = None
    elements: tuple[NetworkSelectionElement | None, ...] = ()
    try:
        chosen = annotation.parse_default_network(default, namespace=network_namespace) if default else None
    except SpecErrors as found:
        problems.extend(found)
    try:
        elements = annotation.parse(networks, namespace=namespace) if networks else ()
    except SpecErrors as found:
        problems.extend(found)
        elements = found.readable
    return _Asked(networks=elements, default=chosen, problems=tuple(problems))


def _fresh(asked: _Asked, old: Object | None, namespace: str, network_namespace: str) -> frozenset[int | None]:
    """Return the items to judge: positions in the networks annotation, None for the default network.

    An old annotation that cannot be read makes every item new.
    """
    everything = frozenset(position for position, _ in _elements(asked))
    if old is None:
        return everything
    before = _read(old, namespace, network_namespace)
    if before.problems:
        return everything
    had = Counter(_key(element) for position, element in _elements(before) if position is not None)
    items: set[int | None] = set()
    for position, element in _elements(asked):
        if position is None:
            is_new = asked.default != before.default
        else:
            had[_key(element)] -= 1
            is_new = had[_key(element)] < 0
        if is_new:
            items.add(position)
    return frozenset(items)


def _key(element: NetworkSelectionElement) -> str:
    return jsontext.quote(to_json(element))


def _judge(
    request: Request,
    asked: _Asked,
    fresh: frozenset[int | None],
    cluster: Cluster,
    rules: Rules,
    *,
    plugins: PluginChecks | None,
) -> _Decided:
    pod = request.object or Object()
    subject = Subject(
        namespace=request.namespace,
        namespace_labels=cluster.namespace_labels(request.namespace),
        labels=pod.labels,
        service_account=pod.service_account,
    )
    refusals, trials, verdicts = _refusals(asked, fresh, subject, cluster, rules)
    to_plan = fresh.difference(refusal.item for refusal in refusals)
    errors = _plan_problems(asked, cluster) if to_plan else []
    problems = _with_hints([error for error in errors if item_of(error) in to_plan], asked, cluster, subject, rules)
    requests = podrequests.find(_elements(asked), to_plan, cluster, plugins)
    if requests.problems:
        problems = sorted([*problems, *requests.problems], key=messages.input_order)
    warnings = [messages.trial(request, refusal, rules.config) for mode, refusal in trials if mode == "Warn"]
    warnings += [addressuse.remark(request, error) for error in requests.remarks]
    if request.kind.kind != "Pod":
        warnings += [messages.not_yet(error) for error in problems if error.rule == "network-not-found"]
        problems = [error for error in problems if error.rule != "network-not-found"]
        if rules.config.workload_templates == "Warn":
            warnings += [messages.would_be_refused(request, refusal, rules.config) for refusal in refusals]
            refusals = []
    if asked.problems:
        others = [error for error in problems if error.rule not in SEEN_BY_THE_PARSER]
        return _Decided(messages.unreadable(request, asked.problems, refusals, others, warnings=warnings))
    if refusals:
        return _Decided(messages.refused(request, refusals, judged=len(verdicts), also=problems, warnings=warnings))
    if problems:
        refused = messages.invalid(request, problems, warnings=warnings)
        return _Decided(refused._replace(missing=_missing(asked, problems)))
    rule_ids = [*(verdict.code for verdict in verdicts), *(error.rule for error in requests.remarks)]
    allowed = Decision(
        warnings=tuple(warnings),
        rules=tuple(dict.fromkeys(rule_ids)),
        policies=messages.distinct([verdict.policy for verdict in verdicts]),
        trials=tuple(messages.trial_record(mode, refusal) for mode, refusal in trials),
    )
    return _Decided(allowed, requests.claims)


def _refusals(
    asked: _Asked, fresh: frozenset[int | None], subject: Subject, cluster: Cluster, rules: Rules
) -> tuple[list[Refusal], list[tuple[str, Refusal]], list[Verdict]]:
    """Return the refused items, what policies on trial would refuse (with their mode), and each item's verdict."""
    found: list[Refusal] = []
    trials: list[tuple[str, Refusal]] = []
    verdicts: list[Verdict] = []
    for position, element in _elements(asked):
        if position not in fresh:
            continue
        network = cluster.network(element.namespace, element.name)
        item = Item(element=element, network=network, replaces_default=position is None)
        verdict = judge(subject, item, rules)
        verdicts.append(verdict)
        if not verdict.is_allowed:
            found.append(Refusal(reference=item.reference, item=position, verdict=verdict))
        elif (trial := judge_trial(subject, item, rules)) is not None:
            mode, other = trial
            trials.append((mode, Refusal(reference=item.reference, item=position, verdict=other)))
    if found:
        allowed, more = list_allowed(subject, rules, cluster)
        found = [refusal.replace(allowed=allowed, has_more_allowed=more) for refusal in found]
    return found, trials, verdicts


def _elements(asked: _Asked) -> list[tuple[int | None, NetworkSelectionElement]]:
    """Return what could be read, with its position; the default network first, as None."""
    first: list[tuple[int | None, NetworkSelectionElement]] = [(None, asked.default)] if asked.default else []
    return [*first, *((position, element) for position, element in enumerate(asked.networks) if element is not None)]


def _plan_problems(asked: _Asked, cluster: Cluster) -> list[SpecError]:
    """Return why the plan cannot be made."""
    positions = [position for position, element in enumerate(asked.networks) if element is not None]
    try:
        plan([element for element in asked.networks if element is not None], cluster.network, default=asked.default)
    except SpecErrors as errors:
        return [_at(error, positions) for error in errors]
    return []


def _missing(asked: _Asked, problems: Sequence[SpecError]) -> tuple[tuple[str, str], ...]:
    """Return the networks that do not exist, if that is all that is wrong."""
    if any(error.rule != "network-not-found" for error in problems):
        return ()
    elements = dict(_elements(asked))
    found = (elements[item_of(error)] for error in problems)
    return tuple(dict.fromkeys((element.namespace, element.name) for element in found))


def _at(error: SpecError, positions: Sequence[int]) -> SpecError:
    """Return an error of the plan with the position of its item in the annotation."""
    item = item_of(error)
    if item is None or positions[item] == item:
        return error
    return error.replace(path=f"[{positions[item]}]{error.path.partition(']')[2]}")


def _with_hints(
    errors: Sequence[SpecError], asked: _Asked, cluster: Cluster, subject: Subject, rules: Rules
) -> list[SpecError]:
    """Return errors with a hint for what is missing, from networks that the pod may use only.

    NB: as many get one as are shown; a hint takes up to milliseconds, and a pod may name 100,000 networks.
    """
    elements = dict(_elements(asked))
    hinted = list(errors)
    for at, error in enumerate(errors[: messages.CAUSES_MAX]):
        if error.rule == "network-not-found":
            hinted[at] = _with_hint(error, elements[item_of(error)], cluster, subject, rules)
    return hinted


def _with_hint(
    error: SpecError, element: NetworkSelectionElement, cluster: Cluster, subject: Subject, rules: Rules
) -> SpecError:
    usable = usable_namespaces(subject, rules)
    elsewhere = [
        f"{namespace}/{element.name}"
        for namespace in usable
        if namespace != element.namespace and cluster.network(namespace, element.name) is not None
    ]
    if elsewhere:
        return error.replace(fix=messages.exists_as(elsewhere))
    near = nearest(element.name, _names(cluster, element.namespace, usable))
    allowed, more = list_allowed(subject, rules, cluster)
    return error.replace(
        fix=messages.did_you_mean(near) if near else messages.CREATE_IT, allowed=listed_names(allowed, has_more=more)
    )


def _names(cluster: Cluster, namespace: str, usable: Sequence[str]) -> Sequence[str]:
    return cluster.network_names(namespace) if namespace in usable else ()
