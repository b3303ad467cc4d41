"""The changes of /mutate to an object, as a unified diff of its YAML. Both sides are rendered, so comments are lost."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import yaml


def render(before: Mapping[str, Any], after: Mapping[str, Any], *, name: str) -> list[str]:
    """Return the lines of the diff, without line breaks; none if nothing differs. The head shows `name`."""
    lines = difflib.unified_diff(
        _lines(before), _lines(after), fromfile=f"{name} (as written)", tofile=f"{name} (as created)", lineterm=""
    )
    return list(lines)


def _lines(value: Mapping[str, Any]) -> list[str]:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100_000).splitlines()


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, _data: object) -> bool:
        """Write an object in full wherever it is used, because people read the diff. Two containers may share one."""
        return True
