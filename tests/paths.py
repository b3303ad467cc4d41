"""Paths of the project's folders, so that no test counts its parent folders."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
VECTORS = TESTS / "vectors"
GOLDEN = TESTS / "golden"
EXAMPLES = ROOT / "examples"
MANIFESTS = ROOT / "manifests"
