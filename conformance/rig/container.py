"""The network namespace of one pod: made, looked at, removed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

_TUNNELS = ("tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0")
"""Links that the kernel makes in every namespace if its modules are loaded."""


def ip(*words: str) -> str:
    """Run `ip`; raises CalledProcessError."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


class Container:
    """A network namespace with a loopback link, which is down as a runtime gives it to plugins."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = f"/run/netns/{name}"

    def make(self) -> None:
        """Make the namespace. Duplicate address detection takes a second per address, and there is no neighbour."""
        ip("netns", "add", self.name)
        off = "for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$f; done"
        subprocess.run(["ip", "netns", "exec", self.name, "sh", "-c", off], check=False, capture_output=True)

    def remove(self) -> None:
        """Remove the namespace, if it is still there."""
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)

    def run(self, *words: str) -> str:
        """Run `ip` in the namespace."""
        return ip("-n", self.name, *words)

    def links(self) -> list[str]:
        """Return the names of the links without loopback."""
        return [link["ifname"] for link in self._read("link", "show") if link["ifname"] not in {"lo", *_TUNNELS}]

    def mac(self, ifname: str) -> str:
        """Return the hardware address of a link."""
        return str(self._read("link", "show", ifname)[0]["address"])

    def addresses(self, ifname: str) -> list[str]:
        """Return the addresses of a link with their prefix lengths, without link-local ones."""
        infos = self._read("address", "show", ifname)[0]["addr_info"]
        return [f"{info['local']}/{info['prefixlen']}" for info in infos if info["scope"] == "global"]

    def default_routes(self, family: str = "-4") -> list[tuple[str, str]]:
        """Return link and gateway of the default routes, the preferred one first."""
        routes = json.loads(self.run(family, "-j", "route", "show", "default") or "[]")
        ordered = sorted(routes, key=lambda route: int(route.get("metric", 0)))
        return [(route["dev"], route.get("gateway", "")) for route in ordered]

    def _read(self, *words: str) -> Sequence[Any]:
        found = json.loads(self.run("-j", *words) or "[]")
        return [one for one in found if one]
