"""Where things are in the project, for tests: no test counts its own folders."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
VECTORS = TESTS / "vectors"
GOLDEN = TESTS / "golden"
EXAMPLES = ROOT / "examples"
MANIFESTS = ROOT / "manifests"
