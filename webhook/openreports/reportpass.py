"""One pass: findings in, reports in the cluster changed where they differ.

| answer to a change | then |
| --- | --- |
| 409 | another client was first: the next pass settles it |
| 404 | the report, or its namespace, is gone: nothing is left to do |
| 403, and 400, 413, 422 | note it, go on; after ten in a row for one verb and namespace leave out the others of these |
| the same in ten namespaces in a row | leave out the others of this verb and kind |
| any other, or none | the pass ends, and the next one goes on |

One namespace may refuse by itself: because it is being deleted, or has a quota of reports. So what it refuses does not
keep the reports of other namespaces away.

A list that takes longer than the API server keeps its pages (410) begins anew; what is written by then is not written
again. If both API groups are installed, our reports in the older one are deleted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator

from webhook.kube.apierrors import ConflictError, ForbiddenError, GoneError, InvalidError, NotFoundError
from webhook.report.scan.finding import LEVELS, Finding

from .passresult import PassResult
from .reportform import NameRule, ReportApi
from .reportplan import Aims, Amend, Change, Create, aims_of, namespace_of, plan_changes
from .reportstore import ReportStore

BETWEEN_WRITES_S = 0.02
"""At most 50 writes a second, of which an API server answers thousands."""
REFUSALS_MAX = 10
"""In one namespace."""
REFUSING_MAX = 10
"""Namespaces."""
ROUNDS_MAX = 3


class ReportPass:
    """Writes the reports of one stock-taking. Use it once."""

    def __init__(self, store: ReportStore, *, name_rule: NameRule, now: int, pause: Callable[[float], object]) -> None:
        """`now`: Unix seconds. `pause`: sleeps."""
        self._store = store
        self._name_rule = name_rule
        self._now = now
        self._pause = pause
        self._refusals: Counter[tuple[type[Change], str]] = Counter()
        """How many in a row, by verb and namespace."""
        self._refusing: defaultdict[tuple[type[Change], bool], set[str]] = defaultdict(set)
        """By verb and kind: the namespaces that have refused since one has accepted."""
        self._noted: set[tuple[type[Change], bool]] = set()

    def write(self, findings: Iterable[Finding], *, unread_kinds: Collection[str] = ()) -> PassResult:
        """Write the differences. `unread_kinds`: as for `plan_changes`.

        Raises ClusterError if the API server has no reports, or cannot be asked.
        """
        api, *older = self._store.served()
        listed = tuple(findings)
        aims = aims_of(listed)
        levels = Counter(finding.level for finding in listed)
        result = PassResult(
            api.api_version,
            {level: levels[level] for level in LEVELS},
            reports=len(aims.findings) + aims.left_out,
            left_out=aims.left_out,
        )
        if aims.left_out:
            result.notes.append(
                f"{aims.left_out} objects with findings get no report: there are at most {len(aims.findings)}"
            )
        self._make(api, aims, result, unread_kinds)
        for replaced in older:
            try:
                self._make(replaced, Aims({}, 0), result, ())
            except ForbiddenError as error:
                result.notes.append(f"reports of {replaced.api_version}, if there are any, stay: {error}")
        return result

    def _make(self, api: ReportApi, aims: Aims, result: PassResult, unread_kinds: Collection[str]) -> None:
        for _ in range(ROUNDS_MAX):
            try:
                for change in self._changes(api, aims, unread_kinds):
                    self._try(api, change, result)
            except GoneError as error:
                gone = error
            else:
                return
        raise gone

    def _changes(self, api: ReportApi, aims: Aims, unread_kinds: Collection[str]) -> Iterator[Change]:
        stored = self._store.list(api)
        return plan_changes(aims, stored, api=api, name_rule=self._name_rule, now=self._now, unread_kinds=unread_kinds)

    def _try(self, api: ReportApi, change: Change, result: PassResult) -> None:
        """Make a change, or count why it is not made."""
        namespace = namespace_of(change)
        key = type(change), bool(namespace)
        if self._refusals[type(change), namespace] >= REFUSALS_MAX or len(self._refusing[key]) >= REFUSING_MAX:
            result.refused += 1
            return
        self._pause(BETWEEN_WRITES_S)
        try:
            self._store.write(api, change)
        except ConflictError:
            result.conflicts += 1
        except NotFoundError:
            return
        except (ForbiddenError, InvalidError) as error:
            result.refused += 1
            self._refusals[type(change), namespace] += 1
            self._refusing[key].add(namespace)
            if key not in self._noted:
                self._noted.add(key)
                result.notes.append(str(error))
        else:
            self._refusals[type(change), namespace] = 0
            self._refusing[key].clear()
            _count(change, result)


def _count(change: Change, result: PassResult) -> None:
    if isinstance(change, Create):
        result.created += 1
    elif isinstance(change, Amend):
        result.changed += 1
    else:
        result.deleted += 1
