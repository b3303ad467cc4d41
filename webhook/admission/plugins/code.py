"""What there is to know about a code of a finding: its severity, and how it is explained."""

from __future__ import annotations

from dataclasses import dataclass

ERROR = "error"
"""It fails on every node, or promises what it never does: the object is refused."""
WARNING = "warning"
"""It works, or fails somewhere else: the object is allowed with a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One code. `example`: the text of a configuration that has exactly this finding. `fix`: what to do about it.

    `pod`: for NAD6xx, the networks annotation of a pod that has exactly this finding, where `net` is a network of this
    configuration in the pod's own namespace. `other_pod`: that of another pod of this namespace, which runs; "" where
    it takes none.
    """

    title: str
    severity: str
    meaning: str
    example: str
    fix: str
    pod: str = ""
    other_pod: str = ""
