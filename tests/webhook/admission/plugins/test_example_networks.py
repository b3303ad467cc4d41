"""The networks and pods of examples/networks, as in public documentation, pass `nadmit check`.

A comment at the head of an object lists the warnings that it gets, each with the reason:

    # NAD505: the port carries the frames of all VLANs, which is meant here
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner

from tests.paths import EXAMPLES
from tests.webhook.admission.plugins.checking import SCHEMAS
from webhook.admission.plugins.findings import SEVERITIES
from webhook.cli import nadmit
from webhook.report.titles import TITLES

DIRECTORY = EXAMPLES / "networks"
FILES = sorted(DIRECTORY.glob("*.yaml"))
HEADS = re.compile(r"^# (NAD\d{3}|[a-z-]+): ", re.MULTILINE)
RULES = {*SEVERITIES, *TITLES}
KNOWLEDGE = "NAD107"
"""The warning that a plugin type is unknown. It is about nadmit and not about the example, so it is not listed."""


class Example(NamedTuple):
    """One object of an example, and the text of its document."""

    name: str
    value: Mapping[str, Any]
    text: str


def listed(text: str) -> list[str]:
    """Return the rules of the warnings that the comment of a document lists."""
    return [rule for rule in HEADS.findall(text) if rule in RULES]


def examples() -> Iterator[Example]:
    for file in FILES:
        for text in file.read_text().split("\n---\n"):
            value = yaml.safe_load(text)
            metadata = value["metadata"]
            yield Example(f"{value['kind'].lower()} {metadata['namespace']}/{metadata['name']}", value, text)


ALL = {one.name: one for one in examples()}


@pytest.fixture(scope="module")
def found() -> Mapping[str, list[str]]:
    """The rules of the findings of `nadmit check`, by object, apart from KNOWLEDGE."""
    result = CliRunner().invoke(nadmit, ["check", "-o", "json", str(DIRECTORY)], prog_name="nadmit")
    report = json.loads(result.stdout)
    assert report["summary"]["judged"] == len(ALL)
    rules: dict[str, list[str]] = {}
    for finding in report["findings"]:
        if finding["rule"] != KNOWLEDGE:
            rules.setdefault(finding["object"], []).append(finding["rule"])
    return rules


def test_there_are_a_hundred_or_more() -> None:
    assert len(ALL) >= 100
    assert len(ALL) == len(list(examples())), "two objects have one name"


@pytest.mark.parametrize("name", ALL)
def test_an_example_has_only_the_warnings_that_it_lists(name: str, found: Mapping[str, list[str]]) -> None:
    assert sorted(found.get(name, [])) == sorted(listed(ALL[name].text))


@pytest.mark.parametrize("name", ALL)
def test_an_example_says_which_use_it_shows(name: str) -> None:
    assert re.match(r"# [^\n]*[a-z]", ALL[name].text)


def test_each_plugin_that_is_checked_has_an_example() -> None:
    text = "".join(file.read_text() for file in FILES)
    shown = {name for name in SCHEMAS if f'"type": "{name}"' in text}
    assert {schema.type for schema in SCHEMAS.values()} - shown == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_address_or_name_of_others(file: Path) -> None:
    """Only private and documentation addresses, and names below example.com or of Kubernetes projects."""
    assert not re.search(r"https?://", file.read_text())
