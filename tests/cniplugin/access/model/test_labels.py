"""Label selectors decide as Kubernetes' do (apimachinery pkg/labels: selector.go and its selector_test.go)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.access.model.labels import Requirement, Selector, is_key, is_value, parse

BLUE = {"tenant": "blue", "env": "prod", "empty": "", "example.com/a": "1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tenant=blue", True),
        ("tenant==blue", True),
        ("tenant = blue ", True),
        ("tenant=red", False),
        ("tenant!=red", True),
        ("tenant!=blue", False),
        ("absent=x", False),
        ("absent!=x", True),  # a label that is absent differs
        ("tenant", True),
        ("absent", False),
        ("!absent", True),
        ("!tenant", False),
        ("! absent", True),
        ("tenant in (blue,red)", True),
        ("tenant in (red)", False),
        ("absent in (red)", False),
        ("tenant notin (red)", True),
        ("tenant notin (blue)", False),
        ("absent notin (red)", True),
        ("tenant=blue,env=prod", True),
        ("tenant=blue,env=dev", False),
        ("tenant in (blue,red),env!=dev,!absent", True),
        ("empty=", True),
        ("empty!=", False),
        ("tenant!=", True),
        ("absent=", False),
        ("empty=,tenant", True),
        ("example.com/a=1", True),
        ("in", False),
        ("in=x", False),
        ("notin notin (in)", True),
        ("\ttenant\n=\nblue", True),
    ],
)
def test_text(text: str, *, expected: bool) -> None:
    assert parse(text).matches(BLUE) is expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        (",", "',' is not the key of a label"),
        ("a,", "'its end' is not the key of a label"),
        ("a b", "'b' cannot follow a key"),
        ("a in", "'its end' is where '(' is expected"),
        ("a in b", "'b' is where '(' is expected"),
        ("a in (", "'its end' is not the value of a label"),
        ("a in ()", "')' is not the value of a label"),
        ("a in (b", "'its end' is where ',' is expected"),
        ("a in (b,,c)", "',' is not the value of a label"),
        ("a in (b c)", "'c' is where ',' is expected"),
        ("a in (-b)", "'-b' is not the value of a label"),
        ("a=b c", "'c' is where ',' is expected"),
        ("a=-b", "'-b' is not the value of a label"),
        ("a=b=c", "'=' is where ',' is expected"),
        ("!a=b", "'=' is where ',' is expected"),
        ("!", "'its end' is not the key of a label"),
        ("a>1", "'>' is not allowed"),
        ("a:b", "':' is not allowed"),
        ("é", "'\\xe9' is not allowed"),
        ("/a", "'/a' is not the key of a label"),
        ("a/b/c", "'a/b/c' is not the key of a label"),
        ("-a", "'-a' is not the key of a label"),
        ("a(b", "'(' cannot follow a key"),
    ],
)
def test_text_that_cannot_be_read(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    assert str(caught.value) == problem


@given(st.text(alphabet="ab=!,() inot/-.", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert parse(text).requirements
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("operator", "values", "here", "elsewhere", "absent"),
    [
        ("In", {"blue"}, True, False, False),
        ("NotIn", {"blue"}, False, True, True),
        ("Exists", set(), True, True, False),
        ("DoesNotExist", set(), False, False, True),
    ],
)
def test_requirement(operator: str, values: set[str], *, here: bool, elsewhere: bool, absent: bool) -> None:
    requirement = Requirement(key="tenant", operator=operator, values=frozenset(values))
    assert requirement.matches({"tenant": "blue"}) is here
    assert requirement.matches({"tenant": "red"}) is elsewhere
    assert requirement.matches({}) is absent


def test_all_requirements_hold_together() -> None:
    one, two = (Requirement(key=key, operator="Exists") for key in "ab")
    assert Selector(requirements=(one, two)).matches({"a": "", "b": ""})
    assert not Selector(requirements=(one, two)).matches({"a": ""})


def test_an_empty_selector_selects_everything() -> None:
    assert Selector().matches({})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", True),
        ("A_b.c-1", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("", False),
        ("example.com/a", True),
        ("x" * 253 + "/a", True),
        ("x" * 254 + "/a", False),
        ("/a", False),
        ("a/", False),
        ("a/b/c", False),
        ("a b/c", False),
        ("_a", False),
        ("a_", False),
        ("é", False),
    ],
)
def test_keys(text: str, *, expected: bool) -> None:
    assert is_key(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", True), ("a", True), ("a" * 63, True), ("a" * 64, False), ("a.", False), (".a", False), ("a/b", False)],
)
def test_values(text: str, *, expected: bool) -> None:
    assert is_value(text) is expected
