"""Where reviews come in: /validate and /mutate, or these followed by a token that only the API server knows.

In stage Observe `/observe` comes before the token.

The registered configuration gives the API server `/validate/<token>`. Only those who may read that configuration know
the token. A request at another path gets 404 and learns nothing. While tokens rotate, several are accepted
(`certs.pathtokens`).

Tokens are compared in constant time. None gets further than `resolve`: the application, the log and the metrics see
the path without it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from hmac import compare_digest
from pathlib import Path

from webhook.files import describe_unreadable, load_file

from .http import OBSERVED, REVIEW_PATHS

logger = logging.getLogger("nadmit.serving")

NO_TOKEN = ""
"""The token of a path without one."""

ALLOWED_TOKENS = "16 to 63 lower case letters and digits, one token in a line; openssl rand -hex 16 makes one"
MAX_TOKENS = 8
TOKENS_BYTES_MAX = 4096
"""Eight of the longest tokens need 512."""
_TOKEN = re.compile("[a-z0-9]{16,63}")

_BELOW = tuple(f"{path}/" for path in REVIEW_PATHS)
_PREFIXES = tuple((path, f"{path}/".encode()) for path in REVIEW_PATHS)


class ReviewPaths:
    """The accepted paths. `tokens` returns the accepted tokens; each request calls it, and it must not block."""

    def __init__(self, tokens: Callable[[], Sequence[str]]) -> None:
        self._tokens = tokens

    def resolve(self, path: str) -> str | None:
        """Return the one of REVIEW_PATHS that a request's path means, or None for any other path."""
        tokens = self._tokens()
        if path in REVIEW_PATHS:
            return path if NO_TOKEN in tokens else None
        sent = path.encode(errors="surrogateescape")
        for known, prefix in _PREFIXES:
            if sent.startswith(prefix):
                given = sent[len(prefix) :]
                is_known = False
                for token in tokens:  # all of them, so that the time does not reveal a token that is nearly right
                    is_known |= token != NO_TOKEN and compare_digest(given, token.encode())
                return known if is_known else None
        return None

    def describe_unknown(self, method: str, path: str) -> str:
        """Return the line for a path that is not accepted.

        NB: the API server shows it to its user, so it quotes nothing that may be a token.
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
            return "POST " + ", POST ".join(path for path in REVIEW_PATHS if path not in OBSERVED)
        return "POST to the paths that are registered with the API server"


PLAIN = ReviewPaths(lambda: (NO_TOKEN,))
"""/validate and /mutate as they are."""


class PathTokenError(Exception):
    """A file of tokens that cannot be used: its name, what is wrong, what to do, in one line without a token."""


class TokensOfFile:
    """The tokens of `--path-token-file`, which an administrator keeps by hand."""

    def __init__(self, file: Path) -> None:
        """Read the file. Raises PathTokenError."""
        self._file = file
        self.accepted = read_tokens(file)

    def reread(self) -> bool | None:
        """Read the file again; a wrong one changes nothing. Return whether it is in force; None if it is the same."""
        try:
            tokens = read_tokens(self._file)
        except PathTokenError as error:
            logger.warning("%s; the previous tokens stay in force", error)
            return False
        if tokens == self.accepted:
            return None
        self.accepted = tokens
        return True


def read_tokens(file: Path) -> tuple[str, ...]:
    """Return the tokens of a file that an administrator keeps by hand (`--path-token-file`), one in a line.

    The first is to be registered; all are accepted. Raises PathTokenError.
    """
    try:
        lines = load_file(file, bytes_max=TOKENS_BYTES_MAX).decode("ascii").splitlines()
    except OSError as error:
        text = describe_unreadable(error, "give a file of tokens")
        raise PathTokenError(f"path token file {file}: {text}") from error
    except UnicodeDecodeError as error:
        raise PathTokenError(f"path token file {file}: not text; allowed: {ALLOWED_TOKENS}") from error
    tokens = [line.strip() for line in lines]
    for number, token in enumerate(tokens, 1):
        if token and not _TOKEN.fullmatch(token):
            raise PathTokenError(f"path token file {file}: line {number} is not a token; allowed: {ALLOWED_TOKENS}")
    written = tuple(filter(None, tokens))
    if not written or len(written) > MAX_TOKENS:
        raise PathTokenError(
            f"path token file {file}: {len(written)} tokens; allowed: 1 to {MAX_TOKENS}; {ALLOWED_TOKENS}"
        )
    return written
