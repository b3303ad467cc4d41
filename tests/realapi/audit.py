"""What the API server was asked, and by whom, from its own audit log (audit.k8s.io/v1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # One line a request, written before it is carried out: whoever has an answer finds his request here.
    "omitStages": ["ResponseStarted", "ResponseComplete", "Panic"],
    "rules": [{"level": "Metadata"}],
}
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
    with log.open("rb") as file:
        file.seek(offset)
        return [_request(json.loads(line)) for line in file if line.endswith(b"\n")]


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
