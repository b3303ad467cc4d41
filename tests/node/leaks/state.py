"""The traces of an attachment on a node, as texts to compare: links, routes, rules, packet filter, files.

The node's own state is left out, and also what Debian's plugins make once per node and never remove.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

_OF_A_NODE = re.compile(
    r":[A-Z]+$|:CNI-(HOSTPORT-[A-Z]+|FORWARD|ADMIN)$"  # chains; those of a container have a hash in their name
    r"|-A (PREROUTING|OUTPUT|POSTROUTING|FORWARD) .*-j CNI-(HOSTPORT-[A-Z]+|FORWARD)$"
    r"|-A CNI-HOSTPORT-(SETMARK|MASQ) |-A CNI-FORWARD .*-j CNI-ADMIN$"
)

_FILTERS = ("iptables-save", "ip6tables-save")

_LOOKS = (
    "ip -j address",
    "ip -4 -j route show table all",
    "ip -6 -j route show table all",
    "ip -4 -j rule show",
    "ip -6 -j rule show",
    "tc -j qdisc show",
)


def files(directory: Path) -> list[str]:
    """Return the files below a directory, none if it does not exist."""
    if not directory.exists():
        return []
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def network(namespace: str) -> dict[str, list[str]]:
    """Return links with their addresses, routes, rules and queues of a network namespace."""
    links, routes_4, routes_6, rules_4, rules_6, qdiscs = _look(namespace)
    return {
        f"{namespace} links": _links(links),
        f"{namespace} routes": _routes(routes_4) + _routes(routes_6),
        f"{namespace} rules": _rules(rules_4) + _rules(rules_6),
        f"{namespace} qdiscs": sorted(f"{item['dev']} {item['kind']}" for item in qdiscs),
    }


def packet_filters(namespace: str) -> dict[str, list[str]]:
    """Return the rules and chains of both families, without those that stay on a node for ever."""
    return {program.removesuffix("-save"): _filters(namespace, program) for program in _FILTERS}


def _filters(namespace: str, program: str) -> list[str]:
    words = ["ip", "netns", "exec", namespace, program]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    rules = [line for line in lines if line.startswith("-A")]
    chains = [line.partition(" ")[0] for line in lines if line.startswith(":")]
    return sorted(text for text in (*rules, *chains) if not _OF_A_NODE.match(text))


def _look(namespace: str) -> list[list[dict[str, Any]]]:
    """Return the output of each command of `_LOOKS` in a namespace. NB: one shell for all, because every test needs several."""
    words = ["ip", "netns", "exec", namespace, "sh", "-ec", "; echo --; ".join(_LOOKS)]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return [[item for item in json.loads(part.strip() or "[]") if item] for part in text.split("--\n")]


def _links(links: list[dict[str, Any]]) -> list[str]:
    """NB: without link-local addresses, because the kernel adds them late."""
    found = []
    for link in links:
        addresses = [f"{item['local']}/{item['prefixlen']}" for item in link["addr_info"] if item["scope"] != "link"]
        found.append(f"{link['ifname']} master={link.get('master')} {sorted(addresses)}")
    return sorted(found)


def _routes(routes: list[dict[str, Any]]) -> list[str]:
    """Return the routes of all tables except the one that the kernel fills from the addresses."""
    shown = (
        f"{item['dst']} via {item.get('gateway')} dev {item.get('dev')} table {item.get('table', 'main')}"
        for item in routes
        if item.get("table") != "local"
    )
    return sorted(route for route in shown if not route.startswith(("fe80", "ff00")))


def _rules(rules: list[dict[str, Any]]) -> list[str]:
    return [f"{rule.get('src')}/{rule.get('srclen')} to {rule.get('dst')} table {rule['table']}" for rule in rules]
