"""What each replica does: read the Secret, take the step that is due, keep the caBundles right, serve the leaf.

Theory of operation. A round is a sequence of single requests; whoever drives it may stop after any of them, since the
next round, here or in another replica, begins with reading. No replica leads: of two that write, one gets a conflict.

The leaf. A replica serves what the Secret has. One exception: while the leaf that it serves is accepted by every
caBundle and the new one is not (somebody has emptied the Secret), it keeps the old one until the caBundles follow.

Readiness. A replica joins when every caBundle that it sees accepts its leaf. One that has joined is never taken out for
a caBundle: whatever is wrong there is wrong for all replicas alike, taking all of them out helps nobody, and the next
round repairs it. What takes it out is a leaf that has ended. A configuration that cannot be read keeps nobody out.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from cryptography import x509

from . import authority, cabundle
from .rotation import Policy, Seen, Step, next_step, take_step
from .state import State, StateError, parse_state, render_state
from .store import ConfigurationStore, ConflictError, SecretStore, StoreError

logger = logging.getLogger("nadmit.certs")

INTERVAL_S = 10.0
RETRY_S = 0.5
"""After a conflict, and between the tries of the start."""
START_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0
"""A request under way ends by itself within this time."""


class RotatorError(Exception):
    """There is no certificate to begin with: where, what is wrong, what to do, in one line."""


class Observer(Protocol):
    """Who is told what happens, for metrics. Called from the rotator's thread."""

    def state(self, state: State) -> None:
        """Take note of what the Secret holds."""

    def step(self, step: Step) -> None:
        """Count a step that this replica took."""

    def failure(self) -> None:
        """Count a round that did not come to its end."""


class Rotator:
    """The certificates of one replica. `start`, `stop` and `problem` are those of a part of the server."""

    def __init__(
        self,
        secret: SecretStore,
        configurations: ConfigurationStore,
        *,
        names: Sequence[str],
        on_leaf: Callable[[bytes, bytes], None],
        observer: Observer | None = None,
        policy: Policy | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`names`: DNS names and addresses for the leaf; `on_leaf(certificate, key)`: PEM to serve from now on.

        Raises MaterialError for a bad name.
        """
        self._secret = secret
        self._configurations = configurations
        self._names = [authority.parse_name(name) for name in names]
        self._on_leaf = on_leaf
        self._observer = observer
        self._policy = policy or Policy()
        self._now = now
        self._state: State | None = None
        self._read_at: datetime | None = None
        self._served: x509.Certificate | None = None
        self._has_joined = False
        self._unaccepted: tuple[str, ...] = ()
        self._complaint = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="certs", daemon=True)

    # A part of the server

    def start(self) -> None:
        """Get a leaf, then go on in a thread. Blocks for at most START_WITHIN_S and one request.

        Raises RotatorError if there is no leaf by then, or if the Secret is damaged.
        """
        deadline = time.monotonic() + START_WITHIN_S
        while self._served is None:
            try:
                self.round()
            except StateError as error:
                raise RotatorError(f"{self._secret.where}: {error}") from error
            except StoreError as error:
                if time.monotonic() > deadline:
                    raise RotatorError(f"no certificate within {START_WITHIN_S:.0f} s: {error}") from error
                self._complain(str(error))
                self._stopping.wait(RETRY_S)
        self._thread.start()

    def stop(self) -> None:
        """End after the request that is under way."""
        self._stopping.set()
        self._thread.join(STOP_WITHIN_S)

    def problem(self) -> str | None:
        """Say why this replica is not to be asked; None when it is."""
        if self._served is None:
            return "there is no certificate yet"
        if self._served.not_valid_after_utc <= self._now():
            return "the certificate has expired"
        if self._unaccepted and not self._has_joined:
            return f"the certificate is not accepted yet by the caBundle of {', '.join(self._unaccepted)}"
        return None

    # What others ask

    def ca_bundle(self) -> bytes | None:
        """Return what the caBundle of own webhooks must contain now, PEM.

        None before the Secret was read, and when that is longer ago than half the grace time: another replica may have
        gone on, and a webhook that is registered with an old caBundle would refuse the leaf of tomorrow.
        """
        if self._state is None or self._read_at is None or self._now() - self._read_at > self._policy.grace / 2:
            return None
        return self._state.bundle

    @property
    def not_after(self) -> datetime | None:
        """The end of the leaf that is served."""
        return None if self._served is None else self._served.not_valid_after_utc

    # A round

    def round(self) -> None:
        """Do one round. Raises StateError and StoreError, and then serves on with what it has."""
        for _ in self.steps():
            if self._stopping.is_set():
                return

    def steps(self) -> Iterator[None]:
        """Do one round, yielding after each request. Raises as `round`."""
        began = self._now()
        stored = self._secret.read()
        yield
        state = parse_state(stored.data)
        found, failed = self._read_configurations()
        yield
        seen = Seen(
            bundles=tuple(bundle for value in found.values() for bundle in cabundle.own_bundles(value).values()),
            is_complete=failed is None,
            is_named=bool(self._configurations.names),
        )
        now = self._now()
        step = next_step(state, seen, names=self._names, now=now, policy=self._policy)
        if step is not None:
            if now - began > self._policy.grace / 2:
                return  # this replica was stopped meanwhile; what it read is too old to act on
            state = take_step(step, state, names=self._names, now=now, policy=self._policy)
            self._secret.write(render_state(state), stored.version)
            self._tell(step, state)
            yield
        assert state is not None  # noqa: S101 - an empty Secret has a step
        self._know(state, began)
        for name in found:
            failed = self._amend(name, found, state) or failed
            yield
        self._serve(state, found, is_complete=seen.is_complete)
        if failed is not None:
            raise failed

    def _read_configurations(self) -> tuple[dict[str, Mapping[str, Any]], StoreError | None]:
        """Return those that exist, and what kept another from being read: a leaf is renewed all the same."""
        found: dict[str, Mapping[str, Any]] = {}
        failed = None
        for name in self._configurations.names:
            try:
                value = self._configurations.read(name)
            except StoreError as error:
                failed = error
            else:
                if value is not None:
                    found[name] = value
        return found, failed

    def _amend(self, name: str, found: dict[str, Mapping[str, Any]], state: State) -> StoreError | None:
        """Bring the caBundles of one configuration up to date; return what kept it from that."""
        operations = cabundle.patch_for(found[name], wanted=state.trusted, retired=state.retired)
        if not operations:
            return None
        try:
            found[name] = self._configurations.patch(name, operations)
        except StoreError as error:
            return error
        logger.info("%s: caBundle brought up to date", name)
        return None

    def _tell(self, step: Step, state: State) -> None:
        logger.info("%s: %s; the rotation is in phase %s", self._secret.where, step, state.phase)
        if self._observer is not None:
            self._observer.step(step)

    def _know(self, state: State, began: datetime) -> None:
        self._state = state
        self._read_at = began
        if self._observer is not None:
            self._observer.state(state)

    def _serve(self, state: State, found: Mapping[str, Mapping[str, Any]], *, is_complete: bool) -> None:
        """Take the leaf of the Secret, unless callers accept only the one that is served; see the module."""
        bundles = {
            f"webhook {webhook} of {name}": bundle
            for name, value in found.items()
            for webhook, bundle in cabundle.own_bundles(value).items()
        }
        leaf = state.leaf
        if leaf is not None and leaf.certificate != self._served:
            is_good = self._served is None or not self._refusing(leaf.certificate, bundles)
            if is_good or self._refusing(self._served, bundles):
                self._on_leaf(authority.render_certificate(leaf.certificate), authority.render_key(leaf.key))
                self._served = leaf.certificate
        self._unaccepted = self._refusing(self._served, bundles)
        self._has_joined = self._has_joined or (is_complete and not self._unaccepted)

    def _refusing(self, leaf: x509.Certificate | None, bundles: Mapping[str, bytes]) -> tuple[str, ...]:
        """Return whose caBundle does not accept a leaf."""
        now = self._now()
        return tuple(
            where for where, bundle in bundles.items() if leaf is None or not cabundle.accepts(bundle, leaf, now)
        )

    # The thread

    def _run(self) -> None:
        pause = INTERVAL_S
        while not self._stopping.wait(pause * random.uniform(0.8, 1.2)):  # noqa: S311 - only spreads the replicas
            pause = self._try_round()

    def _try_round(self) -> float:
        """Do a round, whatever comes, and return the seconds to the next. The same complaint is written once."""
        try:
            self.round()
        except ConflictError:
            return RETRY_S
        except (StateError, StoreError) as error:
            self._complain(str(error))
        except Exception:
            logger.exception("internal error: the certificates are not looked after; the served one stays")
            self._count_failure()
        else:
            self._complaint = ""
        return INTERVAL_S

    def _complain(self, text: str) -> None:
        self._count_failure()
        if text != self._complaint:
            self._complaint = text
            logger.warning("%s: %s; the served certificate stays", self._secret.where, text)

    def _count_failure(self) -> None:
        if self._observer is not None:
            self._observer.failure()
