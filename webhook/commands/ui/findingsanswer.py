"""What a stock-taking finds, as `nadmit scan` does. It reads everything, so it is made when somebody asks, and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from webhook.admission.model.kinds import VERDICT_KINDS
from webhook.commands.scanning.judgedobjects import Judge, Setting, without_repeats
from webhook.commands.scanning.scanreading import Read
from webhook.report.scan import scantext
from webhook.report.scan.finding import Finding
from webhook.report.scan.stock import Stock
from webhook.report.scan.stocktaking import order, take_stock
from webhook.trees.documents import Document

from . import judged
from .clusteranswers import Question, QuestionError
from .clusterview import ClusterView, Origin


class Findings:
    """The last stock-taking of an origin. Any thread may call any method; one stock-taking runs at a time."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._lock = Lock()
        self._taken: dict[str, Any] | None = None
        self._state = ""

    def answer(self, view: ClusterView, question: Question) -> dict[str, Any]:
        """Return the last findings; new ones if there are none, or with `again`. Raises ClusterError."""
        with self._lock:
            if self._taken is None or question.get("again"):
                self._state = self._origin.state
                self._taken = self._take(view)
            return {**self._taken, "old": self._state != self._origin.state}

    def about(self, kind: str, namespace: str, name: str) -> list[dict[str, Any]]:
        """Return what the last stock-taking found about an object; nothing if there was none."""
        taken = self._taken
        return [
            one
            for one in (taken["findings"] if taken is not None else ())
            if any(
                (each["kind"], each["namespace"], each["name"]) == (kind, namespace, name)
                for each in (one["object"], *one["others"])
            )
        ]

    def _take(self, view: ClusterView) -> dict[str, Any]:
        settings = view.settings
        setting = Setting(settings.rules_given, settings.configuration, settings.network_namespace)

        def judge_of(context: Sequence[Document], unread: Mapping[str, str]) -> Judge | None:
            judge = None if unread.keys() & VERDICT_KINDS else Judge(context, setting)
            if judge is not None and judge.problems:
                raise QuestionError("; ".join(map(str, judge.problems)), 409)
            return judge

        read = Read(Stock(settings.network_namespace, namespace=self._origin.namespace), judge_of)
        self._origin.read_everything(read)
        judge = read.judge
        taken = take_stock(read.stock, view.checks, judge.rules if judge is not None else None)
        refusals: Sequence[Finding] = judge.finish() if judge is not None else ()
        found = sorted([*refusals, *without_repeats(taken, refusals)], key=order)
        return {
            "findings": [scantext.finding_json(one) for one in found],
            "explained": {one["code"]: one for one in judged.summaries(finding.rule for finding in found)},
            "unread": list(read.unread.values()),
            "judged": judge is not None,
            "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        }
