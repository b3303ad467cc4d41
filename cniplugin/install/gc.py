"""`nadmit gc`: free what belongs to containers that no longer exist.

CNI has the verb GC for this, and hardly any runtime of Kubernetes calls it. So an administrator asks for it, after a
crash of the node or when a network has no free addresses. `evidence` decides which containers are gone. Their
attachments are detached as in DEL, from their records; `leftovers` has what other programs left. Without `--apply`
nothing changes, and every line says what would be freed and why.

Each container is judged and freed under its own lock, and one that is locked is kept, because a CNI command is running
for it. gc does not call the verb GC of plugins: that needs a complete list of live attachments, which a command line
does not have. NB: it works only on the node itself; in a container, all of the node's containers seem to be gone.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH116, PTH208

from __future__ import annotations

import os
import time

from cniplugin.attach import teardown
from cniplugin.cnierrors import CniError
from cniplugin.host import containers
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.record import Record
from cniplugin.protocol import netconf
from cniplugin.protocol.invoke import RuntimeConf
from cniplugin.records import hostlocal
from cniplugin.records.journal import DamagedError, Store, config_of

from . import leftovers
from .commandline import DIFFERS, DONE, FAILED, OPTIONS, InstallError, containers_have, say
from .conflist import PLUGIN, load_object
from .defaultnetwork import SUFFIXES
from .evidence import Evidence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cniplugin.netspec.cniconfig import NetworkConfigList
    from cniplugin.protocol.netconf import NetConf
    from cniplugin.records.journal import Entry, Journal

CONTAINER_S = 60.0
"""The limit for the delegates of one container."""
CRI_S = 10.0
"""The limit for the answer of the runtime. The kubelet waits 120 s, for a list of the same size."""


class Roots(Record):
    """The places of the node that no option names; a test gives others."""

    proc: str = containers.PROC
    cgroups: str = containers.CGROUPS
    data_dir: str = hostlocal.DATA_DIR
    results: str = leftovers.RESULTS


class Count(Record):
    """Attachments that can be freed or were freed, attachments that could not be freed, damaged records."""

    freed: int = 0
    failed: int = 0
    damaged: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            freed=self.freed + other.freed, failed=self.failed + other.failed, damaged=self.damaged + other.damaged
        )


def collect(
    options: Mapping[str, str], places: Mapping[str, str], environ: Mapping[str, str], *, roots: Roots | None = None
) -> int:
    """Free what is left of containers that are gone, or print it without `apply`; return the exit code.

    `places`: the directories of records and delegates as installed. Raises InstallError if this is not the node itself,
    CniError if the runtime does not answer, OSError if a part of the node cannot be read.
    """
    roots = roots or Roots()
    is_applied, socket = bool(options["apply"]), options["cri-socket"]
    conf = _load_conf(options["cni-conf-dir"])
    store = Store(options["record-dir"] or (conf.record_dir if conf else places["record-dir"]))
    now, listed = time.time(), store.containers()
    known = _ask_runtime(socket) if socket else None
    where = _leftover_places(conf, store, listed, roots)
    ours = frozenset(listed) | leftovers.owners(where)
    evidence = Evidence(known=known, socket=socket, ours=ours, view=_look(roots), proc=roots.proc, now=now)
    runtime = RuntimeConf(path=_path(options, places, conf, environ), environ=environ, deadline=0)

    say(f"{'records':<13} {containers_have(len(listed))} records in {store.directory}")
    count = Count()
    for container_id in listed:
        count += _visit(store, container_id, evidence, runtime, is_applied=is_applied)
    others = leftovers.collect(where, store.containers(), evidence, is_applied=is_applied)
    return _conclude(count + Count(freed=others.freed, failed=others.failed), is_applied=is_applied)


def _path(
    options: Mapping[str, str], places: Mapping[str, str], conf: NetConf | None, environ: Mapping[str, str]
) -> tuple[str, ...]:
    """Return where delegates are found: in the directory of the option, else where the plugin itself finds them."""
    own, configured = places["cni-bin-dir"], [conf.bin_dir] if conf else []
    is_given = options["cni-bin-dir"] != OPTIONS["cni-bin-dir"][0]
    path = ([own, *configured] if is_given else [*configured, own], environ.get("CNI_PATH", "").split(":"))
    return tuple(dict.fromkeys(filter(None, (*path[0], *path[1]))))


def _look(roots: Roots) -> containers.View:
    """Return what exists on the node. Raises InstallError if this process does not see it."""
    try:
        view = containers.look(proc=roots.proc, cgroups=roots.cgroups)
    except OSError as error:
        text = f"{error.filename}: {error.strerror}; gc has to see all processes and cgroups of the node, as root"
        raise InstallError(text) from error
    if blindness := containers.blindness(view, proc=roots.proc):
        raise InstallError(f"gc: {blindness}")
    return view


def _ask_runtime(socket: str) -> frozenset[str]:
    from cniplugin.host.cri import list_sandboxes  # noqa: PLC0415  # only with --cri-socket

    return list_sandboxes(socket, deadline=time.monotonic() + CRI_S)


def _conclude(count: Count, *, is_applied: bool) -> int:
    """Print the sums, and return the exit code."""
    if is_applied:
        say(f"{count.freed} freed, {count.failed} not freed, {count.damaged} damaged records")
        return FAILED if count.failed else DIFFERS if count.damaged else DONE
    say(f"{count.freed} can be freed{': run gc again with --apply' if count.freed else ''}")
    return DIFFERS if count.freed or count.damaged else DONE


# Records


def _visit(store: Store, container_id: str, evidence: Evidence, runtime: RuntimeConf, *, is_applied: bool) -> Count:
    """Free one container if it is gone, or print what would be freed."""
    now = time.monotonic()
    try:
        with store.lock(container_id, now):
            record = store.read(container_id)
            if record is None:  # its DEL came meanwhile
                return Count()
            is_young = evidence.is_young(os.stat(store.path(container_id)).st_mtime)
            early = (False, "its record was written less than a minute ago")
            is_gone, why = early if is_young else evidence.judge(record)
            if not is_gone:
                return _keep(record, why, is_applied=is_applied)
            if is_applied:
                return _free(store, record, runtime.replace(deadline=now + CONTAINER_S))
            return _show(record, why)
    except DamagedError as damaged:
        return _show_damaged(container_id, damaged)
    except CniError as busy:
        say(f"{'kept':<13} container {container_id}: {busy.msg}")
        return Count()


def _keep(record: Journal, why: str, *, is_applied: bool) -> Count:
    if not is_applied:
        say(f"{'kept':<13} {_container_text(record)}: {why}")
    return Count()


def _show(record: Journal, why: str) -> Count:
    for entry in record.entries:
        say(f"{'would free':<13} {_entry_text(entry)} of {_container_text(record)}: {why}")
    if not record.entries:
        say(f"{'would free':<13} the record of {_container_text(record)}, which has no attachment: {why}")
    return Count(freed=len(record.entries) or 1)


def _show_damaged(container_id: str, damaged: DamagedError) -> Count:
    say(f"{'damaged':<13} {damaged.msg}")
    advice = "gc never frees it: show prints what can be read; free the rest by hand, and then run: nadmit forget"
    say(f"{'':<13} container {container_id}: {advice} {container_id}")
    return Count(damaged=1)


def _free(store: Store, record: Journal, runtime: RuntimeConf) -> Count:
    """Detach a container; print each attachment, and the failures. Hold its lock."""
    try:
        teardown.delete_container(store, record.container_id, runtime)
        failure = None
    except CniError as error:
        failure = error
    left = [entry.label for entry in _left(store, record)] if failure else []
    for entry in record.entries:
        what = "not freed" if entry.label in left else "freed"
        say(f"{what:<13} {_entry_text(entry)} of {_container_text(record)}")
    if failure:
        for line in (failure.msg, *failure.details.splitlines()):
            say(f"{'':<13} {line}")
        return Count(freed=len(record.entries) - len(left), failed=len(left) or 1)
    return Count(freed=len(record.entries) or 1)


def _left(store: Store, record: Journal) -> Sequence[Entry]:
    """Return the attachments that are still on record; all of them if the record cannot be read any more."""
    try:
        after = store.read(record.container_id)
    except CniError:
        after = record
    return after.entries if after else ()


def _container_text(record: Journal) -> str:
    return f"container {record.container_id}{f' (pod {record.pod})' if record.pod else ''}"


def _entry_text(entry: Entry) -> str:
    return " ".join([entry.ifname, entry.reference, *entry.addresses])


# Where to look


def _load_conf(conf_dir: str) -> NetConf | None:
    """Return the plugin's configuration on this node, by an installer or by hand; None without one."""
    try:
        names = sorted(name for name in os.listdir(conf_dir) if name.endswith(SUFFIXES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    for name in names:
        conf = load_object(f"{conf_dir}/{name}") or {}
        plugins = conf.get("plugins")
        for plugin in plugins if isinstance(plugins, list) else [conf]:
            if isinstance(plugin, dict) and plugin.get("type") == PLUGIN:
                return netconf.read({**plugin, "name": conf.get("name"), "cniVersion": conf.get("cniVersion")}).conf
    return None


def _leftover_places(conf: NetConf | None, store: Store, listed: Sequence[str], roots: Roots) -> leftovers.Places:
    """Return where to look for leftovers. NB: before anything is freed, because records name networks."""
    networks = [
        path
        for config in _networks(conf, store, listed)
        for path in hostlocal.directories(config, default=roots.data_dir)
    ]
    multus = conf.multus_dir if conf else netconf.NetConf.__defaults__["multus_dir"]
    return leftovers.Places(
        networks=tuple(dict.fromkeys(networks)),
        data_dirs=tuple(dict.fromkeys((roots.data_dir, *(os.path.dirname(path) for path in networks)))),  # noqa: PTH120
        caches=tuple(dict.fromkeys((multus, roots.results))),
    )


def _networks(conf: NetConf | None, store: Store, listed: Sequence[str]) -> Iterator[NetworkConfigList]:
    """Yield our networks: of the configuration, and of all records that can be read."""
    yield from conf.delegates if conf else ()
    for container_id in listed:
        try:
            record = store.read(container_id)
            for entry in record.entries if record else ():
                yield config_of(entry)
        except (CniError, SpecErrors):
            continue  # a damaged record is reported with its container; a config that we do not read has no addresses
