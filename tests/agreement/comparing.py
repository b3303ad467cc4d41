"""Do a verdict and a node agree? Pure: a verdict, what was asked for, and what the node made of it.

The webhook should refuse what would fail, what a pod would not get although it asks for it, and what it may not have. So
these are disagreements: it admits a pod that does not start, or that lacks what it asks for without a warning; it refuses
one that would get everything. A warning that says "differs" fits every outcome.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from .cases import Case
from .reading import GENERATED, Wish
from .trying import Attached
from .verdicts import Verdict

Kind = Literal["admitted, fails", "warned of, fails", "refused, would run", "admitted, attached otherwise", ""]
KINDS: Mapping[Kind, str] = {
    "admitted, fails": "the webhook says nothing, and the pod does not start",
    "warned of, fails": "the webhook only warns, and the pod does not start",
    "refused, would run": "the webhook refuses, and the pod would get all that it asks for",
    "admitted, attached otherwise": "the webhook says nothing, and the pod lacks what it asks for",
}
"""The kinds of disagreement."""


def disagreement(verdict: Verdict, case: Case, node: Attached) -> Kind:
    """Return how a verdict and a node disagree, "" if they agree."""
    if verdict.word == "refused":
        is_right = verdict.by_access or bool(node.error) or bool(lacks(case, node))
        return "" if is_right else "refused, would run"
    if node.error:
        if verdict.word == "allowed":
            return "admitted, fails"
        return "" if verdict.differs else "warned of, fails"
    return "admitted, attached otherwise" if verdict.word == "allowed" and lacks(case, node) else ""


def lacks(case: Case, node: Attached) -> list[str]:
    """Return what a pod that was attached lacks; [] if it has everything that it asks for."""
    spare = [name for name in node.interfaces if name not in case.asked and name != "eth0"]
    missing: list[str] = []
    for name, wish in case.asked.items():
        found = name if name in node.interfaces else ""
        if not found and GENERATED.fullmatch(name) and spare:
            found = spare.pop(0)  # the pod asks for no name, so any does
        missing += _lacks_of(name, wish, node, found) if found else [f"no interface {name}"]
    return missing


def _lacks_of(name: str, wish: Wish, node: Attached, found: str) -> Iterator[str]:
    interface = node.interfaces[found]
    here = [address.partition("/")[0] for address in interface["ips"]]
    for address in _list(wish.get("ips")):
        if _address(address) not in map(_address, here):
            yield f"{name} has {', '.join(here) or 'no address'}, not {address}"
    if "subnet" in wish and not any(_is_in(address, wish["subnet"]) for address in here):
        yield f"{name} has {', '.join(here) or 'no address'}, not one of {wish['subnet']}"
    if "mac" in wish and _mac(wish["mac"]) != _mac(interface["mac"]):
        yield f"{name} has {interface['mac']}, not {wish['mac']}"
    for gateway in _list(wish.get("gateways")):
        if [found, gateway] not in [list(route) for route in node.routes]:
            default = " and ".join(" via ".join(filter(None, route)) for route in node.routes)
            yield f"the default route is {default or 'absent'}, not {name} via {gateway}"
    if "guid" in wish:
        yield f"{name} is no InfiniBand device"
    missing = sorted(set(wish.get("ports", ())) - set(node.ports))
    if missing:
        yield f"no host port {', '.join(map(str, missing))}"
    if wish.get("bandwidth") and not node.has_bandwidth:
        yield f"no limit of the rate of {name}"


def _list(value: object) -> list[object]:
    """Return a list of an annotation; a value of another type asks for nothing that can be looked up."""
    return value if isinstance(value, list) else []


def _address(text: object) -> object:
    """Return an address in a form to compare, without its prefix; a text that is none stays one."""
    try:
        return ipaddress.ip_address(str(text).partition("/")[0])
    except ValueError:
        return str(text)


def _is_in(address: str, subnet: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(subnet)


def _mac(text: object) -> str:
    return "".join(char for char in str(text).lower() if char not in ":.-")


def outcome(case: Case, node: Attached) -> str:
    """Return the node's result in words."""
    if node.error:
        return f"failed: {node.error}"
    missing = lacks(case, node)
    shown = f"attached otherwise: {'; '.join(missing)}" if missing else _shown(case, node.interfaces)
    return f"{shown} (and DEL failed: {node.kept})" if node.kept else shown


def _shown(case: Case, interfaces: Mapping[str, Mapping[str, Any]]) -> str:
    names = [name for name in interfaces if name != "eth0"] or ["eth0"]
    return f"attached{' as asked' if case.subject == 'pod' else ''}: {', '.join(names)}"
