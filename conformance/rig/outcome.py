"""What a runtime sees of one call of the subject: exit code, answer, stderr."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a call. `code` is negative if a signal ended the process; `took_s` is the time of the call."""

    code: int
    out: str
    err: str
    took_s: float

    def succeeds(self) -> Json:
        """Check that the call succeeded, and return its answer; {} without one."""
        assert self.code == 0, f"the call must succeed, and it failed with {self._failure()}"
        return self.answer()

    def fails(self) -> Json:
        """Check that the call failed by itself, and return its error; {} without one, which CNI only recommends."""
        assert self.code, "the call must fail, and it succeeded"
        assert self.code > 0, f"the call must fail by itself, and signal {-self.code} ended it"
        return self._error()

    def _error(self) -> Json:
        try:
            return self.answer()
        except AssertionError:
            return {}

    def _failure(self) -> str:
        """Return the error of a call that failed: that of the answer, or what there is instead."""
        error = self._error()
        if error.get("msg"):
            return f"code {error.get('code')}: {' '.join(str(error['msg']).split())}"
        return f"exit code {self.code}, answer {self.out!r}, stderr {self.err!r}"

    def answer(self) -> Json:
        """Return the JSON of stdout; {} if there is nothing."""
        if not self.out.strip():
            return {}
        try:
            value = json.loads(self.out)
        except ValueError:
            raise AssertionError(f"stdout is not one JSON value: {self.out!r}") from None
        assert isinstance(value, dict), f"stdout is not a JSON object: {self.out!r}"
        return value

    def text(self) -> str:
        """Return what the error says, msg and details."""
        error = self.answer()
        return f"{error.get('msg', '')} {error.get('details', '')}"
