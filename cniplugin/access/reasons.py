"""The words of a refusal: five facts per item, in fixed order, the same text from the webhook and from the node.

The whole text has at most TEXT_BYTES_MAX bytes, because a ReplicaSet repeats it in an Event and notes are cut there
(kubernetes pkg/apis/core/validation/events.go). It never quotes content, or says anything about the existence, of a
network of another namespace.
"""

from __future__ import annotations

from cniplugin.netspec.errors import render as render_error
from cniplugin.netspec.errors import show
from cniplugin.netspec.record import Record

from .model import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cniplugin.netspec.errors import SpecError

    from .model import Config, Item, Subject

TEXT_BYTES_MAX = 1024
ITEMS_MAX = 5


class Refusal(Record):
    """One refused item. `item` is its position in the networks annotation, None for the default network."""

    reference: str
    item: int | None
    verdict: Verdict
    allowed: tuple[str, ...] = ()
    more_allowed: int = 0


def decided_by_posture(config: Config) -> str:
    """Name the default posture as the one who decided."""
    return f"default posture {config.posture} (no rule covers this pod and network)"


def refuse_isolated(subject: Subject, item: Item, config: Config) -> Verdict:
    """The network belongs to another namespace."""
    return Verdict(
        is_allowed=False,
        code="PostureIsolated",
        reason=(
            f'the network belongs to namespace "{item.element.namespace}", '
            f'which namespace "{subject.namespace}" may not use'
        ),
        decided=decided_by_posture(config),
        fix=(
            f"use an allowed network, or ask {config.whom_to_ask} "
            f"for an Allow rule from {subject.namespace} to {item.reference}"
        ),
    )


def refuse_replacing_default(item: Item, config: Config) -> Verdict:
    """The pod wants another default network (side door 9)."""
    return Verdict(
        is_allowed=False,
        code="PostureReplaceDefault",
        reason="the pod asks to replace the cluster's default network",
        decided=decided_by_posture(config),
        fix=(
            "remove the annotation v1.multus-cni.io/default-network, or ask "
            f"{config.whom_to_ask} for an Allow rule with replaceDefaultNetwork for {item.reference}"
        ),
    )


def refuse_device(item: Item, config: Config) -> Verdict:
    """The pod names a device of the node, and the network no resource of which it could be (decision 7 of the node)."""
    return Verdict(
        is_allowed=False,
        code="PostureDevice",
        reason=f"the pod asks for device {show(item.element.device_id)}, and the network names no resource for it",
        decided=decided_by_posture(config),
        fix=(
            "remove deviceID and have the definition name the device plugin's resource "
            f"(annotation k8s.v1.cni.cncf.io/resourceName), or ask {config.whom_to_ask} "
            f"for an Allow rule with deviceID for {item.reference}"
        ),
    )


def refuse_unsafe(item: Item, problems: Sequence[SpecError], config: Config) -> Verdict:
    """The definition cannot be read or is unsafe. NB: its content is not quoted; its owner sees it in a review."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return Verdict(
        is_allowed=False,
        code="BuiltinUnsafeConfig",
        reason=f"the configuration of the network is unreadable or unsafe ({count})",
        decided="built-in check of network configurations",
        fix=(
            f'ask the owners of namespace "{item.element.namespace}" to correct spec.config of '
            f"{item.element.name} (kubectl apply names each problem), or ask {config.whom_to_ask}"
        ),
    )


def render(refusals: Sequence[Refusal], *, who: str, judged: int, also: Sequence[SpecError] = ()) -> str:
    """Return the text of a refusal.

    `who` is the object, such as `pod blue/web-0`; `judged` how many items were judged; `also` what else is wrong with
    items that are not refused. Refusals beyond ITEMS_MAX or beyond the size are counted, not shown.
    """
    what = refusals[0].reference if len(refusals) == 1 else f"{len(refusals)} of {judged} networks"
    head = f"network access denied: {who} may not attach to {what}"
    tail = [f"also wrong: {render_error(error)}" for error in also]
    for shown in range(min(len(refusals), ITEMS_MAX), 0, -1):
        left = len(refusals) - shown
        rest = [f"and {left} more"] if left else []
        lines = [head, *(line for refusal in refusals[:shown] for line in _render_item(refusal)), *rest]
        for text in ("\n".join([*lines, *tail]), "\n".join(lines)):
            if len(text.encode()) <= TEXT_BYTES_MAX:
                return text
    return cut(f"{head}\n" + "\n".join(_render_item(refusals[0].replace(allowed=()))), TEXT_BYTES_MAX)


def _render_item(refusal: Refusal) -> list[str]:
    verdict = refusal.verdict
    more = f" and {refusal.more_allowed} more" if refusal.more_allowed else ""
    allowed = [f"  allowed: {', '.join(refusal.allowed)}{more}"] if refusal.allowed else []
    return [
        f"- {refusal.reference} ({'default-network' if refusal.item is None else f'item {refusal.item + 1}'})",
        f"  reason:  {verdict.reason}",
        f"  decided: {verdict.decided}",
        *allowed,
        f"  fix:     {verdict.fix}",
    ]


def cut(text: str, size: int) -> str:
    """Return at most `size` bytes of a text, ending in "..." where something is left out."""
    data = text.encode()
    return text if len(data) <= size else data[: size - 3].decode(errors="ignore") + "..."
