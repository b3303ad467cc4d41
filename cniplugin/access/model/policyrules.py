"""The rules of policies as values. `access.reading` reads them, `judging.ruleindex` finds them."""

from __future__ import annotations

from cniplugin.access.model.contentfields import Content, asks, met
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cniplugin.access.content.facts import Facts
    from cniplugin.netspec.errors import SpecError
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

    from .labels import Selector
    from .limits import Limits
    from .matchers import Names

GROUP, VERSION = "access.nadmit.io", "v1alpha1"
POLICY_KIND, CONFIG_KIND = "NetworkAttachmentPolicy", "NetworkAttachmentPolicyConfig"
CONFIG_NAME = "cluster"

ALLOW, DENY = "Allow", "Deny"
ENFORCE, WARN, AUDIT = MODES = ("Enforce", "Warn", "Audit")

RULES_MAX = 64
"""Rules of a policy under attachments, and under definitions (`maxItems` of the CRD)."""

SERVICE_ACCOUNT_USER = "system:serviceaccount:"


class PodMatch(Record):
    """One entry of `pods`; each field that is not None must fit."""

    namespaces: Names | None = None
    namespace_selector: Selector | None = None
    pod_selector: Selector | None = None
    service_accounts: frozenset[str] | None = None

    def has_namespace(self, name: str, labels: Mapping[str, str]) -> bool:
        """Say whether pods of a namespace can fit the entry."""
        if self.namespaces is not None and not self.namespaces.matches(name):
            return False
        return self.namespace_selector is None or self.namespace_selector.matches(labels)

    @property
    def has_every_pod(self) -> bool:
        """Whether every pod fits whose namespace fits."""
        return self.pod_selector is None and self.service_accounts is None

    def has_pod(self, labels: Mapping[str, str], service_account: str) -> bool:
        """Say whether a pod fits whose namespace fits."""
        if self.service_accounts is not None and service_account not in self.service_accounts:
            return False
        return self.pod_selector is None or self.pod_selector.matches(labels)


class NetworkMatch(Content):
    """One entry of `networks`; each field that is not None must fit."""

    scope: str = "Any"
    namespaces: Names | None = None
    names: Names | None = None
    selector: Selector | None = None
    is_on_disk: bool | None = None

    @property
    def has_content(self) -> bool:
        """Whether it asks for more than names: a network that does not exist then does not fit."""
        return self.selector is not None or self.is_on_disk is not None or asks(self)

    def has_name(self, pod_namespace: str, namespace: str, name: str) -> bool:
        """Say whether the name of a network fits."""
        if self.scope != "Any" and (namespace == pod_namespace) != (self.scope == "OwnNamespace"):
            return False
        if self.namespaces is not None and not self.namespaces.matches(namespace):
            return False
        return self.names is None or self.names.matches(name)

    @property
    def has_facts(self) -> bool:
        """Whether it asks for anything that `Facts` hold."""
        return asks(self)

    def has_network(self, network: NetworkAttachmentDefinition | None, facts: Facts | None) -> bool:
        """Say whether a network fits whose name fits.

        `facts` is None when its configuration cannot be read, and may be None if not `has_facts`.
        """
        if not self.has_content:
            return True
        if network is None:
            return False
        if self.selector is not None and not self.selector.matches(network.labels):
            return False
        if self.is_on_disk is not None and network.is_on_disk != self.is_on_disk:
            return False
        return not asks(self) or met(self, facts) is not None


class AttachmentRule(Record):
    """One rule about pods attaching to networks; () for every pod, every network, any request.

    `limits` applies to Allow, `on_requests` to Deny. `is_broken`: an Allow rule has a mistake. It governs everything
    that its readable part selects, and accepts nothing.
    """

    policy: str
    name: str
    action: str
    mode: str = ENFORCE
    contact: str = ""
    pods: tuple[PodMatch, ...] = ()
    except_pods: tuple[PodMatch, ...] = ()
    networks: tuple[NetworkMatch, ...] = ()
    on_requests: frozenset[str] = frozenset()
    limits: Limits
    require_consent: bool = False
    message: str = ""
    is_broken: bool = False

    @property
    def is_allow(self) -> bool:
        """Whether it is an Allow rule; for modules that do not load this one."""
        return self.action == ALLOW


class AuthorMatch(Record):
    """Users, of whom one must fit. `accounts` are pairs of namespace and name, or "*" for any name."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    accounts: frozenset[tuple[str, str]] = frozenset()

    def has(self, user: str, groups: frozenset[str]) -> bool:
        """Say whether a user fits."""
        if user in self.users or not self.groups.isdisjoint(groups):
            return True
        namespace, _, name = user.removeprefix(SERVICE_ACCOUNT_USER).partition(":")
        is_account = user.startswith(SERVICE_ACCOUNT_USER)
        return is_account and not self.accounts.isdisjoint({(namespace, name), (namespace, "*")})

    @property
    def account_users(self) -> tuple[str, ...]:
        """The user names of the accounts with a name, sorted."""
        return tuple(sorted(f"{SERVICE_ACCOUNT_USER}{space}:{name}" for space, name in self.accounts if name != "*"))

    @property
    def account_prefixes(self) -> tuple[str, ...]:
        """The prefixes of the user names of namespaces whose accounts all fit, sorted."""
        return tuple(sorted(f"{SERVICE_ACCOUNT_USER}{space}:" for space, name in self.accounts if name == "*"))


class ConfigMatch(Content):
    """Values that a definition may use (Allow) or must not use (Deny); None for a field that the rule does not have."""

    resource_names: Names | None = None
    is_on_disk: bool | None = None
    forbids_sharing: bool = False


class DefinitionRule(Record):
    """One rule about who may write which definitions. `is_broken` as in AttachmentRule."""

    policy: str
    name: str
    action: str
    mode: str = ENFORCE
    contact: str = ""
    authors: AuthorMatch | None = None
    except_authors: AuthorMatch | None = None
    namespaces: Names | None = None
    namespace_selector: Selector | None = None
    config: ConfigMatch | None = None
    message: str = ""
    is_broken: bool = False

    def has_author(self, user: str, groups: frozenset[str]) -> bool:
        """Say whether the rule is about a user."""
        if self.authors is not None and not self.authors.has(user, groups):
            return False
        return self.except_authors is None or not self.except_authors.has(user, groups)

    def has_namespace(self, name: str, labels: Mapping[str, str]) -> bool:
        """Say whether the rule is about definitions of a namespace."""
        if self.namespaces is not None and not self.namespaces.matches(name):
            return False
        return self.namespace_selector is None or self.namespace_selector.matches(labels)


class WrittenRule(Record):
    """A rule as a policy has it: the list it is in (`attachments` or `definitions`), its name and position there."""

    key: str
    name: str
    number: int
    value: AttachmentRule | DefinitionRule
    problems: tuple[SpecError, ...] = ()

    @property
    def reference(self) -> str:
        """The rule as messages and the status name it: `attachments/<name>`."""
        return f"{self.key}/{self.name}"

    @property
    def path(self) -> str:
        """The place of the rule in the object."""
        return f"spec.{self.key}[{self.number}]"


class Policy(Record):
    """One NetworkAttachmentPolicy. `problems` are in input order and have paths below the object.

    `written` has every rule of the object, `attachments` and `definitions` their values. `has_readable_pods`: whether
    `pods` and `exceptPods` have no problem.
    """

    name: str
    mode: str = ENFORCE
    contact: str = ""
    generation: int = 0
    attachments: tuple[AttachmentRule, ...] = ()
    definitions: tuple[DefinitionRule, ...] = ()
    problems: tuple[SpecError, ...] = ()
    written: tuple[WrittenRule, ...] = ()
    has_readable_pods: bool = True

    @property
    def own_problems(self) -> tuple[SpecError, ...]:
        """The problems outside of the rules."""
        of_rules = {id(problem) for rule in self.written for problem in rule.problems}
        return tuple(problem for problem in self.problems if id(problem) not in of_rules)
