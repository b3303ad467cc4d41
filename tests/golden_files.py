"""Golden files: the texts that users read, under `tests/golden/`. `make golden` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parent / "golden"


def compare(name: str, text: str) -> None:
    """Compare a text with `tests/golden/<name>`; with UPDATE_GOLDEN=1 write the file instead."""
    path = ROOT / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path} is missing: run make golden and read the diff"
    assert text == path.read_text()


def stale(folder: str, names: set[str]) -> list[str]:
    """Return the files of a folder that no case writes."""
    found = {str(path.relative_to(ROOT / folder)) for path in (ROOT / folder).rglob("*") if path.is_file()}
    return sorted(found - names)
