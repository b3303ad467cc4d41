"""The API server with the Lease of the status writer, and the writes of replicas."""

from __future__ import annotations

from collections import Counter

from tests.fakes.apiserver import Answer, ApiServer, Request, Watch
from tests.fakes.objectstore import POLICIES, Object

LEASES = "/apis/coordination.k8s.io/v1/namespaces/nadmit-system/leases"
LEASE = f"{LEASES}/nadmit-status"


class StatusServer(ApiServer):
    """Use as a context. The Lease is there and has no holder."""

    def __init__(self) -> None:
        super().__init__()
        self.put(LEASE, {"spec": {}})
        self.writers: set[str] = set()
        """The holders of the Lease at the moments when a status was written; "" for none."""

    def answer_to(self, request: Request) -> Answer | Watch:
        if request.path.endswith("/status"):
            self.writers.add(self.holder)
        return super().answer_to(request)

    @property
    def holder(self) -> str:
        return str(self.get(LEASE)["spec"].get("holderIdentity") or "")

    def renewals(self) -> list[Request]:
        """Return the requests that would write the Lease."""
        return [request for request in self.written() if request.path == LEASE]

    def patches(self) -> list[Request]:
        """Return the patches of statuses."""
        return [request for request in self.written() if request.path.endswith("/status")]

    def statuses(self, path: str = POLICIES) -> dict[str, Object]:
        """Return the statuses that are stored, by name."""
        return {name: value["status"] for (_, name), value in self.objects[path].items() if "status" in value}

    def reasons(self) -> Counter[tuple[str, str]]:
        """Return the events that are stored, by object and reason."""
        return Counter((event["regarding"]["name"], event["reason"]) for event in self.events())
