"""The composition root of `nadmit serve`: settings, the parts that they ask for, and the server.

This is the only module that knows every part. A server pays only for the parts that it has: functions import the
modules that only a cluster, a tree of files or a configuration needs.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import uvloop
from prometheus_client.registry import Collector

from certs.authority import MaterialError
from certs.certfiles import BootstrapError, bootstrap, exposures, is_given_pair
from certs.rotator import RotatorError
from cniplugin.access.model.decision import Rules
from cniplugin.access.model.policyrules import AuthorMatch
from cniplugin.netspec.attachers import MULTUS
from webhook.admission.model.kinds import NETWORK_NAMESPACE
from webhook.admission.templates.workloadtable import own_kinds
from webhook.admission.view.decisioncontext import OFF, CompiledRules
from webhook.configuration.current import CurrentConfiguration
from webhook.files import advice, within
from webhook.kube.apierrors import ClusterError
from webhook.kube.ownnamespace import own_namespace
from webhook.registration.conditions import LabelProtection, StatusProtection
from webhook.registration.configurations import Service, Target, Url
from webhook.registration.tables import KINDS
from webhook.review.reviews import Observer, Reviews
from webhook.serving.app import WebhookApp
from webhook.serving.bodies import Bodies
from webhook.serving.clients import ClientCaError, ClientTrust
from webhook.serving.http import Limits
from webhook.serving.probes import ProbeApp, create_probes
from webhook.serving.rereading import ASKED, IN_FORCE, KEPT, UNCHANGED, Rereading, Source
from webhook.serving.reviewpaths import PLAIN, PathTokenError, ReviewPaths, TokensOfFile
from webhook.serving.server import Address, Addresses, ListenError, Stop, serve
from webhook.serving.signals import EarlySignals, stop_on_signals
from webhook.serving.tls import CertificateError, MemoryTls, ServedPair, ServerTls
from webhook.snapshot.snapshot import Snapshot
from webhook.telemetry.decisionlog import DecisionLog
from webhook.telemetry.metrics import ConfigurationMetrics, LoadMetrics, Metrics, Observers, RotationMetrics
from webhook.trees.problems import ManifestError

if TYPE_CHECKING:
    from certs.rotator import Rotator, TokenKeeper, TokenRotator
    from certs.store import SecretStore
    from webhook.admission.plugins.schema import PluginSchema
    from webhook.kube.connection import Connection
    from webhook.kube.objectwatch import ObjectWatches
    from webhook.kube.singleobjects import KubeConfigurations
    from webhook.openreports.reportschedule import ReportSchedule
    from webhook.policystatus.statuswriter import StatusWriter
    from webhook.registration.registrar import Registrar
    from webhook.snapshot.livelookups import LiveDevices, LiveLookups
    from webhook.snapshot.source import ClusterSource

STDOUT = 1
READY_POLL_S = 0.05
SWITCH_S = 0.0005
"""How long another thread may keep the interpreter from the reviews. With Python's own 5 ms for each turn of the loop
one in a hundred reviews waited 60 ms while the program listed 50,000 definitions again."""
LOG_DELAY_S = 0.01
"""How long log lines are gathered: a hundred system calls a second, for any number of reviews."""

START_ERRORS = (
    ManifestError, ClusterError, BootstrapError, MaterialError, RotatorError, CertificateError, ClientCaError,
    PathTokenError, ListenError,
)  # fmt: skip
"""The errors that `run` raises before the server listens: wrong files, settings or ports, each with clear lines."""

serving_log = logging.getLogger("nadmit.serving")


# Settings


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """How `nadmit serve --reports` has reports written.

    `every_s`: between passes. `words`: the command of a pass, without the configuration, which changes.
    """

    every_s: float
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Settings of `nadmit serve --cluster`; the options of the same names are documented there.

    `namespace`: None for that of the pod's service account. `webhook_url`: None for the Service. `ca_file`: None for
    `ca.crt` of `cert_dir`. `network_in_use`: Warn, Deny or Off. `path_token`: whether registered paths need a token;
    `path_token_secret`: its Secret when the certificate is in files, None for `cert_dir`. `would_refuse_map`: the
    ConfigMap for the list of what would be refused, None for no list. `reports`: None for no reports; they need
    `write_status`, whose Lease says who writes.
    """

    namespace: str | None = None
    tls_secret: str | None = None
    service: str = "nadmit-webhook"
    webhook_configuration: str | None = None
    webhook_url: str | None = None
    ca_file: Path | None = None
    watch_pods: bool = True
    network_in_use: str = "Warn"
    path_token: bool = True
    path_token_secret: str | None = None
    write_status: bool = False
    config_map: str | None = None
    would_refuse_map: str | None = None
    reports: ReportSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of `nadmit serve`, read once. The defaults are those of a server of files.

    `manifests` is a tree of YAML; None means the cluster that `kubeconfig` (None: the service account, then the
    user's own) points at. `cert_dir` gets a CA and a leaf for `cert_names` when it is empty; `tls_files` (certificate,
    key) replace them. `client_ca` verifies callers, and `client_names` may call (empty: all of them); None: everybody
    may call. `path_token_file`: the tokens of paths that an administrator registers. `config`: the file of a
    NadmitConfiguration; None: its defaults. `plugin_schemas`: a directory of schemas of CNI plugins.
    `attached_by`: who attaches, where the configuration does not say so.
    """

    manifests: Path | None = None
    kubeconfig: Path | None = None
    listen: Address = ("127.0.0.1", 8443)
    probe_listen: Address = ("127.0.0.1", 8080)
    cert_dir: Path = Path("nadmit-certs")
    cert_names: tuple[str, ...] = ()
    tls_files: tuple[Path, Path] | None = None
    client_ca: Path | None = None
    client_names: tuple[str, ...] = ()
    path_token_file: Path | None = None
    config: Path | None = None
    plugin_schemas: Path | None = None
    attached_by: str = MULTUS
    rules: Rules = field(default_factory=Rules)
    network_namespace: str = NETWORK_NAMESPACE
    limits: Limits = field(default_factory=Limits)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)


# From settings to the end of the process


def run(settings: Settings, early: EarlySignals) -> int:
    """Serve a tree of YAML or a cluster until SIGTERM or SIGINT, and return the exit code.

    A server of a cluster listens as soon as it has a certificate, and is ready when every cache has listed. Raises one
    of START_ERRORS before it listens.
    """
    started = time.perf_counter()
    _log_to_stderr()
    with ExitStack() as running:
        judge = _assemble(settings, running)
        tls = judge.parts.tls or _load_tls(settings, judge.metrics, judge.sources)
        rereading = Rereading({**judge.parts.rereads, **judge.sources})
        return _serve(
            settings,
            judge,
            tls=tls,
            started=started,
            signals=partial(stop_on_signals, early=early, on_hangup=rereading.request),
        )


@contextmanager
def applications(settings: Settings) -> Iterator[tuple[WebhookApp, ProbeApp]]:
    """Return the applications for an ASGI server of somebody else, while their parts run; see `webhook.asgi`.

    That server has the certificate, the ports and the signals. Needs a running loop. Raises one of START_ERRORS.
    """
    _log_to_stderr()
    with ExitStack() as running:
        judge = _assemble(settings, running)
        log = DecisionLog(STDOUT, later=_call_later, on_lost=judge.metrics.log_lines_lost.inc)
        running.callback(log.close)
        judge.parts.listening.set()
        yield _applications_of(settings, judge, log, judge.parts.problem)


@dataclass(frozen=True, slots=True)
class _Judge:
    """All that judges, and runs beside a server. `sources`: what SIGHUP reads again, besides those of the parts."""

    parts: Parts
    configuration: CurrentConfiguration
    metrics: Metrics
    sources: dict[str, Source]


def _assemble(settings: Settings, running: ExitStack) -> _Judge:
    """Make and start the parts, which stop at the end of `running`. Raises as `run`."""
    metrics = Metrics()
    tokens = None if settings.path_token_file is None else TokensOfFile(settings.path_token_file)
    sources: dict[str, Source] = {}
    of_files = None if settings.manifests is None else _parts_of_files(settings.manifests, settings.network_namespace)
    configuration = _follow_configuration(settings, running, sources)
    metrics.registry.register(ConfigurationMetrics(configuration))
    parts = of_files or _parts_of_cluster(settings, metrics, configuration)
    if tokens is not None and parts.path_tokens is None:
        parts = replace(parts, path_tokens=lambda: tokens.accepted)
        sources[f"path tokens {settings.path_token_file}"] = partial(_outcome, tokens.reread)
    for collector in parts.collectors:
        metrics.registry.register(collector)
    for part in parts.parts:
        part.start()
        running.callback(part.stop)
    for close in parts.closing:
        running.callback(close)
    return _Judge(parts, configuration, metrics, sources)


def _applications_of(
    settings: Settings, judge: _Judge, log: DecisionLog, problem: Callable[[], str | None]
) -> tuple[WebhookApp, ProbeApp]:
    """Return the application of reviews and that of probes. `problem`: why the server is not ready, None if it is."""
    parts, configuration, metrics = judge.parts, judge.configuration, judge.metrics
    reviews = Reviews(
        snapshot=parts.snapshot,
        problem=parts.problem,
        rules=CompiledRules(settings.rules.config),
        configuration=lambda: configuration.value,
        network_namespace=settings.network_namespace,
        observer=Observers(metrics, log, *parts.observers),
        network_in_use=settings.cluster.network_in_use,
        live=parts.live,
        live_devices=parts.live_devices,
    )
    paths = PLAIN if parts.path_tokens is None else ReviewPaths(parts.path_tokens)

    def exposition() -> bytes:
        metrics.observe(is_ready=problem() is None, counts=parts.snapshot().counts(), ages=parts.ages())
        return metrics.exposition()

    return (
        WebhookApp(reviews, limits=settings.limits, on_response=metrics.response, paths=paths),
        create_probes(is_ready=problem, metrics=exposition, configuration=configuration.describe),
    )


def _serve(
    settings: Settings,
    judge: _Judge,
    *,
    tls: ServedPair,
    started: float,
    signals: Callable[[Stop], AbstractContextManager[None]],
) -> int:
    sys.setswitchinterval(SWITCH_S)
    parts, metrics = judge.parts, judge.metrics
    log = DecisionLog(STDOUT, later=_call_later, on_lost=metrics.log_lines_lost.inc)
    waiting: list[asyncio.Task[None]] = []

    def problem() -> str | None:
        """Return why the server is not ready: the parts are not, or the certificate has expired."""
        return parts.problem() or (None if tls.not_after > time.time() else "the certificate has expired")

    def on_listening(addresses: Addresses) -> None:
        _announce(log, addresses, time.perf_counter() - started)
        parts.listening.set()
        waiting.append(asyncio.create_task(_wait_until_ready(parts, log, started)))

    async def main() -> int:
        stop = Stop()
        bodies = Bodies(settings.limits, asyncio.get_running_loop())
        metrics.registry.register(LoadMetrics(bodies))
        app, probes = _applications_of(settings, judge, log, problem)
        with signals(stop):
            code = await serve(
                app,
                probes,
                tls=tls,
                addresses=Addresses(webhook=settings.listen, probes=settings.probe_listen),
                limits=settings.limits,
                on_ready=on_listening,
                stop=stop,
                bodies=bodies,
            )
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return code

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(main())
    log.close()
    return code


# The parts that run beside the server


class Part(Protocol):
    """Something that runs beside the server in threads of its own. Parts start in order and stop in reverse."""

    def start(self) -> None:
        """Begin; raises an error that keeps the server from starting, with one clear line."""

    def stop(self) -> None:
        """End soon, and leave no work half done."""

    def problem(self) -> str | None:
        """Return why reviews are not wanted yet; None when they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The source of a server's snapshot, and everything that a server of a cluster has besides.

    `ages`: for each kind, seconds since its cache was known to be up to date. `live`, `live_devices` ask the API server
    for objects that the snapshot lacks. `observers` get each review. `tls`: the certificate of a Secret, None when it
    is in files. `path_tokens`: the tokens of review paths, "" for a path without one; None when no path has one. The
    server sets `listening` once it accepts connections, and calls `closing` at its end. SIGHUP reads `rereads` again.
    """

    snapshot: Callable[[], Snapshot]
    parts: Sequence[Part] = ()
    ages: Callable[[], Mapping[str, float]] = dict
    live: LiveLookups | None = None
    live_devices: LiveDevices | None = None
    tls: MemoryTls | None = None
    path_tokens: Callable[[], Sequence[str]] | None = None
    listening: Event = field(default_factory=Event)
    collectors: Sequence[Collector] = ()
    observers: Sequence[Observer] = ()
    closing: Sequence[Callable[[], None]] = ()
    rereads: Mapping[str, Source] = field(default_factory=dict)

    def problem(self) -> str | None:
        """Return why reviews are not wanted yet; None when they are."""
        return _first_problem(self.parts)


def _first_problem(parts: Sequence[Part]) -> str | None:
    return next((problem for part in parts if (problem := part.problem()) is not None), None)


def _parts_of_files(manifests: Path, network_namespace: str) -> Parts:
    from webhook.trees.followedtree import FollowedTree

    tree = FollowedTree(manifests, network_namespace=network_namespace)
    rereads = {f"tree {manifests}": partial(_outcome, tree.reread)}
    return Parts(snapshot=tree.snapshot, parts=[tree], rereads=rereads)


def _outcome(reread: Callable[[], bool | None]) -> str:
    """Return what the log says about a source: read and in force, refused, or (None) unchanged."""
    is_in_force = reread()
    if is_in_force is None:
        return UNCHANGED
    return IN_FORCE if is_in_force else KEPT


def _follow_configuration(settings: Settings, running: ExitStack, sources: dict[str, Source]) -> CurrentConfiguration:
    """Return the current configuration; with --config it follows the file for as long as `running`.

    Adds what can be read again to `sources`.

    Raises ManifestError for a file that cannot be used, and for schemas of plugins that cannot.
    """
    own_schemas: Mapping[str, PluginSchema] = {}
    if settings.plugin_schemas is not None:
        from webhook.configuration.schemafiles import load_directory

        own_schemas = load_directory(settings.plugin_schemas)
    current = CurrentConfiguration(now=time.time, own_schemas=own_schemas, attached_by=settings.attached_by)
    if settings.config is not None:
        from webhook.configuration.filesource import ConfigurationFile

        file = ConfigurationFile(settings.config, current)
        file.start()
        running.callback(file.stop)
        sources[f"configuration {settings.config}"] = partial(_outcome, file.reread)
    if (directory := settings.plugin_schemas) is not None:
        sources[f"plugin schemas {directory}"] = partial(_outcome, partial(_reread_schemas, directory, current))
    return current


def _reread_schemas(directory: Path, current: CurrentConfiguration) -> bool:
    from webhook.configuration.schemafiles import load_directory

    try:
        current.replace_schemas(load_directory(directory))
    except ManifestError as error:
        for problem in error.problems:
            logging.getLogger("nadmit.configuration").warning("%s", problem)
        return False
    return True


def _parts_of_cluster(settings: Settings, metrics: Metrics, configuration: CurrentConfiguration) -> Parts:
    """Make the parts that the settings ask for; none of them sends a request before its start.

    Raises ClusterError for a kubeconfig that cannot be used, MaterialError for a name that no certificate can have,
    ClientCaError for the callers' authorities.
    """
    from webhook.configuration.configmap import ConfigurationMap
    from webhook.kube.lease import timestamp
    from webhook.kube.objectwatch import ObjectWatches
    from webhook.observing.keeper import Keeper
    from webhook.snapshot.livelookups import LiveDevices, LiveLookups
    from webhook.snapshot.pods import Pods
    from webhook.snapshot.source import ClusterSource

    cluster = settings.cluster

    def is_read(driver: str) -> bool:
        drivers = configuration.value.drivers
        return drivers is not None and driver in drivers.by_name

    watches_pods = cluster.watch_pods and cluster.network_in_use != OFF
    source = ClusterSource(
        settings.kubeconfig, pods=Pods(settings.network_namespace) if watches_pods else None, is_read=is_read
    )
    watches = ObjectWatches(source.connection)
    parts: list[Part] = [source, watches]
    collectors: list[Collector] = []
    rereads: dict[str, Source] = {}
    ca_bundle = _bundle_of_files(settings)
    tls = tokens = None
    if cluster.webhook_configuration is not None:
        tokens, token_rotator = token_keeper(settings, source.connection, watches)
        if token_rotator is not None:
            parts.append(token_rotator)
    if cluster.config_map is not None:
        namespace = own_namespace(cluster.namespace)
        config_map = ConfigurationMap(source.connection, namespace, cluster.config_map, configuration, watches=watches)
        parts.append(config_map)
        rereads[f"ConfigMap {namespace}/{cluster.config_map}"] = partial(_woken, config_map.wake)
    if cluster.tls_secret is not None:
        tls, rotator = rotating_tls(settings, source.connection, cluster.tls_secret, metrics, tokens, watches=watches)
        ca_bundle = rotator.ca_bundle
        parts.append(rotator)
        rereads[f"Secret {own_namespace(cluster.namespace)}/{cluster.tls_secret}"] = partial(_woken, rotator.wake)
    written = list(_status_parts(cluster, source, configuration))
    parts += written
    collectors += [part.counts for part in written]
    observers: list[Observer] = []
    if cluster.would_refuse_map is not None:
        keeper = Keeper(
            source.connection,
            own_namespace(cluster.namespace),
            cluster.would_refuse_map,
            now=lambda: timestamp(datetime.now(UTC)),
            random=random.random,
        )
        parts.append(keeper)
        observers.append(keeper)
    listening = Event()
    if cluster.webhook_configuration is not None and tokens is not None:
        registrar = _registrar(
            settings,
            source,
            watches,
            configuration,
            is_ready=lambda: listening.is_set() and _first_problem(parts) is None,
            ca_bundle=ca_bundle,
            path_token=tokens.to_register,
        )
        parts.append(registrar)
        collectors.append(registrar)
    live = LiveLookups(source.connection, source.snapshot, clock=time.monotonic, on_result=metrics.live_lookup)
    live_devices = LiveDevices(source.connection, clock=time.monotonic, on_result=metrics.live_lookup)
    return Parts(
        snapshot=source.snapshot,
        parts=parts,
        ages=source.cache_age_seconds,
        live=live,
        live_devices=live_devices,
        tls=tls,
        path_tokens=None if tokens is None else lambda: tokens.accepted,
        listening=listening,
        collectors=collectors,
        observers=observers,
        closing=(live.close, live_devices.close),
        rereads=rereads,
    )


def _status_parts(
    cluster: ClusterSettings, source: ClusterSource, configuration: CurrentConfiguration
) -> Iterator[StatusWriter | ReportSchedule]:
    """Yield the parts that write about the cluster while this replica holds the Lease."""
    if not cluster.write_status:
        return
    from webhook.policystatus.statuswriter import StatusWriter

    writer = StatusWriter(
        source.connection,
        own_namespace(cluster.namespace),
        snapshot=lambda: None if source.problem() else source.snapshot(),
        attached_by=lambda: configuration.value.attached_by,
    )
    yield writer
    reports = cluster.reports
    if reports is None:
        return
    from webhook.openreports.reportschedule import PassCommand, ReportSchedule, ScheduleTiming

    yield ReportSchedule(
        lambda: PassCommand(reports.words, configuration.state.loaded.text),
        is_leader=writer.is_leader,
        timing=ScheduleTiming(every_s=reports.every_s),
    )


def _woken(wake: Callable[[], None]) -> str:
    wake()
    return ASKED


# Registration


def _registrar(
    settings: Settings,
    source: ClusterSource,
    watches: ObjectWatches,
    configuration: CurrentConfiguration,
    *,
    is_ready: Callable[[], bool],
    ca_bundle: Callable[[], bytes | None],
    path_token: Callable[[Sequence[str]], str | None],
) -> Registrar:
    from webhook.registration.registered import RegisteredWebhooks, path_of
    from webhook.registration.registrar import Registrar

    rules = CompiledRules(settings.rules.config)  # of its own: one thread uses it

    def protection() -> StatusProtection:
        config = rules(source.snapshot()).config
        return StatusProtection(config.network_status_mode, config.status_writers, config.status_writer_groups)

    def labels() -> LabelProtection:
        config = rules(source.snapshot()).config
        writers = config.namespace_labels.writers or AuthorMatch()
        return LabelProtection(
            is_deny=config.namespace_labels.mode == "Deny",
            users=(*config.exempt_users, *writers.users, *writers.account_users),
            groups=(*config.exempt_groups, *writers.groups),
            accounts=writers.account_prefixes,
        )

    cluster = settings.cluster
    name = cluster.webhook_configuration or ""  # it is given, or there is no registrar
    target: Target = Service(own_namespace(cluster.namespace), cluster.service)
    return Registrar(
        RegisteredWebhooks(source.connection, name),
        target=target if cluster.webhook_url is None else Url(cluster.webhook_url),
        is_ready=is_ready,
        ca_bundle=ca_bundle,
        protection=protection,
        labels=labels,
        own_kinds=lambda: own_kinds(configuration.value.workloads),
        path_token=path_token,
        random=random.random,
        changes=watches.follow(*(path_of(kind, name) for kind in KINDS)),
    )


def _bundle_of_files(settings: Settings) -> Callable[[], bytes | None]:
    """Return a function that reads the authority of a certificate in files; it returns None when no file is named."""
    from webhook.registration.cafile import read_authorities

    own = settings.cert_dir / "ca.crt" if settings.tls_files is None else None
    file = settings.cluster.ca_file or own
    return lambda: None if file is None else read_authorities(file)


# The certificate, and the tokens of paths


def _load_tls(settings: Settings, metrics: Metrics, sources: dict[str, Source]) -> ServerTls:
    """Load the pair of `tls_files`, or that of `cert_dir`, which gets one when it is empty. Adds it to `sources`."""
    directory = settings.cert_dir
    if settings.tls_files is None:
        _complete(directory, settings.cert_names)
    cert, key = settings.tls_files or (directory / "tls.crt", directory / "tls.key")
    tls = ServerTls(
        cert,
        key,
        now=time.time,
        on_reload=metrics.certificate_loaded,
        on_error=metrics.certificate_refused,
        clients=_client_trust(settings),
    )
    tls.load()

    def reread() -> bool | None:
        if settings.tls_files is None:
            try:
                _complete(directory, settings.cert_names)
            except BootstrapError as error:
                serving_log.warning("%s; the previous certificate stays in use", error)
                return False
        return tls.reread()

    sources[f"certificate {cert}"] = partial(_outcome, reread)
    return tls


def _complete(directory: Path, names: Sequence[str]) -> None:
    """Make what a directory of certificates lacks, or renew what is due; a pair of somebody else stays as it is.

    Raises BootstrapError and MaterialError.
    """
    try:
        if within(directory, lambda: (is_given_pair(directory),))[0]:
            serving_log.info("%s has a certificate of somebody else, without ca.key: it is served as it is", directory)
            return
        made = within(directory, lambda: bootstrap(directory, names, datetime.now(UTC)))
    except OSError as error:  # its own errors are BootstrapError
        raise BootstrapError(f"{directory}: {error.strerror}; {advice(error, 'name another')}") from error
    if made.created:
        serving_log.info("wrote %s", ", ".join(str(path) for path in made.written))
    for line in exposures([directory / "ca.key"]):  # ServerTls looks at tls.key
        serving_log.warning("%s", line)


def _client_trust(settings: Settings) -> ClientTrust | None:
    """Read who may call; None: everybody may. Raises ClientCaError."""
    return None if settings.client_ca is None else ClientTrust(settings.client_ca, settings.client_names)


def rotating_tls(
    settings: Settings,
    connection: Connection,
    secret_name: str,
    metrics: Metrics,
    tokens: TokenKeeper | None,
    *,
    watches: ObjectWatches,
) -> tuple[MemoryTls, Rotator]:
    """Return the TLS context that serves the leaf of a Secret, and the rotator that keeps the Secret.

    `tokens` gets the path tokens of the Secret; None when nothing needs them.
    """
    from certs.rotator import Rotator
    from webhook.kube.singleobjects import KubeSecret

    cluster = settings.cluster
    namespace = own_namespace(cluster.namespace)
    secret = KubeSecret(connection, namespace, secret_name)
    configurations = webhook_configurations(connection, cluster)
    tls = MemoryTls(secret.where, now=time.time, on_reload=metrics.certificate_loaded, clients=_client_trust(settings))
    rotator = Rotator(
        secret,
        configurations,
        names=certificate_names(cluster, namespace, settings.cert_names),
        on_leaf=tls.take,
        observer=RotationMetrics(metrics.registry),
        tokens=tokens,
        changes=watches.follow(secret.path, *configurations.paths),
    )
    return tls, rotator


def token_keeper(
    settings: Settings, connection: Connection, watches: ObjectWatches
) -> tuple[TokenKeeper, TokenRotator | None]:
    """Return the path tokens of a server that registers itself, and the part that keeps them.

    There is no such part in two cases: the rotator of a certificate in a Secret keeps them, or there is no place for
    them, and the log warns of that.
    """
    from certs.certfiles import TokenFile
    from certs.rotator import TokenKeeper, TokenRotator
    from webhook.kube.singleobjects import KubeSecret

    cluster = settings.cluster
    if cluster.tls_secret is not None:
        return TokenKeeper(is_required=cluster.path_token), None
    store: SecretStore
    configurations = webhook_configurations(connection, cluster)
    paths = configurations.paths
    if cluster.path_token_secret is not None:
        store = secret = KubeSecret(connection, own_namespace(cluster.namespace), cluster.path_token_secret)
        paths = (secret.path, *paths)
    elif settings.tls_files is None and not is_given_pair(settings.cert_dir) and _may_write(settings.cert_dir):
        store = TokenFile(settings.cert_dir)
    else:
        if cluster.path_token:
            logging.getLogger("nadmit.registration").warning(
                "registered paths have no token, so anybody who reaches this port may ask: there is no place to keep "
                "one; name a Secret with --path-token-secret, or give --no-path-token"
            )
        return TokenKeeper(is_required=False), None
    keeper = TokenKeeper(is_required=cluster.path_token)
    return keeper, TokenRotator(store, configurations, keeper, changes=watches.follow(*paths))


def _may_write(directory: Path) -> bool:
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


def webhook_configurations(connection: Connection, cluster: ClusterSettings) -> KubeConfigurations:
    """Return the webhook configurations whose caBundles the server keeps; without a name there are none."""
    from webhook.kube.singleobjects import KubeConfigurations
    from webhook.registration.registered import path_of

    name = cluster.webhook_configuration
    kinds = KINDS if name is not None else ()
    return KubeConfigurations(connection, {f"{kind.name}/{name}": path_of(kind, name or "") for kind in kinds})


def certificate_names(cluster: ClusterSettings, namespace: str, more: Sequence[str]) -> tuple[str, ...]:
    """Return the names that callers may use: the Service in all its forms, the host of the URL, and `more`."""
    service = f"{cluster.service}.{namespace}"
    names = [cluster.service, service, f"{service}.svc", f"{service}.svc.cluster.local"]
    if cluster.webhook_url is not None:
        names.append(urlsplit(cluster.webhook_url).hostname or "")
    return tuple(dict.fromkeys([*names, *more]))


# Logs, and the first moments


def _log_to_stderr() -> None:
    """Write events to stderr, one plain line each; reviews are JSON on stdout."""
    logger = logging.getLogger("nadmit")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("nadmit: %(levelname)s: %(message)s"))
        logger.addHandler(handler)


def _call_later(call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(LOG_DELAY_S, call)


def _announce(log: DecisionLog, addresses: Addresses, seconds: float) -> None:
    """Write where the server listens: a line for people on stderr, an event with the ports on stdout."""
    serving_log.info("%s", addresses)
    log.event(
        "listening", {"webhook": [*addresses.webhook], "probes": [*addresses.probes], "seconds": round(seconds, 3)}
    )


async def _wait_until_ready(parts: Parts, log: DecisionLog, started: float) -> None:
    """Wait until the server can answer reviews, and write the number of objects that it knows."""
    while parts.problem() is not None:  # noqa: ASYNC110 - other threads make it None
        await asyncio.sleep(READY_POLL_S)
    _settle_memory()
    counts = parts.snapshot().counts()
    seconds = time.perf_counter() - started
    objects = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    serving_log.info("ready after %.2f s: %s", seconds, objects)
    log.event("ready", {**counts, "seconds": round(seconds, 3)})


def _settle_memory() -> None:
    """Hide objects that live as long as the process from the garbage collector, and let it run less often.

    Reviews make no cycles. Without this a full collection over 10,000 definitions stops all reviews for 5 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
