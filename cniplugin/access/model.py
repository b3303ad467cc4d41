"""The values of the access rules: configuration, subject, item, verdict.

Field names follow the kind `NetworkAttachmentPolicyConfig` (access.nadmit.io/v1alpha1).
"""

from __future__ import annotations

from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
    from cniplugin.netspec.selection import NetworkSelectionElement

POSTURES = ("Isolated", "Open")
"""What decides where no rule covers a pod and a network. Isolated: own namespace and globalNamespaces (Multus'
`namespaceIsolation: true`). Open: everything (`false`)."""

META_PLUGIN_TYPES = ("multus", "multus-shim", "nadmit")
"""Delegating plugins: inside a NetworkAttachmentDefinition they would run the whole pod again. `nadmit` is this one."""


class Config(Record):
    """What holds for the whole cluster; the defaults are those of an absent configuration object."""

    posture: str = "Isolated"
    global_namespaces: tuple[str, ...] = ("default",)
    workload_templates: str = "Deny"
    protect_network_status: bool = True
    status_writers: tuple[str, ...] = ()
    meta_plugin_types: tuple[str, ...] = META_PLUGIN_TYPES
    contact: str = ""
    list_allowed: bool = True
    max_listed: int = 5

    @property
    def whom_to_ask(self) -> str:
        """The contact as it stands after "ask"."""
        return self.contact or "a cluster administrator"


class Rules(Record):
    """The rules in force, swapped whole."""

    config: Config = Config()


class Subject(Record):
    """Who wants to attach: the pod. The requester is not consulted."""

    namespace: str
    namespace_labels: Mapping[str, str] = {}  # never changed
    labels: Mapping[str, str] = {}  # never changed
    service_account: str = "default"


class Item(Record):
    """One network that the subject asks for. `network` is None when no such definition is known."""

    element: NetworkSelectionElement
    network: NetworkAttachmentDefinition | None = None
    replaces_default: bool = False

    @property
    def reference(self) -> str:
        """The network as messages name it: `namespace/name`."""
        return f"{self.element.namespace}/{self.element.name}"


class Verdict(Record):
    """The answer for one item. `code` is stable; `reason`, `decided`, `fix` are the facts a refusal prints."""

    is_allowed: bool
    code: str
    reason: str = ""
    decided: str = ""
    fix: str = ""
