"""A CNI configuration: the text of `spec.config`, or of a file, to a value (CNI 1.1 §1; NPWG v1.3 §3.4).

    network   = plugin-object with "type"              ; one plugin, libcni's deprecated .conf
              / object with "plugins": 1*plugin-object ; a list, libcni's .conflist
    plugin    = "type" and what CNI 1.1 §1 defines, all else is the plugin's own and kept as written
    type      = file name: no "/", not "." or "..", no white space or control character
    version   = 1*9DIGIT *2("." 1*9DIGIT), and one of VERSIONS must win

The rules are libcni's for bytes; files beside the configuration are the caller's matter.
Stricter than libcni and Multus, where readers of one text differ or crash:

- A key that differs only in letter case from one that a reader knows, or from its neighbour: Go matches
  struct keys with Unicode case folding, others do not:
  `{"type":"bridge","Type":"host-device"}` has two readings.
- `type` beside `plugins`: Multus runs `type` (types/conf.go LoadDelegateNetConf), libcni runs `plugins`.
- `type` of IPAM and of nested delegates: a path would run any program on the node.
- `args` or `args.cni` that is no object: Multus panics once a pod has `cni-args` (injectCNIArgs, same file).
- A version that no plugin speaks: libcni passes it on, and the plugin fails at pod start.

As in Go, null stands for an absent `ipam`, `dns`, `capabilities`, `delegate`, `delegates`, `prevResult`,
`runtimeConfig`. `disableCheck`, `disableGC` and `cniVersions` count in the one-plugin form too, where libcni
ignores them.
"""

from __future__ import annotations

from itertools import islice

from .cnichecks import SECTION, network_problems, read_flag
from .errors import PROBLEMS_MAX, SpecErrors
from .jsontext import parse as parse_json
from .jsontext import quote
from .record import Record
from .versions import choose_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Conf = dict[str, Any]

CONFIG_BYTES_MAX = 1_572_864
"""1.5 MiB, etcd's default limit of one request (`--max-request-bytes`): no larger NAD can exist."""


class PluginConfig(Record):
    """One plugin of a network.

    `capabilities`: those declared true. `conf`: the object as written, never changed. `ipam_type`: None
    without IPAM. `types`: each program it may run: its own type, its IPAM's, and those of nested delegates.
    """

    type: str
    capabilities: frozenset[str]
    conf: Conf
    ipam_type: str | None
    types: tuple[str, ...]


class NetworkConfigList(Record):
    """A network: its plugins in order and what its runtime must know.

    `name`: never empty; `written_name`: what the text says, None when it says nothing. `cni_version`: the one
    to speak, chosen from `cniVersion` and `cniVersions`. `is_list`: it has `plugins`. `conf`: the top level
    as written, with the name filled in (NPWG v1.3 §3.4.2). `capabilities`: those that at least one plugin declares
    (CNI 1.1 §3). `types`: each program that one of its plugins may run.
    """

    name: str
    written_name: str | None
    cni_version: str
    plugins: tuple[PluginConfig, ...]
    disable_check: bool
    disable_gc: bool
    load_only_inlined: bool
    is_list: bool
    conf: Conf
    capabilities: frozenset[str]
    types: frozenset[str]
    _memo: object = None


def parse(text: str, *, name: str) -> NetworkConfigList:
    """Return the network that `text` describes; `name` is its name when the text has none (NPWG v1.3 §3.4.2).

    Raises SpecErrors: a `json-*` rule of jsontext, or all broken `cni-*` rules in input order (the first
    PROBLEMS_MAX). Linear in the length.
    """
    value = parse_json(text, what="the configuration", bytes_max=CONFIG_BYTES_MAX, section=SECTION)
    return build(value, name=name)


def build(value: object, *, name: str) -> NetworkConfigList:
    """As `parse`, for a value that `jsontext.parse` has returned."""
    problems = list(islice(network_problems(value, name), PROBLEMS_MAX))
    if problems or not isinstance(value, dict):
        raise SpecErrors(problems)
    return _network(value, name)


def render(config: NetworkConfigList) -> str:
    """Return the JSON text of a network, name included, integers and the order of keys as written.

    `parse(render(config), name=...)` is `config` again, but for a `written_name` that was None.
    """
    return quote(config.conf)


def _network(conf: Conf, name: str) -> NetworkConfigList:
    written = conf.get("name") or None
    named = conf if written else {**conf, "name": name}
    plugins = tuple(_plugin(plugin) for plugin in named.get("plugins", (named,)))
    return NetworkConfigList(
        name=named["name"],
        written_name=written,
        cni_version=choose_version(conf),
        plugins=plugins,
        disable_check=read_flag(conf.get("disableCheck", False)) is True,
        disable_gc=read_flag(conf.get("disableGC", False)) is True,
        load_only_inlined=read_flag(conf.get("loadOnlyInlinedPlugins", False)) is True,
        is_list="plugins" in conf,
        conf=named,
        capabilities=frozenset[str]().union(*(plugin.capabilities for plugin in plugins)),
        types=frozenset[str]().union(*(plugin.types for plugin in plugins)),
    )


def _plugin(conf: Conf) -> PluginConfig:
    declared = conf.get("capabilities") or {}
    return PluginConfig(
        type=conf["type"],
        capabilities=frozenset(capability for capability, wanted in declared.items() if wanted),
        conf=conf,
        ipam_type=_ipam_type(conf),
        types=tuple(_types(conf)),
    )


def _ipam_type(conf: Conf) -> str | None:
    return (conf.get("ipam") or {}).get("type") or None


def _types(conf: Conf) -> Iterator[str]:
    yield from (found for found in (conf.get("type"), _ipam_type(conf)) if found)
    nested = conf.get("delegate")
    for delegate in (*([nested] if nested else []), *(conf.get("delegates") or ())):
        yield from _types(delegate)
        for plugin in delegate.get("plugins", ()):
            yield from _types(plugin)
