"""Our configuration file on the node, and the plugins that other programs put into it.

Istio, Linkerd and others look for the first file of the runtime's directory, and put their plugin at the end of its
`plugins`. That file is ours. So these plugins stay behind ours in every new version of the file, in their order. Where
files are compared, they do not count: a file differs only if our part of it does.
"""

from __future__ import annotations

import hashlib
import json

from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec.cniconfig import CONFIG_BYTES_MAX
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cniplugin.host.disk import Disk

PLUGIN = "nadmit"


class OwnFile(Record):
    """Our configuration as it is on the node. `others`: the plugins of other programs, in their order."""

    conf: dict[str, Any]
    others: tuple[dict[str, Any], ...] = ()

    @property
    def digest(self) -> str:
        """The digest of our part, the same for each order of keys and each white space."""
        return digest_of_conf({**self.conf, "plugins": self._own()} if "plugins" in self.conf else self.conf)

    @property
    def other_types(self) -> str:
        """The types of the other plugins, for a message."""
        return ", ".join(str(plugin["type"]) for plugin in self.others)

    def _own(self) -> list[object]:
        return [plugin for plugin in self.conf["plugins"] if plugin not in self.others]


def load_own(disk: Disk, path: str) -> OwnFile | None:
    """Return our configuration at a path; None if there is no file, or if it is not ours."""
    conf = load_object(disk.at(path))
    if conf is None:
        return None
    plugins = conf.get("plugins")
    if not isinstance(plugins, list):
        return OwnFile(conf=conf) if conf.get("type") == PLUGIN else None
    known = [plugin for plugin in plugins if isinstance(plugin, dict) and isinstance(plugin.get("type"), str)]
    others = tuple(plugin for plugin in known if plugin["type"] != PLUGIN)
    return OwnFile(conf=conf, others=others) if len(others) < len(known) else None


def is_around(conf: dict[str, Any], path: str) -> bool:
    """Say whether the first plugin of a configuration, such as that of Multus, delegates to ours, whose file is `path`.

    Multus' installer takes the first file that is not its own. Its daemon sees the node below /host.
    """
    first = _plugins(conf)[0]
    value = first.get("clusterNetwork")
    if isinstance(value, str) and value.endswith(path):
        return True
    delegates = first.get("delegates")
    lists = [each for each in delegates if isinstance(each, dict)] if isinstance(delegates, list) else []
    return any(plugin.get("type") == PLUGIN for each in lists for plugin in _plugins(each))


def types_of(conf: dict[str, Any]) -> tuple[str, ...]:
    """Return the types of the plugins of a configuration, in their order; at least one."""
    return tuple(str(plugin.get("type") or "") for plugin in _plugins(conf))


def _plugins(conf: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the plugins of a list, or the one plugin of a configuration that is not a list."""
    plugins = conf.get("plugins")
    known = [plugin for plugin in plugins if isinstance(plugin, dict)] if isinstance(plugins, list) else []
    return known or [conf]


def is_in(disk: Disk, path: str, data: bytes) -> bool:
    """Say whether a file has this configuration, in any form: other programs write our file in a form of their own."""
    own = load_own(disk, path)
    return own is not None and own.conf == json.loads(data)


def load_object(path: str) -> dict[str, Any] | None:
    """Return the JSON object of a file, None without one; `path` as this process sees it."""
    try:
        conf = json.loads(load_regular_file(path, bytes_max=CONFIG_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return None
    return conf if isinstance(conf, dict) else None


def digest_of_conf(conf: dict[str, Any]) -> str:
    """Return the digest of a configuration, the same for each order of its keys."""
    return hashlib.sha256(json.dumps(conf, sort_keys=True).encode()).hexdigest()
