"""The message of each code about requests of pods: `tests/golden/pod-requests/<code>.txt`, from the code's example."""

from __future__ import annotations

import json

import pytest

from tests import golden_files as golden
from tests.webhook.admission.plugins.pods import judge
from webhook.plugindata.codes import load_codes

POD_CODES = {name: code for name, code in load_codes().items() if code.pod}


@pytest.mark.parametrize("code", POD_CODES)
def test_golden_message(code: str) -> None:
    known = POD_CODES[code]
    decision = judge(known.example, json.dumps(known.pod), *map(json.dumps, filter(None, [known.other_pod])))
    lines = [*decision.message.splitlines(), *(f"Warning: {text}" for text in map(str, decision.warnings))]
    assert all(len(text) <= 256 and text.isprintable() and text.isascii() for text in map(str, decision.warnings))
    golden.compare(f"pod-requests/{code}.txt", "\n".join([*lines, ""]))


def test_golden_messages_are_all_in_use() -> None:
    assert golden.stale("pod-requests", {f"{code}.txt" for code in POD_CODES}) == []
