"""What is said about the addresses that a pod asks for: warnings, one line each, with their place in the annotation.

A pod that has the same address is named only in the namespace of the new one, whose people may see it; of others it is
said that there are some.
"""

from __future__ import annotations

from collections.abc import Sequence

from cniplugin.netspec.errors import SpecError, describe
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.remark import Remark
from webhook.admission.model.requests import Request
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.view.addressclaims import Claim
from webhook.admission.wording.messages import field_of, warning

NAME_MAX = 63
"""Characters of a name that are shown; a name may have 253, and most have a label's."""


def remark(request: Request, error: SpecError) -> str:
    """Warn of something that works, or fails elsewhere."""
    return Remark.of(warning(f"{field_of(request.kind, error)}: {describe(error)}"), rule=error.rule)


def place(finding: PluginFinding, item: int | None) -> SpecError:
    """Return a finding about an element as a problem of its pod; `item`: its position, None for the default network."""
    source, prefix = (DEFAULT_NETWORK, "") if item is None else (NETWORKS, f"[{item}].")
    return finding.as_spec_error().replace(source=source, path=f"{prefix}{finding.path}", item=item)


def duplicate(claim: Claim, *, by: str) -> PluginFinding:
    """Return that somebody else asks for an address; `by`: who, as the beginning of a sentence."""
    what, code = ("MAC address", "NAD612") if claim.is_mac else ("address", "NAD611")
    detail = f"{by} for this {what} of the network, too"
    return PluginFinding(code=code, path=claim.path, detail=detail, value=claim.value, fix="ask for another one")


def asking_pods(users: Sequence[tuple[str, str]], namespace: str) -> str:
    """Name pods, given as namespace and name, to somebody of a namespace: `pod web-1 asks`, `other pods ask`."""
    own = sorted(name for where, name in users if where == namespace)
    if own:
        name = own[0] if len(own[0]) <= NAME_MAX else f"{own[0][: NAME_MAX - 3]}..."
        return f"pod {name} asks" if len(users) == 1 else f"pod {name} and others ask"
    return "another pod asks" if len(users) == 1 else "other pods ask"
