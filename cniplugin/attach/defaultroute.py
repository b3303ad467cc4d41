"""Make the default route what the pod asked for, in the kernel and in the results (NPWG v1.3 §4.1.2.1.9).

One attachment may hold `default-route`. Then every other attachment loses its default routes, both families; the holder
gets one per gateway, in their order as metric, instead of its own of that family; an empty list keeps what it brought.
Routes are changed in the pod's namespace over netlink; the results say afterwards what the kernel has.
"""

from __future__ import annotations

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError
from cniplugin.host.netlink import Namespace, interface_index
from cniplugin.host.routes import AF_INET, AF_INET6, RT_TABLE_MAIN, Routes
from cniplugin.netspec import result as results

from .teardown import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from cniplugin.host.routes import DefaultRoute
    from cniplugin.netspec.plan import Plan
    from cniplugin.records.journaltext import Entry

ALL = {AF_INET: "0.0.0.0/0", AF_INET6: "::/0"}
OLD_KEYS = {AF_INET: "ip4", AF_INET6: "ip6"}


def settle(plan: Plan, entries: Sequence[Entry], netns: str) -> tuple[Entry, ...]:
    """Return the entries with their results as the kernel is afterwards; nothing is touched without a holder.

    Raises CniError 8, 5, or 7 when the holder has no interface; what was changed then is undone by detaching.
    """
    holder = next((item for item in plan.attachments if item.element.default_route is not None), None)
    if holder is None:
        return tuple(entries)
    with Namespace(netns), Routes() as routes:
        for entry in entries:
            if entry.ifname != holder.interface:
                _take(routes, entry)
        # NB: after the others lost theirs; the kernel has one route of a family and metric, and keeps the older one.
        for entry in entries:
            if entry.ifname == holder.interface:
                _give(routes, entry, holder.element.default_route or ())
        return tuple(_described(routes, entry) for entry in entries)


def _take(routes: Routes, entry: Entry) -> None:
    """Take all default routes from an interface."""
    index = interface_index(entry.ifname)
    for route in routes.defaults(index) if index is not None else ():
        with _Naming(entry):
            routes.delete(route)


def _give(routes: Routes, entry: Entry, asked: Sequence[str]) -> None:
    """Give the holder its gateways: those asked for, and of a family that nobody asked for those that it brought.

    NB: what it brought may not be in the kernel: its plugins leave out a route that another interface had already.
    """
    index = interface_index(entry.ifname)
    with _Naming(entry):
        if index is None:
            if asked:
                raise CniError(INVALID_NETWORK_CONFIG, "the network made no interface that could hold it")
            return
        for family in ALL:
            wanted = [gateway for gateway in asked if _family(gateway) == family]
            present = [route for route in routes.defaults(index) if route.family == family]
            if not wanted and present:
                continue
            for route in present:
                routes.delete(route)
            for position, gateway in enumerate(wanted or _brought(entry, family)):
                routes.add_default(index, gateway, metric=_metric(family, position))


def _brought(entry: Entry, family: int) -> list[str]:
    """Return the gateways of a result's default routes; a route without one has the address's (CNI 1.1 §5)."""
    found = results.parse(entry.result, cni_version="0.1.0")
    own = [ip.gateway for ip in found.ips if ip.gateway and _family(ip.gateway) == family]
    gateways = [route.gw or next(iter(own), "") for route in found.routes if route.dst == ALL[family]]
    return [gateway for gateway in dict.fromkeys(gateways) if gateway]


class _Naming:
    """Within it, errors get the name of the attachment that they are about."""

    def __init__(self, entry: Entry) -> None:
        self._label = f"{name_of(entry)}: default-route"

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, CniError):
            raise CniError(error.code, f"{self._label}: {error.msg}", error.details) from error


def _family(address: str) -> int:
    return AF_INET6 if ":" in address else AF_INET


def _metric(family: int, position: int) -> int:
    """The first gateway is preferred. NB: for IPv6, 0 means the kernel's own default, 1024."""
    return position if family == AF_INET else 1024 + position


def _described(routes: Routes, entry: Entry) -> Entry:
    """Return an entry whose result has the default routes of the kernel."""
    index = interface_index(entry.ifname)
    if index is None or entry.result is None:
        return entry
    found = routes.defaults(index)
    result = _with_defaults(entry.result, found)
    return entry.replace(result=result, default_route={"gateways": [route.gateway for route in found]})


def _with_defaults(result: Mapping[str, Any], found: Sequence[DefaultRoute]) -> dict[str, Any]:
    """Return a result with these default routes. NB: before CNI 0.3.0, routes stand in `ip4` and `ip6`."""
    if not any(key in result for key in OLD_KEYS.values()):
        return {**result, "routes": [*_others(result), *map(_route, found)]}
    old = {key: (result[key], family) for family, key in OLD_KEYS.items() if isinstance(result.get(key), dict)}
    return {
        **result,
        **{
            key: {**value, "routes": [*_others(value), *(_route(route) for route in found if route.family == family)]}
            for key, (value, family) in old.items()
        },
    }


def _others(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the routes that are no default routes of the main table."""
    return [
        route
        for route in value.get("routes") or []
        if not str(route.get("dst")).endswith("/0") or route.get("table") not in {None, RT_TABLE_MAIN}
    ]


def _route(route: DefaultRoute) -> dict[str, Any]:
    value = {"dst": ALL[route.family]}
    return {**value, "gw": route.gateway} if route.gateway else value
