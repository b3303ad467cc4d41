"""The schema of the configuration refuses no text that the server takes, and finds typos."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.paths import ROOT
from tests.webhook.configuration import test_parsing, test_workloads_section, texts
from webhook.configuration.parsing import read
from webhook.configuration.sections import NadmitConfiguration, Section
from webhook.configuration.texts import ConfigurationError
from webhook.jsonschemas.configschema import config_schema
from webhook.jsonschemas.draft7 import Schema

from .judged import is_valid_schema, mistakes, run

SCHEMA = config_schema()
HEAD = texts.HEAD


def of_pages() -> Iterator[str]:
    """Yield the configurations in the YAML of the pages."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
            if "kind: NadmitConfiguration" in text:
                yield text


TEXTS = [
    *of_pages(),
    HEAD,
    test_parsing.WHOLE,
    test_workloads_section.OWN,
    texts.HONOR.decode(),
    f"{HEAD}attachedBy: null\n",
    f"{HEAD}attachedBy: nadmit\nhotplug: true\n",
    f"{HEAD}plugins: {{unknownTypes: Off}}\n",
    f"{HEAD}plugins: {{unknownTypes: 'Off', exempt: [bridge]}}\n",
    f"{HEAD}limits: {{networksPerPod: 1}}\nobserve: {{warnings: true}}\n",
    f"{HEAD}workloads: [{{group: example.com, kind: Thing, plural: null}}]\n",
]


def test_it_is_a_schema() -> None:
    assert is_valid_schema(SCHEMA)
    assert len(list(of_pages())) > 0


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_server_takes_passes(text: str) -> None:
    read(text.encode(), where="config.yaml")
    assert mistakes(SCHEMA, yaml.safe_load(text)) == []


WRONG = {
    "a field": (f"{HEAD}hotplugs: true\n", "'hotplugs' was unexpected"),
    "a field of a section": (f"{HEAD}injection: {{mod: honor}}\n", "'mod' was unexpected"),
    "a value": (f"{HEAD}injection: {{mode: honour}}\n", "$.injection.mode: 'honour' is not one of"),
    "a type": (f"{HEAD}hotplug: 'true'\n", "$.hotplug: 'true' is not of type 'boolean'"),
    "a limit": (f"{HEAD}limits: {{networksPerPod: 0}}\n", "$.limits.networksPerPod: 0 is less than the minimum"),
    "a missing field": (f"{HEAD}workloads: [{{group: a}}]\n", "$.workloads[0]: 'kind' is a required property"),
    "the kind": ("apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfig\n", "$.kind"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_mistakes(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError):
        read(text.encode(), where="config.yaml")
    found = mistakes(SCHEMA, yaml.safe_load(text))
    assert any(said in one for one in found), found


def test_each_field_says_what_it_does() -> None:
    sections: list[Schema] = [SCHEMA, *SCHEMA["definitions"].values()]
    without = [
        name
        for section in sections
        for name, field in section["properties"].items()
        if "description" not in field and "$ref" not in field
    ]
    assert without == []
    assert {section.__name__ for section in Section.__subclasses__()} - {NadmitConfiguration.__name__} == set(
        SCHEMA["definitions"]
    )


def test_the_command() -> None:
    code, text = run("schema", "config")
    assert (code, json.loads(text)) == (0, SCHEMA)
