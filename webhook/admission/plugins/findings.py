"""One finding about a plugin's configuration, or about a pod's request to a network: its code, its place, its text.

Codes are stable, and their texts are in `webhook/plugindata/_codes.json`. NAD1xx: keys and types. NAD2xx: values and
limits. NAD3xx: IPAM and addresses. NAD4xx: order, chaining, capabilities. NAD5xx: surprises. NAD6xx: pods and their
networks. A code keeps its severity and its meaning for ever. A code that is given up is not used again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cniplugin.netspec.errors import SpecError, show

ERROR = "error"
"""The object is refused: it fails on every node, or the network promises pods something that it never does."""
WARNING = "warning"
"""The object is allowed with a warning: it works, or fails in some cases only."""

_ERRORS = (
    *("NAD101", "NAD102", "NAD103", "NAD106", "NAD108"),
    *("NAD201", "NAD202", "NAD203", "NAD204", "NAD205", "NAD206", "NAD207", "NAD208"),
    *("NAD301", "NAD302", "NAD303", "NAD304", "NAD305", "NAD306", "NAD307", "NAD308", "NAD309", "NAD311"),
    *("NAD401", "NAD402", "NAD407"),
    *("NAD601", "NAD602", "NAD603", "NAD604", "NAD605", "NAD606", "NAD613", "NAD614", "NAD615"),
)
_WARNINGS = (
    *("NAD104", "NAD105", "NAD107", "NAD109", "NAD110"),
    *("NAD310", "NAD312"),
    *("NAD403", "NAD404", "NAD405", "NAD406"),
    *("NAD501", "NAD502", "NAD503", "NAD504", "NAD505", "NAD506"),
    *("NAD607", "NAD608", "NAD609", "NAD610", "NAD611", "NAD612"),
)
SEVERITIES: Mapping[str, str] = dict(
    sorted({**dict.fromkeys(_ERRORS, ERROR), **dict.fromkeys(_WARNINGS, WARNING)}.items())
)
"""Every code with its severity, sorted."""


def is_refused(code: str) -> bool:
    """Say whether a finding with this code refuses the object."""
    return SEVERITIES[code] == ERROR


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

    @property
    def is_error(self) -> bool:
        """Whether the object is refused."""
        return is_refused(self.code)

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


Findings = Iterator[PluginFinding]


def _quote(refusal: str, value: object) -> str:
    """Return the plugin's own error in quotes, with the value in its place, shortened as any other value."""
    shown = show(value)
    bare = shown[1:-1] if isinstance(value, str) else shown
    text = refusal.replace('"', "'").replace("{value}", bare)
    return f'"{text}"'
