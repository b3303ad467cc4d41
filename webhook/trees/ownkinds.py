"""The kinds of the project's API groups: a kind, a version or a group that does not exist is a problem.

The API server would refuse it, and nothing here would read it: a policy in a wrong group protects nothing. Programs may
have other kinds in the group of the NetworkAttachmentDefinition, so there only a misspelt name is a problem.
"""

from __future__ import annotations

from collections.abc import Mapping

from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND
from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from cniplugin.access.model.policyrules import VERSION as ACCESS_VERSION
from cniplugin.netspec import netattachdef
from cniplugin.netspec.errors import show
from cniplugin.netspec.names import nearest

DOMAIN = "nadmit.io"
SETTINGS_GROUP, TEST_GROUP = f"config.{DOMAIN}", f"test.{DOMAIN}"
TEST_KIND, TEST_VERSION = "PolicyTest", "v1alpha1"

KINDS: Mapping[str, Mapping[str, str]] = {
    ACCESS_GROUP: {POLICY_KIND: ACCESS_VERSION, CONFIG_KIND: ACCESS_VERSION},
    SETTINGS_GROUP: {"NadmitConfiguration": "v1alpha1"},
    TEST_GROUP: {TEST_KIND: TEST_VERSION},
    netattachdef.GROUP: {netattachdef.KIND: netattachdef.VERSION},
}
"""The version of each kind by its group."""

RULE = "unknown-kind"

_GROUP_OF = {kind: group for group, kinds in KINDS.items() for kind in kinds}


def find_mistake(group: str, version: str, kind: str) -> tuple[str, str] | None:
    """Return the wrong field and what is wrong; None for a kind that exists, and for kinds of other groups."""
    kinds = KINDS.get(group)
    if kinds is None:
        return _wrong_group(group, kind)
    if kind not in kinds:
        near = nearest(kind, kinds)
        if group == netattachdef.GROUP and near is None:
            return None
        return "kind", f"there is no kind {show(kind)} in {group}; {_meant(near)}allowed: {', '.join(kinds)}"
    if version != kinds[kind]:
        return "apiVersion", f"there is no version {show(version)} of {kind}; allowed: {group}/{kinds[kind]}"
    return None


def _wrong_group(group: str, kind: str) -> tuple[str, str] | None:
    own = _GROUP_OF.get(kind)
    if own is not None and (nearest(group, [own]) or not group):
        return "apiVersion", f"{kind} is of another API group than {show(group)}; allowed: {own}/{KINDS[own][kind]}"
    if group != DOMAIN and not group.endswith(f".{DOMAIN}"):
        return None
    of_domain = ", ".join(known for known in KINDS if known.endswith(DOMAIN))
    allowed = f"{own}/{KINDS[own][kind]}" if own is not None else of_domain
    return "apiVersion", f"there is no API group {show(group)}; allowed: {allowed}"


def _meant(near: str | None) -> str:
    return f'did you mean "{near}"? ' if near else ""
