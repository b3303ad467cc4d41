"""Make the default route what the pod asked for, in the kernel and in the results (NPWG v1.3 §4.1.2.1.9).

One attachment may hold `default-route`. Then every other attachment loses its default routes, both families; the holder
gets one per gateway, in their order as metric, instead of its own of that family; an empty list keeps what it brought.
Routes are changed in the pod's namespace over netlink; the results say afterwards what the kernel has.
"""

from __future__ import annotations

from .netlink import AF_INET, AF_INET6, Namespace, Routes, interface_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .journal import Entry
    from .netlink import DefaultRoute
    from .netspec.plan import Plan

ALL = {AF_INET: "0.0.0.0/0", AF_INET6: "::/0"}


def settle(plan: Plan, entries: Sequence[Entry], netns: str) -> tuple[Entry, ...]:
    """Return the entries with their results as the kernel is afterwards; nothing is touched without a holder.

    Raises CniError 8 or 5; what was changed then is undone by detaching.
    """
    holder = next((item for item in plan.attachments if item.element.default_route is not None), None)
    if holder is None:
        return tuple(entries)
    gateways = holder.element.default_route or ()
    with Namespace(netns), Routes() as routes:
        for entry in entries:
            is_holder = entry.ifname == holder.interface
            _change(routes, entry.ifname, gateways if is_holder else None)
        return tuple(_described(routes, entry) for entry in entries)


def _change(routes: Routes, ifname: str, gateways: Sequence[str] | None) -> None:
    """Give an interface these gateways; None takes all default routes from it, () leaves it alone."""
    index = interface_index(ifname)
    if index is None:
        return
    families = {AF_INET6 if ":" in gateway else AF_INET for gateway in gateways or ()}
    for route in routes.defaults(index):
        if gateways is None or route.family in families:
            routes.delete(route)
    for family in families:
        own = [gateway for gateway in gateways or () if (":" in gateway) is (family == AF_INET6)]
        for position, gateway in enumerate(own):
            routes.add_default(index, gateway, metric=_metric(family, position))


def _metric(family: int, position: int) -> int:
    """The first gateway is preferred. NB: for IPv6, 0 means the kernel's own default, 1024."""
    return position if family == AF_INET else 1024 + position


def _described(routes: Routes, entry: Entry) -> Entry:
    """Return an entry whose result has the default routes of the kernel."""
    index = interface_index(entry.ifname)
    if index is None or entry.result is None:
        return entry
    found = routes.defaults(index)
    result = dict(entry.result)
    others = [route for route in result.get("routes") or [] if route.get("dst") not in ALL.values()]
    result["routes"] = [*others, *(_route(route) for route in found)]
    return entry.replace(result=result, default_route={"gateways": [route.gateway for route in found]})


def _route(route: DefaultRoute) -> dict[str, Any]:
    value = {"dst": ALL[route.family]}
    return {**value, "gw": route.gateway} if route.gateway else value
