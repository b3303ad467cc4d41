"""White space is the set that Go's readers remove, in every module that reads a text as they do."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest

from cniplugin.access.model import labels
from cniplugin.access.reading import consent
from cniplugin.netspec import annotation, jsontext, names, netattachdef
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.names import has_space, in_one_line, trim, words
from tests.paths import ROOT
from webhook.admission.model.injection import INJECT, opts_out

GO = {
    *range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000,
}  # fmt: skip
"""Go unicode/tables.go, _White_Space."""
SEPARATORS = "\x1c\x1d\x1e\x1f"


def test_every_character() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        assert (trim(f"{char}a{char}") == "a") == (code in GO), hex(code)
        assert has_space(f"a{char}") == (code in GO), hex(code)


def test_words_are_between_white_space() -> None:
    for code in range(0x3001):
        char = chr(code)
        assert words(f"{char}a{char}{char}b") == (["a", "b"] if code in GO else [f"{char}a{char}{char}b"]), hex(code)


def test_a_text_in_one_line() -> None:
    assert in_one_line(" a\n\nb\u2028c\x1ed ") == "a b c d"


@pytest.mark.parametrize("char", SEPARATORS)
def test_separators_are_part_of_a_name(char: str) -> None:
    """Multus does the same, and then does not find the network."""
    for text in (f"net-a{char}", f"{char}net-a", f"net-a,{char}net-b"):
        with pytest.raises(SpecErrors) as caught:
            annotation.parse(text, namespace="ns")
        assert [error.rule for error in caught.value] == ["network-name"]
    assert names.interface_problem(f"a{char}") is not None


@pytest.mark.parametrize("char", [chr(code) for code in sorted(GO)])
def test_white_space_is_taken_away(char: str) -> None:
    (one, two) = annotation.parse(f"{char}net-a{char},{char}net-b", namespace="ns")
    assert (one.name, two.name) == ("net-a", "net-b")
    assert netattachdef.build(namespace="ns", name="n", config=f"{char}").is_on_disk
    assert consent.consents({consent.ALLOWED_NAMESPACES: f"blue,{char}red{char}"}, "red", {})
    assert labels.parse(f"a{char}={char}b").matches({"a": "b"})
    assert opts_out({INJECT: f"{char}false"})


@pytest.mark.parametrize("char", SEPARATORS)
def test_separators_grant_and_mean_nothing(char: str) -> None:
    for text in (f"red{char}", f"{char}*"):
        assert not consent.consents({consent.ALLOWED_NAMESPACES: text}, "red", {})
        assert list(consent.problems({consent.ALLOWED_NAMESPACES: text}))
    with pytest.raises(ValueError, match="is not allowed"):
        labels.parse(f"a{char}=b")
    definition = netattachdef.build(namespace="ns", name="n", config=char)
    assert not definition.is_on_disk
    assert [problem.rule for problem in definition.problems] == ["json-syntax"]
    assert not opts_out({INJECT: f"{char}false"})


@pytest.mark.parametrize("char", [*SEPARATORS, "\x01", "\x7f", "\u2028", " "])
def test_a_path_shows_no_control_character(char: str) -> None:
    assert jsontext.join("a", f"b{char}") != f"a.b{char}"
    assert char == " " or char not in jsontext.join("a", f"b{char}")


# The methods of `str` that have another idea of white space

PACKAGES = ("cniplugin/netspec", "cniplugin/access", "webhook/admission")
METHODS = {"strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "isspace"}


def bare_uses(source: str) -> Iterator[int]:
    """Yield the lines that call one of METHODS without an argument that names the white space."""
    tree = ast.parse(source)
    told = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and (node.args or node.keywords)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS and id(node) not in told:
            yield node.lineno


def test_bare_uses_are_seen() -> None:
    assert list(bare_uses("a.strip()\nb.strip(' ')\nmap(str.strip, c)\nd.split()\ne.isspace()\nf.split(',')\n")) == [
        1,
        3,
        4,
        5,
    ]


def test_no_module_uses_pythons_white_space() -> None:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    assert len(files) > 80
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in files
        if file.name != "names.py"
        for line in bare_uses(file.read_text())
    ]
    assert found == []
    assert [file.name for file in files if r"\s" in file.read_text()] == []
