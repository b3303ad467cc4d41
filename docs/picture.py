"""Draw docs/architecture.svg: `python docs/picture.py`, which `make golden` runs.

The bands and rooms are those of `[tool.importlinter]` in pyproject.toml, and the names of the bands are those in the
names of its contracts. The numbers are the steps of the two stories in docs/architecture.md: each step begins with the
room that it is about.
"""

from __future__ import annotations

import re
import tomllib
from html import escape
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
PICTURE = DOCS / "architecture.svg"
STORIES = {"A review": "#1f5fbf", "An ADD": "#b3541e"}
"""The headings of the stories in docs/architecture.md, and the colour of their steps."""

CHARACTER, BADGE, GAP = 7.9, 20, 8
BOX, BAND, TITLE, LABEL = 26, 38, 34, 130
WIDTHS = (762, 398)
"""The packages are on the left; on the right is the inside of the room that has bands of its own."""

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">
<style>.room {{ font-family: monospace; }} .label {{ fill: #666; font-size: 11px; }} .step {{ fill: #fff;
font-size: 11px; text-anchor: middle; }} .title {{ font-weight: bold; font-size: 15px; }}</style>
<rect width="{width}" height="{height}" fill="#fff"/>
"""


def contracts() -> dict[str, tuple[list[str], list[list[str]]]]:
    """Return the names of the bands and their rooms, upper to lower, by package; "" has the packages themselves."""
    tool: dict[str, Any] = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {
        container: (
            contract["name"].partition(": ")[2].split(", "),
            [re.split(r" *[:|] *", band) for band in contract["layers"]],
        )
        for contract in tool["contracts"]
        if contract["type"] == "layers"
        for container in contract.get("containers", [""])
    }


def steps() -> dict[str, list[tuple[str, int]]]:
    """Return the steps of the stories, each as its colour and number, by the dotted name of their room."""
    found: dict[str, list[tuple[str, int]]] = {}
    page = (DOCS / "architecture.md").read_text()
    for title, colour in STORIES.items():
        section = page.partition(f"\n## {title}\n")[2].partition("\n#")[0]
        for number, room in re.findall(r"^(\d+)\. `([\w.]+)`", section, re.MULTILINE):
            found.setdefault(room, []).append((colour, int(number)))
    return found


def draw() -> str:
    """Return the picture as SVG. Raises ValueError if a step is about a room that no contract has."""
    bands, numbers = contracts(), steps()
    packages = [name for band in bands[""][1] for name in band]
    parts: list[str] = []
    top = GAP
    for package in packages:
        bottom, right = top + _panel(parts, bands, numbers, package, GAP, top), top
        for name in (name for name in bands if name.startswith(f"{package}.")):
            right += _panel(parts, bands, numbers, name, 2 * GAP + WIDTHS[0], right) + GAP
        top = max(bottom + GAP, right) + GAP
    if numbers:
        raise ValueError(f"docs/architecture.md: no contract in pyproject.toml has the rooms {sorted(numbers)}")
    top = _legend(parts, top)
    return HEAD.format(width=sum(WIDTHS) + 3 * GAP, height=top) + "".join(parts) + "</svg>\n"


def _panel(
    parts: list[str],
    bands: dict[str, tuple[list[str], list[list[str]]]],
    numbers: dict[str, list[tuple[str, int]]],
    name: str,
    left: int,
    top: int,
) -> int:
    """Add the bands of a package; return the height."""
    labels, rows = bands.get(name, ([], []))
    width, height = WIDTHS["." in name], TITLE + BAND * len(rows)
    parts.append(
        f'<g id="{name}">\n<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="6" fill="#f4f4f1"'
        f' stroke="#999"/>\n<text class="title" x="{left + 10}" y="{top + 22}">{name}</text>\n'
    )
    _badges(parts, numbers.pop(name, []), left + 10 + 9.5 * len(name) + BADGE / 2, top + 17)
    for index, (label, rooms) in enumerate(zip(labels, rows, strict=True)):
        y = top + TITLE + BAND * index
        parts.append(
            f'<g class="band">\n'
            f'<rect x="{left + 6}" y="{y}" width="{width - 12}" height="{BAND - 6}" fill="#e6e9ee"/>\n'
            f'<text class="label" x="{left + 12}" y="{y + 20}">{escape(label)}</text>\n'
        )
        x: float = left + LABEL
        for room in rooms:
            marks = numbers.pop(f"{name}.{room}", [])
            box = CHARACTER * len(room) + 14 + BADGE * len(marks)
            parts.append(
                f'<rect x="{x:.0f}" y="{y + 3}" width="{box:.0f}" height="{BOX}" rx="4" fill="#fff" stroke="#888"/>\n'
                f'<text class="room" x="{x + 7:.0f}" y="{y + 20}">{room}</text>\n'
            )
            _badges(parts, marks, x + box - BADGE * len(marks) + 7, y + 16)
            x += box + GAP
        parts.append("</g>\n")
    parts.append("</g>\n")
    return height


def _badges(parts: list[str], marks: list[tuple[str, int]], x: float, y: int) -> None:
    for index, (colour, number) in enumerate(marks):
        middle = x + BADGE * index
        parts.append(
            f'<circle cx="{middle:.0f}" cy="{y}" r="9" fill="{colour}"/>\n'
            f'<text class="step" x="{middle:.0f}" y="{y + 4}">{number}</text>\n'
        )


def _legend(parts: list[str], top: int) -> int:
    x = 2 * GAP
    for title, colour in STORIES.items():
        parts.append(f'<circle cx="{x + 9}" cy="{top + 9}" r="9" fill="{colour}"/>\n')
        parts.append(f'<text x="{x + 24}" y="{top + 14}">{title}, step by step</text>\n')
        x += 190
    parts.append(f'<text x="{x}" y="{top + 14}">A band imports from the bands below it.</text>\n')
    return top + 30


if __name__ == "__main__":
    PICTURE.write_text(draw())
