"""The verbs of the plugin, in the order of the standard's steps (CNI 1.1 §2; NPWG v1.3 §7).

ADD asks the API server. DEL, CHECK and GC work from the records alone, STATUS from the configuration. Each verb locks
its container, GC locks all of them. One deadline holds for the whole verb.
"""

from __future__ import annotations

import os
import time

from .attach import detach, teardown
from .cnierrors import (
    DECODE_FAILURE,
    INVALID_ENVIRONMENT,
    INVALID_NETWORK_CONFIG,
    PLUGIN_NOT_AVAILABLE,
    TRY_AGAIN_LATER,
    UNKNOWN_CONTAINER,
    CniError,
    joined,
)
from .host.log import LOG
from .netspec import cniconfig, result
from .netspec.errors import SpecErrors
from .netspec.jsontext import quote
from .protocol import delegate
from .protocol.invoke import RuntimeConf
from .protocol.skel import from_spec_errors
from .records.journal import ATTACHED, Entry, Journal, Store, config_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .cluster.accessrules import Remark
    from .cluster.kubeapi import Client
    from .cluster.objects import Pod
    from .netspec.cniconfig import NetworkConfigList
    from .netspec.plan import Plan
    from .protocol.netconf import NetConf
    from .protocol.skel import Command, Invocation
    from .records.resultscache import Recorded

READY_POLL_S = 0.25
OLDER_S = 2.0
"""The longest wait for another container of the same pod, which another command may hold."""

OLDER_SHARE = 1 / 3
"""The part of the time that detaching all of these may take; the pod's own delegates need the rest."""

ASK_S = 5.0
ASK_SHARE = 1 / 3
"""The limit of asking for a pod that may start without an answer, in seconds and as a part of the time that is left;
the smaller one counts."""


def add(invocation: Invocation) -> dict[str, Any]:
    """Attach a container to all its networks; return the default network's result."""
    conf, runtime = invocation.conf, _runtime_of(invocation)
    _wait_ready(conf, runtime.deadline)
    store = Store(conf.record_dir)
    _free_older(store, invocation, runtime)
    with store.lock(invocation.container_id, runtime.deadline):
        _clear_remains(store, invocation, runtime)
        client = _open_client(invocation, runtime.deadline)
        try:
            return _add(invocation, store, client, runtime)
        finally:
            if client is not None:
                client.close()


def _add(invocation: Invocation, store: Store, client: Client | None, runtime: RuntimeConf) -> dict[str, Any]:
    conf = invocation.conf
    _ask_for_pod(client, invocation)
    from .attach import podnetworks  # noqa: PLC0415  # for ADD only

    pod: Pod | None = None
    remarks: list[Remark] = []
    try:
        pod, client = _fetch_pod(client, invocation)
        plan = podnetworks.plan_networks(
            conf,
            pod,
            client,
            namespace=invocation.pod_namespace,
            ifname=invocation.ifname,
            uid=invocation.pod_uid,
            report=remarks.append,
        )
        store.mark_pod(invocation.container_id, invocation.pod_uid)
        from .attach import execution  # noqa: PLC0415  # as above

        record = execution.attach_all(
            plan,
            _new_record(invocation, pod),
            store,
            runtime,
            runtime_config=conf.runtime_config,
            args=invocation.args,
            device_info_dir=conf.device_info_dir,
        )
        record = _settle_default_route(plan, record, store, runtime)
    except SpecErrors as errors:
        if client is not None and pod is not None:
            from .attach.reporting import report_missing  # noqa: PLC0415  # loads the API client

            report_missing(client, pod, remarks)
        raise _of_annotation(errors) from errors
    except CniError as error:
        if client is not None and pod is not None:
            from .attach.reporting import report_refusal  # noqa: PLC0415  # loads the API client

            report_refusal(client, pod, error, remarks)
        raise
    LOG.attachments = len(record.entries)
    if client is not None and pod is not None:
        from .attach.reporting import publish  # noqa: PLC0415  # as above

        publish(client, pod, plan, record, remarks)
    return _result_for(invocation, record)


def _of_annotation(errors: SpecErrors) -> CniError:
    """Return the problems with the annotation that they are about; a place alone is only `[1]`."""
    from .netspec.selection import DEFAULT_NETWORK, NETWORKS  # noqa: PLC0415  # for ADD only

    error, source = from_spec_errors(errors), errors.errors[0].source
    return error.within(f"annotation {source}") if source in {NETWORKS, DEFAULT_NETWORK} else error


def _settle_default_route(plan: Plan, record: Journal, store: Store, runtime: RuntimeConf) -> Journal:
    """Move the default route if an attachment asks for it; take everything back if that fails."""
    if all(attachment.element.default_route is None for attachment in plan.attachments):
        return record
    from .attach import defaultroute, execution  # noqa: PLC0415  # hardly any pod asks for it

    try:
        entries = defaultroute.settle(plan, record.entries, record.netns)
        if entries != record.entries:
            record = record.replace(entries=entries)
            store.write(record)
    except CniError as error:
        execution.take_back(record, store, error, runtime)
    return record


def delete(invocation: Invocation) -> None:
    """Detach a container from every network that was attempted; a container without a record is fine."""
    runtime = _runtime_of(invocation)
    store = Store(invocation.conf.record_dir)
    with store.lock(invocation.container_id, runtime.deadline):
        is_recorded = _delete_recorded(store, invocation, runtime, netns=invocation.netns)
        if not is_recorded:
            _delete_unrecorded(store, invocation, runtime)
        if not is_recorded or os.path.lexists(f"{invocation.conf.multus_dir}/{invocation.container_id}"):
            _drop_multus_cache(invocation)


def _drop_multus_cache(invocation: Invocation) -> None:
    """Remove what Multus recorded of a container that is detached now, or its files would stay for ever."""
    from .records import resultscache  # noqa: PLC0415  # few containers are Multus'

    for failure in resultscache.remove_multus(invocation.conf.multus_dir, invocation.container_id):
        LOG.error(failure)


def _delete_recorded(store: Store, invocation: Invocation, runtime: RuntimeConf, *, netns: str | None) -> bool:
    """Detach the container by its record; return False without one. The API server is asked only after a failure."""
    return teardown.delete_container(
        store,
        invocation.container_id,
        runtime,
        netns=netns,
        open_client=lambda: _open_client(invocation, runtime.deadline),
    )


def _delete_unrecorded(store: Store, invocation: Invocation, runtime: RuntimeConf) -> None:
    """Detach a container without a record: Multus attached it, or the runtime did before this plugin was installed.

    Attachments in Multus' cache become a record of ours. Without them, the default network is only a guess, because
    most often this is the second DEL of a container. So its failure must not leave a record.
    """
    record = _new_record(invocation, None)
    recorded = _multus_records(invocation)
    if recorded.entries:
        store.write(record.replace(entries=recorded.entries))
        _delete_recorded(store, invocation, runtime, netns=invocation.netns)
    else:
        undone = detach.detach_all(record.replace(entries=_default_entries(invocation)), runtime)
        if undone:
            raise joined([failure for _, failure in undone])
    if recorded.unusable:
        from .attach.remains import check_namespace  # noqa: PLC0415  # few containers have a damaged file

        check_namespace(invocation, recorded.unusable)


def _default_entries(invocation: Invocation) -> tuple[Entry, ...]:
    """Return the default network as the runtime would have attached it by itself."""
    return tuple(
        Entry(
            reference=config.name,
            ifname=invocation.ifname,
            is_default=True,
            config=cniconfig.render(config),
            capability_args=dict(invocation.conf.runtime_config),
            args=invocation.args,
        )
        for config in invocation.conf.delegates[:1]
    )


def _multus_records(invocation: Invocation) -> Recorded:
    """Return what Multus recorded about a container. Each damaged file is a log line."""
    from .records import resultscache  # noqa: PLC0415

    recorded = resultscache.load_multus(
        invocation.conf.multus_dir, invocation.container_id, runtime_ifname=invocation.ifname, args=invocation.args
    )
    for path in recorded.unusable:
        LOG.error(f"{path}: the record of another program cannot be read; what only this file names is not detached")
    return recorded


def check(invocation: Invocation) -> None:
    """Check every recorded attachment. The first failure is the error.

    A container without a record is from before the installation of this plugin. An error would make the runtime
    recreate a pod that works.
    """
    runtime = _runtime_of(invocation)
    store = Store(invocation.conf.record_dir)
    with store.lock(invocation.container_id, runtime.deadline):
        record = store.read(invocation.container_id)
        if record is None:
            record = _of_multus(invocation)
        elif not record.entries:
            raise _of_container(CniError(UNKNOWN_CONTAINER, "nothing is attached"), invocation)
        LOG.attachments = len(record.entries)
        for entry in record.entries:
            if entry.state != ATTACHED:
                raise CniError(INVALID_NETWORK_CONFIG, f"{entry.label}: it was not attached to the end").of(
                    record.owner
                )
            try:
                delegate.check_list(
                    config_of(entry), detach.runtime_of(runtime, record, entry), cached_result=entry.result
                )
            except CniError as error:
                raise error.within(entry.label).of(record.owner) from error


def _of_multus(invocation: Invocation) -> Journal:
    """Return the attachments that Multus made to the end; none for a pod that the runtime attached by itself.

    NB: CHECK needs the result of ADD. Multus' own file has none, so an attachment without libcni's is not checked.
    """
    entries = tuple(entry for entry in _multus_records(invocation).entries if entry.state == ATTACHED and entry.result)
    by = f"by the {len(entries)} results of Multus" if entries else "nothing is checked"
    LOG.verbose(f"there is no record, so the container is from before the installation of nadmit; {by}")
    return _new_record(invocation, None).replace(entries=entries)


def gc(invocation: Invocation) -> None:
    """Free the attachments of containers that the runtime does not name, and nothing of a live one.

    The runtime knows only its own interface of a container. So all attachments of a container that it names are alive
    (libcni's rule 52).
    """
    conf, runtime = invocation.conf, _runtime_of(invocation)
    if conf.valid_attachments is None:
        raise CniError(INVALID_NETWORK_CONFIG, "cni.dev/valid-attachments: it is missing, and GC would free everything")
    alive = {container_id for container_id, _ in conf.valid_attachments}
    store = Store(conf.record_dir)
    failures: list[CniError] = []
    with store.lock_all(runtime.deadline):
        dead = [container_id for container_id in store.containers() if container_id not in alive]
        for position, container_id in enumerate(dead):
            try:
                teardown.delete_container(
                    store,
                    container_id,
                    detach.turn(runtime, len(dead) - position),
                    open_client=lambda: _open_client(invocation, runtime.deadline),
                )
                LOG.verbose("freed: the runtime does not name this container any more")
            except CniError as failure:
                failures.append(failure)
        LOG.set_subject()
        store.sweep()
        failures += _collect(conf, store, runtime)
    if failures:
        raise joined(failures)


def _collect(conf: NetConf, store: Store, runtime: RuntimeConf) -> list[CniError]:
    """Have the plugins of every network of the node and of our records free the resources of dead containers.

    NB: plugins free each attachment that is not in the list. So nobody is asked while the list may be incomplete, and a
    network that only Multus' cache names is not asked at all.
    """
    configs: dict[str, NetworkConfigList] = {cniconfig.render(config): config for config in conf.delegates}
    valid: dict[str, list[tuple[str, str]]] = {}
    failures: list[CniError] = []
    for container_id in store.containers():
        try:
            record = store.read(container_id)
        except CniError as damaged:
            failures.append(damaged)
            continue
        for entry in record.entries if record else ():
            config = config_of(entry)
            configs.setdefault(_network_of(entry, config), config)
            valid.setdefault(config.name, []).append((container_id, entry.ifname))
    elsewhere, unread = _live_elsewhere(conf)
    failures += unread
    if failures:
        return failures  # the attachments of a damaged record may be alive
    for config in configs.values():
        known = valid.get(config.name, [])
        try:
            delegate.gc_list(config, runtime, valid=dict.fromkeys([*known, *elsewhere]))
        except CniError as failure:
            failures.append(failure)
    return failures


def _live_elsewhere(conf: NetConf) -> tuple[dict[tuple[str, str], None], list[CniError]]:
    """Return the attachments of live containers that the runtime or Multus has on record, and the unreadable records.

    They are valid in each network: the runtime does not say of which network its own are, and a pair too many frees
    nothing.
    """
    from .records import resultscache  # noqa: PLC0415

    runtimes = conf.valid_attachments or ()
    multus, unusable = resultscache.load_live(conf.multus_dir, runtimes)
    text = "the record of another program about a live container cannot be read, so the plugins of no network were"
    text += " asked to free anything; GC asks them again when this container is gone: delete its pod, or wait"
    return {**dict.fromkeys(runtimes), **multus}, [CniError(DECODE_FAILURE, f"{path}: {text}") for path in unusable]


def _network_of(entry: Entry, config: NetworkConfigList) -> str:
    """Return a text that is the same for all attachments to a network, with any device."""
    if entry.device is None:
        return cniconfig.render(config)
    from .attach.devices import without_device  # noqa: PLC0415  # few attachments have devices

    return quote(without_device(config.conf, entry.device))


def status(invocation: Invocation) -> None:
    """Say whether a pod could be attached now, to the default network and to `statusNetworks`."""
    from .attach import podnetworks  # noqa: PLC0415

    conf, runtime = invocation.conf, _runtime_of(invocation)
    if not _is_ready(conf):
        raise CniError(PLUGIN_NOT_AVAILABLE, _not_ready(conf))
    client = _open_client(invocation, runtime.deadline)
    try:
        if client is not None:
            from .attach.withoutapi import check_credentials  # noqa: PLC0415  # for a node with an API server

            check_credentials(conf, client)
        catalogue = podnetworks.Catalogue(conf, client)
        first, _ = podnetworks.node_defaults(conf, catalogue, pod_namespace="")
        for element in (first, *(catalogue.resolve(value) for value in conf.status_networks)):
            network = catalogue.find(element.namespace, element.name)
            if network is not None and network.config is not None:
                delegate.status_list(network.config, runtime)
    finally:
        if client is not None:
            client.close()


def _naming(verb: Callable[[Invocation], dict[str, Any] | None]) -> Command:
    """Return a verb of one container whose errors name the pod, those of a lock or a kubeconfig included."""

    def named(invocation: Invocation) -> dict[str, Any] | None:
        try:
            return None if _is_nested(invocation) else verb(invocation)
        except SpecErrors as errors:
            raise from_spec_errors(errors).of(invocation.owner) from errors
        except CniError as error:
            raise error.of(invocation.owner) from error

    return named


def _is_nested(invocation: Invocation) -> bool:
    """Say whether this is the DEL of a delegate of ours, of which the process that called it takes care.

    Raises CniError 7 for another verb: it would wait for a lock that this process can never get, as its caller holds
    it. NB: a record that an earlier version left behind must not be kept by such a DEL for ever.
    """
    if not detach.is_delegate_of(invocation.environ, invocation.container_id):
        return False
    text = (
        f'configuration "{invocation.conf.name}": nadmit calls itself, as a delegate of this container; '
        "name the plugin that makes the attachment in its place"
    )
    if invocation.command != "DEL":
        raise CniError(INVALID_NETWORK_CONFIG, text)
    LOG.error(text)
    return True


COMMANDS = {"ADD": _naming(add), "DEL": _naming(delete), "CHECK": _naming(check), "GC": gc, "STATUS": status}
"""By the verb in CNI_COMMAND. `skel` answers VERSION."""


def _of_container(error: CniError, invocation: Invocation) -> CniError:
    """Return an error about the container as such; `_naming` adds the pod, or the container if there is no pod."""
    return error.within(f"container {invocation.container_id}") if invocation.pod_name else error


def _runtime_of(invocation: Invocation) -> RuntimeConf:
    """Return the values of the verb. Plugins are found in `binDir` first, then in CNI_PATH, as in Multus."""
    conf = invocation.conf
    path = tuple(dict.fromkeys((*([conf.bin_dir] if conf.bin_dir else []), *invocation.path)))
    return RuntimeConf(path=path, environ=invocation.environ, deadline=time.monotonic() + conf.deadline_s)


def _is_ready(conf: NetConf) -> bool:
    """Say whether the file is there by which the default network says that it is ready (NPWG v1.3 §6.1.2)."""
    return not conf.readiness_indicator_file or os.path.exists(conf.readiness_indicator_file)  # noqa: PTH110


def _not_ready(conf: NetConf) -> str:
    return f"the default network is not ready: {conf.readiness_indicator_file} does not exist"


def _wait_ready(conf: NetConf, deadline: float) -> None:
    """Wait until the default network is ready. Raises CniError 11 at the deadline."""
    while not _is_ready(conf):
        if time.monotonic() + READY_POLL_S > deadline:
            raise CniError(TRY_AGAIN_LATER, _not_ready(conf))
        time.sleep(READY_POLL_S)


def _clear_remains(store: Store, invocation: Invocation, runtime: RuntimeConf) -> None:
    """Detach the attachments of a killed ADD. Raises CniError 4 for a second ADD of an attached container (rule 47)."""
    record = store.read(invocation.container_id)
    if record is None:
        return
    if record.entries and all(entry.state == ATTACHED for entry in record.entries):
        attached = ", ".join(f"{entry.ifname}={entry.reference}" for entry in record.entries)
        error = CniError(INVALID_ENVIRONMENT, f"it is attached already: {attached}; DEL comes first")
        raise _of_container(error, invocation)
    _delete_recorded(store, invocation, runtime, netns=None)


def _free_older(store: Store, invocation: Invocation, runtime: RuntimeConf) -> None:
    """Detach other containers of the same pod, whose sandboxes the runtime has lost without a DEL.

    They may hold an address that the pod asks for. A failure is a log line, and ADD goes on. NB: this comes before our
    own lock, so that two processes do not wait for each other. A uid alone is not enough: pods that somebody makes by
    hand at the runtime (crictl) often share one.
    """
    others = [
        container_id for container_id in store.of_pod(invocation.pod_uid) if container_id != invocation.container_id
    ]
    now = time.monotonic()
    given = runtime.replace(deadline=now + (runtime.deadline - now) * OLDER_SHARE)
    for container_id in others:
        try:
            until = min(given.deadline, time.monotonic() + OLDER_S)
            with store.lock(container_id, until):
                record = store.read(container_id)  # raises for a damaged one, which keeps its record
                if record is None:
                    store.remove(container_id)  # a mark without a record
                    continue
                if (record.pod_namespace or "", record.pod_name or "") != (
                    invocation.pod_namespace,
                    invocation.pod_name,
                ):
                    continue
                teardown.delete_container(store, container_id, given)
            LOG.verbose("detached: the runtime has made another sandbox for its pod, and never called DEL for this one")
        except CniError as error:
            LOG.error(f"container {container_id} of the same pod is not detached: {error.msg}")
    LOG.attachments = None
    LOG.set_subject(invocation.container_id, f"{invocation.pod_namespace}/{invocation.pod_name}")


def _open_client(invocation: Invocation, deadline: float) -> Client | None:
    """Return the client of the API server, None without a kubeconfig and outside of a cluster.

    If the kubeconfig cannot be read, each request to the client raises that error.
    """
    path = invocation.conf.kubeconfig
    if not path and not invocation.environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    from .cluster.kubeapi import Client  # noqa: PLC0415  # DEL never needs it
    from .cluster.kubeconfig import load_kubeconfig, load_service_account  # noqa: PLC0415

    try:
        config = load_kubeconfig(path) if path else load_service_account(invocation.environ)
    except CniError as error:
        return _away(error)
    return Client(config, deadline=deadline, clock=time.monotonic, sleep=time.sleep) if config else None


def _ask_for_pod(client: Client | None, invocation: Invocation) -> None:
    """Ask for the pod and all that is known to be needed, without waiting. A failure is left to `_fetch_pod`."""
    if client is None or not invocation.pod_name:
        return
    if invocation.conf.may_start_without_api:  # the delegates need the rest of the time
        client.limit(min(ASK_S, client.left_s() * ASK_SHARE))
    client.open()
    from .attach import podnetworks  # noqa: PLC0415  # modules are loaded while the API server works

    podnetworks.ask_ahead(invocation.conf, client, invocation.pod_namespace, invocation.pod_name)


def _away(failure: CniError) -> Client:
    """Return the client of an API server that cannot be asked."""
    from .attach.withoutapi import Away  # noqa: PLC0415  # only after a failure

    return Away(failure)  # type: ignore[return-value]  # for a pod that was not read, nothing else is called


def _fetch_pod(client: Client | None, invocation: Invocation) -> tuple[Pod | None, Client | None]:
    """Return the pod of CNI_ARGS, and the client for further requests.

    The pod is None without an API server, for a container that is not a pod's, and if the API server cannot be asked
    and the pod may start all the same.
    """
    if client is None or not invocation.pod_name:
        return None, client
    from .cluster.objects import fetch_pod  # noqa: PLC0415

    try:
        pod = fetch_pod(client, invocation.pod_namespace, invocation.pod_name, invocation.pod_uid)
    except CniError as failure:
        from .attach.withoutapi import check_pod  # noqa: PLC0415  # only after a failure

        check_pod(invocation, failure)
        client.close()
        return None, _away(failure)
    client.limit(float("inf"))
    return pod, client


def _new_record(invocation: Invocation, pod: Pod | None) -> Journal:
    return Journal(
        container_id=invocation.container_id,
        netns=invocation.netns,
        pod_namespace=pod.namespace if pod else invocation.pod_namespace or None,
        pod_name=pod.name if pod else invocation.pod_name or None,
        pod_uid=pod.uid if pod else invocation.pod_uid or None,
        runtime_ifname=invocation.ifname,
    )


def _result_for(invocation: Invocation, record: Journal) -> dict[str, Any]:
    """Return the default network's result in the version of our configuration (rule 45)."""
    entry = next((entry for entry in record.entries if entry.is_default), record.entries[0])
    try:
        return result.convert(result.parse(entry.result, cni_version="0.1.0"), invocation.conf.cni_version)
    except SpecErrors as errors:
        raise from_spec_errors(errors).within(entry.label) from errors
