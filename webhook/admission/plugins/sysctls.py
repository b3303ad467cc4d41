"""The sysctls of plugin tuning (containernetworking/plugins meta/tuning/tuning.go): those of the network only.

A key is written with dots or with slashes; the plugin compares them after making all of them slashes, if there is a
slash, or dots into slashes, if there is none.
"""

from __future__ import annotations

from collections.abc import Iterator

from cniplugin.netspec.jsontext import join
from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.finding import PluginFinding


def sysctl_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield keys that are not below net, and keys that are there in two forms."""
    seen: set[str] = set()
    for key in placed.values.get("sysctl") or {}:
        form = _slashed(key)
        path = join(placed.where("sysctl"), key)
        if form in seen:
            detail = "the sysctl is there in another form, too"
            refusal = "duplicated sysctl keys are not allowed"
            yield PluginFinding(code="NAD207", path=path, detail=detail, fix="keep one of them", refusal=refusal)
        seen.add(form)
        if not _is_of_network(form):
            detail = "the plugin tuning sets sysctls of the network only"
            refusal = f"invalid net sysctl key: '{key[:80]}'"
            allowed = "keys that begin with net."
            yield PluginFinding(code="NAD207", path=path, detail=detail, allowed=allowed, refusal=refusal)


def _slashed(key: str) -> str:
    """Return a key as a path; NB: in a key with slashes, dots are part of a name, such as that of a VLAN."""
    if "/" in key and ("." not in key or key.index("/") < key.index(".")):
        return key
    return key.translate(str.maketrans("./", "/."))


def _is_of_network(form: str) -> bool:
    parts = form.split("/")
    return parts[0] == "net" and ".." not in parts
