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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
            by_file[file] = list(_read(file, text, kept))
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


def _read(file: str, text: str, mistakes: list[Finding]) -> Iterator[Suppression]:
    """Yield the comments of a text, and add findings about those that cannot be read."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        match = _COMMENT.search(line) if MARK in line else None
        if match is None:
            continue
        position = Position(file, index + 1, line.index("#", match.start()) + 1)
        verb, rest = match.groups()
        if verb not in VERBS:
            if meant := get_close_matches(verb, VERBS, n=1):
                mistakes.append(_mistake(position, f'"{verb}" is not a comment for nadmit; did you mean "{meant[0]}"?'))
            continue
        codes = _CODES.match(rest)
        if codes is None:
            mistakes.append(_mistake(position, f"the comment names no code; write {_EXAMPLE}"))
            continue
        known = list(_known_codes(codes[1], position, mistakes))
        if known:
            first, last = _covered(lines, index, is_alone=line.lstrip().startswith("#"))
            yield Suppression(position, tuple(known), codes[2], first, last, is_file=verb == IGNORE_FILE)


def _known_codes(text: str, position: Position, mistakes: list[Finding]) -> Iterator[str]:
    for code in (part.strip() for part in text.split(",")):
        name = codes_by_upper().get(code.upper())
        if name is not None:
            yield name
        else:
            mistakes.append(_mistake(position, no_such_code(code)))


def _mistake(position: Position, text: str) -> Finding:
    return Finding(position, WARNING, UNREADABLE, text)


# Which lines a comment is about


def _covered(lines: Sequence[str], index: int, *, is_alone: bool) -> tuple[int, int]:
    """Return the first and the last line that a comment is about, from 1."""
    target = index
    if is_alone:
        target = next((number for number in range(index + 1, len(lines)) if _has_content(lines[number])), index)
        if all(not _has_content(line) for line in _lines_before(lines, target)):
            return target + 1, _end_of_document(lines, target)
    return target + 1, _end_of_block(lines, target)


def _has_content(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith("#") and not _is_boundary(line)


def _is_boundary(line: str) -> bool:
    return line.startswith(("---", "...", "%"))


def _lines_before(lines: Sequence[str], target: int) -> Sequence[str]:
    """Return the lines of a document before one of its lines."""
    start = next((number for number in range(target - 1, -1, -1) if _is_boundary(lines[number])), -1)
    return lines[start + 1 : target]


def _end_of_document(lines: Sequence[str], target: int) -> int:
    return next((number for number in range(target + 1, len(lines)) if _is_boundary(lines[number])), len(lines))


def _end_of_block(lines: Sequence[str], target: int) -> int:
    """Return the last line that is indented below a line. The items of a list may begin in the column of its key."""
    indent, last = _indent(lines[target]), target
    has_list = re.match(r"\s*[^\s#-].*:\s*(?:#.*)?$", lines[target]) is not None
    for number in range(target + 1, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        is_item = has_list and _indent(line) == indent and line.lstrip().startswith("- ")
        if _is_boundary(line) or (_indent(line) <= indent and not is_item):
            break
        last = number
    return last + 1


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
