"""The networks that a pod asks for can be read, may be used, and can be attached.

Fields restricted: the networks and default-network annotations of a pod, or of a workload's pod template. Values
allowed: the standard's grammar; networks that the access rules give to this pod; a plan that can be made against the
definitions of the snapshot; requests that `podrequests` finds nothing wrong with. Operations: CREATE, UPDATE; on UPDATE
only items that are new or differ, so removing is always possible. Exempt: templates written by kube-system's own
controllers, which the author of the workload was asked about already. A pod in its grace period is judged like any
other: it still runs, and hot-plug controllers act on its annotations. Example refusal: see `access.reasons`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cniplugin.access.judging.allowednetworks import list_allowed
from cniplugin.access.judging.judge import judge, judge_trial, usable_namespaces
from cniplugin.access.judging.reasons import Refusal, listed_names
from cniplugin.access.model.decision import Item, Rules, Subject, Verdict
from cniplugin.access.model.limits import asks_for_nothing
from cniplugin.netspec import jsontext
from cniplugin.netspec.annotation import PodSelections, texts_of
from cniplugin.netspec.errors import SpecError, SpecErrors
from cniplugin.netspec.names import nearest
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.plan import plan
from cniplugin.netspec.selection import NetworkSelectionElement, to_json
from webhook.admission.checks import podrequests
from webhook.admission.checks.namespacelabels import unknown_to_attach
from webhook.admission.checks.podrequests import PodClaim
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits, exceeds_limits, relax
from webhook.admission.model.requests import ALLOWED, Decision, Object, Request
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.listers import Cluster
from webhook.admission.view.parsecache import read_pod
from webhook.admission.wording import addressuse, injectiontext, messages

TEMPLATE_CONTROLLERS = "system:serviceaccount:kube-system:"
SEEN_BY_THE_PARSER = frozenset({"interface-taken", "default-route-holder"})
"""Rules of the plan that the parser of one annotation checks under names of its own."""

NEAR_MAX = 3
"""Missing networks of one pod that a similar name is sought for: each is compared with 200 names, in 2 to 5 ms."""

NAMESPACES_MAX = 64
"""Namespaces that are looked through for a network of the same name."""

REMEMBERED_LABELS_MAX = 16
"""Labels of a pod whose decision is remembered; each has at most 380 characters."""

REMEMBERED_TEXT_MAX = 4096
"""Characters of the annotations whose decision is remembered with the snapshot. A ReplicaSet's pods all ask the same,
and what is allowed without a remark names no object: the second pod costs a look-up."""


class _Terms(NamedTuple):
    """What a decision depends on, beside the request and the snapshot."""

    rules: Rules
    network_namespace: str
    plugins: PluginChecks | None
    limits: ReviewLimits


class _Decided(NamedTuple):
    """A decision, and the addresses that it let the pod have, if no other pod has them."""

    decision: Decision
    claims: tuple[PodClaim, ...] = ()


def check(
    request: Request,
    cluster: Cluster,
    rules: Rules,
    *,
    network_namespace: str,
    plugins: PluginChecks | None = None,
    limits: ReviewLimits = DEFAULTS,
) -> Decision:
    """Judge the networks of a pod or of the pod that a template would make.

    `plugins`: what is known of CNI plugins; None: requests are not compared with what their networks give. `limits`:
    how much the annotations may ask for, if they are new.
    """
    new, old = request.object, request.old_object
    is_template = request.kind.kind != "Pod"
    if new is None or texts_of(new.annotations) == (texts_of(old.annotations) if old else ("", "")):
        return ALLOWED if new is None or old is not None or not is_template else _told_of_unread(request, new)
    if is_template and skips_template(request, rules):
        return ALLOWED
    terms = _Terms(rules, network_namespace, plugins, limits)
    if old is not None or not _is_worth_remembering(new):
        return _with_other_pods(request, cluster, _decide(request, cluster, terms))
    names = (request.kind, request.namespace, network_namespace, new.service_account)
    made: list[_Decided] = []

    def decide() -> tuple[Rules, _Decided | None]:
        made.append(_decide(request, cluster, terms))
        return rules, _without_remarks(made[0])

    key = (names, plugins, limits, texts_of(new.annotations), *new.labels.items())
    remembered_rules, remembered = cluster.recall(key, decide)
    if made:
        return _with_other_pods(request, cluster, made[0])
    if remembered is None or remembered_rules is not rules:
        remembered = _decide(request, cluster, terms)
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
    return len(new.labels) <= REMEMBERED_LABELS_MAX and sum(map(len, texts_of(new.annotations))) <= REMEMBERED_TEXT_MAX


def _without_remarks(decided: _Decided) -> _Decided | None:
    """Return a decision that can be given again: one that names no object."""
    decision = decided.decision
    return decided if decision.is_allowed and not decision.warnings and not decision.trials else None


def _decide(request: Request, cluster: Cluster, terms: _Terms) -> _Decided:
    asked = _read(request.object or Object(), request, terms, terms.limits)
    if asked.problems and request.old_object is not None:
        asked = _as_part_of_old(asked, request, terms)
    fresh = _fresh(asked, request, terms)
    decided = _judge(request, asked, fresh, cluster, terms.rules, plugins=terms.plugins)
    unknown = unknown_to_attach(cluster, request.namespace, _networks(asked, fresh, cluster), terms.rules)
    return decided._replace(decision=decided.decision._replace(unknown=unknown)) if unknown else decided


def _networks(
    asked: PodSelections, fresh: frozenset[int | None], cluster: Cluster
) -> Iterator[NetworkAttachmentDefinition]:
    """Yield the networks of the items to judge, as far as they are known."""
    for position, element in asked.elements:
        network = cluster.network(element.namespace, element.name) if position in fresh else None
        if network is not None:
            yield network


def _read(thing: Object, request: Request, terms: _Terms, limits: ReviewLimits | None) -> PodSelections:
    namespaces = {"namespace": request.namespace, "network_namespace": terms.network_namespace}
    return read_pod(thing.annotations, **namespaces, limits=limits)


def _as_part_of_old(asked: PodSelections, request: Request, terms: _Terms) -> PodSelections:
    """Return what a pod asks for that was above a limit before, and is so with no more than before.

    NB: removing is always possible. Pods of before the limits that can have started are not far above them.
    """
    new, old = request.object, request.old_object
    if new is None or old is None or not exceeds_limits(asked.problems):
        return asked
    relaxed = relax(terms.limits)
    before, after = (_read(thing, request, terms, relaxed) for thing in (old, new))
    is_part = not exceeds_limits((*before.problems, *after.problems)) and after.size <= before.size
    return after if is_part else asked


def skips_template(request: Request, rules: Rules) -> bool:
    """Say whether the pod template of an object is not judged."""
    return rules.config.workload_templates == "Off" or request.user.name.startswith(TEMPLATE_CONTROLLERS)


def _fresh(asked: PodSelections, request: Request, terms: _Terms) -> frozenset[int | None]:
    """Return the items to judge: positions in the networks annotation, None for the default network.

    An old annotation that cannot be read makes every item new.
    """
    everything = frozenset(position for position, _ in asked.elements)
    if request.old_object is None or not everything:
        return everything
    before = _read(request.old_object, request, terms, None)
    if before.problems:
        return everything
    had = Counter(_key(element) for position, element in before.elements if position is not None)
    items: set[int | None] = set()
    for position, element in asked.elements:
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
    asked: PodSelections,
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
    problems = _with_hints([error for error in errors if error.item in to_plan], asked, cluster, subject, rules)
    requests = podrequests.find(asked.elements, to_plan, cluster, plugins)
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
    asked: PodSelections, fresh: frozenset[int | None], subject: Subject, cluster: Cluster, rules: Rules
) -> tuple[list[Refusal], list[tuple[str, Refusal]], list[Verdict]]:
    """Return the refused items, what policies on trial would refuse (with their mode), and each item's verdict."""
    found: list[Refusal] = []
    trials: list[tuple[str, Refusal]] = []
    verdicts: list[Verdict] = []
    judged: dict[tuple[bool, str, str], tuple[Verdict, tuple[str, Verdict] | None]] = {}
    for position, element in asked.elements:
        if position not in fresh:
            continue
        key = (position is None, element.namespace, element.name)
        known = judged.get(key) if asks_for_nothing(element) else None
        if known is None:
            network = cluster.network(element.namespace, element.name)
            item = Item(
                element=element,
                network=network,
                network_labels=cluster.namespace_labels(element.namespace),
                replaces_default=position is None,
            )
            verdict = judge(subject, item, rules)
            known = verdict, judge_trial(subject, item, rules) if verdict.is_allowed else None
            if asks_for_nothing(element):
                judged[key] = known
        verdict, trial = known
        verdicts.append(verdict)
        reference = f"{element.namespace}/{element.name}"
        if not verdict.is_allowed:
            found.append(Refusal(reference=reference, item=position, verdict=verdict))
        elif trial is not None:
            trials.append((trial[0], Refusal(reference=reference, item=position, verdict=trial[1])))
    if found:
        allowed, more = list_allowed(subject, rules, cluster)
        found = [refusal.replace(allowed=allowed, has_more_allowed=more) for refusal in found]
    return found, trials, verdicts


def _plan_problems(asked: PodSelections, cluster: Cluster) -> list[SpecError]:
    """Return why the plan cannot be made."""
    try:
        plan(asked.networks, cluster.network, default=asked.default)
    except SpecErrors as errors:
        return list(errors)
    return []


def _missing(asked: PodSelections, problems: Sequence[SpecError]) -> tuple[tuple[str, str], ...]:
    """Return the networks that do not exist, if that is all that is wrong."""
    if any(error.rule != "network-not-found" for error in problems):
        return ()
    elements = dict(asked.elements)
    found = (elements[error.item] for error in problems)
    return tuple(dict.fromkeys((element.namespace, element.name) for element in found))


def _with_hints(
    errors: Sequence[SpecError], asked: PodSelections, cluster: Cluster, subject: Subject, rules: Rules
) -> list[SpecError]:
    """Return errors with a hint for what is missing, from networks that the pod may use only.

    NB: as many get one as are shown, each name once, and the list of allowed networks is made once.
    """
    elements = dict(asked.elements)
    hints: dict[tuple[str, str], Mapping[str, str]] = {}
    allowed: list[str] = []
    hinted = list(errors)
    for at, error in enumerate(errors[: messages.CAUSES_MAX]):
        if error.rule != "network-not-found":
            continue
        element = elements[error.item]
        key = (element.namespace, element.name)
        if key not in hints:
            elsewhere = _find_elsewhere(element, cluster, subject, rules)
            if not elsewhere and not allowed:
                listed, more = list_allowed(subject, rules, cluster)
                allowed.append(listed_names(listed, has_more=more))
            hints[key] = {"fix": elsewhere} if elsewhere else {
                "fix": _near_fix(element, cluster, subject, rules) if len(hints) < NEAR_MAX else messages.CREATE_IT,
                "allowed": allowed[0],
            }  # fmt: skip
        hinted[at] = error.replace(**hints[key])
    return hinted


def _find_elsewhere(element: NetworkSelectionElement, cluster: Cluster, subject: Subject, rules: Rules) -> str:
    """Return where a network of the same name is that the pod may use, as a fix; "" for nowhere."""
    found = [
        f"{namespace}/{element.name}"
        for namespace in usable_namespaces(subject, rules)[:NAMESPACES_MAX]
        if namespace != element.namespace and cluster.network(namespace, element.name) is not None
    ]
    return messages.exists_as(found) if found else ""


def _near_fix(element: NetworkSelectionElement, cluster: Cluster, subject: Subject, rules: Rules) -> str:
    near = nearest(element.name, _names(cluster, element.namespace, usable_namespaces(subject, rules)))
    return messages.did_you_mean(near) if near else messages.CREATE_IT


def _names(cluster: Cluster, namespace: str, usable: Sequence[str]) -> Sequence[str]:
    return cluster.network_names(namespace) if namespace in usable else ()
