"""Record: the immutable value."""

from __future__ import annotations

import pytest

from cniplugin.netspec.record import Record


class Port(Record):
    number: int
    protocol: str = "tcp"


class Named(Port):
    name: str


def test_fields_are_kept_in_order_with_defaults() -> None:
    port = Named(name="http", number=80)
    assert repr(port) == "Named(number=80, protocol='tcp', name='http')"
    assert port.replace(number=81) == Named(name="http", number=81)


def test_equality_and_hash_follow_the_values() -> None:
    assert Port(number=1) == Port(number=1, protocol="tcp")
    assert len({Port(number=1), Port(number=1), Port(number=2)}) == 2
    assert Port(number=1) != Named(number=1, name="")
    assert Port(number=1) != 1


def test_a_value_cannot_change() -> None:
    port = Port(number=1)
    with pytest.raises(AttributeError, match=r"Port\.number cannot be set"):
        port.number = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match=r"Port\.number cannot be deleted"):
        del port.number
    with pytest.raises(AttributeError):
        port.other = 2


def test_missing_and_unknown_fields() -> None:
    with pytest.raises(TypeError, match="Port needs the field 'number'"):
        Port()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Port has no field 'numbr'"):
        Port(number=1, numbr=2)  # type: ignore[call-arg]
