"""Set the default route that the pod asks for, in the kernel and in the results (NPWG v1.3 §4.1.2.1.9).

One attachment may have `default-route`, or one for each family. Every other attachment then loses its default routes of
both families. A holder gets one route per gateway, with its position as metric, instead of its own routes of that
family. An empty list keeps the routes that the plugins of the holder made. A holder of both families keeps its own
routes of a family for which it names no gateway; one of two holders does not. The routes are changed in the pod's
namespace over netlink. Afterwards the results have the routes of the kernel.
"""

from __future__ import annotations

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError
from cniplugin.host.netlink import Namespace, interface_index
from cniplugin.host.routes import AF_INET, AF_INET6, RT_TABLE_MAIN, Routes
from cniplugin.netspec import result as results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from cniplugin.host.routes import DefaultRoute
    from cniplugin.netspec.plan import Plan
    from cniplugin.records.journal import Entry

ALL = {AF_INET: "0.0.0.0/0", AF_INET6: "::/0"}
OLD_KEYS = {AF_INET: "ip4", AF_INET6: "ip6"}


def settle(plan: Plan, entries: Sequence[Entry], netns: str) -> tuple[Entry, ...]:
    """Return the entries with the routes of the kernel in their results. Does nothing if no attachment is the holder.

    Raises CniError 8, 5, or 7 if a holder has no interface. The caller then detaches, which undoes the changes.
    """
    asked = {
        item.interface: item.element.default_route
        for item in plan.attachments
        if item.element.default_route is not None
    }
    if not asked:
        return tuple(entries)
    with Namespace(netns), Routes() as routes:
        # NB: the holders come last: the kernel has one route of a family and metric, and keeps the older one.
        for entry in sorted(entries, key=lambda entry: entry.ifname in asked):
            try:
                if entry.ifname not in asked:
                    _take(routes, entry, ALL)
                else:
                    families = ALL if len(asked) == 1 else {_family(gateway) for gateway in asked[entry.ifname]}
                    _take(routes, entry, ALL.keys() - set(families))
                    _give(routes, entry, asked[entry.ifname], families)
            except CniError as error:
                raise error.within(f"{entry.label}: default-route") from error
        return tuple(_described(routes, entry) for entry in entries)


def _take(routes: Routes, entry: Entry, families: Iterable[int]) -> None:
    """Delete the default routes of some families of an interface."""
    index = interface_index(entry.ifname)
    taken = set(families)
    for route in routes.defaults(index) if index is not None and taken else ():
        if route.family in taken:
            routes.delete(route)


def _give(routes: Routes, entry: Entry, asked: Sequence[str], families: Iterable[int]) -> None:
    """Add the holder's gateways. A family without a requested gateway keeps the routes of the holder's own result.

    NB: these may be missing in the kernel, because plugins leave out a route that another interface has already.
    """
    index = interface_index(entry.ifname)
    if index is None:
        if asked:
            raise CniError(INVALID_NETWORK_CONFIG, "the network has no interface for it")
        return
    for family in families:
        requested = [gateway for gateway in asked if _family(gateway) == family]
        present = [route for route in routes.defaults(index) if route.family == family]
        if not requested and present:
            continue
        for route in present:
            routes.delete(route)
        for position, gateway in enumerate(requested or _gateways_of(entry, family)):
            routes.add_default(index, gateway, metric=_metric(family, position))


def _gateways_of(entry: Entry, family: int) -> list[str]:
    """Return the gateways of a result's default routes; a route without one uses that of the address (CNI 1.1 §5)."""
    result = results.parse(entry.result, cni_version="0.1.0")
    own = next((ip.gateway for ip in result.ips if ip.gateway and _family(ip.gateway) == family), "")
    gateways = [route.gw or own for route in result.routes if route.dst == ALL[family]]
    return [gateway for gateway in dict.fromkeys(gateways) if gateway]


def _family(address: str) -> int:
    return AF_INET6 if ":" in address else AF_INET


def _metric(family: int, position: int) -> int:
    """Return the metric; the first gateway is preferred. NB: for IPv6, 0 means the kernel's default, 1024."""
    return position if family == AF_INET else 1024 + position


def _described(routes: Routes, entry: Entry) -> Entry:
    """Return the entry with the default routes of the kernel in its result."""
    index = interface_index(entry.ifname)
    if index is None or entry.result is None:
        return entry
    present = routes.defaults(index)
    result = _with_defaults(entry.result, present)
    return entry.replace(result=result, default_route={"gateways": [route.gateway for route in present]})


def _with_defaults(result: Mapping[str, Any], present: Sequence[DefaultRoute]) -> dict[str, Any]:
    """Return a result with these default routes. NB: before CNI 0.3.0, routes are in `ip4` and `ip6`."""
    if not any(key in result for key in OLD_KEYS.values()):
        return {**result, "routes": [*_others(result), *map(_route, present)]}
    old = {key: (result[key], family) for family, key in OLD_KEYS.items() if isinstance(result.get(key), dict)}
    return {
        **result,
        **{
            key: {**value, "routes": [*_others(value), *(_route(route) for route in present if route.family == family)]}
            for key, (value, family) in old.items()
        },
    }


def _others(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the routes that are not default routes of the main table."""
    return [
        route
        for route in value.get("routes") or []
        if not str(route.get("dst")).endswith("/0") or route.get("table") not in {None, RT_TABLE_MAIN}
    ]


def _route(route: DefaultRoute) -> dict[str, Any]:
    value = {"dst": ALL[route.family]}
    return {**value, "gw": route.gateway} if route.gateway else value
