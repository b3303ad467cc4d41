"""The metrics of the process, with closed label sets.

| metric | type | labels |
| --- | --- | --- |
| nadmit_reviews_total | counter | path, kind, operation, decision (allow, warn, deny, would-deny) |
| nadmit_findings_total | counter | rule |
| nadmit_would_refuse_total | counter | rule |
| nadmit_trials_total | counter | mode (Observe, Warn, Audit) |
| nadmit_patches_total | counter | |
| nadmit_review_seconds | histogram | path |
| nadmit_http_responses_total | counter | path, code |
| nadmit_certificate_not_before_seconds | gauge | |
| nadmit_certificate_not_after_seconds | gauge | |
| nadmit_certificate_loads_total | counter | result (ok, error) |
| nadmit_certificate_authority_not_after_seconds | gauge | |
| nadmit_certificate_rotation_phase | gauge, 1 for the current phase | phase |
| nadmit_certificate_rotation_steps_total | counter, of this replica | step |
| nadmit_certificate_rotation_failures_total | counter | |
| nadmit_configuration_last_reload_successful | gauge | |
| nadmit_configuration_last_reload_success_timestamp_seconds | gauge | |
| nadmit_configuration_hash | gauge | |
| nadmit_configuration_reloads_total | counter | result (ok, error) |
| nadmit_log_lines_lost_total | counter | |
| nadmit_objects | gauge | kind |
| nadmit_cache_age_seconds | gauge | kind |
| nadmit_live_lookups_total | counter | result (found, absent, failed, late, busy) |
| nadmit_ready | gauge | |
| nadmit_status_writer | gauge | |
| nadmit_status_writes_total | counter | what (status, event), result (ok, conflict, gone, error) |
| nadmit_reports_passes_total | counter | result (ok, error, ended) |
| nadmit_reports_writes_total | counter | result (created, changed, deleted, conflict, refused) |
| nadmit_reports_findings | gauge | level (error, warning, info) |
| nadmit_reports_objects | gauge | |
| nadmit_reports_pass_seconds | gauge | |
| nadmit_reports_last_success_timestamp_seconds | gauge | |
| nadmit_bytes_in_flight | gauge | |
| nadmit_refusals_total | counter | reason (webhook.serving.bodies.REASONS) |
| nadmit_info | gauge | version, netspec_revision |

A value that a client chooses never becomes a label: an unknown kind, operation or rule counts as `other`.
Counts per review are kept in plain dicts and become metrics when Prometheus asks: the library's locked counters and
histogram took 2.8 microseconds per review, this takes 0.8, and decoding a pod takes 7.5.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from certs.pathtokens import TokenStep
from certs.rotation import Step
from certs.secretdata import Phase, State
from cniplugin.netspec import REVISION
from webhook.admission.model.kinds import BINDING, NAMESPACE, NETWORK, POD, POLICIES, WORKLOADS
from webhook.admission.model.requests import Decision, Request
from webhook.admission.model.ruleids import RULE_IDS
from webhook.configuration.current import CurrentConfiguration
from webhook.report.scan.finding import LEVELS
from webhook.review.reviews import Observer
from webhook.serving.bodies import REASONS, Bodies
from webhook.serving.tls import Validity

KINDS = {kind: kind.kind for kind in (POD, BINDING, NAMESPACE, NETWORK, *WORKLOADS, *POLICIES)}
OPERATIONS = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
CODES = frozenset({200, 400, 404, 405, 408, 413, 415, 431, 499, 500, 503})
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
PATHS = frozenset({"/validate", "/mutate"})
STATUS_WRITES = ("status", "event")
STATUS_RESULTS = ("ok", "conflict", "gone", "error")
PASS_RESULTS = ("ok", "error", "ended")
REPORT_WRITES = ("created", "changed", "deleted", "conflict", "refused")
HASH_DIGITS = 12
"""48 bits of the sha256: as many as a sample keeps exactly."""


def _counter(name: str, documentation: str, labels: Sequence[str], counts: Mapping[Any, int]) -> CounterMetricFamily:
    """Return a counter; the keys of `counts` are values of the labels, a text or a tuple of texts."""
    family = CounterMetricFamily(name, documentation, labels=labels)
    for key, count in counts.items():
        family.add_metric((key,) if isinstance(key, str) else key, count)
    return family


class _PerReview(Collector):
    """The counts of reviews and answers. Used on the event loop only, so there is no lock."""

    def __init__(self) -> None:
        self.reviews: Tally[tuple[str, str, str, str]] = Tally()
        self.findings: Tally[str] = Tally()
        self.would_refuse: Tally[str] = Tally()
        self.trials: Tally[str] = Tally()
        self.patches = 0
        self.responses: Tally[tuple[str, int]] = Tally()
        self.sums = dict.fromkeys(sorted(PATHS), 0.0)
        self.buckets = {path: [0] * (len(SECONDS) + 1) for path in self.sums}

    def collect(self) -> Iterator[Metric]:
        """Yield the counts as metrics."""
        responses = {(path, str(code) if code in CODES else "other"): n for (path, code), n in self.responses.items()}
        yield _counter("nadmit_reviews", "Reviews answered", ("path", "kind", "operation", "decision"), self.reviews)
        yield _counter("nadmit_findings", "Rules that refused", ("rule",), self.findings)
        yield _counter("nadmit_would_refuse", "Rules that refuse after stage Observe", ("rule",), self.would_refuse)
        yield _counter("nadmit_trials", "Refusals that a mode turned into less", ("mode",), self.trials)
        yield CounterMetricFamily("nadmit_patches", "Pods that were changed", value=self.patches)
        yield _counter("nadmit_http_responses", "HTTP answers", ("path", "code"), responses)
        yield self._seconds()

    def _seconds(self) -> HistogramMetricFamily:
        seconds = HistogramMetricFamily("nadmit_review_seconds", "Time to decide", labels=("path",))
        for path, counts in self.buckets.items():
            so_far = [sum(counts[: position + 1]) for position in range(len(counts))]
            bounds = [*(str(bound) for bound in SECONDS), "+Inf"]
            seconds.add_metric((path,), list(zip(bounds, so_far, strict=True)), self.sums[path])
        return seconds


class Metrics:
    """The metrics of one process, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._per_review = _PerReview()
        self.registry.register(self._per_review)
        self._not_before = Gauge(
            "nadmit_certificate_not_before_seconds",
            "Beginning of the served certificate, Unix time",
            registry=self.registry,
        )
        self._not_after = Gauge(
            "nadmit_certificate_not_after_seconds", "End of the served certificate, Unix time", registry=self.registry
        )
        self._certificate_loads = Counter(
            "nadmit_certificate_loads", "Certificates read", ("result",), registry=self.registry
        )
        self._objects = Gauge("nadmit_objects", "Objects in the snapshot", ("kind",), registry=self.registry)
        self._ages = Gauge(
            "nadmit_cache_age_seconds",
            "Time since a cache was last known to be up to date",
            ("kind",),
            registry=self.registry,
        )
        self._live_lookups = Counter(
            "nadmit_live_lookups",
            "Objects asked for while judging",
            ("result",),
            registry=self.registry,
        )
        self._ready = Gauge("nadmit_ready", "1 while reviews are wanted", registry=self.registry)
        self.log_lines_lost = Counter(
            "nadmit_log_lines_lost", "Log lines that could not be written", registry=self.registry
        )
        info = Gauge("nadmit_info", "What runs", ("version", "netspec_revision"), registry=self.registry)
        info.labels(version("nadmit"), str(REVISION)).set(1)

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Count one review; `path` is one of PATHS."""
        tell = self._per_review
        operation = request.operation if request.operation in OPERATIONS else "other"
        key = path, KINDS.get(request.kind, "other"), operation, decision.verdict
        tell.reviews[key] = tell.reviews.get(key, 0) + 1
        tell.sums[path] += seconds
        tell.buckets[path][bisect_left(SECONDS, seconds)] += 1
        if not decision.is_allowed or decision.is_observed:
            tally = tell.would_refuse if decision.is_observed else tell.findings
            for rule in decision.rules:
                tally[rule if rule in RULE_IDS else "other"] += 1
        if decision.operations:
            tell.patches += 1
        for trial in decision.trials:
            tell.trials[trial.partition(":")[0]] += 1

    def response(self, path: str, status: int, _seconds: float) -> None:
        """Count one HTTP answer; `path` is one of REVIEW_PATHS."""
        self._per_review.responses[path, status] += 1

    def certificate_loaded(self, validity: Validity) -> None:
        """Note a certificate that is served from now on."""
        self._not_before.set(validity.not_before)
        self._not_after.set(validity.not_after)
        self._certificate_loads.labels("ok").inc()

    def certificate_refused(self, _reason: str) -> None:
        """Count a certificate that was refused."""
        self._certificate_loads.labels("error").inc()

    def live_lookup(self, result: str) -> None:
        """Count a request for an object that the snapshot lacks; `result` is one of a closed set."""
        self._live_lookups.labels(result).inc()

    def observe(self, *, is_ready: bool, counts: Mapping[str, int], ages: Mapping[str, float]) -> None:
        """Set the state of the moment; the kinds are a closed set of the store. `ages` in seconds."""
        self._ready.set(is_ready)
        for kind, count in counts.items():
            self._objects.labels(kind).set(count)
        for kind, age in ages.items():
            self._ages.labels(kind).set(age)

    def exposition(self) -> bytes:
        """Return the metrics in the Prometheus text format."""
        return generate_latest(self.registry)


class LoadMetrics(Collector):
    """The bytes that the review port holds, and its refusals before a review."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield GaugeMetricFamily(
            "nadmit_bytes_in_flight", "Bytes of request bodies that are held", value=self._bodies.held_bytes
        )
        refusals = {reason: self._bodies.refusals[reason] for reason in REASONS}
        yield _counter("nadmit_refusals", "What was refused before a review", ("reason",), refusals)


class ConfigurationMetrics(Collector):
    """The configuration in force. Replicas with the same text show the same hash; it is 0 without a text."""

    def __init__(self, configuration: CurrentConfiguration) -> None:
        self._configuration = configuration

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        state = self._configuration.state
        yield GaugeMetricFamily(
            "nadmit_configuration_last_reload_successful",
            "1 unless the configuration was refused, or cannot be read",
            value=state.refused is None and state.unreadable is None,
        )
        yield GaugeMetricFamily(
            "nadmit_configuration_last_reload_success_timestamp_seconds",
            "Since when the configuration is in force, Unix time",
            value=state.loaded.since,
        )
        yield GaugeMetricFamily(
            "nadmit_configuration_hash",
            "A number that is the same for the same text in force",
            value=int((state.loaded.sha256 or "0")[:HASH_DIGITS], 16),
        )
        yield _counter("nadmit_configuration_reloads", "Configurations read", ("result",), self._configuration.reloads)


class PolicyStatusMetrics(Collector):
    """Writes of the status of policies. The writer's thread sets the counts.

    `conflict`: the object had changed, or the event existed already. `gone`: the object was deleted meanwhile.
    """

    def __init__(self) -> None:
        self.is_writer = False
        self.writes: Tally[tuple[str, str]] = Tally(
            {(what, result): 0 for what in STATUS_WRITES for result in STATUS_RESULTS}
        )

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield GaugeMetricFamily(
            "nadmit_status_writer", "1 while this replica writes the status of policies", value=self.is_writer
        )
        writes = dict(sorted(self.writes.items()))
        yield _counter("nadmit_status_writes", "Writes of statuses and events", ("what", "result"), writes)


class PassCounts(Protocol):
    """What a pass over the reports did."""

    findings: dict[str, int]
    reports: int
    created: int
    changed: int
    deleted: int
    conflicts: int
    refused: int


class ReportMetrics(Collector):
    """The passes that write reports. The thread that has them made sets the counts.

    `ended`: the pass was ended, because the server stops or another replica leads.
    """

    def __init__(self) -> None:
        self.passes: Tally[str] = Tally(dict.fromkeys(PASS_RESULTS, 0))
        self._writes: Tally[str] = Tally(dict.fromkeys(REPORT_WRITES, 0))
        self._findings: Mapping[str, int] = dict.fromkeys(LEVELS, 0)
        self._objects = 0
        self._seconds = 0.0
        self._at = 0.0

    def take(self, done: PassCounts, *, seconds: float, at: float) -> None:
        """Count a pass that has come to its end after `seconds`; `at`: Unix seconds."""
        self.passes["ok"] += 1
        counts = (done.created, done.changed, done.deleted, done.conflicts, done.refused)
        self._writes.update(dict(zip(REPORT_WRITES, counts, strict=True)))
        self._findings = {level: done.findings.get(level, 0) for level in LEVELS}
        self._objects, self._seconds, self._at = done.reports, seconds, at

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield _counter("nadmit_reports_passes", "Passes that write reports", ("result",), self.passes)
        yield _counter("nadmit_reports_writes", "Changes of reports", ("result",), self._writes)
        findings = GaugeMetricFamily("nadmit_reports_findings", "Findings of the last pass", labels=("level",))
        for level, count in self._findings.items():
            findings.add_metric((level,), count)
        yield findings
        yield GaugeMetricFamily("nadmit_reports_objects", "Objects with findings in the last pass", value=self._objects)
        yield GaugeMetricFamily("nadmit_reports_pass_seconds", "Duration of the last pass", value=self._seconds)
        yield GaugeMetricFamily(
            "nadmit_reports_last_success_timestamp_seconds",
            "End of the last pass of this replica, Unix time; 0 for none",
            value=self._at,
        )


class RotationMetrics:
    """An `Observer` of the rotator. The metrics of the library are safe for its thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._not_after = Gauge(
            "nadmit_certificate_authority_not_after_seconds", "End of the authority, Unix time", registry=registry
        )
        self._phase = Gauge(
            "nadmit_certificate_rotation_phase", "1 for the phase of the rotation", ("phase",), registry=registry
        )
        self._steps = Counter(
            "nadmit_certificate_rotation_steps", "Steps taken by this replica", ("step",), registry=registry
        )
        self._failures = Counter("nadmit_certificate_rotation_failures", "Rounds that failed", registry=registry)
        for step in (*Step, *TokenStep):
            self._steps.labels(step)

    def state(self, state: State) -> None:
        """Note the state in the Secret."""
        self._not_after.set(state.ca.certificate.not_valid_after_utc.timestamp())
        for phase in Phase:
            self._phase.labels(phase).set(phase is state.phase)

    def step(self, step: Step | TokenStep) -> None:
        """Count a step."""
        self._steps.labels(step).inc()

    def failure(self) -> None:
        """Count a round that failed."""
        self._failures.inc()


class Observers:
    """Passes each review on to several observers."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Pass one review on."""
        for observer in self._observers:
            observer.review(path, request, decision, seconds)
