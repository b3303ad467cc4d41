"""A field path to the place where it is written: `spec.config.plugins[1].type` to line and column.

    path = step *( "." name / "[" key "]" )   ; the key of a map, an index, or a quoted key as in ["org.example.key"]

The place is that of the longest part of a path that exists in the file: the key of a mapping, or the item of a list. In
a text that holds JSON (`spec.config`, a networks annotation) it is that of a syntax error, or of the rest of the path.
The file must have such a text as it is, which is true for literal blocks (`|`), and for quoted or plain text of one
line without escapes. For any other text it is the place where the text begins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from cniplugin.netspec.jsontext import join

from .jsonstream import depth_exceeds
from .problems import Position, Problem
from .yamlstream import DEPTH_MAX

_STEP = re.compile(r"""\.?([^.\[\]]+)|\[("(?:[^"\\]|\\.)*"|[^\[\]]*)\]""")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""The ends of a line, as libyaml counts them."""

_Place = tuple[int, int]
"""Line and column, both from 1."""


@dataclass(slots=True)
class Source:
    """The text of one file. `slices` has the begin and the end of each document of a JSON stream; None for YAML."""

    file: str
    text: str
    slices: Sequence[tuple[int, int]] | None = None
    _lines: list[str] = field(default_factory=list)
    _nodes: dict[int, Any] = field(default_factory=dict)

    def locate(self, steps: Sequence[str | int], *, number: int = 0) -> Position | None:
        """Return where the longest part of a path in a document is written; None if PyYAML cannot compose the text."""
        if not self._nodes:
            self._lines = split_lines(self.text)
            self._nodes = dict(enumerate(self._compose()))
        node = self._nodes.get(number)
        return None if node is None else Position(self.file, *_find(node, self._lines, [str(step) for step in steps]))

    def problem(self, steps: Sequence[str | int], rule: str, text: str) -> Problem:
        """Return a problem with a field of the first document; its text begins with the path of the field."""
        path = ""
        for step in steps:
            path = f"{path}[{step}]" if isinstance(step, int) else join(path, step)
        return Problem(self.locate(steps) or Position(self.file), rule, f"{path}: {text}" if path else text)

    def _compose(self) -> list[Any]:
        if self.slices is None:
            return _compose(self.text)
        composed: list[Any] = []
        for start, end in self.slices:
            before = split_lines(self.text[:start])
            nodes = _compose("\n" * (len(before) - 1) + " " * len(before[-1]) + self.text[start:end])
            composed.append(nodes[0] if nodes else None)
        return composed


def _compose(text: str) -> list[Any]:
    """Return the nodes of the documents of a text, up to the first that the composer cannot read.

    NB: the composer of PyYAML recurses in C without a limit. A stream reader has read the text before, and so nothing
    in it nests deeper than DEPTH_MAX.
    """
    nodes: list[Any] = []
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_node():
            nodes.append(loader.get_node())
    except yaml.YAMLError:
        pass
    finally:
        loader.dispose()
    return nodes


def split_lines(text: str) -> list[str]:
    """Return the lines of a text as libyaml counts them."""
    return _LINE_END.split(text)


def parse_path(path: str) -> list[str]:
    """Return the steps of a field path; indexes are text."""
    return [name or _unquote(key) for name, key in _STEP.findall(path)]


def _unquote(key: str) -> str:
    return re.sub(r"\\(.)", r"\1", key[1:-1]) if key.startswith('"') else key


def _find(root: Any, lines: list[str], steps: list[str]) -> _Place:
    """Return where the longest existing part of `steps` is written, below a node of the file with these `lines`."""
    mark, node, rest = _descend(root, steps)
    if isinstance(node, yaml.ScalarNode):
        offset = _find_inside(node.value, rest)
        place = None if offset is None else _place_of(node, offset, lines)
        if place:
            return place
    return mark.line + 1, mark.column + 1


def _descend(root: Any, steps: list[str]) -> tuple[Any, Any, list[str]]:
    """Follow the steps that exist; return the mark to show, the node there, and the remaining steps."""
    mark, node = root.start_mark, root
    for taken, step in enumerate(steps):
        child = _child(node, step)
        if child is None:
            return mark, node, steps[taken:]
        mark, node = child
    return mark, node, []


def _child(node: Any, step: str) -> tuple[Any, Any] | None:
    if isinstance(node, yaml.SequenceNode):
        if step.isdecimal() and int(step) < len(node.value):
            item = node.value[int(step)]
            return item.start_mark, item
        return None
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in reversed(node.value):
        if isinstance(key, yaml.ScalarNode) and key.value == step:
            return key.start_mark, value
    return None


def _find_inside(text: str, steps: list[str]) -> int | None:
    """Return the offset of a JSON syntax error, or else of `steps`, in a text; None for its begin."""
    if not any(char in text for char in '[{"'):
        return _find_item(text, steps)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return min(error.pos, max(len(text.rstrip()) - 1, 0))
    except (ValueError, RecursionError):
        return None
    if not steps or depth_exceeds(value, DEPTH_MAX):
        return None
    nodes = _compose(text)
    if not nodes:
        return None
    mark, _, rest = _descend(nodes[0], steps)
    return None if rest == steps else _offset(text, mark)


def _find_item(text: str, steps: list[str]) -> int | None:
    """Return the offset of an item of a comma list (NPWG v1.3 §4.1.1)."""
    items = text.split(",")
    if not steps or not steps[0].isdecimal() or int(steps[0]) >= len(items):
        return None
    index = int(steps[0])
    start = sum(len(item) + 1 for item in items[:index])
    return start + len(items[index]) - len(items[index].lstrip())


def _offset(text: str, mark: Any) -> int:
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    return int(starts[mark.line] + mark.column)


def _place_of(node: Any, offset: int, lines: list[str]) -> _Place | None:
    """Return where a character of a scalar is in the file; None if the file does not have the text as it is."""
    before = node.value[:offset]
    row = before.count("\n")
    column = offset - (before.rfind("\n") + 1)
    if node.style == "|":
        return _place_in_block(node, row, column, lines)
    if node.start_mark.line != node.end_mark.line or row:
        return None
    written = lines[node.start_mark.line][node.start_mark.column : node.end_mark.column]
    quote = 1 if node.style in {"'", '"'} else 0
    if written[quote : len(written) - quote] != node.value:
        return None
    return node.start_mark.line + 1, node.start_mark.column + 1 + quote + column


def _place_in_block(node: Any, row: int, column: int, lines: list[str]) -> _Place | None:
    """NB: the mark of a block is its `|`. The text starts on the next line, and its lines are indented."""
    text = node.value.split("\n")[row]
    line = node.start_mark.line + 1 + row
    if line >= len(lines) or not lines[line].endswith(text):
        return None
    return line + 1, len(lines[line]) - len(text) + column + 1
