"""The outline as a picture in SVG: segments, networks and workloads in three columns, as a tree that is drawn sideways.

It needs no layout of graphs: each workload has a row, and a parent stands at the middle of its rows. A workload on
several networks is drawn once, beside the first of them. Colours are light or dark as the viewer prefers.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import NamedTuple

from webhook.report.plaintext import printable

from .outline import SegmentOutline, is_alone

ROW, BOX, MARGIN, LETTER = 54, 40, 24, 6.6
"""Heights and margin in pixels, and the width of a letter of 12 px, which cuts long names."""
COLUMNS = {"segment": (0, 200), "network": (270, 200), "workload": (540, 220)}
"""Left edge and width of each column."""

STYLE = """
svg { background: #fff; font: 12px system-ui, sans-serif; }
rect { fill: #fff; stroke: #b9c4c5; } .segment rect { fill: #e2efec; stroke: none; } .network rect { stroke: #0f766e; }
.missing rect { stroke: #a8261c; stroke-dasharray: 4; } text { fill: #182022; text-anchor: middle; }
.name { font-weight: 600; } .more { fill: #566366; } path { fill: none; stroke: #b9c4c5; }
.asked { stroke-dasharray: 4; }
@media (prefers-color-scheme: dark) {
  svg { background: #181f20; } rect { fill: #181f20; stroke: #475457; } .segment rect { fill: #1e3331; }
  .network rect { stroke: #5cc9bb; } text { fill: #e6ecec; } .more { fill: #98a6a8; } path { stroke: #475457; }
}
"""


class _Box(NamedTuple):
    kind: str
    name: str
    more: str
    y: float
    is_missing: bool = False


class _Edge(NamedTuple):
    start: str
    end: str
    is_asked: bool = False


class _Drawing:
    """Boxes by key, and edges between keys. `next`: the row of the next workload.

    `asking`: workloads of which no pod is attached to the networks that were drawn so far.
    """

    def __init__(self) -> None:
        self.boxes: dict[str, _Box] = {}
        self.edges: list[_Edge] = []
        self.asking: set[str] = set()
        self.next = 0.0

    def take_row(self) -> float:
        self.next += ROW
        return self.next - ROW

    def add(self, number: int, one: SegmentOutline) -> None:
        """Add a segment with all that hangs on it."""
        places = [self._add_network(network.network, one, at) for at, network in enumerate(one.networks)]
        if not is_alone(one.segment):
            key = f"s{number}"
            where = f", VLAN {one.segment.vlan}" if one.segment.vlan else ""
            name = one.segment.name or "default route"
            self.boxes[key] = _Box("segment", name, f"{one.segment.kind}{where}", (places[0] + places[-1]) / 2)
            self.edges += [_Edge(key, f"n {network.network}") for network in one.networks]
        self.next += ROW / 3

    def _add_network(self, reference: str, one: SegmentOutline, at: int) -> float:
        network = one.networks[at]
        rows = []
        for user in network.users:
            key = f"w {user.namespace} {user.workload}"
            if key not in self.boxes:
                _, _, name = user.workload.partition("/")
                more = f"{user.namespace} · {user.words}"
                self.boxes[key] = _Box("workload", name, more, self.take_row())
                if not user.pods:
                    self.asking.add(key)
                rows.append(self.boxes[key].y)
            elif user.pods and key in self.asking:
                self.asking.remove(key)
                self.boxes[key] = self.boxes[key]._replace(more=f"{user.namespace} · {user.words}")
            self.edges.append(_Edge(f"n {reference}", key, is_asked=not user.pods))
        y = (rows[0] + rows[-1]) / 2 if rows else self.take_row()
        namespace, slash, name = reference.partition("/")
        names = (name, namespace) if slash else (reference, "")
        self.boxes[f"n {reference}"] = _Box("network", *names, y, network.is_defined is False)
        return y


def render(outline: Sequence[SegmentOutline]) -> str:
    """Return a picture, which is a whole file."""
    drawing = _Drawing()
    for number, one in enumerate(outline):
        drawing.add(number, one)
    left, wide = COLUMNS["workload"]
    width, height = left + wide + 2 * MARGIN, max(drawing.next, ROW) + 2 * MARGIN
    root = ET.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"{-MARGIN} {-MARGIN} {width} {height:g}",
        width=str(width),
        height=f"{height:g}",
        role="img",
    )
    ET.SubElement(root, "title").text = "Networks, their segments and the workloads on them"
    ET.SubElement(root, "style").text = STYLE
    for edge in drawing.edges:
        line = ET.SubElement(root, "path", d=_curve(drawing.boxes[edge.start], drawing.boxes[edge.end]))
        if edge.is_asked:
            line.set("class", "asked")
    for box in drawing.boxes.values():
        _draw(root, box)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def _curve(start: _Box, end: _Box) -> str:
    """Return a line that leaves and arrives level."""
    x1, x2 = sum(COLUMNS[start.kind]), COLUMNS[end.kind][0]
    y1, y2, middle = start.y + BOX / 2, end.y + BOX / 2, (x1 + x2) / 2
    return f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}"


def _draw(root: ET.Element, box: _Box) -> None:
    """Draw a box. NB: XML has no control characters, not even escaped."""
    left, width = COLUMNS[box.kind]
    group = ET.SubElement(root, "g", {"class": f"{box.kind} missing" if box.is_missing else box.kind})
    ET.SubElement(group, "title").text = printable(f"{box.name}, {box.more}" if box.more else box.name)
    ET.SubElement(group, "rect", x=f"{left}", y=f"{box.y:g}", width=f"{width}", height=f"{BOX}", rx="6")
    for kind, text, down in (("name", box.name, 16), ("more", box.more, 31)):
        line = ET.SubElement(group, "text", {"class": kind, "x": f"{left + width / 2:g}", "y": f"{box.y + down:g}"})
        line.text = _cut(printable(text), int((width - 16) / LETTER))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
