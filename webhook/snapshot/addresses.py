"""The addresses of each network that running pods claim, and which pods (`webhook.admission.view.addressclaims`).

Pods that ask for no addresses and no MACs are not here. An address of a network nearly always has one pod, so its pods
are a tuple, which is made again when one comes or goes. No locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice

from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.view.addressclaims import claims_of
from webhook.kube.responses import Key, Values
from webhook.snapshot.copyonwrite import ByNamespace

CLAIMS_MAX = 64
"""Claims of one pod that count."""

SHARED_NETWORKS = 16_384

Claims = tuple[Key, ...]
"""The distinct claims of a pod: network, as `namespace/name`, and address."""

Users = Mapping[str, Mapping[str, tuple[Key, ...]]]
"""The pods (namespace and name) that claim an address, by network and address."""


def read_claims(elements: Iterable[NetworkSelectionElement]) -> Claims:
    """Return the first CLAIMS_MAX claims of a pod."""
    claims = ((network_key(item.namespace, item.name), claim.address) for item in elements for claim in claims_of(item))
    return tuple(islice(dict.fromkeys(claims), CLAIMS_MAX))


@lru_cache(maxsize=SHARED_NETWORKS)
def network_key(namespace: str, name: str) -> str:
    """Return a network as `Users` has it. Thousands of claims share the text of one network."""
    return f"{namespace}/{name}"


class Addresses:
    """The claims of all pods. A snapshot may keep the dicts."""

    def __init__(self) -> None:
        self._users: ByNamespace[tuple[Key, ...]] = ByNamespace()
        self._claims: dict[Key, Claims] = {}

    def replace(self, claims: dict[Key, Claims]) -> bool:
        """Keep the claims of these pods, which all have some, and drop all others; return whether they have changed."""
        if claims == self._claims:
            return False
        self._claims = claims
        users: Values[list[Key]] = {}
        for pod, claimed in claims.items():
            for network, address in claimed:
                users.setdefault(network, {}).setdefault(address, []).append(pod)
        self._users.replace(
            {network: {address: tuple(pods) for address, pods in of.items()} for network, of in users.items()}
        )
        return True

    def put(self, pod: Key, claims: Claims) -> bool:
        """Replace the claims of a pod; return whether they have changed."""
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
        """Return a map that never changes; the same object until the next change."""
        return self._users.copy()

    def _drop(self, claim: Key, pod: Key) -> None:
        others = tuple(user for user in self._users.get(claim) or () if user != pod)
        if others:
            self._users.put(claim, others)
        else:
            self._users.remove(claim)
