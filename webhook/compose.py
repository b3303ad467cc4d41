"""The composition root: settings to a running server. The only place that knows every part."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from certs.certfiles import BootstrapError, Bootstrapped, bootstrap, exposures
from webhook.admission.view.currentrules import RulesInForce
from webhook.configuration.current import InForce
from webhook.configuration.filesource import ConfigurationFile
from webhook.configuration.schemafiles import load_directory
from webhook.files import advice, within
from webhook.review.reviews import LiveDevices, LiveLookups, Reviews
from webhook.serving.app import create_app
from webhook.serving.bodies import Bodies
from webhook.serving.paths import PLAIN, ReviewPaths
from webhook.serving.pathtokenfile import read_tokens
from webhook.serving.probes import create_probes
from webhook.serving.server import Addresses, Stop, serve, stop_on_signals
from webhook.serving.tls import ServedPair, ServerTls
from webhook.settings import Settings
from webhook.snapshot.snapshot import Snapshot
from webhook.telemetry.configuration import ConfigurationMetrics
from webhook.telemetry.decisionlog import DecisionLog
from webhook.telemetry.metrics import LoadMetrics, Metrics, Observers
from webhook.trees.manifests import load_snapshot
from webhook.trees.problems import Problem

STDOUT = 1
READY_POLL_S = 0.05
SWITCH_S = 0.0005
"""How long another thread may keep the interpreter from the reviews: Python's own 5 ms, for each turn of the loop,
made one in a hundred reviews wait 60 ms while 50,000 definitions were listed again."""
LOG_DELAY_S = 0.01
"""How long log lines are gathered: a hundred system calls a second, however many reviews there are."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a server's snapshot comes from, and what it lacks.

    `problem`: why reviews are not wanted yet, None when they are. `ages`: for each kind, seconds since it was known to
    be up to date; none for files, which are read once. `on_listening`: called when connections are taken. `live`,
    `live_devices`: where networks, namespaces and claims are looked for that are not known. `configuration`: what
    admins may change meanwhile. `path_tokens`: those that paths may have; None: none are needed.
    """

    snapshot: Callable[[], Snapshot]
    configuration: InForce
    problem: Callable[[], str | None] = lambda: None
    ages: Callable[[], Mapping[str, float]] = dict
    on_listening: Callable[[], None] = lambda: None
    live: LiveLookups | None = None
    live_devices: LiveDevices | None = None
    path_tokens: Callable[[], Sequence[str]] | None = None


def standalone(settings: Settings, manifests: Path) -> int:
    """Serve a tree of YAML until SIGTERM or SIGINT, and return the exit code.

    Raises ManifestError (ConfigurationError is one), BootstrapError, CertificateError, ClientCaError, PathTokenError or
    ListenError, each one clear line, before it serves.
    """
    started = time.perf_counter()
    _log_to_stderr()
    path_tokens = _tokens_of_file(settings)
    warnings: list[Problem] = []
    snapshot = load_snapshot(manifests, warnings=warnings, network_namespace=settings.network_namespace)
    for warning in warnings:
        logging.getLogger("nadmit.cluster").warning("%s", warning)
    metrics = Metrics()
    with _follow_configuration(settings) as configuration:
        source = _Source(snapshot=lambda: snapshot, configuration=configuration, path_tokens=path_tokens)
        return _run(settings, source, metrics, _load_tls(settings, metrics), started)


def cluster(settings: Settings) -> int:
    """Serve a cluster until SIGTERM or SIGINT, and return the exit code.

    Listens as soon as there is a certificate, and is ready when every cache has listed. Raises ClusterError for a
    kubeconfig that cannot be used, RotatorError for a Secret without a certificate, and what `standalone` raises.
    """
    # The client costs 250 ms and 30 MiB, which the embedded mode does not pay.
    from webhook.clusterparts import assemble  # noqa: PLC0415

    started = time.perf_counter()
    _log_to_stderr()
    path_tokens = _tokens_of_file(settings)
    metrics = Metrics()
    with ExitStack() as running:
        configuration = running.enter_context(_follow_configuration(settings))
        made = assemble(settings, metrics, configuration)
        for collector in made.collectors:
            metrics.registry.register(collector)
        source = _Source(
            snapshot=made.source.snapshot,
            configuration=configuration,
            problem=made.problem,
            ages=made.source.cache_age_seconds,
            on_listening=made.listening.set,
            live=made.live,
            live_devices=made.live_devices,
            path_tokens=made.path_tokens or path_tokens,
        )
        for part in made.parts:
            part.start()
            running.callback(part.stop)
        running.callback(made.live.close)
        running.callback(made.live_devices.close)
        return _run(settings, source, metrics, made.tls or _load_tls(settings, metrics), started)


def _run(settings: Settings, source: _Source, metrics: Metrics, tls: ServedPair, started: float) -> int:
    sys.setswitchinterval(SWITCH_S)
    configuration = source.configuration
    metrics.registry.register(ConfigurationMetrics(configuration))
    log = DecisionLog(STDOUT, later=_call_later, on_lost=metrics.log_lines_lost.inc)
    reviews = Reviews(
        snapshot=source.snapshot,
        problem=source.problem,
        rules=RulesInForce(settings.rules.config),
        configuration=lambda: configuration.current,
        network_namespace=settings.network_namespace,
        observer=Observers(metrics, log),
        network_in_use=settings.cluster.network_in_use,
        live=source.live,
        live_devices=source.live_devices,
    )

    def problem() -> str | None:
        """Readiness: the snapshot is there, and the certificate is good."""
        return source.problem() or (None if tls.not_after > time.time() else "the certificate has expired")

    def exposition() -> bytes:
        metrics.observe(is_ready=problem() is None, counts=source.snapshot().counts(), ages=source.ages())
        return metrics.exposition()

    def on_listening(addresses: Addresses) -> None:
        _announce(log, addresses, time.perf_counter() - started)
        source.on_listening()
        waiting.append(asyncio.create_task(_wait_until_ready(source, log, started)))

    waiting: list[asyncio.Task[None]] = []
    paths = PLAIN if source.path_tokens is None else ReviewPaths(source.path_tokens)

    async def main() -> int:
        stop = Stop()
        bodies = Bodies(settings.limits, asyncio.get_running_loop())
        metrics.registry.register(LoadMetrics(bodies))
        with stop_on_signals(stop):
            code = await serve(
                create_app(reviews, limits=settings.limits, on_response=metrics.response, paths=paths),
                create_probes(is_ready=problem, metrics=exposition, configuration=configuration.describe),
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


def _tokens_of_file(settings: Settings) -> Callable[[], Sequence[str]] | None:
    """Return the tokens that an administrator keeps by hand; None: there is no such file. Raises PathTokenError."""
    if settings.path_token_file is None:
        return None
    tokens = read_tokens(settings.path_token_file)
    return lambda: tokens


@contextmanager
def _follow_configuration(settings: Settings) -> Iterator[InForce]:
    """Put the file of the settings in force, and follow it until the end; without one the defaults are in force.

    Raises ManifestError for a file that cannot be used, and for schemas of plugins that cannot.
    """
    own_schemas = {} if settings.plugin_schemas is None else load_directory(settings.plugin_schemas)
    in_force = InForce(now=time.time, own_schemas=own_schemas)
    with ExitStack() as running:
        if settings.config is not None:
            file = ConfigurationFile(settings.config, in_force)
            file.start()
            running.callback(file.stop)
        yield in_force


def _settle_memory() -> None:
    """Take what lives as long as the process out of the collector's sight, and let it run less often.

    Reviews make no cycles; without this a full collection over 10,000 definitions stops all of them for 5 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _call_later(call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(LOG_DELAY_S, call)


def _load_tls(settings: Settings, metrics: Metrics) -> ServerTls:
    """Load the given pair, or the one of `cert_dir`, which is made when the directory is empty."""
    if settings.tls_files is None:
        made = _bootstrap(settings)
        if made.created:
            logging.getLogger("nadmit.serving").info("wrote %s", ", ".join(str(path) for path in made.written))
        for line in exposures([settings.cert_dir / "ca.key"]):  # what concerns tls.key is for ServerTls to say
            logging.getLogger("nadmit.serving").warning("%s", line)
    cert, key = settings.tls_files or (settings.cert_dir / "tls.crt", settings.cert_dir / "tls.key")
    tls = ServerTls(
        cert,
        key,
        now=time.time,
        on_reload=metrics.certificate_loaded,
        on_error=metrics.certificate_refused,
        clients=settings.client_trust(),
    )
    tls.load()
    return tls


def _bootstrap(settings: Settings) -> Bootstrapped:
    try:
        return within(settings.cert_dir, lambda: bootstrap(settings.cert_dir, settings.cert_names, datetime.now(UTC)))
    except OSError as error:  # its own errors are BootstrapError
        raise BootstrapError(f"{settings.cert_dir}: {error.strerror}; {advice(error, 'name another')}") from error


def _log_to_stderr() -> None:
    """Events that are no reviews, one plain line each, on stderr; reviews are JSON on stdout."""
    logger = logging.getLogger("nadmit")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("nadmit: %(levelname)s: %(message)s"))
        logger.addHandler(handler)


def _announce(log: DecisionLog, addresses: Addresses, seconds: float) -> None:
    """Say where the server listens: a line for people on stderr, an event with the ports on stdout."""
    reviews, probes = addresses.webhook, addresses.probes
    logging.getLogger("nadmit.serving").info("%s", addresses)
    log.event("listening", {"webhook": [*reviews], "probes": [*probes], "seconds": round(seconds, 3)})


async def _wait_until_ready(source: _Source, log: DecisionLog, started: float) -> None:
    """Say when reviews can be answered, and from what."""
    while source.problem() is not None:  # noqa: ASYNC110  # other threads make it None
        await asyncio.sleep(READY_POLL_S)
    _settle_memory()
    counts = source.snapshot().counts()
    seconds = time.perf_counter() - started
    objects = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    logging.getLogger("nadmit.serving").info("ready after %.2f s: %s", seconds, objects)
    log.event("ready", {**counts, "seconds": round(seconds, 3)})
