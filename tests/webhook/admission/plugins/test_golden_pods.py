"""The message of each code about requests of pods: `tests/golden/pod-requests/<code>.txt`, from the code's example."""

from __future__ import annotations

import json

import pytest

from cniplugin.netspec.attachers import ATTACHERS, NADMIT
from tests import golden_files as golden
from tests.webhook.admission.plugins.checking import CHECKS, MULTUS_CHECKS
from tests.webhook.admission.plugins.pods import codes, judge
from webhook.admission.model.requests import Decision
from webhook.admission.plugins.findings import severity_of
from webhook.admission.plugins.outcomes import NONE
from webhook.admission.plugins.schema import PluginChecks
from webhook.plugindata.codes import Code, load_codes

POD_CODES = {name: code for name, code in load_codes().items() if code.pod}


@pytest.mark.parametrize("code", POD_CODES)
def test_golden_message(code: str) -> None:
    known = POD_CODES[code]
    is_right = severity_of(code, NADMIT) == NONE
    decision = _judge(known, MULTUS_CHECKS if is_right else CHECKS)
    lines = [*decision.message.splitlines(), *(f"Warning: {text}" for text in map(str, decision.warnings))]
    assert all(len(text) <= 256 and text.isprintable() and text.isascii() for text in map(str, decision.warnings))
    golden.compare(f"pod-requests/{code}.txt", "\n".join([*lines, ""]))


@pytest.mark.parametrize("code", [code for code in POD_CODES if NONE in {severity_of(code, a) for a in ATTACHERS}])
def test_what_our_plugin_does_right_is_no_finding(code: str) -> None:
    assert code in codes(_judge(POD_CODES[code], MULTUS_CHECKS))
    assert _judge(POD_CODES[code], CHECKS).rules == ("Posture",)


def _judge(known: Code, checks: PluginChecks) -> Decision:
    others = map(json.dumps, filter(None, [known.other_pod]))
    return judge(known.example, json.dumps(known.pod), *others, checks=checks)


def test_golden_messages_are_all_in_use() -> None:
    assert golden.stale("pod-requests", {f"{code}.txt" for code in POD_CODES}) == []
