"""One pass: findings in, reports in the cluster changed where they differ.

| answer to a change | then |
| --- | --- |
| 409 | another client was first: the next pass settles it |
| 404 | the report, or its namespace, is gone: nothing is left to do |
| 403, and 400, 413, 422 | note it, go on; after ten in a row for one verb and kind leave out the others of these |
| any other, or none | the pass ends, and the next one goes on |

A list that takes longer than the API server keeps its pages (410) begins anew; what is written by then is not written
again. If both API groups are installed, our reports in the older one are deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from webhook.kube.apierrors import ConflictError, ForbiddenError, GoneError, InvalidError, NotFoundError
from webhook.report.scan.finding import LEVELS, Finding

from .reportform import NameRule, ReportApi
from .reportplan import Aims, Amend, Change, Create, Delete, aims_of, plan_changes
from .reportstore import ReportStore

BETWEEN_WRITES_S = 0.02
"""At most 50 writes a second, of which an API server answers thousands."""
REFUSALS_MAX = 10
ROUNDS_MAX = 3

CREATED, CHANGED, DELETED = "created", "changed", "deleted"
_VERBS = {Create: CREATED, Amend: CHANGED, Delete: DELETED}


@dataclass(slots=True)
class Written:
    """What a pass did. `writes`: reports that are created, changed and deleted.

    `reports`: objects with findings, of which `left_out` have no report. `conflicts`: changes for the next pass.
    `refused`: changes that the API server refused, and those that were not tried after ten refusals.
    """

    api: str
    findings: Counter[str]
    reports: int
    left_out: int
    writes: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    refused: int = 0


class ReportPass:
    """Writes the reports of one stock-taking. Use it once."""

    def __init__(
        self,
        store: ReportStore,
        *,
        name_rule: NameRule,
        now: int,
        tell: Callable[[str], None],
        pause: Callable[[float], object],
    ) -> None:
        """`now`: Unix seconds. `tell` gets a line for each thing that could not be written. `pause`: sleeps."""
        self._store = store
        self._name_rule = name_rule
        self._now = now
        self._tell = tell
        self._pause = pause
        self._refusals: Counter[tuple[str, str]] = Counter()

    def write(self, findings: Iterable[Finding], *, unread_kinds: Collection[str] = ()) -> Written:
        """Write the differences. `unread_kinds`: as for `plan_changes`.

        Raises ClusterError if the API server has no reports, or cannot be asked.
        """
        api, *older = self._store.served()
        listed = tuple(findings)
        aims = aims_of(listed)
        levels = Counter(finding.level for finding in listed)
        written = Written(
            api.api_version,
            Counter({level: levels[level] for level in LEVELS}),
            len(aims.findings) + aims.left_out,
            aims.left_out,
        )
        if aims.left_out:
            self._tell(
                f"{aims.left_out} objects with findings have no report: at most {len(aims.findings)} are written"
            )
        self._make(api, aims, written, unread_kinds)
        for replaced in older:
            try:
                self._make(replaced, Aims({}, 0), written, ())
            except ForbiddenError as error:
                self._tell(f"reports of {replaced.api_version}, if there are any, stay: {error}")
        return written

    def _make(self, api: ReportApi, aims: Aims, written: Written, unread_kinds: Collection[str]) -> None:
        for _ in range(ROUNDS_MAX):
            try:
                for change in self._changes(api, aims, unread_kinds):
                    self._change(api, change, written)
            except GoneError as error:
                gone = error
            else:
                return
        raise gone

    def _changes(self, api: ReportApi, aims: Aims, unread_kinds: Collection[str]) -> Iterator[Change]:
        stored = self._store.list(api)
        return plan_changes(aims, stored, api=api, name_rule=self._name_rule, now=self._now, unread_kinds=unread_kinds)

    def _change(self, api: ReportApi, change: Change, written: Written) -> None:
        what = _VERBS[type(change)]
        key = what, _kind_of(change)
        if self._refusals[key] >= REFUSALS_MAX:
            written.refused += 1
            return
        self._pause(BETWEEN_WRITES_S)
        try:
            self._store.write(api, change)
        except ConflictError:
            written.conflicts += 1
        except NotFoundError:
            return
        except (ForbiddenError, InvalidError) as error:
            written.refused += 1
            self._refusals[key] += 1
            if self._refusals[key] == 1:
                self._tell(str(error))
        else:
            written.writes[what] += 1
            self._refusals[key] = 0


def _kind_of(change: Change) -> str:
    report = change.report if isinstance(change, Create) else change.stored
    return "namespaced" if report["metadata"].get("namespace") else "cluster"
