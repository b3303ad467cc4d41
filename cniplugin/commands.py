"""The verbs of the plugin, each a short story in the standard's order (CNI 1.1 §2; NPWG v1.3 §7).

ADD asks the cluster; DEL, CHECK and GC work from the records alone, STATUS from the configuration. A container is
locked for each verb, all of them for GC. One deadline holds for the whole verb.
"""

from __future__ import annotations

import os
import time

from .attach import teardown
from .attach.teardown import Run
from .cnierrors import INVALID_ENVIRONMENT, INVALID_NETWORK_CONFIG, PLUGIN_NOT_AVAILABLE, UNKNOWN_CONTAINER, CniError
from .host.log import LOG
from .netspec import cniconfig, result
from .netspec.errors import SpecErrors
from .netspec.jsontext import quote
from .protocol import delegate, netconf
from .protocol.delegate import Target
from .protocol.skel import from_spec_errors
from .records.journal import Store
from .records.journaltext import ATTACHED, Entry, Journal

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

    Parse = Callable[[dict[str, Any]], tuple[NetConf, tuple[str, ...]]]

READY_POLL_S = 0.25
MULTUS_CACHE = "/var/lib/cni/multus"
"""Multus' `cniDir`: pods that Multus attached are detached from there after a migration."""


def add(invocation: Invocation) -> dict[str, Any]:
    """Attach a container to all its networks; return the default network's result."""
    conf, run = _begin(invocation, netconf.parse)
    _wait_ready(conf, run.deadline)
    store = Store(conf.record_dir)
    with store.lock(invocation.container_id, run.deadline):
        _clear_remains(store, invocation, run)
        client = _open_client(conf, invocation, run.deadline)
        try:
            return _add(invocation, conf, store, client, run)
        finally:
            if client is not None:
                client.close()


def _add(invocation: Invocation, conf: NetConf, store: Store, client: Client | None, run: Run) -> dict[str, Any]:
    from .attach import execution, podnetworks  # noqa: PLC0415  # the other verbs need none of them

    pod: Pod | None = None
    remarks: list[Remark] = []
    try:
        pod = _fetch_pod(client, invocation)
        uid = invocation.pod_args.get("K8S_POD_UID", "")
        plan = podnetworks.plan_networks(
            conf, invocation.conf, pod, client, ifname=invocation.ifname, uid=uid, tell=remarks.append
        )
        record = execution.attach_all(
            plan,
            _new_record(invocation, pod),
            store,
            run,
            runtime_config=conf.runtime_config,
            args=invocation.args,
            device_info_dir=conf.device_info_dir,
        )
        record = _settle_default_route(plan, record, store, run)
    except SpecErrors as errors:
        raise _of_annotation(errors) from errors
    except CniError as error:
        if client is not None and pod is not None:
            from .attach.reporting import refused  # noqa: PLC0415  # brings the API client

            refused(client, pod, error, remarks)
        raise
    LOG.attachments = len(record.entries)
    if client is not None and pod is not None:
        from .attach.reporting import publish  # noqa: PLC0415  # as above

        publish(client, pod, plan, record, remarks)
    return _result_for(invocation, record)


def _of_annotation(errors: SpecErrors) -> CniError:
    """Return what breaks the standard, with the annotation that it is about: the place alone says only `[1]`."""
    from .netspec.selection import DEFAULT_NETWORK, NETWORKS  # noqa: PLC0415  # for ADD only

    error, source = from_spec_errors(errors), errors.errors[0].source
    if source not in {NETWORKS, DEFAULT_NETWORK}:
        return error
    return CniError(error.code, f"annotation {source}: {error.msg}", error.details)


def _named(invocation: Invocation, error: CniError) -> CniError:
    """Return an error that names the pod, or the container of a runtime that tells no pod."""
    given = invocation.pod_args
    pod = f"{given.get('K8S_POD_NAMESPACE', '')}/{given.get('K8S_POD_NAME', '')}"
    who = f"pod {pod}" if given.get("K8S_POD_NAME") else f"container {invocation.container_id}"
    if who in error.msg:
        return error
    return CniError(error.code, f"{who}: {error.msg}", error.details)


def _settle_default_route(plan: Plan, record: Journal, store: Store, run: Run) -> Journal:
    """Move the default route if an attachment asks for it; take everything back if that fails."""
    if all(attachment.element.default_route is None for attachment in plan.attachments):
        return record
    from .attach import defaultroute, execution  # noqa: PLC0415  # nearly no pod asks for it

    try:
        entries = defaultroute.settle(plan, record.entries, record.netns)
        if entries == record.entries:
            return record
        record = record.replace(entries=entries)
        store.write(record)
    except CniError as error:
        execution.take_back(record, store, error, run)
    return record


def delete(invocation: Invocation) -> None:
    """Detach a container from everything that was attempted; fine when nothing was."""
    conf, run = _begin(invocation, netconf.parse_to_clean_up)
    store = Store(conf.record_dir)
    with store.lock(invocation.container_id, run.deadline):
        if not teardown.delete_container(store, invocation.container_id, run, netns=invocation.netns):
            _delete_what_others_left(store, invocation, conf, run)


def _delete_what_others_left(store: Store, invocation: Invocation, conf: NetConf, run: Run) -> None:
    """Detach a container that is not ours: one that Multus attached, or the default network before we came.

    What Multus attached becomes a record of ours. The default network is only a guess: most often this is the second
    DEL of a container, so a plugin that finds fault with it must not leave a record of what may never have been.
    """
    record = _new_record(invocation, None)
    entries = _multus_entries(invocation)
    if entries:
        store.write(record.replace(entries=entries))
        teardown.delete_container(store, invocation.container_id, run, netns=invocation.netns)
        return
    _, failures = teardown.detach_all(record.replace(entries=_default_entries(invocation, conf)), run)
    if failures:
        raise teardown.joined(failures)


def _default_entries(invocation: Invocation, conf: NetConf) -> tuple[Entry, ...]:
    """Return the default network as the runtime would have attached it by itself."""
    return tuple(
        Entry(
            reference=config.name,
            ifname=invocation.ifname,
            is_default=True,
            config=cniconfig.render(config),
            capability_args=dict(conf.runtime_config),
            args=invocation.args,
        )
        for config in conf.delegates[:1]
    )


def _multus_entries(invocation: Invocation) -> tuple[Entry, ...]:
    from .records import resultscache  # noqa: PLC0415

    directory = invocation.conf.get("cniDir")
    directory = directory if isinstance(directory, str) and directory else MULTUS_CACHE
    found = resultscache.load_multus(
        directory, invocation.container_id, runtime_ifname=invocation.ifname, args=invocation.args
    )
    return found.entries


def check(invocation: Invocation) -> None:
    """Check every recorded attachment; the first that is not as it should be is the error."""
    conf, run = _begin(invocation, netconf.parse_to_clean_up)
    store = Store(conf.record_dir)
    with store.lock(invocation.container_id, run.deadline):
        record = store.read(invocation.container_id)
        if record is None or not record.entries:
            raise CniError(UNKNOWN_CONTAINER, f"container {invocation.container_id}: nothing is attached")
        LOG.attachments = len(record.entries)
        for entry in record.entries:
            label = teardown.label_of(record, entry)
            if entry.state != ATTACHED:
                raise CniError(INVALID_NETWORK_CONFIG, f"{label}: it was not attached to the end")
            try:
                delegate.check_list(
                    cniconfig.parse(entry.config, name=entry.reference),
                    teardown.target_of(record, entry, run),
                    caps=entry.capability_args,
                    cni_args=entry.cni_args,
                    cached_result=entry.result,
                    deadline=run.deadline,
                )
            except CniError as error:
                raise CniError(error.code, f"{label}: {error.msg}", error.details) from error


def gc(invocation: Invocation) -> None:
    """Free what belongs to containers that the runtime does not name; never touch a live one.

    The runtime knows its own interface of a container only: all attachments of a container that it names are alive
    (libcni's rule 52).
    """
    conf, run = _begin(invocation, netconf.parse_to_clean_up)
    if conf.valid_attachments is None:
        raise CniError(INVALID_NETWORK_CONFIG, "cni.dev/valid-attachments: it is missing, and all would be freed")
    alive = {container_id for container_id, _ in conf.valid_attachments}
    store = Store(conf.record_dir)
    failures: list[CniError] = []
    with store.lock_all(run.deadline):
        dead = [container_id for container_id in store.containers() if container_id not in alive]
        for position, container_id in enumerate(dead):
            try:
                teardown.delete_container(store, container_id, run.turn(len(dead) - position))
                LOG.verbose("freed: the runtime does not name this container any more")
            except CniError as failure:
                failures.append(failure)
        LOG.tell_of()
        store.sweep()
        failures += _collect(conf, store, run)
    if failures:
        raise teardown.joined(failures)


def _collect(conf: NetConf, store: Store, run: Run) -> list[CniError]:
    """Have the plugins of every known network free what no live container has."""
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
            config = cniconfig.parse(entry.config, name=entry.reference)
            configs.setdefault(_network_of(entry, config), config)
            valid.setdefault(config.name, []).append((container_id, entry.ifname))
    if failures:
        return failures  # what a damaged record holds is not known to be dead
    target = Target(path=run.path, environ=run.environ)
    for config in configs.values():
        known = valid.get(config.name, [])
        runtimes = conf.valid_attachments or ()
        try:
            delegate.gc_list(config, target, valid=dict.fromkeys([*known, *runtimes]), deadline=run.deadline)
        except CniError as failure:
            failures.append(failure)
    return failures


def _network_of(entry: Entry, config: NetworkConfigList) -> str:
    """Return what is one text for all attachments to a network, whatever device each of them has."""
    if entry.device is None:
        return cniconfig.render(config)
    from .attach.devices import without_device  # noqa: PLC0415  # few attachments have devices

    return quote(without_device(config.conf, entry.device))


def status(invocation: Invocation) -> None:
    """Say whether a pod could be attached now: the default network, and `statusNetworks`."""
    from .attach import podnetworks  # noqa: PLC0415

    conf, run = _begin(invocation, netconf.parse)
    if conf.readiness_indicator_file and not os.path.exists(conf.readiness_indicator_file):  # noqa: PTH110
        raise CniError(PLUGIN_NOT_AVAILABLE, f"the default network is not ready: no {conf.readiness_indicator_file}")
    client = _open_client(conf, invocation, run.deadline) if "/" not in conf.cluster_network else None
    try:
        catalogue = podnetworks.Catalogue(conf, client)
        first = podnetworks.node_defaults(conf, catalogue, pod_namespace="").first
        for element in (first, *(catalogue.resolve(value) for value in conf.status_networks)):
            network = catalogue.find(element.namespace, element.name)
            if network is not None and network.config is not None:
                target = Target(path=run.path, environ=run.environ)
                delegate.status_list(network.config, target, deadline=run.deadline)
    finally:
        if client is not None:
            client.close()


def _naming(verb: Callable[[Invocation], dict[str, Any] | None]) -> Command:
    """Return a verb of one container, whose errors all name the pod: a lock, a damaged record, a kubeconfig too."""

    def named(invocation: Invocation) -> dict[str, Any] | None:
        try:
            return verb(invocation)
        except SpecErrors as errors:
            raise _named(invocation, from_spec_errors(errors)) from errors
        except CniError as error:
            raise _named(invocation, error) from error

    return named


COMMANDS = {"ADD": _naming(add), "DEL": _naming(delete), "CHECK": _naming(check), "GC": gc, "STATUS": status}
"""By the verb in CNI_COMMAND; VERSION is answered by `skel`."""


def _begin(invocation: Invocation, parse: Parse) -> tuple[NetConf, Run]:
    """Return the configuration, and what holds for the verb; warnings are logged.

    Plugins are looked for in `binDir` first, then in CNI_PATH, as Multus does.
    """
    started = time.monotonic()
    conf, warnings = parse(invocation.conf)
    for warning in warnings:
        LOG.verbose(f"warning: {warning}")
    path = tuple(dict.fromkeys((*([conf.bin_dir] if conf.bin_dir else []), *invocation.path)))
    return conf, Run(path=path, environ=invocation.environ, deadline=started + conf.deadline_s)


def _wait_ready(conf: NetConf, deadline: float) -> None:
    """Wait for the default network's own sign (NPWG v1.3 §6.1.2). Raises CniError 11 at the deadline."""
    while conf.readiness_indicator_file and not os.path.exists(conf.readiness_indicator_file):  # noqa: PTH110
        if time.monotonic() + READY_POLL_S > deadline:
            raise CniError(11, f"the default network is not ready: no {conf.readiness_indicator_file}")
        time.sleep(READY_POLL_S)


def _clear_remains(store: Store, invocation: Invocation, run: Run) -> None:
    """Take back what an ADD left that was killed; refuse a second ADD of what is attached (rule 47)."""
    record = store.read(invocation.container_id)
    if record is None:
        return
    if record.entries and all(entry.state == ATTACHED for entry in record.entries):
        attached = ", ".join(f"{entry.ifname}={entry.reference}" for entry in record.entries)
        text = f"container {invocation.container_id} is attached already: {attached}; DEL comes first"
        raise CniError(INVALID_ENVIRONMENT, text)
    teardown.delete_container(store, invocation.container_id, run)


def _open_client(conf: NetConf, invocation: Invocation, deadline: float) -> Client | None:
    """Return the API server's client, None without a kubeconfig and outside of a cluster."""
    if not conf.kubeconfig and not invocation.environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    from .cluster.kubeapi import Client  # noqa: PLC0415  # DEL never needs it
    from .cluster.kubeconfig import load_kubeconfig, load_service_account  # noqa: PLC0415

    config = load_kubeconfig(conf.kubeconfig) if conf.kubeconfig else load_service_account(invocation.environ)
    return Client(config, deadline=deadline, clock=time.monotonic, sleep=time.sleep) if config else None


def _fetch_pod(client: Client | None, invocation: Invocation) -> Pod | None:
    """Return the pod that CNI_ARGS name; None without an API server, or for a container that is no pod."""
    from .cluster.objects import fetch_pod  # noqa: PLC0415

    name = invocation.pod_args.get("K8S_POD_NAME", "")
    if client is None or not name:
        return None
    namespace = invocation.pod_args.get("K8S_POD_NAMESPACE", "")
    return fetch_pod(client, namespace, name, invocation.pod_args.get("K8S_POD_UID", ""))


def _new_record(invocation: Invocation, pod: Pod | None) -> Journal:
    given = invocation.pod_args
    return Journal(
        container_id=invocation.container_id,
        netns=invocation.netns,
        pod_namespace=pod.namespace if pod else given.get("K8S_POD_NAMESPACE"),
        pod_name=pod.name if pod else given.get("K8S_POD_NAME"),
        pod_uid=pod.uid if pod else given.get("K8S_POD_UID"),
        runtime_ifname=invocation.ifname,
    )


def _result_for(invocation: Invocation, record: Journal) -> dict[str, Any]:
    """Return the default network's result in the version of our configuration (rule 45)."""
    entry = next((entry for entry in record.entries if entry.is_default), record.entries[0])
    try:
        return result.convert(result.parse(entry.result, cni_version="0.1.0"), invocation.cni_version)
    except SpecErrors as errors:
        found = from_spec_errors(errors)
        raise CniError(found.code, f"{teardown.label_of(record, entry)}: {found.msg}", found.details) from errors
