"""May a pod attach to the networks that it asks for: the access rules, asked by the node with what it alone knows.

The webhook has asked the same, of the same rules, when the pod was made. Since then rules and networks may have
changed, and a network whose configuration is a file of the node is read here for the first time.

A network is looked up only if that can make a difference: whether another namespace's network exists cannot be told
from a refusal. Policies and levels of mode Warn and Audit refuse nothing.

The labels of a network's namespace decide which level its definitions have. Those of the pod's own namespace are known;
each other namespace costs one request.
"""

from __future__ import annotations

from cniplugin.access.judging.judge import judge, judge_trial
from cniplugin.access.judging.reasons import Refusal, render, render_trial, trial_rule
from cniplugin.access.model.values import Item, Subject
from cniplugin.cluster import objects
from cniplugin.cluster.accessrules import Remark
from cniplugin.cnierrors import ACCESS_DENIED, CniError
from cniplugin.host.log import LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from cniplugin.access.model.policyrules import AttachmentRule
    from cniplugin.access.model.values import Rules, Verdict
    from cniplugin.cluster.accessrules import Standing
    from cniplugin.cluster.objects import Pod, Server
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
    from cniplugin.netspec.selection import NetworkSelectionElement

    from .podclaims import Claimed

    Asked = Sequence[tuple[int | None, NetworkSelectionElement]]
    """What a pod asks for: positions in the networks annotation, None for the default network, and elements."""

    class Networks(Protocol):
        """Looks networks up."""

        def look_up(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
            """Return a definition as the API has it; raises CniError."""

        def find(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
            """Return it with the configuration of the node's disk, if it has none itself; raises CniError."""


def check(
    pod: Pod,
    asked: Asked,
    standing: Standing,
    networks: Networks,
    client: Server,
    *,
    claimed: Sequence[Claimed] = (),
) -> tuple[Remark, ...]:
    """Return what is to be told of a pod that may attach to all it asks for, and to what its claims name.

    Raises CniError 100 with the text that the webhook would give, if any network is refused; CniErrors of networks
    that cannot be looked up name the item.
    """
    subject = Subject(
        namespace=pod.namespace,
        namespace_labels=standing.labels,
        labels=pod.labels,
        service_account=pod.service_account,
    )
    refusals, trials = [], []
    wanted = [*((position, element, "") for position, element in asked)]
    wanted += [(None, one.element, one.where) for one in claimed]
    for position, element, where in wanted:
        item = Item(element=element, network_labels={}, replaces_default=position is None and not where)
        item = item.replace(source="the claim") if where else item
        verdict = standing.refusal
        if verdict is None:
            item, verdict = _judge(subject, item, standing.rules, networks, client, where or _place(position))
        refusal = Refusal(reference=item.reference, item=position, verdict=verdict, where=where)
        if not verdict.is_allowed:
            refusals.append(refusal)
        elif (trial := judge_trial(subject, item, standing.rules)) is not None:
            trials.append((trial[0], refusal.replace(verdict=trial[1])))
    if refusals:
        if standing.refusal is None:
            refusals = _with_allowed(refusals, subject, standing.rules, client)
        raise denied(refusals, pod, judged=len(wanted))
    return _tell_trials(trials, pod, standing.rules)


def denied(refusals: Sequence[Refusal], pod: Pod | None, *, judged: int) -> CniError:
    """Return refusals as an error, 100, in the webhook's words."""
    first, _, rest = render(refusals, who=_who(pod) if pod else "the container", judged=judged).partition("\n")
    return CniError(ACCESS_DENIED, first, rest)


def _place(position: int | None) -> str:
    return "default-network" if position is None else f"item {position + 1}"


def _who(pod: Pod) -> str:
    return f"pod {pod.namespace}/{pod.name}"


def _judge(
    subject: Subject, item: Item, rules: Rules, networks: Networks, client: Server, where: str
) -> tuple[Item, Verdict]:
    """Return the verdict, and the item with what is known of its network."""
    verdict = judge(subject, item, rules, is_on_node=True)
    if not verdict.is_allowed and not _depends_on_content(subject, item, rules):
        return item, verdict
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
        raise CniError(error.code, f"{where}: {error.msg}", error.details) from error
    return item, verdict


def _labels(subject: Subject, namespace: str, client: Server) -> Mapping[str, str]:
    """Return the labels of a network's namespace. Raises CniError."""
    if namespace == subject.namespace:
        return subject.namespace_labels
    return objects.fetch_namespace_labels(client, namespace)


def _depends_on_content(subject: Subject, item: Item, rules: Rules) -> bool:
    """Say whether the network itself can change a refusal: what a rule says of it, or what its owner shares."""
    if rules.config.posture == "Consent":
        return True
    index = rules.enforced
    return index is not None and any(_has_name(rule, subject, item) for rule in index.rules_for(subject))


def _has_name(rule: AttachmentRule, subject: Subject, item: Item) -> bool:
    """Say whether a rule is about networks of such a name."""
    namespace, name = item.element.namespace, item.element.name
    return not rule.networks or any(entry.has_name(subject.namespace, namespace, name) for entry in rule.networks)


def _with_allowed(refusals: list[Refusal], subject: Subject, rules: Rules, client: Server) -> list[Refusal]:
    from .alternatives import list_for  # noqa: PLC0415  # only a refusal lists networks

    allowed, has_more = list_for(subject, rules, client)
    return [refusal.replace(allowed=allowed, has_more_allowed=has_more) for refusal in refusals]


def _tell_trials(trials: Sequence[tuple[str, Refusal]], pod: Pod, rules: Rules) -> tuple[Remark, ...]:
    """Log what policies on trial would refuse; those of mode Warn make one event together."""
    warned = []
    for mode, refusal in trials:
        LOG.verbose(f"access rules: {mode}: {refusal.reference}: {refusal.verdict.code} by {trial_rule(refusal)}")
        if mode == "Warn":
            warned.append(render_trial(refusal, rules.config, who=_who(pod)))
    return (Remark(reason="NetworkAccessTrial", message="\n".join(warned)),) if warned else ()
