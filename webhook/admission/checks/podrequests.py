"""A pod can only ask its networks for addresses, gateways and capabilities that they can give.

Fields restricted: `ips`, `mac`, `portMappings`, `bandwidth`, `infiniband-guid`, `default-route` of each element of the
networks and default-network annotations. Values allowed: those that the plugins of the network accept, according to
their schemas (codes NAD6xx); an address of host-local once in a pod. A request that no plugin of the network reads is
refused as well. Warned about: what may work, such as a gateway outside the known subnets, and addresses that another
running pod asks for on the same network. Operations: CREATE and UPDATE, new items only. Exempt:
templates from the comparison with other pods, because their own pods are among those; plugin types without a schema,
and plugin types that the settings exempt. Example refusal: `[0].ips[0]: NAD601: IPAM host-local of this network does
not hand out this address: "10.2.0.5"; ...`
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cniplugin.netspec.attachers import NADMIT
from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import canonical_ip
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.model.requests import Decision, Request
from webhook.admission.plugins.findings import PluginFinding, is_refused
from webhook.admission.plugins.networksupport import Support, read_support
from webhook.admission.plugins.selectionrequests import asks_for_anything, is_granted, request_findings
from webhook.admission.view.addressclaims import Claim, claims_of, claims_on, mac_key
from webhook.admission.view.decisioncontext import Cluster, DecisionContext
from webhook.admission.view.definitions import Definitions
from webhook.admission.view.parsecache import PARSED, OutOfTurnError
from webhook.admission.wording import usetext

if TYPE_CHECKING:
    from cniplugin.netspec.annotation import UsualItem

ADDRESSES_MAX = 256
"""Addresses and gateways of one pod that are checked; each is compared with each range of its network."""

WARNINGS_MAX = 16
"""Warnings about one pod: the API server shows 4,096 characters of warnings."""

USERS_MAX = 100
"""Pods of one address that are searched for one of the author's namespace."""

OFFERS_MAX = 8192
"""Bytes of the offers that are kept for other pods of a kind, estimated: the 2,048 entries of a memory keep 16 MiB of
them at most, and they are nearly always in the cache as well."""

OFFER_COST = 8192
"""Cost of reading a network's ranges, as characters of a configuration that could be parsed instead."""

NOTHING_GIVEN = Support(attached_by=NADMIT)
"""Nothing is known of the network, so nothing that a certain attacher does is a surprise."""


class PodClaim(NamedTuple):
    """One address that an element claims; `item`: the element's position, None for the default network."""

    item: int | None
    network: tuple[str, str]
    claim: Claim


class Requests(NamedTuple):
    """The findings of the check: problems, surprises, and the addresses that other pods may claim as well."""

    problems: tuple[SpecError, ...] = ()
    surprises: tuple[SpecError, ...] = ()
    claims: tuple[PodClaim, ...] = ()

    @property
    def has_findings(self) -> bool:
        """Whether anything is wrong or surprising."""
        return bool(self.problems or self.surprises)


NO_REQUESTS = Requests()


def find(
    elements: Iterable[tuple[int | None, NetworkSelectionElement]],
    items: Collection[int | None],
    definitions: Definitions,
    context: DecisionContext,
) -> Requests:
    """Judge the elements at the positions `items`, among all elements of a pod, without regard to other pods.

    Without knowledge of CNI plugins, it finds only addresses that the pod asks for twice.
    """
    errors: list[SpecError] = []
    claims: list[PodClaim] = []
    holders: dict[tuple[str, str, str], int | None] = {}
    left = ADDRESSES_MAX
    for item, element in elements:
        if not asks_for_anything(element):
            network = definitions[element.namespace, element.name] if item in items else None
            if network is not None and network.config is not None and "static" in network.config.types:
                # The only network that may have no address for a pod that asks for none.
                offer = _offer(network.config, context)
                errors += [usetext.place(one, item) for one in request_findings(element, offer)]
            continue
        left -= len(element.ips) + len(element.default_route or ())
        if left < 0:
            break
        own = claims_of(element)
        if item in items:
            network = definitions[element.namespace, element.name]
            offer = _offer(network.config if network is not None else None, context)
            findings = [*request_findings(element, offer)]
            if holders:
                wrong = {finding.path for finding in findings}
                findings += _asked_twice(element, [claim for claim in own if claim.path not in wrong], offer, holders)
            errors += [usetext.place(finding, item) for finding in findings]
            claims += [PodClaim(item, (element.namespace, element.name), claim) for claim in own]
        for claim in own:
            holders.setdefault((element.namespace, element.name, claim.address), item)
    attacher = context.configuration.attached_by
    if not errors:
        return Requests(claims=tuple(claims)) if claims else NO_REQUESTS
    surprises = [error for error in errors if not is_refused(error.rule, attacher)]
    problems = [error for error in errors if is_refused(error.rule, attacher)]
    return Requests(problems=tuple(problems), surprises=tuple(surprises[:WARNINGS_MAX]), claims=tuple(claims))


Offers = tuple[Support | None, ...]
"""What the network of each element supports, None for an element without a request; () if no element has any."""


def usual_offers(
    elements: Sequence[tuple[int | None, NetworkSelectionElement]],
    items: Collection[int | None],
    definitions: Definitions,
    context: DecisionContext,
) -> Offers | None:
    """Return the offers by which `claim` judges other pods that ask the same networks for the same kinds of addresses.

    The elements at other positions than `items` have no offer. None if it takes `find` to judge such pods: two elements
    ask the same network, a network is unusual, or there is too much to keep.
    """
    offers: list[Support | None] = []
    networks: set[tuple[str, str]] = set()
    left = ADDRESSES_MAX
    for item, element in elements:
        offer = None
        left -= len(element.ips)
        if element.ips or element.mac:
            key = (element.namespace, element.name)
            if key in networks:
                return None
            networks.add(key)
            if item in items:
                network = definitions[key]
                offer = _offer(network.config if network is not None else None, context)
                if not offer.is_usual:
                    return None
        offers.append(offer)
    if left < 0 or sum(offer.weight for offer in offers if offer) > OFFERS_MAX:
        return None
    return tuple(offers) if any(offers) else ()


def claim(items: Sequence[UsualItem], offers: Offers, cluster: Cluster) -> tuple[PodClaim, ...] | None:
    """Return the claims of a pod of which `find` has no finding; None for a pod that has some, or may have.

    Claims on a network are left out if no pod claims one of these addresses: nothing is to be said about them.
    """
    claims: list[PodClaim] = []
    left = ADDRESSES_MAX
    for position, (namespace, name, _, mac, ips) in enumerate(items):
        left -= len(ips)
        offer = offers[position]
        if offer is None:
            continue
        addresses = [text.partition("/")[0] for text in ips]
        if not is_granted(addresses, mac, offer):
            return None
        claimed = cluster.address_users(namespace, name)
        if claimed and (
            (mac is not None and mac_key(mac) in claimed) or not claimed.keys().isdisjoint(map(canonical_ip, addresses))
        ):
            claims += [PodClaim(position, (namespace, name), one) for one in claims_on(ips, mac)]
    return tuple(claims) if left >= 0 else None


def _offer(config: NetworkConfigList | None, context: DecisionContext) -> Support:
    """Return the requests that a network supports; the cache keeps them. Raises OutOfTurnError."""
    plugins = context.configuration.plugins
    if config is None or plugins is None:
        return NOTHING_GIVEN
    # NB: the entry keeps the configuration alive, so no other configuration gets its id.
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
    holders: Mapping[tuple[str, str, str], int | None],
) -> Iterator[PluginFinding]:
    """Yield the claims that an earlier element makes of the same network; `holders`: the position of that element."""
    is_reserved = any(ipam.type == "host-local" and ipam.gets_ips for ipam in offer.ipams)
    for claim in claims:
        key = (element.namespace, element.name, claim.address)
        if key not in holders:
            continue
        holder = "the default network" if holders[key] is None else f"[{holders[key]}] of this pod"
        if is_reserved and not claim.is_mac:
            detail = f"{holder} asks for this address, and IPAM host-local gives it once"
            refusal = f"requested IP address {claim.address} is not available in range set"
            yield PluginFinding(code="NAD613", path=claim.path, detail=detail, value=claim.value, refusal=refusal)
        else:
            yield usetext.duplicate(claim, by=f"{holder} asks")


def warn_of_others(request: Request, decision: Decision, claims: Iterable[PodClaim], cluster: Cluster) -> Decision:
    """Return an allowed decision with a warning for each claim that another running pod makes as well.

    NB: every review asks this anew, because remembered decisions outlive the pods.
    """
    own = (request.namespace, request.object_name)
    errors: list[SpecError] = []
    for item, network, claim in claims:
        claimed = cluster.address_users(*network).get(claim.address)
        users = [pod for pod in claimed[:USERS_MAX] if pod != own] if claimed else ()
        if users:
            by = usetext.asking_pods(users, request.namespace)
            errors.append(usetext.place(usetext.duplicate(claim, by=by), item))
        if len(errors) == WARNINGS_MAX:
            break
    if not errors:
        return decision
    return decision._replace(
        warnings=(*decision.warnings, *(usetext.address_warning(request, error) for error in errors)),
        rules=tuple(dict.fromkeys([*decision.rules, *(error.rule for error in errors)])),
    )
