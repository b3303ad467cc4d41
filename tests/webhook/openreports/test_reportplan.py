"""Which reports follow from findings and from stored reports; a plan that is carried out leaves nothing to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.objectstore import merge
from webhook.openreports.reportform import OPEN_REPORTS
from webhook.openreports.reportplan import Amend, Change, Create, Delete, aims_of, plan_changes
from webhook.report.scan.finding import INFO, LEVELS, Finding

from .reportserver import BLUE, NOW, finding, name_rule, pod

Reports = dict[str, Any]


def plan(findings: Iterable[Finding], stored: Reports, **options: Any) -> list[Change]:
    aims = aims_of(findings)
    now = options.pop("now", NOW)
    return list(plan_changes(aims, stored.values(), api=OPEN_REPORTS, name_rule=name_rule, now=now, **options))


def carry_out(changes: Sequence[Change], stored: Reports) -> Reports:
    """Return the reports after the changes, as an API server would have them."""
    made = dict(stored)
    for change in changes:
        if isinstance(change, Create):
            metadata = {**change.report["metadata"], "uid": f"u{len(made)}", "resourceVersion": "1"}
            made[metadata["name"]] = {**change.report, "metadata": metadata}
        elif isinstance(change, Amend):
            name = change.stored["metadata"]["name"]
            made[name] = merge(made[name], change.patch)
        else:
            del made[change.stored["metadata"]["name"]]
    return made


def kinds(changes: Sequence[Change]) -> list[type[Change]]:
    return [type(change) for change in changes]


def test_create_amend_delete() -> None:
    stored = carry_out(plan([finding()], {}), {})
    assert plan([finding()], stored, now=NOW + 1) == []
    changed = plan([finding(message="another")], stored)
    assert kinds(changed) == [Amend]
    assert isinstance(changed[0], Amend)
    assert changed[0].patch["metadata"]["resourceVersion"] == "1"
    assert kinds(plan([], stored)) == [Delete]
    assert kinds(plan([finding(pod("other")), finding()], stored)) == [Create]


def test_reports_of_what_nobody_could_read_stay() -> None:
    stored = carry_out(plan([finding(), finding(BLUE)], {}), {})
    (only,) = plan([], stored, unread_kinds={"Pod"})
    assert isinstance(only, Delete)
    assert only.stored["scope"]["kind"] == "Namespace"


def test_the_worst_objects_are_reported_if_there_are_too_many() -> None:
    found = [finding(pod(f"p{number}"), level=INFO) for number in range(5)] + [finding(pod("worst"))]
    aims = aims_of(found, reports_max=3)
    assert [subject.name for subject, _ in aims.findings.values()] == ["worst", "p0", "p1"]
    assert aims.left_out == 3


def test_a_namespace_with_many_objects_leaves_room_for_others() -> None:
    found = [finding(pod(f"p{number}", "a")) for number in range(9)] + [finding(pod("p", "b")), finding(BLUE)]
    aims = aims_of(found, reports_max=4)
    assert {(subject.namespace, subject.name) for subject, _ in aims.findings.values()} == {
        ("", "blue"),
        ("a", "p0"),
        ("a", "p1"),
        ("b", "p"),
    }
    assert aims.left_out == 7


def test_an_object_of_no_cluster_has_no_report() -> None:
    assert plan([finding(pod()._replace(uid=""))], {}) == []


findings = st.lists(
    st.builds(
        finding,
        st.sampled_from([pod(), pod("web-1"), pod("web-0", "green"), BLUE]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(LEVELS),
    ),
    max_size=8,
)


@given(findings, findings, st.integers(0, 100))
def test_a_plan_that_is_carried_out_leaves_nothing_to_do(before: list[Finding], after: list[Finding], age: int) -> None:
    stored = carry_out(plan(before, {}), {})
    changed = carry_out(plan(after, stored, now=NOW + age), stored)
    assert plan(after, changed, now=NOW + age + 1) == []
    expected = carry_out(plan(after, {}), {})
    assert changed.keys() == expected.keys()
    assert {name: one["summary"] for name, one in changed.items()} == {
        name: one["summary"] for name, one in expected.items()
    }
