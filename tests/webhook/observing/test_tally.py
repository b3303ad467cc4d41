"""The list of what would be refused: sums, bounds, and its form in a ConfigMap."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.admission.model.kinds import NETWORK, POD
from webhook.admission.model.requests import Cause, Decision, Object, Request
from webhook.admission.model.ruleids import RULE_IDS
from webhook.observing.tally import EMPTY, ROWS_MAX, Row, Table, entries, merge, parse, render, select


def asked(namespace: str = "blue", name: str = "web", kind: object = POD) -> Request:
    return Request("u", kind, "CREATE", namespace=namespace, object=Object(name=name))  # type: ignore[arg-type]


def observed(*rules: str, field: str = "metadata.annotations[x][0].mac") -> Decision:
    return Decision(is_observed=True, rules=rules, causes=(Cause(field, 'not a MAC: "s3cret"', rule=rules[0]),))


def test_a_row_has_the_number_and_the_last_object() -> None:
    table = merge(
        entries("/validate", asked(), observed("mac-value"), "2026-01-01T10"),
        entries("/validate", asked(name="db"), observed("mac-value", field="spec"), "2026-01-01T11"),
    )
    row = Row(0, 2, "2026-01-01T10", "2026-01-01T11", "Pod", "db", "spec")
    assert table == Table({("mac-value", "blue"): row}, "2026-01-01T10")
    assert row.refusals == 2


def test_a_pod_that_both_paths_judge_counts_once() -> None:
    table = EMPTY
    for path in ("/mutate", "/validate", "/mutate", "/validate", "/validate"):
        table = merge(table, entries(path, asked(), observed("mac-value"), "1"))
    assert [row.refusals for row in table.rows.values()] == [3]


def test_each_rule_and_namespace_has_a_row() -> None:
    table = entries("/validate", asked(), observed("mac-value", "ips-value", "mac-value", "not-a-rule"), "1")
    table = merge(table, entries("/validate", asked("", "n", NETWORK), observed("cni-json"), "2"))
    assert set(table.rows) >= {("mac-value", "blue"), ("other", "blue")}
    assert {key[1] for key in table.rows} == {"blue", ""}
    assert set(select(table, "").rows) == {key for key in table.rows if key[1] == ""}
    assert select(table, None) is table


def test_the_list_quotes_no_text_of_a_refusal_and_nothing_that_a_terminal_acts_on() -> None:
    request = asked(name="a\x1b[2Jb" + "x" * 300)
    text = render(entries("/validate", request, observed("mac-value", field="spec\n" + "y" * 300), "1")).decode()
    assert "s3cret" not in text
    assert "\\u001b" not in text
    assert "\\n" not in text
    assert len(text) < 600


def test_a_tenant_cannot_push_out_the_rows_of_others() -> None:
    """Here a tenant owns many namespaces; the namespace with most rows gives way first."""
    rules = sorted(RULE_IDS)
    table = EMPTY
    for number, rule in enumerate(rules[:3]):
        table = merge(table, entries("/validate", asked("small"), observed(rule), f"0{number}"))
    for number in range(20):
        for rule in rules[:60]:
            table = merge(table, entries("/validate", asked(f"large-{number}"), observed(rule), f"1{number:02}"))
    assert len(table.rows) == ROWS_MAX
    assert len(select(table, "small").rows) == 3
    assert table.dropped == 3 + 20 * 60 - ROWS_MAX


ROWS = st.builds(
    Row,
    mutated=st.integers(0, 9),
    validated=st.integers(0, 9),
    first=st.sampled_from(["1", "2"]),
    last=st.sampled_from(["3", "4"]),
    kind=st.just("Pod"),
    name=st.sampled_from(["a", "b"]),
    field=st.just("spec"),
)
TABLES = st.builds(
    Table,
    rows=st.dictionaries(st.tuples(st.sampled_from(["r", "s"]), st.sampled_from(["m", "n"])), ROWS),
    since=st.sampled_from(["", "1"]),
    dropped=st.integers(0, 3),
)


@given(TABLES)
def test_a_list_is_read_as_it_was_written(table: Table) -> None:
    assert parse(render(table)) == table
    assert merge(EMPTY, table) == table


@given(TABLES, TABLES)
def test_the_order_of_replicas_changes_no_count(one: Table, other: Table) -> None:
    left, right = merge(one, other), merge(other, one)
    assert {key: row[:4] for key, row in left.rows.items()} == {key: row[:4] for key, row in right.rows.items()}
    assert left[1:] == right[1:]


def test_of_a_list_that_others_made_too_long_the_first_rows_are_read() -> None:
    row = Row(1, 0, "", "", "Pod", "a")
    data = render(Table({(f"rule-{number}", "blue"): row for number in range(ROWS_MAX + 20)}))
    assert list(parse(data).rows) == [(f"rule-{number}", "blue") for number in range(ROWS_MAX)]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"version": 1}', json.dumps({"version": 2}).encode(), b'{"x":' + b"[" * 100_000]
)
def test_another_text_is_no_list(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(data)
    with pytest.raises(ValueError, match="version 2; allowed: 1"):
        parse(json.dumps({"version": 2, "since": "", "dropped": 0, "rows": []}).encode())
