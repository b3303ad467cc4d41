"""Built-in checks of a network's configuration, which no setting switches off (side doors 3, 5 and 6).

| restricted | allowed |
| --- | --- |
| `type` of every plugin, IPAM plugin and nested delegate | a plain file name, not that of a delegating plugin |
| `ipam.type`, where the plugin runs it | an IPAM program, or a type that nadmit does not know |
| `runtimeConfig`, `prevResult` | absent, null or empty: only the runtime fills them in |

Operations: writing a definition, attaching to it. No user and no namespace is exempt.
Example: `plugins[0].type: a delegating plugin cannot be a delegate: "multus"`.
"""

from __future__ import annotations

from cniplugin.netspec.errors import PROBLEMS_MAX, SpecError, show
from cniplugin.netspec.jsontext import join
from cniplugin.netspec.record import remember

from .facts import BOTH, IPAM, RUNTIME_KEYS, fold, is_written, nested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cniplugin.netspec.cniconfig import NetworkConfigList, PluginConfig

    from .facts import Keys

IPAM_PROGRAMS = frozenset(
    (
        *("antrea", "azure-vnet-ipam", "calico-ipam", "dhcp", "host-local", "kube-ovn", "multi-nic-ipam", "nv-ipam"),
        *("spiderpool", "static", "whereabouts"),
    )
)
"""The IPAM programs of `plugintable`, so that most configurations do not load it."""


def unsafe(config: NetworkConfigList, *, meta_plugin_types: Iterable[str]) -> tuple[SpecError, ...]:
    """Return the problems that make a configuration unsafe to attach, in input order (the first PROBLEMS_MAX).

    Paths are below `spec.config`.
    """
    fixed = remember(config, "unsafe", _fixed_problems)
    if config.types.isdisjoint(meta_plugin_types):  # nearly always
        return fixed[:PROBLEMS_MAX]
    problems = tuple(_meta_problems(config, frozenset(meta_plugin_types)))
    return (problems + fixed)[:PROBLEMS_MAX]


def _meta_problems(config: NetworkConfigList, refused: frozenset[str]) -> Iterator[SpecError]:
    for index, plugin in enumerate(config.plugins):
        for kind in plugin.types:
            if kind in refused:
                yield SpecError(
                    rule="cni-meta-plugin",
                    path=f"plugins[{index}].type" if config.is_list else "type",
                    value=kind,
                    detail="a delegating plugin cannot be a delegate: it would run all networks of the pod again",
                    fix="name the plugin that makes the attachment",
                    section="access policy, side door 5",
                )


def _fixed_problems(config: NetworkConfigList) -> tuple[SpecError, ...]:
    """Return the problems that do not depend on a setting, so they are computed once per configuration."""
    if all(map(_is_usual, config.plugins)):
        return ()
    return tuple(
        problem
        for path, keys in nested(config)
        for problem in (*_runtime_problems(keys, path), *_ipam_problems(keys, path))
    )


def _is_usual(plugin: PluginConfig) -> bool:
    """Say whether a plugin has none of the keys that are checked, but an IPAM program of the list.

    Nearly all have, so that the spellings that Go reads need not be gathered.
    """
    for key, value in plugin.conf.items():
        if not key.isascii() or (key.lower() in _CHECKED and key != "ipam"):
            return False
        if key == "ipam" and not (isinstance(value, dict) and all(map(_is_usual_member, value.items()))):
            return False
    return True


def _is_usual_member(member: tuple[str, object]) -> bool:
    key, value = member
    return key.isascii() and (key.lower() != "type" or (isinstance(value, str) and value in IPAM_PROGRAMS))


_CHECKED = frozenset({*map(fold, RUNTIME_KEYS), "ipam", "delegate", "delegates"})


def _runtime_problems(keys: Keys, path: str) -> Iterator[SpecError]:
    for key in RUNTIME_KEYS:
        for written, value in keys.get(fold(key), ()):
            if is_written(key, value):
                yield _runtime_error(key, join(path, written))


def _runtime_error(key: str, path: str) -> SpecError:
    return SpecError(
        rule="cni-runtime",
        path=path,
        detail=f"only the runtime may fill in {key}, and this value would win over the runtime's",
        fix=_RUNTIME_FIXES[key],
        section="CNI 1.1 §1",
    )


_RUNTIME_FIXES = {
    "runtimeConfig": "remove it, and set the plugin's own keys instead",
    "prevResult": "remove it",
}


def _ipam_problems(keys: Keys, path: str) -> Iterator[SpecError]:
    for written, ipam in keys.get("ipam", ()):
        for key, kind in ipam.items() if isinstance(ipam, dict) else ():
            if fold(key) == "type" and isinstance(kind, str) and kind and _is_main_plugin(kind, keys):
                yield SpecError(
                    rule="cni-ipam-program",
                    path=join(join(path, written), key),
                    detail=f"{show(kind)} is not an IPAM plugin: it hands out no addresses, and the node would run it",
                    allowed=f"{', '.join(sorted(IPAM_PROGRAMS))}, or an IPAM plugin of your own",
                    fix='name an IPAM plugin, or remove "ipam"',
                    section="CNI 1.1 §4",
                )


def _is_main_plugin(kind: str, plugin: Keys) -> bool:
    """Say whether nadmit knows a program that is not an IPAM program, and the plugin may run it."""
    if kind in IPAM_PROGRAMS:
        return False
    from .plugintable import PLUGINS  # noqa: PLC0415  # others are rare

    known = PLUGINS.get(kind)
    readers = [PLUGINS.get(name) for _, name in plugin.get("type", ()) if isinstance(name, str)]
    is_run = not readers or any(reader is None or reader[1] for reader in readers)
    return known is not None and known[0] not in (IPAM, BOTH) and is_run
