"""Decide about attachments that DEL cannot detach by their record: try the definition of today, or give them up.

A mistake in a definition makes ADD fail, and then often DEL too: a missing IPAM executable, a missing master, a subnet
that cannot be parsed. The runtime repeats DEL for as long as it fails, and the pod cannot be deleted. What a plugin
never held needs no DEL of it. So after a failure:

1. The definition of today is tried, if it is another text of the same plugins and the same name: somebody has repaired
   it. The attachment counts as detached if nothing of it can be found afterwards. DEL asks no access rules, so a
   definition that touches more of the node than the recorded one (NOT_ADDED), or that no pod may use, is not tried.
2. An attachment that was never complete is given up by the first row that applies:

| ADD ended by      | namespace | traces (`remains`) | pod at the API | the attachment |
| ----------------- | --------- | ------------------ | -------------- | -------------- |
| an error          | any       | none               | not asked      | is given up    |
| an error          | exists    | only the interface | not asked      | is given up    |
| an error          | is gone   | some               | does not exist | is given up    |
| the end of ours   | exists    | none               | not asked      | is given up    |
| the end of ours   | is gone   | any                | does not exist | is given up    |

In the second row, the interface is freed first (`remains.free_link`): a macvlan whose DHCP daemon is away stays in the
namespace, and its DEL fails for ever.

All other attachments stay in the record, and DEL is an error that names the traces. An attachment that was complete is
never given up here, nor one whose failed DEL is that of a plugin whose ADD succeeded, unless both the namespace and the
pod are gone. `nadmit forget` gives up what stays.
"""

from __future__ import annotations

from cniplugin.access.content.facts import (
    DEVICE,
    ENDPOINT,
    HOST_PATH,
    NETFILTER,
    PROGRAM,
    RUNTIME,
    SYSCTL,
    facts_of,
)
from cniplugin.access.content.unsafeconfig import unsafe
from cniplugin.cnierrors import CniError, NotFoundError, PluginError
from cniplugin.host.log import LOG
from cniplugin.netspec import cniconfig
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.names import DELEGATING_TYPES
from cniplugin.protocol import delegate
from cniplugin.records.journal import config_of

from . import detach, remains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cniplugin.cluster.kubeapi import Client
    from cniplugin.netspec.cniconfig import NetworkConfigList
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
    from cniplugin.protocol.invoke import RuntimeConf
    from cniplugin.records.journal import Entry, Journal

    from .detach import Undone

    OpenClient = Callable[[], Client | None]
    """Opens the API server. Returns None without one, raises CniError."""

API_S = 5.0
API_SHARE = 1 / 3
"""The limit of all requests, in seconds and as a part of the time that is left; the smaller one counts."""

NOT_ADDED = frozenset((DEVICE, ENDPOINT, HOST_PATH, NETFILTER, PROGRAM, RUNTIME, SYSCTL))
"""Kinds of touches that the definition of today must share with the recorded one, which the rules have judged."""

EVENT = "NetworkNotDetached"
"""Reason of the event about an attachment that is given up."""


def resolve(record: Journal, undone: Sequence[Undone], runtime: RuntimeConf, open_client: OpenClient) -> list[Undone]:
    """Return the attachments that stay in the record, each with its error. `record` has the namespace as it is now."""
    reachable = record.replace(netns=detach.reachable_netns(record.netns, runtime.environ))
    cluster = _Cluster(open_client)
    try:
        return [left for entry, failure in undone for left in _resolve_one(reachable, entry, failure, runtime, cluster)]
    finally:
        cluster.close()


class _Cluster:
    """The API server, opened for the first question. A server that cannot be asked is a log line, never a failure."""

    def __init__(self, open_client: OpenClient) -> None:
        self._open = open_client
        self._client: Client | None = None
        self._is_open = False

    def client(self) -> Client | None:
        if not self._is_open:
            self._is_open = True
            try:
                self._client = self._open()
            except CniError as error:
                _log_unasked(error)
            if self._client is not None:
                self._client.limit(min(API_S, self._client.left_s() * API_SHARE))
        return self._client

    def has_no_pod(self, record: Journal) -> bool:
        """Say whether the API server knows that the pod does not exist any more."""
        client = self.client()
        if client is None or not record.pod_name or not record.pod_uid:
            return False
        try:
            pod = client.get(f"/api/v1/namespaces/{record.pod_namespace}/pods/{record.pod_name}")
        except NotFoundError:
            return True
        except CniError as error:
            _log_unasked(error)
            return False
        metadata = pod.get("metadata")
        return isinstance(metadata, dict) and metadata.get("uid") not in {None, record.pod_uid}

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def _log_unasked(error: CniError) -> None:
    LOG.verbose(f"what cannot be detached is judged without the API server: {error.msg}")


def _resolve_one(
    record: Journal, entry: Entry, failure: CniError, runtime: RuntimeConf, cluster: _Cluster
) -> list[Undone]:
    """Return the attachment if it stays, else nothing."""
    if _detach_by_today(record, entry, runtime, cluster):
        LOG.verbose(f"{entry.label}: detached by its definition of today; by the recorded one: {failure.msg}")
        return []
    _free_link(record, entry, failure)
    traces = remains.find(record, entry)
    if not entry.was_attached and _is_given_up(record, entry, failure, traces, cluster):
        _report(record, entry, failure, traces, cluster)
        return []
    found = [f"still on the node: {trace}" for trace in traces]
    return [(entry, failure.with_details(*found))]


def _free_link(record: Journal, entry: Entry, failure: CniError) -> None:
    """Free the interface of an attachment whose ADD failed, if it is all that is left. A failure is a log line."""
    is_of_failed_add = not entry.was_attached and entry.failure is not None
    if not is_of_failed_add or _is_of_added_plugin(entry, failure) or remains.is_namespace_gone(record.netns):
        return
    if remains.find_addresses(record, entry):
        return
    try:
        done = remains.free_link(record, entry)
    except CniError as error:
        LOG.error(f"{entry.label}: its interface stays: {error.msg}")
        return
    if done:
        LOG.verbose(f"{entry.label}: {done}, because its ADD and its DEL fail")


def _is_given_up(record: Journal, entry: Entry, failure: CniError, traces: Sequence[str], cluster: _Cluster) -> bool:
    """Decide by the table of this module."""
    is_gone = remains.is_namespace_gone(record.netns)
    is_enough = not is_gone if entry.failure is None else not _is_of_added_plugin(entry, failure)
    if is_enough and not traces:
        return True
    return is_gone and cluster.has_no_pod(record)


def _is_of_added_plugin(entry: Entry, failure: CniError) -> bool:
    """Say whether the DEL that failed is that of a plugin whose ADD had succeeded, before another one's failed."""
    position = failure.position if isinstance(failure, PluginError) else None
    return position is not None and position < (entry.failure or {}).get("plugin", 0)


def _detach_by_today(record: Journal, entry: Entry, runtime: RuntimeConf, cluster: _Cluster) -> bool:
    """Detach by the definition as the API server has it now; say whether that succeeded and left nothing."""
    namespace, _, name = entry.reference.partition("/")
    if not name or entry.attached_by is not None:
        return False
    client = cluster.client()
    if client is None:
        return False
    from cniplugin.cluster.objects import fetch_network  # noqa: PLC0415  # loads the grammar of definitions

    try:
        network = fetch_network(client, namespace, name)
        if network is None or network.config is None or not _is_permitted(entry, network):
            return False
        config = _with_device(network.config, entry)
        if not _is_repaired(entry, config):
            return False
        given = detach.runtime_of(detach.turn(runtime, 1), record, entry)
        delegate.delete_list(config, given, cached_result=entry.result)
    except SpecErrors as errors:
        LOG.verbose(f"{entry.label}: its definition of today cannot be used: {errors}")
        return False
    except CniError as error:
        LOG.verbose(f"{entry.label}: its definition of today does not detach it either: {error.msg}")
        return False
    return not remains.find(record, entry)


def _is_repaired(entry: Entry, config: NetworkConfigList) -> bool:
    """Say whether a definition differs from the recorded one, and has the same name, plugins and IPAM plugins.

    NB: another IPAM plugin would know nothing of the addresses of the recorded one, and its DEL would succeed.
    """
    if cniconfig.render(config) == entry.config:
        return False
    try:
        recorded = config_of(entry)
    except SpecErrors:
        return False
    return config.name == recorded.name and _types_of(config) == _types_of(recorded)


def _is_permitted(entry: Entry, network: NetworkAttachmentDefinition) -> bool:
    """Say whether a definition adds nothing that the rules would have to judge to what was judged in ADD."""
    assert network.config is not None  # noqa: S101
    try:
        recorded = network.replace(config=config_of(entry))
    except SpecErrors:
        return False
    added = _touches_of(network) - _touches_of(recorded)
    if not network.problems and not added and not unsafe(network.config, meta_plugin_types=DELEGATING_TYPES):
        return True
    more = f": it adds {', '.join(sorted({path for _, _, path in added}))}" if added else ""
    LOG.verbose(f"{entry.label}: its definition of today is not tried, because DEL does not ask the access rules{more}")
    return False


def _touches_of(network: NetworkAttachmentDefinition) -> set[tuple[str, str, str]]:
    facts = facts_of(network)
    touches = facts.touches if facts is not None else ()
    return {(touch.kind, touch.value, touch.path) for touch in touches if touch.kind in NOT_ADDED}


def _types_of(config: NetworkConfigList) -> list[tuple[str, object]]:
    ipams = [plugin.conf.get("ipam") for plugin in config.plugins]
    return [
        (plugin.type, ipam.get("type") if isinstance(ipam, dict) else None)
        for plugin, ipam in zip(config.plugins, ipams, strict=True)
    ]


def _with_device(config: NetworkConfigList, entry: Entry) -> NetworkConfigList:
    if entry.device is None:
        return config
    from .devices import inject  # noqa: PLC0415  # few attachments have devices

    return inject(config, entry.device)


def _report(record: Journal, entry: Entry, failure: CniError, traces: Sequence[str], cluster: _Cluster) -> None:
    """Log an attachment that is given up, and create an event about it."""
    added = f"its ADD had failed: {entry.failure['error']}" if entry.failure else "its ADD was killed"
    left = f"left behind: {', '.join(traces)}" if traces else "nothing of it can be found on this node"
    text = f"given up, DEL fails: {failure.msg}; {added}; {left}; not looked for: {remains.NOT_SEEN}"
    LOG.error(text)
    client = cluster.client()
    if client is None or not record.pod_name:
        return
    from cniplugin.cluster.objects import Pod  # noqa: PLC0415  # as above

    from .reporting import create_events  # noqa: PLC0415  # as above

    pod = Pod(
        namespace=record.pod_namespace or "",
        name=record.pod_name,
        uid=record.pod_uid or "",
        labels={},
        annotations={},
        service_account="",
        is_static=False,
    )
    create_events(client, pod, [(EVENT, text)])
