"""What the rotation of certificates tells about itself.

| metric | type | labels |
| --- | --- | --- |
| nadmit_certificate_authority_not_after_seconds | gauge | |
| nadmit_certificate_rotation_phase | gauge, 1 for the phase that is | phase |
| nadmit_certificate_rotation_steps_total | counter, taken by this replica | step |
| nadmit_certificate_rotation_failures_total | counter, rounds that did not come to their end | |
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from certs.pathtokens import TokenStep
from certs.rotation import Step
from certs.secretdata import Phase, State


class RotationMetrics:
    """An `Observer` of the rotator; the library's metrics are safe for its thread."""

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
        self._failures = Counter(
            "nadmit_certificate_rotation_failures", "Rounds that did not come to their end", registry=registry
        )
        for step in (*Step, *TokenStep):
            self._steps.labels(step)

    def state(self, state: State) -> None:
        """Take note of what the Secret holds."""
        self._not_after.set(state.ca.certificate.not_valid_after_utc.timestamp())
        for phase in Phase:
            self._phase.labels(phase).set(phase is state.phase)

    def step(self, step: Step | TokenStep) -> None:
        """Count a step."""
        self._steps.labels(step).inc()

    def failure(self) -> None:
        """Count a round that did not come to its end."""
        self._failures.inc()
