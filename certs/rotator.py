"""The rounds of a replica: read the Secret, take the step that is due, keep the caBundles right, serve the leaf.

Theory of operation. A round is a sequence of single requests. It may stop after any of them, because the next round,
here or in another replica, begins with reading. There is no leader: of two replicas that write, one gets a conflict.

The leaf. A replica serves the leaf of the Secret, with one exception: if every caBundle accepts the served leaf but not
the new one (a user has emptied the Secret), it keeps the old leaf until the caBundles follow.

When. A round is due each INTERVAL_S, and at once when a watch reports a change (`store.Changes`). While the watches are
live and nothing is on its way, it is due each CALM_S, and then it reads the Secret alone: an unchanged one ends it,
except each WHOLE_S. NB: the tokens rely on CALM_S (`pathtokens.TokenPolicy.settle`).

Readiness. A replica becomes ready when every caBundle that it reads accepts its leaf. Later a caBundle never makes it
unready: a wrong caBundle affects all replicas alike, making all of them unready does not help, and the next round
repairs it. An expired leaf makes it unready. A configuration that cannot be read does not.

The path tokens are in the same Secret, and the same rounds keep them. If the certificate comes from files,
`TokenRotator` does the rounds for the tokens: with a Secret of their own, or with a file.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Protocol

from cryptography import x509

from . import authority, cabundle, pathtokens
from .pathtokens import (
    PathTokens,
    SeenTokens,
    TokenPolicy,
    TokenStep,
    parse_tokens,
    registered_token,
    render_tokens,
    tokens_in,
)  # fmt: skip
from .rotation import Policy, Seen, Step, next_step, take_step
from .secretdata import Phase, State, StateError, parse_state, render_state
from .store import Changes, ConfigurationStore, Due, NoChanges, SecretStore, Stored, StoreError, read_configurations

logger = logging.getLogger("nadmit.certs")

INTERVAL_S = 10.0
CALM_S = 45.0
WHOLE_S = 300.0
RETRY_S = 0.5
"""The pause after a conflict, and between attempts at the start."""
START_WITHIN_S = 30.0
NO_TOKEN = ""
STOP_WITHIN_S = 15.0
"""A running request ends by itself within this time."""


class RotatorError(Exception):
    """The start got no certificate or token. The text says where, what is wrong and what to do, in one line."""


class Rounds:
    """A part of the server that does rounds in a thread. A subclass has `steps` and `has_begun`."""

    kept: ClassVar[str]
    """The thing that stays in use if a round fails, such as `the served certificate`."""
    needed: ClassVar[str]
    """The thing that the start waits for, such as `certificate`."""

    def __init__(
        self, where: str, *, name: str, changes: Changes | None, on_failure: Callable[[], None] = lambda: None
    ) -> None:
        """`where`: the store, as messages name it. `name`: of the thread. `changes`: None if nobody watches it."""
        self._where = where
        self._changes = changes or NoChanges()
        self._is_routine = False
        """Whether nothing has changed since the last round, as far as the watches know."""
        self._read_all: tuple[str | None, datetime] | None = None
        """The version of the Secret in the last whole round, and the beginning of that round."""
        self._on_failure = on_failure
        self._complaint = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def steps(self) -> Iterator[None]:
        """Do one round, yielding after each request. Raises StateError and StoreError."""
        raise NotImplementedError

    def has_begun(self) -> bool:
        """Say whether the start need not wait any longer."""
        raise NotImplementedError

    def is_calm(self) -> bool:
        """Say whether no step is on its way, so that only time or another writer makes the next one due."""
        raise NotImplementedError

    def round(self) -> None:
        """Do one round. Raises StateError and StoreError; then the served certificate and the tokens stay."""
        for _ in self.steps():
            if self._stopping.is_set():
                return

    def start(self) -> None:
        """Do rounds until `has_begun`, then go on in a thread.

        Blocks for at most START_WITHIN_S and one request. Raises RotatorError after that time, and for damaged data.
        """
        deadline = time.monotonic() + START_WITHIN_S
        while not self.has_begun():
            try:
                self.round()
            except StateError as error:
                raise RotatorError(f"{self._where}: {error}") from error
            except StoreError as error:
                if time.monotonic() > deadline:
                    raise RotatorError(f"no {self.needed} within {START_WITHIN_S:.0f} s: {error}") from error
                self._complain(str(error))
                self._stopping.wait(RETRY_S)
        self._thread.start()

    def wake(self) -> None:
        """Do a whole round now."""
        self._changes.wake()

    def stop(self) -> None:
        """End after the running request."""
        self._stopping.set()
        self._changes.stop()
        self._thread.join(STOP_WITHIN_S)

    def _run(self) -> None:
        pause = INTERVAL_S
        while True:
            spread = random.uniform(0.8, 1.2)  # noqa: S311 - only spreads the replicas
            is_calm = self.is_calm if pause == INTERVAL_S else lambda: False
            due = self._changes.rest(pause * spread, calm_s=CALM_S * spread, is_calm=is_calm)
            if self._stopping.is_set():
                return
            self._is_routine = due is Due.CALM
            pause = self._try_round()

    def _has_read_all(self, stored: Stored, now: datetime) -> bool:
        """Say whether a round may end that has found this Secret, because the last whole one found the same."""
        if not self._is_routine or self._read_all is None or stored.version is None:
            return False
        version, began = self._read_all
        return version == stored.version and timedelta(0) <= now - began < timedelta(seconds=WHOLE_S)

    def _try_round(self) -> float:
        """Do a round, and return the seconds until the next. A failure is logged once until a round succeeds."""
        try:
            self.round()
        except (StateError, StoreError) as error:
            self._read_all = None  # the next one is whole
            if isinstance(error, StoreError) and error.is_conflict:
                return RETRY_S
            self._complain(str(error))
        except Exception:
            self._read_all = None
            logger.exception("internal error: %s: this round was not done; %s stays", self._where, self.kept)
            self._on_failure()
        else:
            self._complaint = ""
        return INTERVAL_S

    def _complain(self, text: str) -> None:
        self._on_failure()
        if text != self._complaint:
            self._complaint = text
            logger.warning("%s: %s; %s stays", self._where, text, self.kept)


class TokenKeeper:
    """The tokens that this replica accepts and registers. Any thread may use `accepted` and `to_register`.

    `is_required`: whether paths need a token. If not, the replica stores no tokens, but accepts stored ones, because
    another replica may have registered one.
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
        """Return the tokens after the step that is due, and that step. Raises TokensError for the stored ones."""
        tokens = parse_tokens(data)
        step = pathtokens.next_step(tokens, seen, now=now, policy=self._policy) if self.is_required else None
        return (tokens, None) if step is None else (pathtokens.take_step(step, tokens, seen, now=now), step)

    def know(self, tokens: PathTokens | None) -> None:
        """Take note of the stored tokens."""
        self.tokens = tokens
        stored = () if tokens is None else tokens.accepted
        self.accepted = stored if self.is_required else (NO_TOKEN, *stored)

    def is_calm(self) -> bool:
        """Say whether no replica still has to learn of the tokens, and none is about to be dropped."""
        if not self.is_required or self.tokens is None:
            return not self.is_required
        return not self.tokens.former and self._now() >= self.tokens.made + self._policy.settle

    def to_register(self, present: Sequence[str]) -> str | None:
        """Return the token to register in place of the present ones; "" for none, None if it is not known yet."""
        if not self.is_required:
            return NO_TOKEN
        if self.tokens is None:
            return None
        return registered_token(self.tokens, present, now=self._now(), policy=self._policy)


class Observer(Protocol):
    """Counts for metrics. The rotator's thread calls it."""

    def state(self, state: State) -> None:
        """Take note of the state of the Secret."""

    def step(self, step: Step | TokenStep) -> None:
        """Count a step that this replica took."""

    def failure(self) -> None:
        """Count a failed round."""


class Rotator(Rounds):
    """The certificates of one replica. `start`, `stop` and `problem` are those of a part of the server."""

    kept = "the served certificate"
    needed = "certificate"

    def __init__(  # noqa: PLR0913 - a composition: one argument per part
        self,
        secret: SecretStore,
        configurations: ConfigurationStore,
        *,
        names: Sequence[str],
        on_leaf: Callable[[bytes, bytes], None],
        observer: Observer | None = None,
        tokens: TokenKeeper | None = None,
        changes: Changes | None = None,
        policy: Policy | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`names`: DNS names and addresses for the leaf; `on_leaf(certificate, key)`: PEM to serve from now on.

        `tokens`: the keeper of the path tokens; None if the Secret has none. `changes`: of the Secret and the
        configurations. Raises MaterialError for a bad name.
        """
        super().__init__(
            secret.where,
            name="certs",
            changes=changes,
            on_failure=lambda: observer.failure() if observer else None,
        )
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
        self._tokens = tokens

    # A part of the server

    def has_begun(self) -> bool:
        """Say whether there is a leaf."""
        return self._served is not None

    def is_calm(self) -> bool:
        """Say whether every caBundle accepts the leaf, and the next step is days away."""
        is_quiet = self._state is not None and self._state.phase in (Phase.STABLE, Phase.SWITCHED)
        return is_quiet and not self._unaccepted and (self._tokens is None or self._tokens.is_calm())

    def problem(self) -> str | None:
        """Say why this replica is not ready; None if it is."""
        if self._served is None:
            return "there is no certificate yet"
        if self._served.not_valid_after_utc <= self._now():
            return "the certificate has expired"
        if self._unaccepted and not self._has_joined:
            return f"the certificate is not accepted yet by the caBundle of {', '.join(self._unaccepted)}"
        return None

    # Questions of other parts

    def ca_bundle(self) -> bytes | None:
        """Return the authorities that the caBundle of our webhooks must contain now, PEM.

        None before the first read of the Secret, and if the last one is longer ago than half the grace time: another
        replica may have taken a step, and a webhook with an old caBundle would refuse the next leaf.
        """
        if self._state is None or self._read_at is None or self._now() - self._read_at > self._policy.grace / 2:
            return None
        return self._state.bundle

    @property
    def not_after(self) -> datetime | None:
        """When the served leaf expires."""
        return None if self._served is None else self._served.not_valid_after_utc

    # A round

    def steps(self) -> Iterator[None]:
        """Do one round. Yield after each request. Raises as `round`."""
        began = self._now()
        stored = self._secret.read()
        yield
        if self._has_read_all(stored, began):
            self._read_at = began
            return
        state = parse_state(stored.data)
        found, failed = read_configurations(self._configurations)
        yield
        seen = Seen(
            bundles=tuple(bundle for value in found.values() for bundle in cabundle.own_bundles(value).values()),
            is_complete=failed is None,
            is_named=bool(self._configurations.names),
        )
        now = self._now()
        data: dict[str, bytes] = {}
        step = next_step(state, seen, names=self._names, now=now, policy=self._policy)
        if step is not None:
            state = take_step(step, state, names=self._names, now=now, policy=self._policy)
            data |= render_state(state)
        tokens, token_step = self._plan_tokens(stored.data, found, seen, now)
        if tokens is not None and token_step is not None:
            data |= render_tokens(tokens)
        if data:
            if now - began > self._policy.grace / 2:
                return  # the process was stopped meanwhile; the objects that it read are too old to act on
            self._secret.write(data, stored.version)
            self._tell(step, token_step, state)
            yield
        assert state is not None  # noqa: S101 - an empty Secret has a step
        self._know(state, began)
        if self._tokens is not None:
            self._tokens.know(tokens)
        for name in found:
            failed = self._amend(name, found, state) or failed
            yield
        self._serve(state, found, is_complete=seen.is_complete)
        if failed is not None:
            raise failed
        self._read_all = None if data else (stored.version, began)

    def _plan_tokens(
        self, data: Mapping[str, bytes], found: Mapping[str, Mapping[str, Any]], seen: Seen, now: datetime
    ) -> tuple[PathTokens | None, TokenStep | None]:
        """NB: without named configurations a replica cannot see the registered webhooks, so it changes nothing."""
        if self._tokens is None:
            return None, None
        if not seen.is_named:
            return parse_tokens(data), None
        return self._tokens.plan(data, SeenTokens(tokens_in(found.values()), seen.is_complete), now)

    def _amend(self, name: str, found: dict[str, Mapping[str, Any]], state: State) -> StoreError | None:
        """Bring the caBundles of one configuration up to date; return the error if that fails."""
        operations = cabundle.patch_for(found[name], trusted=state.trusted, retired=state.retired)
        if not operations:
            return None
        try:
            found[name] = self._configurations.patch(name, operations)
        except StoreError as error:
            return error
        logger.info("%s: caBundle brought up to date", name)
        return None

    def _tell(self, step: Step | None, token_step: TokenStep | None, state: State | None) -> None:
        if step is not None and state is not None:
            logger.info("%s: %s; the rotation is in phase %s", self._secret.where, step, state.phase)
        if token_step is not None:
            logger.info("%s: %s", self._secret.where, token_step)
        for taken in (step, token_step):
            if taken is not None and self._observer is not None:
                self._observer.step(taken)

    def _know(self, state: State, began: datetime) -> None:
        self._state = state
        self._read_at = began
        if self._observer is not None:
            self._observer.state(state)

    def _serve(self, state: State, found: Mapping[str, Mapping[str, Any]], *, is_complete: bool) -> None:
        """Serve the leaf of the Secret, unless callers accept only the served one; see the module."""
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
        """Return the webhooks whose caBundle does not accept a leaf."""
        now = self._now()
        return tuple(
            where for where, bundle in bundles.items() if leaf is None or not cabundle.accepts(bundle, leaf, now)
        )


class TokenRotator(Rounds):
    """Keeps the tokens if there is no `Rotator`. A part of the server."""

    kept = "the known path tokens"
    needed = "path token"

    def __init__(
        self,
        store: SecretStore,
        configurations: ConfigurationStore,
        keeper: TokenKeeper,
        *,
        changes: Changes | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`changes`: of the store, unless it is a file, and of the configurations."""
        super().__init__(store.where, name="path-tokens", changes=changes)
        self._store = store
        self._configurations = configurations
        self._keeper = keeper
        self._now = now

    def has_begun(self) -> bool:
        """Say whether there are tokens."""
        return self._keeper.tokens is not None or not self._keeper.is_required

    def is_calm(self) -> bool:
        """Say whether nothing is due with the tokens."""
        return self._keeper.is_calm()

    def problem(self) -> str | None:
        """Return None: the start waits for the tokens."""
        return None

    def steps(self) -> Iterator[None]:
        """Do one round: read, and take the step that is due."""
        began = self._now()
        stored = self._store.read()
        yield
        if self._has_read_all(stored, began):
            return
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
        self._read_all = None if step is not None else (stored.version, began)
