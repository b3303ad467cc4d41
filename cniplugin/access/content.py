"""Built-in checks of a network's content, which no setting switches off (side doors 3, 5 and 6).

Fields restricted: the `type` of every plugin, IPAM plugin and nested delegate. Values allowed: a plain file name (the
parser sees to that) that is not the type of a delegating plugin. Operations: writing a definition, attaching to it.
Nobody is exempt. Example: `plugins[0].type: a delegating plugin cannot be a delegate: "multus"`.
"""

from __future__ import annotations

from cniplugin.netspec.errors import PROBLEMS_MAX, SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cniplugin.netspec.cniconfig import NetworkConfigList


def unsafe(config: NetworkConfigList, *, meta_plugin_types: Iterable[str]) -> tuple[SpecError, ...]:
    """Return what makes a configuration unsafe to attach, in input order (the first PROBLEMS_MAX).

    Paths are below `spec.config`.
    """
    refused = frozenset(meta_plugin_types)
    if refused.isdisjoint(config.types):
        return ()
    found = (
        SpecError(
            rule="cni-meta-plugin",
            path=f"plugins[{index}].type" if config.is_list else "type",
            value=kind,
            detail="a delegating plugin cannot be a delegate: it would run all networks of the pod again",
            fix="name the plugin that makes the attachment",
            section="access policy, side door 5",
        )
        for index, plugin in enumerate(config.plugins)
        for kind in plugin.types
        if kind in refused
    )
    return tuple(error for error, _ in zip(found, range(PROBLEMS_MAX), strict=False))
