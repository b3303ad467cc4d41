"""docs/architecture.md has the bands, rooms and names of the code, and its picture shows them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.paths import ROOT

DOCS = ROOT / "docs"
PICTURE = DOCS / "architecture.svg"
SVG = "{http://www.w3.org/2000/svg}"
PACKAGES = ("webhook", "cniplugin", "certs", "conformance")
NOT_DRAWN = {"conformance"}
"""The suite tests the program from outside; it is not a part of it."""

MODULES_MAX = 16
SAME_NAME = {
    "admission": "the decisions of webhooks, and the profile that tests them",
    "cli": "the command line of a package",
    "commandline": "the arguments of a program: of the node's commands, and of the conformance suite",
    "commands": "what a user or a runtime can ask for",
    "definitions": "the definitions of networks: looked up once for a review, and checked when they are written",
    "injection": "what webhooks put into pods, and the profile that tests it",
    "judging": "deciding about objects: by access rules, and for the commands",
    "kubeconfig": "kubeconfigs: read by the plugin, and by the webhook, which takes all of their fields",
    "lints": "what is reported about policies: the room, and the lints of one policy",
    "model": "the values that the rest of its package works on",
    "permissions": "what pods may attach to: decided, asked for, and printed",
    "podclaims": "the resource claims of one pod",
    "podnetworks": "the networks of one pod: attached on the node, and checked at admission",
    "policies": "access policies: read, and checked",
    "policystatus": "the status of access policies: computed, and written",
    "results": "the results of checks: of doctor, and of the conformance suite",
    "review": "the answer to one AdmissionReview: made, and shown by a command",
    "transport": "requests to the API server: those of the plugin, and those of the webhook",
    "snapshot": "the cluster as it is judged: the room, and its value",
}
"""Names that more than one module or room has, and the meaning of the name in all of them."""


def contracts() -> dict[str, list[list[str]]]:
    """Return the rooms of each band, upper to lower, by package; "" has the packages."""
    tool: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [contract for contract in tool["contracts"] if contract["type"] == "layers"]
    return {
        container: [re.findall(r"\w+", band) for band in contract["layers"]]
        for contract in layers
        for container in contract.get("containers", [""])
    }


def drawn() -> dict[str, list[list[str]]]:
    """Return the same of the picture."""
    found: dict[str, list[list[str]]] = {"": []}
    for panel in ET.parse(PICTURE).getroot().iterfind(f"{SVG}g"):  # noqa: S314 - our own file
        name = panel.attrib["id"]
        bands = [
            [str(text.text) for text in band.iterfind(f"{SVG}text[@class='room']")]
            for band in panel.iterfind(f"{SVG}g")
        ]
        if "." not in name:
            found[""].append([name])
        if bands:
            found[name] = bands
    return found


def modules(*tops: str) -> list[Path]:
    """Return the Python files below folders of the project, relative to it."""
    found = [path.relative_to(ROOT) for top in tops for path in sorted((ROOT / top).rglob("*.py"))]
    assert found
    return found


def test_the_picture_has_every_band_and_room_of_the_contracts() -> None:
    assert drawn() == {name: bands for name, bands in contracts().items() if name not in NOT_DRAWN}


def test_no_package_has_more_than_five_bands() -> None:
    assert {package: len(bands) for package, bands in contracts().items() if len(bands) > 5} == {}


def test_the_picture_is_drawn_from_this_page() -> None:
    program = "import picture; print(picture.draw(), end='')"
    done = subprocess.run([sys.executable, "-Bc", program], cwd=DOCS, capture_output=True, text=True, check=False)
    assert done.stdout == PICTURE.read_text(), f"{done.stderr}\nrun python docs/picture.py"


def test_the_page_describes_every_room() -> None:
    page = (DOCS / "architecture.md").read_text().partition("\n## The rooms\n")[2].partition("\n## ")[0]
    rooms = [path.parent.name for path in modules("webhook", "cniplugin") if path.name == "__init__.py"]
    known = {name for bands in contracts().values() for band in bands for name in band}
    assert [name for name in rooms if name in known and f"`{name}`" not in page] == []


def test_a_folder_is_a_handful_of_modules() -> None:
    count: dict[str, int] = defaultdict(int)
    for path in modules(*PACKAGES, "tests"):
        if path.name != "__init__.py":
            count[path.parent.as_posix()] += 1
    large = {folder: number for folder, number in count.items() if number > MODULES_MAX}
    assert large == {}, "make rooms"


def test_a_name_means_one_thing() -> None:
    places: dict[str, set[Path]] = defaultdict(set)
    for path in modules(*PACKAGES):
        room = path.parent if path.name == "__init__.py" else path.with_suffix("")
        places[room.name].add(room)
    places.pop("__main__")
    twice = {name: rooms for name, rooms in places.items() if len(rooms) > 1}
    new = {name: sorted(map(str, rooms)) for name, rooms in twice.items() if name not in SAME_NAME}
    assert new == {}, "rename one of them, or say in SAME_NAME why they mean the same"
    assert SAME_NAME.keys() - twice.keys() == set(), "take these rows out of SAME_NAME"
