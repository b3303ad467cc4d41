"""What a refusal offers instead: networks that the pod may use, listed through the API server; see `access.listing`.

Only a refusal pays for it: at most REQUESTS_MAX requests and LIST_S seconds. A namespace is listed alone; the last
request, or one for all namespaces, lists the whole cluster. On any trouble nothing is offered rather than a part of it.
As many requests again ask for the labels of namespaces, by which networks have a level; beyond them the cluster's
default level counts, so that at worst a network is offered that its level refuses.
"""

from __future__ import annotations

from cniplugin.access.judging.listing import list_allowed
from cniplugin.access.reading.consent import ANNOTATIONS
from cniplugin.cluster import objects
from cniplugin.cnierrors import TRY_AGAIN_LATER, CniError
from cniplugin.host.log import LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from cniplugin.access.model.values import Rules, Subject
    from cniplugin.cluster.objects import Server
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

REQUESTS_MAX = 4
LIST_S = 2.0
LIST_SHARE = 1 / 3
"""Of the time that is left: the event about the refusal has to be told, too."""

EVERYWHERE = ""


def list_for(subject: Subject, rules: Rules, client: Server) -> tuple[tuple[str, ...], bool]:
    """Return what `access.listing.list_allowed` does; nothing, and a log line, if the API server does not tell."""
    client.limit(min(LIST_S, client.left_s() * LIST_SHARE))
    try:
        return list_allowed(subject, rules, _Listed(client, subject))
    except CniError as error:
        LOG.error(f"the refusal does not say what is allowed: {error.msg}")
        return (), False
    finally:
        client.limit(float("inf"))


class _Counting:
    """A `Reader` that gives a number of answers, and then refuses."""

    def __init__(self, client: Server, answers: int) -> None:
        self.memo = client.memo
        self.left = answers
        self._client = client

    def get(self, path: str, *, appears_within_s: float = 0.0) -> dict[str, Any]:
        if not self.left:
            raise CniError(TRY_AGAIN_LATER, f"it would take more than {REQUESTS_MAX} requests")
        self.left -= 1
        return self._client.get(path, appears_within_s=appears_within_s)


class _Listed:
    """A `Catalogue` of the access rules, read as far as it is asked. Every method raises CniError."""

    def __init__(self, client: Server, subject: Subject) -> None:
        self._reader = _Counting(client, REQUESTS_MAX)
        self._labels_reader = _Counting(client, REQUESTS_MAX)
        self._labels = {subject.namespace: subject.namespace_labels}
        self._found: dict[str, dict[str, NetworkAttachmentDefinition]] = {}
        self._is_whole = False

    def network(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        """Return a definition, None if there is none."""
        return self._of(namespace).get(name)

    def network_names(self, namespace: str) -> Sequence[str]:
        """Return the sorted names of the definitions of a namespace."""
        return sorted(self._of(namespace))

    def network_namespaces(self) -> Iterable[str]:
        """Return the namespaces that have definitions, sorted."""
        return sorted(self._all())

    def shared_networks(self) -> Iterable[tuple[str, str]]:
        """Return namespace and name of the definitions with a consent annotation, sorted."""
        return sorted(
            (namespace, name)
            for namespace, named in self._all().items()
            for name, network in named.items()
            if not network.annotations.keys().isdisjoint(ANNOTATIONS)
        )

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace; none once there were too many to ask for."""
        if namespace not in self._labels and self._labels_reader.left:
            self._labels[namespace] = objects.fetch_namespace_labels(self._labels_reader, namespace)
        return self._labels.get(namespace, {})

    def _of(self, namespace: str) -> Mapping[str, NetworkAttachmentDefinition]:
        if not self._is_whole and namespace not in self._found:
            if self._reader.left == 1:
                self._all()
            else:
                listed = objects.fetch_networks(self._reader, namespace, pages_max=REQUESTS_MAX)
                self._found[namespace] = {network.name: network for network in listed}
        return self._found.get(namespace, {})

    def _all(self) -> Mapping[str, Mapping[str, NetworkAttachmentDefinition]]:
        if not self._is_whole:
            listed = objects.fetch_networks(self._reader, EVERYWHERE, pages_max=REQUESTS_MAX)
            self._found = {}
            for network in listed:
                self._found.setdefault(network.namespace, {})[network.name] = network
            self._is_whole = True
        return self._found
