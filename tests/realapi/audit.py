"""What the API server was asked, and by whom, from its own audit log (audit.k8s.io/v1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # One line a request, written before it is carried out: whoever has an answer finds his request here; and one when
    # it is over, which has what the webhooks said.
    "omitStages": ["ResponseStarted", "Panic"],
    "rules": [{"level": "Metadata"}],
}
BEFORE, AFTER = "RequestReceived", "ResponseComplete"
_METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH"}


class Asked(NamedTuple):
    """One request. `verb` and `resource` as RBAC has them, `pods/status` for a subresource; "" if it has none."""

    user: str
    verb: str
    uri: str
    group: str
    resource: str

    @property
    def line(self) -> str:
        """The request line: `PATCH /api/v1/...`."""
        return f"{_METHODS.get(self.verb, self.verb.upper())} {self.uri}"


def read_requests(log: Path, *, offset: int = 0) -> list[Asked]:
    """Return the requests in the log from a byte on."""
    return [_request(event) for event in _events(log, offset) if event["stage"] == BEFORE]


def read_annotations(log: Path, *, offset: int = 0) -> list[tuple[Asked, dict[str, str]]]:
    """Return the requests that are over, from a byte on, each with its audit annotations."""
    over = [event for event in _events(log, offset) if event["stage"] == AFTER]
    return [(_request(event), event.get("annotations") or {}) for event in over]


def _events(log: Path, offset: int) -> list[dict[str, Any]]:
    with log.open("rb") as file:
        file.seek(offset)
        return [json.loads(line) for line in file if line.endswith(b"\n")]


def _request(event: dict[str, object]) -> Asked:
    about, user = event.get("objectRef") or {}, event["user"]
    assert isinstance(about, dict)
    assert isinstance(user, dict)
    steps = [about[key] for key in ("resource", "subresource") if about.get(key)]
    return Asked(
        user=str(user["username"]),
        verb=str(event["verb"]),
        uri=str(event["requestURI"]),
        group=str(about.get("apiGroup", "")),
        resource="/".join(steps),
    )
