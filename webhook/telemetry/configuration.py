"""What is in force, as metrics. They are made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from webhook.configuration.current import InForce

HASH_DIGITS = 12
"""48 bits of the sha256: as many as a sample keeps exactly."""


class ConfigurationMetrics(Collector):
    """Replicas of one configuration show the same hash; 0 without a text."""

    def __init__(self, in_force: InForce) -> None:
        self._in_force = in_force

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        state = self._in_force.state
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
        reloads = CounterMetricFamily("nadmit_configuration_reloads", "Configurations read", labels=("result",))
        for result, count in self._in_force.reloads.items():
            reloads.add_metric((result,), count)
        yield reloads
