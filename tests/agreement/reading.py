"""What a pod asks for, read leniently: independent of the project's grammar, which is one of the parties compared.

Key names fold case, the last one counts, white space is trimmed, and obsolete or misspelt keys (`macRequest`, `ip`) count
as what they mean: the reading of somebody who wants the pod to run. A text that cannot be read so asks for nothing in
particular.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Wish = Mapping[str, Any]
"""What one interface should have: `ips`, `mac`, `gateways`, `ports`, `bandwidth` and `guid`, each only if it is asked for."""

GENERATED = re.compile(r"net\d+")
"""The names of interfaces for which the pod asks for no name."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class Selected(NamedTuple):
    """One network that an annotation names. `interface` is "" if the pod does not ask for a name."""

    namespace: str
    name: str
    interface: str
    wish: Wish

    @property
    def is_name(self) -> bool:
        """Whether a definition can have this name."""
        return bool(_NAME.fullmatch(self.name) and _NAME.fullmatch(self.namespace)) and len(self.name) <= 253


def read(text: str, namespace: str) -> list[Selected]:
    """Return the networks of an annotation for a pod of this namespace."""
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        return [] if re.search(r'[\[{"]', text) else list(_short(text, namespace))
    elements = value if isinstance(value, list) else []
    return [_element(element, namespace) for element in elements if isinstance(element, dict)]


def wishes(selected: Sequence[Selected]) -> dict[str, Wish]:
    """Return what is asked for by interface; an interface without a name has that of its position."""
    return {one.interface or f"net{position}": one.wish for position, one in enumerate(selected, 1)}


def _short(text: str, namespace: str) -> Iterator[Selected]:
    for item in filter(None, (part.strip() for part in text.split(","))):
        where, slash, rest = item.partition("/")
        name, _, interface = (rest if slash else item).partition("@")
        yield Selected((where.strip() if slash else "") or namespace, name.strip(), interface.strip(), {})


def _element(given: Mapping[str, Any], namespace: str) -> Selected:
    keys = {key.lower(): value for key, value in given.items()}
    ips = keys.get("ips") or keys.get("ip") or keys.get("iprequest")
    asked = {
        "ips": [ips] if isinstance(ips, str) else ips,
        "mac": keys.get("mac") or keys.get("macrequest"),
        "guid": keys.get("infiniband-guid"),
        "gateways": keys.get("default-route"),
        "ports": [port.get("hostPort") for port in keys.get("portmappings") or () if isinstance(port, dict)],
        "bandwidth": bool(keys.get("bandwidth")),
    }
    interface = keys.get("interface") or keys.get("interfacerequest") or ""
    return Selected(
        str(keys.get("namespace") or namespace),
        str(keys.get("name") or ""),
        str(interface),
        {key: value for key, value in asked.items() if value},
    )
