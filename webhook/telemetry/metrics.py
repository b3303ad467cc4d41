"""What the process tells about itself: metrics with closed label sets, and one line of JSON per review.

| metric | type | labels |
| --- | --- | --- |
| nadmit_reviews_total | counter | path, kind, operation, decision (allow, warn, deny) |
| nadmit_findings_total | counter | rule |
| nadmit_trials_total | counter | mode (Warn, Audit) |
| nadmit_patches_total | counter | |
| nadmit_review_seconds | histogram | path |
| nadmit_http_responses_total | counter | path, code |
| nadmit_certificate_not_after_seconds | gauge | |
| nadmit_certificate_loads_total | counter | result (ok, error) |
| nadmit_log_lines_lost_total | counter | |
| nadmit_objects | gauge | kind |
| nadmit_cache_age_seconds | gauge | kind |
| nadmit_live_lookups_total | counter | result (found, absent, failed, late, busy) |
| nadmit_ready | gauge | |
| nadmit_status_writer | gauge | |
| nadmit_status_writes_total | counter | what (status, event), result (ok, conflict, gone, error) |
| nadmit_bytes_in_flight | gauge | |
| nadmit_refusals_total | counter | reason (webhook.serving.bodies.REASONS) |
| nadmit_info | gauge | version, netspec_revision |

Those about the status are in `webhook.telemetry.policystatus`.

Values that a client chooses never become a label: an unknown kind, operation or rule counts as `other`.
What happens per review is counted in plain dicts and becomes metrics when they are asked for: the library's locked
counters and histogram took 2.8 microseconds per review, this takes 0.8, and decoding a pod takes 7.5.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from cniplugin.netspec import REVISION
from webhook.admission.model.kinds import BINDING, NAMESPACE, NETWORK, POD, POLICIES, WORKLOADS
from webhook.admission.model.requests import Decision, Request
from webhook.admission.model.ruleids import RULE_IDS
from webhook.serving.bodies import REASONS, Bodies
from webhook.telemetry.decisionlog import DecisionLog

KINDS = {kind: kind.kind for kind in (POD, BINDING, NAMESPACE, NETWORK, *WORKLOADS, *POLICIES)}
OPERATIONS = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
CODES = frozenset({200, 400, 404, 405, 408, 413, 415, 431, 499, 500, 503})
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
PATHS = frozenset({"/validate", "/mutate"})


class _PerReview(Collector):
    """What is counted per review and per answer. Used on the event loop only, so nothing is locked."""

    def __init__(self) -> None:
        self.reviews: Tally[tuple[str, str, str, str]] = Tally()
        self.findings: Tally[str] = Tally()
        self.trials: Tally[str] = Tally()
        self.patches = 0
        self.responses: Tally[tuple[str, int]] = Tally()
        self.sums = dict.fromkeys(sorted(PATHS), 0.0)
        self.buckets = {path: [0] * (len(SECONDS) + 1) for path in self.sums}

    def collect(self) -> Iterator[Metric]:
        """Yield the counts as metrics."""
        reviews = CounterMetricFamily(
            "nadmit_reviews", "Reviews answered", labels=("path", "kind", "operation", "decision")
        )
        for key, count in self.reviews.items():
            reviews.add_metric(key, count)
        findings = CounterMetricFamily("nadmit_findings", "Rules that refused", labels=("rule",))
        for rule, count in self.findings.items():
            findings.add_metric((rule,), count)
        trials = CounterMetricFamily("nadmit_trials", "Refusals that a mode turned into less", labels=("mode",))
        for mode, count in self.trials.items():
            trials.add_metric((mode,), count)
        responses = CounterMetricFamily("nadmit_http_responses", "HTTP answers", labels=("path", "code"))
        for (path, code), count in self.responses.items():
            responses.add_metric((path, str(code) if code in CODES else "other"), count)
        patches = CounterMetricFamily("nadmit_patches", "Pods that were changed", value=self.patches)
        yield from (reviews, findings, trials, patches, responses, self._seconds())

    def _seconds(self) -> HistogramMetricFamily:
        seconds = HistogramMetricFamily("nadmit_review_seconds", "Time to decide", labels=("path",))
        for path, counts in self.buckets.items():
            so_far = [sum(counts[: position + 1]) for position in range(len(counts))]
            bounds = [*(str(bound) for bound in SECONDS), "+Inf"]
            seconds.add_metric((path,), list(zip(bounds, so_far, strict=True)), self.sums[path])
        return seconds


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._per_review = _PerReview()
        self.registry.register(self._per_review)
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
        tell.reviews[path, KINDS.get(request.kind, "other"), operation, decision.verdict] += 1
        tell.sums[path] += seconds
        tell.buckets[path][bisect_left(SECONDS, seconds)] += 1
        if not decision.is_allowed:
            for rule in decision.rules:
                tell.findings[rule if rule in RULE_IDS else "other"] += 1
        if decision.operations:
            tell.patches += 1
        for trial in decision.trials:
            tell.trials[trial.partition(":")[0]] += 1

    def response(self, path: str, status: int, _seconds: float) -> None:
        """Count one HTTP answer; `path` is one of PATHS."""
        self._per_review.responses[path, status] += 1

    def certificate_loaded(self, not_after: float) -> None:
        """Take note of a certificate that is served from now on; `not_after` in Unix seconds."""
        self._not_after.set(not_after)
        self._certificate_loads.labels("ok").inc()

    def certificate_refused(self, _reason: str) -> None:
        """Count a certificate that was not taken."""
        self._certificate_loads.labels("error").inc()

    def live_lookup(self, result: str) -> None:
        """Count what became of asking for an object that was not known; `result` is one of a closed set."""
        self._live_lookups.labels(result).inc()

    def observe(self, *, is_ready: bool, counts: Mapping[str, int], ages: Mapping[str, float]) -> None:
        """Take the state of the moment; kinds are the store's own, a closed set. `ages` in seconds."""
        self._ready.set(is_ready)
        for kind, count in counts.items():
            self._objects.labels(kind).set(count)
        for kind, age in ages.items():
            self._ages.labels(kind).set(age)

    def exposition(self) -> bytes:
        """Return the metrics in the Prometheus text format."""
        return generate_latest(self.registry)


class LoadMetrics(Collector):
    """What the review port holds, and what it refused before a review."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def collect(self) -> Iterator[Metric]:
        """Yield the state of the moment."""
        yield GaugeMetricFamily(
            "nadmit_bytes_in_flight", "Bytes of request bodies that are held", value=self._bodies.held_bytes
        )
        refusals = CounterMetricFamily("nadmit_refusals", "What was refused before a review", labels=("reason",))
        for reason in REASONS:
            refusals.add_metric((reason,), self._bodies.refusals[reason])
        yield refusals


class Observers:
    """Passes each review on to several observers."""

    def __init__(self, *observers: Metrics | DecisionLog) -> None:
        self._observers = observers

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Pass one review on."""
        for observer in self._observers:
            observer.review(path, request, decision, seconds)
