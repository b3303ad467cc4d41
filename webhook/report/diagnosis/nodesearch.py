"""Why the scheduler finds no node: its message, as kubernetes 1.27 to 1.36 write it, to a cause.

    message = n "/" n " nodes are available: " *( n " " reason ", " ) "."

Reasons about devices and labels come before those about other resources, because a node that lacks both is named for
each. A resource with a domain is an extended one.
"""

from __future__ import annotations

import re

from .objectset import Json, items, part, text

_INSUFFICIENT = re.compile(r"Insufficient ([\w./-]+)")
_ROWS = (
    ("node-selector", re.compile(r"didn't match Pod's node affinity/selector|didn't match node selector")),
    (
        "volume-unbound",
        re.compile(r"persistentvolumeclaim|PersistentVolumeClaim|volume node affinity|unbound immediate"),
    ),
    ("claim-unallocated", re.compile(r"resourceclaim|ResourceClaim|cannot allocate all claims|waiting for .* claim")),
    ("node-taint", re.compile(r"untolerated taint|had taint")),
)


def find(message: str, pod: Json) -> tuple[str, str]:
    """Return the cause of a message, and the value that it names."""
    short = [name.rstrip(".") for name in _INSUFFICIENT.findall(message)]
    devices = [name for name in short if "/" in name]
    if devices:
        return "device-short", devices[0]
    if short:
        return "resource-short", short[0]
    for cause, words in _ROWS:
        if words.search(message):
            return cause, _selector(pod) if cause == "node-selector" else ""
    return "unschedulable", ""


def gates(pod: Json) -> str:
    """Return the names of the scheduling gates of a pod."""
    return ", ".join(text(gate, "name") for gate in items(pod, "spec", "schedulingGates"))


def _selector(pod: Json) -> str:
    labels = part(pod, "spec", "nodeSelector")
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "spec.affinity"
