"""The input and the result of a decision: rules in force with their configuration, subject, item, verdict.

Field names follow the kind `NetworkAttachmentPolicyConfig` (access.nadmit.io/v1alpha1).
"""

from __future__ import annotations

from cniplugin.netspec.names import DELEGATING_TYPES
from cniplugin.netspec.record import PlainRecord, Record

from .levels import AUDIT, TRIALS, WARN, BaselineLists, ClusterLevels, with_basis

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Final, Protocol

    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
    from cniplugin.netspec.selection import NetworkSelectionElement

    from .policyrules import AttachmentRule, AuthorMatch, DefinitionRule

    class RuleIndex(Protocol):
        """Finds rules; see `judging.ruleindex`."""

        @property
        def definitions(self) -> Sequence[DefinitionRule]:
            """Return all rules about definitions, sorted."""

        def find(
            self, subject: Subject, item: Item, *, every_request: bool = False
        ) -> tuple[Sequence[AttachmentRule], Sequence[AttachmentRule]]:
            """Return the Deny and the Allow rules that select a pod and a network, each sorted."""

        def reads_labels_of(self, namespace: str) -> bool:
            """Say whether a rule selects pods of a namespace by a label other than its name."""

        @property
        def requires_consent(self) -> bool:
            """Return whether a rule accepts only networks that their owner shares."""

        def find_possible(
            self, subject: Subject, item: Item, *, every_request: bool = False
        ) -> Iterable[tuple[AttachmentRule, bool]]:
            """Return the rules that select a network and can select a pod, and whether each selects every such pod."""

        def rules_in(self, subject: Subject) -> Sequence[AttachmentRule]:
            """Return the rules that can select a pod of the subject's namespace, sorted."""

        def rules_for(self, subject: Subject) -> Sequence[AttachmentRule]:
            """Return the rules that select a pod, for any request, sorted."""

    class Catalogue(Protocol):
        """The existing networks that a refusal may list."""

        def network(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
            """Return a definition, None if it does not exist. May raise UnreadError."""

        def network_names(self, namespace: str) -> Sequence[str]:
            """Return the sorted names of the definitions of a namespace; () if it is unknown."""

        def network_namespaces(self) -> Iterable[str]:
            """Return the namespaces that have definitions, sorted."""

        def shared_networks(self) -> Iterable[tuple[str, str]]:
            """Return namespace and name of the definitions whose owners share them, sorted."""

        def namespace_labels(self, namespace: str) -> Mapping[str, str]:
            """Return the labels of a namespace."""


class UnreadError(Exception):
    """A definition has not been read, and there is no time to read it now."""


POSTURES = ("Open", "Isolated", "Consent", "Strict")
"""The networks that a pod may use if no rule covers it and the network.

Open: all (Multus' `namespaceIsolation: false`). Isolated: those of its own namespace and of globalNamespaces (`true`).
Consent: those, and networks that their owner shares. Strict: none."""

ON_UNAVAILABLE = ("UseSnapshot", "Deny", "Allow")

NETWORK_STATUS_MODES = ("Off", "Audit", "Warn", "Deny")
"""How a `network-status` is treated if neither a node nor a status writer wrote it."""

META_PLUGIN_TYPES = DELEGATING_TYPES
"""Delegating plugins: inside a NetworkAttachmentDefinition they would attach all networks of the pod again."""

NAME_LABEL = "kubernetes.io/metadata.name"
"""A label that the API server sets on every namespace and that cannot be changed."""


LABEL_MODES = ("Off", "Audit", "Warn", "Deny")
"""How a change of a namespace's label is treated if rules, consents or levels depend on the label."""


class NamespaceLabels(Record):
    """Who may change namespace labels that decisions depend on, and how others are treated (`namespaceLabels`)."""

    mode: str = "Warn"
    writers: AuthorMatch | None = None


class MultusGate(Record):
    """The setting of upstream Multus on the nodes, which may refuse networks that the rules allow (`multusGate`)."""

    namespace_isolation: bool
    global_namespaces: tuple[str, ...] = ("default",)


class Config(Record):
    """The settings of the whole cluster; the defaults are those without a configuration object."""

    posture: str = "Isolated"
    global_namespaces: tuple[str, ...] = ("default",)
    exempt_namespaces: tuple[str, ...] = ()
    workload_templates: str = "Deny"
    network_status_mode: str = "Warn"
    status_writers: tuple[str, ...] = ()
    status_writer_groups: tuple[str, ...] = ()
    definitions_default: str = "Allow"
    exempt_users: tuple[str, ...] = ()
    exempt_groups: tuple[str, ...] = ("system:masters",)
    meta_plugin_types: tuple[str, ...] = META_PLUGIN_TYPES
    levels: ClusterLevels = ClusterLevels()
    baseline: BaselineLists = BaselineLists()
    namespace_labels: NamespaceLabels = NamespaceLabels()
    on_unavailable: str = "UseSnapshot"
    snapshot_max_age_s: int = 86_400
    multus_gate: MultusGate | None = None
    contact: str = ""
    list_allowed: bool = True
    max_listed: int = 5

    @property
    def whom_to_ask(self) -> str:
        """The contact, to follow the word "ask"."""
        return self.contact or "a cluster administrator"


_DEFAULT_CONFIG = Config()


class Rules(PlainRecord):
    """The rules in force, swapped as a whole.

    `enforced` decides. `warned` also has the policies of mode Warn, `audited` has all policies. An index is None if it
    would equal the one before. `pod_labels`: the keys of the pod labels that a policy of any mode reads, None if they
    are not known; `reads_accounts`: whether a policy reads the service account of pods. Two pods of a namespace that do
    not differ in these get equal verdicts about a network.
    """

    __slots__ = (  # noqa: RUF023 - in the order of `__init__`
        "config", "enforced", "warned", "audited", "pod_labels", "reads_accounts", "_trials",
    )  # fmt: skip

    def __init__(
        self,
        *,
        config: Config = _DEFAULT_CONFIG,
        enforced: RuleIndex | None = None,
        warned: RuleIndex | None = None,
        audited: RuleIndex | None = None,
        pod_labels: tuple[str, ...] | None = None,
        reads_accounts: bool = True,
    ) -> None:
        self.config: Final = config
        self.enforced: Final = enforced
        self.warned: Final = warned
        self.audited: Final = audited
        self.pod_labels: Final = pod_labels
        self.reads_accounts: Final = reads_accounts
        self._trials: Final = (WARN, TRIALS[WARN], warned), (AUDIT, TRIALS[AUDIT], audited)

    @property
    def trials(self) -> tuple[tuple[str, str, RuleIndex | None], ...]:
        """The modes that refuse nothing: of levels, of policies, and the rules of policies up to that mode."""
        return self._trials


_NO_LABELS: Mapping[str, str] = {}  # never changed


class Subject(PlainRecord):
    """Who wants to attach: the pod. The user who sends the request does not count."""

    __slots__ = ("namespace", "namespace_labels", "labels", "service_account")  # noqa: RUF023 - in the order of `__init__`

    def __init__(
        self,
        *,
        namespace: str,
        namespace_labels: Mapping[str, str] = _NO_LABELS,
        labels: Mapping[str, str] = _NO_LABELS,
        service_account: str = "default",
    ) -> None:
        self.namespace: Final = namespace
        self.namespace_labels: Final = namespace_labels
        self.labels: Final = labels
        self.service_account: Final = service_account


THIS_ITEM = "this item"
"""An item of a network annotation; for the default network, its annotation is meant."""


class Item(PlainRecord):
    """One network that the subject asks for. `network` is None when no such definition is known.

    `network_labels`: labels of the network's namespace, which set the level of its definitions. They have no default: a
    caller who forgot them would judge by the cluster's level. `source`: what asks for the network; messages name it as
    the thing to change.
    """

    __slots__ = (
        "element", "network", "network_labels", "replaces_default", "source",
    )  # fmt: skip

    def __init__(
        self,
        *,
        element: NetworkSelectionElement,
        network: NetworkAttachmentDefinition | None = None,
        network_labels: Mapping[str, str],
        replaces_default: bool = False,
        source: str = THIS_ITEM,
    ) -> None:
        self.element: Final = element
        self.network: Final = network
        self.network_labels: Final = network_labels
        self.replaces_default: Final = replaces_default
        self.source: Final = source

    @property
    def reference(self) -> str:
        """The network as messages name it: `namespace/name`."""
        return f"{self.element.namespace}/{self.element.name}"


class Verdict(PlainRecord):
    """The answer for one item. `code` is stable; `reason`, `decided`, `fix` are the facts that a refusal prints.

    `decider` names who decided, `basis` says on what grounds. `policy` and `rule` are set if a rule decided, `posture`
    if the default posture did. `contact`: whom the rule's policy says to ask. `allowed`: what the deciding rule allows
    on this network; "" where a list of the pod's networks is the better answer. `keys`: the keys of a definition that
    decided, each with what is wrong. `fix_of_all`: the fix for several networks with the same other facts, "" if each
    has a fix of its own.
    """

    __slots__ = (  # noqa: RUF023 - in the order of `__init__`
        "is_allowed", "code", "reason", "decider", "basis", "fix", "fix_of_all", "allowed", "policy", "rule", "posture",
        "contact", "keys",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - one argument per field
        self,
        *,
        is_allowed: bool,
        code: str,
        reason: str = "",
        decider: str = "",
        basis: str = "",
        fix: str = "",
        fix_of_all: str = "",
        allowed: str = "",
        policy: str = "",
        rule: str = "",
        posture: str = "",
        contact: str = "",
        keys: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.is_allowed: Final = is_allowed
        self.code: Final = code
        self.reason: Final = reason
        self.decider: Final = decider
        self.basis: Final = basis
        self.fix: Final = fix
        self.fix_of_all: Final = fix_of_all
        self.allowed: Final = allowed
        self.policy: Final = policy
        self.rule: Final = rule
        self.posture: Final = posture
        self.contact: Final = contact
        self.keys: Final = keys

    @property
    def decided(self) -> str:
        """Who decided, and on what grounds."""
        return with_basis(self.decider, self.basis)
