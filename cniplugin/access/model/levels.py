"""Which level the definitions of a namespace have: Privileged, Baseline or Restricted, for each of three modes.

Levels are to definitions what Pod Security levels are to pods. `judging.baseline` lists what Baseline permits.

    nadmit.io/definitions-enforce: Baseline     ; refuses, when a definition is written and when a pod attaches to it
    nadmit.io/definitions-warn: Restricted      ; admits with a warning and a record
    nadmit.io/definitions-audit: Restricted     ; admits with a record

Without such a label, the configuration sets the level (`definitions.levels`); without that, it is Privileged. Letter
case does not matter, because Pod Security writes its levels in lower case. A value that does not name a level counts as
Restricted, the level that grants least.
"""

from __future__ import annotations

from cniplugin.netspec.errors import show
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .matchers import Cidrs, Names

PRIVILEGED, BASELINE, RESTRICTED = LEVELS = ("Privileged", "Baseline", "Restricted")
ENFORCE, WARN, AUDIT = MODES = ("enforce", "warn", "audit")
LABELS = {mode: f"nadmit.io/definitions-{mode}" for mode in MODES}
"""The label of each mode."""

WITHOUT_LEVEL = dict.fromkeys(LABELS.values(), PRIVILEGED)
"""Labels for configurations that have no level: that of a DeviceClass, which administrators write, and that of a DRA
driver, whose device such a class grants."""

TRIALS = {WARN: "Warn", AUDIT: "Audit"}
"""The modes that refuse nothing, with their names in policies."""


class ClusterLevels(Record):
    """The level of each mode where a namespace has no label for it (`definitions.levels`).

    `reads_labels`: whether labels count; false only on a node that lets pods start without rules.
    """

    enforce: str = PRIVILEGED
    warn: str = PRIVILEGED
    audit: str = PRIVILEGED
    reads_labels: bool = True


UNCHECKED = ClusterLevels(reads_labels=False)
"""No level anywhere."""


class BaselineLists(Record):
    """What Baseline permits beyond its built-in list (`definitions.baseline`); None for no list."""

    masters: Names | None = None
    addresses: Cidrs | None = None


class Level(Record):
    """The level of a namespace in one mode. `decider` and `basis` name it and who set it, as in a verdict."""

    name: str
    decider: str
    basis: str

    @property
    def decided(self) -> str:
        """The level, and who set it."""
        return with_basis(self.decider, self.basis)


def with_basis(decider: str, basis: str) -> str:
    """Return who decided, and on what grounds."""
    return f"{decider} ({basis})" if basis else decider


def parse(text: str) -> str | None:
    """Return the level that the value of a label names, None for any other value."""
    word = text.capitalize()
    return word if word in LEVELS else None


def level_name(cluster: ClusterLevels, labels: Mapping[str, str], mode: str) -> str:
    """Return the level of a namespace with these labels."""
    written = labels.get(LABELS[mode]) if cluster.reads_labels else None
    if written is None:
        return str(getattr(cluster, mode))
    return parse(written) or RESTRICTED


def may_have_trial(cluster: ClusterLevels, labels: Mapping[str, str]) -> bool:
    """Say whether a namespace with these labels may have a level in a mode that refuses nothing."""
    if cluster.warn != PRIVILEGED or cluster.audit != PRIVILEGED:
        return True
    return cluster.reads_labels and (LABELS[WARN] in labels or LABELS[AUDIT] in labels)


def level_of(cluster: ClusterLevels, namespace: str, labels: Mapping[str, str], mode: str) -> Level:
    """Return the level of a namespace, and who set it."""
    name = level_name(cluster, labels, mode)
    written = labels.get(LABELS[mode]) if cluster.reads_labels else None
    if written is None:
        source = f"cluster default definitions.levels.{mode}"
    elif parse(written):
        source = f"label {LABELS[mode]}"
    else:
        source = f"label {LABELS[mode]}, whose value {show(written)} is not one of {', '.join(LEVELS)}"
    return Level(name=name, decider=f'level {name} of namespace "{namespace}"', basis=source)
