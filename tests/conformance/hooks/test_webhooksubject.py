"""The section `webhook` of a subject file: what is wrong in it is said by its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.subject import SubjectError, load_subject

GOOD: dict[str, Any] = {
    "implementation": {"organization": "a", "project": "b", "url": "https://example.com"},
    "profiles": ["admission"],
    "webhook": {"pods": {"path": "/validate", "operations": ["CREATE"]}},
}


def written(folder: Path, webhook: object) -> Path:
    path = folder / "subject.yaml"
    path.write_text(yaml.safe_dump(GOOD | {"webhook": webhook}))
    return path


def test_the_least(tmp_path: Path) -> None:
    webhook = load_subject(written(tmp_path, GOOD["webhook"])).webhook
    assert webhook is not None
    assert {kind: (route.path, list(route.operations)) for kind, route in webhook.routes.items()} == {
        "pods": ("/validate", ["CREATE"])
    }
    assert webhook.features == frozenset()


PODS = GOOD["webhook"]["pods"]
WRONG: dict[str, tuple[Any, str]] = {
    "nothing is served": ({}, "webhook: it serves nothing"),
    "no mapping": ([], "webhook: it must be a mapping"),
    "an unknown key": ({"pod": PODS}, "webhook.pod: there is no such key"),
    "no path": ({"pods": {"operations": ["CREATE"]}}, "webhook.pods.path: it must be a text"),
    "no operations": ({"pods": {"path": "/validate"}}, "webhook.pods.operations: it must be a list"),
    "an unknown key of a route": ({"pods": PODS | {"url": "x"}}, "webhook.pods.url: there is no such key"),
    "an unknown feature": ({"pods": PODS, "features": ["dra"]}, "webhook.features: there is no feature 'dra'"),
    "no port": ({"pods": PODS, "address": "localhost", "authority": "ca.crt"}, "webhook.address: it is 'localhost'"),
    "no authority": ({"pods": PODS, "address": "localhost:443"}, "address and authority belong together"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong(tmp_path: Path, name: str) -> None:
    webhook, text = WRONG[name]
    with pytest.raises(SubjectError, match=text.replace("[", r"\[")):
        load_subject(written(tmp_path, webhook))


def test_one_reason_for_several_tests(tmp_path: Path) -> None:
    path = tmp_path / "subject.yaml"
    known = [{"tests": ["a/test_a.py::test_b[x y]", "a/test_c.py::*"], "reason": "it is so"}]
    path.write_text(yaml.safe_dump(GOOD | {"deviations": known}))
    subject = load_subject(path)
    for test in ("a/test_a.py::test_b[x y]", "a/test_c.py::test_any[z]"):
        deviation = subject.deviation_of(test)
        assert deviation is not None
        assert deviation.reason == "it is so"
    assert subject.deviation_of("a/test_a.py::test_b[x]") is None
