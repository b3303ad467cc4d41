"""The file of path tokens that an administrator keeps by hand (`--path-token-file`): one token in a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ALLOWED = "16 to 63 lower case letters and digits, one token in a line; openssl rand -hex 16 makes one"
MAX_TOKENS = 8
_TOKEN = re.compile("[a-z0-9]{16,63}")


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
        raise PathTokenError(f"path token file {file}: not a text; allowed: {ALLOWED}") from error
    tokens = [line.strip() for line in lines]
    for number, token in enumerate(tokens, 1):
        if token and not _TOKEN.fullmatch(token):
            raise PathTokenError(f"path token file {file}: line {number} is not a token; allowed: {ALLOWED}")
    found = tuple(filter(None, tokens))
    if not found or len(found) > MAX_TOKENS:
        raise PathTokenError(f"path token file {file}: {len(found)} tokens; allowed: 1 to {MAX_TOKENS}; {ALLOWED}")
    return found
