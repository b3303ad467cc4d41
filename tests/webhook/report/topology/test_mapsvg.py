"""The map as a picture: every network and workload is in it once, nothing overlaps, and it is XML in any case."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from tests.browser import worlds
from webhook.report.topology import mapsvg
from webhook.report.topology.outline import NetworkOutline, SegmentOutline, User, outline
from webhook.report.topology.segments import BRIDGE, DEFINITION, Segment

from .objects import of

SVG = "{http://www.w3.org/2000/svg}"


def drawn(outlines: tuple[SegmentOutline, ...]) -> ET.Element:
    return ET.fromstring(mapsvg.render(outlines))  # noqa: S314 - our own text


def titles(picture: ET.Element) -> list[str]:
    return sorted(str(group.findtext(f"{SVG}title")) for group in picture.iterfind(f"{SVG}g"))


def test_every_network_and_workload_is_drawn_once() -> None:
    picture = drawn(outline(of(worlds.demo())))
    found = titles(picture)
    assert len(found) == len(set(found)) == 5 - 1 + 7 + 5
    assert {"storage, infra", "ledger, payments · 3 pods", "br-shop, bridge, VLAN 20"} <= set(found)
    assert len(picture.findall(f"{SVG}path")) == 6 + 8


def test_a_long_name_is_cut_and_its_title_is_whole() -> None:
    name = "n" * 200
    picture = drawn(
        (SegmentOutline(Segment(DEFINITION, f"a/{name}"), (NetworkOutline(f"a/{name}", (), (), True, ()),)),)
    )
    assert titles(picture) == [f"{name}, a"]
    shown = [str(text.text) for text in picture.iter(f"{SVG}text")]
    assert shown == [f"{'n' * 26}…", "a"]


def test_a_workload_that_asks_for_a_second_network_has_its_pods_in_its_box() -> None:
    users = [User("blue", "deployment/web", pods, pods) for pods in (0, 2, 3)]
    networks = [
        NetworkOutline(f"blue/{name}", (), (), is_defined=True, users=(user,))
        for name, user in zip("abc", users, strict=True)
    ]
    picture = drawn((SegmentOutline(Segment(BRIDGE, "br0"), tuple(networks)),))
    assert "web, blue · 2 pods" in titles(picture)
    assert len([path for path in picture.iter(f"{SVG}path") if path.get("class") == "asked"]) == 1


def test_a_picture_of_nothing() -> None:
    assert drawn(()).attrib["height"] == "102"


_TEXT = st.text(max_size=30)
_USERS = st.lists(st.builds(User, _TEXT, _TEXT, st.integers(0, 9), st.integers(0, 9)), max_size=4, unique=True)
_NETWORKS = st.lists(
    st.builds(NetworkOutline, _TEXT, st.just(()), st.just(()), st.booleans(), _USERS.map(tuple)),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one.network,
)
_SEGMENTS = st.lists(
    st.builds(SegmentOutline, st.builds(Segment, st.sampled_from([BRIDGE, DEFINITION]), _TEXT), _NETWORKS.map(tuple)),
    max_size=4,
).filter(lambda all_of: len({n.network for s in all_of for n in s.networks}) == sum(len(s.networks) for s in all_of))


@given(_SEGMENTS.map(tuple))
def test_any_texts_make_a_picture_whose_boxes_do_not_overlap(outlines: tuple[SegmentOutline, ...]) -> None:
    picture = drawn(outlines)
    boxes = [
        tuple(float(rect.attrib[key]) for key in ("x", "y", "width", "height")) for rect in picture.iter(f"{SVG}rect")
    ]
    for one, other in combinations(boxes, 2):
        assert one[0] != other[0] or abs(one[1] - other[1]) >= one[3], (one, other)
