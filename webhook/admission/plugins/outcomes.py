"""What happens on the node if the webhook lets a mistake pass: the measure of every rule.

A rule refuses only what would fail, what a pod would not get although it asks for it, or what nobody may have. What
merely breaks the letter of a standard, or is read by nobody, is a warning. `severity` is the one function that says so;
a rule that cannot say what would fail is a warning.

`seen` says how the effect was found: "run" (a real plugin, release 1.1.1 or the newest source), "kubelet" (a pod on a
real kubelet), "source" (the program's source was read), "kernel" (documented by the kernel).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from cniplugin.netspec.attachers import MULTUS

Effect = Literal["fails", "attaches without it", "attaches", "differs", "not allowed"]
"""fails: the pod does not start. attaches without it: it starts and lacks what was asked for. attaches: nothing is
lost. differs: by node, by version, or by what else the pod asks for. not allowed: it would work, and nobody may have
it, because it opens a door to the node or has two readings."""
Subject = Literal["pod", "definition"]
"""Who asks. A pod asks for something; a definition only offers it to pods."""

ERROR = "error"
"""The object is refused."""
WARNING = "warning"
"""The object is allowed with a warning."""


class Outcome(NamedTuple):
    """The effect of one mistake when our plugin attaches, and when Multus does; and how that was seen."""

    nadmit: Effect
    multus: Effect
    seen: str

    def effect(self, attached_by: str) -> Effect:
        """Return the effect for one of `netspec.attachers.ATTACHERS`."""
        return self.multus if attached_by == MULTUS else self.nadmit


_REFUSED: Mapping[Subject, frozenset[Effect]] = {
    "pod": frozenset({"fails", "attaches without it", "not allowed"}),
    "definition": frozenset({"fails", "not allowed"}),
}


def severity(effect: Effect, subject: Subject) -> str:
    """Return ERROR or WARNING."""
    return ERROR if effect in _REFUSED[subject] else WARNING


def _same(effect: Effect, seen: str) -> Outcome:
    return Outcome(effect, effect, seen)


CODES: Mapping[str, Outcome] = {
    **{code: _same("fails", "run") for code in (
        "NAD101", "NAD102", "NAD103", "NAD106",
        "NAD201", "NAD202", "NAD203", "NAD204", "NAD205", "NAD206", "NAD207", "NAD208",
        "NAD301", "NAD302", "NAD303", "NAD304", "NAD305", "NAD306", "NAD307", "NAD308", "NAD309", "NAD311",
        "NAD401", "NAD402", "NAD601", "NAD602", "NAD603", "NAD604", "NAD605", "NAD606", "NAD613", "NAD614", "NAD615",
    )},
    **{code: _same("fails", "run") for code in ("NAD112", "NAD114", "NAD313", "NAD408")},
    "NAD315": _same("fails", "source"),
    "NAD113": _same("differs", "run"),
    **{code: _same("differs", "source") for code in ("NAD314", "NAD316", "NAD409", "NAD510")},
    **{code: _same("attaches without it", "source") for code in ("NAD115", "NAD116")},
    "NAD117": _same("attaches without it", "run"),
    "NAD108": _same("not allowed", "setting unknownTypes"),
    **{code: _same("attaches without it", "run") for code in (
        "NAD104", "NAD109", "NAD404", "NAD405", "NAD407", "NAD608",
    )},
    **{code: _same("differs", "run") for code in (
        "NAD107", "NAD110", "NAD310", "NAD312", "NAD403", "NAD406", "NAD505", "NAD506",
    )},
    **{code: _same("attaches", "run") for code in ("NAD105", "NAD501", "NAD502", "NAD503", "NAD504")},
    **{code: _same("differs", "run") for code in ("NAD607", "NAD609", "NAD610", "NAD611", "NAD612")},
}  # fmt: skip
"""The outcome of every code. NAD1xx to NAD5xx are about definitions, NAD6xx about pods."""


def subject_of(code: str) -> Subject:
    """Return who a code is about."""
    return "pod" if code[3] == "6" else "definition"
