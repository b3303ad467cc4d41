"""The interpreter's own JSON, compared with the package `json`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec import rawjson

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture(params=["fast", "slow"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run with the C module, and without it."""
    if request.param == "slow":
        monkeypatch.setattr(rawjson, "fast", None)


@given(value=VALUES, is_ascii=st.booleans())
def test_the_same_text(*, value: Any, is_ascii: bool) -> None:
    text = rawjson.dumps(value, is_ascii=is_ascii)
    assert text == json.dumps(value, ensure_ascii=is_ascii, separators=(",", ":"))
    assert rawjson.loads(text) == value


@given(value=VALUES, width=st.integers(0, 5))
def test_the_same_text_over_several_lines(*, value: Any, width: int) -> None:
    text = rawjson.dumps_indented(value, width=width)
    assert text == json.dumps(value, ensure_ascii=False, indent=width)


@given(st.text() | st.text(alphabet=' \t\n\r[]{}",:0123456789.eE+-nulltruefalse\\'))
def test_the_same_value_or_the_same_error(text: str) -> None:
    if "NaN" in text or "Infinity" in text:
        return
    try:
        expected = json.loads(text)
    except json.JSONDecodeError as error:
        with pytest.raises(json.JSONDecodeError) as caught:
            rawjson.loads(text)
        assert str(caught.value) == str(error)
    else:
        assert rawjson.loads(text) == expected


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize(
    "text", ["", " ", "[1] x", "NaN", "-Infinity", '{"a":}', "\ufeff[]", '"\n"', b"\xff", b"\xef\xbb\xbf{}"]
)
def test_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # every kind of it
        rawjson.loads(text)


@pytest.mark.usefixtures("either")
def test_written() -> None:
    assert rawjson.dumps({"é": [1, None, "\u2028"]}) == '{"é":[1,null,"\u2028"]}'
    assert rawjson.dumps({"é": 1.5}, is_ascii=True) == '{"\\u00e9":1.5}'
    assert rawjson.loads(b' {"\xc3\xa9": 1}\n') == {"é": 1}


@pytest.mark.usefixtures("either")
def test_values_that_are_not_json() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(TypeError):
        rawjson.dumps({1, 2})
    for value in (float("nan"), loop):
        with pytest.raises(ValueError):  # noqa: PT011
            rawjson.dumps(value)
