"""When the certificates in the Secret change, and how. Pure except for the randomness of new keys.

Theory of operation. All state is in the Secret. Any replica may take the next step, with the resourceVersion that it
read; of two that try, one gets a conflict and reads again. A leaf is renewed by its authority when a third of its life
is left; no `caBundle` changes for that. An authority is rotated when a third of its life is left:

    Stable     --publish-->  Published  make a next authority; `ca.crt` has both
    Published  --confirm-->  Shown      the caBundle of each of our webhooks has both; the grace time begins
    Shown      --retract-->  Published  a user has restored an old caBundle; the wait begins again
    Shown      --switch--->  Switched   the grace time is over and all caBundles still have both: the next authority
                                        signs the leaf, and the key of the old one is deleted
    Switched   --drop----->  Stable     every leaf that the old authority signed has expired: remove it from `ca.crt`

Why these waits. After *confirm*: one of several API servers may use a configuration that is some seconds old, and a
replica that has not read the Secret lately may still write an old caBundle. After *switch*: a replica that is cut off,
or stopped for days, serves the leaf that it has. So the old authority stays for the longest life of a leaf, and callers
never refuse such a replica.

Without a wait: an expired authority makes every leaf worthless (a cluster that was off for a year), so the next one
takes over at once, or a new one is made. A clock that is behind only makes a replica wait. Without a named
configuration a replica cannot see which authorities callers trust; then `unseen_grace` takes the place of confirmation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from cryptography import x509

from . import authority, cabundle
from .authority import Pair
from .secretdata import Phase, State

RETIRED_KEPT = 8
"""Five years of authorities. They are remembered so that a very old caBundle is cleaned as well."""


class Step(StrEnum):
    """One change of the Secret."""

    FILL = "fill"
    RENEW_LEAF = "renew-leaf"
    REWRITE_BUNDLE = "rewrite-bundle"
    PUBLISH = "publish"
    CONFIRM = "confirm"
    RETRACT = "retract"
    SWITCH = "switch"
    DROP = "drop"
    BEGIN_ANEW = "begin-anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Lifetimes, and how long a step waits. Raises ValueError for times that do not fit together.

    `grace` must be much longer than the lag of API servers and the time between two reads of the Secret; a round that
    takes longer than half of it is abandoned. The whole rotation must fit into a third of an authority's life.
    """

    ca_lifetime: timedelta = timedelta(days=365)
    leaf_lifetime: timedelta = timedelta(days=30)
    grace: timedelta = timedelta(minutes=10)
    unseen_grace: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        if self.grace <= timedelta(0):
            raise ValueError("grace must be longer than a round")
        if self.ca_lifetime / 3 < self.leaf_lifetime + self.grace + self.unseen_grace:
            raise ValueError("a third of ca_lifetime is less than leaf_lifetime, grace and unseen_grace together")

    @property
    def drop_wait(self) -> timedelta:
        """From the switch until the last leaf that the old authority can have signed expires."""
        return max(self.grace, self.leaf_lifetime)


@dataclass(frozen=True, slots=True)
class Seen:
    """The caBundles of our webhooks, read after the Secret.

    `bundles`: PEM, one per webhook. `is_complete`: whether every named configuration was read; one that does not exist
    counts as read. `is_named`: whether any configuration is named.
    """

    bundles: tuple[bytes, ...] = ()
    is_complete: bool = True
    is_named: bool = True


def next_step(
    state: State | None, seen: Seen, *, names: Sequence[x509.GeneralName], now: datetime, policy: Policy
) -> Step | None:
    """Return the change that is due, None if there is none. `names`: those that the leaf must have."""
    if state is None:
        return Step.FILL
    if _has_ended(state.ca.certificate, now):
        is_next_good = state.next is not None and not _has_ended(state.next.certificate, now)
        return Step.SWITCH if is_next_good else Step.BEGIN_ANEW
    if state.stored_bundle != state.bundle:
        return Step.REWRITE_BUNDLE
    if _needs_leaf(state, names, now):
        return Step.RENEW_LEAF
    return _RULES[state.phase](state, seen, now, policy)


def take_step(
    step: Step, state: State | None, *, names: Sequence[x509.GeneralName], now: datetime, policy: Policy
) -> State:
    """Return the Secret after a step; `state` is None for FILL only."""
    terms = _Terms(names, now, policy)
    made = _begin(terms) if state is None else _CHANGES[step](state, terms)
    return replace(made, stored_bundle=made.bundle)


# The due step


def _has_ended(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc <= now


def _is_due(certificate: x509.Certificate, now: datetime) -> bool:
    """Return whether a third of its life or less is left."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now <= life / 3


def _needs_leaf(state: State, names: Sequence[x509.GeneralName], now: datetime) -> bool:
    """NB: a leaf that expires with its authority is not renewed again and again: a new one would not live longer."""
    if state.leaf is None or not authority.covers(state.leaf.certificate, names):
        return True
    leaf, ca = state.leaf.certificate, state.ca.certificate
    return _is_due(leaf, now) and leaf.not_valid_after_utc < ca.not_valid_after_utc


def _when_stable(state: State, _seen: Seen, now: datetime, _policy: Policy) -> Step | None:
    return Step.PUBLISH if _is_due(state.ca.certificate, now) else None


def _when_published(state: State, seen: Seen, now: datetime, policy: Policy) -> Step | None:
    if not seen.is_named:
        return Step.CONFIRM if now >= state.since + policy.unseen_grace else None
    return Step.CONFIRM if _is_shown(state, seen) else None


def _when_shown(state: State, seen: Seen, now: datetime, policy: Policy) -> Step | None:
    if seen.is_named and seen.is_complete and not _is_shown(state, seen):
        return Step.RETRACT
    is_confirmed = not seen.is_named or seen.is_complete
    return Step.SWITCH if is_confirmed and now >= state.since + policy.grace else None


def _when_switched(state: State, _seen: Seen, now: datetime, policy: Policy) -> Step | None:
    return Step.DROP if now >= state.since + policy.drop_wait else None


def _is_shown(state: State, seen: Seen) -> bool:
    return seen.is_complete and all(cabundle.contains(bundle, state.trusted) for bundle in seen.bundles)


_RULES: Mapping[Phase, Callable[[State, Seen, datetime, Policy], Step | None]] = {
    Phase.STABLE: _when_stable,
    Phase.PUBLISHED: _when_published,
    Phase.SHOWN: _when_shown,
    Phase.SWITCHED: _when_switched,
}


# The Secret after a step


class _Terms(NamedTuple):
    names: Sequence[x509.GeneralName]
    now: datetime
    policy: Policy

    def make_ca(self) -> Pair:
        key = authority.make_key()
        return Pair(authority.issue_ca(key, now=self.now, lifetime=self.policy.ca_lifetime), key)

    def make_leaf(self, ca: Pair, more: Sequence[x509.GeneralName] = ()) -> Pair:
        key = authority.make_key()
        names = (*self.names, *more)
        return Pair(authority.issue_leaf(ca, key, names, now=self.now, lifetime=self.policy.leaf_lifetime), key)


def _begin(terms: _Terms) -> State:
    ca = terms.make_ca()
    return State(phase=Phase.STABLE, since=terms.now, ca=ca, leaf=terms.make_leaf(ca))


def _begin_anew(state: State, terms: _Terms) -> State:
    return replace(_begin(terms), retired=_retire(state, *state.trusted))


def _renew_leaf(state: State, terms: _Terms) -> State:
    """NB: replicas of two versions may ask for different names. A leaf that only lacks some names keeps those it has.

    Otherwise each replica would remove the other's names again and again. The next renewal has only the names of the
    replica that makes it.
    """
    more: tuple[x509.GeneralName, ...] = ()
    if state.leaf is not None and not _is_due(state.leaf.certificate, terms.now):
        more = tuple(name for name in authority.names_in(state.leaf.certificate) if name not in terms.names)
    return replace(state, leaf=terms.make_leaf(state.ca, more))


def _switch(state: State, terms: _Terms) -> State:
    assert state.next is not None  # noqa: S101 - the phases with this step have it, see `secretdata`
    return replace(
        state,
        phase=Phase.SWITCHED,
        since=terms.now,
        ca=state.next,
        leaf=terms.make_leaf(state.next),
        next=None,
        old=state.ca.certificate,
    )


def _drop(state: State, terms: _Terms) -> State:
    assert state.old is not None  # noqa: S101 - as above
    return replace(state, phase=Phase.STABLE, since=terms.now, old=None, retired=_retire(state, state.old))


def _retire(state: State, *certificates: x509.Certificate) -> tuple[x509.Certificate, ...]:
    return (*state.retired, *certificates)[-RETIRED_KEPT:]


_CHANGES: Mapping[Step, Callable[[State, _Terms], State]] = {
    Step.RENEW_LEAF: _renew_leaf,
    Step.REWRITE_BUNDLE: lambda state, _terms: state,
    Step.PUBLISH: lambda state, terms: replace(state, phase=Phase.PUBLISHED, since=terms.now, next=terms.make_ca()),
    Step.CONFIRM: lambda state, terms: replace(state, phase=Phase.SHOWN, since=terms.now),
    Step.RETRACT: lambda state, terms: replace(state, phase=Phase.PUBLISHED, since=terms.now),
    Step.SWITCH: _switch,
    Step.DROP: _drop,
    Step.BEGIN_ANEW: _begin_anew,
}
