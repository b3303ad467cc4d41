"""One finding about a plugin's configuration, and its words: where: code: what is wrong: value; what to do; allowed."""

from __future__ import annotations

from dataclasses import dataclass

from cniplugin.netspec.errors import SpecError, show
from webhook.admission.plugins.codes import CODES, ERROR


def is_refused(code: str) -> bool:
    """Say whether what has a code is refused, and not only warned about."""
    return CODES[code].severity == ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFinding:
    """What is wrong, or surprises, at one place of a configuration.

    `code`: of `codes.CODES`. `path`: inside the configuration, such as `plugins[1].ipam.ranges[0][0].subnet`; "" for
    all of it. `refusal`: what the plugin itself would say, "" when it says nothing. The rest as in SpecError.
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
        """Whether the configuration fails on every node; if not, it only surprises."""
        return is_refused(self.code)

    def as_spec_error(self) -> SpecError:
        """Return the finding as a problem of the object; its rule is the code, which its text names too."""
        refusal = f"it would fail with {_quoted(self.refusal, self.value)}" if self.refusal else ""
        return SpecError(
            rule=self.code,
            path=self.path,
            value=self.value,
            detail=f"{self.code}: {self.detail}",
            fix="; ".join(filter(None, (self.fix, refusal))),
            allowed=self.allowed,
        )


def _quoted(refusal: str, value: object) -> str:
    """Put the value where the plugin's own text has it; a text in quotes is shortened as any other value."""
    shown = show(value)
    bare = shown[1:-1] if isinstance(value, str) else shown
    text = refusal.replace('"', "'").replace("{value}", bare)
    return f'"{text}"'
