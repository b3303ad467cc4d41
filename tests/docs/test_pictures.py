"""The pictures of docs/: they are those that the program draws, their texts fit, and the rules in them exist."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.paths import ROOT
from webhook.admission.model.ruleids import RULES
from webhook.plugindata.codes import load_codes

DOCS = ROOT / "docs"
SVG = "{http://www.w3.org/2000/svg}"
PICTURES = ("decision.svg", "add.svg", "overview.svg")
WIDTHS = {"bold": 8.3, "code": 7.4, "small": 6.3, "": 7.1}
"""Width of a character at most, on average, of each style, with the widest of the usual fonts."""
ROW = 13


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_what_the_program_draws(name: str) -> None:
    program = f"import flows; print(flows.PICTURES['{name}'](), end='')"
    done = subprocess.run([sys.executable, "-Bc", program], cwd=DOCS, capture_output=True, text=True, check=False)
    assert done.stdout == (DOCS / name).read_text(), f"{done.stderr}\nrun make golden"


def numbers(element: ET.Element, *names: str) -> list[float]:
    return [float(element.attrib[name]) for name in names]


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_leaves_its_box_or_the_picture(name: str) -> None:
    root = ET.parse(DOCS / name).getroot()  # noqa: S314 - our own file
    width = float(root.attrib["viewBox"].split()[2])
    boxes = [numbers(box, "x", "y", "width", "height") for box in root.iter(f"{SVG}rect") if "rx" in box.attrib]
    assert boxes
    for text in root.iter(f"{SVG}text"):
        if "transform" in text.attrib:
            continue
        x, y = numbers(text, "x", "y")
        end = x + len(text.text or "") * WIDTHS[text.attrib.get("class", "")]
        inside = [box for box in boxes if box[0] <= x <= box[0] + box[2] and box[1] <= y <= box[1] + box[3]]
        assert end <= min([width, *(box[0] + box[2] for box in inside)]), text.text


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_is_on_another(name: str) -> None:
    places = []
    for text in ET.parse(DOCS / name).getroot().iter(f"{SVG}text"):  # noqa: S314 - our own file
        if "transform" not in text.attrib:
            x, y = numbers(text, "x", "y")
            places.append((x, x + len(text.text or "") * WIDTHS[text.attrib.get("class", "")], y, str(text.text)))
    for index, (left, right, y, words) in enumerate(places):
        for other_left, other_right, other_y, other in places[index + 1 :]:
            apart = right <= other_left or other_right <= left or abs(y - other_y) >= ROW
            assert apart, (words, other)


def test_the_rules_of_the_decision_exist() -> None:
    root = ET.parse(DOCS / "decision.svg").getroot()  # noqa: S314 - our own file
    written = " ".join(str(text.text) for text in root.iter(f"{SVG}text") if text.attrib.get("class") == "code")
    named = re.findall(r"[\w-]+", written)
    assert len(named) > 10
    assert [name for name in named if name not in RULES and name not in load_codes()] == []


def test_each_picture_is_on_a_page() -> None:
    pages = "".join(page.read_text() for page in [ROOT / "README.md", *DOCS.rglob("*.md")])
    assert [path.name for path in sorted(Path(DOCS).glob("*.svg")) if f"{path.name})" not in pages] == []
