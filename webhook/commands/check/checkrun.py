"""One run of `nadmit check`: what is read and judged, and what is kept out of the report."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from webhook.admission.wording.answers import who
from webhook.commands.judging import Judgement, is_judged
from webhook.commands.options import STDIN, STDIN_NAME, fail, fail_unreadable, installed_version
from webhook.report.lint import NOTE, WARNING, Finding, Report
from webhook.report.plaintext import counted
from webhook.trees import documents, gathering, manifests
from webhook.trees.environments import Group
from webhook.trees.gathering import Gathered
from webhook.trees.passedover import PassedOver
from webhook.trees.problems import ManifestError, Position, Problem
from webhook.trees.yamlstream import decode

from . import MARK
from .judgedtree import Judged, Judging, judge_all, leave_out_consequences, merge_unknown_namespaces, of_problem
from .runningpods import as_created

if TYPE_CHECKING:
    from .clusterobjects import ClusterDocuments

PROGRESS_FILES_MIN = 300
"""Files above which reading takes so long that a progress bar helps."""

CLUSTER = "cluster"
"""In place of a file; `clusterobjects.PLACE`."""


class Run:
    """The run, with what it has read. `given`: the options of the command. `is_listing_subjects`: see Report."""

    def __init__(
        self, paths: Sequence[str], given: Mapping[str, Any], judging: Judging, *, is_listing_subjects: bool
    ) -> None:
        self.paths = paths
        self.given = given
        self.judging = judging
        self.is_listing_subjects = is_listing_subjects
        self.gathered = Gathered()

    def check_files(self) -> Report:
        """Return the report about files, in their order; findings without a file come first."""
        gathered = self.gathered = self._gather()
        gathered.documents = list(map(as_created, gathered.documents))
        remarks = list(gathered.remarks)
        judging = self.judging._replace(context=self._context(remarks))
        judged = judge_all(gathered.documents, judging)
        remarks += (_tell(group, gathered.documents[group.example]) for group in judged.groups)
        findings = [
            *map(of_problem, gathered.problems),
            *(Finding(one.position, WARNING, one.rule, one.text) for one in gathered.warnings),
            *(Finding(one.position, NOTE, one.rule, one.text) for one in remarks),
            *judged.findings,
        ]
        order = {file: number for number, file in enumerate(gathered.files, 1)}
        report = self._report(findings, judged, lambda one: (order.get(one.position.file, 0), one.position.line))
        return report._replace(
            files=len(gathered.files),
            objects=len(gathered.documents),
            judged=len(judged.judgements),
            environments=judged.environments,
            subjects=_subjects(judged.judgements) if self.is_listing_subjects else (),
        )

    def check_cluster(self) -> Report:
        """Return the report about a cluster, by level and rule. A finding names how many more pods it is about."""
        found = _read_cluster(self.given["kubeconfig"])
        judged = judge_all(found.documents, self.judging)
        others = {who(one.request): found.others(one.document) for one in judged.judgements}
        findings = [
            one._replace(more=f"{number} more of its controller") if (number := others.get(one.subject, 0)) else one
            for one in judged.findings
        ]
        report = self._report(findings, judged, lambda one: (one.level, one.rule, one.subject))
        return report._replace(
            objects=len(found.documents),
            judged=len(judged.judgements),
            by_rule=True,
            subjects=_subjects(judged.judgements) if self.is_listing_subjects else (),
        )

    def not_judged(self) -> list[str]:
        """Return how many objects of each kind were read that are not judged, as lines."""
        workloads = self.judging.configuration.workloads
        kinds = Counter(one.kind for one in self.gathered.documents if not is_judged(one, workloads))
        if not kinds:
            return []
        head = f"not judged: {counted(sum(kinds.values()), 'object')} of kinds that say nothing about networks"
        return [head, *(f"  {kind}: {number}" for kind, number in sorted(kinds.items()))]

    def write_baseline(self, report: Report) -> str:
        """Write the baseline, and return what to print. Ends the command if the file cannot be written."""
        from . import knownfindings  # noqa: PLC0415 - most runs have none

        path: Path = self.given["baseline"]
        try:
            number = knownfindings.write(path, report.findings, self._lines(report.findings), tool=_tool())
        except OSError as error:
            text = (
                f"cannot be written: {(error.strerror or str(error)).lower()}; name a file in a directory that exists"
            )
            fail_unreadable([Problem(Position(str(path)), "unreadable-file", text)])
        return f"{path}: {counted(number, 'finding')} written; give --baseline {path} from now on"

    # What is read

    def _gather(self) -> Gathered:
        exclude = self.given["exclude"]
        try:
            gathered = gathering.gather(
                [path for path in self.paths if path != STDIN],
                exclude=exclude,
                own=self.given["baseline"],
                progress=_show_progress,
            )
        except ManifestError as error:
            fail_unreadable(error.problems)
        if STDIN in self.paths:
            _read_stdin(gathered)
        if not gathered.documents and not gathered.problems:
            told = [*gathered.warnings, *gathered.remarks]
            told += [_of_passed_over(one) for one in gathered.passed_over if not told]
            fail_unreadable([*told, manifests.nothing_found(self.paths)])
        return gathered

    def _context(self, remarks: list[Problem]) -> Sequence[documents.Document]:
        directory: str | None = self.given["directory"]
        if directory is None and not self.given["cluster"]:
            return ()
        from . import context  # noqa: PLC0415 - most runs have none

        if directory is not None:
            return context.from_tree(directory, self.given["exclude"], self.gathered.files, remarks)
        return context.from_cluster(self.given["kubeconfig"])

    # What is kept out

    def _report(self, findings: Iterable[Finding], judged: Judged, order: Callable[[Finding], Any]) -> Report:
        """Return a report of findings, without those that options and comments keep out."""
        skip: frozenset[str] = self.given["skip"]
        every = list(findings)
        kept = [one for one in every if one.rule not in skip]
        suppressed = {"skip": len(every) - len(kept)}
        texts = {file: text for file, text in self._texts(kept).items() if MARK in text}
        if texts:
            from . import suppressions  # noqa: PLC0415 - few trees have comments

            unread = {one.position.file for one in every if one.is_unreadable}
            kept, suppressed["comment"] = suppressions.apply(kept, texts, skipped=skip, unread=unread)
        if self.given["baseline"] is not None and not self.given["write_baseline"]:
            kept, suppressed["baseline"] = self._without_baseline(kept)
        kept, consequences = leave_out_consequences(kept)
        kept = merge_unknown_namespaces(sorted((one for one in kept if one.rule not in skip), key=order))
        passed = (*self.gathered.passed_over, *consequences, *dict.fromkeys(judged.passed_over))
        return Report(findings=tuple(kept), files=0, objects=0, judged=0, passed_over=passed, suppressed=suppressed)

    def _without_baseline(self, findings: Sequence[Finding]) -> tuple[list[Finding], int]:
        from . import knownfindings  # noqa: PLC0415 - most runs have none

        path: Path = self.given["baseline"]
        try:
            entries = knownfindings.read(path)
        except ManifestError as error:
            fail_unreadable(error.problems)
        files = self.gathered.files or [CLUSTER]
        return knownfindings.apply(path, entries, findings, self._lines(findings), files=files)

    def _texts(self, findings: Iterable[Finding]) -> dict[str, str]:
        """Return the texts of files by name: those that were read, and templates of charts with findings."""
        texts = dict(self.gathered.texts)
        for file in {one.position.file for one in findings} - texts.keys():
            if Path(file).is_file():
                gathering.read_text(file, [], texts)
        return texts

    def _lines(self, findings: Iterable[Finding]) -> dict[str, list[str]]:
        texts, files = self._texts(findings), {one.position.file for one in findings}
        return {file: text.splitlines() for file, text in texts.items() if file in files}


def _tool() -> str:
    return f"nadmit {installed_version()}"


def _subjects(judgements: Iterable[Judgement]) -> tuple[tuple[Position, str], ...]:
    return tuple((one.locate("metadata.name"), who(one.request)) for one in judgements)


def _tell(group: Group, example: documents.Document) -> Problem:
    names = f"{', '.join(group.names[:-1])} and {group.names[-1]}"
    what = f"{example.kind} {example.name}"
    text = f"{names} have the same objects, such as {what}: each is judged as an environment of its own"
    return Problem(Position(group.parent), "environments", text)


def _of_passed_over(one: PassedOver) -> Problem:
    return Problem(Position(one.where), one.kind, f"passed over: {one.why or one.kind}")


def _read_cluster(kubeconfig: Path | None) -> ClusterDocuments:
    from webhook.kube.apierrors import ClusterError  # noqa: PLC0415 - the client costs 250 ms

    from .clusterobjects import read_cluster  # noqa: PLC0415

    try:
        return read_cluster(kubeconfig, lambda line: click.echo(f"read {line}", err=True))
    except ClusterError as error:
        fail(str(error))


def _read_stdin(gathered: Gathered) -> None:
    gathered.files = [*gathered.files, STDIN_NAME]
    try:
        text = decode(sys.stdin.buffer.read(), file=STDIN_NAME, rule="not-utf-8")
    except ManifestError as error:
        gathered.problems += error.problems
        return
    gathered.texts[STDIN_NAME] = text
    gathered.documents += documents.parse(text, file=STDIN_NAME, problems=gathered.problems)


def _show_progress(files: Sequence[str]) -> Iterator[str]:
    if len(files) <= PROGRESS_FILES_MIN or not sys.stderr.isatty():
        yield from files
        return
    with click.progressbar(files, label="reading", file=sys.stderr) as shown:
        yield from shown
