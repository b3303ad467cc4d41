"""A pod can only ask for networks in readable annotations, and only for networks that it may use and can attach.

Fields restricted: the networks and default-network annotations of a pod, or of a workload's pod template. Values
allowed: the standard's grammar; networks that the access rules give to this pod; a plan that can be made with the
definitions of the snapshot; requests that pass `podrequests`. Operations: CREATE, UPDATE. On UPDATE only new and
changed items are judged, so removing is always possible. Exempt: templates written by kube-system's own controllers,
because the template of the workload's author was judged before. A pod in its grace period is judged like any other: it
still runs, and hot-plug controllers act on its annotations. Example refusal: see `access.reasons`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple

from cniplugin.access.judging.allowednetworks import list_allowed
from cniplugin.access.judging.judge import judge, judge_trial, usable_namespaces
from cniplugin.access.judging.reasons import Refusal, listed_names
from cniplugin.access.model.decision import Config, Item, Rules, Subject, Verdict
from cniplugin.access.model.limits import asks_for_nothing
from cniplugin.netspec import jsontext
from cniplugin.netspec.annotation import PodSelections, texts_of
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import nearest
from cniplugin.netspec.plan import check_plan, known_reads
from cniplugin.netspec.selection import NetworkSelectionElement, to_json
from webhook.admission.checks import podrequests
from webhook.admission.checks.podrequests import Offers, PodClaim
from webhook.admission.checks.unknownnamespaces import unknown_to_attach
from webhook.admission.model.kinds import TEMPLATE_CONTROLLERS
from webhook.admission.model.limitsettings import ReviewLimits, exceeds_limits, relax
from webhook.admission.model.requests import ALLOWED, Decision, Object, PodPlace, Request
from webhook.admission.model.ruleids import rule_severity
from webhook.admission.plugins.outcomes import ERROR
from webhook.admission.view.decisioncontext import Cluster, DecisionContext
from webhook.admission.view.definitions import Definitions
from webhook.admission.view.needs import find_needing
from webhook.admission.view.parsecache import read_pod, read_texts
from webhook.admission.wording import accesstext, answers, injectiontext, networktext, usetext
from webhook.admission.wording.accesstext import GeneralRefusal
from webhook.admission.wording.answers import CAUSES_MAX, distinct, invalid
from webhook.admission.wording.networktext import NO_HINT, Hint

SEEN_BY_THE_PARSER = frozenset({"interface-taken", "default-route-holder"})
"""Rules of the plan that the parser of an annotation checks under other names."""

NEAR_MAX = 3
"""Missing networks of one pod that get a similar name: each is compared with 200 names, which takes 2 to 5 ms."""

NAMESPACES_MAX = 64
"""Namespaces that are searched for a network of the same name."""

REMEMBERED_LABELS_MAX = 16
"""Labels of a pod whose decision is remembered; each has at most 380 characters."""

REMEMBERED_TEXT_MAX = 4096
"""Characters of the annotations of a pod whose decision is remembered. All pods of a ReplicaSet ask for the same, and a
decision without a warning names no object, so the second pod costs a look-up."""

REMEMBERED_CLAIMS_MAX = 16
"""Addresses of a pod whose decision is remembered; each takes some 300 bytes."""

REMEMBERED_REFUSALS_MAX = 4
"""Refused networks of a pod whose refusal is remembered; the texts about each have at most 2 KiB."""

Key = tuple[str, str]
"""Namespace and name of a network."""


class PodNetworks(NamedTuple):
    """The decision about the networks of a pod, and the existing networks that need a resource, one per selection."""

    decision: Decision
    needing: tuple[Key, ...] = ()


NO_NETWORKS = PodNetworks(ALLOWED)


class _Decided(NamedTuple):
    """A decision, and the addresses that the pod gets if no other pod has them.

    `is_general`: it names no object, so it is that of every pod with the same annotations, account, and labels that
    rules read. A general `refusal` names one pod in its first line. `needing` as in `PodNetworks`. `offers`: for other
    pods that ask for addresses of the same networks, as `podrequests.usual_offers` returns them.
    """

    decision: Decision
    claims: tuple[PodClaim, ...] = ()
    is_general: bool = False
    needing: tuple[Key, ...] = ()
    refusal: GeneralRefusal | None = None
    offers: Offers | None = None


def check(request: Request, context: DecisionContext) -> Decision:
    """Judge the networks of a pod, or of the pod that a template would create."""
    return judge_networks(request, context).decision


def judge_networks(request: Request, context: DecisionContext) -> PodNetworks:
    """Judge as `check` does, and find the networks that need a resource."""
    new, old = request.object, request.old_object
    if new is None:
        return NO_NETWORKS
    texts = texts_of(new.annotations)
    is_template = request.kind.kind != "Pod"
    if texts == (texts_of(old.annotations) if old else NO_TEXTS):
        return NO_NETWORKS if old is not None or not is_template else PodNetworks(_check_unread(request, new))
    if is_template and skips_template(request, context.rules):
        return NO_NETWORKS
    key = _key_of(request, new, context) if old is None and request.place is None else None
    decided = _decide(request, new, None, context) if key is None else _recall(request, new, texts, key, context)
    decision = decided.decision
    if decided.claims:
        decision = _with_other_pods(request, context.cluster, decided)
    elif decided.refusal is not None:
        decision = accesstext.refuse_again(request, decision, decided.refusal)
    return PodNetworks(decision, decided.needing)


NO_TEXTS = ("", "")


def subject_of(request: Request, pod: Object, cluster: Cluster) -> Subject:
    """Return a pod as the access rules see it."""
    return Subject(
        namespace=request.namespace,
        namespace_labels=cluster.namespace_labels(request.namespace),
        labels=pod.labels,
        service_account=pod.service_account,
    )


def skips_template(request: Request, rules: Rules) -> bool:
    """Say whether the pod template of an object is not judged."""
    return rules.config.workload_templates == "Off" or request.user.name.startswith(TEMPLATE_CONTROLLERS)


def _check_unread(request: Request, template: Object) -> Decision:
    """Allow a template without networks. NB: /mutate gets every pod, and looks at the pod's own annotations."""
    unread = injectiontext.unread_annotations(template.annotations, answers.template_path(request))
    return Decision(warnings=unread) if unread else ALLOWED


def _recall(request: Request, new: Object, texts: tuple[str, str], key: Hashable, context: DecisionContext) -> _Decided:
    """Return the decision for a pod of this key, from the memory if it is there for its texts or for its networks."""
    memory = context.memory
    if len(texts[0]) + len(texts[1]) > REMEMBERED_TEXT_MAX:
        return _decide(request, new, None, context)
    by_text = (key, texts)
    known: _Decided | None = memory.get(by_text)
    if known is not None:
        return known
    limits = context.configuration.limits
    asked = read_texts(*texts, request.namespace, context.network_namespace, limits=limits, keeps_usual=False)
    by_shape = (key, _shape_of(asked, context.rules))
    general: _Decided | None = memory.get(by_shape) if by_shape[1] else None
    if general is not None:
        decided = _with_own_claims(general, asked, context)
        if decided is not None:
            # NB: few pods ask for the addresses of another one, and others may claim them later.
            if not general.offers and len(decided.claims) <= REMEMBERED_CLAIMS_MAX:
                memory.put(by_text, decided)
            return decided
    decided = _decide(request, new, asked, context)
    if decided.is_general and len(decided.claims) <= REMEMBERED_CLAIMS_MAX:
        memory.put(by_text, decided)
        # NB: a warning quotes what one pod asks for.
        if general is None and by_shape[1] and not decided.decision.warnings:
            memory.put(by_shape, _for_others(decided, asked, context))
    return decided


def _shape_of(asked: PodSelections, rules: Rules) -> tuple[str | int, ...]:
    """Return what decides about a pod that asks for addresses and names of interfaces at most; () for another pod.

    It has three members for each element: the namespace and the name of the network, and a number for the kinds of
    requests. `podrequests` judges the addresses. NB: the parser finds names that are in the way of each other; those
    that a plan gives may be in the way as well. Rules of policies read requests.
    """
    found: list[str | int] = []
    asks = 0
    for namespace, name, interface, mac, ips in asked.usual:
        kinds = (2 if ips else 0) + (4 if mac else 0)
        if interface:
            if interface.startswith(_NUMBERED):
                return ()
            kinds += 1
        asks += kinds
        found += (namespace, name, kinds)
    has_rules = not (rules.enforced is rules.warned is rules.audited is None)
    return () if asks and has_rules else tuple(found)


_NUMBERED = "net"
"""The names of interfaces that a plan gives begin so."""


def _for_others(decided: _Decided, asked: PodSelections, context: DecisionContext) -> _Decided:
    """Return a decision as other pods of the shape get it."""
    refused = decided.refusal.items if decided.refusal is not None else ()
    items = [item for item, _ in asked.elements if item not in refused]
    offers = podrequests.usual_offers(asked.elements, items, Definitions(context.cluster), context)
    return decided._replace(claims=(), offers=offers)


def _with_own_claims(general: _Decided, asked: PodSelections, context: DecisionContext) -> _Decided | None:
    """Return the decision for the addresses of one pod; None if something is to be said about them.

    Without its claims if no other pod has one of them now.
    """
    offers = general.offers
    if offers == ():
        return general
    claims = podrequests.claim(asked.usual, offers, context.cluster) if offers is not None else None
    if claims is None:
        if general.refusal is not None:
            return None
        everything = range(asked.size)
        requests = podrequests.find(asked.elements, everything, Definitions(context.cluster), context)
        if requests.has_findings:
            return None
        claims = requests.claims
    if not claims or general.refusal is not None:
        return general
    return _Decided(general.decision, claims, needing=general.needing)


def _key_of(request: Request, new: Object, context: DecisionContext) -> Hashable | None:
    """Return all that the decision depends on besides the context and what the pod asks for.

    None for a pod that is too large to be remembered. NB: /mutate judges with the same context, but without plugins and
    injection.
    """
    rules, configuration = context.rules, context.configuration
    labels, keys = new.labels, rules.pod_labels
    if keys is None:
        keys = tuple(labels)
    read = [(key, labels[key]) for key in keys if key in labels] if keys else ()
    if len(read) > REMEMBERED_LABELS_MAX:
        return None
    account = new.service_account if rules.reads_accounts else ""
    has_parts = configuration.plugins is not None, configuration.injection is not None
    return request.kind.kind, request.kind.group, request.namespace, account, has_parts, *read


def _with_other_pods(request: Request, cluster: Cluster, decided: _Decided) -> Decision:
    """Add warnings about addresses that other pods claim. NB: the pods of a template are among those."""
    decision, claims = decided.decision, decided.claims
    if not claims or not decision.is_allowed or request.kind.kind != "Pod":
        return decision
    return podrequests.warn_of_others(request, decision, claims, cluster)


def _decide(request: Request, pod: Object, asked: PodSelections | None, context: DecisionContext) -> _Decided:
    """Decide without the memory. `asked`: what the pod's annotations say, if they are read already."""
    if asked is None:
        asked = _read(pod, request, context, context.configuration.limits)
    if asked.problems and request.old_object is not None:
        asked = _as_part_of_old(asked, request, context)
    items = _items_to_judge(asked, request, context)
    definitions = Definitions(context.cluster)
    decided = _judge(request, pod, asked, items, definitions, context)
    judged = [definitions[element.namespace, element.name] for item, element in asked.elements if item in items]
    networks = [network for network in judged if network is not None]
    unknown = unknown_to_attach(context.cluster, request.namespace, networks, context.rules)
    if unknown:
        decided = decided._replace(decision=decided.decision._replace(unknown=unknown))
    needing = find_needing(networks, context.configuration.injection)
    return decided._replace(needing=needing) if needing else decided


def _read(pod: Object, request: Request, context: DecisionContext, limits: ReviewLimits | None) -> PodSelections:
    namespace, network_namespace = request.namespace, context.network_namespace
    return read_pod(pod.annotations, namespace=namespace, network_namespace=network_namespace, limits=limits)


def _as_part_of_old(asked: PodSelections, request: Request, context: DecisionContext) -> PodSelections:
    """Return the requests of a pod that exceeded a limit before the UPDATE and have not grown.

    NB: removing is always possible. A pod that was stored before the limits, and that could start, does not exceed them
    by far.
    """
    new, old = request.object, request.old_object
    if new is None or old is None or not exceeds_limits(asked.problems):
        return asked
    relaxed = relax(context.configuration.limits)
    before, after = (_read(pod, request, context, relaxed) for pod in (old, new))
    is_part = not exceeds_limits((*before.problems, *after.problems)) and after.size <= before.size
    return after if is_part else asked


def _items_to_judge(asked: PodSelections, request: Request, context: DecisionContext) -> frozenset[int | None]:
    """Return the new items: positions in the networks annotation, None for the default network.

    If the old annotations cannot be read, every item is new.
    """
    everything = frozenset([position for position, _ in asked.elements])
    if request.old_object is None or not everything:
        return everything
    before = _read(request.old_object, request, context, None)
    if before.problems:
        return everything
    had = Counter(_canonical(element) for position, element in before.elements if position is not None)
    items: set[int | None] = set()
    for position, element in asked.elements:
        if position is None:
            is_new = asked.default != before.default
        else:
            had[_canonical(element)] -= 1
            is_new = had[_canonical(element)] < 0
        if is_new:
            items.add(position)
    return frozenset(items)


def _canonical(element: NetworkSelectionElement) -> str:
    return jsontext.quote(to_json(element))


def _judge(
    request: Request,
    pod: Object,
    asked: PodSelections,
    items: frozenset[int | None],
    definitions: Definitions,
    context: DecisionContext,
) -> _Decided:
    config = context.rules.config
    subject = subject_of(request, pod, context.cluster)
    refusals, trials, verdicts = _judge_items(asked, items, subject, definitions, context, request.place)
    to_plan = items.difference(refusal.item for refusal in refusals) if refusals else items
    planned, remarks = _plan(asked, definitions, context) if to_plan else ((), ())
    requests = podrequests.find(asked.elements, to_plan, definitions, context)
    if not (refusals or trials or planned or remarks or asked.problems or asked.remarks or requests.has_findings):
        return _Decided(_allowed(verdicts, context), requests.claims, is_general=True)
    errors = [error for error in planned if error.item in to_plan]
    advice = _advise(errors, asked, subject, context)
    problems = [error.replace(**how.members()) if how else error for error, how in zip(errors, advice, strict=True)]
    lost, surprises = _split_remarks((*asked.remarks, *remarks), items, to_plan, context)
    if requests.problems or lost:
        problems = sorted([*lost, *problems, *requests.problems], key=accesstext.input_order)
    surprises = sorted([*surprises, *requests.surprises], key=accesstext.input_order)
    warnings = [accesstext.trial(request, refusal, config) for mode, refusal in trials if mode == "Warn"]
    warnings += [usetext.address_warning(request, error) for error in surprises]
    if request.kind.kind != "Pod":
        warnings += [
            networktext.not_yet(request, error, how.hint if how else NO_HINT)
            for error, how in zip(errors, advice, strict=True)
            if error.rule == "network-not-found"
        ]
        problems = [error for error in problems if error.rule != "network-not-found"]
        if config.workload_templates == "Warn":
            warnings += [accesstext.would_be_refused(request, refusal, config) for refusal in refusals]
            refusals = []
    if asked.problems:
        others = [error for error in problems if error.rule not in SEEN_BY_THE_PARSER]
        unread = _without_refused_spellings(asked.problems, subject, context)
        return _Decided(accesstext.unreadable(request, unread, refusals, others, warnings=warnings))
    if refusals:
        refused = accesstext.refused(request, refusals, judged=len(verdicts), also=problems, warnings=warnings)
        is_alone = not (trials or problems or warnings or asked.remarks) and request.place is None
        if is_alone and _is_general(refusals, config):
            return _Decided(refused, is_general=True, refusal=accesstext.generalize(refusals, judged=len(verdicts)))
        return _Decided(refused)
    if problems:
        wrong = invalid(request, problems, warnings=warnings)
        return _Decided(wrong._replace(missing=_missing(asked, problems)))
    allowed = Decision(
        warnings=tuple(warnings),
        rules=distinct([*(verdict.code for verdict in verdicts), *(error.rule for error in surprises)]),
        policies=distinct([verdict.policy for verdict in verdicts]),
        trials=tuple(accesstext.trial_record(mode, refusal) for mode, refusal in trials),
    )
    return _Decided(allowed, requests.claims, is_general=not trials and len(warnings) == len(surprises))


def _allowed(verdicts: Sequence[Verdict], context: DecisionContext) -> Decision:
    """Return the admission by these verdicts. One object is remembered for all pods, so its answer is encoded once."""
    rules = distinct([verdict.code for verdict in verdicts])
    policies = distinct([verdict.policy for verdict in verdicts])
    key = ("allowed", rules, policies)
    known: Decision | None = context.memory.get(key)
    if known is None:
        known = Decision(rules=rules, policies=policies)
        context.memory.put(key, known)
    return known


def _judge_items(
    asked: PodSelections,
    items: frozenset[int | None],
    subject: Subject,
    definitions: Definitions,
    context: DecisionContext,
    place: PodPlace | None,
) -> tuple[list[Refusal], list[tuple[str, Refusal]], list[Verdict]]:
    """Return the refused items, the refusals of policies on trial (with their mode), and each item's verdict."""
    cluster, rules = context.cluster, context.rules
    refusals: list[Refusal] = []
    trials: list[tuple[str, Refusal]] = []
    verdicts: list[Verdict] = []
    judged: dict[tuple[bool, str, str], tuple[Verdict, tuple[str, Verdict] | None]] = {}
    for position, element in asked.elements:
        if position not in items:
            continue
        namespace, name = element.namespace, element.name
        is_plain = asks_for_nothing(element)
        known = judged.get((position is None, namespace, name)) if is_plain else None
        if known is None:
            item = Item(
                element=element,
                network=definitions[namespace, name],
                network_labels=cluster.namespace_labels(namespace),
                replaces_default=position is None,
            )
            if place is not None and (source := place.source(position)):
                item = item.replace(source=source)
            verdict = judge(subject, item, rules)
            known = verdict, judge_trial(subject, item, rules) if verdict.is_allowed else None
            if is_plain:
                judged[position is None, namespace, name] = known
        verdict, trial = known
        verdicts.append(verdict)
        if not verdict.is_allowed:
            refusals.append(Refusal(reference=f"{namespace}/{name}", item=position, verdict=verdict))
        elif trial is not None:
            trials.append((trial[0], Refusal(reference=f"{namespace}/{name}", item=position, verdict=trial[1])))
    return with_allowed(refusals, subject, context), trials, verdicts


def with_allowed(refusals: Sequence[Refusal], subject: Subject, context: DecisionContext) -> list[Refusal]:
    """Return refusals with the networks that the pod may use instead."""
    if not refusals:
        return []
    allowed, more = list_allowed(subject, context.rules, context.cluster)
    return [refusal.replace(allowed=allowed, has_more_allowed=more) for refusal in refusals]


def _is_general(refusals: Sequence[Refusal], config: Config) -> bool:
    """Say whether refusals may be remembered: there are few, and other pods would be shown the same networks.

    NB: a short list with "and more" may have ended at a network that was not parsed yet.
    """
    first = refusals[0]
    is_whole = not first.has_more_allowed or len(first.allowed) == config.max_listed
    return is_whole and len(refusals) <= REMEMBERED_REFUSALS_MAX


def _plan(
    asked: PodSelections, definitions: Definitions, context: DecisionContext
) -> tuple[Sequence[SpecError], Sequence[SpecError]]:
    """Return why the plan cannot be made, and the remarks about it."""
    attached_by, plugins = context.configuration.attached_by, context.configuration.plugins
    reads = plugins.reads if plugins is not None else known_reads
    return check_plan(asked.networks, definitions.find, default=asked.default, attached_by=attached_by, reads=reads)


def _split_remarks(
    remarks: Sequence[SpecError],
    items: Collection[int | None],
    to_plan: Collection[int | None],
    context: DecisionContext,
) -> tuple[list[SpecError], list[SpecError]]:
    """Return the remarks about the items to judge: those that refuse where this attacher attaches, and the others.

    NB: a remark about a whole text, which has no item, counts for every item of it, and for a text without items.
    """
    lost: list[SpecError] = []
    surprises: list[SpecError] = []
    for remark in remarks:
        is_judged = remark.item is None or remark.item in items
        if not is_judged or (remark.rule == "capability-undeclared" and remark.item not in to_plan):
            continue
        is_refused = rule_severity(remark.rule, "pod", context.configuration.attached_by) == ERROR
        (lost if is_refused else surprises).append(remark)
    return lost, surprises


def _missing(asked: PodSelections, problems: Sequence[SpecError]) -> tuple[tuple[str, str], ...]:
    """Return the networks that do not exist, if there is no other problem."""
    if any(error.rule != "network-not-found" for error in problems):
        return ()
    elements = dict(asked.elements)
    missing = (elements[error.item] for error in problems)
    return tuple(dict.fromkeys((element.namespace, element.name) for element in missing))


class _Advice(NamedTuple):
    """The advice about a missing network; `allowed`: the networks that the pod may use, as text."""

    hint: Hint
    allowed: str = ""

    def members(self) -> dict[str, str]:
        """Return the members of a SpecError that hold the advice."""
        return {"fix": networktext.missing_fix(self.hint), "allowed": self.allowed}


def _advise(
    errors: Sequence[SpecError], asked: PodSelections, subject: Subject, context: DecisionContext
) -> list[_Advice | None]:
    """Return what to do about each error, from networks that the pod may use; None for other errors.

    NB: only errors that the answer shows get advice, each network once, and the list of allowed networks is made once.
    """
    if not errors:  # nearly always
        return []
    elements = dict(asked.elements)
    known: dict[tuple[str, str], _Advice] = {}
    allowed = ""
    advice: list[_Advice | None] = [None] * len(errors)
    for at, error in enumerate(errors[:CAUSES_MAX]):
        if error.rule != "network-not-found":
            continue
        element = elements[error.item]
        key = (element.namespace, element.name)
        if key not in known:
            elsewhere = _find_elsewhere(element, subject, context)
            if elsewhere:
                known[key] = _Advice(Hint(elsewhere=elsewhere))
            else:
                near = find_near(element, subject, context) if len(known) < NEAR_MAX else ""
                allowed = allowed or _list_allowed(subject, context)
                known[key] = _Advice(Hint(near), allowed)
        advice[at] = known[key]
    return advice


def _without_refused_spellings(
    problems: Sequence[SpecError], subject: Subject, context: DecisionContext
) -> Sequence[SpecError]:
    """Return the problems of the parser, with a spelling only if the pod would get the network of that name.

    NB: only problems that the answer shows are looked at, and each spelling once.
    """
    known: dict[str, bool] = {}
    kept = list(problems)
    for at, error in enumerate(problems[:CAUSES_MAX]):
        if not error.spelling:
            continue
        if error.spelling not in known:
            namespace, _, name = error.spelling.rpartition("/")
            known[error.spelling] = _would_get(namespace or subject.namespace, name, subject, context)
        if not known[error.spelling]:
            kept[at] = error.replace(spelling="")
    return kept


def _list_allowed(subject: Subject, context: DecisionContext) -> str:
    listed, more = list_allowed(subject, context.rules, context.cluster)
    return listed_names(listed, has_more=more)


def _find_elsewhere(element: NetworkSelectionElement, subject: Subject, context: DecisionContext) -> tuple[str, ...]:
    """Return the networks of the same name in other namespaces that the pod may use."""
    return tuple(
        f"{namespace}/{element.name}"
        for namespace in usable_namespaces(subject, context.rules)[:NAMESPACES_MAX]
        if namespace != element.namespace and _would_get(namespace, element.name, subject, context)
    )


def find_near(element: NetworkSelectionElement, subject: Subject, context: DecisionContext) -> str:
    """Return a network of a similar name in the same namespace that the pod would get; "" for none.

    NB: it takes up to milliseconds.
    """
    if element.namespace not in usable_namespaces(subject, context.rules):
        return ""
    near = nearest(element.name, context.cluster.network_names(element.namespace)) or ""
    return near if near and _would_get(element.namespace, near, subject, context) else ""


def _would_get(namespace: str, name: str, subject: Subject, context: DecisionContext) -> bool:
    """Say whether a network exists and this pod would get it, if it asks for nothing else."""
    network = context.cluster.network(namespace, name)
    if network is None or network.problems:
        return False
    item = Item(
        element=NetworkSelectionElement(name=name, namespace=namespace),
        network=network,
        network_labels=context.cluster.namespace_labels(namespace),
    )
    return judge(subject, item, context.rules).is_allowed
