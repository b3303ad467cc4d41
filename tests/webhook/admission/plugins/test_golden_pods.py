"""Every message about a pod's requests once: `tests/golden/pod-requests/<code>.txt`, of the code's own example."""

from __future__ import annotations

import pytest

from tests import golden_files as golden
from tests.webhook.admission.plugins.pods import judge
from webhook.admission.plugins.podcodes import POD_CODES


@pytest.mark.parametrize("code", POD_CODES)
def test_golden_message(code: str) -> None:
    known = POD_CODES[code]
    decision = judge(known.example, known.pod, *filter(None, [known.other_pod]))
    lines = [*decision.message.splitlines(), *(f"Warning: {text}" for text in map(str, decision.warnings))]
    assert all(len(text) <= 256 and text.isprintable() and text.isascii() for text in map(str, decision.warnings))
    golden.compare(f"pod-requests/{code}.txt", "\n".join([*lines, ""]))


def test_golden_messages_are_all_in_use() -> None:
    assert golden.stale("pod-requests", {f"{code}.txt" for code in POD_CODES}) == []
