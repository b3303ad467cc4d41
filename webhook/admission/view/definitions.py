"""The definitions that one review looks up, each once: a look-up in the snapshot hashes the whole definition."""

from __future__ import annotations

from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.record import mypyc_attr
from webhook.admission.view.decisioncontext import Cluster


@mypyc_attr(native_class=False)
class Definitions(dict[tuple[str, str], NetworkAttachmentDefinition | None]):
    """Definitions by namespace and name, None for one that does not exist; the cluster is asked when one is read first.

    Raises OutOfTurnError (`parsecache`), as the cluster does.
    """

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster

    def __missing__(self, key: tuple[str, str]) -> NetworkAttachmentDefinition | None:
        definition = self[key] = self._cluster.network(*key)
        return definition

    def find(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        """Return a definition, as `plan.Lookup` does."""
        return self[namespace, name]
