"""The judgement of one attachment: may this pod attach to this network, and who decided.

> Every network a pod asks for is decided on its own, and the order of policies never matters. Where no rule covers
> pod and network, the cluster's default posture decides.

Access is decided on names before the definition is looked at, so a refusal says nothing about networks of other
namespaces (side door 22). Then the built-in content checks follow.
"""

from __future__ import annotations

from . import reasons
from .content import unsafe
from .model import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .model import Item, Rules, Subject


ALLOWED_BY_POSTURE = Verdict(is_allowed=True, code="Posture")


def judge(subject: Subject, item: Item, rules: Rules) -> Verdict:
    """Decide one item.

    Codes: `Posture` (allowed), `PostureIsolated`, `PostureReplaceDefault`, `BuiltinUnsafeConfig`, `PostureDevice`.
    """
    refused = _judge_posture(subject, item, rules) or _judge_content(item, rules) or _judge_device(item, rules)
    return refused or ALLOWED_BY_POSTURE


def _judge_posture(subject: Subject, item: Item, rules: Rules) -> Verdict | None:
    config = rules.config
    if config.posture == "Open":
        return None
    if item.replaces_default:
        return reasons.refuse_replacing_default(item, config)
    if item.element.namespace in usable_namespaces(subject, rules):
        return None
    return reasons.refuse_isolated(subject, item, config)


def _judge_content(item: Item, rules: Rules) -> Verdict | None:
    network = item.network
    if network is None:
        return None
    if network.problems:
        return reasons.refuse_unsafe(item, network.problems, rules.config)
    if network.config is not None:
        found = unsafe(network.config, meta_plugin_types=rules.config.meta_plugin_types)
        return reasons.refuse_unsafe(item, found, rules.config) if found else None
    return None


def _judge_device(item: Item, rules: Rules) -> Verdict | None:
    """NB: where the network names a resource, the node sees to it that the device is the pod's own."""
    network = item.network
    if rules.config.posture == "Open" or not item.element.device_id or network is None or network.resource_name:
        return None
    return reasons.refuse_device(item, rules.config)


def usable_namespaces(subject: Subject, rules: Rules) -> tuple[str, ...]:
    """Return the namespaces whose networks the posture gives to a pod, its own first; Open gives more than these."""
    others = (name for name in rules.config.global_namespaces if name != subject.namespace)
    return (subject.namespace, *others)


def list_allowed(
    subject: Subject, rules: Rules, names_in: Callable[[str], Sequence[str]]
) -> tuple[tuple[str, ...], int]:
    """Return up to `max_listed` networks that this pod would get, as `namespace/name`, and how many more there are.

    `names_in` gives the sorted names of one namespace. Costs no more than the namespaces that are usable.
    """
    config = rules.config
    if not config.list_allowed:
        return (), 0
    listed: list[str] = []
    total = 0
    for namespace in usable_namespaces(subject, rules):
        names = names_in(namespace)
        total += len(names)
        listed += [f"{namespace}/{name}" for name in names[: config.max_listed - len(listed)]]
    return tuple(listed), total - len(listed)
