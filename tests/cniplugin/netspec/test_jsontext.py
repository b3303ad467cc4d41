"""Strict JSON: cases that the tests of annotations do not have."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec import jsontext
from cniplugin.netspec.errors import SpecError, SpecErrors, render, show


def refused(text: str, *, bytes_max: int = 1000) -> SpecError:
    with pytest.raises(SpecErrors) as caught:
        jsontext.parse(text, what="the text", bytes_max=bytes_max)
    return next(iter(caught.value))


@given(st.text())
def test_values_are_equal_to_those_of_json(text: str) -> None:
    try:
        value = jsontext.parse(text, what="the text", bytes_max=10_000)
    except SpecErrors as errors:
        assert all(render(error) for error in errors)
    else:
        assert value == json.loads(text)


def test_integers_and_key_order_are_kept() -> None:
    text = '{"b":123456789012345678901234567890,"a":[1,-0,9007199254740993],"é":"ü"}'
    assert jsontext.quote(jsontext.parse(text, what="x", bytes_max=1000)) == text.replace("-0", "0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a" 1}', "a ':' is expected after the key; a quote \" may be missing in the key before it"),
        ('["a" "b"]', "a ',' or the closing bracket is expected"),
        ("['a']", "a value is expected; use double quotes"),
        ('["a\nb"]', "there is a line break or control character inside a string; a quote may be missing before it"),
        ('["\\x"]', "this escape is not known"),
        ('["\\u12"]', "\\u needs four hexadecimal digits"),
        ('["a', "this string has no closing quote"),
        ("", "line 1 column 1: a value is expected"),
        ("{\u201ca\u201d: 1}", 'a key in double quotes is expected; write straight quotes " in place of curly ones'),
        ('{"a": \u201cb\u201d}', 'write straight quotes "'),
        ('{"a": "b\u201d}', 'this string has no closing quote; write straight quotes "'),
        ('{"a\u201d: 1,\n"b": 2}', 'write straight quotes "'),
        ('{"mtu": {{ .Values.mtu }}}', "a template was not rendered: write the value in place of {{ ... }}"),
        ("{{ toJson .Values.config }}", "a template was not rendered"),
        ('{"a": 1, {% if x %}', "a template was not rendered: write the value in place of {% ... %}"),
        ('{"master": ${NIC}}', "a variable was not replaced: write its value"),
        ("type: bridge\nbridge: br1\n", "this is YAML: write JSON"),
        ("\n  cniVersion: 1.0.0\n  type: bridge\n", "this is YAML: write JSON"),
        ("- name: net\n", "this is YAML"),
        ("---\ntype: bridge\n", "this is YAML"),
        ('{"a": 1, // the first\n"b": 2}', "JSON has no comments"),
        ('{"a": True}', "write true, false and null in small letters"),
        ("{type: 1}", "write the key in double quotes"),
        ('{"type": bridge}', "write a text in double quotes"),
        ("\ufeff{}", "byte order mark"),
        ("{1:2}", "a key in double quotes is expected"),
    ],
)
def test_a_syntax_error_says_what_is_expected(text: str, words: str) -> None:
    error = refused(text)
    assert error.rule == "json-syntax"
    assert words in render(error)


@pytest.mark.parametrize("text", ["[1,]", '{"a":1,}'])
def test_a_trailing_comma(text: str) -> None:
    """NB: CPython 3.13 reports the comma itself, older versions the character behind it."""
    assert "comma" in render(refused(text))


def test_a_long_line_is_cut_around_the_place() -> None:
    excerpt = refused("[" + "1," * 200 + "x" + ",1" * 200 + "]", bytes_max=10_000).excerpt
    shown, caret = excerpt.splitlines()
    assert len(shown) <= 80
    assert shown[caret.index("^")] == "x"


def test_all_duplicates_are_reported() -> None:
    with pytest.raises(SpecErrors) as caught:
        jsontext.parse('{"a":1,"a":2,"b":[{"c":1,"c":2,"c":3,"d":1,"d":2}]}', what="x", bytes_max=100)
    assert [error.path for error in caught.value] == ["a", "b[0].c", "b[0].d"]


def test_brackets_inside_strings_do_not_nest() -> None:
    text = '["' + "[" * 200 + '\\"{"]'
    assert jsontext.parse(text, what="x", bytes_max=1000) == json.loads(text)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('a"b\\', '"a\\"b\\\\"'),
        ("\n\u200b", '"\\u000a\\u200b"'),
        ("x" * 100, '"' + "x" * 75 + '..."'),
        (10**80, f"a number of {(10**80).bit_length()} bits"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        ({}, "an object"),
        ([], "a list"),
    ],
)
def test_show(value: object, shown: str) -> None:
    assert show(value) == shown
