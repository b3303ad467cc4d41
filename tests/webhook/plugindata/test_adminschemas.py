"""Schemas of admins: their effect, and each mistake in them with its place."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhook.admission.plugins.checking import SCHEMAS, findings_of
from webhook.admission.plugins.rules.registry import RULES
from webhook.admission.plugins.schema import PluginChecks, PluginSchema
from webhook.plugindata.adminschemas import read_schemas
from webhook.plugindata.mistakes import Mistake, read_value

MINE: dict[str, Any] = {
    "type": "my-plugin",
    "kind": "main",
    "source": "example.com/my-plugin@1",
    "keys": {
        "speed": {"type": "integer", "maximum": 10, "refusal": "too fast: {value}"},
        "routes": {"shape": "routes"},
    },
}
FIELDS = ", ".join(field.name for field in dataclasses.fields(PluginSchema))


def checks(*written: object) -> PluginChecks:
    read = read_schemas(written)
    assert read.mistakes == []
    return PluginChecks(schemas={**SCHEMAS, **read.by_type})


def test_a_schema_is_added() -> None:
    with_mine = checks(MINE)
    (finding,) = findings_of({"type": "my-plugin", "speed": 11}, checks=with_mine)
    assert (finding.code, finding.refusal) == ("NAD201", "too fast: {value}")
    assert [
        finding.code
        for finding in findings_of({"cniVersion": "1.0.0", "type": "bridge", "vlan": 4095}, checks=with_mine)
    ] == ["NAD201"]


def test_a_schema_replaces_that_of_the_project() -> None:
    conf = {"cniVersion": "1.0.0", "type": "bridge", "vlan": 4095}
    (finding,) = findings_of(conf, checks=checks({**MINE, "type": "bridge"}))
    assert finding.code == "NAD115"
    assert findings_of(conf, checks=checks({**MINE, "type": "bridge", "also_reads": {"vlan": {}}})) == []


def test_other_names() -> None:
    with_mine = checks({**MINE, "also": ["a", "b"]})
    assert [len(findings_of({"type": name, "speed": 11}, checks=with_mine)) for name in ("my-plugin", "a", "b")] == [
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("change", "steps", "text"),
    [
        ({"key": {}}, ("key",), f'no such field; did you mean "keys"? allowed: {FIELDS}'),
        ({"kind": "side"}, ("kind",), 'unknown value: "side"; allowed: "ipam", "main", "meta"'),
        ({"kind": 7}, ("kind",), 'wrong type: 7; allowed: "ipam", "main", "meta"'),
        ({"type": ""}, ("type",), "it is empty; write the name of a CNI plugin"),
        ({"also": ["x", ""]}, ("also", 1), "it is empty; write the name of a CNI plugin"),
        ({"also": ["x", "x"]}, ("also", 1), "the type has a schema already: x; keep one of them"),
        ({"source": 1.5}, ("source",), "wrong type: 1.5; allowed: a string: quote it"),
        ({"source": []}, ("source",), "wrong type: a list; allowed: a string"),
        ({"chained_only": "yes"}, ("chained_only",), 'wrong type: "yes"; allowed: true or false'),
        (
            {"keys": {"a": {"type": "int"}}},
            ("keys", "a", "type"),
            (
                'unknown value: "int"; did you mean "integer"? allowed: "any", "array", "boolean", "integer", "map", '
                '"object", "string"'
            ),
        ),
        ({"keys": {"a": {"type": "any", "minimum": True}}}, ("keys", "a", "minimum"), "wrong type: true; allowed: an integer"),
        ({"keys": {"a": None}}, ("keys", "a"), "wrong type: null; allowed: a mapping"),
        (
            {"keys": {"a": {"type": "array", "items": {"type": "object", "keys": {"b": {"values": 5}}}}}},
            ("keys", "a", "items", "keys", "b", "values"),
            "wrong type: 5; allowed: a list",
        ),
        (
            {"constraints": [{"code": "NAD204", "when": {"a": "there"}, "detail": ""}]},
            ("constraints", 0, "when", "a"),
            'unknown value: "there"; allowed: "absent", "present", "set", "unset"',
        ),
        (
            {"constraints": [{"code": "NAD204", "when": {"a": 5}, "detail": ""}]},
            ("constraints", 0, "when", "a"),
            'wrong type: 5; allowed: "absent", "present", "set", "unset", or a list, or a mapping',
        ),
        ({"predecessors": [{}]}, ("predecessors", 0, "types"), "it is missing; allowed: a list"),
        ({"keys": {"a": {}}}, ("keys", "a"), "the key has neither type nor shape; allowed shapes: address, dns, rout"),
        (
            {"keys": {"a": {"shape": "rout"}}},
            ("keys", "a", "shape"),
            'there is no such shape: "rout"; did you mean "route"? allowed: ',
        ),
        (
            {"keys": {"a": {"type": "string", "touches": "vlam"}}},
            ("keys", "a", "touches"),
            'unknown value: "vlam"; did you mean "vlan"? allowed: "address", ',
        ),
        (
            {"keys": {"a": {"type": "string", "touches": {"kin": "vlan"}}}},
            ("keys", "a", "touches", "kin"),
            'no such field; did you mean "kind"? allowed: kind, default, ',
        ),
        (
            {"constraints": [{"code": "NAD204", "when": {"a": {"nod": []}}, "detail": ""}]},
            ("constraints", 0, "when", "a", "nod"),
            'no such field; did you mean "not"? allowed: not',
        ),
        (
            {"constraints": [{"code": "NAD204", "when": {"a": {}}, "detail": ""}]},
            ("constraints", 0, "when", "a", "not"),
            "it is missing; allowed: a list",
        ),
        (
            {"as_ipam": {"type": "x", "kind": "ipam", "source": "here", "rules": ["x"]}},
            ("as_ipam", "rules", 0),
            'there is no such rule: "x"; allowed: ',
        ),
        ({"as_ipam": {"type": "x", "kind": "ipm", "source": ""}}, ("as_ipam", "kind"), 'unknown value: "ipm"; did you'),
        ({"agree_on": {"mtu": None}}, ("agree_on", "mtu"), "wrong type: null; allowed: a string, or an integer, or true"),
        ({"source": "\ud800"}, (), "it nests too deep, or a text has half a character"),
        ({"rules": ["x"]}, ("rules", 0), 'there is no such rule: "x"; allowed: accelerated-bridge-names, '),
        (
            {"constraints": [{"code": "X", "when": {}, "detail": ""}]},
            ("constraints", 0, "code"),
            'there is no such code: "X"; allowed: those that `nadmit explain` lists',
        ),
        ({"predecessors": [{"types": ["a"], "code": "X"}]}, ("predecessors", 0, "code"), "there is no such code: "),
        (
            {"keys": {"a": {"type": "array", "items": {"type": "any", "code": "X"}}}},
            ("keys", "a", "items", "code"),
            "there is no such code: ",
        ),
        (
            {"keys": {"a": {"type": "object", "keys": {"b": {"type": "map"}}}}},
            ("keys", "a", "keys", "b"),
            "a map needs items; add what each of them holds",
        ),
    ],
)  # fmt: skip
def test_one_mistake_is_one_line(change: dict[str, Any], steps: tuple[str | int, ...], text: str) -> None:
    (mistake,) = read_schemas([{**MINE, **change}]).mistakes
    assert mistake.steps == (0, *steps)
    assert mistake.text.startswith(text)


def test_every_mistake_is_reported_and_correct_schemas_are_read() -> None:
    read = read_schemas([[], MINE, {"typ": "x", "kind": "main"}, MINE])
    steps = {mistake.steps for mistake in read.mistakes}
    assert steps == {(0,), (2, "typ"), (2, "type"), (2, "source"), (3, "type")}
    assert len(steps) == len(read.mistakes)
    assert list(read.by_type) == ["my-plugin"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["", "main", "set", "string"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "kind", "source", "keys", "items", "when", "not", "constraints", "code", "values", "also"]),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON, st.sampled_from([None, "keys", "constraints", "predecessors", "rules", "also"]))
def test_both_libraries_read_the_same_value(value: object, field: str | None) -> None:
    """pydantic, for the schemas of admins, and msgspec, for the project's files, return the same value."""
    written = value if field is None else {**MINE, field: value}
    read, mistakes = read_value(written, PluginSchema)
    if mistakes:
        assert read is None
    else:
        assert read == msgspec.convert(written, PluginSchema)


def test_one_program_for_both_jobs() -> None:
    as_ipam = {"type": "my-plugin", "kind": "ipam", "source": "here", "keys": {"pool": {"shape": "address"}}}
    both = checks({**MINE, "as_ipam": as_ipam})
    used = {"type": "bridge", "ipam": {"type": "my-plugin", "pool": "x"}}
    assert [finding.path for finding in findings_of(used, checks=both)] == ["ipam.pool"]
    assert [finding.code for finding in findings_of(used, checks=checks(MINE))] == ["NAD403"]
    assert [finding.path for finding in findings_of({"type": "my-plugin", "speed": 11}, checks=both)] == ["speed"]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_in_a_schema_without_its_keys_does_not_fail(rule: str) -> None:
    """An admin may name any rule, and a review must not fail because of it."""
    config = {"plugins": [{"type": "bridge"}, {"type": "my-plugin", "vlan": 1, "trunk": [], "ipam": {"type": "dhcp"}}]}
    assert isinstance(findings_of(config, checks=checks({**MINE, "rules": [rule], "ipam": "optional"})), list)
    as_ipam = checks({**MINE, "type": "mine", "kind": "ipam", "rules": [rule]})
    assert isinstance(findings_of({"type": "bridge", "ipam": {"type": "mine", "ranges": [[]]}}, checks=as_ipam), list)


def test_a_mistake_is_a_value() -> None:
    assert read_value(7, PluginSchema) == (None, [Mistake((), "wrong type: 7; allowed: a mapping")])
