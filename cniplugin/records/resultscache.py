"""Attachments that other programs recorded, libcni in `results/` and Multus in its cache, so that DEL can free them.

    libcni  <cacheDir>/results/<network>-<container ID>-<ifname>   ; kind cniCacheV1, libcni/api.go `cachedInfo`
    Multus  <cniDir>/<container ID>                                ; array of DelegateNetConf, pkg/types/types.go

libcni writes its file after the whole list succeeded, so it has no attachment that failed halfway. The parts of the
file name are joined by "-", which each part may contain. So the container is taken from the content.

Multus' file lacks portMappings, bandwidth, the pod and, unless requested, the interface name, which is then derived as
Multus does (multus.go getIfname). Multus passes its `cniDir` to libcni as cacheDir. If `results/` has the same
attachment, its configuration, capability arguments and result are used, and nothing is lost. If not (the attachment
failed halfway, or the file is damaged), DEL frees only addresses and links. The port mappings and traffic shapers of
that attachment then stay on the node.

Files that cannot be read are not errors. They are listed, so that the caller can report them.
"""

from __future__ import annotations

import os
from binascii import Error as Base64Error
from binascii import a2b_base64
from errno import ENAMETOOLONG, ENOENT, ENOTDIR

from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec.names import DELEGATING_TYPES, is_network_name
from cniplugin.netspec.rawjson import dumps, loads
from cniplugin.netspec.record import Record

from .journal import ATTACHED, ATTEMPTED, Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

FILE_BYTES_MAX = 16 * 1024 * 1024
"""A file has a configuration (1.5 MiB) and a result; Multus' file has those of all networks of a pod."""

_ABSENT = frozenset({ENOENT, ENOTDIR, ENAMETOOLONG})

OWN_TYPES = frozenset(DELEGATING_TYPES)
"""The runtime's own cache has such an entry for the whole pod; its DEL would call us again."""


class Recorded(Record):
    """`entries`: in the order of ADD if known, else of file names. `unusable`: the files that cannot be read."""

    entries: tuple[Entry, ...] = ()
    unusable: tuple[str, ...] = ()


def load_results(directory: str, container_id: str, *, runtime_ifname: str) -> Recorded:
    """Return the records of libcni for a container in `directory`, the `results` of a cacheDir. Never raises.

    The attachment whose interface is `runtime_ifname` counts as the default network. Entries of delegating plugins
    (OWN_TYPES) are left out.
    """
    entries, unusable = [], []
    try:
        names = _names(directory, f"-{container_id}-")
    except OSError:
        return Recorded(unusable=(directory,))
    for name in names:
        path = f"{directory}/{name}"
        cached = _load_json(path)
        if isinstance(cached, dict) and cached.get("containerId", container_id) != container_id:
            continue
        entry = _entry_of_result(cached, runtime_ifname) if isinstance(cached, dict) else None
        if entry is None:
            unusable.append(path)
        elif not _is_own(loads(entry.config)):
            entries.append(entry)
    return Recorded(entries=tuple(entries), unusable=tuple(unusable))


def load_multus(directory: str, container_id: str, *, runtime_ifname: str, args: str) -> Recorded:
    """Return the records of Multus for a container in `directory`, its `cniDir`. Never raises.

    `args` are the CNI_ARGS of this DEL. They are used if libcni recorded none.
    """
    path = f"{directory}/{container_id}"
    results = load_results(f"{directory}/results", container_id, runtime_ifname=runtime_ifname)
    delegates = _load_json(path)
    if not isinstance(delegates, list) or not delegates:  # Multus always has a default network
        unusable = (path,) if _may_exist(path) else ()
        return results.replace(unusable=(*unusable, *results.unusable))
    cached = {entry.ifname: entry for entry in results.entries}
    entries: list[Entry] = []
    unreadable: tuple[str, ...] = ()
    for index, delegate in enumerate(delegates):
        ifname = _multus_ifname(delegate, index, runtime_ifname)
        known = cached.pop(ifname, None)
        entry = _entry_of_delegate(delegate, ifname, args=args, is_default=index == 0)
        if entry and known:
            entry = known.replace(reference=entry.reference, default_route=entry.default_route, device=entry.device)
        if entry := entry or known:
            entries.append(entry.replace(is_default=index == 0))
        else:
            unreadable = (path,)
    return Recorded(entries=(*entries, *cached.values()), unusable=(*unreadable, *results.unusable))


def load_live(directory: str, attachments: Iterable[tuple[str, str]]) -> tuple[dict[tuple[str, str], None], list[str]]:
    """Return all attachments that Multus recorded for live containers, and the files that cannot be read. Never raises.

    `attachments` are those of the runtime, pairs of container ID and interface; so are the keys of the result, in the
    order of reading. The runtime knows one interface of each container, and Multus may have attached more. NB: with a
    file that cannot be read, the attachments are not complete.
    """
    live: dict[tuple[str, str], None] = {}
    unusable: dict[str, None] = {}
    for container_id, ifname in attachments:
        if is_network_name(container_id):  # CNI 1.1 §2; another text is not the name of a file
            recorded = load_multus(directory, container_id, runtime_ifname=ifname, args="")
            live.update(dict.fromkeys((container_id, entry.ifname) for entry in recorded.entries))
            unusable.update(dict.fromkeys(recorded.unusable))
    return live, list(unusable)


def load_containers(directory: str) -> Iterator[tuple[str, str]]:
    """Yield each record of Multus and libcni in a `cniDir`: its path and its container. Raises OSError.

    Files that are not such records are passed over.
    """
    for name in _names(directory, ""):
        if is_network_name(name) and isinstance(_load_json(f"{directory}/{name}"), list):
            yield f"{directory}/{name}", name
    for name in _names(f"{directory}/results", "-"):
        cached = _load_json(f"{directory}/results/{name}")
        container_id = cached.get("containerId") if isinstance(cached, dict) else None
        if isinstance(container_id, str) and is_network_name(container_id):
            yield f"{directory}/results/{name}", container_id


def remove_multus(directory: str, container_id: str, *, unlink: Callable[[str], object] = os.unlink) -> Iterator[str]:
    """Remove the records of Multus for a detached container from `directory`, its `cniDir`; yield what failed.

    If one of them cannot be read, all stay: what it names may be attached still.
    """
    path = f"{directory}/{container_id}"
    if load_multus(directory, container_id, runtime_ifname="", args="").unusable:
        return
    for file in (*_results_of(f"{directory}/results", container_id), path):
        try:
            unlink(file)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield f"{file}: the record of Multus cannot be removed: {error.strerror}"


def _results_of(directory: str, container_id: str) -> Iterator[str]:
    for name in _names(directory, f"-{container_id}-"):
        cached = _load_json(f"{directory}/{name}")
        if isinstance(cached, dict) and cached.get("containerId") == container_id:
            yield f"{directory}/{name}"


def _entry_of_result(cached: dict[str, Any], runtime_ifname: str) -> Entry | None:
    ifname, network = _text_of(cached.get("ifName")), _text_of(cached.get("networkName"))
    caps = _dict_of(cached.get("capabilityArgs")) or {}
    config = _config_text(cached.get("config"), name=network or "")
    if cached.get("kind") != "cniCacheV1" or "containerId" not in cached or not ifname or not network or config is None:
        return None
    return Entry(
        reference=network,
        ifname=ifname,
        is_default=ifname == runtime_ifname,
        config=config,
        capability_args=caps,
        args=";".join(_pairs(cached.get("cniArgs"))),
        state=ATTACHED,
        result=_dict_of(cached.get("result")),
        device_info_file=_text_of(caps.get("CNIDeviceInfoFile")),
    )


def _entry_of_delegate(delegate: object, ifname: str, *, args: str, is_default: bool) -> Entry | None:
    if not isinstance(delegate, dict):
        return None
    reference = _text_of(delegate.get("Name")) or ""
    config = _config_text(delegate.get("Bytes"), name=reference.rpartition("/")[2])
    if config is None:
        return None
    requests = {
        "mac": delegate.get("macRequest"),
        "ips": delegate.get("ipRequest"),
        "infinibandGUID": delegate.get("infinibandGUIDRequest"),
        "deviceID": delegate.get("deviceID"),
    }
    gateways = delegate.get("default-route")
    return Entry(
        reference=reference or str(loads(config).get("name") or ""),
        ifname=ifname,
        is_default=is_default,
        config=config,
        capability_args={name: value for name, value in requests.items() if value},
        args=args,
        state=ATTEMPTED,  # Multus writes it before it attaches
        attached_by="multus",
        default_route={"gateways": gateways} if isinstance(gateways, list) else None,
        device=_text_of(delegate.get("deviceID")),
    )


def _multus_ifname(delegate: object, index: int, runtime_ifname: str) -> str:
    asked = _text_of(delegate.get("ifnameRequest")) if isinstance(delegate, dict) else None
    return asked or (f"net{index}" if index else runtime_ifname)


def _config_text(encoded: object, *, name: str) -> str | None:
    """Return the configuration of Go's base64 `[]byte`, with this name if it has none. None if it is not an object."""
    if not isinstance(encoded, str):
        return None
    try:
        text = a2b_base64(encoded, strict_mode=True).decode("utf-8")
        conf = loads(text)
    except (Base64Error, ValueError, RecursionError):
        return None
    if not isinstance(conf, dict):
        return None
    return text if conf.get("name") or not name else dumps({**conf, "name": name})


def _is_own(conf: dict[str, Any]) -> bool:
    plugins = conf.get("plugins")
    listed = plugins if isinstance(plugins, list) else [conf]
    return any(isinstance(plugin, dict) and plugin.get("type") in OWN_TYPES for plugin in listed)


def _pairs(value: object) -> Iterator[str]:
    for pair in value if isinstance(value, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair):
            yield f"{pair[0]}={pair[1]}"


def _text_of(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _dict_of(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _names(directory: str, part: str) -> list[str]:
    """Return the names with `part`, sorted; none without the directory. Raises OSError if it cannot be read."""
    try:
        return sorted(name for name in os.listdir(directory) if part in name)  # noqa: PTH208  # pathlib costs 5 ms
    except FileNotFoundError:
        return []


def _may_exist(path: str) -> bool:
    """Say whether there is a file at `path`, also if the disk does not answer."""
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno not in _ABSENT
    return True


def _load_json(path: str) -> object:
    """Return the JSON value of a file, None if it cannot be read."""
    try:
        return loads(load_regular_file(path, bytes_max=FILE_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return None
