"""The path tokens of one replica: what it accepts, what it registers, and, beside no certificate, the rounds for them.

With a Secret for the certificate the tokens are in that one, and `rotator` keeps them in its own rounds. Where the
certificate comes from files, `TokenRotator` does the rounds: with a Secret for the tokens only, or with a file.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .certfiles import write_whole
from .pathtokens import (
    KEY,
    PathTokens,
    SeenTokens,
    TokenPolicy,
    TokenStep,
    next_step,
    parse_tokens,
    registered_token,
    render_tokens,
    take_step,
    tokens_in,
)
from .rounds import Rounds
from .store import ConfigurationStore, ConflictError, SecretStore, Stored, StoreError

logger = logging.getLogger("nadmit.certs")

NO_TOKEN = ""


class TokenKeeper:
    """What this replica knows of the tokens. `accepted` and `to_register` may be asked from any thread.

    `is_required`: whether paths need a token. If not, those that are stored are accepted all the same, because others
    may have registered one, and nothing is stored.
    """

    def __init__(
        self,
        *,
        is_required: bool,
        policy: TokenPolicy | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.is_required = is_required
        self.tokens: PathTokens | None = None
        self.accepted: tuple[str, ...] = () if is_required else (NO_TOKEN,)
        self._policy = policy or TokenPolicy()
        self._now = now

    def plan(
        self, data: Mapping[str, bytes], seen: SeenTokens, now: datetime
    ) -> tuple[PathTokens | None, TokenStep | None]:
        """Return the tokens that are to be, and the step that makes them of what is stored. Raises TokensError."""
        tokens = parse_tokens(data)
        step = next_step(tokens, seen, now=now, policy=self._policy) if self.is_required else None
        return (tokens, None) if step is None else (take_step(step, tokens, seen, now=now), step)

    def know(self, tokens: PathTokens | None) -> None:
        """Take note of what is stored."""
        self.tokens = tokens
        stored = () if tokens is None else tokens.accepted
        self.accepted = stored if self.is_required else (NO_TOKEN, *stored)

    def to_register(self, present: Sequence[str]) -> str | None:
        """Return the token for webhooks that have these now; "" for none, None if it is not known yet."""
        if not self.is_required:
            return NO_TOKEN
        if self.tokens is None:
            return None
        return registered_token(self.tokens, present, now=self._now(), policy=self._policy)


def read_configurations(
    store: ConfigurationStore,
) -> tuple[dict[str, Mapping[str, Any]], StoreError | None]:
    """Return those that exist, and what kept another from being read."""
    found: dict[str, Mapping[str, Any]] = {}
    failed = None
    for name in store.names:
        try:
            value = store.read(name)
        except StoreError as error:
            failed = error
        else:
            if value is not None:
                found[name] = value
    return found, failed


class TokenRotator(Rounds):
    """Keeps the tokens where no `Rotator` does. A part of the server."""

    kept = "the known path tokens"
    needed = "path token"

    def __init__(
        self,
        store: SecretStore,
        configurations: ConfigurationStore,
        keeper: TokenKeeper,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(store.where, name="path-tokens")
        self._store = store
        self._configurations = configurations
        self._keeper = keeper
        self._now = now

    def has_begun(self) -> bool:
        """Say whether there are tokens."""
        return self._keeper.tokens is not None or not self._keeper.is_required

    def problem(self) -> str | None:
        """Return None: the start waits for the tokens."""
        return None

    def steps(self) -> Iterator[None]:
        """Do one round: read, take the step that is due."""
        stored = self._store.read()
        yield
        found, failed = read_configurations(self._configurations)
        yield
        tokens, step = self._keeper.plan(
            stored.data, SeenTokens(tokens_in(found.values()), is_complete=failed is None), self._now()
        )
        if step is not None and tokens is not None:
            self._store.write(render_tokens(tokens), stored.version)
            logger.info("%s: %s", self._store.where, step)
            yield
        self._keeper.know(tokens)
        if failed is not None:
            raise failed


class TokenFile:
    """A `SecretStore` for one machine: the file KEY of a directory, which only its owner may read."""

    def __init__(self, directory: Path) -> None:
        self.where = f"file {directory / KEY}"
        self._path = directory / KEY

    def read(self) -> Stored:
        """Return what is there. Raises StoreError."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return Stored({}, None)
        except OSError as error:
            raise self._error("cannot be read", error) from error
        return Stored({KEY: content}, _version(content))

    def write(self, data: Mapping[str, bytes], version: str | None) -> None:
        """Replace that version, or create it. Raises ConflictError, StoreError."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # ends with the descriptor
                if self.read().version != version:
                    raise ConflictError(f"{self.where}: another process was faster")
                write_whole(self._path, data[KEY], 0o600)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._error("cannot be written", error) from error

    def _error(self, problem: str, error: OSError) -> StoreError:
        reason = (error.strerror or str(error)).lower()
        advice = "give this user the file, or name a Secret with --path-token-secret"
        return StoreError(f"{self.where}: {problem}: {reason}; {advice}")


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
