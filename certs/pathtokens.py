"""The tokens in the paths of our webhooks, and when they change. Pure except for their randomness.

The API server calls our webhooks at `/validate/<token>` and `/mutate/<token>`, as their configuration says. Only those
who can read that configuration know the token. All replicas share the value of KEY in the Secret:

| member | content |
| --- | --- |
| `current` | the token to register |
| `following` | the next tokens, in order |
| `former` | others that may still be registered: old tokens, tokens of other programs, "" for no token |
| `made` | when all tokens were made, before any replica knew them, RFC 3339 |
| `since` | when `current` became the current one, RFC 3339 |
| `moved` | since when none of our webhooks is registered with a former token; null while one is |

Theory of operation. A replica accepts all of them. Any replica takes the step that is due:

    fill     there are no tokens: make new ones; the registered ones become former
    adopt    a webhook is registered with an unknown token: the API server calls with it, so it becomes former
    moved    no webhook is registered with a former token: the grace time begins
    back     a webhook is registered with a former token again
    drop     the grace time is over: stop accepting the former tokens
    rotate   `current` is `lifetime` old and there is no former token: the next one becomes current

Why `following`: a rotation needs no preparation. A replica that reads the Secret has the tokens of the next `lifetime *
FOLLOWING`, so a replica that is stopped or cut off for that long accepts the calls afterwards. Why `grace`: one of
several API servers may use a configuration that is some seconds old, and a replica may write an old one. Why *adopt*:
a user may empty the Secret, run a version without tokens beside this one, or register by hand. Then calls fail only
until a replica has read the configuration.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from .cabundle import OWN_SUFFIX
from .secretdata import StateError

KEY = "path-tokens.json"
FOLLOWING = 3
FORMER_KEPT = 8
TOKEN_BYTES = 16
"""128 bits as hexadecimal digits: the API server allows DNS labels in the path of a Service."""

_TOKEN = re.compile("[a-z0-9]{16,63}")
_PATH = re.compile("(?:.*/)?(?:validate|mutate)(?:/observe)?(?:/([a-z0-9]+))?")
"""`/observe`: in stage Observe."""


class TokensError(StateError):
    """The tokens in the Secret cannot be read."""

    advice = "empty this key to have new tokens made"


class TokenStep(StrEnum):
    """One change of the tokens."""

    FILL = "fill-tokens"
    ADOPT = "adopt-token"
    MOVED = "moved-token"
    BACK = "retract-token"
    DROP = "drop-token"
    ROTATE = "rotate-token"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """How long a token is registered, and how long a former one is accepted after it is no longer registered.

    `lifetime * FOLLOWING` must not be less than the life of a leaf. Otherwise the calls to a replica that was cut off
    would fail for its tokens earlier than for its leaf.
    """

    lifetime: timedelta = timedelta(days=10)
    grace: timedelta = timedelta(minutes=10)
    settle: timedelta = timedelta(minutes=1)
    """How long new tokens wait before they replace registered ones. A replica reads the Secret at least every 12 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathTokens:
    """See the module."""

    current: str
    following: tuple[str, ...]
    former: tuple[str, ...]
    made: datetime
    since: datetime
    moved: datetime | None = None

    @property
    def accepted(self) -> tuple[str, ...]:
        """The allowed ends of a path; "" for a path without a token."""
        return (self.current, *self.following, *self.former)


@dataclass(frozen=True, slots=True)
class SeenTokens:
    """The tokens of our registered webhooks, "" for no token; `is_complete`: whether all configurations were read."""

    tokens: frozenset[str] = frozenset()
    is_complete: bool = True


def tokens_in(configurations: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the tokens in the paths of our webhooks, "" for a path without one. Other paths are ignored."""
    tokens = set()
    for configuration in configurations:
        for webhook in configuration.get("webhooks") or ():
            if webhook["name"].endswith(OWN_SUFFIX):
                match = _PATH.fullmatch(_path_of(webhook.get("clientConfig") or {}))
                if match is not None:
                    tokens.add(match[1] or "")
    return frozenset(tokens)


def next_step(tokens: PathTokens | None, seen: SeenTokens, *, now: datetime, policy: TokenPolicy) -> TokenStep | None:
    """Return the step that is due, None if there is none."""
    if tokens is None:
        return TokenStep.FILL
    if seen.tokens - set(tokens.accepted):
        return TokenStep.ADOPT
    if tokens.former:
        if seen.tokens & set(tokens.former):
            return TokenStep.BACK if tokens.moved is not None else None
        if not seen.is_complete:
            return None
        if tokens.moved is None:
            return TokenStep.MOVED
        return TokenStep.DROP if now >= tokens.moved + policy.grace else None
    return TokenStep.ROTATE if now >= tokens.since + policy.lifetime else None


def take_step(step: TokenStep, tokens: PathTokens | None, seen: SeenTokens, *, now: datetime) -> PathTokens:
    """Return the tokens after a step; `tokens` is None for FILL only."""
    if tokens is None:
        made = _make(1 + FOLLOWING)
        former = tuple(sorted(seen.tokens))
        return PathTokens(current=made[0], following=made[1:], former=former, made=now, since=now)
    if step is TokenStep.ADOPT:
        unknown = sorted(seen.tokens - set(tokens.accepted))
        return replace(tokens, former=(*tokens.former, *unknown)[-FORMER_KEPT:], moved=None)
    if step is TokenStep.DROP:
        return replace(tokens, former=(), moved=None)
    if step is TokenStep.ROTATE:
        following = (*tokens.following, *_make(1))
        return replace(tokens, current=following[0], following=following[1:], former=(tokens.current,), since=now)
    return replace(tokens, moved=now if step is TokenStep.MOVED else None)


def parse_tokens(data: Mapping[str, bytes]) -> PathTokens | None:
    """Return the tokens in the data of a Secret, None if there are none. Raises TokensError."""
    if not (text := data.get(KEY)):
        return None
    try:
        value = json.loads(text)
        moved = value["moved"]
        return PathTokens(
            current=_read(value["current"]),
            following=tuple(_read(token) for token in value["following"]),
            former=tuple(token and _read(token) for token in value["former"]),
            made=_read_time(value["made"]),
            since=_read_time(value["since"]),
            moved=None if moved is None else _read_time(moved),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TokensError(KEY, "not the JSON of tokens and times") from error


def render_tokens(tokens: PathTokens) -> dict[str, bytes]:
    """Return the data of the Secret."""
    value = {
        "current": tokens.current,
        "following": tokens.following,
        "former": tokens.former,
        "made": tokens.made.isoformat(),
        "since": tokens.since.isoformat(),
        "moved": None if tokens.moved is None else tokens.moved.isoformat(),
    }
    return {KEY: json.dumps(value).encode()}


def is_token(text: str) -> bool:
    """Return whether a text can be a token: 16 to 63 lower case letters and digits."""
    return _TOKEN.fullmatch(text) is not None


def _make(count: int) -> tuple[str, ...]:
    return tuple(secrets.token_hex(TOKEN_BYTES) for _ in range(count))


def _path_of(config: Mapping[str, Any]) -> str:
    service: Mapping[str, Any] | None = config.get("service")
    if service is not None:
        return str(service.get("path") or "")
    _, slash, path = str(config.get("url") or "").partition("://")[2].partition("/")  # it has no query
    return slash + path


def _read(text: str) -> str:
    # An adopted token may be shorter than ours.
    if not re.fullmatch("[a-z0-9]+", text):
        raise ValueError(text)
    return text


def _read_time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(text)
    return time


def registered_token(tokens: PathTokens, present: Sequence[str], *, now: datetime, policy: TokenPolicy) -> str:
    """Return the token to register in place of the present ones of our webhooks.

    A replica that has not read the Secret lately may see one of its next tokens, and must keep it. New tokens wait
    until all replicas can have read them, while the present one is still accepted.
    """
    ahead = [token for token in tokens.following if token in present]
    if ahead:
        return ahead[-1]
    known = [token for token in present if token in tokens.former]
    return known[0] if known and now < tokens.made + policy.settle else tokens.current
