"""The requests to the API server with their users, from its audit log (audit.k8s.io/v1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # Two lines a request. The first is written before the API server carries the request out, so a client that has its
    # answer finds its request here. The second has the audit annotations of the webhooks.
    "omitStages": ["ResponseStarted", "Panic"],
    "rules": [{"level": "Metadata"}],
}
BEFORE, AFTER = "RequestReceived", "ResponseComplete"
_METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH"}


class Asked(NamedTuple):
    """One request. `verb` and `resource` are those of RBAC, with `pods/status` for a subresource; "" if there is none."""

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
    """Return the requests in the log, from a byte offset on."""
    return [_request(event) for event in _events(log, offset) if event["stage"] == BEFORE]


def read_annotations(log: Path, *, offset: int = 0) -> list[tuple[Asked, dict[str, str]]]:
    """Return the completed requests, from a byte offset on, each with its audit annotations."""
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
