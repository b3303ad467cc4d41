"""The text of a refusal: five facts per item, in fixed order, the same from the webhook and from the node.

The whole text has at most TEXT_BYTES_MAX bytes, because a ReplicaSet repeats it in an Event, whose note is cut there
(kubernetes pkg/apis/core/validation/events.go). It never quotes the content of a network of another namespace, and
never reveals whether such a network exists.
"""

from __future__ import annotations

from cniplugin.access.model.decision import THIS_ITEM, Verdict
from cniplugin.access.model.levels import with_basis
from cniplugin.access.reading.consent import ALLOWED_NAMESPACES
from cniplugin.netspec.errors import render as render_error
from cniplugin.netspec.errors import show
from cniplugin.netspec.record import PlainRecord, mypyc_attr
from cniplugin.netspec.selection import DEFAULT_NETWORK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from cniplugin.access.judging.baseline import Breach
    from cniplugin.access.model.decision import Config, Item, Subject
    from cniplugin.access.model.levels import Level
    from cniplugin.access.model.policyrules import AttachmentRule, DefinitionRule
    from cniplugin.netspec.errors import SpecError
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

TEXT_BYTES_MAX = 1024


@mypyc_attr(native_class=False)
class Refusal(PlainRecord):
    """One refused item. `item` is its position in the networks annotation, None for the default network.

    `where`: another object that names the network, such as a ResourceClaim; `field`: the place in the object.
    """

    __slots__ = (  # noqa: RUF023 - in the order of `__init__`
        "reference", "item", "verdict", "allowed", "has_more_allowed", "where", "field",
    )  # fmt: skip

    def __init__(
        self,
        *,
        reference: str,
        item: int | None,
        verdict: Verdict,
        allowed: tuple[str, ...] = (),
        has_more_allowed: bool = False,
        where: str = "",
        field: str = "",
    ) -> None:
        self.reference: Final = reference
        self.item: Final = item
        self.verdict: Final = verdict
        self.allowed: Final = allowed
        self.has_more_allowed: Final = has_more_allowed
        self.where: Final = where
        self.field: Final = field


def decided_by_posture(config: Config) -> str:
    """Name the default posture as the one that decided."""
    return with_basis(*_posture_as_decider(config))


def _posture_as_decider(config: Config) -> tuple[str, str]:
    return f"default posture {config.posture}", "no rule covers this pod and network"


def _refuse_by_posture(config: Config, code: str, reason: str, fix: str, *, fix_of_all: str = "") -> Verdict:
    decider, basis = _posture_as_decider(config)
    return Verdict(
        is_allowed=False,
        code=code,
        reason=reason,
        decider=decider,
        basis=basis,
        fix=fix,
        fix_of_all=fix_of_all,
        posture=config.posture,
    )


def refuse_isolated(subject: Subject, item: Item, config: Config) -> Verdict:
    """The network belongs to another namespace."""
    fix = f"use an allowed network, or ask {config.whom_to_ask} for an Allow rule from {subject.namespace} to"
    return _refuse_by_posture(
        config,
        "PostureIsolated",
        f'the network belongs to namespace "{item.element.namespace}", '
        f'which namespace "{subject.namespace}" may not use',
        f"{fix} {item.reference}",
        fix_of_all=f"{fix} these",
    )


def refuse_strict(subject: Subject, item: Item, config: Config) -> Verdict:
    """Nothing is allowed without a rule."""
    fix = f"ask {config.whom_to_ask} for an Allow rule from {subject.namespace} to"
    return _refuse_by_posture(
        config,
        "PostureStrict",
        f'no rule lets this pod of namespace "{subject.namespace}" use the network',
        f"{fix} {item.reference}",
        fix_of_all=f"{fix} these",
    )


def refuse_unshared(subject: Subject, item: Item, config: Config) -> Verdict:
    """The owner has not shared the network, or it does not exist: the words are the same."""
    return _refuse_by_posture(
        config,
        "PostureConsent",
        _unshared(subject, item),
        f"{_ask_owner(subject, item)}, or ask {config.whom_to_ask} for an Allow rule",
    )


def refuse_replacing_default(item: Item, config: Config) -> Verdict:
    """The pod asks for another default network (side door 9)."""
    return _refuse_by_posture(
        config,
        "PostureReplaceDefault",
        "the pod asks to replace the cluster's default network",
        f"remove {_source_of(item)}, or ask "
        f"{config.whom_to_ask} for an Allow rule with replaceDefaultNetwork for {item.reference}",
    )


def _source_of(item: Item) -> str:
    """Name what asks for a network."""
    if item.replaces_default and item.source == THIS_ITEM:
        return f"the annotation {DEFAULT_NETWORK}"
    return item.source


def refuse_device(item: Item, config: Config) -> Verdict:
    """The pod names a device of the node, and the network names no resource that has it (decision 7 of the node)."""
    return _refuse_by_posture(
        config,
        "PostureDevice",
        f"the pod asks for device {show(item.element.device_id)}, and the network names no resource for it",
        "remove deviceID and have the definition name the device plugin's resource "
        f"(annotation k8s.v1.cni.cncf.io/resourceName), or ask {config.whom_to_ask} "
        f"for an Allow rule with deviceID for {item.reference}",
    )


def _unshared(subject: Subject, item: Item) -> str:
    return f'the owner of {item.reference} has not shared it with namespace "{subject.namespace}"'


def _ask_owner(subject: Subject, item: Item) -> str:
    element = item.element
    return (
        f'ask the owners of namespace "{element.namespace}" to add "{subject.namespace}" '
        f"to annotation {ALLOWED_NAMESPACES} of {element.name}"
    )


def refuse_gated(subject: Subject, item: Item, config: Config) -> Verdict:
    """Upstream Multus on the nodes would refuse it."""
    return Verdict(
        is_allowed=False,
        code="MultusGate",
        reason=(
            f'Multus on the nodes would refuse it: namespace "{item.element.namespace}" is neither '
            f'"{subject.namespace}" nor one of its globalNamespaces'
        ),
        decider="multusGate, the setting of Multus on the nodes, which no rule lifts",
        fix=f"use an allowed network, or ask {config.whom_to_ask} to change Multus' globalNamespaces",
    )


def decided_by_rule(rule: AttachmentRule | DefinitionRule, what: str) -> str:
    """Name a rule as the one that decided."""
    return with_basis(*_rule_as_decider(rule, what))


def _rule_as_decider(rule: AttachmentRule | DefinitionRule, what: str) -> tuple[str, str]:
    mode = "" if rule.mode == "Enforce" else f", mode {rule.mode}"
    return f'NetworkAttachmentPolicy "{rule.policy}" rule "{rule.name}"', f"{what}{mode}"


def refuse_by_rule(
    rule: AttachmentRule | DefinitionRule, code: str, what: str, *, reasons: Sequence[str], fix: str, allowed: str = ""
) -> Verdict:
    """Refuse by a rule, whose own message follows the reasons. `what`: which part of the rule decided."""
    decider, basis = _rule_as_decider(rule, what)
    return Verdict(
        is_allowed=False,
        code=code,
        reason="; ".join(filter(None, (*reasons, rule.message))),
        decider=decider,
        basis=basis,
        fix=fix,
        allowed=allowed,
        policy=rule.policy,
        rule=rule.name,
        contact=rule.contact,
    )


def whom_to_ask(rule: AttachmentRule | DefinitionRule, config: Config) -> str:
    """Return the contact of a rule's policy, or that of the cluster."""
    return rule.contact or config.whom_to_ask


def refuse_by_deny(
    item: Item, rule: AttachmentRule, config: Config, *, requests: Sequence[str], facts: Sequence[str]
) -> Verdict:
    """A Deny rule matches: because of `requests`, because of `facts` about the network, or in any case."""
    if requests:
        reason = f"the request uses {', '.join(requests)}"
        keys = " and ".join(f'"{request}"' for request in requests)
        fix = f"remove {keys} from {item.source}"
        if item.replaces_default:
            fix = f"remove {_source_of(item)}"
    else:
        reason = f"the network uses {', '.join(facts)}" if facts else "a rule keeps this pod from the network"
        fix = f"remove {item.source}"
    fix = f"{fix}, or ask {whom_to_ask(rule, config)} for an exception"
    return refuse_by_rule(rule, "DenyRule", "Deny", reasons=[reason], fix=fix)


def refuse_beyond(
    item: Item, rule: AttachmentRule, config: Config, problems: Sequence[str], *, allowed: str
) -> Verdict:
    """No Allow rule accepts everything that is asked for; `rule` is the nearest one."""
    change = "the annotation" if item.replaces_default and item.source == THIS_ITEM else item.source
    what = "Allow, unreadable" if rule.is_broken else "Allow, limits"
    fix = f"change {change} to fit, or ask {whom_to_ask(rule, config)}"
    return refuse_by_rule(rule, "NotWithinRule", what, reasons=problems, fix=fix, allowed=allowed)


def refuse_without_consent(subject: Subject, item: Item, rule: AttachmentRule) -> Verdict:
    """A rule allows it, and the owner has not shared the network, or it does not exist: the words are the same."""
    reasons, fix = [_unshared(subject, item)], _ask_owner(subject, item)
    return refuse_by_rule(rule, "ConsentMissing", "Allow, requireConsent", reasons=reasons, fix=fix)


def refuse_unsafe(item: Item, problems: Sequence[SpecError], config: Config) -> Verdict:
    """The definition cannot be read or is unsafe. NB: its content is not quoted; its owner sees it in a review."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return Verdict(
        is_allowed=False,
        code="BuiltinUnsafeConfig",
        reason=f"the configuration of the network is unreadable or unsafe ({count})",
        decider="built-in check of network configurations",
        fix=(
            f'ask the owners of namespace "{item.element.namespace}" to correct spec.config of '
            f"{item.element.name} (kubectl apply names each problem), or ask {config.whom_to_ask}"
        ),
    )


LEVEL_CODE = "DefinitionLevel"
BREACHES_SHOWN = 3
KEYS_MAX = 20
"""Keys of a definition that a verdict lists; a hostile definition has thousands."""


def refuse_author(network: NetworkAttachmentDefinition, level: Level, config: Config) -> Verdict:
    """At this level, only users whom an Allow rule selects may write definitions."""
    return Verdict(
        is_allowed=False,
        code=LEVEL_CODE,
        reason=f'no Allow rule for definitions selects this user in namespace "{network.namespace}"',
        decider=level.decider,
        basis=level.basis,
        fix=f"ask {config.whom_to_ask} to create this network, or for such a rule for {network.namespace}",
    )


def refuse_content(level: Level, breaches: Sequence[Breach], config: Config, *, of: str = "") -> Verdict:
    """The level does not permit parts of a definition; for readers who may see them. `of`: its name, if it is shown."""
    change = f"change spec.config of {of}" if of else "change spec.config"
    return Verdict(
        is_allowed=False,
        code=LEVEL_CODE,
        reason=describe_breaches(breaches),
        decider=level.decider,
        basis=level.basis,
        allowed="; ".join(dict.fromkeys(breach.allowed for breach in breaches if breach.allowed)),
        fix=change + _or_ask(breaches, config),
        keys=tuple(
            (breach.place, f"{breach.what}: {level.decided} does not permit it; allowed: {breach.allowed}")
            for breach in breaches[:KEYS_MAX]
        ),
    )


def refuse_by_level(subject: Subject, item: Item, level: Level, breaches: Sequence[Breach], config: Config) -> Verdict:
    """The level keeps pods from a network. NB: pods of another namespace are not shown its content."""
    namespace = item.element.namespace
    if namespace == subject.namespace:
        return refuse_content(level, breaches, config, of=item.element.name)
    return Verdict(
        is_allowed=False,
        code=LEVEL_CODE,
        reason="the level of its namespace does not permit what the configuration of the network uses",
        decider=level.decider,
        basis=level.basis,
        fix=(
            f'ask the owners of namespace "{namespace}" to change {item.element.name} '
            f"(nadmit can-attach -n {namespace} {item.element.name} names each key), or ask {config.whom_to_ask}"
        ),
    )


def describe_breaches(breaches: Sequence[Breach]) -> str:
    """Return the first keys that a level does not permit, as text."""
    shown = "; ".join(f"{breach.place}: {breach.what}" for breach in breaches[:BREACHES_SHOWN])
    left = len(breaches) - BREACHES_SHOWN
    return f"{shown}; and {left} more" if left > 0 else shown


def _or_ask(breaches: Sequence[Breach], config: Config) -> str:
    """Return the contact and the changes to ask for; "" if only a change of the definition helps."""
    settings = " and ".join(dict.fromkeys(breach.setting for breach in breaches if breach.setting))
    fields = ", ".join(dict.fromkeys(breach.field for breach in breaches if breach.field))
    ways = [f"to list it in {settings}"] if settings else []
    ways += [f"for an Allow rule for definitions with {fields}"] if fields else []
    return f", or ask {config.whom_to_ask} {', or '.join(ways)}" if ways else ""


def refuse_unavailable(config: Config, why: str) -> Verdict:
    """The node cannot read the rules or the labels that they need, and has no stored rules; `why` completes the reason.

    NB: the text does not quote the API server, whose answer is in the log and not meant for the pod's author.
    """
    return Verdict(
        is_allowed=False,
        code="NodePolicyUnavailable",
        reason=f"the node cannot read the access rules from the API server, {why}",
        decider=f"node.onUnavailable {config.on_unavailable}",
        fix=f"the kubelet tries again; if that does not help, ask {config.whom_to_ask} to look into the node's log",
    )


def render_trial(refusal: Refusal, config: Config, *, who: str) -> str:
    """Return the warning of a policy or level of mode Warn, in one line; `who` as for `render`."""
    verdict = refusal.verdict
    because = f": {verdict.reason}" if verdict.code == LEVEL_CODE else ""
    return (
        f"network access: {who} to {refusal.reference} would be denied by {verdict.decider} (mode Warn){because}; "
        f"ask {verdict.contact or config.whom_to_ask}"
    )


def render(refusals: Sequence[Refusal], *, who: str, judged: int, also: Sequence[SpecError] = ()) -> str:
    """Return the text of a refusal: the parts of `render_parts`, one below the other."""
    return "\n".join(render_parts(refusals, who=who, judged=judged, also=also))


def render_parts(
    refusals: Sequence[Refusal], *, who: str, judged: int, also: Sequence[SpecError] = ()
) -> tuple[str, str]:
    """Return the first line of a refusal, and its other lines.

    `who`: the object, such as `pod blue/web-0`; `judged`: the number of items that were judged; `also`: problems of the
    items that are not refused. Refusals with the same facts are one entry, and each network is named once. Entries
    beyond ENTRIES_MAX, and networks beyond the size, are only counted.
    """
    first = head(refusals, who=who, judged=judged)
    room = TEXT_BYTES_MAX - len(first.encode()) - 1
    tail = [f"also wrong: {render_error(error)}" for error in also]
    groups = _grouped(refusals)
    for shown, names in _SIZES:
        chosen = [group[:names] for group in groups[:shown]]
        left = len(refusals) - sum(map(len, chosen))
        rest = [f"and {left} more"] if left else []
        lines = [*(line for group in chosen for line in _render_group(group)), *rest]
        for text in ("\n".join([*lines, *tail]), "\n".join(lines)):
            if len(text.encode()) <= room:
                return first, text
    return first, cut("\n".join(_render_group([refusals[0].replace(allowed=())])), room)


def head(refusals: Sequence[Refusal], *, who: str, judged: int) -> str:
    """Return the first line of a refusal."""
    what = refusals[0].reference if len(refusals) == 1 else f"{len(refusals)} of {judged} networks"
    return f"network access denied: {who} may not attach to {what}"


def render_all_facts(refusals: Sequence[Refusal]) -> str:
    """Return the lines below the first one, with every network: for at most ENTRIES_MAX refusals.

    NB: it is what `render_parts` returns if there is room, as its first size leaves none of them out.
    """
    return "\n".join(line for group in _grouped(refusals) for line in _render_group(group))


ENTRIES_MAX = 5
_SIZES = tuple((shown, names) for shown in range(ENTRIES_MAX, 0, -1) for names in (64, 16, 8, 4, 2, 1))
"""Numbers of entries, and of networks in each, from the fullest text to the shortest."""


def _grouped(refusals: Sequence[Refusal]) -> list[list[Refusal]]:
    """Return the refusals with the same facts together, in the order of the first of each."""
    groups: dict[tuple[object, ...], list[Refusal]] = {}
    for refusal in refusals:
        verdict = refusal.verdict
        fix = verdict.fix_of_all or verdict.fix
        facts = (verdict.reason, verdict.decided, verdict.allowed, refusal.allowed, refusal.has_more_allowed, fix)
        groups.setdefault(facts, []).append(refusal)
    return list(groups.values())


def _render_group(group: Sequence[Refusal]) -> list[str]:
    """Return one entry: its networks with their places, and the facts that they share."""
    places: dict[str, list[str]] = {}
    for refusal in group:
        where = refusal.where or ("default-network" if refusal.item is None else f"item {refusal.item + 1}")
        places.setdefault(refusal.reference, []).append(where)
    names = ", ".join(f"{name} ({', '.join(where)})" for name, where in places.items())
    first = group[0]
    if len(places) > 1 and first.verdict.fix_of_all:
        first = first.replace(verdict=first.verdict.replace(fix=first.verdict.fix_of_all))
    return [f"- {names}", *render_facts(first)]


def render_facts(refusal: Refusal) -> list[str]:
    """Return the facts about one refused item, one a line."""
    verdict = refusal.verdict
    listed = verdict.allowed or listed_names(refusal.allowed, has_more=refusal.has_more_allowed)
    return [
        f"  reason:  {verdict.reason}",
        f"  decided: {verdict.decided}",
        *([f"  allowed: {listed}"] if listed else []),
        f"  fix:     {verdict.fix}",
    ]


def listed_names(allowed: Sequence[str], *, has_more: bool) -> str:
    """Return networks as one list."""
    return ", ".join(allowed) + (" and more" if allowed and has_more else "")


def cut(text: str, size: int) -> str:
    """Return at most `size` bytes of a text; a shortened text ends in "..."."""
    data = text.encode()
    return text if len(data) <= size else data[: size - 3].decode(errors="ignore") + "..."
