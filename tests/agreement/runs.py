"""The runs: which cases a node tries, with whom, and under which postures."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from cniplugin.netspec.attachers import MULTUS, NADMIT

from .cases import Case, load, plugins, types

Posture = Literal["Open", "Isolated"]
OPEN: Posture = "Open"
ISOLATED: Posture = "Isolated"


class Run(NamedTuple):
    """One attempt to attach the pod of a case."""

    case: Case
    attacher: str
    posture: Posture

    @property
    def id(self) -> str:
        return f"{self.case.id} {self.attacher} {self.posture}"


KERNEL = {
    "ipvlan": "link lo0 name new0 type ipvlan",
    "macvlan": "link lo0 name new0 type macvlan",
    "vlan": "link lo0 name new0 type vlan id 5",
    "vrf": "name new0 type vrf table 5",
    "VLANs of bridges": "name new0 type bridge vlan_filtering 1",
}
"""What a kernel may lack, and the link that shows it. Names are those of plugins, except for the last one."""
LONG = "plugins/"
"""Cases that are left out unless they are named: other tests run them with the plugins themselves."""


@cache
def lacking() -> tuple[str, ...]:
    """Return those of KERNEL that this kernel does not have."""
    return tuple(kind for kind in KERNEL if not _has_kind(kind))


def _has_kind(kind: str) -> bool:
    script = f"ip link add lo0 type veth peer name lo1 && ip link add {KERNEL[kind]}"
    return subprocess.run(["unshare", "--net", "sh", "-c", script], check=False, capture_output=True).returncode == 0


def unseen(case: Case) -> str:
    """Return why no node tries a case, "" if one does."""
    if case.unseen or (case.subject == "pod" and case.id.startswith("pods/")):
        return case.unseen
    absent = sorted({kind for text in case.texts() for kind in _needs(text)} & set(lacking()))
    return f"needs a kernel with {', '.join(absent)}" if absent else ""


def _needs(config: str) -> set[str]:
    has_vlans = any(plugin.get("vlan") or plugin.get("vlanTrunk") for plugin in plugins(config))
    return types(config) | ({"VLANs of bridges"} if has_vlans else set())


def chosen(pattern: str) -> list[Case]:
    """Return the cases whose id has a match of the pattern; for "" all but the LONG ones."""
    return [case for case in load() if re.search(pattern, case.id) and (pattern or not case.id.startswith(LONG))]


def runs(pattern: str, *, has_multus: bool) -> list[Run]:
    """Return the runs of the chosen cases. The posture is varied where it may decide."""
    return list(_runs(pattern, (NADMIT, MULTUS) if has_multus else (NADMIT,)))


def _runs(pattern: str, attachers: tuple[str, ...]) -> Iterator[Run]:
    for case in chosen(pattern):
        if not unseen(case):
            for attacher in attachers:
                for posture in (OPEN, ISOLATED) if case.names_a_namespace else (OPEN,):
                    yield Run(case, attacher, posture)
