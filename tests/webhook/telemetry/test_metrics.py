"""The metrics of reviews in stage Observe."""

from __future__ import annotations

import pytest

from webhook.admission.model.kinds import POD
from webhook.admission.model.requests import Decision, Request
from webhook.telemetry.metrics import Metrics


@pytest.mark.parametrize(
    ("decision", "counted"),
    [
        (Decision(is_allowed=False, rules=("mac-value",)), {"nadmit_findings_total": 1}),
        (
            Decision(is_observed=True, rules=("mac-value",), trials=("Observe: x",)),
            {"nadmit_would_refuse_total": 1},
        ),
        (Decision(rules=("mac-value",)), {}),
    ],
    ids=["refused", "observed", "allowed"],
)
def test_what_would_be_refused_is_counted_apart(decision: Decision, counted: dict[str, int]) -> None:
    metrics = Metrics()
    metrics.review("/validate", Request("u", POD, "CREATE", namespace="a-namespace"), decision, 0.001)
    text = metrics.exposition().decode()
    for name in ("nadmit_findings_total", "nadmit_would_refuse_total"):
        assert (f'{name}{{rule="mac-value"}} 1.0' in text) == (name in counted)
    assert ('decision="would-deny"' in text) == decision.is_observed
    assert ('nadmit_trials_total{mode="Observe"} 1.0' in text) == decision.is_observed
    assert "a-namespace" not in text, "namespaces are not a closed list"
