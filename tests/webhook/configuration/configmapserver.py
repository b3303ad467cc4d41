"""The API server with the ConfigMap of the configuration, and the writes of replicas."""

from __future__ import annotations

from tests.fakes.apiserver import ApiServer

CONFIG_MAPS = "/api/v1/configmaps"
NAMESPACE, NAME = "nadmit-system", "nadmit-webhook"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"


class ConfigMapServer(ApiServer):
    """Use as a context. There is no ConfigMap before `write`."""

    def write(self, **data: bytes) -> None:
        """Replace the ConfigMap's texts; the argument `last_good` is the key `last-good.yaml`."""
        texts = {f"{key.replace('_', '-')}.yaml": text.decode() for key, text in data.items()}
        metadata = {"namespace": NAMESPACE, "name": NAME, "uid": "uid-1"}
        self.put(CONFIG_MAPS, {"metadata": metadata, **({"data": texts} if texts else {})})

    def edit(self, **data: bytes | None) -> None:
        """Change keys of the ConfigMap, as kubectl does; the other keys stay."""
        before = {key.removesuffix(".yaml").replace("-", "_"): text.encode() for key, text in self.texts().items()}
        after: dict[str, bytes | None] = {**before, **data}
        self.write(**{key: text for key, text in after.items() if text is not None})

    def remove(self) -> None:
        self.delete(PATH)

    def texts(self) -> dict[str, str]:
        """Return the data that is stored."""
        return dict(self.get(PATH).get("data") or {})

    def patches(self) -> list[int]:
        """Return the status of each patch."""
        return [request.code for request in self.requests if request.method == "PATCH"]

    def event_tries(self) -> int:
        return len([request for request in self.requests if request.path == EVENTS])

    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.events()]
