"""A connection whose caller is known by name: whoever has none of the names gets 403 to everything, and is closed.

The name is looked at when the connection is made, and the answer given when a request comes, since Go's client takes
an answer to nothing for an error of another kind and does not show it. Connections that are allowed are plain
`ReviewProtocol`s from then on, so that requests pay nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .clients import refusal_of
from .http import RequestError, error_answer
from .shortcut import ReviewProtocol

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger("nadmit.serving")

TOLD_MAX = 64


class Callers:
    """The names that may call. Says each refusal once, the first `TOLD_MAX` of them."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._told: set[str] = set()

    def refusal(self, transport: asyncio.Transport) -> str | None:
        """Return why the peer of a TLS connection may not call, or None."""
        refusal = refusal_of(transport.get_extra_info("peercert") or {}, self._names)
        if refusal is not None and refusal not in self._told and len(self._told) < TOLD_MAX:
            self._told.add(refusal)
            logger.warning("a caller is refused: %s", refusal)
        return refusal


class NamedProtocol(ReviewProtocol):
    """One connection of a caller with a name."""

    def __init__(self, *of_review: Any, callers: Callers, **more: Any) -> None:
        super().__init__(*of_review, **more)
        self._callers = callers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Look at the name; give a wrong one an application that refuses."""
        refusal = self._callers.refusal(transport)
        if refusal is not None:
            answer = error_answer(RequestError(403, refusal, (("connection", "close"),)))
            self._begin = lambda _scope: answer
        super().connection_made(transport)
