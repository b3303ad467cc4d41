"""CNI_ARGS: what a runtime says about a container, `key=value;key=value` (CNI 1.1 §2; cni pkg/types/args.go).

Plugins read them with libcni's LoadArgs. That refuses an empty pair, as after a trailing ";", and each key that the
plugin does not know, unless IgnoreUnknown is true. So delegates get neither: empty pairs are left out, and
IgnoreUnknown is added where it is absent, as Multus does. Unlike Multus, which gives the runtime's IP to each network,
the requests for one interface (OF_ONE_INTERFACE) go to the default network alone: a second network with the same
address fails, or takes the address of another pod.
"""

from __future__ import annotations

from cniplugin.cnierrors import INVALID_ENVIRONMENT, CniError
from cniplugin.netspec.errors import show

IGNORE_UNKNOWN = "IgnoreUnknown"
OF_ONE_INTERFACE = frozenset({"IP", "MAC", "GATEWAY"})
"""Arguments that plugins of containernetworking (bridge, host-local, macvlan, static, ...) read for their interface."""

OF_POD = "K8S_POD_"


def read_pod(args: str, *, is_strict: bool) -> dict[str, str]:
    """Return the K8S_POD_* pairs. A value can have "="; the last pair of a key counts.

    Raises CniError 4 for a text that is not a pair, if `is_strict`.
    """
    pod: dict[str, str] = {}
    for pair in _written(args):
        key, equals, value = pair.partition("=")
        if is_strict and not (key and equals):
            raise CniError(INVALID_ENVIRONMENT, f'CNI_ARGS: {show(pair)} is not a pair; allowed: "key=value;key=value"')
        if equals and key.startswith(OF_POD):
            pod[key] = value
    return pod


def for_delegates(args: str) -> str:
    """Return the arguments as every delegate can read them. Those of a usual runtime stay as they are."""
    pairs = [pair for pair in _written(args) if pair.partition("=")[1] and pair != f"{IGNORE_UNKNOWN}="]
    if pairs and not any(pair.startswith(f"{IGNORE_UNKNOWN}=") for pair in pairs):
        pairs.append(f"{IGNORE_UNKNOWN}=1")
    return ";".join(pairs)


def for_further_networks(args: str) -> str:
    """Return the arguments without the runtime's requests for the interface of the default network."""
    return ";".join(pair for pair in args.split(";") if pair.partition("=")[0] not in OF_ONE_INTERFACE)


def _written(args: str) -> list[str]:
    return [pair for pair in args.split(";") if pair.strip()]
