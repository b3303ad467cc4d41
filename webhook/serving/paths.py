"""Where reviews come in: /validate and /mutate, or these with a token that only the API server knows.

The API server is given `/validate/<token>` by the registered configuration, and nobody else can read that. So whoever
asks at another path gets 404, and learns nothing. Several tokens are accepted while they rotate (`certs.pathtokens`).

A token is compared in constant time. It never gets further than `resolve`: the application, the log and the metrics
see the path without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hmac import compare_digest
from pathlib import Path

from .http import REVIEW_PATHS

NO_TOKEN = ""
"""The token of a path without one."""

ALLOWED_TOKENS = "16 to 63 lower case letters and digits, one token in a line; openssl rand -hex 16 makes one"
MAX_TOKENS = 8
_TOKEN = re.compile("[a-z0-9]{16,63}")

_BELOW = tuple(f"{path}/" for path in REVIEW_PATHS)
_PREFIXES = tuple((path, f"{path}/".encode()) for path in REVIEW_PATHS)


class ReviewPaths:
    """The paths that are accepted. `tokens` says which tokens are; it is asked for each request and must not block."""

    def __init__(self, tokens: Callable[[], Sequence[str]]) -> None:
        self._tokens = tokens

    def resolve(self, path: str) -> str | None:
        """Return which of REVIEW_PATHS a request's path is, or None for any other."""
        tokens = self._tokens()
        if path in REVIEW_PATHS:
            return path if NO_TOKEN in tokens else None
        sent = path.encode(errors="surrogateescape")
        for known, prefix in _PREFIXES:
            if sent.startswith(prefix):
                given = sent[len(prefix) :]
                is_known = False
                for token in tokens:  # all of them, so that the time does not say which one is nearly right
                    is_known |= token != NO_TOKEN and compare_digest(given, token.encode())
                return known if is_known else None
        return None

    def describe_unknown(self, method: str, path: str) -> str:
        """Return the line for a path that is not accepted.

        NB: the API server shows it to its user, so where tokens are needed nothing is quoted that may be one.
        """
        if NO_TOKEN in self._tokens() and not path.startswith(_BELOW):
            shown = f"{path[:80]!r}"
        else:
            shown = next((f"'{known}/...'" for known in REVIEW_PATHS if path.startswith(f"{known}/")), "'/...'")
        return f"{method} {shown}: no such path; allowed: {self._allowed()}"

    def describe_method(self, method: str, path: str) -> str:
        """Return the line for an accepted path and another method."""
        return f"{method} '{path}': wrong method; allowed: {self._allowed()}"

    def _allowed(self) -> str:
        if NO_TOKEN in self._tokens():
            return "POST " + ", POST ".join(REVIEW_PATHS)
        return "POST to the paths that are registered with the API server"


PLAIN = ReviewPaths(lambda: (NO_TOKEN,))
"""/validate and /mutate as they are."""


class PathTokenError(Exception):
    """A file of tokens that cannot be used: which, what is wrong, what to do, in one line without a token in it."""


def read_tokens(file: Path) -> tuple[str, ...]:
    """Return the tokens of a file: the first is the one to register, all are accepted. Raises PathTokenError."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PathTokenError(f"path token file {file}: cannot be read: {reason}; give a file of tokens") from error
    except UnicodeDecodeError as error:
        raise PathTokenError(f"path token file {file}: not a text; allowed: {ALLOWED_TOKENS}") from error
    tokens = [line.strip() for line in lines]
    for number, token in enumerate(tokens, 1):
        if token and not _TOKEN.fullmatch(token):
            raise PathTokenError(f"path token file {file}: line {number} is not a token; allowed: {ALLOWED_TOKENS}")
    found = tuple(filter(None, tokens))
    if not found or len(found) > MAX_TOKENS:
        raise PathTokenError(
            f"path token file {file}: {len(found)} tokens; allowed: 1 to {MAX_TOKENS}; {ALLOWED_TOKENS}"
        )
    return found
