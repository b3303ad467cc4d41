"""Stock-taking: what only all objects of a cluster together show. `nadmit scan` and reports in the cluster show it.

An object is judged as if it were created now by admission, and not here. What admission finds, no rule here says again.
"""

from __future__ import annotations

from collections.abc import Iterator

from cniplugin.access.model.decision import Rules
from cniplugin.netspec import netattachdef
from webhook.admission.plugins.schema import PluginChecks
from webhook.report.stockrules import STOCK_RULES
from webhook.report.topology.graph import Topology

from . import attachedpods, definitionfindings, dnsroutes, policyreach, rangefindings
from .collisions import find_collisions
from .finding import LEVELS, Finding
from .stock import Stock

_PLACES = {rule: number for number, rule in enumerate(STOCK_RULES)}


def take_stock(stock: Stock, checks: PluginChecks, rules: Rules | None = None) -> tuple[Finding, ...]:
    """Return the findings, the worst first, then by rule and object.

    `checks`: how ranges are read. `rules`: those of the cluster's policies; None if they could not be read, so that
    nothing is said of what pods may use.
    """
    topology = stock.finish()
    return tuple(sorted(map(_bounded, _find(stock, topology, checks, rules)), key=order))


TEXT_MAX = 1000
"""Characters of a message or a property. Authors of objects choose names of interfaces and MACs in network-status."""


def _bounded(one: Finding) -> Finding:
    if len(one.message) <= TEXT_MAX and all(len(value) <= TEXT_MAX for _, value in one.properties):
        return one
    return one._replace(
        message=_cut(one.message), properties=tuple((name, _cut(value)) for name, value in one.properties)
    )


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"


def order(one: Finding) -> tuple[int, int, str, str, str, str, str]:
    """Return the key by which findings are sorted: level, rule, object."""
    subject, place = one.subject, _PLACES.get(one.rule, len(_PLACES))
    return LEVELS.index(one.level), place, one.rule, subject.namespace, subject.kind, subject.name, one.message


def _find(stock: Stock, topology: Topology, checks: PluginChecks, rules: Rules | None) -> Iterator[Finding]:
    if netattachdef.KIND not in stock.unread:  # else nobody knows which networks share a segment
        supports = rangefindings.read_supports(topology, checks)
        yield from find_collisions(stock, topology)
        yield from rangefindings.find_overlaps(stock, topology, supports)
        yield from rangefindings.find_full(stock, topology, supports)
        yield from rangefindings.find_outside(stock, topology, supports)
        yield from dnsroutes.find_default_routes(stock, topology, checks.attached_by)
        yield from dnsroutes.find_routes(stock, topology, supports)
    yield from rangefindings.find_orphans(stock, topology)
    yield from attachedpods.find_lost(stock, topology)
    yield from attachedpods.find_otherwise(stock)
    if rules is not None:
        yield from attachedpods.find_forbidden(stock, topology, rules)
    yield from policyreach.find_empty(stock, topology)
    yield from definitionfindings.find_unprotected(stock, topology)
    yield from definitionfindings.find_mtus(stock, topology)
    yield from definitionfindings.find_unused(stock, topology)
