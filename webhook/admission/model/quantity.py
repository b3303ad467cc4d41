"""Quantities of Kubernetes: text to an exact number (apimachinery, pkg/api/resource/quantity.go).

Grammar:

quantity = [ "+" / "-" ] number [ suffix / exponent ]
number   = 1*DIGIT [ "." *DIGIT ] / "." 1*DIGIT
suffix   = "n" / "u" / "m" / "k" / "M" / "G" / "T" / "P" / "E" / "Ki" / "Mi" / "Gi" / "Ti" / "Pi" / "Ei"
exponent = ( "e" / "E" ) [ "+" / "-" ] 1*2DIGIT   ; more digits are out of the range of every quantity
"""

from __future__ import annotations

import re
from fractions import Fraction

LENGTH_MAX = 64
_SMALL = {suffix: Fraction(1, 1000**power) for power, suffix in enumerate("mun", start=1)}
_DECIMAL = {suffix: Fraction(1000**power) for power, suffix in enumerate(["", "k", "M", "G", "T", "P", "E"])}
_BINARY = {f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", start=1)}
_FACTORS = {**_SMALL, **_DECIMAL, **_BINARY}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,2})|([a-zA-Z]{0,2}))", re.ASCII)


def parse_quantity(value: object) -> Fraction | None:
    """Return the number of a quantity, or None for what is none.

    A quantity is a text; in YAML that nobody has decoded yet it may be a number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, int):
        return Fraction(value)
    found = _QUANTITY.fullmatch(str(value)) if len(str(value)) <= LENGTH_MAX else None
    if found is None:
        return None
    number, exponent, suffix = found.groups()
    factor = Fraction(10) ** int(exponent) if exponent else _FACTORS.get(suffix or "")
    return None if factor is None else Fraction(number) * factor
