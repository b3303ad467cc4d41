"""Configurations with errors, with warnings and without findings.

They are in `tests/vectors/plugin_cases.json` and, as people write them, in `tests/vectors/practice/plugins-*.json`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.netspec.errors import render
from tests.paths import VECTORS
from tests.webhook.admission.plugins.checking import SCHEMAS, codes, findings_of
from webhook.admission.plugins.findings import SEVERITIES
from webhook.admission.plugins.outcomes import ERROR, WARNING
from webhook.plugindata.codes import load_codes

FILES = [VECTORS / "plugin_cases.json", *sorted((VECTORS / "practice").glob("plugins-*.json"))]
CASES: dict[str, list[dict[str, Any]]] = {
    kind: [case for file in FILES for case in json.loads(file.read_text()).get(kind, ())]
    for kind in ("refused", "remarked", "accepted")
}

RATE = {"ingressRate": 1000, "ingressBurst": 2000}


def _name(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", CASES["refused"], ids=_name)
def test_refused(case: dict[str, Any]) -> None:
    findings = findings_of(case["config"])
    assert [finding.code for finding in findings] == case["codes"]
    assert all(SEVERITIES[code] == ERROR for code in case["codes"])
    texts = [render(finding.as_spec_error()) for finding in findings]
    assert all(any(part in text for text in texts) for part in case["says"])


@pytest.mark.parametrize("case", CASES["remarked"], ids=_name)
def test_warned(case: dict[str, Any]) -> None:
    findings = findings_of(case["config"])
    assert [finding.code for finding in findings] == case["codes"]
    assert WARNING in {SEVERITIES[code] for code in case["codes"]}
    texts = [render(finding.as_spec_error()) for finding in findings]
    assert all(any(part in text for text in texts) for part in case["says"])


@pytest.mark.parametrize("case", CASES["accepted"], ids=_name)
def test_accepted(case: dict[str, Any]) -> None:
    assert findings_of(case["config"], annotations=case.get("annotations")) == []


def test_every_plugin_has_cases() -> None:
    def types(config: dict[str, Any]) -> set[str]:
        plugins = config.get("plugins", [config])
        return {plugin["type"] for plugin in plugins} | {
            (plugin.get("ipam") or {}).get("type", "") for plugin in plugins
        }

    refused = set().union(*(types(case["config"]) for case in CASES["refused"] + CASES["remarked"]))
    accepted = set().union(*(types(case["config"]) for case in CASES["accepted"]))
    plugins = {schema.type for schema in SCHEMAS.values()}
    assert plugins - refused == {"loopback", "galaxy-sdn"}  # they read no key
    assert plugins - accepted == set()


def test_every_code_of_a_refusal_has_a_case() -> None:
    seen = {code for kind in ("refused", "remarked") for case in CASES[kind] for code in case["codes"]}
    of_networks = {code for code, known in load_codes().items() if not known.pod and not known.other_network}
    assert of_networks - seen == {"NAD108", "NAD110"}


def test_an_unknown_plugin_may_make_what_a_later_one_needs() -> None:
    for kind, found in (("acme", ["NAD107"]), ("calico", [])):
        assert codes({"cniVersion": "1.0.0", "plugins": [{"type": kind}, {"type": "bandwidth", **RATE}]}) == found
        assert (
            codes(
                {
                    "cniVersion": "1.0.0",
                    "plugins": [{"type": kind}, {"type": "firewall", "ingressPolicy": "same-bridge"}],
                }
            )
            == found
        )


def test_a_complete_plugin_does_not_make_it() -> None:
    assert codes(
        {"cniVersion": "1.0.0", "plugins": [{"type": "ipoib", "master": "ib0"}, {"type": "bandwidth", **RATE}]}
    ) == ["NAD402"]
