"""One finding about a plugin's configuration, or about a pod's request to a network: its code, its place, its text.

Codes are stable, and their texts are in `webhook/plugindata/_codes.json`. NAD1xx: keys and types. NAD2xx: values and
limits. NAD3xx: IPAM and addresses. NAD4xx: order, chaining, capabilities. NAD5xx: surprises. NAD6xx: pods and their
networks. A code keeps its meaning for ever; its severity follows from `outcomes`. A code that is given up is not used
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cniplugin.netspec.attachers import MULTUS
from cniplugin.netspec.errors import SpecError, show
from webhook.admission.plugins.outcomes import CODES, ERROR, severity, subject_of

SEVERITIES: Mapping[str, str] = {
    code: severity(outcome.multus, subject_of(code)) for code, outcome in sorted(CODES.items())
}
"""Every code, sorted, with its severity where Multus attaches."""


def severity_of(code: str, attached_by: str) -> str:
    """Return the severity of a code for one of `netspec.attachers.ATTACHERS`."""
    return severity(CODES[code].effect(attached_by), subject_of(code))


def is_refused(code: str, attached_by: str = MULTUS) -> bool:
    """Say whether a finding with this code refuses the object."""
    return severity_of(code, attached_by) == ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFinding:
    """A mistake or a surprise at one place of a configuration.

    `code`: of `SEVERITIES`. `path`: inside the configuration, such as `plugins[1].ipam.ranges[0][0].subnet`; "" for
    all of it. `refusal`: the error that the plugin itself would print, "" for none. The rest is as in SpecError.
    """

    code: str
    path: str
    detail: str
    value: object = None
    fix: str = ""
    allowed: str = ""
    refusal: str = ""

    def is_error(self, attached_by: str) -> bool:
        """Say whether the object is refused."""
        return is_refused(self.code, attached_by)

    def as_spec_error(self) -> SpecError:
        """Return the finding as a problem of the object. Its rule is the code, and its text begins with the code."""
        refusal = f"it would fail with {_quote(self.refusal, self.value)}" if self.refusal else ""
        return SpecError(
            rule=self.code,
            path=self.path,
            value=self.value,
            detail=f"{self.code}: {self.detail}",
            fix="; ".join(filter(None, (self.fix, refusal))),
            allowed=self.allowed,
        )


Findings = Iterable[PluginFinding]


def _quote(refusal: str, value: object) -> str:
    """Return the plugin's own error in quotes, with the value in its place, shortened as any other value."""
    shown = show(value)
    bare = shown[1:-1] if isinstance(value, str) else shown
    text = refusal.replace('"', "'").replace("{value}", bare)
    return f'"{text}"'
