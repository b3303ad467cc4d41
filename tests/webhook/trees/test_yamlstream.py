"""YAML as kubectl reads it: the values, and the texts that are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.trees import jsonstream, yamlstream
from webhook.trees.problems import Problem

VALUES = [
    # go-yaml v2 resolve.go; kubernetes-sigs/yaml turns keys into strings
    ("a: text", {"a": "text"}),
    ("a: on", {"a": True}),
    ("a: N", {"a": False}),
    ("a: yess", {"a": "yess"}),
    ("a:", {"a": None}),
    ("a: ~", {"a": None}),
    ('a: ""', {"a": ""}),
    ('a: "on"', {"a": "on"}),
    ("a: !!str on", {"a": "on"}),
    ("a: ! on", {"a": True}),
    ("a: !!int '5'", {"a": 5}),
    ("a: !!bool yes", {"a": True}),
    ("a: 010", {"a": 8}),
    ("a: 0o17", {"a": 15}),
    ("a: 0x1F", {"a": 31}),
    ("a: -0b11", {"a": -3}),
    ("a: 1_000", {"a": 1000}),
    ("a: 08", {"a": 8.0}),
    ("a: 1e3", {"a": 1000.0}),
    ("a: .5", {"a": 0.5}),
    ("a: 1.2.3", {"a": "1.2.3"}),
    ("a:\n-", {"a": [None]}),
    ("a: 10:20:30", {"a": "10:20:30"}),
    ("a: 2026-11-23", {"a": "2026-11-23"}),
    ("a: 2026-11-23T10:00:00Z", {"a": "2026-11-23T10:00:00Z"}),
    ("a: " + "9" * 101, {"a": "9" * 101}),
    ("1: a", {"1": "a"}),
    ("yes: a", {"true": "a"}),
    ("[a, {b: c}]", ["a", {"b": "c"}]),
    ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
    ("a: &x 5\nb: *x", {"a": 5, "b": 5}),
    ("&k a: 1\nb: *k", {"a": 1, "b": "a"}),
    ("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}", {"a": {"k": 1, "l": 2}, "b": {"l": 3, "k": 1}}),
    ("a: &x {k: 1}\nb: {<<: [*x, {k: 2, m: 4}]}", {"a": {"k": 1}, "b": {"k": 1, "m": 4}}),
    ("a: {<<: {k: 1}}", {"a": {"k": 1}}),
    ('"<<": 1', {"<<": 1}),
    ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
]

REFUSED = [
    # text, rule, line, column, a part of the text
    ("a: 1\na: 2", "yaml-duplicate-key", 2, 1, 'key "a" occurs twice'),
    ("1: x\n'1': y", "yaml-duplicate-key", 2, 1, 'key "1" occurs twice'),
    ("a: {b: 1, c: 2, b: 3}", "yaml-duplicate-key", 1, 17, 'key "b"'),
    ("~: x", "yaml-key", 1, 1, "a key is missing"),
    ("a: {{ .Values.x }}", "yaml-key", 1, 5, "template in braces"),
    ("? [a]\n: 1", "yaml-key", 1, 3, "a key is not a string"),
    ("a: .nan", "yaml-number", 1, 4, "cannot be written in JSON"),
    ("a: -.Inf", "yaml-number", 1, 4, "cannot be written in JSON"),
    ("a: !!binary aGk=", "yaml-tag", 1, 4, "!!binary"),
    ("a: !!int x", "yaml-tag", 1, 4, "!!int"),
    ("a: !thing {}", "yaml-tag", 1, 4, "!thing"),
    ("a: !!python/object:os.system ls", "yaml-tag", 1, 4, "python/object"),
    ("a: *nowhere", "yaml-alias", 1, 4, "no anchor &nowhere"),
    ("a: &x [*x]", "yaml-alias", 1, 8, "inside its own anchor"),
    ("a: &x {<<: 5}", "yaml-merge", 1, 12, "mappings only"),
    ("a: &x {<<: [5]}", "yaml-merge", 1, 14, "mappings only"),
    ("*x : 1", "yaml-key", 1, 1, "a key is not a string"),
    ("a: b: c", "yaml-syntax", 1, 5, "quote the text"),
    ("\ta: 1", "yaml-syntax", 1, 1, "not with tabs"),
    ("a:\n  - b\n c: 1", "yaml-syntax", 3, 2, "indentation"),
    ("a: [1", "yaml-syntax", 2, 1, "not YAML"),
    ('a: "x', "yaml-syntax", 1, 6, "close the quote"),
    ("é: \x07", "yaml-syntax", 1, 4, "U+0007"),
    ("%YAML 2.0\n---\na: 1", "yaml-syntax", 1, 1, "incompatible"),
    ("[" * 300, "yaml-depth", 1, 257, "256 levels"),
    ("[" * 100_000, "yaml-depth", 1, 257, "256 levels"),
]


def read(text: str) -> tuple[list[object], list[Problem]]:
    problems: list[Problem] = []
    values = [value for _, value in yamlstream.read(text, file="a.yaml", problems=problems)]
    return values, problems


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_value(text: str, value: object) -> None:
    values, problems = read(text)
    assert (values, problems) == ([value], [])
    assert [type(item) for item in _leaves(values)] == [type(item) for item in _leaves([value])]


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [value]


@pytest.mark.parametrize(("text", "rule", "line", "column", "message"), REFUSED)
def test_refusal(text: str, rule: str, line: int, column: int, message: str) -> None:
    _, problems = read(text)
    assert [problem.rule for problem in problems] == [rule]
    assert (problems[0].position.line, problems[0].position.column) == (line, column)
    assert message in problems[0].text
    assert "\n" not in problems[0].text


def test_aliases_cannot_make_a_bomb() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{number}: &a{number} [{','.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 10)]
    values, problems = read("\n".join(lines))
    assert values == []
    assert [problem.rule for problem in problems] == ["yaml-alias"]


def test_every_duplicate_key_is_named_and_the_other_documents_are_read() -> None:
    values, problems = read("a: 1\na: 2\na: 3\n---\nb: 1\n")
    assert [problem.position.line for problem in problems] == [2, 3]
    assert values == [{"b": 1}]


def test_documents_before_a_syntax_error_are_read() -> None:
    values, problems = read("a: 1\n---\nb: [\n")
    assert values == [{"a": 1}]
    assert len(problems) == 1


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    values, problems = read(text)
    json.dumps(values)
    assert all(problem.rule and problem.text for problem in problems)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab~yn0.é", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.dictionaries(st.text("abc", min_size=1), JSON_VALUES))
def test_written_yaml_is_read_back(value: dict[str, object]) -> None:
    """JSON is YAML: both readers agree on the output of `json.dumps`, and on that of PyYAML with every text quoted."""
    text = json.dumps(value)
    assert [item for _, _, item in jsonstream.read(text)] == [value]
    dumped = yaml.safe_dump(value, default_style='"', allow_unicode=False)
    assert read(dumped) == ([value], []) or "!!" in dumped


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', '{"a":NaN}', '{"a":' * 5000, '{"a":' * 300 + "1" + "}" * 300, '{"a":1', f'{{"a":{"9" * 101}}}'],
)
def test_json_that_is_not_strict(text: str) -> None:
    with pytest.raises(jsonstream.NotStrictJsonError):
        jsonstream.read(text)
