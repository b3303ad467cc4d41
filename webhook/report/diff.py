"""What /mutate changes in an object, as a unified diff of its YAML: both sides are written anew, without comments."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import yaml


def render(before: Mapping[str, Any], after: Mapping[str, Any], *, name: str) -> list[str]:
    """Return the lines of the diff, without line breaks; none if nothing differs. `name` stands in its head."""
    lines = difflib.unified_diff(
        _lines(before), _lines(after), fromfile=f"{name} (as written)", tofile=f"{name} (as created)", lineterm=""
    )
    return list(lines)


def _lines(thing: Mapping[str, Any]) -> list[str]:
    """NB: no aliases: two containers may share one object, and the diff is read by people."""
    return yaml.dump(thing, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100_000).splitlines()


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, _data: object) -> bool:
        """Write everything where it stands."""
        return True
