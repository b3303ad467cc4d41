"""What a pod asks of its networks can be had: addresses, gateways, and what its networks' capabilities promise.

Fields restricted: `ips`, `mac`, `portMappings`, `bandwidth`, `infiniband-guid`, `default-route` of each element of the
networks and default-network annotations. Values allowed: what the plugins of the network take, as far as their schemas
tell (codes NAD6xx); an address of host-local once in a pod. Warned about: requests without effect, and addresses that
another running pod asks for on the same network. Operations: CREATE and UPDATE, new items only. Exempt: templates, as
to other pods, because their own pods are among them; plugin types without schema, and those that the settings exempt.
Example refusal: `[0].ips[0]: NAD601: IPAM host-local of this network does not hand out this address: "10.2.0.5"; ...`
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.model.requests import Decision, Request
from webhook.admission.plugins.findings import PluginFinding, is_refused
from webhook.admission.plugins.networksupport import Support, read_support
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.plugins.selectionrequests import asks_for_anything, request_findings
from webhook.admission.view.addressclaims import Claim, claims_of
from webhook.admission.view.listers import Cluster
from webhook.admission.view.parsecache import PARSED, OutOfTurnError
from webhook.admission.wording import addressuse

ADDRESSES_MAX = 256
"""Addresses and gateways of one pod that are looked at: each is compared with each range of its network."""

REMARKS_MAX = 16
"""About one pod: the API server shows 4,096 characters of warnings."""

USERS_MAX = 100
"""Pods of one address that are looked through for one of the author's namespace."""

OFFER_COST = 8192
"""What reading a network's ranges takes of a turn, in characters that could be read of a configuration instead."""

NOTHING_GIVEN = Support()


class PodClaim(NamedTuple):
    """What one element claims: its position (None: the default network), its network, the claim."""

    item: int | None
    network: tuple[str, str]
    claim: Claim


class Found(NamedTuple):
    """What is wrong with a pod's requests, what surprises, and what other pods may claim, too."""

    problems: tuple[SpecError, ...] = ()
    remarks: tuple[SpecError, ...] = ()
    claims: tuple[PodClaim, ...] = ()


NOTHING_FOUND = Found()


def find(
    elements: Iterable[tuple[int | None, NetworkSelectionElement]],
    items: Collection[int | None],
    cluster: Cluster,
    plugins: PluginChecks | None,
) -> Found:
    """Judge the elements at the positions `items`, of all that a pod has. Other pods are not asked about.

    `plugins`: what is known of CNI plugins; None: only what one pod asks for twice is found.
    """
    asking = [(item, element) for item, element in elements if asks_for_anything(element)]
    if not asking:
        return NOTHING_FOUND
    errors: list[SpecError] = []
    claims: list[PodClaim] = []
    holders: dict[tuple[str, str, str], str] = {}
    left = ADDRESSES_MAX
    for item, element in asking:
        left -= len(element.ips) + len(element.default_route or ())
        if left < 0:
            break
        own = claims_of(element)
        if item in items:
            offer = _offer(element, cluster, plugins)
            findings = [*request_findings(element, offer)]
            wrong = {finding.path for finding in findings}
            findings += _asked_twice(element, [claim for claim in own if claim.path not in wrong], offer, holders)
            errors += [addressuse.place(finding, item) for finding in findings]
            claims += [PodClaim(item, (element.namespace, element.name), claim) for claim in own]
        for claim in own:
            key = (element.namespace, element.name, claim.address)
            holders.setdefault(key, "the default network" if item is None else f"[{item}] of this pod")
    remarks = [error for error in errors if not is_refused(error.rule)]
    problems = [error for error in errors if is_refused(error.rule)]
    return Found(problems=tuple(problems), remarks=tuple(remarks[:REMARKS_MAX]), claims=tuple(claims))


def _offer(element: NetworkSelectionElement, cluster: Cluster, plugins: PluginChecks | None) -> Support:
    """Return what a network gives; kept with what was read of the network. Raises OutOfTurnError."""
    network = cluster.network(element.namespace, element.name)
    config = network.config if network is not None else None
    if config is None or plugins is None:
        return NOTHING_GIVEN
    # NB: the entry holds the configuration, so that no other one gets its id.
    key = ("offer", id(config), plugins)
    known: tuple[NetworkConfigList, Support] | None = PARSED.get(key)
    if known is not None:
        return known[1]
    if not PARSED.spend(OFFER_COST):
        raise OutOfTurnError
    offer = read_support(config, plugins)
    PARSED.put(key, (config, offer), offer.weight)
    return offer


def _asked_twice(
    element: NetworkSelectionElement,
    claims: Iterable[Claim],
    offer: Support,
    holders: Mapping[tuple[str, str, str], str],
) -> Iterator[PluginFinding]:
    """Yield what an earlier element claims of the same network; `holders`: which one, in words."""
    is_reserved = any(ipam.type == "host-local" and ipam.gets_ips for ipam in offer.ipams)
    for claim in claims:
        holder = holders.get((element.namespace, element.name, claim.address))
        if holder is None:
            continue
        if is_reserved and not claim.is_mac:
            detail = f"{holder} asks for this address, and IPAM host-local gives it once"
            refusal = f"requested IP address {claim.address} is not available in range set"
            yield PluginFinding(code="NAD613", path=claim.path, detail=detail, value=claim.value, refusal=refusal)
        else:
            yield addressuse.duplicate(claim, by=f"{holder} asks")


def warn_of_others(request: Request, decision: Decision, claims: Iterable[PodClaim], cluster: Cluster) -> Decision:
    """Return an allowed decision with a warning for each claim that another running pod has, too.

    NB: asked anew for each review; what a snapshot remembers of decisions outlives the pods.
    """
    own = (request.namespace, request.object_name)
    errors: list[SpecError] = []
    for item, network, claim in claims:
        users = [pod for pod in cluster.address_users(*network, claim.address)[:USERS_MAX] if pod != own]
        if users:
            by = addressuse.asking_pods(users, request.namespace)
            errors.append(addressuse.place(addressuse.duplicate(claim, by=by), item))
        if len(errors) == REMARKS_MAX:
            break
    if not errors:
        return decision
    return decision._replace(
        warnings=(*decision.warnings, *(addressuse.remark(request, error) for error in errors)),
        rules=tuple(dict.fromkeys([*decision.rules, *(error.rule for error in errors)])),
    )
