"""The migration of paths without a token to paths with one, and back, while replicas of both kinds run (pure).

Theory of operation. A version that knows no tokens answers 404 to a path with a token. A replica that requires a token
answers 404 to a path without. No replica knows the others, but each writes its own list of webhooks. So before the
paths change, a replica adds a probe to the list: a webhook without rules, which is never called. A replica of the other
kind does not know the probe and removes it. If the probe stays for ROUNDS periods, there is no such replica, and the
paths change. If it was removed, the replica adds it again after a pause. The pause doubles each time, so that replicas
of two kinds do not overwrite each other's list all the time.

A new token in place of another one needs no migration: each replica accepts the next tokens before they are registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from . import configurations
from .conditions import LabelProtection, StatusProtection
from .configurations import Target, Webhook, is_ours, token_of
from .tables import DOMAIN, Kind

ROUNDS = 6
"""Periods of 8 to 10 s. A replica of the other kind would remove the probe in each."""
LONGEST_PAUSE = 30
"""Periods; five minutes."""

UPGRADE = ".upgrade" + DOMAIN
TO_TOKEN, TO_PLAIN = "token" + UPGRADE, "plain" + UPGRADE
PROBES = (TO_TOKEN, TO_PLAIN)


class MigrationStep(NamedTuple):
    """The token to register, and the name of the probe in the list, None without one."""

    token: str
    probe: str | None = None

    def webhooks(
        self,
        kind: Kind,
        target: Target,
        *,
        ca_bundle: bytes | None,
        stage: str,
        protection: StatusProtection,
        labels: LabelProtection,
        own_kinds: Sequence[tuple[str, str]] = (),
    ) -> list[Webhook]:
        """Return the list: see `configurations.webhooks`."""
        made = configurations.webhooks(
            kind,
            target,
            ca_bundle=ca_bundle,
            stage=stage,
            protection=protection,
            labels=labels,
            own_kinds=own_kinds,
            token=self.token,
        )
        if self.probe is None:
            return made
        return [*made, configurations.probe_webhook(kind, target, ca_bundle, name=self.probe, token=self.token)]


class PathMigration:
    """The migration of one configuration. The registrar calls `plan` in each period, and again after a conflict.

    NB: a replica that sees another one's probe for the first time keeps it, even between two periods.
    """

    def __init__(self) -> None:
        self._is_running = False
        self._seen_rounds = 0
        self._is_placed = False
        self._pause = 0
        self._next_pause = 1

    @property
    def is_running(self) -> bool:
        """Whether paths of the other kind are registered."""
        return self._is_running

    def plan(self, present: Sequence[Webhook], token: str, *, is_new_round: bool) -> MigrationStep:
        """Return the token and the probe to register now if paths shall have this token ("" for none)."""
        registered = [token_of(hook) for hook in present if is_ours(hook) and hook["name"] not in PROBES]
        others = [other for other in registered if bool(other) != bool(token)]
        if not others:
            self.__init__()  # type: ignore[misc]  # as at the start
            return MigrationStep(token)
        is_first_sight, self._is_running = not self._is_running, True
        probe = TO_TOKEN if token else TO_PLAIN
        is_present = any(hook["name"] == probe for hook in present)
        if is_new_round or is_first_sight:
            self._advance(is_present=is_present)
        if self._seen_rounds >= ROUNDS:
            return MigrationStep(token)
        return MigrationStep(others[0], probe if self._is_placed else None)

    def _advance(self, *, is_present: bool) -> None:
        if is_present:
            self._is_placed = True
            self._seen_rounds += 1
            return
        if self._is_placed:  # another replica removed it
            self._pause, self._next_pause = self._next_pause, min(2 * self._next_pause, LONGEST_PAUSE)
        self._seen_rounds = 0
        self._is_placed = self._pause == 0
        self._pause = max(0, self._pause - 1)
