"""Which changes of a definition break the pods that use it: those after which a new attachment is another one.

| what changes | breaking | why |
| --- | --- | --- |
| white space, order of keys, labels, other annotations | no | the network is the same |
| `cniVersion`, `mtu`, `dns`, a new capability, other keys of a plugin | no | the pod stays in its network |
| a text that could not be read before | no | nobody could attach by it |
| a text that cannot be read any more | yes | a pod that is made again does not start |
| text <-> none (the node's own file) | yes | somebody else says what the network is |
| network name | yes | IPAM and GC keep what they know under it |
| plugin types, their number and order | yes | another program attaches, and detaches |
| a key of ATTACHES_BY, such as `master`, `bridge`, `vlan` | yes | it ends in another place |
| `ipam` | yes | other addresses, or none |
| a capability that is taken away | yes | what pods ask for is refused |
| `k8s.v1.cni.cncf.io/resourceName` | yes | a device of another kind |

A key that is absent, null, 0, "" or [] is the same: plugins take none of them for a place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cniplugin.access.content import facts
from cniplugin.netspec.cniconfig import NetworkConfigList, PluginConfig
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

ATTACHES_BY = (*facts.attaching_keys(), "mode", "vrfname", "topology", "netAttachDefName", "subnets")
"""Keys that say where an attachment ends: by which a plugin chooses what of the node it attaches to, and some
that touch nothing of the node."""


def find(before: NetworkAttachmentDefinition, after: NetworkAttachmentDefinition) -> tuple[str, ...]:
    """Return what changes that breaks, each once, in words that fit after "changes"; () for nothing."""
    if before.problems:
        return ()
    return tuple(dict.fromkeys(_find(before, after)))


def _find(before: NetworkAttachmentDefinition, after: NetworkAttachmentDefinition) -> Iterator[str]:
    if before.resource_name != after.resource_name:
        yield "resourceName"
    if after.problems:
        yield "spec.config, which can no longer be read"
    elif before.is_on_disk != after.is_on_disk:
        yield "who defines it (spec.config or the node's file)"
    elif before.config is not None and after.config is not None:
        yield from _compare(before.config, after.config)


def _compare(before: NetworkConfigList, after: NetworkConfigList) -> Iterator[str]:
    if before.name != after.name:
        yield "the network's name"
    if [plugin.type for plugin in before.plugins] != [plugin.type for plugin in after.plugins]:
        yield "plugins"
        return
    for one, other in zip(before.plugins, after.plugins, strict=True):
        yield from _compare_plugins(one, other)
    if before.capabilities - after.capabilities:
        yield "capabilities"


def _compare_plugins(before: PluginConfig, after: PluginConfig) -> Iterator[str]:
    one, other = _folded(before.conf), _folded(after.conf)
    for key in dict.fromkeys(map(facts.fold, (*ATTACHES_BY, "ipam"))):
        written, old = one.get(key, (key, None))
        written, new = other.get(key, (written, None))
        if (old or None) != (new or None):
            yield written


def _folded(conf: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return keys as written, with their values, by what Go compares."""
    return {facts.fold(key): (key, value) for key, value in conf.items()}
