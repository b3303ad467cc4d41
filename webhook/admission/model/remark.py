"""A warning that knows its rule."""

from __future__ import annotations


class Remark(str):
    """The text of a warning, with the id of the rule that it is about; `Decision.warnings` may hold some.

    NB: it is a str, so that whoever prints warnings need not know it; msgspec encodes only the real one, `str(remark)`.
    """

    __slots__ = ("rule",)
    rule: str

    @classmethod
    def of(cls, text: str, *, rule: str) -> Remark:
        """Return a text with its rule."""
        remark = cls(text)
        remark.rule = rule
        return remark


def rule_of(warning: str) -> str:
    """Return the rule of a warning; "warning" for one that has none."""
    return warning.rule if isinstance(warning, Remark) else "warning"
