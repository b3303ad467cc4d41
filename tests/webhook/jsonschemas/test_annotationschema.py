"""The schema of network annotations refuses no text and no list that `netspec.annotation` reads."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec import annotation
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.selection import BANDWIDTH_FIELDS, NETWORKS
from tests.paths import VECTORS
from webhook.jsonschemas.annotationschema import KEYS, annotation_schema

from .judged import is_valid_schema, mistakes, objects, run

SCHEMA, STRICT = annotation_schema(), annotation_schema(strict=True)
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
CASES = json.loads((VECTORS / "annotation.json").read_text())["cases"]


def is_read(text: str) -> bool:
    try:
        annotation.parse(text, namespace="blue")
    except SpecErrors:
        return False
    return True


def parsed(text: str) -> Any:
    """Return the list that a text of JSON has, None for other texts."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def test_they_are_schemas() -> None:
    assert is_valid_schema(SCHEMA)
    assert is_valid_schema(STRICT)


def test_each_key_of_the_grammar_is_there() -> None:
    assert set(KEYS) == set(annotation._READERS)
    assert all(schema["description"] for schema in KEYS.values())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_vectors(case: dict[str, Any]) -> None:
    text = case["annotation"]
    if is_read(text):
        assert mistakes(SCHEMA, text) == []
        if (value := parsed(text)) is not None:
            assert mistakes(SCHEMA, value) == []


def test_mistakes_of_vectors_are_found() -> None:
    """Those of a list, and those of the comma form."""
    refused = [case["annotation"] for case in CASES if not is_read(case["annotation"])]
    lists = [value for text in refused if (value := parsed(text)) is not None]
    commas = [text for text in refused if not any(mark in text for mark in '[{"')]
    assert (len(lists), len(commas)) > (20, 5)
    assert sum(not VALIDATOR.is_valid(value) for value in lists) > len(lists) * 0.7
    assert sum(not VALIDATOR.is_valid(text) for text in commas) > len(commas) * 0.7


NAMES = (
    None,
    "",
    "net",
    "Net",
    "a.b",
    "eth0",
    "net1",
    "a/b",
    "x" * 16,
    " ",
    "tcp",
    "GRE",
    0,
    1,
    -1,
    70000,
    2**63,
    True,
)
ADDRESSES = ("02:00:00:00:00:01", "0200.0000.0001", "10.1.0.5", "10.1.0.5/24", "fd00::1", "24:8a:07:03:00:8d:ae:2f")
VALUES = st.sampled_from((*NAMES, *ADDRESSES))
PORT = st.dictionaries(st.sampled_from(("hostPort", "containerPort", "protocol", "hostIP", "hostport", "x.y")), VALUES)
RATES = st.dictionaries(st.sampled_from((*BANDWIDTH_FIELDS, "ingressrate")), VALUES)
ANY: st.SearchStrategy[Any] = st.one_of(
    VALUES, st.lists(VALUES, max_size=2), st.lists(PORT, max_size=2), RATES, st.just({})
)
KEY = st.sampled_from((*KEYS, "Name", "MAC", "ipRequest", "iprequest", "example.com/own", "vendor"))
ELEMENT = st.dictionaries(KEY, ANY, max_size=3).map(lambda keys: {"name": "net", **keys})


@given(st.lists(st.one_of(ELEMENT, VALUES), max_size=2))
def test_a_list_that_is_read_passes(value: list[Any]) -> None:
    if is_read(json.dumps(value)) and not VALIDATOR.is_valid(value):
        pytest.fail(f"{value}: {mistakes(SCHEMA, value)}")


@given(st.text(st.sampled_from(string.ascii_lowercase[:3] + "Z09-./@,: \t\u2003\u00e9_;"), max_size=12))
def test_a_text_that_is_read_passes(text: str) -> None:
    if is_read(text) and not VALIDATOR.is_valid(text):
        pytest.fail(repr(text))


WRONG: dict[str, tuple[Any, str]] = {
    "a name": ("data_plane", "$: 'data_plane' does not match"),
    "two slashes": ("a/b/c", "$: 'a/b/c' does not match"),
    "two interfaces": ("blue/lan@eth1@x", "$: 'blue/lan@eth1@x' does not match"),
    "another separator": ("lan;wan", "$: 'lan;wan' does not match"),
    "an old key": ([{"name": "net", "ipRequest": ["10.1.0.5"]}], "$[0]: False schema does not allow"),
    "a MAC address": ([{"name": "net", "mac": "02:00"}], "$[0].mac: '02:00' does not match"),
    "an address in no list": ([{"name": "net", "ips": "10.1.0.5"}], "$[0].ips: '10.1.0.5' is not of type"),
    "a reserved interface": ([{"name": "net", "interface": "eth0"}], "$[0].interface"),
    "no name": ([{"namespace": "blue"}], "$[0]: 'name' is a required property"),
    "a port": (
        [{"name": "n", "portMappings": [{"hostPort": 70000, "containerPort": 80}]}],
        "$[0].portMappings[0].hostPort",
    ),
    "no port": (
        [{"name": "n", "portMappings": [{"hostPort": 80}]}],
        "$[0].portMappings[0]: 'containerPort' is a required",
    ),
    "a rate": ([{"name": "n", "bandwidth": {"ingressRate": "1M"}}], "$[0].bandwidth.ingressRate: '1M' is not of type"),
}


@pytest.mark.parametrize(("value", "said"), WRONG.values(), ids=WRONG)
def test_mistakes(value: Any, said: str) -> None:
    assert not is_read(value if isinstance(value, str) else json.dumps(value))
    assert any(one.startswith(said) for one in mistakes(SCHEMA, value)), mistakes(SCHEMA, value)


def test_strict_finds_what_nobody_reads() -> None:
    unread = [{"name": "net", "vendor": 1}]
    assert mistakes(SCHEMA, unread) == []
    assert mistakes(STRICT, unread) != []
    assert mistakes(STRICT, [{"name": "net", "example.com/own": 1}]) == []


def pod(text: Any) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"annotations": {NETWORKS: text, "other": "a/b/c"}}, "spec": {}}


PLACES: dict[str, Callable[[Any], Any]] = {
    "pod": lambda one: one,
    "deployment": lambda one: {"kind": "Deployment", "metadata": None, "spec": {"template": one}},
    "cronjob": lambda one: {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": one}}}},
}


@pytest.mark.parametrize("placed", PLACES.values(), ids=PLACES)
def test_pods_and_the_templates_of_workloads(placed: Callable[[Any], Any]) -> None:
    assert mistakes(SCHEMA, placed(pod("blue/net@eth1, other"))) == []
    assert len(mistakes(SCHEMA, placed(pod("a/b/c")))) == 1
    assert mistakes(SCHEMA, placed(pod(["net"]))) != []


def test_objects_of_examples() -> None:
    for name, value in objects(below="examples"):
        assert mistakes(SCHEMA, value) == [], name


def test_the_command() -> None:
    assert run("schema", "annotation", "--strict") == (0, json.dumps(STRICT, indent=2, ensure_ascii=False) + "\n")
