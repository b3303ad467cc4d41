"""The owner's consent: the namespaces that it names. An annotation that cannot be read shares nothing."""

from __future__ import annotations

import pytest

from cniplugin.access.reading.consent import ALLOWED_NAMESPACES, ALLOWED_SELECTOR, TEXT_MAX, consents, problems

LABELS = {"kubernetes.io/metadata.name": "blue", "tenant": "blue"}


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("blue", True),
        ("red, blue", True),
        (" blue ", True),
        ("*", True),
        (" * ", True),
        ("red", False),
        ("blu", False),
        ("", False),
        ("blue,", False),
        ("blue,*", False),
        ("b*", False),
        ("Blue", False),
        ("blue" + " " * TEXT_MAX, False),
    ],
)
def test_listed(listed: str, *, expected: bool) -> None:
    assert consents({ALLOWED_NAMESPACES: listed}, "blue", LABELS) is expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tenant=blue", True),
        ("tenant in (blue,red),!absent", True),
        ("kubernetes.io/metadata.name=blue", True),
        ("tenant=red", False),
        ("", False),
        ("tenant=", False),
        ("tenant in (", False),
        ("tenant=blue" + " " * TEXT_MAX, False),
    ],
)
def test_selected(selector: str, *, expected: bool) -> None:
    assert consents({ALLOWED_SELECTOR: selector}, "blue", LABELS) is expected


def test_one_of_both_is_enough() -> None:
    assert consents({ALLOWED_NAMESPACES: "red", ALLOWED_SELECTOR: "tenant=blue"}, "blue", LABELS)
    assert consents({ALLOWED_NAMESPACES: "blue", ALLOWED_SELECTOR: "tenant=red"}, "blue", LABELS)
    assert consents({ALLOWED_NAMESPACES: "?", ALLOWED_SELECTOR: "tenant=blue"}, "blue", LABELS)
    assert not consents({}, "blue", LABELS)


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ({}, []),
        ({ALLOWED_NAMESPACES: "blue,red", ALLOWED_SELECTOR: "a=b"}, []),
        ({ALLOWED_NAMESPACES: "*"}, []),
        ({ALLOWED_NAMESPACES: "blue,"}, [(ALLOWED_NAMESPACES, "'' does not name a namespace")]),
        ({ALLOWED_NAMESPACES: "A" * 100}, [(ALLOWED_NAMESPACES, f"'{'A' * 80}' does not name a namespace")]),
        ({ALLOWED_NAMESPACES: "a" * 8193}, [(ALLOWED_NAMESPACES, "it has 8193 characters")]),
        ({ALLOWED_SELECTOR: "a" * 8193}, [(ALLOWED_SELECTOR, "it has 8193 characters")]),
        (
            {ALLOWED_NAMESPACES: "", ALLOWED_SELECTOR: ""},
            [(ALLOWED_NAMESPACES, "'' does not name a namespace"), (ALLOWED_SELECTOR, "it is empty")],
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_problems(annotations: dict[str, str], told: list[tuple[str, str]]) -> None:
    head = "the consent cannot be read, so it would grant nothing: "
    found = list(problems(annotations))
    assert [(problem.source, problem.detail.removeprefix(head)) for problem in found] == told
    assert {problem.rule for problem in found} <= {"consent"}
