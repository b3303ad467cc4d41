"""What the process tells about itself: metrics with closed label sets, and one line of JSON per review.

| metric | type | labels |
| --- | --- | --- |
| nadmit_reviews_total | counter | path, kind, operation, decision (allow, warn, deny) |
| nadmit_findings_total | counter | rule |
| nadmit_review_seconds | histogram | path |
| nadmit_http_responses_total | counter | path, code |
| nadmit_certificate_not_after_seconds | gauge | |
| nadmit_certificate_loads_total | counter | result (ok, error) |
| nadmit_log_lines_lost_total | counter | |
| nadmit_objects | gauge | kind |
| nadmit_ready | gauge | |
| nadmit_info | gauge | version, netspec_revision |

Values that a client chooses never become a label: an unknown kind, operation or rule counts as `other`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from cniplugin.netspec import REVISION
from webhook.admission.evaluate import BINDING, NETWORK, POD, WORKLOADS
from webhook.admission.model import Decision, Request
from webhook.admission.rules import RULE_IDS

KINDS = {kind: kind.kind for kind in (POD, BINDING, NETWORK, *WORKLOADS)}
OPERATIONS = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
CODES = frozenset({200, 400, 404, 405, 408, 413, 415, 431, 499, 500, 503})
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
PATHS = frozenset({"/validate", "/mutate"})


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("path", "kind", "operation", "decision")
        self._reviews = Counter("nadmit_reviews", "Reviews answered", labels, registry=self.registry)
        self._findings = Counter("nadmit_findings", "Rules that refused", ("rule",), registry=self.registry)
        self._seconds = Histogram(
            "nadmit_review_seconds", "Time to decide", ("path",), buckets=SECONDS, registry=self.registry
        )
        self._responses = Counter("nadmit_http_responses", "HTTP answers", ("path", "code"), registry=self.registry)
        self._not_after = Gauge(
            "nadmit_certificate_not_after_seconds",
            "End of the served certificate, Unix time",
            registry=self.registry,
        )
        self._certificate_loads = Counter(
            "nadmit_certificate_loads", "Certificates read", ("result",), registry=self.registry
        )
        self._objects = Gauge("nadmit_objects", "Objects in the snapshot", ("kind",), registry=self.registry)
        self.ready = Gauge("nadmit_ready", "1 while reviews are wanted", registry=self.registry)
        info = Gauge("nadmit_info", "What runs", ("version", "netspec_revision"), registry=self.registry)
        info.labels(version("nadmit"), str(REVISION)).set(1)
        self.log_lines_lost = Counter(
            "nadmit_log_lines_lost", "Log lines that could not be written", registry=self.registry
        )
        self._review_children: dict[tuple[str, str, str, str], Counter] = {}
        self._response_children: dict[tuple[str, str], Counter] = {}
        self._seconds_children = {path: self._seconds.labels(path) for path in sorted(PATHS)}

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Count one review."""
        key = (
            path if path in PATHS else "other",
            KINDS.get(request.kind, "other"),
            request.operation if request.operation in OPERATIONS else "other",
            decision.verdict,
        )
        child = self._review_children.get(key)
        if child is None:
            child = self._review_children[key] = self._reviews.labels(*key)
        child.inc()
        self._seconds_children[path].observe(seconds)
        if not decision.is_allowed:
            for rule in decision.rules:
                self._findings.labels(rule if rule in RULE_IDS else "other").inc()

    def response(self, path: str, status: int, _seconds: float) -> None:
        """Count one HTTP answer."""
        code = str(status) if status in CODES else "other"
        key = (path if path in PATHS else "other", code)
        child = self._response_children.get(key)
        if child is None:
            child = self._response_children[key] = self._responses.labels(*key)
        child.inc()

    def certificate_loaded(self, not_after: float) -> None:
        """Take note of a certificate that is served from now on; `not_after` in Unix seconds."""
        self._not_after.set(not_after)
        self._certificate_loads.labels("ok").inc()

    def certificate_refused(self, _reason: str) -> None:
        """Count a certificate that was not taken."""
        self._certificate_loads.labels("error").inc()

    def count_objects(self, counts: Mapping[str, int]) -> None:
        """Show how many objects of each kind the snapshot holds; kinds are the store's own, a closed set."""
        for kind, count in counts.items():
            self._objects.labels(kind).set(count)

    def exposition(self) -> bytes:
        """Return the metrics in the Prometheus text format."""
        return generate_latest(self.registry)


class DecisionLog:
    """Writes lines of JSON to a file descriptor: one per review, and a few events. No object bodies, no secrets.

    Lines are gathered and written together by `flush`, which `later` is asked to call soon: under load one system call
    carries many lines. A full disk or a closed pipe loses lines, never reviews; `on_lost` gets their number.
    """

    def __init__(
        self, descriptor: int, *, later: Callable[[Callable[[], None]], object], on_lost: Callable[[int], None]
    ) -> None:
        self._descriptor = descriptor
        self._later = later
        self._on_lost = on_lost
        self._encode = msgspec.json.Encoder().encode
        self._lines: list[bytes] = []

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Write the line of one review."""
        line: dict[str, object] = {
            "uid": request.uid,
            "path": path,
            "kind": request.kind.kind,
            "namespace": request.namespace,
            "name": request.object_name,
            "operation": request.operation,
            "user": request.user.name,
            "decision": decision.verdict,
            "rules": decision.rules,
            "duration_ms": round(seconds * 1000, 3),
        }
        if request.subresource:
            line["subresource"] = request.subresource
        if request.is_dry_run:
            line["dry_run"] = True
        self.event("review", line)

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """Write one event with the time and its name first."""
        if not self._lines:
            self._later(self.flush)
        self._lines.append(self._encode({"time": datetime.now(UTC), "event": name, **fields}))

    def flush(self) -> None:
        """Write what was gathered."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        data = memoryview(b"\n".join((*lines, b"")))
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            self._on_lost(len(lines))


class Observers:
    """Passes each review on to several observers."""

    def __init__(self, *observers: Metrics | DecisionLog) -> None:
        self._observers = observers

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Pass one review on."""
        for observer in self._observers:
            observer.review(path, request, decision, seconds)
