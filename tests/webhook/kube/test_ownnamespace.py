"""The namespace of nadmit's own objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.kube.credentials import own_namespace


def test_the_given_namespace_takes_precedence(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("mounted")
    assert own_namespace("given", service_account=tmp_path) == "given"


@pytest.mark.parametrize(
    ("content", "expected"), [(b"mounted\n", "mounted"), (b"", "nadmit-system"), (b"\xff", "nadmit-system")]
)
def test_the_file_of_the_service_account(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "namespace").write_bytes(content)
    assert own_namespace(None, service_account=tmp_path) == expected


def test_outside_of_a_pod(tmp_path: Path) -> None:
    assert own_namespace(None, service_account=tmp_path) == "nadmit-system"
