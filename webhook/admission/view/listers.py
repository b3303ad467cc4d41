"""What a decision may ask about the cluster: one immutable snapshot, read without locks and without I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from cniplugin.access.compile import Policies
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.dra.claims import Devices
from webhook.admission.model.requests import NetworkUsers

T = TypeVar("T")


class Cluster(Protocol):
    """A snapshot of the cluster. A request uses one from start to end."""

    @property
    def policies(self) -> Policies:
        """The access policies; the same object as long as none changes."""

    def network(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        """Return a definition, or None if there is none. Raises OutOfTurnError (`parsecache`)."""

    def network_names(self, namespace: str) -> Sequence[str]:
        """Return the sorted names of the definitions of a namespace; () if it is unknown."""

    def network_namespaces(self) -> Iterable[str]:
        """Return the namespaces that have definitions, sorted."""

    def shared_networks(self) -> Iterable[tuple[str, str]]:
        """Return namespace and name of the definitions with a consent annotation, sorted."""

    def consent_selectors(self) -> Collection[str]:
        """Return the texts of the annotations by which owners share definitions by labels, each once."""

    def network_users(self, namespace: str, name: str) -> NetworkUsers:
        """Return which running pods use a network. NB: not for `recall`, which outlives them."""

    def address_users(self, namespace: str, name: str, address: str) -> Sequence[tuple[str, str]]:
        """Return namespace and name of the running pods that claim an address of a network, in the form of `claims`.

        NB: not for `recall`, either.
        """

    def is_terminating(self, namespace: str) -> bool:
        """Say whether a namespace is being deleted."""

    @property
    def devices(self) -> Devices:
        """The claims, templates and classes of dynamic resource allocation. NB: not for `recall`, either."""

    def recall(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned for this key before, or call it.

        For pure results that follow from the key and this snapshot alone. The snapshot may forget any of them.
        """

    def default_networks(self, namespace: str) -> str | None:
        """Return the networks annotation that a namespace has for its pods, as it is written; None if it has none."""

    def has_namespace(self, namespace: str) -> bool:
        """Say whether a namespace is known, and with it its labels; the cache may lack one that is new."""

    def has_levels(self) -> bool:
        """Say whether a label of any namespace sets a level of definitions."""

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace; of an unknown one, its name alone."""
