"""Label selectors: the objects of Kubernetes, and kubectl's text (apimachinery pkg/labels/selector.go).

    selector    = requirement *( "," requirement )
    requirement = key / "!" key / key ( "=" / "==" / "!=" ) value / key ( "in" / "notin" ) "(" value *( "," value ) ")"

An empty object selects everything, as in Kubernetes. An empty text selects nothing: an owner who writes nothing shares
nothing. `>` and `<` are refused, because labels of namespaces are not numbers.
"""

from __future__ import annotations

from cniplugin.netspec.names import has_space, is_subdomain, trim, words
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
KEY_MAX, VALUE_MAX = 317, 63
"""A prefix of 253 characters, a slash, a name of 63; apimachinery validation."""

_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")
_ENDS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_VALUE = _WORD - {"/"}
_SIGNS = ("==", "!=", "=", "!", "(", ")", ",")
_WRITABLE = _WORD | set("=!(), ")
# Each sign becomes a character that selectors do not contain, between spaces; the longer signs come first.
_MARKS = tuple((sign, f" {chr(0xE000 + number)} ") for number, sign in enumerate(_SIGNS))
_SIGN_OF = {trim(mark): sign for sign, mark in _MARKS}


class Requirement(Record):
    """One condition on labels; `operator` is one of OPERATORS."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether labels satisfy it. NB: NotIn is true for labels without the key, as in Kubernetes."""
        operator = self.operator
        if operator == "In":
            return labels.get(self.key) in self.values
        if operator == "NotIn":
            return labels.get(self.key) not in self.values
        return (self.key in labels) == (operator == "Exists")


class Selector(Record):
    """Requirements that must all be met; without requirements, it selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether labels satisfy every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def covers(self, other: Selector) -> bool:
        """Say whether the other one has every requirement of this one."""
        return set(self.requirements) <= set(other.requirements)

    def reads_beside(self, key: str) -> bool:
        """Say whether the selector depends on a label other than `key`."""
        return any(requirement.key != key for requirement in self.requirements)


def is_key(text: str) -> bool:
    """Say whether `text` can be the key of a label."""
    prefix, slash, name = text.rpartition("/")
    if slash and not is_subdomain(prefix):
        return False
    return bool(name) and is_value(name)


def is_value(text: str) -> bool:
    """Say whether `text` can be the value of a label; "" can."""
    if not text:
        return True
    return len(text) <= VALUE_MAX and _VALUE.issuperset(text) and text[0] in _ENDS and text[-1] in _ENDS


def parse(text: str) -> Selector:
    """Return the selector of kubectl's text. Raises ValueError that says what is wrong."""
    tokens = _tokens(text)
    if not tokens:
        raise ValueError("it is empty")
    requirements = []
    position = 0
    while True:
        requirement, position = _parse_one(tokens, position)
        requirements.append(requirement)
        if position == len(tokens):
            return Selector(requirements=tuple(requirements))
        _expect(tokens, position, ",")
        position += 1


def _tokens(text: str) -> list[str]:
    """Return the words and signs of a text. NB: string methods, because an owner's 8 KiB are read for each pod."""
    if not _WRITABLE.issuperset(text):
        wrong = next((char for char in text if char not in _WRITABLE and not has_space(char)), None)
        if wrong is not None:
            raise ValueError(f"{wrong!a} is not allowed")
    for sign, mark in _MARKS:
        text = text.replace(sign, mark)
    return [_SIGN_OF.get(token, token) for token in words(text)]


def _parse_one(tokens: list[str], position: int) -> tuple[Requirement, int]:
    """Return the requirement that begins at a token, and the position behind it."""
    is_absent = _at(tokens, position) == "!"
    position += is_absent
    key = _at(tokens, position)
    if not is_key(key):
        raise ValueError(f"{key or 'its end'!a} is not the key of a label")
    sign = _at(tokens, position + 1)
    if is_absent or sign in ("", ","):
        return Requirement(key=key, operator="DoesNotExist" if is_absent else "Exists"), position + 1
    if sign in ("=", "==", "!="):
        value = _at(tokens, position + 2)
        has_value = value not in ("", ",")
        if has_value and not is_value(value):
            raise ValueError(f"{value!a} is not the value of a label")
        operator = "NotIn" if sign == "!=" else "In"
        values = frozenset({value if has_value else ""})
        return Requirement(key=key, operator=operator, values=values), position + 2 + has_value
    if sign in ("in", "notin"):
        values, position = _parse_set(tokens, position + 2)
        return Requirement(key=key, operator="In" if sign == "in" else "NotIn", values=values), position
    raise ValueError(f"{sign!a} cannot follow a key")


def _parse_set(tokens: list[str], position: int) -> tuple[frozenset[str], int]:
    _expect(tokens, position, "(")
    values = set()
    while True:
        position += 1
        value = _at(tokens, position)
        if not is_value(value) or not value:
            raise ValueError(f"{value or 'its end'!a} is not the value of a label")
        values.add(value)
        position += 1
        if _at(tokens, position) == ")":
            return frozenset(values), position + 1
        _expect(tokens, position, ",")


def _at(tokens: list[str], position: int) -> str:
    return tokens[position] if position < len(tokens) else ""


def _expect(tokens: list[str], position: int, expected: str) -> None:
    token = _at(tokens, position)
    if token != expected:
        raise ValueError(f"{token or 'its end'!a} is where {expected!a} is expected")
