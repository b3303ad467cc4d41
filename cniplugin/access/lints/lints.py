"""Lints: parts of a policy that are seldom intended. They refuse nothing.

| lint | remark |
| --- | --- |
| `nad-labels` | an Allow selects networks of any namespace by their labels, which their authors set |
| `pod-can-step-aside` | a Deny depends on labels or an account that the author of a pod chooses |
| `namespace-labels` | labels of namespaces decide, and others may be able to set them |
| `shadowed` | a Deny matches everything the rule selects |
| `everything` | `*` alone also selects objects that are made later |
| `grants-nothing` | an Allow of a policy that is not enforced |
| `any-master` | an Allow for definitions lets their author choose any interface of the node |
| `every-network` | an Allow that names no network opens those of every tenant |
| `limits-void` | another Allow accepts what the limits of this one refuse |
| `denies-everything` | a Deny refuses every network to every pod, or every definition |

Access policy, "Lints". A rule with problems has no lints, and neither has a rule beyond RULES_MAX.
"""

from __future__ import annotations

from cniplugin.access.content.facts import attaching_types
from cniplugin.access.model.decision import NAME_LABEL
from cniplugin.access.model.policyrules import ALLOW, DENY, ENFORCE, RULES_MAX, AttachmentRule
from cniplugin.netspec.errors import show
from cniplugin.netspec.record import Record

from .shadowing import OtherRules, selects_every_attachment, selects_every_definition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cniplugin.access.model.labels import Selector
    from cniplugin.access.model.matchers import Names
    from cniplugin.access.model.policyrules import DefinitionRule, NetworkMatch, PodMatch, Policy, WrittenRule

TYPES_SHOWN = 5
"""Plugin types that a remark names; there are some 20 that take an interface of the node."""

SHOWN_MAX = 40
"""Characters of a name that are shown; a remark and its place must fit into 256."""


EVERY_NETWORK = "every-network"
"""The lint that means nothing under posture Open."""


class Lint(Record):
    """One remark. `name` is stable, `path` is in the object, `rules` are those it is about (`attachments/<name>`).

    `detail` says what is odd, `fix` what to do.
    """

    name: str
    path: str
    rules: tuple[str, ...]
    detail: str
    fix: str

    @property
    def text(self) -> str:
        """The remark without its place."""
        return f"{self.detail}; {self.fix}"


def lint(policy: Policy, others: Iterable[Policy]) -> tuple[Lint, ...]:
    """Return the remarks about one policy among the others, in the order of the object."""
    return lint_among(policy, OtherRules((policy, *others)))


def lint_among(policy: Policy, others: OtherRules) -> tuple[Lint, ...]:
    """Return the remarks about one policy; `others` has the rules of all policies, this one included."""
    others.begin_policy()
    rules = [rule for rule in permitted_rules(policy) if not rule.problems]
    lints = [*_lint_mode(policy, rules), *_lint_pods(policy, rules)]
    for rule in rules:
        if isinstance(rule.value, AttachmentRule):
            lints += _lint_attachment(rule, rule.value, others)
        else:
            lints += _lint_definition(rule, rule.value, others)
    return tuple(lints)


def permitted_rules(policy: Policy) -> list[WrittenRule]:
    """Return the rules of a policy, without those that exceed the number that each list may have."""
    return [rule for rule in policy.written if rule.number < RULES_MAX]


def _about(rules: Iterable[WrittenRule]) -> tuple[str, ...]:
    return tuple(rule.reference for rule in rules)


def _actions(rules: Iterable[WrittenRule], action: str) -> list[WrittenRule]:
    return [rule for rule in rules if rule.value.action == action]


# Mode and pods, which all rules of a policy share


def _lint_mode(policy: Policy, rules: Sequence[WrittenRule]) -> Iterator[Lint]:
    allows = _actions(rules, ALLOW)
    if policy.mode != ENFORCE and allows:
        yield Lint(
            name="grants-nothing",
            path="spec.mode",
            rules=_about(allows),
            detail=f"{_some(allows, 'Allow rule')} of a policy of mode {policy.mode} {_verb(allows, 'grant')} nothing",
            fix="set mode Enforce when the trial is over",
        )


def _lint_pods(policy: Policy, rules: Sequence[WrittenRule]) -> Iterator[Lint]:
    attachments = [rule for rule in rules if isinstance(rule.value, AttachmentRule)]
    first = next((rule.value for rule in attachments if isinstance(rule.value, AttachmentRule)), None)
    if first is None or not policy.has_readable_pods:
        return
    for key, entries in (("pods", first.pods), ("exceptPods", first.except_pods)):
        for index, entry in enumerate(entries):
            path = f"spec.{key}[{index}]"
            yield from _lint_labels(entry.namespace_selector, f"{path}.namespaceSelector", attachments)
            yield from _lint_star(entry.namespaces, path, "namespaces", attachments)
            # An exception for an account of a named namespace is the usual way to make one.
            if key == "pods" or not (entry.namespaces or entry.namespace_selector):
                yield from _lint_step_aside(entry, path, _actions(attachments, DENY))


def _lint_step_aside(entry: PodMatch, path: str, denies: Sequence[WrittenRule]) -> Iterator[Lint]:
    if not denies:
        return
    labels = entry.pod_selector and entry.pod_selector.requirements
    for key, value, what in (("podSelector", labels, "labels"), ("serviceAccounts", entry.service_accounts, "account")):
        if value:
            yield Lint(
                name="pod-can-step-aside",
                path=f"{path}.{key}",
                rules=_about(denies),
                detail=f"{_some(denies, 'Deny rule')} can be avoided: who creates a pod chooses its {what}",
                fix="select namespaces instead",
            )


def _lint_labels(selector: Selector | None, path: str, rules: Sequence[WrittenRule]) -> Iterator[Lint]:
    keys = [requirement.key for requirement in selector.requirements] if selector else []
    keys = [key for key in dict.fromkeys(keys) if key != NAME_LABEL]
    if keys:
        what = f"label {_show(keys[0])} of namespaces decides" if len(keys) == 1 else "labels of namespaces decide"
        yield Lint(
            name="namespace-labels",
            path=path,
            rules=_about(rules),
            detail=f"{what}, so users who may change labels of a namespace choose",
            fix=f"if tenants may change them, use namespaces or label {NAME_LABEL}",
        )


def _lint_star(
    names: Names | None, path: str, key: str, rules: Sequence[WrittenRule], *, what: str = "namespace"
) -> Iterator[Lint]:
    if names is not None and "*" in names.texts:
        yield Lint(
            name="everything",
            path=f"{path}.{key}[{names.texts.index('*')}]",
            rules=_about(rules),
            detail=f'"*" alone is every {what}, including those made later',
            fix=f"name them, or leave {key} out if every one is meant",
        )


# Attachments


def _lint_attachment(rule: WrittenRule, value: AttachmentRule, others: OtherRules) -> Iterator[Lint]:
    for index, entry in enumerate(value.networks):
        path = f"{rule.path}.networks[{index}]"
        yield from _lint_star(entry.namespaces, path, "namespaces", [rule])
        yield from _lint_star(entry.names, path, "names", [rule], what="network")
        if value.action == ALLOW and entry.selector is not None and _is_anywhere(entry):
            yield Lint(
                name="nad-labels",
                path=f"{path}.selector",
                rules=_about([rule]),
                detail="it allows networks of any namespace by their labels, which their authors set",
                fix="name the namespaces of the networks as well",
            )
    if value.action == DENY and selects_every_attachment(value):
        yield _denies_everything(rule, "it refuses every network to every pod of the cluster")
    shadowing = others.covering(value)
    yield from _lint_shadowed(rule, shadowing)
    if value.action == ALLOW and shadowing is None:
        yield from _lint_every_network(rule, value)
        yield from _lint_limits(rule, others.loosening(value))


def _is_anywhere(entry: NetworkMatch) -> bool:
    return (entry.namespaces is None or "*" in entry.namespaces.texts) and entry.scope != "OwnNamespace"


def _lint_every_network(rule: WrittenRule, value: AttachmentRule) -> Iterator[Lint]:
    """NB: with `requireConsent` the owners decide."""
    if value.require_consent:
        return
    open_entries = [
        f"{rule.path}.networks[{index}]"
        for index, entry in enumerate(value.networks)
        if _is_anywhere(entry) and not entry.has_content and (entry.names is None or "*" in entry.names.texts)
    ]
    for path in open_entries if value.networks else [rule.path]:
        yield Lint(
            name=EVERY_NETWORK,
            path=path,
            rules=_about([rule]),
            detail="it allows the networks of every namespace, those of all tenants and those made later",
            fix="name namespaces, or write scope: OwnNamespace for those of the pod's own",
        )


def _denies_everything(rule: WrittenRule, detail: str) -> Lint:
    return Lint(
        name="denies-everything",
        path=rule.path,
        rules=_about([rule]),
        detail=f"{detail}, and no Allow lifts it",
        fix="select what it is about; posture Strict and definitions.default Deny refuse what no rule allows",
    )


def _lint_limits(rule: WrittenRule, loosening: tuple[AttachmentRule, tuple[str, ...]] | None) -> Iterator[Lint]:
    if loosening is not None:
        other, requests = loosening
        more = f" and {len(requests) - REQUESTS_SHOWN} more" if len(requests) > REQUESTS_SHOWN else ""
        yield Lint(
            name="limits-void",
            path=f"{rule.path}.limits",
            rules=_about([rule]),
            detail=(
                f"they do not hold: Allow rule {_show(other.name)} of {_show(other.policy)} accepts more: "
                f"{', '.join(requests[:REQUESTS_SHOWN])}{more}"
            ),
            fix="limit or narrow that rule",
        )


REQUESTS_SHOWN = 3
"""Kinds of requests that a remark names."""


def _lint_shadowed(rule: WrittenRule, deny: AttachmentRule | DefinitionRule | None) -> Iterator[Lint]:
    if deny is not None:
        does = "grants" if rule.value.action == ALLOW else "adds"
        yield Lint(
            name="shadowed",
            path=rule.path,
            rules=_about([rule]),
            detail=f"it {does} nothing: Deny rule {_show(deny.name)} of {_show(deny.policy)} matches all it selects",
            fix="remove one of them, or narrow the Deny",
        )


# Definitions


def _lint_definition(rule: WrittenRule, value: DefinitionRule, others: OtherRules) -> Iterator[Lint]:
    yield from _lint_star(value.namespaces, rule.path, "namespaces", [rule])
    yield from _lint_labels(value.namespace_selector, f"{rule.path}.namespaceSelector", [rule])
    if value.action == ALLOW:
        yield from _lint_masters(rule, value)
    if value.action == DENY and selects_every_definition(value):
        yield _denies_everything(rule, "it keeps everybody but exempt users from writing networks")
    yield from _lint_shadowed(rule, others.covering_definition(value))


def _lint_masters(rule: WrittenRule, value: DefinitionRule) -> Iterator[Lint]:
    config = value.config
    if config is not None and config.masters is not None:
        return
    patterns = config.plugin_types if config is not None else None
    kinds = [kind for kind in attaching_types() if patterns is None or patterns.matches(kind)]
    if kinds:
        more = f" and {len(kinds) - TYPES_SHOWN} others" if len(kinds) > TYPES_SHOWN else ""
        yield Lint(
            name="any-master",
            path=f"{rule.path}.config" if config is not None else rule.path,
            rules=_about([rule]),
            detail=(
                "without masters, the rule permits every interface of the node where the level is Privileged, by "
                f"{_listed(kinds)}{more}"
            ),
            fix="list masters",
        )


def _listed(kinds: Sequence[str]) -> str:
    return ", ".join(kinds[:TYPES_SHOWN])


def _some(rules: Sequence[WrittenRule], what: str) -> str:
    return f"{what} {_show(rules[0].name)}" if len(rules) == 1 else f"{len(rules)} {what}s"


def _verb(rules: Sequence[WrittenRule], verb: str) -> str:
    return verb if len(rules) > 1 else f"{verb}s"


def _show(name: str) -> str:
    return show(name, longest=SHOWN_MAX)
