"""When the certificates in the Secret change, and into what. Pure but for the randomness of new keys.

Theory of operation. The Secret is the only truth. Any replica may take the next step, with the resourceVersion that it
read; of two that try, one gets a conflict, and reads again. A leaf is renewed under its authority when a third of its
life is left, which no `caBundle` notices. An authority is rotated when a third of its life is left:

    Stable     --publish-->  Published  a next authority is made; `ca.crt` has both
    Published  --confirm-->  Shown      every own webhook's caBundle was seen with both; the grace time runs
    Shown      --retract-->  Published  somebody put an old caBundle back; the wait begins again
    Shown      --switch--->  Switched   the grace time has passed and all still show both: the next authority signs the
                                        leaf, the key of the old one is gone
    Switched   --drop----->  Stable     every leaf that the old authority signed has ended: it leaves `ca.crt`

Why these waits. After *confirm*: an API server of several may act on a configuration of some seconds ago, and a replica
that has not read the Secret of late may still write a caBundle of before. After *switch*: a replica that is cut off, or
stopped for days, serves the leaf that it has; so the old authority stays for the longest life of a leaf, and no such
replica is ever refused for it.

Where there is nothing to wait for: an authority that has ended makes every leaf worthless (a cluster that was off for a
year), so the next one takes over at once, or a new one is made. A clock that is behind only makes a replica wait. Where
no configuration is named, what callers trust cannot be seen: then `unseen_grace` takes the place of confirmation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509

from . import authority, cabundle
from .authority import Pair
from .secretdata import Phase, State

RETIRED_KEPT = 8
"""Five years of authorities. They are remembered so that a caBundle of long ago is cleaned, too."""


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
    """How long things live, and how long a step waits. Raises ValueError for times that do not fit into each other.

    `grace` must exceed the lag of API servers and the time between two reads of the Secret by far; a round that takes
    longer than half of it is given up. A third of an authority's life must have room for the whole rotation.
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
        """From the switch to the end of the last leaf that the old authority can have signed."""
        return max(self.grace, self.leaf_lifetime)


@dataclass(frozen=True, slots=True)
class Seen:
    """The caBundles of own webhooks, as read after the Secret.

    `bundles`: PEM, one per webhook. `is_complete`: whether every configuration that is named could be read; one that
    does not exist counts as read. `is_named`: whether any is named at all.
    """

    bundles: tuple[bytes, ...] = ()
    is_complete: bool = True
    is_named: bool = True


def next_step(
    state: State | None, seen: Seen, *, names: Sequence[x509.GeneralName], now: datetime, policy: Policy
) -> Step | None:
    """Return the change that is due; None if nothing is. `names`: those that the leaf must have."""
    if state is None:
        return Step.FILL
    if _has_ended(state.ca.certificate, now):
        is_next_good = state.next is not None and not _has_ended(state.next.certificate, now)
        return Step.SWITCH if is_next_good else Step.BEGIN_ANEW
    if state.said != state.bundle:
        return Step.REWRITE_BUNDLE
    if _needs_leaf(state, names, now):
        return Step.RENEW_LEAF
    return _RULES[state.phase](state, seen, now, policy)


def take_step(
    step: Step, state: State | None, *, names: Sequence[x509.GeneralName], now: datetime, policy: Policy
) -> State:
    """Return the Secret after a step; `state` is None for FILL only."""
    made = _begin(names, now, policy) if state is None else _CHANGES[step](state, names, now, policy)
    return replace(made, said=made.bundle)


# What is due


def _has_ended(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc <= now


def _is_due(certificate: x509.Certificate, now: datetime) -> bool:
    """Return whether no more than a third of its life is left."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now <= life / 3


def _needs_leaf(state: State, names: Sequence[x509.GeneralName], now: datetime) -> bool:
    """NB: a leaf that ends with its authority is not renewed over and over: nothing would be gained."""
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


# What it becomes


def _begin(names: Sequence[x509.GeneralName], now: datetime, policy: Policy) -> State:
    ca = _make_ca(now, policy)
    return State(phase=Phase.STABLE, since=now, ca=ca, leaf=_make_leaf(ca, names, now, policy))


def _begin_anew(state: State, names: Sequence[x509.GeneralName], now: datetime, policy: Policy) -> State:
    return replace(_begin(names, now, policy), retired=_retire(state, *state.trusted))


def _renew_leaf(state: State, names: Sequence[x509.GeneralName], now: datetime, policy: Policy) -> State:
    """NB: replicas of two versions may ask for different names; a leaf that only lacks some keeps those it has.

    Else each would take away the other's, again and again. The next renewal has the names of who makes it.
    """
    wanted = tuple(names)
    if state.leaf is not None and not _is_due(state.leaf.certificate, now):
        wanted += tuple(name for name in authority.names_in(state.leaf.certificate) if name not in names)
    return replace(state, leaf=_make_leaf(state.ca, wanted, now, policy))


def _rewrite_bundle(state: State, _names: Sequence[x509.GeneralName], _now: datetime, _policy: Policy) -> State:
    return state


def _publish(state: State, _names: Sequence[x509.GeneralName], now: datetime, policy: Policy) -> State:
    return replace(state, phase=Phase.PUBLISHED, since=now, next=_make_ca(now, policy))


def _confirm(state: State, _names: Sequence[x509.GeneralName], now: datetime, _policy: Policy) -> State:
    return replace(state, phase=Phase.SHOWN, since=now)


def _retract(state: State, _names: Sequence[x509.GeneralName], now: datetime, _policy: Policy) -> State:
    return replace(state, phase=Phase.PUBLISHED, since=now)


def _switch(state: State, names: Sequence[x509.GeneralName], now: datetime, policy: Policy) -> State:
    assert state.next is not None  # noqa: S101 - the phases with this step have it, see `state`
    return replace(
        state,
        phase=Phase.SWITCHED,
        since=now,
        ca=state.next,
        leaf=_make_leaf(state.next, names, now, policy),
        next=None,
        old=state.ca.certificate,
    )


def _drop(state: State, _names: Sequence[x509.GeneralName], now: datetime, _policy: Policy) -> State:
    assert state.old is not None  # noqa: S101 - as above
    return replace(state, phase=Phase.STABLE, since=now, old=None, retired=_retire(state, state.old))


def _retire(state: State, *certificates: x509.Certificate) -> tuple[x509.Certificate, ...]:
    return (*state.retired, *certificates)[-RETIRED_KEPT:]


def _make_ca(now: datetime, policy: Policy) -> Pair:
    key = authority.make_key()
    return Pair(authority.issue_ca(key, now=now, lifetime=policy.ca_lifetime), key)


def _make_leaf(ca: Pair, names: Sequence[x509.GeneralName], now: datetime, policy: Policy) -> Pair:
    key = authority.make_key()
    return Pair(authority.issue_leaf(ca, key, names, now=now, lifetime=policy.leaf_lifetime), key)


_CHANGES: Mapping[Step, Callable[[State, Sequence[x509.GeneralName], datetime, Policy], State]] = {
    Step.RENEW_LEAF: _renew_leaf,
    Step.REWRITE_BUNDLE: _rewrite_bundle,
    Step.PUBLISH: _publish,
    Step.CONFIRM: _confirm,
    Step.RETRACT: _retract,
    Step.SWITCH: _switch,
    Step.DROP: _drop,
    Step.BEGIN_ANEW: _begin_anew,
}
