"""Comments that keep findings out of the report: `# nadmit: ignore NAD105 the vendor writes it so`.

    comment = "#" "nadmit:" ("ignore" / "ignore-file") code *("," code) [reason]

At the end of a line, a comment is about that line and everything that is indented below it. On a line of its own, it is
about the next line and everything below that; before the first line of a document, about the whole document.
`ignore-file` is about all of its file. So a comment above `spec.config: |` reaches into the block of JSON, which can
hold no comment. A code that suppresses nothing is reported, as is one that does not exist.

The text is read line by line and not as YAML: templates have such comments too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from webhook.commands.check import MARK
from webhook.report.lint import WARNING, Finding
from webhook.report.titles import codes_by_upper, no_such_code
from webhook.trees.problems import Position

UNUSED, UNREADABLE = "unused-suppression", "suppression-comment"

_COMMENT = re.compile(rf"(?:^|(?<=\s))#+[ \t]*{MARK}[ \t]*([\w-]+)[ \t]*(.*)$")
_CODES = re.compile(r"([A-Za-z][\w-]*(?:[ \t]*,[ \t]*[A-Za-z][\w-]*)*)[ \t]*(.*)$")
IGNORE, IGNORE_FILE = VERBS = ("ignore", "ignore-file")
_EXAMPLE = "# nadmit: ignore NAD105 reason"
MISTAKES_MAX = 20
"""Comments of one file that are reported as wrong: looking for the code that is meant takes a millisecond."""
CODE_MAX = 40
"""Characters; the longest code has 25."""


@dataclass(slots=True)
class Suppression:
    """One comment. `first`, `last`: the lines that it is about, from 1. `used`: its codes that suppress something."""

    position: Position
    codes: tuple[str, ...]
    reason: str
    first: int
    last: int
    is_file: bool = False
    used: set[str] = field(default_factory=set)

    def covers(self, finding: Finding) -> bool:
        """Say whether a finding of this file is kept out."""
        line = finding.position.line
        return finding.rule in self.codes and (self.is_file or self.first <= line <= self.last)


def apply(
    findings: Iterable[Finding], texts: Mapping[str, str], *, skipped: Collection[str], unread: Collection[str]
) -> tuple[list[Finding], int]:
    """Return the findings that no comment is about, with those about comments, and how many comments keep out.

    `texts`: of files by name. `skipped`: codes that are left out anyway. `unread`: files that could not be read as a
    whole, where a code may be of use later.
    """
    by_file: dict[str, list[Suppression]] = {}
    kept: list[Finding] = []
    for file, text in texts.items():
        if MARK in text:
            by_file[file] = list(read(file, text, kept))
    suppressed = 0
    for finding in findings:
        matching = [one for one in by_file.get(finding.position.file, ()) if one.covers(finding)]
        for one in matching:
            one.used.add(finding.rule)
        suppressed += bool(matching)
        if not matching:
            kept.append(finding)
    for file, some in by_file.items():
        if file not in unread:
            kept += [_unused(one, code) for one in some for code in one.codes if code not in {*one.used, *skipped}]
    return kept, suppressed


def _unused(one: Suppression, code: str) -> Finding:
    where = "in this file" if one.is_file else "here"
    return Finding(
        one.position, WARNING, UNUSED, f"the comment suppresses nothing: no {code} is found {where}; remove it"
    )


def read(file: str, text: str, mistakes: list[Finding]) -> Iterator[Suppression]:
    """Yield the comments of a text, and add findings about those that cannot be read, the first MISTAKES_MAX."""
    lines, own = text.splitlines(), _Mistakes(mistakes)
    reach = _Reach(lines)
    for index, line in enumerate(lines):
        match = _COMMENT.search(line) if MARK in line else None
        if match is None:
            continue
        position = Position(file, index + 1, line.index("#", match.start()) + 1)
        verb, rest = match.groups()
        if verb not in VERBS:
            own.add_verb(position, verb)
            continue
        codes = _CODES.match(rest)
        if codes is None:
            own.add(position, f"the comment names no code; write {_EXAMPLE}")
            continue
        known = [name for code in codes[1].split(",") if (name := own.known_code(position, code.strip()))]
        if known:
            first, last = reach.of(index, is_alone=line.lstrip().startswith("#"))
            yield Suppression(position, tuple(known), codes[2], first, last, is_file=verb == IGNORE_FILE)


class _Mistakes:
    """Adds the mistakes of one file to a list, as long as there are few."""

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings
        self._left = MISTAKES_MAX

    def add(self, position: Position, text: str) -> None:
        """Add a mistake."""
        if self._left:
            self._left -= 1
            self._findings.append(Finding(position, WARNING, UNREADABLE, text))

    def add_verb(self, position: Position, verb: str) -> None:
        """Add the mistake of a word that resembles a verb; other words are a comment of another kind."""
        meant = get_close_matches(verb[:CODE_MAX], VERBS, n=1) if self._left else []
        if meant:
            self.add(position, f'"{verb}" is not a comment for nadmit; did you mean "{meant[0]}"?')

    def known_code(self, position: Position, code: str) -> str:
        """Return a code as `nadmit explain` lists it; "" for an unknown one, which is a mistake."""
        name = codes_by_upper().get(code.upper(), "")
        if not name and self._left:
            self.add(position, no_such_code(code[:CODE_MAX]))
        return name


# Which lines a comment is about


class _Reach:
    """The lines below each line of a text, computed once for all of its comments. Lines count from 0."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._ends = list(range(len(lines)))
        self._next = [len(lines)] * (len(lines) + 1)
        self._first_of: dict[int, int] = {}
        self._read(lines)
        for number in range(len(lines) - 1, -1, -1):
            self._next[number] = number if _has_content(lines[number]) else self._next[number + 1]

    def _read(self, lines: Sequence[str]) -> None:
        """Find the end of each block, and for the first line of each document the end of the document."""
        open_blocks: list[tuple[int, int, bool]] = []
        first: int | None = None
        last = 0
        for number, line in enumerate([*lines, "---"]):
            if _is_boundary(line):
                self._close(open_blocks, last, lambda _indent, _has_list: True)
                if first is not None:
                    self._first_of[first] = number - 1
                first = None
            elif _has_content(line):
                indent, is_item = _indent(line), line.lstrip().startswith("- ")
                self._close(open_blocks, last, _ends_at(indent, is_item=is_item))
                open_blocks.append((number, indent, _OPENS_LIST.match(line) is not None))
                first = number if first is None else first
                last = number

    def _close(self, open_blocks: list[tuple[int, int, bool]], last: int, ends: Callable[[int, bool], bool]) -> None:
        while open_blocks and ends(*open_blocks[-1][1:]):
            self._ends[open_blocks.pop()[0]] = last

    def of(self, index: int, *, is_alone: bool) -> tuple[int, int]:
        """Return the first and the last line that a comment in a line is about, from 1."""
        target = self._next[index + 1] if is_alone else index
        if target >= len(self._ends):
            return index + 1, index + 1
        end = self._first_of.get(target) if is_alone else None
        return target + 1, (self._ends[target] if end is None else end) + 1


_OPENS_LIST = re.compile(r"\s*[^\s#-].*:\s*(?:#.*)?$")
"""A key without a value in its line. The items of its list may begin in its column."""


def _ends_at(indent: int, *, is_item: bool) -> Callable[[int, bool], bool]:
    """Return the function that says whether a block (its indent, whether it may be a list) ends at a line."""
    return lambda block, has_list: indent < block or (indent == block and not (has_list and is_item))


def _has_content(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith("#") and not _is_boundary(line)


def _is_boundary(line: str) -> bool:
    return line.startswith(("---", "...", "%"))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
