"""Why a test failed, in one line for the reader of a report: no addresses of memory, no steps of Python."""

from __future__ import annotations

_SIDE_MAX = 200
"""Characters of one side of a comparison."""
REASON_MAX = 500
_ASSERT = "assert "


def reason_of(error: BaseException) -> str:
    """Return the reason of a failure.

    Of an assertion only the first line counts: it is the message of the test or the comparison. pytest adds lines about
    how Python came to the values.
    """
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, KeyError):
        text = f"there is no {line}"
    elif not isinstance(error, AssertionError):
        text = f"{type(error).__name__}: {line}"
    elif line.startswith(_ASSERT):
        text = f"this is not so: {line.removeprefix(_ASSERT)}"
    else:
        text = line or "an assertion does not hold"
    return _shortened(text, REASON_MAX)


def comparison(left: object, operator: str, right: object) -> str:
    """Return a comparison in one line, each side whole if it is not too long."""
    return f"{_shortened(_shown(left), _SIDE_MAX)} {operator} {_shortened(_shown(right), _SIDE_MAX)}"


def _shown(value: object) -> str:
    """NB: the order of a set differs from run to run, and a report shall not."""
    return f"{{{', '.join(sorted(map(repr, value)))}}}" if isinstance(value, set | frozenset) and value else repr(value)


def _shortened(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]} ..."
