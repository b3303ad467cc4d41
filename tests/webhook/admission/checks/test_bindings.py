"""A Binding may not carry network annotations (side door 8)."""

from __future__ import annotations

import pytest

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS, NETWORKS
from tests.webhook.admission.world import decide, request
from webhook.admission.model.kinds import BINDING
from webhook.admission.model.requests import Object


@pytest.mark.parametrize("key", [NETWORKS, DEFAULT_NETWORK, NETWORK_STATUS])
def test_refused(key: str) -> None:
    decision = decide(request(Object(name="web-0", annotations={key: "lan"}), kind=BINDING, subresource="binding"))
    assert (decision.code, decision.rules) == (403, ("BuiltinBindingAnnotation",))
    assert key in decision.message
    assert {cause.rule for cause in decision.causes} == {"BuiltinBindingAnnotation"}


def test_other_annotations_are_fine() -> None:
    assert decide(request(Object(name="web-0", annotations={"a": "b"}), kind=BINDING)).verdict == "allow"
