"""White space as readers in Go see it: Unicode's property White_Space, which is what `strings.TrimSpace` takes away.

`str.strip`, `str.split` and `str.isspace` count U+001C to U+001F as well. A name with one of those at its end would be
one name here and another on the node, so netspec, access and admission use these functions in their place.
"""

from __future__ import annotations

WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Go unicode.White_Space (unicode/tables.go); no version of Unicode since 4.1 has changed it but for U+180E."""

_SPACES = frozenset(WHITE_SPACE)


def trim(text: str) -> str:
    """Return a text without white space at both ends, as `strings.TrimSpace` does."""
    return text.strip(WHITE_SPACE)


def has_space(text: str) -> bool:
    """Say whether a text has a character for which Go's `unicode.IsSpace` is true."""
    return not _SPACES.isdisjoint(text)


_AS_SPACES = dict.fromkeys(map(ord, WHITE_SPACE), " ")


def words(text: str) -> list[str]:
    """Return the words of a text, as Go's `strings.Fields` does."""
    return [word for word in text.translate(_AS_SPACES).split(" ") if word]


def in_one_line(text: str) -> str:
    """Return a text for a message: each run of white space and of separators (U+001C to U+001F) as one space."""
    return " ".join(text.split())
