"""What runs beside a server of a cluster: watches, configuration, the certificate's rotation, registration, status.

Each part has threads of its own and is chosen by a setting. None of them is on the way of a review.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from prometheus_client.registry import Collector

from cniplugin.access.model.policyrules import AuthorMatch
from webhook.admission.checks.in_use import OFF
from webhook.admission.view.currentrules import RulesInForce
from webhook.configuration.configmap import ConfigurationMap
from webhook.configuration.current import InForce
from webhook.kube.credentials import own_namespace
from webhook.policystatus.statuswriter import StatusWriter
from webhook.registration.cafile import read_authorities
from webhook.registration.conditions import LabelProtection, StatusProtection
from webhook.registration.configurations import Service, Target, Url
from webhook.registration.registered import RegisteredWebhooks
from webhook.registration.registrar import Registrar
from webhook.secrettls import rotating_tls, token_keeper
from webhook.serving.memorytls import MemoryTls
from webhook.settings import ClusterSettings, Settings
from webhook.snapshot.livelookups import LiveDevices, LiveLookups
from webhook.snapshot.pods import Pods
from webhook.snapshot.source import ClusterSource
from webhook.telemetry.metrics import Metrics


class Part(Protocol):
    """Something that runs beside the server, in threads of its own, started in order and stopped in reverse."""

    def start(self) -> None:
        """Begin; raises what keeps the server from starting, in one clear line."""

    def stop(self) -> None:
        """End soon, and leave nothing half done."""

    def problem(self) -> str | None:
        """Say why reviews are not wanted yet; None when they are."""


@dataclass(frozen=True, slots=True)
class ClusterParts:
    """The parts, and what the server gets from them.

    `live` and `live_devices` ask for what is not known, and are to be closed. `tls`: the certificate of a Secret; None
    where it is in files. `path_tokens`: those that paths may have, "" for none; None where the server does not register
    itself. `listening` is to be set when connections are taken.
    """

    source: ClusterSource
    parts: Sequence[Part]
    live: LiveLookups
    live_devices: LiveDevices
    tls: MemoryTls | None
    path_tokens: Callable[[], Sequence[str]] | None
    listening: Event
    collectors: Sequence[Collector]

    def problem(self) -> str | None:
        """Say why reviews are not wanted yet; None when they are."""
        return _first_problem(self.parts)


def assemble(settings: Settings, metrics: Metrics, configuration: InForce) -> ClusterParts:
    """Make the parts that the settings ask for; nothing is asked of the cluster before their start.

    `configuration` gets what a ConfigMap says, where one is named.

    Raises ClusterError for a kubeconfig that cannot be used, MaterialError for a name that no certificate can have.
    """
    wants_pods = settings.cluster.watch_pods and settings.cluster.network_in_use != OFF
    source = ClusterSource(
        settings.kubeconfig,
        pods=Pods(settings.network_namespace) if wants_pods else None,
        is_read=lambda driver: (
            configuration.current.drivers is not None and driver in configuration.current.drivers.by_name
        ),
    )
    parts: list[Part] = [source]
    collectors: list[Collector] = []
    ca_bundle = _bundle_of_files(settings)
    tls = None
    tokens = None
    if settings.cluster.webhook_configuration is not None:
        tokens, token_rotator = token_keeper(settings, source.connection)
        if token_rotator is not None:
            parts.append(token_rotator)
    if settings.cluster.config_map is not None:
        namespace = own_namespace(settings.cluster.namespace)
        parts.append(ConfigurationMap(source.connection, namespace, settings.cluster.config_map, configuration))
    if settings.cluster.tls_secret is not None:
        tls, rotator = rotating_tls(settings, source.connection, settings.cluster.tls_secret, metrics, tokens)
        ca_bundle = rotator.ca_bundle
        parts.append(rotator)
    if settings.cluster.write_status:
        writer = StatusWriter(
            source.connection,
            own_namespace(settings.cluster.namespace),
            snapshot=lambda: None if source.problem() else source.snapshot(),
        )
        parts.append(writer)
        collectors.append(writer.counts)
    listening = Event()
    if settings.cluster.webhook_configuration is not None and tokens is not None:
        registrar = Registrar(
            RegisteredWebhooks(source.connection, settings.cluster.webhook_configuration),
            target=_target_of(settings.cluster),
            is_ready=lambda: listening.is_set() and _first_problem(parts) is None,
            ca_bundle=ca_bundle,
            protection=_status_protection(settings, source),
            labels=_label_protection(settings, source),
            path_token=tokens.to_register,
            random=random.random,
        )
        parts.append(registrar)
        collectors.append(registrar)
    live = LiveLookups(source.connection, source.snapshot, clock=time.monotonic, on_result=metrics.live_lookup)
    live_devices = LiveDevices(source.connection, clock=time.monotonic, on_result=metrics.live_lookup)
    return ClusterParts(
        source=source,
        parts=parts,
        live=live,
        live_devices=live_devices,
        tls=tls,
        path_tokens=None if tokens is None else lambda: tokens.accepted,
        listening=listening,
        collectors=collectors,
    )


def _first_problem(parts: Sequence[Part]) -> str | None:
    return next((problem for part in parts if (problem := part.problem()) is not None), None)


def _target_of(cluster: ClusterSettings) -> Target:
    if cluster.webhook_url is not None:
        return Url(cluster.webhook_url)
    return Service(own_namespace(cluster.namespace), cluster.service)


def _bundle_of_files(settings: Settings) -> Callable[[], bytes | None]:
    """Return what reads the authority of a certificate in files; None from it: nobody has named it."""
    own = settings.cert_dir / "ca.crt" if settings.tls_files is None else None
    file = settings.cluster.ca_file or own
    return lambda: None if file is None else read_authorities(file)


def _status_protection(settings: Settings, source: ClusterSource) -> Callable[[], StatusProtection]:
    rules = RulesInForce(settings.rules.config)  # of its own: it is used by one thread

    def read() -> StatusProtection:
        config = rules(source.snapshot()).config
        return StatusProtection(config.network_status_mode, config.status_writers, config.status_writer_groups)

    return read


def _label_protection(settings: Settings, source: ClusterSource) -> Callable[[], LabelProtection]:
    rules = RulesInForce(settings.rules.config)  # as above

    def read() -> LabelProtection:
        config = rules(source.snapshot()).config
        writers = config.namespace_labels.writers or AuthorMatch()
        return LabelProtection(
            is_deny=config.namespace_labels.mode == "Deny",
            users=(*config.exempt_users, *writers.users, *writers.account_users),
            groups=(*config.exempt_groups, *writers.groups),
            accounts=writers.account_prefixes,
        )

    return read
