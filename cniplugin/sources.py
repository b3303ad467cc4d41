"""What a pod's attachments depend on, read from the cluster: the pod, its networks, the labels of namespaces.

Everything is read through a `Reader`: today the API server (`kubeapi.Client`), later perhaps a broker on the node that
saves the TLS handshake. What was read is remembered for the run, so that one ADD decides on one state.
A pod that is not found is an error: Multus answers with a made-up result, and the pod runs without networks.
"""

from __future__ import annotations

from .errors import INVALID_ENVIRONMENT, TRY_AGAIN_LATER, CniError, NotFoundError
from .netspec import netattachdef
from .netspec.errors import show
from .netspec.jsontext import quote
from .netspec.names import ALLOWED_SUBDOMAIN, is_subdomain
from .netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from .netspec.netattachdef import NetworkAttachmentDefinition

    class Reader(Protocol):
        """An API server, or what stands for it."""

        memo: dict[tuple[str, ...], object]

        def get(self, path: str, *, appears_within_s: float = 0.0) -> dict[str, Any]:
            """Return the object at a path of the API; raises NotFoundError or another CniError."""


CONFIG_SOURCE = "kubernetes.io/config.source"
"""Annotation of a pod: where the kubelet has it from; absent or "api" for pods of the API (kubelet/types)."""

POD_APPEARS_WITHIN_S = 5.0
"""The kubelet saw the pod, so it is there, unless it is deleted or the mirror pod of a static one is late. After
this the runtime's own retry, with code 11, serves better than a process that waits."""


class Pod(Record):
    """A pod, as far as its attachments go. `uid` is that of the API object, a mirror pod's for a static pod."""

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]  # never changed
    annotations: Mapping[str, str]  # never changed
    service_account: str
    is_static: bool


def fetch_pod(client: Reader, namespace: str, name: str, uid: str) -> Pod:
    """Return the pod that the runtime means; `uid` is what CNI_ARGS say, "" when they say nothing.

    Raises CniError 4 for names that no pod has, and 11: if it is not found (NotFoundError) or has another uid, which
    a static pod always has, because the kubelet counts its own.
    """
    for value, variable in ((namespace, "K8S_POD_NAMESPACE"), (name, "K8S_POD_NAME")):
        if not is_subdomain(value):
            raise CniError(
                INVALID_ENVIRONMENT, f"CNI_ARGS: {variable} is no name: {show(value)}; allowed: {ALLOWED_SUBDOMAIN}"
            )
    key = ("pod", namespace, name)
    pod = client.memo.get(key)
    if not isinstance(pod, Pod):
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        pod = _pod(namespace, name, client.get(path, appears_within_s=POD_APPEARS_WITHIN_S))
        client.memo[key] = pod
    if uid and pod.uid != uid and not pod.is_static:
        raise CniError(
            TRY_AGAIN_LATER,
            f"pod {namespace}/{name}: it was created anew: its uid is {pod.uid}, and the runtime asks for {uid}",
        )
    return pod


def fetch_network(client: Reader, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
    """Return a network, None if there is none, also for names that no object has."""
    key = ("network", namespace, name)
    if not is_subdomain(namespace) or not is_subdomain(name):
        return None
    if key not in client.memo:
        path = (
            f"/apis/{netattachdef.GROUP}/{netattachdef.VERSION}/namespaces/{namespace}/{netattachdef.RESOURCE}/{name}"
        )
        try:
            client.memo[key] = _network(namespace, name, client.get(path))
        except NotFoundError:
            client.memo[key] = None
    found = client.memo[key]
    return found if isinstance(found, netattachdef.NetworkAttachmentDefinition) else None


def fetch_namespace_labels(client: Reader, namespace: str) -> Mapping[str, str]:
    """Return the labels of a namespace; raises NotFoundError if there is none."""
    key = ("namespace", namespace)
    if key not in client.memo:
        client.memo[key] = _texts(_object(client.get(f"/api/v1/namespaces/{namespace}"), "metadata"), "labels")
    found = client.memo[key]
    return found if isinstance(found, dict) else {}


def _pod(namespace: str, name: str, value: dict[str, Any]) -> Pod:
    metadata, spec = _object(value, "metadata"), _object(value, "spec")
    annotations = _texts(metadata, "annotations")
    return Pod(
        namespace=namespace,
        name=name,
        uid=str(metadata.get("uid", "")),
        labels=_texts(metadata, "labels"),
        annotations=annotations,
        service_account=str(spec.get("serviceAccountName") or "default"),
        is_static=annotations.get(CONFIG_SOURCE, "api") != "api",
    )


def _network(namespace: str, name: str, value: dict[str, Any]) -> NetworkAttachmentDefinition:
    """NB: a CRD without schema lets `config` be anything; other JSON than text becomes a text with a problem."""
    metadata, config = _object(value, "metadata"), _object(value, "spec").get("config")
    return netattachdef.build(
        namespace=namespace,
        name=name,
        config=config if isinstance(config, str | None) else quote(quote(config)),
        labels=_texts(metadata, "labels"),
        annotations=_texts(metadata, "annotations"),
    )


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _texts(metadata: dict[str, Any], key: str) -> dict[str, str]:
    return {name: text for name, text in _object(metadata, key).items() if isinstance(text, str)}
