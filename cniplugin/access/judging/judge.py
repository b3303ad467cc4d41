"""The judgement of one attachment: may this pod attach to this network, and who decided.

> Every network a pod asks for is decided on its own, and the order of policies never matters. If any Deny rule matches,
> it is refused. Otherwise, if any Allow rule selects this pod and this network, it is accepted when at least one of
> those rules accepts everything the pod asks for there, and refused if none does. Otherwise the cluster's default
> posture decides.

After that come upstream Multus' own check (where it runs), the built-in checks of the network's content, which no rule
lifts, and the level of the network's namespace (`levels`).
A refusal about a network of another namespace never depends on whether the network exists, unless the pod may attach to
it in some way (side door 22): a refusal that the content caused is replaced by the one without the content.
"""

from __future__ import annotations

from cniplugin.access.content.unsafeconfig import unsafe
from cniplugin.access.model.decision import POSTURES, Verdict
from cniplugin.access.model.levels import ENFORCE, PRIVILEGED, level_name, may_have_trial
from cniplugin.access.reading.consent import consents
from cniplugin.netspec.selection import NetworkSelectionElement

from . import reasons

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cniplugin.access.model.decision import Config, Item, RuleIndex, Rules, Subject
    from cniplugin.access.model.policyrules import AttachmentRule, DefinitionRule

ALLOWED_BY_POSTURE = {posture: Verdict(is_allowed=True, code="Posture", posture=posture) for posture in POSTURES}
EXEMPT = Verdict(is_allowed=True, code="Exempt")


def judge(subject: Subject, item: Item, rules: Rules, *, is_on_node: bool = False) -> Verdict:
    """Decide one item by the rules in force. `is_on_node`: Multus does not run here, so its gate does not apply.

    Codes of allowed items: `Posture`, `AllowRule`, `Exempt`; those of refusals are in `reasons`.
    """
    return _judge(subject, item, rules.config, rules.enforced, is_on_node=is_on_node)


def may_attach(subject: Subject, item: Item, rules: Rules) -> bool:
    """Say whether `judge` allows an item, at half the cost, because it makes no text of a refusal."""
    return _judge(subject, item, rules.config, rules.enforced, is_on_node=False, has_words=False).is_allowed


def judge_trial(subject: Subject, item: Item, rules: Rules) -> tuple[str, Verdict] | None:
    """Return the refusal of a policy or level on trial: its mode, `Warn` or `Audit`, and the verdict.

    The item is allowed now. Policies of a mode are asked before levels of that mode.
    """
    if rules.warned is None and rules.audited is None and not may_have_trial(rules.config.levels, item.network_labels):
        return None
    for level, mode, index in rules.trials:
        verdict = _judge(subject, item, rules.config, index, is_on_node=True) if index is not None else None
        if verdict is None or verdict.is_allowed:
            verdict = judge_level_trial(subject, item, rules, level)
        if verdict is not None and not verdict.is_allowed:
            return mode, verdict
    return None


def judge_level_trial(subject: Subject, item: Item, rules: Rules, mode: str) -> Verdict | None:
    """Return the refusal by the level of the network's namespace in a mode, one of `levels.MODES`; None without one."""
    if subject.namespace in rules.config.exempt_namespaces:
        return None
    return _judge_level(subject, item, rules.config, rules.enforced, mode)


def usable_namespaces(subject: Subject, rules: Rules) -> tuple[str, ...]:
    """Return the namespaces whose networks the posture gives to a pod, its own first; Open gives more than these."""
    if rules.config.posture == "Strict":
        return ()
    others = (name for name in rules.config.global_namespaces if name != subject.namespace)
    return (subject.namespace, *others)


def _judge(
    subject: Subject,
    item: Item,
    config: Config,
    index: RuleIndex | None,
    *,
    is_on_node: bool,
    has_words: bool = True,
) -> Verdict:
    if subject.namespace in config.exempt_namespaces:
        return _judge_content(item, config) or EXEMPT
    verdict = _decide(subject, item, config, index)
    if not verdict.is_allowed:
        return _without_content(subject, item, config, index, verdict) if has_words else verdict
    if not is_on_node and _is_gated(subject, item, config):
        return reasons.refuse_gated(subject, item, config)
    return _judge_content(item, config) or _judge_level(subject, item, config, index, ENFORCE) or verdict


def _decide(subject: Subject, item: Item, config: Config, index: RuleIndex | None) -> Verdict:
    if index is not None:
        denies, allows = index.find(subject, item)
        if denies or allows:
            # Only rules look at requests.
            from . import attachmentrules  # noqa: PLC0415

            verdict = attachmentrules.judge(subject, item, config, denies, allows)
            if verdict is not None:
                return verdict
    return _judge_posture(subject, item, config) or ALLOWED_BY_POSTURE[config.posture]


def _judge_posture(subject: Subject, item: Item, config: Config) -> Verdict | None:
    if config.posture == "Open":
        return None
    if item.replaces_default:
        return reasons.refuse_replacing_default(item, config)
    if config.posture == "Strict":
        return reasons.refuse_strict(subject, item, config)
    is_usable = item.element.namespace == subject.namespace or item.element.namespace in config.global_namespaces
    if not is_usable and config.posture == "Consent":
        network = item.network
        is_usable = network is not None and consents(network.annotations, subject.namespace, subject.namespace_labels)
        if not is_usable:
            return reasons.refuse_unshared(subject, item, config)
    if not is_usable:
        return reasons.refuse_isolated(subject, item, config)
    return _judge_device(item, config)


def _judge_device(item: Item, config: Config) -> Verdict | None:
    """NB: if the network names a resource, the node makes sure that the device is the pod's own."""
    network = item.network
    if not item.element.device_id or network is None or network.resource_name:
        return None
    return reasons.refuse_device(item, config)


def _is_gated(subject: Subject, item: Item, config: Config) -> bool:
    """NB: Multus does not check the namespace of the default-network annotation."""
    gate = config.multus_gate
    if gate is None or not gate.namespace_isolation or item.replaces_default:
        return False
    namespace = item.element.namespace
    return namespace != subject.namespace and namespace not in gate.global_namespaces


def _judge_content(item: Item, config: Config) -> Verdict | None:
    network = item.network
    if network is None:
        return None
    if network.problems:
        return reasons.refuse_unsafe(item, network.problems, config)
    if network.config is not None:
        problems = unsafe(network.config, meta_plugin_types=config.meta_plugin_types)
        return reasons.refuse_unsafe(item, problems, config) if problems else None
    return None


def _judge_level(subject: Subject, item: Item, config: Config, index: RuleIndex | None, mode: str) -> Verdict | None:
    """NB: this check is the last, so that a pod which gets its refusal may know the network."""
    if item.network is None or level_name(config.levels, item.network_labels, mode) == PRIVILEGED:
        return None
    # Most clusters have Privileged everywhere.
    from . import definitionrules  # noqa: PLC0415

    refused = definitionrules.judge_level(item.network, item.network_labels, config, index, mode)
    return reasons.refuse_by_level(subject, item, *refused, config) if refused else None


def _without_content(
    subject: Subject, item: Item, config: Config, index: RuleIndex | None, verdict: Verdict
) -> Verdict:
    """Return a refusal that does not reveal whether a network of another namespace exists, if the pod may not know."""
    if item.network is None or item.element.namespace == subject.namespace:
        return verdict
    blind = _decide(subject, item.replace(network=None), config, index)
    if blind.is_allowed or blind == verdict:
        return verdict
    plain = item.replace(element=_plain(item.element), replaces_default=False)
    return verdict if _decide(subject, plain, config, index).is_allowed else blind


def _plain(element: NetworkSelectionElement) -> NetworkSelectionElement:
    """Return an element that asks for the network and nothing else."""
    return NetworkSelectionElement(name=element.name, namespace=element.namespace)


# Any pod of a namespace
#
# For objects that exist before their pod, such as a ResourceClaim. It is unknown whether a rule that selects pods by
# labels or service accounts will select the pod, so two imaginary pods are judged. No such rule selects the first one.
# Each such Allow rule selects the second one, and no such Deny rule does. If both are refused, every pod of the
# namespace is refused: a rule that selects a pod can only permit requests that an Allow rule accepts, or replace the
# posture.


def judge_any_pod(subject: Subject, item: Item, rules: Rules) -> Verdict:
    """Decide for any pod of the subject's namespace by the rules in force; its labels and account do not count.

    The verdict of a refusal is that of a pod which no rule about labels or accounts selects. Upstream Multus is not
    asked, because it attaches no claims.
    """
    plain = judge(subject, item, rules.replace(enforced=_view(rules.enforced, assumes=False)), is_on_node=True)
    if plain.is_allowed or rules.enforced is None:
        return plain
    chosen = judge(subject, item, rules.replace(enforced=_view(rules.enforced, assumes=True)), is_on_node=True)
    return chosen if chosen.is_allowed else plain


def judge_any_pod_trial(subject: Subject, item: Item, rules: Rules) -> tuple[str, Verdict] | None:
    """Return the refusal by policies on trial that every pod of the namespace would get: the mode and the verdict."""
    for _, mode, index in rules.trials:
        if index is not None:
            verdict = judge_any_pod(subject, item, rules.replace(enforced=index))
            if not verdict.is_allowed:
                return mode, verdict
    return None


def _view(index: RuleIndex | None, *, assumes: bool) -> _View | None:
    return None if index is None else _View(index, assumes=assumes)


class _View:
    """The rules that select one imagined pod, as `judge` looks them up.

    `assumes`: whether each Allow rule about labels or service accounts selects the pod.
    """

    def __init__(self, index: RuleIndex, *, assumes: bool) -> None:
        self._index = index
        self._assumes = assumes

    @property
    def definitions(self) -> Sequence[DefinitionRule]:
        """Return all rules about definitions, which do not select pods."""
        return self._index.definitions

    def find(
        self, subject: Subject, item: Item, *, every_request: bool = False
    ) -> tuple[list[AttachmentRule], list[AttachmentRule]]:
        """Return the Deny and the Allow rules that select this pod and this network, each sorted."""
        rules: tuple[list[AttachmentRule], list[AttachmentRule]] = ([], [])
        for rule, is_certain in self._index.find_possible(subject, item, every_request=every_request):
            if is_certain or (self._assumes and rule.is_allow):
                rules[rule.is_allow].append(rule)
        return rules
