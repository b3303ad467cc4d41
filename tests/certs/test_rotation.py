"""The steps of a rotation one by one: when each is due, and how it changes the Secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from certs import authority
from certs.rotation import RETIRED_KEPT, Policy, Seen, Step, next_step, take_step
from certs.secretdata import KEYS, Phase, State, StateError, parse_state, render_state

from .rotationworld import START

NAMES = [x509.DNSName("a.svc")]
DAY = timedelta(days=1)
POLICY = Policy()
NOTHING = Seen()
UNREAD = Seen(is_complete=False)
UNNAMED = Seen(is_named=False)


def take(state: State | None, *steps: Step, days: float = 0, names: list[x509.DNSName] = NAMES) -> State:
    """Take steps at that time after START."""
    for step in steps:
        state = take_step(step, state, names=names, now=START + days * DAY, policy=POLICY)
    assert state is not None
    return state


def due(state: State | None, days: float, seen: Seen = NOTHING, names: list[x509.DNSName] = NAMES) -> Step | None:
    return next_step(state, seen, names=names, now=START + days * DAY, policy=POLICY)


def at(phase: Phase, days: float) -> State:
    """Return a state whose phase and leaf began at that time."""
    steps = {Phase.PUBLISHED: 1, Phase.SHOWN: 2, Phase.SWITCHED: 3}.get(phase, 0)
    state = take(None, Step.FILL)
    return take(state, Step.RENEW_LEAF, *(Step.PUBLISH, Step.CONFIRM, Step.SWITCH)[:steps], days=days)


def test_an_empty_secret_is_filled() -> None:
    assert due(None, 0) is Step.FILL
    state = take(None, Step.FILL)
    assert state.leaf is not None
    assert authority.is_issued_by(state.leaf.certificate, state.ca.certificate)
    assert due(state, 0) is None


@pytest.mark.parametrize(("days", "step"), [(19.9, None), (20.1, Step.RENEW_LEAF), (31, Step.RENEW_LEAF), (-400, None)])
def test_a_leaf_is_renewed_when_a_third_is_left(days: float, step: Step | None) -> None:
    assert due(take(None, Step.FILL), days) is step


def test_a_leaf_that_expires_with_its_authority_is_not_renewed_again_and_again() -> None:
    state = take(at(Phase.PUBLISHED, 244), Step.RENEW_LEAF, days=360)
    assert state.leaf is not None
    assert state.leaf.certificate.not_valid_after_utc == state.ca.certificate.not_valid_after_utc
    assert due(state, 364, UNREAD) is None


def test_missing_names_are_added_until_the_next_renewal() -> None:
    more = [x509.DNSName("b.svc")]
    state = take(None, Step.FILL)
    assert due(state, 1, names=more) is Step.RENEW_LEAF
    state = take(state, Step.RENEW_LEAF, days=1, names=more)
    assert state.leaf is not None
    assert authority.names_in(state.leaf.certificate) == (*more, *NAMES)
    assert due(state, 1) is due(state, 1, names=more) is None
    state = take(state, Step.RENEW_LEAF, days=25, names=more)
    assert state.leaf is not None
    assert authority.names_in(state.leaf.certificate) == tuple(more)


def test_a_removed_leaf_is_made_again() -> None:
    state = replace(take(None, Step.FILL), leaf=None)
    assert due(state, 0) is Step.RENEW_LEAF
    assert take(state, Step.RENEW_LEAF).leaf is not None


def test_a_changed_bundle_is_written_again() -> None:
    state = replace(take(None, Step.FILL), stored_bundle=b"else")
    assert due(state, 0) is Step.REWRITE_BUNDLE
    assert take(state, Step.REWRITE_BUNDLE).stored_bundle == state.bundle


def shown(state: State) -> Seen:
    return Seen((state.bundle, b"foreign\n" + state.bundle))


def half_shown(state: State) -> Seen:
    return Seen((state.bundle, authority.render_certificate(state.ca.certificate)))


@pytest.mark.parametrize(
    ("phase", "days", "seen", "step"),
    [
        (Phase.STABLE, 0, lambda _: NOTHING, Step.PUBLISH),
        (Phase.PUBLISHED, 0, shown, Step.CONFIRM),
        (Phase.PUBLISHED, 0, lambda _: NOTHING, Step.CONFIRM),
        (Phase.PUBLISHED, 9, half_shown, None),
        (Phase.PUBLISHED, 9, lambda _: UNREAD, None),
        (Phase.PUBLISHED, 9, lambda _: UNNAMED, None),
        (Phase.SHOWN, 0, shown, None),
        (Phase.SHOWN, 0.006, shown, None),
        (Phase.SHOWN, 0.007, shown, Step.SWITCH),
        (Phase.SHOWN, 0.007, lambda _: NOTHING, Step.SWITCH),
        (Phase.SHOWN, 0.007, lambda _: UNNAMED, Step.SWITCH),
        (Phase.SHOWN, 0, half_shown, Step.RETRACT),
        (Phase.SHOWN, 0.007, half_shown, Step.RETRACT),
        (Phase.SHOWN, 0.007, lambda _: UNREAD, None),
        (Phase.SHOWN, -300, shown, None),
        (Phase.SWITCHED, 19, shown, None),
    ],
)
def test_the_rotation_of_an_authority(
    phase: Phase, days: float, seen: Callable[[State], Seen], step: Step | None
) -> None:
    state = at(phase, 244)
    assert due(state, 244 + days, seen(state)) is step


def test_unnamed_configurations_get_a_month() -> None:
    state = take(at(Phase.PUBLISHED, 244), Step.RENEW_LEAF, days=264)
    assert due(state, 273.9, UNNAMED) is None
    assert due(state, 274, UNNAMED) is Step.CONFIRM


def test_the_old_authority_is_dropped_when_its_last_leaf_has_expired() -> None:
    state = take(at(Phase.SWITCHED, 244), Step.RENEW_LEAF, days=264)
    assert due(state, 273.9) is None
    assert due(state, 274) is Step.DROP
    dropped = take(state, Step.DROP, days=274)
    assert dropped.trusted == (state.ca.certificate,)
    assert dropped.retired == (state.old,)
    assert dropped.leaf == state.leaf


def test_a_retraction_begins_the_wait_again() -> None:
    state = take(at(Phase.SHOWN, 244), Step.RETRACT, days=244.1)
    assert (state.phase, state.since) == (Phase.PUBLISHED, START + 244.1 * DAY)
    assert due(state, 244.2, shown(state)) is Step.CONFIRM


def test_an_expired_authority_is_replaced_without_a_wait() -> None:
    """The cluster was off."""
    assert due(at(Phase.PUBLISHED, 244), 366, UNREAD) is Step.SWITCH
    assert due(at(Phase.SHOWN, 244), 366, UNREAD) is Step.SWITCH
    assert due(at(Phase.PUBLISHED, 244), 800, UNREAD) is Step.BEGIN_ANEW
    for phase in Phase:
        state = at(phase, 244)
        assert due(state, 900) is Step.BEGIN_ANEW
        anew = take(state, Step.BEGIN_ANEW, days=900)
        assert anew.retired == state.trusted
        assert anew.phase is Phase.STABLE
        assert due(anew, 900) is None


def test_retired_authorities_are_bounded() -> None:
    state = take(None, Step.FILL)
    for _ in range(RETIRED_KEPT + 2):
        state = take(state, Step.PUBLISH, Step.CONFIRM, Step.SWITCH, Step.DROP)
    assert len(state.retired) == RETIRED_KEPT
    assert state.ca.certificate not in state.retired


@pytest.mark.parametrize("times", [{"grace": timedelta(0)}, {"ca_lifetime": 100 * DAY}, {"leaf_lifetime": 100 * DAY}])
def test_times_that_do_not_fit(times: dict[str, timedelta]) -> None:
    with pytest.raises(ValueError, match=r"grace must be|a third of ca_lifetime"):
        Policy(**times)


# The Secret


@pytest.mark.parametrize("phase", Phase)
def test_the_secret_round_trips(phase: Phase) -> None:
    state = at(phase, 244)
    data = render_state(state)
    parsed = parse_state({**data, "else": b"x"})
    assert parsed is not None
    assert render_state(parsed) == data  # keys do not compare by value, but their texts do
    assert (parsed.phase, parsed.since, parsed.trusted) == (state.phase, state.since, state.trusted)
    assert (parsed.retired, parsed.stored_bundle) == (state.retired, state.bundle)
    assert set(data) == set(KEYS)


@pytest.mark.parametrize("data", [{}, {"tls.crt": b"", "tls.key": b""}, {"else": b"x"}])
def test_an_empty_secret(data: dict[str, bytes]) -> None:
    assert parse_state(data) is None


DAMAGES: dict[str, tuple[dict[str, bytes], str]] = {
    "a foreign pair": ({"authority.crt": b""}, "authority.crt: missing, but tls.crt, tls.key, ca.crt, authority.key"),
    "no key": ({"authority.key": b""}, "authority.key: missing"),
    "half a leaf": ({"tls.key": b""}, "tls.key: missing"),
    "no certificate": ({"tls.crt": b"x"}, "tls.crt: not a PEM certificate"),
    "no next": ({"next.crt": b""}, "next.crt: missing"),
    "another key": ({"next.key": b"SWAP"}, "next.crt: is not for the key in next.key"),
    "another issuer": ({"tls.crt": b"LEAF", "tls.key": b"LEAF"}, "tls.crt: is not issued by authority.crt"),
    "no rotation": ({"rotation.json": b""}, "rotation.json: missing"),
    "no JSON": ({"rotation.json": b"["}, "rotation.json: not the JSON of a phase and a time"),
    "no phase": ({"rotation.json": b'{"since": "2026-01-01T00:00:00Z"}'}, "rotation.json: not the JSON"),
    "no zone": (
        {"rotation.json": b'{"phase": "Shown", "since": "2026-01-01"}'},
        "rotation.json: a time without a zone",
    ),
    "retired": ({"retired.crt": b"x"}, "retired.crt: not PEM certificates"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_secret_is_left_alone(case: str) -> None:
    damage, text = DAMAGES[case]
    data = render_state(at(Phase.PUBLISHED, 244))
    other = render_state(take(None, Step.FILL))
    foreign = {b"SWAP": data["tls.key"]}
    damage = {key: other[key] if value == b"LEAF" else foreign.get(value, value) for key, value in damage.items()}
    with pytest.raises(StateError, match="^" + re.escape(text)) as caught:
        parse_state({**data, **damage})
    assert str(caught.value).endswith(
        "nothing was overwritten; restore the Secret, or empty its data to start anew with a new authority"
    )
