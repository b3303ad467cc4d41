"""May a pod attach to the networks that it asks for: the access rules on the node.

The webhook has asked the same rules when the pod was created. Since then rules and networks may have changed, and only
the node can read a network whose configuration is a file of the node.

The node looks up a network only if its content can change the verdict, so that a refusal does not reveal whether a
network of another namespace exists. Policies and levels of mode Warn and Audit refuse nothing.

The labels of a network's namespace decide which level its definitions have. The labels of the pod's own namespace are
known; each other namespace costs one request. All networks and namespaces that are looked up are asked for in one
flight.

A refusal lists networks that the pod may use instead (`allowednetworks`). This costs at most REQUESTS_MAX
requests and LIST_S seconds: the client lists one namespace at a time, and with its last request the whole cluster.
After a failure the refusal lists nothing, rather than a part. As many requests again ask for labels of namespaces.
Beyond these, the default level of the cluster counts, so at worst the list has a network that its level refuses.
"""

from __future__ import annotations

from cniplugin.access.judging.judge import judge, judge_trial
from cniplugin.access.judging.reasons import Refusal, render_parts, render_trial
from cniplugin.access.model.decision import Item, Subject
from cniplugin.cluster import objects
from cniplugin.cluster.accessrules import Remark
from cniplugin.cnierrors import ACCESS_DENIED, TRY_AGAIN_LATER, CniError
from cniplugin.host.log import LOG
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Protocol

    from cniplugin.access.model.decision import Rules, Verdict
    from cniplugin.access.model.policyrules import AttachmentRule
    from cniplugin.cluster.accessrules import RulesInEffect
    from cniplugin.cluster.objects import Pod, Server
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
    from cniplugin.netspec.selection import NetworkSelectionElement

    from .podclaims import Claimed

    Asked = Sequence[tuple[int | None, NetworkSelectionElement]]
    """The networks that a pod asks for: position in the networks annotation, None for the default network; element."""

    class Networks(Protocol):
        """Looks networks up."""

        def look_up(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
            """Return a definition as the API has it; raises CniError."""

        def find(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
            """Return it with the configuration from the node's disk if it has none itself; raises CniError."""


REQUESTS_MAX = 4
LIST_S = 2.0
LIST_SHARE = 1 / 3
"""The listing's part of the time that is left; the event about the refusal needs the rest."""

EVERYWHERE = ""


def check(
    pod: Pod,
    asked: Asked,
    in_effect: RulesInEffect,
    networks: Networks,
    client: Server,
    *,
    claimed: Sequence[Claimed] = (),
) -> tuple[Remark, ...]:
    """Return the remarks about a pod that may attach to all networks that it and its claims ask for.

    Raises CniError 100, in the words of the webhook, if a network is refused, and another CniError with the item if a
    network cannot be looked up.
    """
    subject = Subject(
        namespace=pod.namespace,
        namespace_labels=in_effect.labels,
        labels=pod.labels,
        service_account=pod.service_account,
    )
    refusals, trials = [], []
    requests = [_first_look(subject, in_effect, position, element) for position, element in asked]
    requests += [_first_look(subject, in_effect, None, one.element, one.where) for one in claimed]
    if in_effect.refusal is None:
        _ask_ahead(subject, [request for request in requests if request.needs_content], in_effect.rules, client)
    for request in requests:
        item, verdict, position, where = request.item, request.verdict, request.position, request.where
        if request.needs_content:
            item, verdict = _judge(subject, item, in_effect.rules, networks, client, where or _place(position))
        refusal = Refusal(reference=item.reference, item=position, verdict=verdict, where=where)
        if not verdict.is_allowed:
            refusals.append(refusal)
        elif (trial := judge_trial(subject, item, in_effect.rules)) is not None:
            trials.append((trial[0], refusal.replace(verdict=trial[1])))
    if refusals:
        if in_effect.refusal is None:
            allowed, has_more = list_alternatives(subject, in_effect.rules, client)
            refusals = [refusal.replace(allowed=allowed, has_more_allowed=has_more) for refusal in refusals]
        raise denied(refusals, pod, judged=len(requests))
    return _report_trials(trials, pod, in_effect.rules)


def denied(refusals: Sequence[Refusal], pod: Pod | None, *, judged: int) -> CniError:
    """Return refusals as CniError 100, in the words of the webhook. The text begins with the pod."""
    msg, details = render_parts(refusals, who=_who(pod) if pod else "the container", judged=judged)
    return CniError(ACCESS_DENIED, msg, details, has_owner=pod is not None)


def _place(position: int | None) -> str:
    return "default-network" if position is None else f"item {position + 1}"


def _who(pod: Pod) -> str:
    return f"pod {pod.namespace}/{pod.name}"


class _Request(Record):
    """A network that a pod or a claim asks for, and the verdict without its content.

    `needs_content`: the network itself can change the verdict.
    """

    position: int | None
    where: str
    item: Item
    verdict: Verdict
    needs_content: bool


def _first_look(
    subject: Subject,
    in_effect: RulesInEffect,
    position: int | None,
    element: NetworkSelectionElement,
    where: str = "",
) -> _Request:
    item = Item(element=element, network_labels={}, replaces_default=position is None and not where)
    item = item.replace(source="the claim") if where else item
    rules, verdict, needs_content = in_effect.rules, in_effect.refusal, False
    if verdict is None:
        verdict = judge(subject, item, rules, is_on_node=True)
        needs_content = verdict.is_allowed or _depends_on_content(subject, item, rules)
    return _Request(position=position, where=where, item=item, verdict=verdict, needs_content=needs_content)


def _ask_ahead(subject: Subject, requests: Sequence[_Request], rules: Rules, client: Server) -> None:
    """Ask for the networks that are to be looked up, and for the labels of their namespaces."""
    elements = [request.item.element for request in requests]
    others = [element.namespace for element in elements if element.namespace != subject.namespace]
    labels = objects.paths_of_namespaces(client, others) if rules.config.levels.reads_labels else []
    client.ask(*labels, *objects.paths_of_networks(client, [(one.namespace, one.name) for one in elements]))


def _judge(
    subject: Subject, item: Item, rules: Rules, networks: Networks, client: Server, where: str
) -> tuple[Item, Verdict]:
    """Return the verdict by the network, and the item with its network."""
    element = item.element
    try:
        network = networks.look_up(element.namespace, element.name)
        item = item.replace(network=network)
        if network is not None and rules.config.levels.reads_labels:
            item = item.replace(network_labels=_labels(subject, element.namespace, client))
        verdict = judge(subject, item, rules, is_on_node=True)
        if verdict.is_allowed and network is not None and network.is_on_disk:
            item = item.replace(network=networks.find(element.namespace, element.name))
            verdict = judge(subject, item, rules, is_on_node=True)
    except CniError as error:
        raise error.within(where) from error
    return item, verdict


def _labels(subject: Subject, namespace: str, client: Server) -> Mapping[str, str]:
    """Return the labels of a network's namespace. Raises CniError."""
    if namespace == subject.namespace:
        return subject.namespace_labels
    return objects.fetch_namespace_labels(client, namespace)


def _depends_on_content(subject: Subject, item: Item, rules: Rules) -> bool:
    """Say whether the network itself can change a refusal: by a rule about it, or by the consent of its owner."""
    if rules.config.posture == "Consent":
        return True
    index = rules.enforced
    return index is not None and any(_has_name(rule, subject, item) for rule in index.rules_for(subject))


def _has_name(rule: AttachmentRule, subject: Subject, item: Item) -> bool:
    """Say whether a rule is about networks of this name."""
    namespace, name = item.element.namespace, item.element.name
    return not rule.networks or any(entry.has_name(subject.namespace, namespace, name) for entry in rule.networks)


def _report_trials(trials: Sequence[tuple[str, Refusal]], pod: Pod, rules: Rules) -> tuple[Remark, ...]:
    """Log the refusals of policies on trial. Return one remark for all those of mode Warn."""
    warned = []
    for mode, refusal in trials:
        LOG.verbose(f"access rules: {mode}: {refusal.reference}: {refusal.verdict.code} by {refusal.verdict.decider}")
        if mode == "Warn":
            warned.append(render_trial(refusal, rules.config, who=_who(pod)))
    return (Remark(reason="NetworkAccessTrial", message="\n".join(warned)),) if warned else ()


def list_alternatives(subject: Subject, rules: Rules, client: Server) -> tuple[tuple[str, ...], bool]:
    """Return the networks that the pod may use. If the API server fails, return none and log the reason."""
    from cniplugin.access.judging.allowednetworks import list_allowed  # noqa: PLC0415  # only a refusal lists networks

    client.limit(min(LIST_S, client.left_s() * LIST_SHARE))
    try:
        return list_allowed(subject, rules, _Listed(client, subject))
    except CniError as error:
        LOG.error(f"the refusal does not say what is allowed: {error.msg}")
        return (), False
    finally:
        client.limit(float("inf"))


class _Counting:
    """A `Reader` with a limited number of requests."""

    def __init__(self, client: Server, answers: int) -> None:
        self.memo = client.memo
        self.left = answers
        self._client = client

    def get(self, path: str, *, appears_within_s: float = 0.0) -> dict[str, Any]:
        if not self.left:
            raise CniError(TRY_AGAIN_LATER, f"this needs more than {REQUESTS_MAX} requests")
        self.left -= 1
        return self._client.get(path, appears_within_s=appears_within_s)


class _Listed:
    """A `Catalogue` of the access rules that reads each object on demand. Every method raises CniError."""

    def __init__(self, client: Server, subject: Subject) -> None:
        self._reader = _Counting(client, REQUESTS_MAX)
        self._labels_reader = _Counting(client, REQUESTS_MAX)
        self._labels = {subject.namespace: subject.namespace_labels}
        self._networks: dict[str, dict[str, NetworkAttachmentDefinition]] = {}
        self._is_whole = False

    def network(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        """Return a definition, None without one."""
        return self._of(namespace).get(name)

    def network_names(self, namespace: str) -> Sequence[str]:
        """Return the sorted names of the definitions of a namespace."""
        return sorted(self._of(namespace))

    def network_namespaces(self) -> Iterable[str]:
        """Return the namespaces that have definitions, sorted."""
        return sorted(self._all())

    def shared_networks(self) -> Iterable[tuple[str, str]]:
        """Return namespace and name of the definitions with a consent annotation, sorted."""
        from cniplugin.access.reading.consent import ANNOTATIONS  # noqa: PLC0415  # as above

        return sorted(
            (namespace, name)
            for namespace, networks in self._all().items()
            for name, network in networks.items()
            if not network.annotations.keys().isdisjoint(ANNOTATIONS)
        )

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace; none after REQUESTS_MAX requests."""
        if namespace not in self._labels and self._labels_reader.left:
            self._labels[namespace] = objects.fetch_namespace_labels(self._labels_reader, namespace)
        return self._labels.get(namespace, {})

    def _of(self, namespace: str) -> Mapping[str, NetworkAttachmentDefinition]:
        if not self._is_whole and namespace not in self._networks:
            if self._reader.left == 1:
                self._all()
            else:
                listed = objects.fetch_networks(self._reader, namespace, pages_max=REQUESTS_MAX)
                self._networks[namespace] = {network.name: network for network in listed}
        return self._networks.get(namespace, {})

    def _all(self) -> Mapping[str, Mapping[str, NetworkAttachmentDefinition]]:
        if not self._is_whole:
            listed = objects.fetch_networks(self._reader, EVERYWHERE, pages_max=REQUESTS_MAX)
            self._networks = {}
            for network in listed:
                self._networks.setdefault(network.namespace, {})[network.name] = network
            self._is_whole = True
        return self._networks
