"""The registrar: a thread that fills in the webhook configurations, one of each kind, and keeps them.

Theory of operation. The manifests create the configurations without webhooks, so applying them again changes nothing
here, and the account needs only get and patch. The thread waits until the server is ready for the first time, because
the API server calls every registered webhook. Then it reads each object in each period, and at once after a change that
a watch reports, and compares:

    absent                     log it once and try again; the server stays ready, because reviews may also reach it
                               by a registration of another name
    as desired                 write nothing
    different                  patch it, if it is still the object that was read (JSON patch, test on resourceVersion)
    changed meanwhile          read it again at once: another replica, a rotation or a person has changed it
    no authority known yet     write nothing: every call of a webhook without caBundle would fail
    another kind of path       `pathmigration` says when all replicas accept the desired one
    new                        a new installation begins with stage Observe. An object that was deleted and created
                               again begins with Ignore: this replica, or the object of the other kind, knows that
                               webhooks may refuse

While the watches are live, all is in order, no migration of paths runs, and the list would be made as before (the
authors of network-status, the protection of labels, the token), a period lasts CALM_S. While a migration runs, changes
wait for the end of the period.

Injection is registered before judgement (`tables.KINDS`). The kinds are independent: a missing object of one does not
stop the other. Replicas need no leader: all write the same list, and the second one finds it in order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Event, Thread
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from certs.store import Changes, Due, NoChanges
from webhook.kube.apierrors import ClusterError, ConflictError, NotFoundError
from webhook.kube.retry import OnceLog

from .conditions import LabelProtection, StatusProtection
from .configurations import (
    IGNORE,
    OBSERVE,
    STAGES,
    Stage,
    Target,
    Webhook,
    completed,
    differences,
    is_new,
    is_ours,
    stage_of,
    token_of,
    webhooks_of,
    without_bundle,
)
from .pathmigration import PathMigration
from .registered import RegisteredWebhooks
from .tables import KINDS, Kind

logger = logging.getLogger("nadmit.registration")

PERIOD_S = 10.0
CALM_S = 300.0
READY_POLL_S = 0.1
JITTER = 0.2
"""The random part of a period, so that replicas do not ask at the same time."""
TRIES = 5
"""Tries at once after a conflict. Then the next period tries again."""


class _Sources(NamedTuple):
    """What a list of webhooks is made from, apart from the authority. `token`: None if it is not known yet."""

    protection: StatusProtection
    labels: LabelProtection
    own_kinds: Sequence[tuple[str, str]]
    token: str | None


class _Kept:
    """The state of one configuration."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.is_in_order = False
        self.stage = ""
        self.written = 0
        self.failed = 0
        self.migration = PathMigration()
        self.present: Sequence[Webhook] = ()
        self.made_from: _Sources | None = None

    def fail(self) -> None:
        self.is_in_order = False
        self.failed += 1


class Registrar(Collector):
    """See the module. Implements `compose.Part`, and is a collector of Prometheus."""

    def __init__(  # noqa: PLR0913 - a composition: one argument per part
        self,
        registered: RegisteredWebhooks,
        *,
        target: Target,
        is_ready: Callable[[], bool],
        ca_bundle: Callable[[], bytes | None],
        protection: Callable[[], StatusProtection],
        labels: Callable[[], LabelProtection] = LabelProtection,
        own_kinds: Callable[[], Sequence[tuple[str, str]]] = tuple,
        path_token: Callable[[Sequence[str]], str | None],
        random: Callable[[], float],
        changes: Changes | None = None,
        period_s: float = PERIOD_S,
    ) -> None:
        """`ca_bundle`: PEM, None if not known yet; it may raise ClusterError. `random`: returns 0 to 1.

        `own_kinds`: group and plural of the kinds that an admin describes. `path_token`: from the tokens of the present
        webhooks to the token to register, "" for none; None if not known yet. `changes`: of the configurations; None if
        nobody watches them.
        """
        self._registered = registered
        self._target = target
        self._is_ready = is_ready
        self._ca_bundle = ca_bundle
        self._protection = protection
        self._labels = labels
        self._own_kinds = own_kinds
        self._path_token = path_token
        self._random = random
        self._changes = changes or NoChanges()
        self._period_s = period_s
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="registrar", daemon=True)
        self._kept = [_Kept(kind) for kind in KINDS]
        self._log = OnceLog(logger)

    def start(self) -> None:
        """Begin to wait for readiness. Raises ClusterError without a usable kubeconfig."""
        self._registered.connection.open()
        self._thread.start()

    def stop(self) -> None:
        """End within the time of one request. The webhooks stay registered."""
        self._stopping.set()
        self._changes.stop()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def problem(self) -> str | None:
        """Return None: the server can review whether or not it is registered."""
        return None

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        registered = GaugeMetricFamily(
            "nadmit_webhooks_registered", "1 while the webhook configuration is as it should be", labels=("kind",)
        )
        writes = CounterMetricFamily(
            "nadmit_registrations", "Attempts to mend a webhook configuration", labels=("kind", "result")
        )
        stages = GaugeMetricFamily(
            "nadmit_webhooks_stage", "1 for the stage of the webhook configuration", labels=("kind", "stage")
        )
        for kept in self._kept:
            registered.add_metric((kept.kind.name,), int(kept.is_in_order))
            writes.add_metric((kept.kind.name, "ok"), kept.written)
            writes.add_metric((kept.kind.name, "error"), kept.failed)
            for stage in STAGES if kept.stage else ():
                stages.add_metric((kept.kind.name, stage), int(stage == kept.stage))
        yield registered
        yield stages
        yield writes

    def _run(self) -> None:
        while not self._is_ready():
            if self._stopping.wait(READY_POLL_S):
                return
        due = Due.TICK
        while not self._stopping.is_set():
            try:
                due = self._round(due)
            except Exception:
                logger.exception("internal error: the webhooks are looked at again in the next period")
                self._stopping.wait(self._period_s)

    def _round(self, due: Due) -> Due:
        """Keep each configuration, and rest; return why the next round is due."""
        for kept in self._kept:
            self._keep_guarded(kept, due)
        spread = 1 - JITTER * self._random()
        ends = time.monotonic() + self._period_s * spread
        due = self._changes.rest(self._period_s * spread, calm_s=CALM_S * spread, is_calm=self._is_calm)
        if due is Due.CHANGE and any(kept.migration.is_running for kept in self._kept):
            # Its probe is judged once in each period, and a change must not begin periods again and again.
            self._stopping.wait(max(0.0, ends - time.monotonic()))
            return Due.TICK
        return due

    def _sources(self, present: Sequence[Webhook]) -> _Sources:
        token = self._path_token([token_of(hook) for hook in present if is_ours(hook)])
        return _Sources(self._protection(), self._labels(), tuple(self._own_kinds()), token)

    def _is_calm(self) -> bool:
        """Say whether a round would write nothing as long as no configuration changes."""
        return all(
            kept.is_in_order and not kept.migration.is_running and kept.made_from == self._sources(kept.present)
            for kept in self._kept
        )

    def _keep_guarded(self, kept: _Kept, due: Due) -> None:
        """NB: a bug here must not end the thread unseen, nor the server; the registered webhooks stay."""
        topic = f"failure of the {kept.kind.name}"
        try:
            self._keep(kept, due)
        except ClusterError as error:
            kept.fail()
            self._log.log(logging.WARNING, str(error), topic=topic)
        except Exception:
            kept.fail()
            logger.exception("internal error: the %s is not kept this time", kept.kind.name)
        else:
            self._log.forget(topic)
            if not kept.is_in_order:
                logger.info("%s: as it should be", self._described(kept.kind))
            kept.is_in_order = True

    def _keep(self, kept: _Kept, due: Due) -> None:
        """Compare and mend. Raises ClusterError. NB: a migration counts periods, and a change begins no new one."""
        for attempt in range(TRIES):
            try:
                return self._mend(kept, is_first=attempt == 0 and due is not Due.CHANGE)
            except ConflictError as error:
                conflict = error
        raise conflict

    def _mend(self, kept: _Kept, *, is_first: bool) -> None:
        kind = kept.kind
        seen = self._registered.get(kind)
        present = webhooks_of(seen)
        kept.present = present
        kept.made_from = sources = self._sources(present)
        if sources.token is None:
            raise ClusterError(f"{self._described(kind)}: not filled in: the token of the path is not known yet")
        step = kept.migration.plan(present, sources.token, is_new_round=is_first)
        stage = self._stage_of(kept, seen)
        kept.stage = stage.name
        self._report_stage(kind, stage.problem)
        make = partial(
            step.webhooks,
            kind,
            self._target,
            stage=stage.name,
            protection=sources.protection,
            labels=sources.labels,
            own_kinds=sources.own_kinds,
        )
        desired = make(ca_bundle=None)
        differing = differences(present, desired)
        if not differing:
            return
        if without_bundle(present, desired):
            desired = make(ca_bundle=self._known_authority(kind))
        self._registered.put_webhooks(kind, seen, completed(present, desired))
        kept.written += 1
        changed = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in differing.items())
        logger.info("%s: written, stage %s: %s", self._described(kind), stage.name, changed)

    def _stage_of(self, kept: _Kept, seen: dict[str, Any]) -> Stage:
        """Return the stage of an object. NB: deleting an object must not be a way to switch refusals off."""
        if is_new(seen) and (self._has_refused() or self._another_refuses(kept.kind)):
            return Stage(IGNORE)
        return stage_of(seen)

    def _has_refused(self) -> bool:
        return any(kept.stage not in ("", OBSERVE) for kept in self._kept)

    def _another_refuses(self, kind: Kind) -> bool:
        for other in KINDS:
            try:
                if other is not kind and stage_of(self._registered.get(other)).name != OBSERVE:
                    return True
            except NotFoundError:
                continue
        return False

    def _report_stage(self, kind: Kind, problem: str) -> None:
        topic = f"stage of the {kind.name}"
        if problem:
            self._log.log(logging.WARNING, f"{self._described(kind)}: {problem}", topic=topic)
        else:
            self._log.forget(topic)

    def _known_authority(self, kind: Kind) -> bytes:
        bundle = self._ca_bundle()
        if not bundle:
            raise ClusterError(
                f"{self._described(kind)}: not filled in: the authority of the certificate is not known; "
                "wait for it, or name it with --ca-file"
            )
        return bundle

    def _described(self, kind: Kind) -> str:
        return f'{kind.name} "{self._registered.name}"'
