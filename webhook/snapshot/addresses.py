"""Which running pods claim which addresses of which network: what they ask for, in the form of `admission.claims`.

Only pods that ask for addresses or MACs are here, each with at most CLAIMS_MAX. An address of a network has nearly
always one pod, so its pods are a tuple, which is made anew when one comes or goes. No locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice

from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.view.addressclaims import claims_of
from webhook.kube.responses import Key
from webhook.snapshot.copyonwrite import ByNamespace

CLAIMS_MAX = 64
"""Addresses of one pod that count."""

SHARED_NETWORKS = 16_384

Claims = tuple[Key, ...]
"""Network, as `namespace/name`, and address of each claim of a pod, once."""

Users = Mapping[str, Mapping[str, tuple[Key, ...]]]
"""The pods (namespace and name) that claim an address, by network and address."""


def read_claims(elements: Iterable[NetworkSelectionElement]) -> Claims:
    """Return what a pod claims; the first CLAIMS_MAX."""
    claims = ((network_key(item.namespace, item.name), claim.address) for item in elements for claim in claims_of(item))
    return tuple(islice(dict.fromkeys(claims), CLAIMS_MAX))


@lru_cache(maxsize=SHARED_NETWORKS)
def network_key(namespace: str, name: str) -> str:
    """Return a network as `Users` has it; the same text each time, because thousands of claims are of one network."""
    return f"{namespace}/{name}"


class Addresses:
    """The claims of all pods, of which a snapshot may keep the dicts."""

    def __init__(self) -> None:
        self._users: ByNamespace[tuple[Key, ...]] = ByNamespace()
        self._claims: dict[Key, Claims] = {}

    def replace(self, found: Mapping[Key, Claims]) -> bool:
        """Keep the claims of these pods and nothing else; return whether anything has changed."""
        claims = {pod: claimed for pod, claimed in found.items() if claimed}
        if claims == self._claims:
            return False
        self._claims = claims
        users: dict[Key, list[Key]] = {}
        for pod, claimed in claims.items():
            for claim in claimed:
                users.setdefault(claim, []).append(pod)
        self._users.replace({claim: tuple(pods) for claim, pods in users.items()})
        return True

    def put(self, pod: Key, claims: Claims) -> bool:
        """Keep what a pod claims now; return whether that has changed."""
        before = self._claims.get(pod, ())
        if before == claims:
            return False
        for claim in before:
            self._drop(claim, pod)
        for claim in claims:
            self._users.put(claim, (*(self._users.get(claim) or ()), pod))
        if claims:
            self._claims[pod] = claims
        else:
            del self._claims[pod]
        return True

    def copy(self) -> Users:
        """Return what a snapshot may keep; the same object as long as nothing changes."""
        return self._users.copy()

    def _drop(self, claim: Key, pod: Key) -> None:
        left = tuple(user for user in self._users.get(claim) or () if user != pod)
        if left:
            self._users.put(claim, left)
        else:
            self._users.remove(claim)
