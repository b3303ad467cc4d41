"""What the writer of statuses tells about itself, as metrics."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

WHAT = ("status", "event")
RESULTS = ("ok", "conflict", "gone", "error")


class Counts(Collector):
    """Set by the writer's thread, read by whoever asks for metrics.

    Results: `conflict` is a status of an object that had changed, or an event that was there already; `gone` an object
    that was deleted meanwhile.
    """

    def __init__(self) -> None:
        self.is_writer = False
        self.writes: Tally[tuple[str, str]] = Tally({(what, result): 0 for what in WHAT for result in RESULTS})

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield GaugeMetricFamily(
            "nadmit_status_writer", "1 while this replica writes the status of policies", value=self.is_writer
        )
        writes = CounterMetricFamily("nadmit_status_writes", "Writes of statuses and events", labels=("what", "result"))
        for key, count in sorted(self.writes.items()):
            writes.add_metric(key, count)
        yield writes
