"""The steps of path tokens one by one, the data in the Secret, and the file for one machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from certs.certfiles import TokenFile
from certs.pathtokens import (
    FOLLOWING,
    FORMER_KEPT,
    KEY,
    PathTokens,
    SeenTokens,
    TokenPolicy,
    TokenStep,
    is_token,
    next_step,
    parse_tokens,
    registered_token,
    render_tokens,
    take_step,
    tokens_in,
)
from certs.rotation import Policy
from certs.rotator import TokenKeeper, TokenRotator
from certs.secretdata import StateError
from certs.store import StoreError

from .memorycluster import MUTATING, VALIDATING, MemoryCluster, webhook
from .rotationworld import START

DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
POLICY = TokenPolicy()
NOTHING = SeenTokens()


def fill(seen: SeenTokens = NOTHING) -> PathTokens:
    return take_step(TokenStep.FILL, None, seen, now=START)


def seen(*tokens: str, is_complete: bool = True) -> SeenTokens:
    return SeenTokens(frozenset(tokens), is_complete=is_complete)


def due(tokens: PathTokens | None, found: SeenTokens, after: timedelta = timedelta(0)) -> TokenStep | None:
    return next_step(tokens, found, now=START + after, policy=POLICY)


def test_tokens_of_a_replica_that_is_cut_off_last_as_long_as_its_leaf() -> None:
    assert POLICY.lifetime * FOLLOWING >= Policy().leaf_lifetime


def test_a_new_secret_gets_tokens_that_are_all_different() -> None:
    assert due(None, NOTHING) is TokenStep.FILL
    tokens = fill()
    assert len(set(tokens.accepted)) == len(tokens.accepted) == 1 + FOLLOWING
    assert all(is_token(token) for token in tokens.accepted)
    assert due(tokens, seen(tokens.current)) is None


@pytest.mark.parametrize("registered", ["", "0123456789abcdef"])
def test_registered_tokens_are_accepted_when_new_ones_are_made(registered: str) -> None:
    """As in an upgrade from paths without tokens, or after a user has emptied the Secret."""
    tokens = fill(seen(registered))
    assert tokens.former == (registered,)
    assert due(tokens, seen(registered), 300 * DAY) is None  # as long as it is registered


def test_a_former_token_is_dropped_after_the_grace_time() -> None:
    tokens = fill(seen(""))
    assert due(tokens, seen(is_complete=False), 2 * DAY) is None
    assert due(tokens, seen(tokens.current), 2 * DAY) is TokenStep.MOVED
    moved = take_step(TokenStep.MOVED, tokens, NOTHING, now=START + 2 * DAY)
    assert due(moved, seen(tokens.current), 2 * DAY + 9 * MINUTE) is None
    assert due(moved, seen(tokens.current, is_complete=False), 2 * DAY + 10 * MINUTE) is None
    assert due(moved, seen(tokens.current), 2 * DAY + 10 * MINUTE) is TokenStep.DROP
    assert due(moved, seen(""), 2 * DAY + 10 * MINUTE) is TokenStep.BACK
    assert take_step(TokenStep.BACK, moved, seen(""), now=START) == tokens
    assert "" not in take_step(TokenStep.DROP, moved, NOTHING, now=START).accepted


def test_a_rotation_waits_until_the_previous_one_is_complete() -> None:
    tokens = fill()
    assert due(tokens, seen(tokens.current), 9.9 * DAY) is None
    assert due(tokens, seen(tokens.current), 10 * DAY) is TokenStep.ROTATE
    rotated = take_step(TokenStep.ROTATE, tokens, NOTHING, now=START + 10 * DAY)
    assert (rotated.current, rotated.former) == (tokens.following[0], (tokens.current,))
    assert rotated.following[:-1] == tokens.following[1:]
    assert set(tokens.accepted) < set(rotated.accepted)
    assert due(rotated, seen(tokens.current), 300 * DAY) is None


def test_a_token_that_another_program_registers_is_accepted() -> None:
    tokens = replace(fill(), moved=START)
    assert due(tokens, seen("other1234567890ab")) is TokenStep.ADOPT
    adopted = take_step(TokenStep.ADOPT, tokens, seen("other1234567890ab"), now=START)
    assert (adopted.former, adopted.moved) == (("other1234567890ab",), None)
    many = take_step(TokenStep.ADOPT, tokens, seen(*(f"t{number}" for number in range(20))), now=START)
    assert len(many.former) == FORMER_KEPT


def to_register(tokens: PathTokens, *present: str, after: timedelta = DAY) -> str:
    return registered_token(tokens, present, now=START + after, policy=POLICY)


def test_a_replica_with_an_old_secret_keeps_a_newer_registered_token() -> None:
    tokens = fill()
    assert to_register(tokens) == to_register(tokens, "", "foreign") == tokens.current
    assert to_register(tokens, tokens.current, tokens.following[1]) == tokens.following[1]


def test_new_tokens_wait_until_all_replicas_can_have_read_them() -> None:
    """After a user has emptied the Secret, the registered token is accepted and stays for a minute."""
    tokens = fill(seen("0123456789abcdef"))
    assert to_register(tokens, "0123456789abcdef", after=59 * SECOND) == "0123456789abcdef"
    assert to_register(tokens, "0123456789abcdef", after=60 * SECOND) == tokens.current
    assert to_register(tokens, after=SECOND) == tokens.current  # nothing is registered yet


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/validate", {""}),
        ("/mutate/abc123", {"abc123"}),
        ("/prefix/validate/abc123", {"abc123"}),
        ("/other", set()),
        ("", set()),
        ("/validate/a/b", set()),
    ],
)
def test_tokens_are_read_from_paths_of_our_webhooks(path: str, found: set[str]) -> None:
    value = {"webhooks": [webhook("a.nadmit.io", path=path), webhook("b.example.org", path="/validate/foreign")]}
    assert tokens_in([value, {"webhooks": None}, {}]) == found
    url = {"webhooks": [{"name": "a.nadmit.io", "clientConfig": {"url": f"https://host:1{path}"}}]}
    assert tokens_in([url]) == found


def test_the_secret_round_trips() -> None:
    for tokens in (fill(), fill(seen("")), replace(fill(seen("", "abc")), moved=START)):
        assert parse_tokens(render_tokens(tokens)) == tokens
    assert parse_tokens({}) is parse_tokens({KEY: b""}) is None


def whole() -> dict[str, Any]:
    return dict(json.loads(render_tokens(fill())[KEY]))


@pytest.mark.parametrize(
    "damage",
    [
        lambda _value: b"[",
        lambda _value: b"[]",
        lambda value: json.dumps({**value, "current": "Not/A/Token"}).encode(),
        lambda value: json.dumps({**value, "current": ""}).encode(),
        lambda value: json.dumps({**value, "since": "2026-01-01"}).encode(),
        lambda value: json.dumps({**value, "following": 1}).encode(),
    ],
)
def test_damaged_tokens_are_left_alone(damage: Callable[[dict[str, Any]], bytes]) -> None:
    with pytest.raises(StateError) as caught:
        parse_tokens({KEY: damage(whole())})
    assert str(caught.value) == (
        "path-tokens.json: not the JSON of tokens and times; nothing was overwritten; empty this key to have new tokens made"
    )


# The replica


def test_a_replica_without_required_tokens_accepts_stored_ones() -> None:
    keeper, other = TokenKeeper(is_required=False), TokenKeeper(is_required=True)
    assert (keeper.accepted, keeper.to_register([]), other.accepted, other.to_register([])) == (("",), "", (), None)
    tokens, step = keeper.plan(render_tokens(fill()), seen("what"), START)
    keeper.know(tokens)
    other.know(tokens)
    assert (step, keeper.accepted, keeper.to_register(["x"])) == (None, ("", *other.accepted), "")
    assert tokens is not None
    assert other.to_register([""]) == tokens.current


def test_with_certificate_files_the_tokens_have_a_secret_of_their_own() -> None:
    cluster, now = MemoryCluster(), [START]
    cluster.put(VALIDATING, webhook("a.nadmit.io"))

    def replica() -> tuple[TokenKeeper, TokenRotator]:
        keeper = TokenKeeper(is_required=True, now=lambda: now[0] + MINUTE)
        configurations = cluster.configurations(VALIDATING, MUTATING)
        return keeper, TokenRotator(cluster.secret, configurations, keeper, now=lambda: now[0])

    (first, rotator), (second, follower) = replica(), replica()
    assert not rotator.has_begun()
    rotator.round()
    follower.round()
    assert rotator.has_begun()
    assert rotator.problem() is None
    assert first.accepted == second.accepted
    assert first.accepted[-1] == ""  # the registered one
    assert set(cluster.data) == {KEY}
    cluster.put(VALIDATING, webhook("a.nadmit.io", path=f"/validate/{first.to_register([''])}"))
    for minutes in (1, 12):
        now[0] += minutes * MINUTE
        rotator.round()
    assert "" not in first.accepted
    cluster.failing = 1
    with pytest.raises(StoreError):
        follower.round()
    assert "" in second.accepted


def test_the_file_of_one_machine(tmp_path: Path) -> None:
    store = TokenFile(tmp_path / "new" / "certs")
    assert (store.read().data, store.read().version) == ({}, None)
    store.write({KEY: b"one"}, None)
    path = tmp_path / "new" / "certs" / KEY
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with pytest.raises(StoreError, match="another process was first"):
        store.write({KEY: b"two"}, None)
    store.write({KEY: b"two"}, store.read().version)
    assert store.read().data == {KEY: b"two"}


def test_an_unusable_token_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written: .*; give this user the file, or name a"):
        TokenFile(tmp_path / "file" / "certs").write({KEY: b"one"}, None)
    (tmp_path / KEY).mkdir()
    with pytest.raises(StoreError, match="cannot be read: is a directory"):
        TokenFile(tmp_path).read()
