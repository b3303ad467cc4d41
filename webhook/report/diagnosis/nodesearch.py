"""Why the scheduler finds no node: its message, as kubernetes writes it up to 1.36, to a cause.

    message = "0/" n " nodes are available: " *( n " " reason ", " ) "." [ " preemption: " ... ] / reason

A reason of all nodes is the cause. Else it is a reason of the nodes that the pod's selector and tolerations leave: most
clusters have nodes that a pod is not for, such as those of the control plane. A resource with a domain is an extended
one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .objectset import Json, items, part, text


class _Reason(NamedTuple):
    """One reason, and on how many nodes; 0 if the message has no number."""

    cause: str
    nodes: int
    value: str = ""


_HEAD = re.compile(r"^0/(?P<total>\d+) nodes are available: ")
_OLD_HEAD = re.compile(r"^No nodes are available that match all of the (?:following )?predicates:+ ")
"""Before kubernetes 1.10. NB: it does not say how many nodes there are."""
_PREEMPTION = re.compile(r"\.? preemption: .*$", re.DOTALL)
_BETWEEN = re.compile(r", (?=\d+ )")
_PART = re.compile(r"^(?:(?P<nodes>\d+) )?(?P<words>.*)$", re.DOTALL)
_ROWS = (
    ("device-short", re.compile(r"Insufficient (?P<value>[\w.-]+/[\w./-]+)")),
    ("claim-unallocated", re.compile(r"[Rr]esource[Cc]laim|cannot allocate all claims|waiting for .* claim")),
    ("claim-unallocated", re.compile(r"waiting for resource driver")),
    ("volume-unbound", re.compile(r"[Pp]ersistent[Vv]olume[Cc]laim|volume node affinity|unbound immediate")),
    ("volume-unbound", re.compile(r"available persistent volumes to bind|exceed max volume count")),
    ("host-port", re.compile(r"didn't have free ports")),
    (
        "pod-affinity",
        re.compile(r"didn't (?:match|satisfy) (?:existing )?pods? (?:anti-)?(?:affinity|topology spread)"),
    ),
    ("resource-short", re.compile(r"Insufficient (?P<value>[\w.-]+)|Too many (?P<pods>pods)")),
    ("node-selector", re.compile(r"didn't match (?:Pod's node affinity|node selector)")),
    ("node-taint", re.compile(r"untolerated taint|had taint|were unschedulable")),
)
"""In the order in which a cause is looked for; the last two say that a pod is not for a node."""

_CAUSES = [cause for cause, _ in _ROWS]
_NOT_FOR = frozenset({"node-selector", "node-taint"})


def find(message: str, pod: Json) -> tuple[str, str]:
    """Return the cause of a message, and the value that it names."""
    if old := _OLD_HEAD.match(message):
        return _of_old(message[old.end() :])
    head = _HEAD.match(message)
    parts = _BETWEEN.split(_PREEMPTION.sub("", message[head.end() :] if head else message))
    found = sorted(filter(None, map(_read, parts)), key=lambda one: (_CAUSES.index(one.cause), -one.nodes))
    if not found:
        return "unschedulable", ""
    everywhere = [one for one in found if head and _nodes_of(one.cause, found) >= int(head["total"])]
    here = [one for one in found if one.cause not in _NOT_FOR]
    chosen = (everywhere or here or found)[0]
    return chosen.cause, _selector(pod) if chosen.cause == "node-selector" else chosen.value


def _of_old(reasons: str) -> tuple[str, str]:
    """Return the cause of a message without the number of all nodes: it is certain only if it is the only one."""
    found = [_read(reason) for reason in reasons.split(", ")]
    first = found[0]
    if first is None or any(one is None or one.cause != first.cause for one in found):
        return "unschedulable", ""
    return first.cause, first.value


def _read(written: str) -> _Reason | None:
    one = _PART.match(written)
    for cause, form in _ROWS:
        if one and (said := form.search(one["words"])):
            value = next(filter(None, said.groupdict().values()), "")
            return _Reason(cause, int(one["nodes"] or 0), value.rstrip("."))
    return None


def _nodes_of(cause: str, found: list[_Reason]) -> int:
    """Return on how many nodes a cause is: a node has one taint that counts, and may lack several resources."""
    nodes = [one.nodes for one in found if one.cause == cause]
    return sum(nodes) if cause == "node-taint" else max(nodes)


def gates(pod: Json) -> str:
    """Return the names of the scheduling gates of a pod."""
    return ", ".join(text(gate, "name") for gate in items(pod, "spec", "schedulingGates"))


def _selector(pod: Json) -> str:
    labels = part(pod, "spec", "nodeSelector")
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "spec.affinity"
