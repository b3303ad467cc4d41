"""Replicas, a cluster and a clock in memory, and the two sentences that must be true at every moment.

Leaves: every caBundle in use accepts the leaf of each ready replica. Tokens: each ready replica accepts the token of every
path in use.

The requests of the replicas' rounds are in any order. A replica may be stopped for days between two requests, or die. API
servers lag: a caBundle counts as in use for LAG after it was replaced. A caBundle whose authorities have all expired
accepts nothing and is skipped: a cluster that was off for a year starts with a new authority.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs import cabundle
from certs.pathtokens import tokens_in
from certs.rotator import Rotator, TokenKeeper
from certs.store import StoreError

from .memorycluster import FOREIGN, MUTATING, VALIDATING, MemoryCluster, webhook

NAME = "nadmit-webhook.nadmit-system.svc"
LAG = timedelta(seconds=60)
START = datetime(2026, 11, 1, tzinfo=UTC)


class Replica:
    """One process: its rotator, its current round, and the leaf that it serves."""

    def __init__(self, world: World, *, skew: timedelta = timedelta(0)) -> None:
        self.leaf: x509.Certificate | None = None
        self.tokens = TokenKeeper(is_required=True, now=lambda: world.now + skew)
        self.rotator = Rotator(
            world.cluster.secret,
            world.cluster.configurations(VALIDATING, MUTATING),
            names=[NAME],
            on_leaf=self._take,
            tokens=self.tokens,
            now=lambda: world.now + skew,
        )
        self._round: Iterator[None] | None = None

    def _take(self, certificate: bytes, _key: bytes) -> None:
        self.leaf = x509.load_pem_x509_certificate(certificate)

    def request(self) -> bool:
        """Do one request of the round; return whether the round is over."""
        if self._round is None:
            self._round = self.rotator.steps()
        try:
            next(self._round)
        except (StopIteration, StoreError):
            self._round = None
        return self._round is None

    def round(self) -> None:
        """Finish this round, and do one more."""
        for _ in range(2):
            while not self.request():
                pass


class World:
    """`skews`: the error of each replica's clock."""

    def __init__(self, skews: list[timedelta]) -> None:
        self.now = START
        self.cluster = MemoryCluster()
        self.skews = skews
        self.replicas = [Replica(self, skew=skew) for skew in skews]
        self._in_force: dict[bytes, datetime] = {}
        self._paths_in_force: dict[str, datetime] = {}
        self.registered: list[str] = []
        self.phases: list[str] = []
        self._verified: set[tuple[bytes, bytes]] = set()

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.check()

    def act(self, what: Callable[[], object]) -> None:
        """Do something, and check both sentences."""
        what()
        self.check()

    def restart(self, index: int) -> None:
        """Kill a replica in the middle of its round; another takes its place."""
        self.replicas[index] = Replica(self, skew=self.skews[index])

    def register(self, index: int) -> None:
        """Replace our webhooks in the configurations, as the registrar of a ready replica does."""
        rotator = self.replicas[index].rotator
        bundle = rotator.ca_bundle()
        token = self.replicas[index].tokens.to_register(sorted(self._tokens()))
        if rotator.problem() is None and bundle is not None and token is not None:
            path = f"/validate/{token}"
            for name in (VALIDATING, MUTATING):
                hooks = (
                    webhook("a.nadmit.io", bundle, path),
                    webhook("b.example.org"),
                    webhook("c.nadmit.io", bundle, path),
                )
                self.cluster.put(name, *hooks)

    def follow(self, index: int) -> None:
        """Register the token of a replica in all paths, as its registrar does."""
        token = self.replicas[index].tokens.to_register(sorted(self._tokens()))
        if self.replicas[index].rotator.problem() is None and token is not None:
            for name, value in list(self.cluster.objects.items()):
                hooks = [with_path(hook, f"/validate/{token}") for hook in value["webhooks"]]
                if hooks != value["webhooks"]:
                    self.cluster.put(name, *hooks)

    def _tokens(self) -> frozenset[str]:
        return tokens_in(self.cluster.objects.values())

    def touch(self) -> None:
        """Let another team add a block of its own to a caBundle, and change a webhook of its own."""
        for name, value in list(self.cluster.objects.items()):
            own, *others = value["webhooks"]
            text = cabundle.own_bundles(value)["a.nadmit.io"]
            if FOREIGN.encode() not in text:
                path = own["clientConfig"]["service"]["path"]
                self.cluster.put(name, webhook(own["name"], text + FOREIGN.encode(), path), *others)

    def check(self) -> None:
        """Check both sentences of the module."""
        phase = self.cluster.data.get("rotation.json", b"").decode().partition('"since"')[0]
        if not self.phases or self.phases[-1] != phase:
            self.phases.append(phase)
        for bundle in self.cluster.bundles():
            assert bundle
            self._in_force[bundle] = self.now
        self._in_force = {bundle: seen for bundle, seen in self._in_force.items() if self.now - seen <= LAG}
        for token in self._tokens():
            self._paths_in_force[token] = self.now
            if self.registered[-1:] != [token]:
                self.registered.append(token)
        self._paths_in_force = {path: seen for path, seen in self._paths_in_force.items() if self.now - seen <= LAG}
        for number, replica in enumerate(self.replicas):
            if replica.rotator.problem() is None:
                assert replica.leaf is not None
                assert self._paths_in_force.keys() <= set(replica.tokens.accepted), (
                    f"path: replica {number} at {self.now}"
                )
                for bundle in filter(self._is_alive, self._in_force):
                    assert self._verifies(replica.leaf, bundle), f"replica {number} at {self.now}"

    def _is_alive(self, bundle: bytes) -> bool:
        return any(ca.not_valid_after_utc > self.now for ca in cabundle.certificates_in(bundle))

    def _verifies(self, leaf: x509.Certificate, bundle: bytes) -> bool:
        """NB: the verifier shares no line with `cabundle.accepts`. It runs for every new pair and at least daily."""
        key = (leaf.signature, bundle + str(self.now.date()).encode())
        if key not in self._verified and verifies(leaf, bundle, self.now):
            self._verified.add(key)
        return key in self._verified and self.now < leaf.not_valid_after_utc


def with_path(hook: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a webhook with another path, if it is ours."""
    if not hook["name"].endswith(".nadmit.io"):
        return hook
    service = {**hook["clientConfig"]["service"], "path": path}
    return {**hook, "clientConfig": {**hook["clientConfig"], "service": service}}


def verifies(leaf: x509.Certificate, bundle: bytes, now: datetime) -> bool:
    """Return whether the verifier of `cryptography`, as strict as Go's and OpenSSL's, accepts a leaf."""
    builder = PolicyBuilder().store(Store(list(cabundle.certificates_in(bundle)))).time(now)
    try:
        builder.build_server_verifier(x509.DNSName(NAME)).verify(leaf, [])
    except VerificationError:
        return False
    return True
