"""Alerts and panels use only metrics and labels that the program exports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.paths import ROOT
from webhook.telemetry.metrics import Metrics

from .rendered import find

pytestmark = pytest.mark.slow
NAME = re.compile(r"\bnadmit_[a-z0-9_]+\b")
MADE = re.compile(r'\b(Gauge|Counter|_counter|Histogram)(?:MetricFamily)?\(\s*"(nadmit_\w+)"')
SUFFIXES = {"Gauge": "", "Counter": "_total", "_counter": "_total", "Histogram": "_bucket"}
FROM_PROMETHEUS = {"pod", "le"}
"""Labels that Prometheus adds: the target, and the buckets of a histogram."""


def _made() -> set[str]:
    """Return the names of the samples that the program's modules export."""
    sources = (path.read_text() for path in sorted((ROOT / "webhook").rglob("*.py")))
    return {f"{name}{SUFFIXES[kind]}" for text in sources for kind, name in MADE.findall(text)}


def _labels() -> dict[str, set[str]]:
    """Return the labels of samples, as docs/webhook.md has them."""
    table = (ROOT / "docs" / "webhook.md").read_text().partition("## Metrics")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`nadmit[^|]*) \| ([^|]*?) *\|", table, re.MULTILINE)
    found = {name: set(re.findall(r"\w+", text)) for names, text in rows for name in NAME.findall(names)}
    return found | {f"{name}_bucket": labels for name, labels in found.items() if name.endswith("_seconds")}


def test_the_process_exports_the_metrics_of_the_source() -> None:
    metrics = Metrics()
    metrics.observe(is_ready=True, counts={}, ages={})
    lines = re.findall(r"^# TYPE (\w+) (\w+)$", metrics.exposition().decode(), re.MULTILINE)
    shown = {f"{name}_bucket" if kind == "histogram" else name for name, kind in lines if not name.endswith("_created")}
    assert shown <= _made()


def test_exported_metrics_are_documented() -> None:
    assert _made() - _labels().keys() == set(), "docs/webhook.md, Metrics, has no row for it"


def _expressions() -> Iterator[tuple[str, str]]:
    for group in find("overlays/monitoring", "PrometheusRule", "nadmit")["spec"]["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    data = find("overlays/monitoring", "ConfigMap", "nadmit-dashboard")["data"]
    for panel in json.loads(data["nadmit.json"])["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_alerts_and_panels_use_exported_metrics() -> None:
    asked = {name for _, expression in _expressions() for name in NAME.findall(expression)}
    assert "nadmit_ready" in asked
    assert asked - _made() == set()


def test_labels() -> None:
    labels = _labels()
    for title, expression in _expressions():
        known = {label for name in NAME.findall(expression) for label in labels[name]} | FROM_PROMETHEUS
        grouped = {label for text in re.findall(r"by \(([^)]*)\)", expression) for label in re.findall(r"\w+", text)}
        matched = set(re.findall(r"nadmit_\w+\{(\w+)=", expression))
        assert grouped | matched <= known, title


def test_alerts_say_what_and_what_to_do() -> None:
    (group,) = find("overlays/monitoring", "PrometheusRule", "nadmit")["spec"]["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names)
    documented = (ROOT / "docs" / "install.md").read_text()
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert f"`{rule['alert']}`" in documented


def test_prometheus_finds_the_pods() -> None:
    monitor = find("overlays/monitoring", "ServiceMonitor", "nadmit")["spec"]
    service = find("overlays/monitoring", "Service", "nadmit-metrics")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {endpoint["port"] for endpoint in monitor["endpoints"]} == {
        port["name"] for port in service["spec"]["ports"]
    }
    pod = find("overlays/monitoring", "Deployment", "nadmit-webhook")["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_panels_do_not_overlap() -> None:
    data = find("overlays/monitoring", "ConfigMap", "nadmit-dashboard")["data"]
    seen: set[tuple[int, int]] = set()
    for panel in json.loads(data["nadmit.json"])["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & seen, panel["title"]
        assert place["x"] + place["w"] <= 24
        seen |= cells
