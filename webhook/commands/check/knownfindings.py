"""A baseline: a file with the findings that a tree has already, so that only new ones are reported.

    {"version": 1, "tool": "nadmit 0.1.0", "findings": [
      {"fingerprint": "5d0c...", "file": "web.yaml", "rule": "mac-value", "object": "pod team-a/web", "count": 1}]}

A fingerprint is made of file, rule, object, the field without indexes, and the text of the line. So it survives lines
that move and messages that change their wording; a line that somebody edits is reported again. Paths are relative to
the baseline's directory. `count`: how many findings have the fingerprint; one more than that is new.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from webhook.files import describe_unreadable, load_file
from webhook.report.lint import NOTE, WARNING, Finding
from webhook.trees.problems import ManifestError, Position, Problem

UNUSED = "unused-baseline"
VERSION = 1
FILE_BYTES_MAX = 64 * 1024 * 1024
FINGERPRINT_DIGITS = 24
_SHOWN_MAX = 3
_INDEX = re.compile(r"\[\d+\]")

Place = Callable[[str], str]
"""A file as the user named it -> as the baseline names it."""


def place_beside(baseline: Path) -> Place:
    """Return the function that names files relative to the directory of a baseline."""
    folder = os.path.realpath(baseline.parent)

    def place(file: str) -> str:
        if not _is_there(Path(file)):
            return file  # standard input, or a cluster
        return Path(os.path.relpath(os.path.realpath(file), folder)).as_posix()

    return place


def _is_there(path: Path) -> bool:
    """Say whether a path exists; a text that cannot be a path does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def fingerprint(finding: Finding, file: str, texts: Mapping[str, Sequence[str]]) -> str:
    """Return the fingerprint of a finding. `file`: as the baseline names it. `texts`: lines by file."""
    line, lines = finding.position.line, texts.get(finding.position.file, ())
    text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    parts = (str(VERSION), file, finding.rule, finding.subject, _INDEX.sub("[]", finding.field), text)
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:FINGERPRINT_DIGITS]


def write(path: Path, findings: Sequence[Finding], texts: Mapping[str, Sequence[str]], *, tool: str) -> int:
    """Write the findings of a run, and return how many. Raises OSError."""
    place = place_beside(path)
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for finding in findings:
        if finding.level != NOTE and finding.rule != UNUSED:
            file = place(finding.position.file)
            counts[file, finding.rule, finding.subject, fingerprint(finding, file, texts)] += 1
    entries = [
        {"fingerprint": mark, "file": file, "rule": rule, "object": subject, "count": count}
        for (file, rule, subject, mark), count in sorted(counts.items())
    ]
    lines = ",\n    ".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    head = f'"version": {VERSION},\n  "tool": {json.dumps(tool)}'
    body = f"[\n    {lines}\n  ]" if entries else "[]"
    path.write_text(f'{{\n  {head},\n  "findings": {body}\n}}\n', encoding="utf-8")
    return sum(counts.values())


def read(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a baseline. Raises ManifestError."""
    try:
        data = load_file(path, bytes_max=FILE_BYTES_MAX)
    except OSError as error:
        fix = "name a file that exists, or make one with --write-baseline"
        raise _error(path, describe_unreadable(error, fix), "unreadable-file") from error
    return parse(data, path)


def parse(data: bytes, path: Path) -> list[dict[str, Any]]:
    """Return the entries in the content of a baseline. Raises ManifestError."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _error(path, f"not a baseline: it is not JSON: {error}; write it again: --write-baseline") from error
    entries = value.get("findings") if isinstance(value, dict) else None
    if not isinstance(entries, list) or value.get("version") != VERSION or not all(map(_is_entry, entries)):
        text = f"not a baseline of version {VERSION}, as nadmit writes it; write it again: --write-baseline"
        raise _error(path, text)
    return entries


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) for key in ("fingerprint", "file", "rule", "object"))
        and type(entry.get("count")) is int
    )


def _error(path: Path, text: str, rule: str = "baseline-form") -> ManifestError:
    return ManifestError([Problem(Position(str(path)), rule, text)])


def apply(
    path: Path,
    entries: Sequence[Mapping[str, Any]],
    findings: Sequence[Finding],
    texts: Mapping[str, Sequence[str]],
    *,
    files: Collection[str],
) -> tuple[list[Finding], int]:
    """Return the findings that are new, with one about entries without use, and how many the baseline keeps out.

    `files`: those that were read. An entry about another file that exists may be of use in another run.
    """
    place = place_beside(path)
    left: Counter[str] = Counter()
    for entry in entries:
        left[entry["fingerprint"]] += entry["count"]
    kept: list[Finding] = []
    for finding in findings:
        mark = fingerprint(finding, place(finding.position.file), texts) if finding.level != NOTE else ""
        if left[mark] > 0:
            left[mark] -= 1
        else:
            kept.append(finding)
    known = set(map(place, files))
    unused = [
        entry
        for entry in entries
        if left[entry["fingerprint"]] > 0 and (entry["file"] in known or not _is_there(path.parent / entry["file"]))
    ]
    suppressed = len(findings) - len(kept)
    return [*kept, *([_unused(path, unused)] if unused else [])], suppressed


def _unused(path: Path, entries: Sequence[Mapping[str, Any]]) -> Finding:
    named = [f"{entry['rule']} of {entry['object'] or entry['file']}" for entry in entries[:_SHOWN_MAX]]
    more = f" and {len(entries) - _SHOWN_MAX} more" if len(entries) > _SHOWN_MAX else ""
    what = "entry is" if len(entries) == 1 else "entries are"
    text = f"{len(entries)} {what} of no use, because nothing of it is found: {', '.join(named)}{more}"
    return Finding(Position(str(path)), WARNING, UNUSED, f"{text}; write it again: --write-baseline")
