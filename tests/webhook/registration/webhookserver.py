"""The API server with a webhook configuration of each kind, which others write to as well."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tests.fakes.apiserver import Answer, ApiServer, Request, failure
from tests.fakes.objectstore import Object
from webhook.registration.tables import KINDS, MUTATING_KIND, VALIDATING_KIND, Kind

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
NAME = "nadmit"
PROBED = "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions"
"""Where `webhooks stage` has a network created by a dry run."""


class Stored:
    """The configuration of one kind. It exists, and has no webhooks, before a test changes it."""

    def __init__(self, api: ApiServer, kind: Kind) -> None:
        self.kind = kind
        self.path = f"{REGISTRATION}/{kind.resource}/{NAME}"
        self.before_patch: deque[Callable[[Object], object]] = deque()
        """The changes by others before the next patches."""
        self._api = api
        api.put(self.path, {})

    @property
    def value(self) -> Object:
        return self._api.get(self.path)

    def edit(self, change: Callable[[Object], object]) -> None:
        """Change the object, as another client does."""
        self._api.modify(self.path, change)

    def delete(self) -> None:
        self._api.delete(self.path)

    def create(self) -> None:
        self._api.put(self.path, {})

    def answer(self, answer: Answer) -> None:
        """Give the next request an answer."""
        self._api.answers[self.path].append(answer)

    def hooks(self) -> list[Object]:
        return list(self.value.get("webhooks", []))

    @property
    def gets(self) -> int:
        """How many requests have read the object, or that there is none."""
        return len([one for one in self._requests("GET") if one.code in {200, 404}])

    @property
    def patches(self) -> list[list[Object]]:
        """The patches that were accepted."""
        return [one.body for one in self._requests("PATCH") if one.code == 200]

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until something about the server is true."""
        self._api.wait(condition)

    def wait_for_gets(self, more: int) -> None:
        """Wait until the object was read so many times again, so that each reader has done a round."""
        last = self.gets + more
        self.wait(lambda: self.gets >= last)

    def _requests(self, method: str) -> list[Request]:
        return [one for one in self._api.requests if (one.method, one.path) == (method, self.path)]


class WebhookServer(ApiServer):
    """Use as a context."""

    def __init__(self) -> None:
        super().__init__()
        self.validating = Stored(self, VALIDATING_KIND)
        self.mutating = Stored(self, MUTATING_KIND)
        self.instead = self._write_before

    def stored(self, kind: Kind) -> Stored:
        return {MUTATING_KIND: self.mutating, VALIDATING_KIND: self.validating}[kind]

    def answer_probe(self, code: int, message: str) -> None:
        """Set the answer to the creation of a network."""
        self.answer_always[PROBED] = failure(code, message)

    def patched(self) -> list[str]:
        """Return the kinds that were patched, in order."""
        paths = {self.stored(kind).path: kind.name for kind in KINDS}
        return [paths[one.path] for one in self.requests if (one.method, one.code) == ("PATCH", 200)]

    def _write_before(self, request: Request) -> None:
        for stored in (self.mutating, self.validating):
            if (request.method, request.path) == ("PATCH", stored.path) and stored.before_patch:
                stored.edit(stored.before_patch.popleft())
